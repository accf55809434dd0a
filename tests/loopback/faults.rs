//! Each fault does what it says, to one request or to all.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::support::fault::{Conditions, Garbage, RecordError, Shape, Throttle};
use super::support::log::Fate;
use super::support::raw_client::{Connection, Reply, Request, send};
use super::support::{Fault, Options, Pick, Plan, STREAM, Server};
use super::{TWO, stored};

/// Sends two records to a server with this fault; the reply and how many records were stored.
fn with(fault: Fault) -> (std::io::Result<Reply>, usize) {
    let server = Server::start(Options::plan(Plan::Script(vec![fault])));
    let reply = send(&server, &Request::records(&TWO));
    let count = stored(&server);
    assert_eq!(send(&server, &Request::records(&[("z", b"after")])).unwrap().status, 200, "the fault was for one request only");
    (reply, count)
}

#[test]
fn picked_records_fail_and_the_others_are_stored() {
    let server = Server::start(Options::plan(Plan::Script(vec![
        Fault::FailRecords(Pick::At(vec![1]), RecordError::Throughput),
        Fault::FailRecords(Pick::All, RecordError::Internal),
        Fault::FailRecords(Pick::If(Arc::new(|record| record.data == b"one")), RecordError::Other("Strange")),
    ])));
    let reply = send(&server, &Request::records(&TWO)).unwrap().json();
    assert_eq!((reply["FailedRecordCount"].as_u64(), reply["Records"][0]["ShardId"].is_string()), (Some(1), true));
    assert_eq!(reply["Records"][1]["ErrorCode"], "ProvisionedThroughputExceededException");
    let words = reply["Records"][1]["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(
        words.starts_with("Rate exceeded for shard shardId-00000000000") && words.ends_with(" in stream telemetry under account 123456789012."),
        "{words}"
    );
    assert_eq!(stored(&server), 1);
    assert_eq!(send(&server, &Request::records(&TWO)).unwrap().json()["Records"][0]["ErrorMessage"], "Internal service failure.");
    assert_eq!(send(&server, &Request::records(&TWO)).unwrap().json()["Records"][0]["ErrorCode"], "Strange");
    assert_eq!(server.exchanges()[0].records.iter().map(|record| record.fate).collect::<Vec<_>>(), [Fate::Stored, Fate::Failed]);
}

#[test]
fn one_record_in_three_fails_at_random_but_the_same_for_the_same_seed() {
    let run = |seed| {
        let server = Server::start(Options::plan(Plan::Always(Fault::FailRecords(Pick::Random { per_mille: 333, seed }, RecordError::Internal))));
        let names: Vec<String> = (0..500).map(|i| i.to_string()).collect();
        let records: Vec<(&str, &[u8])> = names.iter().map(|name| ("k", name.as_bytes())).collect();
        send(&server, &Request::records(&records)).unwrap();
        server.records(STREAM).iter().map(|record| record.data.clone()).collect::<Vec<_>>()
    };
    let first = run(7);
    assert!((280..390).contains(&first.len()), "{} of 500 stored", first.len());
    assert_eq!(run(7), first);
    assert_ne!(run(8), first);
}

#[test]
fn error_answers_store_nothing_and_carry_their_codes() {
    let error = |shape| Fault::Error { status: 400, code: "KMSDisabledException", message: "The key is disabled.", shape };
    let cases = [
        (Fault::ServiceUnavailable, 503, "ServiceUnavailable"),
        (Fault::InternalFailure, 500, "InternalFailure"),
        (Fault::AccessDenied, 400, "AccessDeniedException"),
        (Fault::ExpiredToken, 400, "ExpiredTokenException"),
        (Fault::UnrecognizedClient, 400, "UnrecognizedClientException"),
        (Fault::SkewedClock(3600), 400, "InvalidSignatureException"),
        (Fault::Throttle(Throttle::Provisioned), 400, "ProvisionedThroughputExceededException"),
        (Fault::Throttle(Throttle::Throttling), 400, "ThrottlingException"),
        (Fault::Throttle(Throttle::LimitExceeded), 400, "LimitExceededException"),
        (error(Shape::Plain), 400, r#"{"__type":"KMSDisabledException","message":"The key is disabled."}"#),
        (error(Shape::Prefixed), 400, r#"{"__type":"com.amazonaws.kinesis.v20131202#KMSDisabledException","message""#),
        (error(Shape::Suffixed), 400, r#"{"__type":"KMSDisabledException:http://"#),
        (error(Shape::CapitalMessage), 400, r#""Message":"The key is disabled.""#),
        (error(Shape::NoMessage), 400, r#"{"__type":"KMSDisabledException"}"#),
        (error(Shape::InHeader), 400, "{}"),
        (Fault::XmlError, 403, "<Code>SignatureDoesNotMatch</Code>"),
        (Fault::HtmlError, 502, "<h1>502 Bad Gateway</h1>"),
        (Fault::Status { status: 413, content_type: "text/plain", body: "too large".to_owned() }, 413, "too large"),
    ];
    for (fault, status, words) in cases {
        let (reply, count) = with(fault.clone());
        let reply = reply.unwrap();
        assert_eq!((reply.status, count), (status, 0), "{fault:?}");
        assert!(reply.text().contains(words), "{fault:?}: {}", reply.text());
    }
    assert_eq!(with(Fault::Throttle(Throttle::RetryAfter(1500))).0.unwrap().header("x-amz-retry-after"), Some("1500"));
    assert_eq!(with(Fault::Throttle(Throttle::TooManyRequests)).0.unwrap().status, 429);
    assert!(with(error(Shape::InHeader)).0.unwrap().header("x-amzn-ErrorType").unwrap().starts_with("KMSDisabledException:"));
    let reply = with(Fault::Redirect).0.unwrap();
    assert_eq!((reply.status, reply.header("Location").is_some(), reply.header("x-amzn-RequestId")), (302, true, None));
}

#[test]
fn a_lost_answer_is_lost_and_what_was_stored_is_stored() {
    for (fault, count) in [
        (Fault::ResetBeforeRead, 0),
        (Fault::ResetAfterRead, 0),
        (Fault::StoreThenReset, 2),
        (Fault::TruncateAnswer { stored: false }, 0),
        (Fault::TruncateAnswer { stored: true }, 2),
    ] {
        let server = Server::start(Options::plan(Plan::Script(vec![fault.clone()])));
        let reply = send(&server, &Request::records(&TWO));
        let kind = reply.expect_err("the answer must not arrive").kind();
        let expected = if matches!(fault, Fault::TruncateAnswer { .. }) { ErrorKind::UnexpectedEof } else { ErrorKind::ConnectionReset };
        assert_eq!((kind, stored(&server)), (expected, count), "{fault:?}");
        assert!(server.wait_until(Duration::from_secs(5), |counts| counts.requests == 1));
        assert!(server.exchanges().iter().all(|exchange| !exchange.acknowledged));
    }
}

#[test]
fn a_200_that_is_no_answer_acknowledges_nothing() {
    for kind in
        [Garbage::Noise, Garbage::Html, Garbage::OneEntryLess, Garbage::OneEntryMore, Garbage::Empty, Garbage::NoRecords, Garbage::EmptyEntries]
    {
        for stored in [false, true] {
            let (reply, count) = with(Fault::Garbage { kind, stored });
            let reply = reply.unwrap();
            assert_eq!((reply.status, count), (200, if stored { 2 } else { 0 }), "{kind:?}");
            let entries = serde_json::from_slice::<serde_json::Value>(&reply.body).ok().and_then(|json| json["Records"].as_array().map(Vec::len));
            let expected = match kind {
                Garbage::OneEntryLess => Some(1),
                Garbage::OneEntryMore => Some(3),
                Garbage::EmptyEntries => Some(2),
                _ => None,
            };
            assert_eq!(entries, expected, "{kind:?}");
        }
    }
}

#[test]
fn a_slow_answer_acknowledges_only_who_still_waits() {
    let server = Server::start(Options::plan(Plan::Always(Fault::Slow(Duration::from_millis(200)))));
    let start = Instant::now();
    assert_eq!(send(&server, &Request::records(&TWO)).unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
    let connection = Connection::open(&server);
    connection.socket().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut connection = connection;
    assert!(connection.send(&Request::records(&[("k", b"late")])).is_err());
    drop(connection);
    while server.exchanges().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.exchanges().iter().map(|exchange| exchange.acknowledged).collect::<Vec<_>>(), [true, false]);
    assert_eq!(stored(&server), 3);
}

#[test]
fn a_black_hole_never_answers_and_does_not_keep_the_server_from_stopping() {
    for fault in [Fault::SilentBlackHole { read_body: false, stored: false }, Fault::SilentBlackHole { read_body: true, stored: true }] {
        let server = Server::start(Options::plan(Plan::Always(fault)));
        let mut connection = Connection::open(&server);
        connection.socket().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(connection.send(&Request::records(&TWO)).unwrap_err().kind(), ErrorKind::WouldBlock);
        let start = Instant::now();
        drop(server);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn answers_may_be_compressed_chunked_trickled_or_the_last_of_a_connection() {
    let reply = with(Fault::CompressAnswer).0.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(reply.header("Content-Encoding") == Some("gzip") && text.starts_with("{\"FailedRecordCount\":0"));
    assert_eq!(with(Fault::ChunkAnswer).0.unwrap().json()["FailedRecordCount"], 0);
    assert_eq!(with(Fault::Trickle(Duration::from_millis(2))).0.unwrap().json()["FailedRecordCount"], 0);
    let server = Server::start(Options::plan(Plan::Script(vec![Fault::CloseIdle])));
    let mut connection = Connection::open(&server);
    let reply = connection.send(&Request::records(&TWO)).unwrap();
    assert_eq!((reply.status, reply.header("Connection")), (200, None));
    assert!(connection.send(&Request::records(&[("k", b"three")])).is_err());
    assert!(server.exchanges()[0].acknowledged);
}

#[test]
fn a_slowly_read_body_takes_its_time() {
    let server = Server::start(Options::plan(Plan::Always(Fault::SlowRead { bytes_per_s: 100_000 })));
    let start = Instant::now();
    assert_eq!(send(&server, &Request::records(&[("k", &[b'x'; 30_000])])).unwrap().status, 200);
    assert!(start.elapsed() > Duration::from_millis(350), "{:?}", start.elapsed());
}

#[test]
fn conditions_hold_for_every_request_until_they_are_changed() {
    let server = Server::start(Options::default());
    let set = |conditions: Conditions| server.change(|service| service.conditions = conditions);
    set(Conditions { invalid_record: Some(Arc::new(|record| record.data == b"two")), ..Conditions::default() });
    assert_eq!(send(&server, &Request::records(&TWO)).unwrap().code(), "ValidationException");
    assert_eq!(send(&server, &Request::records(&TWO[..1])).unwrap().status, 200);
    set(Conditions { request_bytes_max: Some(1000), ..Conditions::default() });
    assert_eq!(send(&server, &Request::records(&TWO)).unwrap().status, 200);
    assert!(send(&server, &Request::records(&[("k", &[b'x'; 1000])])).is_err());
    set(Conditions { shard_records_per_s: Some(10), ..Conditions::default() });
    let reply = send(&server, &Request::records(&[("k", b"x".as_slice()); 30])).unwrap().json();
    assert_eq!(
        (reply["FailedRecordCount"].as_u64(), reply["Records"][29]["ErrorCode"].as_str()),
        (Some(20), Some("ProvisionedThroughputExceededException"))
    );
    set(Conditions { null_error_codes: true, ..Conditions::default() });
    assert!(send(&server, &Request::records(&TWO)).unwrap().text().contains(r#""ErrorCode":null"#));
    set(Conditions { idle_close: Some(Duration::from_millis(30)), ..Conditions::default() });
    let mut connection = Connection::open(&server);
    connection.send(&Request::records(&TWO)).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(connection.send(&Request::records(&TWO)).is_err());
    set(Conditions { silent: true, ..Conditions::default() });
    let mut connection = Connection::open(&server);
    connection.socket().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(connection.send(&Request::records(&TWO)).is_err());
}

#[test]
fn a_mix_follows_its_weights_and_its_seed() {
    let plan = Plan::mix(3, [(3, Fault::None), (1, Fault::ServiceUnavailable)]);
    let server = Server::start(Options::plan(plan));
    let mut connection = Connection::open(&server);
    let good = (0..400).filter(|_| connection.send(&Request::records(&[("k", b"x")])).unwrap().status == 200).count();
    assert!((260..340).contains(&good), "{good} of 400");
    assert_eq!(stored(&server), good);
}
