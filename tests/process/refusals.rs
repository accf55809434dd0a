//! What only a person can mend: a stream that does not exist (1), a key that is refused (77). Said once and in one line, asked of the service once, and
//! never with a secret in it.

use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf, to};
use super::support::process::Finished;
use super::support::signature::Standing;
use super::support::{ACCESS_KEY, Fault, Key, Options, Plan, Program, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};

const TOKEN: &str = "FwoGZXIvYXdzEJr//////////wEaDLoopbackTokenThatNobodyMaySee==";

fn to_missing(server: &Server) -> Program {
    kinegraf().to(server, "missing-stream")
}

fn assert_missing(finished: Finished) -> Finished {
    let finished = finished.assert_code(1);
    assert_reason(&finished, &["'missing-stream'", "'us-east-1'", "does not exist"]);
    finished
}

#[test]
fn a_missing_stream_ends_a_run_with_1_and_the_first_line_names_stream_and_region() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let (lines, bytes) = input(10);
    let file = dir.file("lines", &bytes);
    // More than the spool, the packer and a request hold, so that the end of the file is never read.
    let large = dir.file("large", lines::joined(&lines::telegraf(9, 30_000)));
    assert_missing(to_missing(&server).stdin(bytes.clone()).run());
    assert_missing(to_missing(&server).stdin_file(&file).run());
    let finished = assert_missing(to_missing(&server).args(["--deadline", "20s"]).stdin(bytes.clone()).run());
    assert!(finished.first_line().contains(&format!("{} lines handed back to the sender", lines.len())), "{}", finished.stderr);
    for program in [to_missing(&server).stdin_file(&large), to_missing(&server).args(["--deadline", "30s"]).stdin(std::fs::read(&large).unwrap())] {
        let finished = assert_missing(program.run());
        assert_within(&finished, Duration::from_secs(2));
    }
    assert_eq!(server.counts().stored, 0);
}

#[test]
fn before_the_end_of_a_pipe_a_missing_stream_is_waited_for_and_found_when_it_appears() {
    let server = Server::start(Options::default());
    let mut running = to_missing(&server).args(["--flush-interval", "0s"]).stdin_open().start();
    let (lines, bytes) = input(20);
    running.write(&bytes);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 2), "it tries again");
    assert!(!running.has_ended());
    server.change(|service| _ = service.streams.insert("missing-stream".into(), super::support::service::Stream::default()));
    running.close_stdin();
    running.wait().assert_code(0);
    server.assert_stored("missing-stream", &lines);
}

#[test]
fn with_missing_stream_exit_it_ends_before_the_end_of_the_pipe() {
    let server = Server::start(Options::default());
    let dir = TempDir::new();
    let config = dir.file("kinegraf.toml", "[delivery]\nmissing_stream = \"exit\"\n[packing]\nflush_interval = \"0s\"\n");
    let mut running = to_missing(&server).args(["--config".as_ref(), config.as_os_str()]).stdin_open().start();
    running.write(&input(3).1);
    let finished = wait_with_open_pipe(&mut running);
    assert!(finished, "it goes on: {}", running.stderr());
    assert_missing(running.wait());
}

/// Waits without closing the pipe.
fn wait_with_open_pipe(running: &mut super::support::process::Running) -> bool {
    let waited = std::time::Instant::now();
    while !running.has_ended() && waited.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.has_ended()
}

/// Asserts a refusal: 77, its reason in the first line, at most the one refresh that the design allows, and no secret anywhere.
fn assert_refused(server: &Server, finished: Finished, words: &[&str]) {
    let finished = finished.assert_code(77);
    assert_reason(&finished, &[&["refused", STREAM, REGION], words].concat());
    assert!((1..=2).contains(&server.counts().requests), "{} requests", server.counts().requests);
    assert_eq!(server.counts().stored, 0);
    assert_no_secret(&finished);
}

fn assert_no_secret(finished: &Finished) {
    let said = finished.stderr.clone() + &String::from_utf8_lossy(&finished.stdout);
    for secret in [SECRET_KEY, TOKEN, "wrong/secret", "Signature=", "AWS4-HMAC"] {
        assert!(!said.contains(secret), "{secret} is in the output: {said}");
    }
}

#[test]
fn a_refused_key_ends_a_run_with_77_and_no_secret_in_its_words() {
    let bytes = input(5).1;
    let temporary = || Key::new(ACCESS_KEY, SECRET_KEY, Some(TOKEN));
    let with = |standing: Standing| {
        let server = Server::start(Options { keys: vec![temporary()], ..Options::default() });
        server.change(|service| service.keys[0].1 = standing);
        server
    };
    // Twice -v: every request is spoken of.
    let run = |server: &Server, change: &dyn Fn(Program) -> Program| change(to(server).args(["-vv"])).stdin(bytes.clone()).run();

    let server = Server::start(Options::default());
    assert_refused(
        &server,
        run(&server, &|p| p.env("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSTHIS0")),
        &["UnrecognizedClientException", "security token"],
    );
    let server = Server::start(Options::default());
    assert_refused(&server, run(&server, &|p| p.env("AWS_SECRET_ACCESS_KEY", "wrong/secret")), &["InvalidSignatureException", "does not match"]);
    let server = with(Standing::Expired);
    assert_refused(&server, run(&server, &|p| p.env("AWS_SESSION_TOKEN", TOKEN)), &["ExpiredTokenException", "expired"]);
    let server = with(Standing::Denied);
    assert_refused(&server, run(&server, &|p| p.env("AWS_SESSION_TOKEN", TOKEN)), &["AccessDeniedException", "kinesis:PutRecords"]);
    let server = with(Standing::Good);
    assert_refused(&server, run(&server, &|p| p), &["UnrecognizedClientException"]);
    let server = Server::start(Options::plan(Plan::Always(Fault::XmlError)));
    assert_refused(&server, run(&server, &|p| p), &["SignatureDoesNotMatch"]);
}

#[test]
fn without_credentials_a_run_ends_with_77_says_where_it_looked_and_asks_nobody() {
    let server = Server::start(Options::default());
    let program = to(&server).without_env("AWS_ACCESS_KEY_ID").without_env("AWS_SECRET_ACCESS_KEY");
    let finished = program.stdin(input(5).1).run().assert_code(77);
    assert_reason(&finished, &["no credentials", "environment", "default profile"]);
    assert_eq!(server.counts().requests, 0);
    // Half a key is no key, and its half is not shown.
    let finished = to(&server).without_env("AWS_ACCESS_KEY_ID").stdin(input(5).1).run().assert_code(77);
    assert_reason(&finished, &["AWS_ACCESS_KEY_ID"]);
    assert_no_secret(&finished);
}

#[test]
fn with_a_deadline_a_refusal_hands_everything_back_at_once() {
    let server = Server::start(Options::default());
    let program = to(&server).env("AWS_SECRET_ACCESS_KEY", "wrong/secret").args(["--deadline", "60s"]);
    let finished = program.stdin(lines::joined(&lines::telegraf(4, 30_000))).run().assert_code(77);
    assert_within(&finished, Duration::from_secs(2));
    assert_reason(&finished, &["handed back to the sender"]);
    assert_eq!(server.counts().stored, 0);
}

#[test]
fn a_key_that_starts_to_work_again_before_the_end_of_the_pipe_loses_nothing() {
    let server = Server::start(Options::default());
    server.change(|service| service.keys[0].1 = Standing::Denied);
    let mut running = to(&server).args(["--flush-interval", "0s"]).stdin_open().start();
    let (lines, bytes) = input(50);
    running.write(&bytes);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 2));
    server.change(|service| service.keys[0].1 = Standing::Good);
    running.close_stdin();
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
}

#[test]
fn passwords_in_addresses_are_not_shown() {
    let proxy = kinegraf()
        .env("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let proxy = proxy.args(["--region", REGION, "--stream", STREAM, "--endpoint-url", "https://kinesis.nonexistent.invalid"]);
    let finished = proxy.args(["-vv", "--deadline", "400ms"]).stdin(input(1).1).run().assert_code(75);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    let userinfo = kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", "https://user:hunter2@kinesis.nonexistent.invalid"]);
    let finished = userinfo.stdin(input(1).1).run().assert_code(64);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[test]
fn a_pipe_larger_than_the_spool_waits_for_a_missing_stream_and_loses_nothing() {
    let server = Server::start(Options::default());
    let lines = lines::telegraf(9, 30_000);
    let running = to_missing(&server).args(["--shutdown-timeout", "60s"]).stdin(lines::joined(&lines)).start();
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 2));
    // The pipe's end cannot be seen while the spool is full, and whoever writes has not lost anything yet.
    server.change(|service| _ = service.streams.insert("missing-stream".into(), super::support::service::Stream::default()));
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored("missing-stream", &lines), 0);
}

#[test]
fn a_region_that_is_not_the_endpoints_is_a_mistake_of_configuration() {
    let server = Server::start(Options { region: "eu-north-1", ..Options::default() });
    let finished = to(&server).stdin(input(1).1).run().assert_code(78);
    assert_reason(&finished, &["InvalidSignatureException", "should be scoped to a valid region", "us-east-1"]);
    assert!(server.counts().requests <= 2 && server.counts().stored == 0);
}
