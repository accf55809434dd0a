//! Memory: what is allocated ([`allocations`]: no line allocates, a request allocates a fixed number of times, no buffer outgrows its sum) and what the
//! program holds ([`resident`]: as much after five million lines as after two hundred thousand).
//!
//! `cargo build --example memory --features boards` makes a program of [`allocations`], for boards whose toolchain has no test harness.
//!
//! The allocations counted are those of the test's own thread, so each of these tests goes the whole way in one thread; the loopback Kinesis has others.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod allocations;
mod harness;
#[cfg(test)]
mod resident;
mod sockets;

#[path = "../support/mod.rs"]
mod support;

#[cfg(not(test))]
fn main() {
    for (name, test) in allocations::ALL.into_iter().chain(sockets::ALL) {
        println!("{name}");
        test();
    }
}
