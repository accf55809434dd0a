//! The ends of a run that has a spool: the exit code, what stays in the directory, and whom it is left to.

use std::time::Duration;

use super::common::{assert_reason, assert_within, input, ms_at_pace, summed};
use super::spool_common::{Gate, Spool};
use super::support::process::Finished;
use super::support::{Fault, Options, Plan, STREAM, Server, lines};

/// A spool with `count` lines of an earlier run, as the gate was down.
fn backlog(spool: &Spool, gate: &Gate, count: usize) -> Vec<Vec<u8>> {
    let lines = lines::telegraf(1000, count);
    let finished = spool.run(&gate.url()).args(["-v", "--shutdown-timeout", &ms_at_pace(200)]).stdin(lines::joined(&lines)).run().assert_code(0);
    assert_eq!(summed(&finished, "kept in the spool"), count as u64, "{}", finished.stderr);
    lines
}

/// What the spool holds, by emptying it through a good server.
fn held(spool: &Spool, gate: &mut Gate, server: &Server) -> Finished {
    gate.close();
    gate.open(server.address());
    let finished = spool.run(&gate.url()).args(["-v", "--shutdown-timeout", "20s"]).stdin("").run().assert_code(0);
    spool.assert_empty();
    finished
}

#[test]
fn lines_that_are_kept_end_a_run_with_0_with_a_deadline_and_without() {
    for limit in [["--deadline", "1s"], ["--shutdown-timeout", "1s"]] {
        let (spool, mut gate, (lines, bytes)) = (Spool::new(""), Gate::new(), input(100));
        let finished = spool.run(&gate.url()).args(["-v"]).args(limit).stdin(bytes).run().assert_code(0);
        assert_within(&finished, Duration::from_secs(1));
        assert_eq!((summed(&finished, "kept in the spool"), summed(&finished, "handed back"), summed(&finished, "dropped at the end")), (100, 0, 0));
        let server = Server::start(Options::default());
        held(&spool, &mut gate, &server);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
    }
}

#[test]
fn a_refusal_with_a_deadline_leaves_nothing_of_this_input_and_all_of_the_older_lines() {
    for (stream, key, code) in [("missing-stream", None, 1), (STREAM, Some("AKIANOBODYKNOWSTHIS0"), 77)] {
        let (spool, mut gate) = (Spool::new(""), Gate::new());
        let server = Server::start(Options { streams: vec![], ..Options::default() });
        if code == 77 {
            server.change(|service| _ = service.streams.insert(STREAM.to_owned(), Default::default()));
        }
        let _ = stream;
        let older = backlog(&spool, &gate, 300);
        let before = spool.segments();
        gate.open(server.address());
        for _ in 0..2 {
            let program = spool.run(&gate.url()).args(["-v", "--deadline", &ms_at_pace(2000)]).stdin(input(100).1);
            let program = if let Some(key) = key { program.env("AWS_ACCESS_KEY_ID", key) } else { program };
            let requests = server.counts().requests;
            let finished = program.run().assert_code(code);
            assert!(server.counts().requests > requests, "each run tries: {}", finished.stderr);
            assert_reason(&finished, &["100 lines handed back to the sender"]);
            assert_eq!((summed(&finished, "kept in the spool"), summed(&finished, "handed back")), (300, 100), "{}", finished.stderr);
            assert_eq!(spool.segments(), before, "the older lines as they were, nothing else");
        }
        server.change(|service| _ = service.streams.insert(STREAM.to_owned(), Default::default()));
        held(&spool, &mut gate, &server);
        assert_eq!(server.assert_stored(STREAM, &older), 0);
    }
}

#[test]
fn a_refusal_without_a_deadline_keeps_everything_and_ends_with_0() {
    // 5 MiB, five times what hot holds: of a file and of a pipe.
    let lines = lines::telegraf(5, 40_000);
    let bytes = lines::joined(&lines);
    for file in [true, false] {
        let (spool, mut gate) = (Spool::new(""), Gate::new());
        let server = Server::start(Options::plan(Plan::Always(Fault::AccessDenied)));
        gate.open(server.address());
        let program = spool.run(&gate.url()).args(["-v"]);
        let path = spool.beside("lines");
        std::fs::write(&path, &bytes).unwrap();
        let program = if file { program.stdin_file(path) } else { program.stdin(bytes.clone()) };
        let finished = program.run().assert_code(0);
        assert_eq!(summed(&finished, "kept in the spool"), 40_000, "{}", finished.stderr);
        server.set_plan(Plan::Good);
        held(&spool, &mut gate, &server);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
    }
}

#[test]
fn a_deadline_before_the_end_of_the_input_hands_everything_of_it_back() {
    let (spool, mut gate) = (Spool::new(""), Gate::new());
    let older = backlog(&spool, &gate, 300);
    let before = spool.segments();
    let mut running = spool.run(&gate.url()).args(["-v", "--deadline", "1s"]).stdin_open().start();
    running.write(&input(100).1);
    while !running.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let finished = running.wait().assert_code(75);
    assert_reason(&finished, &["the end of the input was not seen", "100 lines handed back"]);
    assert_eq!(spool.segments(), before, "{}", finished.stderr);
    let server = Server::start(Options::default());
    held(&spool, &mut gate, &server);
    assert_eq!(server.assert_stored(STREAM, &older), 0);
}

#[test]
fn a_run_without_input_delivers_what_is_there_and_keeps_what_it_cannot_deliver() {
    for limit in [["--deadline", "1s"], ["--shutdown-timeout", "1s"]] {
        let (spool, mut gate) = (Spool::new(""), Gate::new());
        let older = backlog(&spool, &gate, 300);
        let before = spool.segments();
        let finished = spool.run(&gate.url()).args(limit).stdin("").run().assert_code(0);
        assert_within(&finished, Duration::from_secs(1));
        assert_eq!(spool.segments(), before, "{}", finished.stderr);
        let server = Server::start(Options::default());
        gate.open(server.address());
        spool.run(&gate.url()).args(limit).stdin("").run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &older), 0);
        spool.assert_empty();
    }
}

#[test]
fn sigterm_loses_nothing_that_was_accepted() {
    let (spool, mut gate, (lines, bytes)) = (Spool::new(""), Gate::new(), input(100));
    let mut running = spool.run(&gate.url()).args(["--shutdown-timeout", "500ms"]).stdin_open().start();
    running.write(&bytes);
    assert!(super::spool_common::wait_until(|| running.has_taken_everything()), "{}", running.stderr());
    running.signal("TERM");
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    assert!(finished.time < Duration::from_secs(20));
    let server = Server::start(Options::default());
    held(&spool, &mut gate, &server);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn lines_that_are_kept_without_the_end_of_the_input_are_called_kept() {
    let (spool, gate, (_, bytes)) = (Spool::new(""), Gate::new(), input(100));
    let mut running = spool.run(&gate.url()).args(["--shutdown-timeout", "100ms"]).stdin_open().start();
    running.write(&bytes);
    assert!(super::spool_common::wait_until(|| running.has_taken_everything()), "{}", running.stderr());
    running.signal("TERM");
    assert!(super::spool_common::wait_until(|| running.has_ended()), "{}", running.stderr());
    let finished = running.wait().assert_code(75);
    assert!(finished.stderr.contains("the end of the input was not seen; 100 lines kept in the spool;"), "{}", finished.stderr);
}

#[test]
fn a_second_process_waits_for_the_directory_and_names_who_has_it() {
    let (spool, server) = (Spool::new(""), Server::start(Options::default()));
    let mut first = spool.run(&server.url()).stdin_open().start();
    assert!(super::spool_common::wait_until(|| first.has_taken_everything()));
    let finished = spool.run(&server.url()).args(["--deadline", "500ms"]).stdin(input(3).1).run().assert_code(75);
    assert_within(&finished, Duration::from_millis(500));
    assert!(finished.time >= Duration::from_millis(450), "it did not wait: {:?}", finished.time);
    assert_reason(&finished, &["in use by", &format!("process {}", first.pid()), &spool.path().display().to_string()]);
    let finished = spool.run(&server.url()).args(["--shutdown-timeout", "300ms"]).stdin(input(3).1).run().assert_code(75);
    assert_within(&finished, Duration::from_millis(300));
    // When the first ends in time, the second goes on.
    let (lines, bytes) = input(50);
    let second = spool.run(&server.url()).args(["--deadline", "20s"]).stdin(bytes).start();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.counts().requests, 0);
    first.close_stdin();
    first.wait().assert_code(0);
    second.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}
