//! SIGINT and SIGTERM. A pipe's sender closes it when it was interrupted itself, so SIGINT means nothing before the end of a pipe; SIGTERM gives the input
//! four seconds to end and the delivery its shutdown timeout; asked twice, the program goes at once.

use std::time::{Duration, Instant};

use super::common::{assert_reason, input, is_full, to};
use super::support::process::Running;
use super::support::{Fault, Options, Plan, STREAM, Server, TempDir, lines};

/// A machine that is busy may be late, never early.
fn assert_between(time: Duration, least_ms: u64, most_ms: u64) {
    let most = Duration::from_millis(most_ms + if is_full() { 500 } else { 15_000 });
    assert!((Duration::from_millis(least_ms)..=most).contains(&time), "{time:?} is not between {least_ms} ms and {most_ms} ms");
}

/// Waits without closing the pipe; the time since `since`.
fn ended(running: &mut Running, since: Instant) -> Duration {
    while !running.has_ended() {
        assert!(since.elapsed() < Duration::from_secs(40), "it does not end: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    since.elapsed()
}

/// One that has read and stored its first lines, so that its signal handlers are there.
fn started(server: &Server, arguments: &[&str]) -> (Running, Vec<Vec<u8>>) {
    let (lines, bytes) = input(10);
    let mut running = to(server).args(["--flush-interval", "0s"]).args(arguments).stdin_open().start();
    running.write(&bytes);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored >= 10));
    (running, lines)
}

#[test]
fn sigint_before_the_end_of_a_pipe_is_the_senders_affair() {
    let server = Server::start(Options::default());
    let (mut running, mut sent) = started(&server, &[]);
    for _ in 0..3 {
        running.signal("INT");
        std::thread::sleep(Duration::from_millis(100));
    }
    running.write(b"after,host=a v=1 1\n");
    sent.push(b"after,host=a v=1 1".to_vec());
    running.close_stdin();
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &sent);
}

#[test]
fn sigterm_before_the_end_of_a_pipe_reads_on_for_four_seconds_and_no_longer() {
    let server = Server::start(Options::default());
    let (mut running, mut sent) = started(&server, &[]);
    let told = Instant::now();
    running.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    running.write(b"after,host=a v=1 1\n");
    sent.push(b"after,host=a v=1 1".to_vec());
    let time = ended(&mut running, told);
    let finished = running.wait().assert_code(75);
    assert_between(time, 3_900, 4_000);
    assert_reason(&finished, &["the end of the input was not seen", "every line accepted was delivered"]);
    server.assert_stored(STREAM, &sent);
}

#[test]
fn sigterm_and_then_the_end_of_the_pipe_is_a_good_end() {
    let server = Server::start(Options::default());
    let (mut running, mut sent) = started(&server, &[]);
    let told = Instant::now();
    running.signal("TERM");
    std::thread::sleep(Duration::from_millis(200));
    running.write(b"after,host=a v=1 1\n");
    sent.push(b"after,host=a v=1 1".to_vec());
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    assert_between(told.elapsed(), 200, 500);
    assert_eq!(finished.stderr, "");
    server.assert_stored(STREAM, &sent);
}

/// A terminal that goes away says it twice: the kernel does, and the shell.
#[test]
fn a_terminal_that_goes_away_ends_a_run_on_a_pipe_as_sigterm_does() {
    let (server, directory) = (Server::start(Options::plan(Plan::Always(Fault::ServiceUnavailable))), TempDir::new());
    let spool = directory.path().join("spool");
    let (lines, bytes) = input(10);
    let mut running = to(&server).args(["--spool", spool.to_str().unwrap()]).args(["--flush-interval", "0s"]).stdin_open().start();
    running.write(&bytes);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 1));
    running.signal("HUP");
    std::thread::sleep(Duration::from_millis(200));
    running.signal("HUP");
    running.close_stdin();
    running.wait().assert_code(0);
    server.set_plan(Plan::Good);
    to(&server).args(["--spool", spool.to_str().unwrap()]).run().assert_code(0);
    server.assert_stored(STREAM, &lines);
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let server = Server::start(Options::default());
    let (mut running, _) = started(&server, &[]);
    server.set_plan(Plan::Always(Fault::SilentBlackHole { read_body: true, stored: false }));
    running.write(b"after,host=a v=1 1\n");
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 2), "a request is on its way and gets no answer");
    running.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!running.has_ended());
    let told = Instant::now();
    running.signal("TERM");
    let time = ended(&mut running, told);
    let finished = running.wait().assert_code(75);
    assert_between(time, 0, 200);
    assert_reason(&finished, &["1 line not delivered", "no answer yet"]);
}

#[test]
fn sigterm_on_a_regular_file_gives_what_remains_the_shutdown_timeout() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    server.change(|service| service.conditions.silent = true);
    let file = dir.file("lines", lines::joined(&lines::telegraf(1, 100)));
    for (signal, timeout) in [("TERM", 800), ("INT", 500)] {
        let program = to(&server).args(["--shutdown-timeout", &format!("{timeout}ms")]).stdin_file(&file);
        let mut running = program.start();
        // Nobody answers, so that it says nothing; it has read the file and waits long before this.
        std::thread::sleep(Duration::from_millis(600));
        assert!(!running.has_ended(), "a regular file has no limit of its own");
        let told = Instant::now();
        running.signal(signal);
        let time = ended(&mut running, told);
        let finished = running.wait().assert_code(75);
        assert_between(time, timeout - 50, timeout + 100);
        assert_reason(&finished, &["100 lines not delivered", "no answer yet"]);
    }
}

#[test]
fn sigterm_while_the_spool_is_full_ends_in_time_and_says_what_is_left() {
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.silent = true);
    let program = to(&server).args(["--shutdown-timeout", "300ms"]);
    // Three times what spool, packer and request hold; the writer is stopped by the full pipe.
    let mut running = program.stdin(lines::joined(&lines::telegraf(1, 50_000))).start();
    std::thread::sleep(Duration::from_millis(400));
    let told = Instant::now();
    running.signal("TERM");
    let time = ended(&mut running, told);
    let finished = running.wait().assert_code(75);
    assert_between(time, 4_200, 4_400);
    assert_reason(&finished, &["the end of the input was not seen", "lines not delivered"]);
}

#[test]
fn with_a_deadline_sigterm_does_not_take_longer_than_the_deadline() {
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.silent = true);
    let mut running = to(&server).args(["--deadline", "1500ms"]).stdin_open().start();
    running.write(&input(3).1);
    std::thread::sleep(Duration::from_millis(300));
    running.signal("TERM");
    let started = Instant::now();
    ended(&mut running, started);
    let finished = running.wait().assert_code(75);
    assert_between(finished.time, 1_400, 1_500);
    assert_reason(&finished, &["the end of the input was not seen", "3 lines handed back to the sender"]);
}

#[test]
fn a_daemon_that_is_ended_says_1_or_77_when_that_is_why_lines_are_left() {
    for (stream, key, code) in [("missing-stream", super::support::ACCESS_KEY, 1), (STREAM, "AKIANOBODYKNOWSTHIS0", 77)] {
        let server = Server::start(Options::default());
        let program = super::common::kinegraf().to(&server, stream).env("AWS_ACCESS_KEY_ID", key);
        let mut running = program.args(["--flush-interval", "0s"]).stdin_open().start();
        running.write(&input(2).1);
        assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 2));
        assert!(!running.has_ended());
        std::thread::sleep(Duration::from_millis(50));
        running.signal("TERM");
        std::thread::sleep(Duration::from_millis(100));
        running.signal("TERM");
        ended(&mut running, Instant::now());
        assert_reason(&running.wait().assert_code(code), &[stream, "2 lines not delivered"]);
    }
}
