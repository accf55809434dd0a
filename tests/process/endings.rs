//! The ends of a run by what standard input, output and error are: closed, empty, a directory, a device.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf, to};
use super::support::{ACCESS_KEY, Fault, Options, Plan, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};

/// As a shell would start it, with `redirections` behind it.
fn shell(server: &Server, arguments: &str, redirections: &str) -> Command {
    let binary = std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into());
    let mut command = Command::new("/bin/sh");
    command.env_clear().env("KINEGRAF", binary).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let url = server.url();
    command.args(["-c", &format!("exec \"$KINEGRAF\" --region {REGION} --stream {STREAM} --endpoint-url {url} {arguments} {redirections}")]);
    command
}

#[test]
fn no_input_is_a_good_run_without_a_request() {
    let server = Server::start(Options::default());
    // Program gives /dev/null; then a pipe that is closed at once, a file without bytes, and no standard input at all.
    let dir = TempDir::new();
    for program in
        [to(&server), to(&server).stdin(""), to(&server).stdin_file(dir.file("empty", "")), to(&server).args(["--deadline", "10s"]).stdin("")]
    {
        let finished = program.run().assert_code(0);
        assert_eq!(finished.stderr, "");
        assert_within(&finished, Duration::ZERO);
    }
    let output = shell(&server, "", "<&-").output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    assert_eq!(server.counts().connections, 0);
}

#[test]
fn an_input_that_cannot_be_read_is_74() {
    let server = Server::start(Options::default());
    let output = shell(&server, "", "< /").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(74) && said.starts_with("kinegraf: reading the input failed: "), "{:?} {said}", output.status);
}

#[test]
fn closed_or_full_standard_error_and_output_change_nothing() {
    let server = Server::start(Options::default());
    let dir = TempDir::new();
    let (lines, bytes) = input(100);
    // A bad line, so that there is something to say.
    let file = dir.file("lines", [b"no fields\n".as_slice(), &bytes].concat());
    for (i, redirections) in ["2>&-", ">&-", ">&- 2>&-", "2>/dev/full", ">/dev/full"].into_iter().enumerate() {
        let output = shell(&server, "-vv", &format!("< {} {redirections}", file.display())).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{redirections}");
        assert_eq!(server.records(STREAM).len(), 100 * (i + 1), "{redirections}");
    }
    server.assert_stored(STREAM, &lines);
    // A stderr whose reader has left breaks on every write.
    let mut child = shell(&server, "-vv", &format!("< {}", file.display())).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let missing = shell(&server, "--partition tag=host --profile nobody", &format!("< {} 2>&-", file.display())).status().unwrap();
    assert_eq!(missing.code(), Some(77), "the exit code does not need a reader");
}

#[test]
fn a_stderr_that_nobody_reads_does_not_stop_the_delivery() {
    // A pipe that is full for ever: what cannot be said must not hold what can be sent.
    let server = Server::start(Options::default());
    let (lines, bytes) = input(100);
    let mut child = shell(&server, "-vv", "").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.assert_stored(STREAM, &lines);
}

#[test]
fn a_device_and_a_fifo_are_read_like_pipes() {
    let server = Server::start(Options::default());
    let dir = TempDir::new();
    let fifo = dir.path().join("fifo");
    if !Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: no mkfifo here");
        return;
    }
    let path = fifo.clone();
    let writer = std::thread::spawn(move || File::options().write(true).open(path).unwrap().write_all(b"m v=1 1\nm v=2 2").unwrap());
    let output = shell(&server, "", &format!("< {}", fifo.display())).output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(0) && said.contains("unterminated"), "{:?} {said}", output.status);
    assert_eq!(server.stored_lines(STREAM), [b"m v=1 1".to_vec()]);
}

#[test]
fn a_deadline_counts_from_the_start_and_ends_a_pipe_that_stays_open() {
    let server = Server::start(Options::default());
    let mut running = to(&server).args(["--deadline", "1s", "--flush-interval", "0s"]).stdin_open().start();
    running.write(&input(10).1);
    let started = std::time::Instant::now();
    while !running.has_ended() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let finished = running.wait().assert_code(75);
    assert_within(&finished, Duration::from_secs(1));
    assert_reason(&finished, &["the end of the input was not seen"]);
    assert_eq!(server.records(STREAM).len(), 10, "what was read was delivered");
}

#[test]
fn a_deadline_that_is_met_in_part_is_75_and_says_how_many_are_left() {
    // Three requests are taken, the fourth gets no answer.
    let plan = Plan::by(|coming| if coming.number < 3 { Fault::None } else { Fault::SilentBlackHole { read_body: true, stored: false } });
    let server = Server::start(Options::plan(plan));
    let program = to(&server).args(["-v", "--deadline", "1s"]);
    let finished = program.stdin(lines::joined(&lines::telegraf(1, 2_000))).run().assert_code(75);
    assert_within(&finished, Duration::from_secs(1));
    assert_reason(&finished, &["500 lines handed back to the sender", "no answer yet"]);
    assert_eq!(server.records(STREAM).len(), 1500);
}

#[test]
fn lines_wait_for_each_other_only_as_long_as_they_are_told() {
    let server = Server::start(Options::default());
    let mut running = to(&server).args(["--flush-interval", "300ms"]).stdin_open().start();
    running.write(b"m v=1 1\n");
    std::thread::sleep(Duration::from_millis(50));
    running.write(b"m v=2 2\n");
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored == 2));
    let exchanges = server.exchanges();
    assert_eq!(exchanges.len(), 1, "they went together");
    running.close_stdin();
    running.wait().assert_code(0);
    // At the end of the input nothing is waited for, however long the interval.
    let finished = kinegraf().to(&server, STREAM).args(["--flush-interval", "1h"]).stdin("m v=3 3\n").run().assert_code(0);
    assert_within(&finished, Duration::ZERO);
    // A full request does not wait either.
    let mut running = to(&server).args(["--flush-interval", "1h"]).stdin_open().start();
    running.write(&lines::joined(&lines::telegraf(8, 600)));
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored >= 503), "500 lines are a request");
    running.close_stdin();
    running.wait().assert_code(0);
}

#[test]
fn a_full_stderr_holds_neither_the_delivery_nor_the_end() {
    let server = Server::start(Options::default());
    // A pipe that is full from the start: nothing can ever be written to it.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let filling = std::thread::spawn(move || while filler.write_all(&[b'x'; 4096]).is_ok() {});
    std::thread::sleep(Duration::from_millis(50));
    writer.flush().unwrap();
    let (lines, bytes) = input(100);
    let mut child = shell(&server, "-vv --flush-interval 0s", "").stdin(Stdio::piped()).stderr(writer).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"no fields\n").unwrap();
    if super::common::is_full() {
        // After five seconds nothing is held back any longer: from then on every word would wait for the reader.
        std::thread::sleep(Duration::from_secs(6));
    }
    stdin.write_all(&bytes).unwrap();
    drop(stdin);
    let started = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it waits for somebody to read its words");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.assert_stored(STREAM, &lines);
    drop(_reader);
    filling.join().unwrap();
}
