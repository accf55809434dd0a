//! `DescribeStreamSummary`, which other writers ask before they start.

use super::support::raw_client::{Request, send};
use super::support::{Key, Options, STREAM, Server};

fn asking(stream: &str) -> Request {
    Request { target: "Kinesis_20131202.DescribeStreamSummary", ..Request::body(format!(r#"{{"StreamName":"{stream}"}}"#)) }
}

#[test]
fn a_stream_that_exists_is_described_and_one_that_does_not_is_not_found() {
    let server = Server::start(Options::default());
    let reply = send(&server, &asking(STREAM)).unwrap();
    let summary = reply.json()["StreamDescriptionSummary"].clone();
    assert_eq!((reply.status, summary["StreamName"].as_str(), summary["OpenShardCount"].as_u64()), (200, Some(STREAM), Some(4)));
    assert_eq!(send(&server, &asking("other")).unwrap().code(), "ResourceNotFoundException");
    assert!(server.records(STREAM).is_empty());
}

#[test]
fn nothing_is_described_to_a_stranger() {
    let server = Server::start(Options::default());
    let stranger = Request { key: Key::new("AKIASTRANGER00000001", "other", None), ..asking(STREAM) };
    assert_eq!(send(&server, &stranger).unwrap().code(), "UnrecognizedClientException");
}
