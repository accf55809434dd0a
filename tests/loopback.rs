//! The loopback Kinesis tested by itself, with raw requests and its own signing, so that a green suite means more than "both sides share a mistake":
//! good requests are taken, spoilt ones refused in the service's words, and each fault does what it says.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]
mod support;

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::fault::{Conditions, Garbage, RecordError, Shape, Throttle};
use support::log::Fate;
use support::raw_client::{Connection, Reply, Request, read_reply, send};
use support::service::Stream;
use support::signature::Standing;
use support::{ACCESS_KEY, Certificate, Fault, Key, Options, Pick, Plan, REGION, SECRET_KEY, STREAM, Server, Store, calendar, lines, signature};

const TWO: [(&str, &[u8]); 2] = [("a", b"one"), ("b", b"two")];

fn stored(server: &Server) -> usize {
    server.records(STREAM).len()
}

// ── Taken ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_good_request_is_stored_and_answered() {
    let server = Server::start(Options::default());
    let reply = send(&server, &Request::records(&TWO)).unwrap();
    assert_eq!((reply.status, reply.json()["FailedRecordCount"].as_u64()), (200, Some(0)), "{}", reply.text());
    assert_eq!(reply.json()["Records"].as_array().unwrap().len(), 2);
    assert!(reply.header("x-amzn-RequestId").is_some() && reply.header("Date").is_some());
    let records = server.records(STREAM);
    assert_eq!(records.iter().map(|r| (&*r.key, &*r.data)).collect::<Vec<_>>(), TWO);
    assert!(server.exchanges()[0].acknowledged);
}

#[test]
fn a_connection_takes_request_after_request() {
    let server = Server::start(Options::default());
    let mut connection = Connection::open(&server);
    for i in 0..50 {
        assert_eq!(connection.send(&Request::records(&[("k", format!("line {i}").as_bytes())])).unwrap().status, 200);
    }
    assert_eq!((server.counts().connections, server.counts().requests, stored(&server)), (1, 50, 50));
}

#[test]
fn a_head_in_single_bytes_and_a_body_in_two_halves_are_read() {
    let server = Server::start(Options::default());
    let bytes = Request::records(&TWO).to_bytes(&server.address().to_string());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let (head, body) = bytes.split_at(bytes.len() - 40);
    head.iter().for_each(|byte| socket.write_all(&[*byte]).unwrap());
    std::thread::sleep(Duration::from_millis(20));
    socket.write_all(body).unwrap();
    assert_eq!(read_reply(&mut BufReader::new(socket)).unwrap().status, 200);
}

#[test]
fn the_largest_request_is_taken_and_one_byte_more_is_not() {
    let server = Server::start(Options::default());
    let megabyte = vec![b'x'; (1 << 20) - 1];
    let mut records: Vec<(&str, &[u8])> = vec![("k", &megabyte); 10];
    assert_eq!(send(&server, &Request::records(&records)).unwrap().status, 200);
    records.push(("k", b""));
    let reply = send(&server, &Request::records(&records)).unwrap();
    assert_eq!((reply.code().as_str(), reply.json()["message"].as_str()), ("InvalidArgumentException", Some("Records size exceeds 10 MB limit")));
}

#[test]
fn records_of_a_key_share_a_shard_and_keys_spread_over_all_shards() {
    let server = Server::start(Options::default());
    let keys: Vec<String> = (0..100).map(|i| format!("host-{i}")).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().chain(&keys).map(|key| (key.as_str(), b"x".as_slice())).collect();
    send(&server, &Request::records(&records)).unwrap();
    let shards: Vec<usize> = server.records(STREAM).iter().map(|record| record.shard).collect();
    assert_eq!(shards[..100], shards[100..]);
    assert!((0..4).all(|shard| shards.contains(&shard)));
}

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Two cases of AWS's published suite: `post-vanilla` and `post-x-www-form-urlencoded`.
#[test]
fn our_signatures_are_those_of_awss_test_suite() {
    let key = Key::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None);
    let scope = ("us-east-1", "service");
    let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
    let signed = signature::sign(&key, scope, "POST", "/", &headers, b"");
    assert!(
        signed.ends_with("SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        "{signed}"
    );
    headers.extend([("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")]);
    headers.push(("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"));
    let signed = signature::sign(&key, scope, "POST", "/", &headers, b"Param1=value1");
    assert!(signed.ends_with("Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"), "{signed}");
}

#[test]
fn a_spoilt_signature_is_refused_in_the_services_words() {
    let now = calendar::now_s();
    let good = || Request::records(&TWO);
    let cases: [(&str, Request, &str); 8] = [
        ("InvalidSignatureException", Request { region: "us-west-2", ..good() }, "Credential should be scoped to a valid region, not 'us-west-2'."),
        ("InvalidSignatureException", Request { service: "s3", ..good() }, "Credential should be scoped to correct service: 'kinesis'."),
        ("InvalidSignatureException", Request { time_s: now - 310, ..good() }, "Signature expired: "),
        ("InvalidSignatureException", Request { time_s: now + 310, ..good() }, "Signature not yet current: "),
        ("InvalidSignatureException", Request { key: Key::new(ACCESS_KEY, "another secret", None), ..good() }, "The request signature we calculated"),
        ("UnrecognizedClientException", Request { key: Key::new("AKIAUNKNOWN", SECRET_KEY, None), ..good() }, "The security token included in"),
        ("UnrecognizedClientException", Request { key: Key::new(ACCESS_KEY, SECRET_KEY, Some("token")), ..good() }, "The security token included in"),
        ("SerializationException", Request::body("{"), ""),
    ];
    let server = Server::start(Options::default());
    for (code, request, words) in cases {
        let reply = send(&server, &request).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{request:?}");
        assert!(reply.json()["message"].as_str().unwrap_or_default().starts_with(words), "{}", reply.text());
    }
    assert_eq!(stored(&server), 0);
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let server = Server::start(Options::default());
    let bytes = String::from_utf8(Request::records(&TWO).to_bytes(&server.address().to_string())).unwrap();
    let changes = [
        ("b25l", "b25m", "InvalidSignatureException"),
        ("x-amz-json-1.1", "x-amz-json-1.1 ;charset=utf-8", "InvalidSignatureException"),
        (";x-amz-target", "", "InvalidSignatureException"),
        ("host;", "", "InvalidSignatureException"),
        ("Signature=", "Signatur=", "IncompleteSignatureException"),
        ("/aws4_request", "", "IncompleteSignatureException"),
        ("Authorization:", "Authorisation:", "MissingAuthenticationTokenException"),
    ];
    for (old, new, code) in changes {
        let changed = bytes.replacen(old, new, 1);
        assert_ne!(changed, bytes);
        let reply = Connection::open(&server).send_bytes(changed.as_bytes()).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{old}: {}", reply.text());
    }
    assert_eq!((stored(&server), Connection::open(&server).send_bytes(bytes.as_bytes()).unwrap().status), (0, 200));
}

#[test]
fn the_servers_clock_judges_signatures_and_dates_answers() {
    let server = Server::start(Options::default());
    server.set_clock_ahead(-86_400);
    let reply = send(&server, &Request::records(&TWO)).unwrap();
    let yesterday = calendar::amz(calendar::now_s() - 86_400);
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Signature not yet current: ") && message.ends_with(" + 5 min.)") && message.contains(&yesterday[..11]), "{message}");
    assert_eq!(reply.header("Date").unwrap()[..16], calendar::http(calendar::now_s() - 86_400)[..16]);
    assert_eq!(send(&server, &Request { time_s: calendar::now_s() - 86_400, ..Request::records(&TWO) }).unwrap().status, 200);
}

#[test]
fn temporary_credentials_need_their_token_and_may_expire_or_be_denied() {
    let key = Key::new("ASIATEMPORARY", "secret", Some("a/long+token=="));
    let server = Server::start(Options { keys: vec![key.clone()], ..Options::default() });
    let request = Request { key: key.clone(), ..Request::records(&TWO) };
    assert_eq!(send(&server, &request).unwrap().status, 200);
    let without = Request { key: Key { token: None, ..key }, ..Request::records(&TWO) };
    assert_eq!(send(&server, &without).unwrap().code(), "UnrecognizedClientException");
    server.change(|service| service.keys[0].1 = Standing::Expired);
    assert_eq!(send(&server, &request).unwrap().code(), "ExpiredTokenException");
    server.change(|service| service.keys[0].1 = Standing::Denied);
    let reply = send(&server, &request).unwrap();
    assert_eq!(reply.code(), "AccessDeniedException");
    assert!(
        reply
            .text()
            .contains("is not authorized to perform: kinesis:PutRecords on resource: arn:aws:kinesis:us-east-1:123456789012:stream/telemetry")
    );
}

// ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn each_limit_of_the_service_answers_with_its_text() {
    let key_257 = "é".repeat(257);
    let too_large = vec![b'x'; 1 << 20];
    let many: Vec<(&str, &[u8])> = vec![("k", b"x"); 501];
    let raw = |body: &str| Request::body(body);
    let one = |data: &str| Request::body(format!(r#"{{"StreamName":"telemetry","Records":[{{"PartitionKey":"k","Data":{data}}}]}}"#));
    let hash =
        |key: &str| Request::body(format!(r#"{{"StreamName":"telemetry","Records":[{{"PartitionKey":"k","Data":"","ExplicitHashKey":"{key}"}}]}}"#));
    let cases = [
        (
            Request::records(&[]),
            "ValidationException",
            "1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            Request::records(&many),
            "ValidationException",
            "at 'records' failed to satisfy constraint: Member must have length less than or equal to 500",
        ),
        (
            Request::records(&[("", b"x")]),
            "ValidationException",
            "Value '' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            Request::records(&[("k", b"x"), (&key_257, b"x")]),
            "ValidationException",
            "at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256",
        ),
        (
            Request::records(&[("k", &too_large)]),
            "ValidationException",
            "at 'records.1.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576",
        ),
        (
            Request::to("no/name", &TWO),
            "ValidationException",
            "Value 'no/name' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (Request::to("", &[("", b"")]), "ValidationException", "2 validation errors detected: "),
        (Request::to("other", &TWO), "ResourceNotFoundException", "Stream other under account 123456789012 not found."),
        (
            raw(r#"{"StreamName":"telemetry"}"#),
            "ValidationException",
            "Value null at 'records' failed to satisfy constraint: Member must not be null",
        ),
        (raw(r#"{"Records":[]}"#), "ValidationException", "Value null at 'streamName' failed to satisfy constraint: Member must not be null"),
        (raw(r#"{"StreamName":"telemetry","Records":{}}"#), "SerializationException", "Expected list or null"),
        (one("null"), "ValidationException", "Value null at 'records.1.member.data' failed to satisfy constraint: Member must not be null"),
        (one("1"), "SerializationException", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob"),
        (one(r#""abc""#), "SerializationException", "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        (one(r#""ab-d""#), "SerializationException", "Invalid Base64 character: '-'"),
        (one(r#""YR==""#), "SerializationException", "Invalid last non-pad Base64 character"),
        (
            hash("01"),
            "ValidationException",
            "'records.1.member.explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern",
        ),
        (hash("340282366920938463463374607431768211456"), "InvalidArgumentException", "ExplicitHashKey must be in the range: [0, 2^128-1]"),
        (Request { target: "Kinesis_20131202.PutRecord", ..Request::records(&TWO) }, "UnknownOperationException", ""),
    ];
    let server = Server::start(Options::default());
    for (request, code, words) in cases {
        let reply = send(&server, &request).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    assert_eq!(stored(&server), 0);
    // 256 two-byte characters, and a key and data of exactly 1 MiB together.
    let full = &too_large[1..];
    assert_eq!(send(&server, &Request::records(&[(&"é".repeat(256), b"x"), ("k", full)])).unwrap().status, 200);
}

#[test]
fn another_form_of_request_is_refused_before_anything_else() {
    let server = Server::start(Options::default());
    let reply = send(&server, &Request { content_type: "text/plain", ..Request::records(&TWO) }).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (404, "<UnknownOperationException/>\n"));
    let reply = send(&server, &Request { method: "PUT", ..Request::records(&TWO) }).unwrap();
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("Unable to determine service/operation name to be authorized"));
    let chunked = Request { more_headers: vec![("Transfer-Encoding", "chunked".to_owned())], ..Request::records(&TWO) };
    let reply = send(&server, &chunked).unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (411, "MissingContentLength"));
}

#[test]
fn a_stream_may_take_larger_records() {
    let stream = Stream { record_size_max: 2 << 20, ..Stream::default() };
    let server = Server::start(Options { streams: vec![("large", stream)], ..Options::default() });
    assert_eq!(send(&server, &Request::to("large", &[("k", &vec![b'x'; (2 << 20) - 1])])).unwrap().status, 200);
    assert_eq!(send(&server, &Request::to("large", &[("k", &vec![b'x'; 2 << 20])])).unwrap().status, 400);
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── The account ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_record_sent_again_after_its_acknowledgement_is_found_out() {
    let found = |script: Vec<Fault>| {
        let server = Server::start(Options::plan(Plan::Script(script)));
        let _ = send(&server, &Request::records(&TWO));
        let _ = send(&server, &Request::records(&[("other key", b"two"), ("c", b"three")]));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.assert_no_resend_after_ack())).is_err()
    };
    assert!(found(vec![]));
    assert!(found(vec![Fault::FailRecords(Pick::At(vec![0]), RecordError::Internal)]));
    assert!(!found(vec![Fault::FailRecords(Pick::At(vec![1]), RecordError::Internal)]));
    assert!(!found(vec![Fault::StoreThenReset]));
    assert!(!found(vec![Fault::Garbage { kind: Garbage::Noise, stored: true }]));
}

#[test]
fn lines_are_told_apart_however_they_are_packed() {
    let server = Server::start(Options::default());
    let nasty = lines::nasty_good();
    assert_eq!(lines::split(&lines::joined(&nasty)), nasty.iter().map(Vec::as_slice).collect::<Vec<_>>());
    send(&server, &Request::records(&[("k", &lines::joined(&nasty))])).unwrap();
    assert_eq!(server.assert_stored(STREAM, &nasty), 0);
    server.assert_no_line_resent_after_ack();
    send(&server, &Request::records(&[("k", &lines::joined(&nasty[3..4]))])).unwrap();
    assert_eq!(server.assert_stored(STREAM, &nasty), 1);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.assert_no_line_resent_after_ack())).is_err());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.assert_stored(STREAM, &nasty[1..]))).is_err());
}

#[test]
fn generated_lines_are_unique_and_the_same_for_the_same_seed() {
    let first = lines::telegraf(1, 20_000);
    let mut unique = first.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((unique.len(), lines::split(&lines::joined(&first)).len()), (20_000, 20_000));
    assert_eq!(lines::telegraf(1, 100), first[..100]);
    assert_ne!(lines::telegraf(2, 100), first[..100]);
    assert_eq!(lines::of_size(5, 71_000).len(), 71_000);
}

#[test]
fn a_server_that_only_counts_still_answers_for_each_record() {
    let server = Server::start(Options { store: Store::Counts, ..Options::default() });
    let reply = send(&server, &Request::records(&TWO)).unwrap().json();
    assert_eq!((reply["Records"].as_array().unwrap().len(), server.counts().stored, stored(&server)), (2, 2, 0));
    assert_eq!(send(&server, &Request { region: "eu-west-1", ..Request::records(&TWO) }).unwrap().code(), "InvalidSignatureException");
}

#[test]
fn moments_are_spelled_as_the_protocol_spells_them() {
    assert_eq!(calendar::amz(1_440_938_160), "20150830T123600Z");
    assert_eq!(calendar::http(1_440_938_160), "Sun, 30 Aug 2015 12:36:00 GMT");
    assert_eq!(calendar::http(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    for time_s in [0, 951_782_399, 951_868_800, 4_102_444_800, 1_795_305_600] {
        assert_eq!(calendar::parse_amz(&calendar::amz(time_s)), Some(time_s));
    }
    assert_eq!(calendar::parse_amz("20150830T12360Z0"), None);
}

// ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// One good request over TLS by a client that trusts `ca_file` only.
fn send_tls(server: &Server) -> std::io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca_file()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(server.address())?);
    stream.write_all(&Request::records(&TWO).to_bytes(&server.address().to_string()))?;
    read_reply(&mut BufReader::new(stream))
}

#[test]
fn a_good_certificate_is_accepted_and_each_bad_one_refused_for_its_reason() {
    let server = Server::start(Options::tls(Certificate::Good));
    assert_eq!((send_tls(&server).unwrap().status, stored(&server), &server.url()[..8]), (200, 2, "https://"));
    for (certificate, reason) in [
        (Certificate::Expired, "Expired"),
        (Certificate::NotYetValid, "NotValidYet"),
        (Certificate::WrongHost, "NotValidForName"),
        (Certificate::UnknownIssuer, "UnknownIssuer"),
    ] {
        let server = Server::start(Options::tls(certificate));
        let error = format!("{:?}", send_tls(&server).unwrap_err());
        assert!(error.contains(reason), "{certificate:?}: {error}");
        assert_eq!(stored(&server), 0);
    }
}

#[test]
fn faults_happen_over_tls_as_well() {
    let script = vec![Fault::StoreThenReset, Fault::ResetBeforeRead, Fault::TruncateAnswer { stored: true }, Fault::CompressAnswer];
    let server = Server::start(Options { tls: Some(Certificate::Good), plan: Plan::Script(script), ..Options::default() });
    assert!((0..3).all(|_| send_tls(&server).is_err()));
    assert_eq!((send_tls(&server).unwrap().status, stored(&server)), (200, 6));
}

#[test]
fn the_region_is_the_servers_own() {
    let server = Server::start(Options { region: "eu-central-1", ..Options::default() });
    assert_eq!(send(&server, &Request { region: REGION, ..Request::records(&TWO) }).unwrap().status, 400);
    assert_eq!(send(&server, &Request { region: "eu-central-1", ..Request::records(&TWO) }).unwrap().status, 200);
}
