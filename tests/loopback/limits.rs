//! Each limit of the service answers with its text.

use super::support::raw_client::{Request, send};
use super::support::service::Stream;
use super::support::{Options, Server};
use super::{TWO, stored};

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
