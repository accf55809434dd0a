//! Requests that the service calls invalid: one bad record is found and set aside, and no other line pays for it.

use std::sync::Arc;

use super::common::{assert_reason, input, kinegraf, summed, to};
use super::support::fault::Test;
use super::support::{Fault, Options, Plan, Program, STREAM, Server, TempDir};

/// Records whose data has `poison` in it make a whole request invalid.
fn refuses_poison() -> Server {
    let server = Server::start(Options::default());
    let test: Test = Arc::new(|record| memchr::memmem::find(&record.data, b"poison").is_some());
    server.change(|service| service.conditions.invalid_record = Some(test));
    server
}

fn with_rejected(program: Program, dir: &TempDir) -> Program {
    let config = dir.file("kinegraf.toml", format!("[input]\nrejected = \"{}\"\n", dir.path().join("rejected").display()));
    program.args(["--config"]).args([config])
}

#[test]
fn a_poison_record_is_set_aside_and_every_other_line_is_stored() {
    let (server, dir) = (refuses_poison(), TempDir::new());
    let (lines, _) = input(1000);
    let mut sent = lines.clone();
    for at in [0, 400, 401, 999] {
        sent.insert(at, format!("poison,host=edge-00 n={at} {at}").into_bytes());
    }
    let bytes = super::support::lines::joined(&sent);
    let finished = with_rejected(to(&server).args(["-v", "--shutdown-timeout", "60s"]), &dir).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    server.assert_no_resend_after_ack();
    assert_eq!(summed(&finished, "lines given up"), 4);
    assert!(finished.stderr.contains("refused 4"), "{}", finished.stderr);
    let kept = std::fs::read_to_string(dir.path().join("rejected")).unwrap();
    for at in [0, 400, 401, 999] {
        assert!(kept.contains(&format!(" refused column 1\npoison,host=edge-00 n={at} {at}\n")), "{kept}");
    }
    assert!(server.counts().requests < 120, "{} requests", server.counts().requests);
}

#[test]
fn a_poison_record_that_is_alone_is_kept_until_another_one_clears_the_configuration() {
    let (server, dir) = (refuses_poison(), TempDir::new());
    let mut running = with_rejected(to(&server).args(["-v", "--flush-interval", "0s"]), &dir).stdin_open().start();
    running.write(b"poison,host=a v=1 1\n");
    assert!(server.wait_until(std::time::Duration::from_secs(10), |counts| counts.requests >= 2));
    assert!(!dir.path().join("rejected").exists(), "nothing proves that it is the record");
    running.write(b"good,host=a v=1 2\n");
    running.close_stdin();
    let finished = running.wait();
    // With a good one stored, the run ends well and the bad one is set aside.
    let finished = finished.assert_code(0);
    assert_eq!((server.records(STREAM).len(), summed(&finished, "lines given up")), (1, 1));
}

#[test]
fn when_every_record_is_called_invalid_it_is_the_configuration_and_no_line_is_given_up() {
    let plan = Fault::Error {
        status: 400,
        code: "ValidationException",
        message: "1 validation error detected: nobody knows what",
        shape: super::support::fault::Shape::Plain,
    };
    let (server, dir) = (Server::start(Options::plan(Plan::Always(plan))), TempDir::new());
    let finished = with_rejected(to(&server).args(["-v"]), &dir).stdin(input(50).1).run().assert_code(78);
    assert_reason(&finished, &["refuses every request", "ValidationException", "50 lines not delivered"]);
    assert_eq!(summed(&finished, "lines given up"), 0);
    assert!(!dir.path().join("rejected").exists());
}

#[test]
fn records_larger_than_the_stream_takes_are_set_aside_and_the_rest_is_stored() {
    // The configuration allows 1 MiB, the stream half of it.
    let server = Server::start(Options::default());
    server.change(|service| service.streams.get_mut(STREAM).unwrap().record_size_max = 10_000);
    let (lines, bytes) = input(50);
    let large = super::support::lines::of_size(1, 20_000);
    let bytes = [bytes.as_slice(), &large, b"\n"].concat();
    let finished = to(&server).args(["-v"]).stdin(bytes).run().assert_code(0);
    assert_eq!((server.assert_stored(STREAM, &lines), summed(&finished, "lines given up")), (0, 1));
}

#[test]
fn a_service_that_finds_every_request_too_large_is_a_mistake_of_configuration_and_no_loop() {
    let status = Fault::Status { status: 413, content_type: "text/html", body: "<html><title>413</title></html>".to_owned() };
    let server = Server::start(Options::plan(Plan::Always(status)));
    let finished = to(&server).args(["-v"]).stdin(input(500).1).run().assert_code(78);
    assert_reason(&finished, &["refuses every request", "too large", "500 lines not delivered"]);
    assert!(server.counts().requests < 80, "{} requests", server.counts().requests);
    assert_eq!(summed(&finished, "lines given up"), 0);
}

#[test]
fn poison_is_found_with_strict_ordering_and_packed_lines_too() {
    for (pack, ordering) in [("lines", "request"), ("metric", "strict"), ("lines", "strict")] {
        let (server, dir) = (refuses_poison(), TempDir::new());
        let (mut lines, _) = input(400);
        lines.insert(17, b"poison,host=poisoned n=1 1".to_vec());
        let config = dir.file("kinegraf.toml", format!("[delivery]\nordering = \"{ordering}\"\n[packing]\npack = \"{pack}\"\n"));
        let program = to(&server).args(["-v", "--shutdown-timeout", "60s", "--config"]).args([config]);
        let finished = program.stdin(super::support::lines::joined(&lines)).run().assert_code(0);
        lines.remove(17);
        assert_eq!((server.assert_stored(STREAM, &lines), summed(&finished, "lines given up")), (0, 1));
    }
}

#[test]
fn a_bad_line_in_the_only_record_of_a_run_is_found_by_halves_of_that_record() {
    let server = refuses_poison();
    let (mut lines, _) = input(300);
    for at in [0, 150, 151, 302] {
        lines.insert(at, format!("poison,host=poisoned n=1 {at}").into_bytes());
    }
    let program = kinegraf().to(&server, STREAM).args(["-v", "--partition", "random", "--pack", "lines", "--deadline", "30s"]);
    let finished = program.stdin(super::support::lines::joined(&lines)).run().assert_code(0);
    lines.retain(|line| !line.starts_with(b"poison"));
    assert_eq!((server.assert_stored(STREAM, &lines), summed(&finished, "lines given up")), (0, 4));
    server.assert_no_resend_after_ack();
}

#[test]
fn a_bad_line_in_a_record_that_fills_a_request_is_proved_by_newer_records() {
    for (ordering, at) in [("request", 17), ("strict", 17), ("request", 599)] {
        let (server, dir) = (refuses_poison(), TempDir::new());
        // All of it waits for the end of the input, and then makes some requests of one record each.
        let (mut lines, _) = input(600);
        lines.insert(at, b"poison,host=poisoned n=1 1".to_vec());
        let config = dir.file("kinegraf.toml", format!("[delivery]\nordering = \"{ordering}\"\nrequest_size = \"32KiB\"\n"));
        let program = kinegraf().to(&server, STREAM).args(["-v", "--pack", "lines", "--shutdown-timeout", "60s", "--config"]).args([config]);
        let finished = program.stdin(super::support::lines::joined(&lines)).run().assert_code(0);
        lines.remove(at);
        assert_eq!((server.assert_stored(STREAM, &lines), summed(&finished, "lines given up")), (0, 1));
    }
}

#[test]
fn when_no_half_of_the_only_record_passes_it_is_the_configuration_and_no_line_is_given_up() {
    let (server, dir) = (refuses_poison(), TempDir::new());
    let bytes: Vec<u8> = (0..300).flat_map(|at| format!("poison,host=a n={at} {at}\n").into_bytes()).collect();
    let finished = with_rejected(to(&server).args(["-v", "--pack", "lines"]), &dir).stdin(bytes).run().assert_code(78);
    assert_reason(&finished, &["refuses every request", "300 lines not delivered"]);
    assert_eq!(summed(&finished, "lines given up"), 0);
    assert!(!dir.path().join("rejected").exists());
    assert!(server.counts().requests < 60, "{} requests", server.counts().requests);
}
