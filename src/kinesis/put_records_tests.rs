//! Tests of the request body and of reading its answer.

use proptest::prelude::*;

use super::*;
use crate::kinesis::outcome::Class;

fn body_of(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = b"left over".to_vec();
    write_body(&mut body, "metrics", records.iter().copied());
    body
}

fn outcomes_of(answer: &str, sent: usize) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = vec![Outcome::Stored; 3];
    let result = read_outcomes(answer.as_bytes(), sent, &mut outcomes);
    assert!(result.is_ok() || outcomes.is_empty(), "outcomes beside a failure");
    result.map(|()| outcomes)
}

#[test]
fn the_body_is_the_documented_json_with_padded_base64() {
    let body = body_of(&[("host", b"cpu usage=1 1\n"), ("", b""), ("k", b"a")]);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"StreamName":"metrics","Records":[{"Data":"Y3B1IHVzYWdlPTEgMQo=","PartitionKey":"host"},{"Data":"","PartitionKey":""},{"Data":"YQ==","PartitionKey":"k"}]}"#
    );
    assert_eq!(body_of(&[]), br#"{"StreamName":"metrics","Records":[]}"#);
}

proptest! {
    #[test]
    fn every_body_is_json_that_decodes_to_the_records_and_fits_its_bound(
        records in proptest::collection::vec((any::<String>().prop_map(|s| s.chars().take(256).collect::<String>()), proptest::collection::vec(any::<u8>(), 0..200)), 0..20)
    ) {
        let records: Vec<(&str, &[u8])> = records.iter().map(|(k, d)| (k.as_str(), d.as_slice())).collect();
        let body = body_of(&records);
        let size = records.iter().map(|(k, d)| k.len() + d.len()).sum();
        prop_assert!(body.len() <= body_size_max(size));
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(json["Records"].as_array().unwrap().len(), records.len());
        for (read, (key, data)) in json["Records"].as_array().unwrap().iter().zip(&records) {
            prop_assert_eq!(read["PartitionKey"].as_str().unwrap(), *key);
            prop_assert_eq!(STANDARD.decode(read["Data"].as_str().unwrap()).unwrap(), *data);
        }
    }
}

#[test]
fn the_largest_bodies_stay_within_the_bound_that_is_reserved() {
    let key = "\u{1}".repeat(256);
    for request_size in [4 << 10, 128 << 10, 256 << 10, 1 << 20] {
        for (key, data) in [(key.as_str(), 0usize), (key.as_str(), request_size / 500), ("k", request_size / 500 - 1), ("k", 1)] {
            let data = vec![b'x'; data.saturating_sub(key.len())];
            let count = (request_size / (key.len() + data.len()).max(1)).min(500);
            let body = body_of(&vec![(key, data.as_slice()); count]);
            assert!(body.len() <= body_size_max(request_size), "{} > {}", body.len(), body_size_max(request_size));
        }
    }
}

#[test]
fn each_record_gets_the_outcome_that_its_own_entry_tells() {
    let answer = r#"{"FailedRecordCount":5,"EncryptionType":"KMS","Records":[
        {"SequenceNumber":"4966","ShardId":"shardId-000000000000"},
        {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"},
        {"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."},
        {"ShardId":"shardId-000000000000","SequenceNumber":"4967","ErrorCode":null,"ErrorMessage":null},
        {"ErrorCode":"InvalidArgumentException","SequenceNumber":null,"ErrorMessage":"too large"},
        {"ErrorCode":"SomethingNew"},
        {"ErrorCode":"SlowDown","SequenceNumber":"1"}]}"#;
    let retry = Outcome::Retry;
    assert_eq!(
        outcomes_of(answer, 7).unwrap(),
        [
            Outcome::Stored,
            retry(RetryReason::Throttled),
            retry(RetryReason::Internal),
            Outcome::Stored,
            Outcome::Refused,
            retry(RetryReason::Internal),
            retry(RetryReason::Throttled)
        ]
    );
}

#[test]
fn null_error_codes_mean_success() {
    let answer = r#"{"Records":[{"SequenceNumber":"1","ErrorCode":null}],"FailedRecordCount":null}"#;
    assert_eq!(outcomes_of(answer, 1).unwrap(), [Outcome::Stored]);
}

#[test]
fn the_entries_are_trusted_over_a_count_that_is_too_low() {
    for count in ["", r#""FailedRecordCount":0,"#] {
        let answer = format!(r#"{{{count}"Records":[{{"ErrorCode":"InternalFailure"}}]}}"#);
        assert_eq!(outcomes_of(&answer, 1).unwrap(), [Outcome::Retry(RetryReason::Internal)]);
    }
}

#[test]
fn an_answer_without_exactly_one_outcome_a_record_is_unknown() {
    let bomb = format!(r#"{{"Records":{}"#, "[".repeat(100_000));
    let ignored_bomb = format!(r#"{{"x":{}"#, "[{\"a\":".repeat(100_000));
    for answer in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"FailedRecordCount":0}"#,
        r#"{"Records":null}"#,
        r#"{"Records":[]}"#,
        r#"{"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]}"#,
        r#"{"Records":[{}]}"#,
        r#"{"Records":[{"ShardId":"s"}]}"#,
        r#"{"Records":[null]}"#,
        r#"{"Records":[{"SequenceNumber":""}]}"#,
        r#"{"Records":[{"SequenceNumber":17}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ErrorCode":null,"ErrorCode":"InternalFailure"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"}],"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":"0","Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":0,"FailedRecordCount":0,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"}]"#,
        r#"{"Records":[{"SequenceNumber":"1"}]} trailing"#,
        "<html><title>Hotel guests</title></html>",
        bomb.as_str(),
        ignored_bomb.as_str(),
    ] {
        let failure = outcomes_of(answer, 1).unwrap_err();
        assert_eq!(failure.class, Class::Unknown, "{answer}");
        assert_eq!(failure.status, Some(200));
        assert!(failure.message.len() <= crate::limits::MESSAGE_SIZE_MAX);
    }
    assert!(outcomes_of("<html><title>Hotel guests</title></html>", 1).unwrap_err().message.contains("Hotel guests"));
}

/// Entries that truly say stored, or anything else.
fn entry() -> impl Strategy<Value = (bool, String)> {
    prop_oneof![
        Just((true, r#"{"SequenceNumber":"49","ShardId":"shardId-0"}"#.to_owned())),
        Just((true, r#"{"SequenceNumber":"49","ErrorCode":null}"#.to_owned())),
        Just((false, r#"{"ErrorCode":"InternalFailure","ErrorMessage":"x"}"#.to_owned())),
        Just((false, r#"{"ErrorCode":"ProvisionedThroughputExceededException"}"#.to_owned())),
        Just((false, "{}".to_owned())),
    ]
}

proptest! {
    #[test]
    fn a_mutated_answer_never_panics_and_never_tells_more_stored_than_it_has_sequence_numbers(
        entries in proptest::collection::vec(entry(), 0..12), sent in 0usize..12, cut in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), truncate in any::<bool>()
    ) {
        let joined: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
        let mut answer = format!(r#"{{"FailedRecordCount":0,"Records":[{}]}}"#, joined.join(",")).into_bytes();
        for (at, byte) in &edits {
            let at = at.index(answer.len());
            answer[at] = *byte;
        }
        if truncate {
            answer.truncate(cut.index(answer.len()));
        }
        let stored = entries.iter().filter(|(stored, _)| *stored).count();
        let mut outcomes = Vec::new();
        match read_outcomes(&answer, sent, &mut outcomes) {
            Ok(()) => {
                prop_assert_eq!(outcomes.len(), sent);
                let told = outcomes.iter().filter(|o| **o == Outcome::Stored).count();
                prop_assert!(told <= stored);
                prop_assert!(!truncate, "a cut answer was believed");
            }
            Err(failure) => prop_assert!(outcomes.is_empty() && failure.class == Class::Unknown),
        }
    }
}
