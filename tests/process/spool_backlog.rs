//! A backlog that is large: opened at once, delivered oldest first in bounded memory, and no reason to keep new lines waiting.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use kinegraf::spool::block::{BlockBuilder, Position};
use kinegraf::spool::segment;
use kinegraf::time::Now;

use super::common::{host_of, is_full, ms_at_pace, summed};
use super::spool_common::{Spool, wait_until};
use super::support::{Certificate, Fault, Options, Plan, STREAM, Server, Store, lines};

/// What is promised of the release, with glibc.
const RESIDENT_MAX: u64 = 8 << 20;

/// Fills the spool with segments of `size` bytes altogether as the product writes them, behind what an earlier run left; the lines that wait.
fn fill(spool: &Spool, generator: &mut lines::Generator, size: u64) -> u64 {
    let (name, first_size) = spool.segments().into_iter().next().expect("an earlier run left a segment");
    let (_, hash) = name.split_once('-').unwrap();
    let mut head = std::fs::read(spool.path().join(&name)).unwrap();
    let (_, head_size) = segment::read_header(&head[..head.len().min(segment::HEADER_SIZE_MAX)]).unwrap();
    head.truncate(head_size);
    let (mut builder, mut line) = (BlockBuilder::new(1024), Vec::new());
    let (mut position, mut used, mut count) = (1000, first_size, 0);
    while used < size {
        let (number, mut bytes) = (position, head.clone());
        while bytes.len() < (256 << 10) - (33 << 10) {
            builder.clear();
            while !builder.is_full() {
                line.clear();
                generator.write(&mut line);
                builder.push(host_of(&line), &line);
                count += 1;
            }
            let now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_795_305_600) };
            bytes.extend_from_slice(builder.finish(Position(position), now));
            position += 1;
        }
        write(spool.path(), &format!("{number:016x}-{hash}"), &bytes);
        used += bytes.len() as u64;
    }
    count
}

fn write(path: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(path.join(name), bytes).unwrap();
}

#[test]
fn a_large_backlog_is_opened_at_once_and_delivered_in_bounded_memory_while_new_lines_are_taken() {
    let (size, new_lines) = if is_full() { (1 << 30, 500_000) } else { (16 << 20, 50_000) };
    let spool = Spool::new("[spool]\nsize = \"4GiB\"\n[packing]\npack = \"lines\"\n");
    let server = Server::start(Options { store: Store::Counts, ..Options::tls(Certificate::Good) });
    server.set_plan(Plan::Always(Fault::ServiceUnavailable));
    let run = || spool.run(&server.url()).env("AWS_CA_BUNDLE", server.ca_file()).args(["-v"]);
    run().args(["--shutdown-timeout", "100ms"]).stdin("first,host=edge-00 v=1 1\n").run().assert_code(0);
    let mut generator = lines::Generator::new(61);
    let before = server.counts().requests;
    let waiting = 1 + fill(&spool, &mut generator, size);
    server.set_plan(Plan::Good);

    let start = Instant::now();
    let mut running = run().args(["--shutdown-timeout", "240s"]).limit(Duration::from_secs(300)).stdin_open().start();
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests > before), "{}", running.stderr());
    let opened = start.elapsed();
    // New lines are taken at full rate: the card takes what hot cannot.
    let new = lines::joined(&generator.by_ref().take(new_lines).collect::<Vec<_>>());
    let start = Instant::now();
    running.write(&new);
    assert!(wait_until(|| running.has_taken_everything()), "{}", running.stderr());
    let taken = start.elapsed();
    let waits = spool.used();
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    println!(
        "{waiting} lines in {} MiB: first request after {opened:?}; {new_lines} new lines taken in {taken:?} ({:.0} MB/s) while {} MiB waited; all \
         delivered in {:?}; at most {} KiB resident",
        size >> 20,
        new.len() as f64 / 1e6 / taken.as_secs_f64(),
        waits >> 20,
        finished.time,
        finished.peak_rss >> 10
    );
    assert_eq!(summed(&finished, "delivered in"), waiting + new_lines as u64, "{}", finished.stderr);
    spool.assert_empty();
    if is_full() {
        assert!(opened < Duration::from_secs(1), "{opened:?}");
        assert!(finished.peak_rss <= RESIDENT_MAX, "{} bytes", finished.peak_rss);
        assert!(new.len() as f64 / taken.as_secs_f64() > 5e6, "{taken:?}");
    }
}

#[test]
fn a_backlog_is_delivered_oldest_first_and_before_what_comes_new() {
    let spool = Spool::new("[delivery]\nordering = \"strict\"\n");
    let server = Server::start(Options::default());
    server.set_plan(Plan::Always(Fault::ServiceUnavailable));
    let lines = lines::telegraf(62, 6_000);
    for batch in lines[..4_000].chunks(500) {
        spool.run(&server.url()).args(["--shutdown-timeout", &ms_at_pace(50)]).stdin(lines::joined(batch)).run().assert_code(0);
    }
    server.set_plan(Plan::Good);
    spool.run(&server.url()).args(["--shutdown-timeout", "30s"]).stdin(lines::joined(&lines[4_000..])).run().assert_code(0);
    let stored = server.stored_lines(STREAM);
    assert!(
        stored == lines,
        "{} of {} lines, first out of order: {:?}",
        stored.len(),
        lines.len(),
        stored.iter().zip(&lines).position(|(a, b)| a != b)
    );
    spool.assert_empty();
}

#[test]
fn a_run_that_is_behind_holds_no_more_memory_than_one_that_is_not() {
    let count = if is_full() { 1_000_000 } else { 100_000 };
    let server = Server::start(Options { store: Store::Counts, ..Options::tls(Certificate::Good) });
    server.set_plan(Plan::Always(Fault::ServiceUnavailable));
    let spool = Spool::new("");
    let program = spool.run(&server.url()).env("AWS_CA_BUNDLE", server.ca_file()).args(["-v", "--shutdown-timeout", "300ms"]);
    let program = program.stdin_by(move |pipe| {
        let mut generator = lines::Generator::new(63);
        for _ in 0..count / 1000 {
            pipe.write_all(&lines::joined(&generator.by_ref().take(1000).collect::<Vec<_>>()))?;
        }
        Ok(())
    });
    let finished = program.run().assert_code(0);
    println!("{count} lines while behind: {:?}, {} MiB on the card, {} KiB resident", finished.time, spool.used() >> 20, finished.peak_rss >> 10);
    assert_eq!(summed(&finished, "lines accepted"), count, "{}", finished.stderr);
    assert_eq!(summed(&finished, "given up for want of room"), 0, "{}", finished.stderr);
    assert!(!is_full() || finished.peak_rss <= RESIDENT_MAX, "{} bytes", finished.peak_rss);
    server.set_plan(Plan::Good);
    let finished =
        spool.run(&server.url()).env("AWS_CA_BUNDLE", server.ca_file()).args(["-v", "--shutdown-timeout", "60s"]).stdin("").run().assert_code(0);
    assert_eq!(summed(&finished, "delivered in"), count, "{}", finished.stderr);
    spool.assert_empty();
    println!("delivered in {:?}, {} KiB resident", finished.time, finished.peak_rss >> 10);
    assert!(!is_full() || finished.peak_rss <= RESIDENT_MAX, "{} bytes", finished.peak_rss);
}
