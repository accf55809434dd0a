//! The loopback Kinesis tested by itself, with raw requests and its own signing, so that a green suite means more than "both sides share a mistake":
//! good requests are taken, spoilt ones refused in the service's words, and each fault does what it says.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod describe;
mod faults;
mod limits;
mod process;
mod signatures;
mod taken;
mod tls;

/// Two records.
const TWO: [(&str, &[u8]); 2] = [("a", b"one"), ("b", b"two")];

/// Records in the usual stream.
fn stored(server: &support::Server) -> usize {
    server.records(support::STREAM).len()
}
