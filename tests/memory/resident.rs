//! What the program holds in memory at most, as the kernel counts it (`VmHWM`), over TLS with the defaults.
//!
//! `KINEGRAF_FULL=1` takes 200 thousand and five million lines, else 50 and 250 thousand. `KINEGRAF_BIN` names the binary to measure, else it is the one that
//! was built for the tests: larger, and not held to what is promised of the release. `KINEGRAF_RESIDENT_KIB` is another limit than the release's, in KiB.

use std::io::Write;
use std::time::Duration;

use kinegraf::config::Pack;
use kinegraf::memory;

use crate::harness::config;
use crate::support::{Certificate, Options, Program, STREAM, Server, Store, lines};

/// More lines may cost this much more, the kernel's own inexactness included.
const GROWTH_MAX: u64 = 256 << 10;
/// What is promised of the release, with glibc.
const RESIDENT_MAX: u64 = 8 << 20;

#[test]
fn more_lines_take_no_more_memory_and_never_eight_mebibytes() {
    let full = std::env::var_os("KINEGRAF_FULL").is_some();
    let (few, many) = if full { (200_000, 5_000_000) } else { (50_000, 250_000) };
    let is_release = std::env::var_os("KINEGRAF_BIN").is_some() || !cfg!(debug_assertions);
    for (pack, name) in [(Pack::Metric, "metric"), (Pack::Lines, "lines")] {
        let (before, after) = (peak(name, few), peak(name, many));
        println!("pack = {name}: {} KiB after {few} lines, {} KiB after {many}", before >> 10, after >> 10);
        assert!(after <= before + GROWTH_MAX, "{name}: {after} bytes after {many} lines, {before} after {few}");
        let most = if is_release { promised() } else { memory::memory_max(&config(pack, None)) as u64 };
        assert!(after <= most, "{name}: {after} bytes, more than {most}");
    }
}

/// What is promised of the binary that is measured, in bytes.
fn promised() -> u64 {
    std::env::var("KINEGRAF_RESIDENT_KIB").map_or(RESIDENT_MAX, |kib| kib.parse::<u64>().expect("KINEGRAF_RESIDENT_KIB is a number") << 10)
}

/// The highest of three runs: how much of the spool is ever touched depends on how fast the other side is.
fn peak(pack: &'static str, count: usize) -> u64 {
    (0..3).map(|_| run(pack, count)).max().expect("three")
}

fn run(pack: &'static str, count: usize) -> u64 {
    let server = Server::start(Options { store: Store::Counts, ..Options::tls(Certificate::Good) });
    let program = Program::new(env!("CARGO_BIN_EXE_kinegraf")).to(&server, STREAM).args(["--pack", pack]).limit(Duration::from_secs(300));
    let finished = program.stdin_by(move |pipe| write_lines(pipe, count)).run().assert_code(0);
    if pack == "metric" {
        assert_eq!(server.counts().stored, count as u64);
    }
    finished.peak_rss
}

fn write_lines(pipe: &mut impl Write, count: usize) -> std::io::Result<()> {
    let (mut generator, mut bytes) = (lines::Generator::new(1), Vec::new());
    for _ in 0..count {
        generator.write(&mut bytes);
        bytes.push(b'\n');
        if bytes.len() >= 64 << 10 {
            pipe.write_all(&bytes)?;
            bytes.clear();
        }
    }
    pipe.write_all(&bytes)
}
