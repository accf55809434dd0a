//! `DescribeStreamSummary`: nothing that kinegraf ever asks, but other writers do before they start. Signature and stream are looked at; faults are not
//! for it.

use serde_json::{Value, json};

use super::http::{Answer, Head};
use super::limits::{self, Refusal};
use super::service::{JSON, Service};
use super::signature::{self, Expected};

/// Whether this is what a request asks for.
pub fn is_asked(head: &Head) -> bool {
    head.method == "POST" && head.header("x-amz-target") == Some("Kinesis_20131202.DescribeStreamSummary")
}

/// Judges and answers it.
pub fn answer(service: &Service, head: &Head, body: &[u8]) -> Result<Answer, Refusal> {
    if service.check_signature {
        signature::verify(head, body, Expected { keys: &service.keys, region: &service.region, now_s: service.now_s(), stream: super::STREAM })?;
    }
    let asked: Value = serde_json::from_slice(body).map_err(|_| Refusal::new(400, "SerializationException", ""))?;
    let name = asked["StreamName"].as_str().unwrap_or_default();
    let stream = service.streams.get(name).ok_or_else(|| limits::no_such_stream(name))?;
    let summary = json!({ "StreamDescriptionSummary": {
        "StreamName": name,
        "StreamARN": format!("arn:aws:kinesis:{}:{}:stream/{name}", service.region, super::ACCOUNT),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": { "StreamMode": "PROVISIONED" },
        "StreamCreationTimestamp": 1_700_000_000,
        "RetentionPeriodHours": 24,
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "EncryptionType": "NONE",
        "OpenShardCount": stream.shards,
        "ConsumerCount": 0,
    } });
    Ok(Answer::new(200, JSON, summary.to_string()))
}
