//! The account of truth tells what was acknowledged, and the lines that feed it are what they should be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::support::fault::{Garbage, RecordError};
use super::support::raw_client::{Request, send};
use super::support::{Fault, Options, Pick, Plan, STREAM, Server, Store, lines};
use super::{TWO, stored};

#[test]
fn a_record_sent_again_after_its_acknowledgement_is_found_out() {
    let found = |script: Vec<Fault>| {
        let server = Server::start(Options::plan(Plan::Script(script)));
        let _ = send(&server, &Request::records(&TWO));
        let _ = send(&server, &Request::records(&[("other key", b"two"), ("c", b"three")]));
        catch_unwind(AssertUnwindSafe(|| server.assert_no_resend_after_ack())).is_err()
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
    assert!(catch_unwind(AssertUnwindSafe(|| server.assert_no_line_resent_after_ack())).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| server.assert_stored(STREAM, &nasty[1..]))).is_err());
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
