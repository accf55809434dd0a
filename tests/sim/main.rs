//! The whole core under faults drawn from a seed: the real pipeline, packer, spool and batch over simulated disks and a simulated Kinesis.
//!
//! ```text
//! cargo test --test sim                          as many seeds as a few seconds allow
//! SIM_SEEDS=10000 cargo test --test sim          so many seeds that nobody has tried; SIM_FROM=n: from this one on
//! SIM_SEED=n cargo test --test sim               repeats one, and tells its last events
//! ```
//!
//! `cargo build --example sim --features boards` makes a program of it, for boards whose toolchain has no test harness; it takes the same variables.
//!
//! What is checked stands where it is checked: after each step in `run.rs`, at the end of a run in `endings.rs`, at a death in `world.rs` and
//! `simulation.rs`, and when all is mended in `simulation.rs`.

mod checks;
mod delivery;
mod disk;
mod endings;
mod faults;
mod file;
mod hand_offs;
mod kinesis;
mod lines;
#[cfg(feature = "planted-bugs")]
mod planted;
mod run;
mod simulation;
mod swarm;
mod world;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::simulate;
use world::World;

/// Seeds of an ordinary `cargo test`.
const SEEDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Says why, where it failed.
fn failure(seed: u64) -> Option<String> {
    let mut world = World::new(seed, false);
    let result = catch_unwind(AssertUnwindSafe(|| simulate(&mut world)));
    result.err().map(|cause| text_of(cause.as_ref()))
}

fn text_of(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without words").to_owned()
}

/// Runs it once more and tells its last events.
fn tell(seed: u64) -> ! {
    println!("── SIM_SEED={seed} fails; its last events:");
    let mut world = World::new(seed, true);
    let result = catch_unwind(AssertUnwindSafe(|| simulate(&mut world)));
    for event in world.events() {
        println!("{event}");
    }
    match result {
        Ok(()) => panic!("SIM_SEED={seed} passes when it is repeated: the simulation is not deterministic"),
        Err(cause) => panic!("{}\nrepeat it with: SIM_SEED={seed} cargo test --test sim", text_of(cause.as_ref())),
    }
}

/// Does what may panic many times; the words of one panic come when it is repeated.
fn quietly(work: impl FnOnce()) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    if let Err(cause) = result {
        std::panic::resume_unwind(cause);
    }
}

#[cfg(not(test))]
fn main() {
    whatever_goes_wrong_each_accepted_line_arrives_or_is_accounted_for();
}

#[cfg_attr(test, test)]
fn whatever_goes_wrong_each_accepted_line_arrives_or_is_accounted_for() {
    if let Some(seed) = number("SIM_SEED") {
        if failure(seed).is_some() {
            tell(seed);
        }
        return;
    }
    let (from, count) = (number("SIM_FROM").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let (start, next, failed) = (Instant::now(), AtomicU64::new(from), AtomicU64::new(u64::MAX));
    quietly(|| {
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, |cores| cores.get()) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= from + count || failed.load(Ordering::Relaxed) < seed {
                            return;
                        }
                        if failure(seed).is_some() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                    }
                });
            }
        })
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} seeds from {from} in {seconds:.1} s: {:.0} a second", count as f64 / seconds);
    if failed.load(Ordering::Relaxed) < u64::MAX {
        tell(failed.load(Ordering::Relaxed));
    }
}
