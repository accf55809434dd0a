//! Clocks that are wrong: the service's, this machine's, and lines without a time of their own.
//!
//! This machine's clock is moved for one process by a library of a few lines that the C compiler makes (which building needs anyway) and `LD_PRELOAD` loads.
//! A static program takes no such library; then those tests say so and pass, except in CI.

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::common::{assert_reason, input, kinegraf, summed, to};
use super::support::{Certificate, Fault, Options, Plan, STREAM, Server, TempDir};

#[test]
fn a_service_whose_clock_is_far_off_is_believed_once_and_then_signed_for() {
    for ahead_s in [-86_400 * 400, -600, 600, 86_400 * 400] {
        let (server, (lines, bytes)) = (Server::start(Options::default()), input(1200));
        server.set_clock_ahead(ahead_s);
        let finished = to(&server).args(["-v"]).stdin(bytes).run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
        let requests = server.exchanges();
        let refused = requests.iter().filter(|exchange| exchange.code == "InvalidSignatureException").count();
        assert_eq!((refused, requests[0].acknowledged), (1, false), "one refusal, the first, and no other");
        assert!(finished.stderr.matches("warning").count() <= 1, "said once: {}", finished.stderr);
    }
}

#[test]
fn a_clock_that_jumps_in_the_middle_of_a_run_is_followed() {
    let (server, (lines, bytes)) = (Server::start(Options::default()), input(500));
    let mut running = to(&server).args(["--flush-interval", "0s"]).stdin_open().start();
    for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        if i % 100 == 50 {
            server.set_clock_ahead(if i % 200 == 50 { 7200 } else { -7200 });
        }
        running.write(line);
    }
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
    server.assert_no_resend_after_ack();
}

#[test]
fn a_service_that_contradicts_itself_about_the_time_ends_the_run_and_no_loop() {
    // Each answer's date is another day: no correction holds.
    let plan = Plan::by(|coming| Fault::SkewedClock(86_400 * (1 + i64::try_from(coming.number).unwrap())));
    let server = Server::start(Options::plan(plan));
    let finished = to(&server).stdin(input(3).1).run().assert_code(77);
    assert!(finished.first_line().contains("Signature expired") && server.counts().requests <= 4, "{}", finished.stderr);
}

fn wall_ns() -> i128 {
    i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[test]
fn a_line_without_a_time_gets_that_of_its_arrival_and_one_with_a_time_keeps_it() {
    let server = Server::start(Options::default());
    let before = wall_ns();
    let finished = to(&server).args(["-v"]).stdin("m v=1\nm v=2   \nm v=3 4\r\nm v=\"5 6\"\n").run().assert_code(0);
    let after = wall_ns();
    let stored = server.stored_lines(STREAM);
    assert_eq!((stored.len(), stored[2].as_slice()), (4, b"m v=3 4".as_slice()));
    for (line, start) in [(&stored[0], "m v=1 "), (&stored[1], "m v=2 "), (&stored[3], "m v=\"5 6\" ")] {
        let time: i128 = std::str::from_utf8(line).unwrap().strip_prefix(start).unwrap().parse().unwrap();
        assert!((before..=after).contains(&time), "{time} is not between {before} and {after}");
    }
    assert_eq!(summed(&finished, "stamped"), 3);
}

#[test]
fn with_timestamp_keep_a_line_without_a_time_stays_as_it_is() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let config = dir.file("keep.toml", "[input]\ntimestamp = \"keep\"\n");
    to(&server).args(["--config"]).args([config]).stdin("m v=1\nm v=2 3\n").run().assert_code(0);
    assert_eq!(server.stored_lines(STREAM), [b"m v=1".to_vec(), b"m v=2 3".to_vec()]);
}

/// A library that moves the wall clock by so many seconds; nothing where that cannot be.
fn clock_moved_by(seconds: i64, dir: &TempDir) -> Option<PathBuf> {
    let skip = |why: &str| {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the clock cannot be moved: {why}");
        println!("SKIPPED, the clock cannot be moved: {why}");
        None
    };
    let binary = std::env::var_os("KINEGRAF_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_kinegraf")), PathBuf::from);
    let program = std::fs::read(binary).unwrap();
    if memchr::memmem::find(&program, b"/ld-").is_none() {
        return skip("the program is static");
    }
    let source = format!(
        "#define _GNU_SOURCE\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n\
         int clock_gettime(clockid_t id, struct timespec *t) {{\n\
         \x20 int result = syscall(SYS_clock_gettime, id, t);\n\
         \x20 if (result == 0 && id == CLOCK_REALTIME) t->tv_sec += {seconds}L;\n\
         \x20 return result;\n}}\n"
    );
    let (source, library) = (dir.file("clock.c", source), dir.path().join("clock.so"));
    match Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output() {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(&format!("cc: {error}")),
    }
}

#[test]
fn a_board_whose_clock_is_decades_behind_delivers_and_says_that_its_stamps_are_guessed() {
    let dir = TempDir::new();
    let now_s = i64::try_from(wall_ns() / 1_000_000_000).unwrap();
    // 1970 with plain HTTP; over TLS the year 2001, since the loopback's certificate begins in 1975.
    for (server, time_s) in [(Server::start(Options::default()), 0), (Server::start(Options::tls(Certificate::Good)), 1_000_000_000)] {
        let Some(library) = clock_moved_by(time_s - now_s, &dir) else { return };
        let finished = to(&server).env("LD_PRELOAD", &library).stdin("m v=1\nm v=2 3\n").run().assert_code(0);
        let stored = server.stored_lines(STREAM);
        let stamp: u64 = std::str::from_utf8(&stored[0]).unwrap().strip_prefix("m v=1 ").unwrap().parse().unwrap();
        let clock_s = u64::try_from(time_s).unwrap();
        assert!((clock_s..clock_s + 60).contains(&(stamp / 1_000_000_000)), "stamped with what the clock says: {stamp}");
        assert_eq!(stored[1], b"m v=2 3");
        assert!(finished.stderr.contains("warning: 1 line without a timestamp got one from a clock that cannot be right"), "{}", finished.stderr);
        let dry = kinegraf().env("LD_PRELOAD", &library).args(["--dry-run"]).stdin("m v=2 3\n").run().assert_code(0);
        assert_eq!(dry.stderr, "", "a line with a time of its own needs no clock");
    }
}

#[test]
fn a_board_that_woke_up_in_1970_is_told_that_its_clock_is_why_tls_fails() {
    let dir = TempDir::new();
    let Some(library) = clock_moved_by(-i64::try_from(wall_ns() / 1_000_000_000).unwrap(), &dir) else { return };
    let server = Server::start(Options::tls(Certificate::Good));
    let finished = to(&server).env("LD_PRELOAD", &library).args(["--deadline", "500ms"]).stdin(input(2).1).run().assert_code(75);
    assert_reason(&finished, &["certificate_not_valid_yet", "the clock here may be behind"]);
}

#[test]
fn a_board_whose_clock_is_years_ahead_delivers_too() {
    let dir = TempDir::new();
    let Some(library) = clock_moved_by(86_400 * 365 * 3, &dir) else { return };
    let (server, (lines, bytes)) = (Server::start(Options::tls(Certificate::Good)), input(600));
    to(&server).env("LD_PRELOAD", library).stdin(bytes).run().assert_code(0);
    assert_eq!((server.assert_stored(STREAM, &lines), server.counts().refused.values().sum::<u64>()), (0, 1));
}
