//! Nobody answers: the run ends with 75 when its time is up, and its first line says what was tried.

use std::net::TcpListener;
use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf};
use super::support::process::Finished;
use super::support::{ACCESS_KEY, Options, Program, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};

fn at(url: &str) -> Program {
    let program = kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", url]);
    program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

/// An address where nobody listens, kept free for as long as the test runs.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    format!("http://{address}")
}

/// Runs all of them at the same time: they only wait.
fn run_together(programs: Vec<Program>) -> Vec<Finished> {
    let running: Vec<_> = programs.into_iter().map(Program::start).collect();
    running.into_iter().map(super::support::process::Running::wait).collect()
}

#[test]
fn an_unreachable_endpoint_ends_a_run_with_75_when_its_time_is_up() {
    let hole = Server::start(Options::default());
    hole.change(|service| service.conditions.silent = true);
    let hole_tls = Server::start(Options::tls(super::support::Certificate::Good));
    hole_tls.change(|service| service.conditions.silent = true);
    // .invalid never resolves (RFC 6761); without any resolver it fails all the same.
    let places = [closed_port(), hole.url(), hole_tls.url(), "https://kinesis.nonexistent.invalid".to_owned()];
    let limits = [["--deadline", "1500ms"], ["--shutdown-timeout", "1500ms"]];
    let programs = places.iter().flat_map(|url| limits.map(|limit| at(url).args(limit).stdin(input(7).1))).collect();
    for (i, finished) in run_together(programs).into_iter().enumerate() {
        let (place, [limit, _]) = (&places[i / 2], limits[i % 2]);
        let finished = finished.assert_code(75);
        assert_within(&finished, Duration::from_millis(1500));
        assert!(finished.time >= Duration::from_millis(1400), "{place}: it gave up early, after {:?}", finished.time);
        let left = if limit == "--deadline" { "7 lines handed back to the sender" } else { "7 lines not delivered" };
        assert_reason(&finished, &["not delivered in time", left, STREAM, REGION, place]);
        let why = [
            finished.first_line().contains("onnection refused"),
            finished.first_line().contains("no answer yet"),
            finished.first_line().contains("no answer yet"),
            finished.first_line().contains("kinesis.nonexistent.invalid"),
        ];
        assert!(why[i / 2], "{place}: {}", finished.stderr);
    }
}

#[test]
fn what_was_held_back_follows_the_reason_and_is_bounded() {
    let bad: Vec<u8> = b"no fields here\n".repeat(3);
    let deadline = at(&closed_port()).args(["--deadline", "1s", "-vv"]).stdin([bad, input(3).1].concat());
    let finished = deadline.run().assert_code(75);
    assert_reason(&finished, &["3 lines handed back"]);
    let rest: Vec<&str> = finished.stderr.lines().skip(1).collect();
    assert!(rest[0].starts_with("kinegraf: warning: line rejected: missing_field_value"), "{}", finished.stderr);
    assert!(rest.iter().any(|line| line.starts_with("kinegraf: warning: stream 'telegraf'")) || rest.len() > 3, "{}", finished.stderr);
    assert!(rest.iter().any(|line| line.contains("3 handed back")), "the books: {}", finished.stderr);
    assert!(finished.stderr.len() < 20_000);
}

#[test]
fn a_run_that_has_no_time_to_ask_names_its_destination_all_the_same() {
    let url = closed_port();
    let finished = at(&url).args(["--shutdown-timeout", "0s"]).stdin(input(3).1).run().assert_code(75);
    assert_reason(&finished, &["not delivered in time: 3 lines not delivered", STREAM, REGION, &url]);
}

#[test]
fn a_long_reason_is_cut_to_500_bytes_and_strange_characters_do_not_reach_the_terminal() {
    let body = format!("<html><head><title>{} \u{1b}[31mred\u{7} {}</title></head></html>", "ä".repeat(300), "x".repeat(3000));
    let server =
        Server::start(Options::plan(super::support::Plan::Always(super::support::Fault::Status { status: 502, content_type: "text/html", body })));
    let long = format!("{}{}", server.url(), "/a-rather-long-path".repeat(20));
    let finished = at(&long).args(["--deadline", "1s"]).stdin(input(3).1).run().assert_code(75);
    assert_reason(&finished, &["not delivered in time", STREAM]);
    assert!(!finished.stderr.contains('\u{1b}') && !finished.stderr.contains('\u{7}'), "{:?}", finished.stderr);
}

#[test]
fn plain_http_to_another_host_is_refused_before_anything_is_sent_unless_it_is_allowed() {
    let url = "http://kinesis.nonexistent.invalid";
    let finished = at(url).stdin(input(1).1).run().assert_code(64);
    assert_reason(&finished, &["--endpoint-url", "plain http", "network.allow_plain_http"]);
    let dir = TempDir::new();
    let config = dir.file("exposed.toml", format!("streamname = \"s\"\nregion = \"us-east-1\"\nendpoint_url = \"{url}\"\n"));
    let finished = kinegraf().args(["--config"]).args([config]).stdin(input(1).1).run().assert_code(78);
    assert_reason(&finished, &["exposed.toml:3:16: ", "plain http"]);
    let config = dir.file("kinegraf.toml", "[network]\nallow_plain_http = true\n");
    let program = at("http://kinesis.nonexistent.invalid").args(["--deadline", "300ms", "--config"]).args([config]);
    program.stdin(input(1).1).run().assert_code(75);
}

#[test]
fn a_run_without_lines_needs_nobody() {
    for program in [at(&closed_port()), at(&closed_port()).args(["--deadline", "10s"]), at(&closed_port()).stdin("\n\n# nothing\n")] {
        let finished = program.run().assert_code(0);
        assert_eq!(finished.stderr, "");
        assert_within(&finished, Duration::ZERO);
    }
}

#[test]
fn with_a_deadline_more_lines_than_the_spool_holds_do_not_keep_it_waiting() {
    let finished = at(&closed_port()).args(["--deadline", "1s"]).stdin(lines::joined(&lines::telegraf(9, 30_000))).run().assert_code(75);
    assert_within(&finished, Duration::from_secs(1));
    assert_reason(&finished, &["the end of the input was not seen", "lines handed back to the sender", "onnection refused"]);
}
