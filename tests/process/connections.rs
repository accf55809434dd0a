//! What happens on the way: kept connections that died, answers that are none, middleboxes with opinions of their own.

use std::time::Duration;

use super::common::{assert_reason, assert_stored_under_keys, host_of, input, summed, to};
use super::support::fault::Garbage;
use super::support::{Fault, Options, Plan, STREAM, Server, TempDir, lines};

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced_at_once_and_once() {
    // Every answer is followed by the end of its connection, which was not announced.
    let server = Server::start(Options::plan(Plan::Always(Fault::CloseIdle)));
    let (lines, bytes) = input(2000);
    let finished = to(&server).args(["-v"]).stdin(bytes).run().assert_code(0);
    assert_eq!(assert_stored_under_keys(&server, &lines, |line| host_of(line).to_owned()), 0, "nothing is stored twice");
    assert_eq!((server.counts().requests, server.counts().connections), (summed(&finished, "requests,"), summed(&finished, "requests,")));
    assert_eq!((summed(&finished, "requests failed"), summed(&finished, "with an unknown result")), (0, 0), "{}", finished.stderr);
    // A reused connection that dies with the request on it: again at once, so that no time is lost; a second death is a failure like any other.
    let script = vec![Fault::None, Fault::ResetAfterRead, Fault::ResetAfterRead];
    let server = Server::start(Options::plan(Plan::Script(script)));
    let finished = to(&server).args(["-v"]).stdin(input(1000).1).run().assert_code(0);
    assert_eq!((summed(&finished, "requests repeated"), summed(&finished, "with an unknown result")), (1, 1), "{}", finished.stderr);
    server.assert_stored(STREAM, &input(1000).0);
}

#[test]
fn answers_that_acknowledge_nothing_are_survived_whatever_they_look_like() {
    let garbage =
        [Garbage::Noise, Garbage::Html, Garbage::OneEntryLess, Garbage::OneEntryMore, Garbage::Empty, Garbage::NoRecords, Garbage::EmptyEntries];
    let mut faults: Vec<Fault> = garbage.iter().flat_map(|kind| [true, false].map(|stored| Fault::Garbage { kind: *kind, stored })).collect();
    faults.extend([Fault::Redirect, Fault::HtmlError, Fault::ResetBeforeRead, Fault::ResetAfterRead, Fault::StoreThenReset]);
    faults.extend([true, false].map(|stored| Fault::TruncateAnswer { stored }));
    let status = |status, content_type, body: &str| Fault::Status { status, content_type, body: body.to_owned() };
    faults.push(status(403, "text/html", "<html><title>Blocked by the company's proxy</title></html>"));
    faults.push(status(511, "text/html", ""));
    faults.push(status(204, "text/plain", ""));
    faults.push(status(407, "", "proxy"));
    let (lines, bytes) = input(300);
    for tls in [None, Some(super::support::Certificate::Good)] {
        let running: Vec<_> = faults
            .iter()
            .map(|fault| {
                let server = Server::start(Options { tls, ..Options::plan(Plan::Script(vec![fault.clone()])) });
                let running = to(&server).args(["-v", "--shutdown-timeout", "30s"]).stdin(bytes.clone()).start();
                (fault, server, running)
            })
            .collect();
        for (fault, server, running) in running {
            let finished = running.wait().assert_code(0);
            server.assert_stored(STREAM, &lines);
            server.assert_no_resend_after_ack();
            let (failed, unknown) = (summed(&finished, "requests failed"), summed(&finished, "with an unknown result"));
            assert_eq!((server.counts().requests, failed + unknown), (2, 1), "{fault:?}: {}", finished.stderr);
            assert_eq!(summed(&finished, "delivered in"), 300);
        }
    }
}

#[test]
fn a_redirect_is_not_followed_and_is_said() {
    let server = Server::start(Options::plan(Plan::Always(Fault::Redirect)));
    let finished = to(&server).args(["--deadline", "700ms"]).stdin(input(1).1).run().assert_code(75);
    assert_reason(&finished, &["302", "redirect"]);
    assert!(server.exchanges().iter().all(|exchange| exchange.stream == STREAM && exchange.status == 302));
}

#[test]
fn answers_that_a_middlebox_compressed_or_chunked_count() {
    let plan = Plan::by(|coming| if coming.number % 2 == 0 { Fault::CompressAnswer } else { Fault::ChunkAnswer });
    let (server, (lines, bytes)) = (Server::start(Options::plan(plan)), input(2000));
    to(&server).stdin(bytes).run().assert_code(0);
    assert_eq!((server.assert_stored(STREAM, &lines), server.exchanges().iter().all(|exchange| exchange.acknowledged)), (0, true));
}

#[test]
fn answers_that_trickle_or_come_late_count() {
    let script = vec![Fault::Trickle(Duration::from_millis(15)), Fault::Slow(Duration::from_millis(700)), Fault::SlowRead { bytes_per_s: 200_000 }];
    let (server, (lines, bytes)) = (Server::start(Options::plan(Plan::Script(script))), input(1500));
    to(&server).args(["--shutdown-timeout", "30s"]).stdin(bytes).run().assert_code(0);
    assert_eq!((server.assert_stored(STREAM, &lines), server.exchanges().iter().all(|exchange| exchange.acknowledged)), (0, true));
}

#[test]
fn a_middlebox_that_breaks_large_requests_gets_smaller_ones() {
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.request_bytes_max = Some(120_000));
    let dir = TempDir::new();
    let config = dir.file("kinegraf.toml", "[delivery]\nrequest_size = \"128KiB\"\n[input]\nline_size = 4096\n");
    let lines: Vec<_> = (0..300).map(|i| lines::of_size(i, 2_000)).collect();
    let program = to(&server).args(["-v", "--shutdown-timeout", "120s", "--config"]).args([config]);
    program.stdin(lines::joined(&lines)).run().assert_code(0);
    server.assert_stored(STREAM, &lines);
    let requests = server.counts().requests;
    assert!(requests < 30, "it learns: {requests} requests");
    assert!(server.exchanges().iter().filter(|exchange| exchange.acknowledged).all(|exchange| exchange.body_size <= 120_000));
}

#[test]
fn a_413_is_met_with_half_and_a_record_that_alone_is_too_large_is_set_aside() {
    let plan = Plan::by(|coming| match coming.body_size {
        0..60_000 => Fault::None,
        _ => Fault::Status { status: 413, content_type: "text/html", body: "<html><title>413 Request Entity Too Large</title></html>".to_owned() },
    });
    let (server, dir) = (Server::start(Options::plan(plan)), TempDir::new());
    let rejected = dir.path().join("rejected");
    let config = dir.file("kinegraf.toml", format!("[input]\nrejected = \"{}\"\n", rejected.display()));
    let mut all: Vec<_> = (0..100).map(|i| lines::of_size(i, 2_000)).collect();
    all.insert(50, lines::of_size(1000, 70_000));
    let program = to(&server).args(["-v", "--shutdown-timeout", "60s", "--config"]).args([&config]);
    let finished = program.stdin(lines::joined(&all)).run().assert_code(0);
    let large = all.remove(50);
    assert_eq!(server.assert_stored(STREAM, &all), 0);
    assert_eq!(summed(&finished, "lines given up"), 1);
    assert!(memchr::memmem::find(&std::fs::read(rejected).unwrap(), &large).is_some(), "{}", finished.stderr);
}

#[test]
fn an_answer_without_end_is_not_read_for_ever_nor_kept() {
    let plan = Plan::Script(vec![
        Fault::Status { status: 200, content_type: "application/x-amz-json-1.1", body: "{\"Records\":[".to_owned() + &"{},".repeat(2_000_000) },
        Fault::Status { status: 500, content_type: "text/plain", body: "x".repeat(30 << 20) },
    ]);
    let (server, (lines, bytes)) = (Server::start(Options::plan(plan)), input(100));
    let finished = to(&server).args(["--shutdown-timeout", "30s"]).stdin(bytes).run().assert_code(0);
    server.assert_stored(STREAM, &lines);
    assert!(finished.peak_rss < 24 << 20, "{} bytes", finished.peak_rss);
}

#[test]
fn a_middlebox_that_resets_large_requests_is_outwitted_within_the_time_of_a_pipe() {
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.request_bytes_max = Some(40_000));
    let all: Vec<_> = (0..500).map(|i| lines::of_size(i, 1_000)).collect();
    to(&server).stdin(lines::joined(&all)).run().assert_code(0);
    server.assert_stored(STREAM, &all);
}

#[test]
fn a_line_that_breaks_every_connection_is_set_aside_when_others_pass_and_holds_nobody_up() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    server.change(|service| service.conditions.request_bytes_max = Some(60_000));
    let rejected = dir.path().join("rejected");
    let config = dir.file("kinegraf.toml", format!("[input]\nrejected = \"{}\"\n[delivery]\nrequest_size = \"128KiB\"\n", rejected.display()));
    let mut all: Vec<_> = (0..400).map(|i| lines::of_size(i, 2_000)).collect();
    all.insert(50, lines::of_size(1000, 70_000));
    let program = to(&server).args(["-v", "--shutdown-timeout", "50s", "--config"]).args([&config]);
    let finished = program.stdin(lines::joined(&all)).run().assert_code(0);
    let large = all.remove(50);
    server.assert_stored(STREAM, &all);
    assert_eq!(summed(&finished, "lines given up"), 1);
    assert!(memchr::memmem::find(&std::fs::read(rejected).unwrap(), &large).is_some(), "{}", finished.stderr);
}

#[test]
fn interim_answers_are_passed_over() {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        let size: usize = reader
            .by_ref()
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|size| size.parse().unwrap()))
            .unwrap();
        while reader.by_ref().lines().next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let mut body = vec![0; size];
        reader.read_exact(&mut body).unwrap();
        let answer = r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"shardId-000000000000"}]}"#;
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        write!(socket, "{interim}HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        // Until the other side has gone.
        let _ = reader.read_to_end(&mut body);
    });
    let program = super::common::kinegraf().args(["--region", "us-east-1", "--stream", STREAM, "--endpoint-url", &url, "--deadline", "3s"]);
    let program = program.env("AWS_ACCESS_KEY_ID", super::support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", super::support::SECRET_KEY);
    let finished = program.stdin(input(1).1).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serving.join().unwrap();
}
