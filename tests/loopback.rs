//! The loopback Kinesis tested by itself, with raw requests and its own signing, so that a green suite means more than "both sides share a mistake".
#![allow(missing_docs, reason = "a test crate")]
mod support;

use support::raw_client::{Connection, Request, send};
use support::{Options, STREAM, Server};

#[test]
fn a_good_request_is_stored_and_answered() {
    let server = Server::start(Options::default());
    let reply = send(&server, &Request::records(&[("a", b"one"), ("b", b"two")])).unwrap();
    assert_eq!((reply.status, reply.json()["FailedRecordCount"].as_u64()), (200, Some(0)), "{}", reply.text());
    assert_eq!(reply.json()["Records"].as_array().unwrap().len(), 2);
    let records = server.records(STREAM);
    assert_eq!(records.iter().map(|r| (&*r.key, &*r.data)).collect::<Vec<_>>(), [("a", b"one".as_slice()), ("b", b"two")]);
    let _ = Connection::open(&server);
}
