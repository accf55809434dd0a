//! What each build for a board has to show, run by an emulator that `KINEGRAF_BIN` names, with the oldest processor that the build claims. Prints what it
//! held in memory; under an emulator most of that is the emulator's.

use std::time::{Duration, Instant};

use super::common::{input, to};
use super::support::process::Running;
use super::support::{Certificate, Options, STREAM, Server, TempDir};

/// An emulated handshake takes a second on a busy machine.
const LONG: Duration = Duration::from_secs(120);

#[test]
fn ten_thousand_lines_arrive_over_tls_and_the_program_says_what_it_held() {
    let (server, directory) = (Server::start(Options::tls(Certificate::Good)), TempDir::new());
    let (lines, bytes) = input(10_001);
    let (first, rest) = bytes.split_at(lines[0].len() + 1);
    let program = to(&server).args(["--flush-interval", "0s", "--spool"]).args([directory.path()]).limit(LONG);
    let mut running = program.stdin_open().start();
    running.write(first);
    wait_for(|| server.counts().stored == 1);
    let (idle, idle_anonymous) = (running.rss().unwrap_or(0), running.anonymous().unwrap_or(0));
    running.write(rest);
    let (most, anonymous) = load(&mut running, || server.counts().stored > 10_000);
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
    println!(
        "resident memory: idle {} KiB ({} KiB anonymous), under load at most {} KiB ({} KiB anonymous)",
        idle >> 10,
        idle_anonymous >> 10,
        most >> 10,
        anonymous >> 10
    );
}

/// The most that it held until `done`, all of it and what is backed by no file.
fn load(running: &mut Running, done: impl Fn() -> bool) -> (u64, u64) {
    let mut anonymous = 0;
    wait_for(|| {
        anonymous = anonymous.max(running.anonymous().unwrap_or(0));
        done()
    });
    (running.peak_rss(), anonymous)
}

fn wait_for(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
