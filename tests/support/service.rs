//! `PutRecords` as the service does it: who may, what it takes, where it goes, what it answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::calendar;
use super::fault::{Conditions, Fault, Pick, RecordError, Shape};
use super::http::{Answer, Head};
use super::limits::{self, PutRecords, Record, Refusal};
use super::log::{Fate, Log, Received, Stored};
use super::signature::{self, Expected, Key, Standing};

/// The content type of requests and answers.
pub const JSON: &str = "application/x-amz-json-1.1";
const TARGET: &str = "Kinesis_20131202.PutRecords";

/// A stream that exists.
#[derive(Clone, Debug)]
pub struct Stream {
    pub shards: usize,
    /// Bytes of one record, data and key (`UpdateMaxRecordSize`).
    pub record_size_max: usize,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream { shards: 4, record_size_max: limits::RECORD_SIZE_MAX }
    }
}

/// What the service knows. Changed by tests while it runs.
#[derive(Clone)]
pub struct Service {
    pub region: String,
    pub keys: Vec<(Key, Standing)>,
    pub streams: BTreeMap<String, Stream>,
    pub request_size_max: usize,
    pub check_signature: bool,
    /// Seconds that the server's clock is ahead of this machine's.
    pub clock_ahead_s: i64,
    pub conditions: Conditions,
}

impl Service {
    /// The server's clock.
    pub fn now_s(&self) -> i64 {
        calendar::now_s() + self.clock_ahead_s
    }

    /// Judges a whole request; `fault` may skew the clock that judges.
    pub fn judge(&self, head: &Head, body: &[u8], fault: &Fault) -> Result<PutRecords, Refusal> {
        self.check_form(head, body)?;
        let skew_s = if let Fault::SkewedClock(seconds) = fault { *seconds } else { 0 };
        if self.check_signature {
            let expected = Expected { keys: &self.keys, region: &self.region, now_s: self.now_s() + skew_s, stream: super::STREAM };
            signature::verify(head, body, expected)?;
        }
        let request = limits::parse(body)?;
        let stream = self.streams.get(&request.stream).ok_or_else(|| limits::no_such_stream(&request.stream))?;
        limits::check_sizes(&request, stream.record_size_max, self.request_size_max)?;
        if let Some(invalid) = &self.conditions.invalid_record
            && let Some(i) = request.records.iter().position(|record| invalid(record))
        {
            let words =
                format!("1 validation error detected: Value at 'records.{}.member.data' failed to satisfy constraint: Member must be valid", i + 1);
            return Err(Refusal::new(400, "ValidationException", &words));
        }
        Ok(request)
    }

    /// Method, content type, target and length, in the order in which the service looks.
    pub fn check_form(&self, head: &Head, body: &[u8]) -> Result<(), Refusal> {
        if head.header("transfer-encoding").is_some() || head.content_length().is_none() {
            return Err(Refusal::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header."));
        }
        if head.method != "POST" {
            return Err(Refusal::new(403, "AccessDeniedException", "Unable to determine service/operation name to be authorized"));
        }
        let content_type = head.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if content_type != JSON {
            return Err(Refusal::new(404, "UnknownOperationException", ""));
        }
        if head.header("x-amz-target") != Some(TARGET) {
            return Err(Refusal::new(400, "UnknownOperationException", ""));
        }
        if body.is_empty() {
            return Err(Refusal::new(400, "SerializationException", ""));
        }
        Ok(())
    }
}

/// Which records of a request fail one by one, by index.
pub type Failures = BTreeMap<usize, RecordError>;

/// The failures that a fault asks for.
pub fn failures_of(fault: &Fault, number: u64, request: &PutRecords) -> Failures {
    let none = Failures::new();
    let Fault::FailRecords(pick, error) = fault else { return none };
    pick_failures(pick, *error, number, &request.records)
}

fn pick_failures(pick: &Pick, error: RecordError, number: u64, records: &[Record]) -> Failures {
    records.iter().enumerate().filter(|(i, record)| pick.picks(number, *i, record)).map(|(i, _)| (i, error)).collect()
}

/// The shard of a record. The service takes the MD5 of the key; any hash spreads as well, and tests must not depend on which.
pub fn shard_of(record: &Record, shards: usize) -> usize {
    let shards_u128 = u128::try_from(shards).unwrap_or(1).max(1);
    let hash = record.hash_key.unwrap_or_else(|| {
        let seed = record.key.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        u128::from(super::mix(seed)) << 64
    });
    usize::try_from(hash / (u128::MAX / shards_u128 + 1)).unwrap_or(0)
}

/// Tokens of the shards, refilled by time: the condition `shard_records_per_s`.
#[derive(Debug, Default)]
pub struct ShardRates(BTreeMap<(String, usize), (f64, Duration)>);

impl ShardRates {
    /// Takes one record's token; false when the shard has none left.
    pub fn take(&mut self, stream: &str, shard: usize, per_s: u32, at: Duration) -> bool {
        let full = f64::from(per_s);
        let (tokens, last) = self.0.entry((stream.to_owned(), shard)).or_insert((full, at));
        *tokens = (*tokens + at.saturating_sub(*last).as_secs_f64() * full).min(full);
        *last = at;
        let enough = *tokens >= 1.0;
        if enough {
            *tokens -= 1.0;
        }
        enough
    }
}

/// Stores what did not fail and says what became of each record, with the sequence numbers for the answer.
pub fn store(log: &mut Log, request: &PutRecords, shards: usize, failures: &Failures, said: bool, number: u64) -> (Vec<Received>, Vec<Entry>) {
    let mut received = Vec::with_capacity(request.records.len());
    let mut entries = Vec::with_capacity(request.records.len());
    for (i, record) in request.records.iter().enumerate() {
        let (key, data): (Arc<str>, Arc<[u8]>) = (record.key.as_str().into(), record.data.as_slice().into());
        let shard = shard_of(record, shards);
        if let Some(error) = failures.get(&i) {
            log.counts.failed += 1;
            entries.push(Entry::Failed { code: error.code(), message: error.message(shard, &request.stream) });
            received.push(Received { key, data, fate: if said { Fate::Failed } else { Fate::Ignored } });
            continue;
        }
        let sequence = log.next_sequence();
        log.counts.stored += 1;
        log.streams.entry(request.stream.clone()).or_default().push(Stored {
            key: key.clone(),
            data: data.clone(),
            shard,
            sequence,
            request: number,
        });
        entries.push(Entry::Stored { shard, sequence });
        received.push(Received { key, data, fate: if said { Fate::Stored } else { Fate::StoredUnsaid } });
    }
    (received, entries)
}

/// What a request that was not stored leaves in the account.
pub fn ignored(request: &PutRecords) -> Vec<Received> {
    let ignore = |record: &Record| Received { key: record.key.as_str().into(), data: record.data.as_slice().into(), fate: Fate::Ignored };
    request.records.iter().map(ignore).collect()
}

/// One entry of a true answer.
#[derive(Clone, Debug)]
pub enum Entry {
    Stored { shard: usize, sequence: u64 },
    Failed { code: &'static str, message: String },
}

/// The answer to a request that was taken.
pub fn answer(entries: &[Entry], null_error_codes: bool) -> Answer {
    let failed = entries.iter().filter(|entry| matches!(entry, Entry::Failed { .. })).count();
    let nulls = if null_error_codes { r#","ErrorCode":null,"ErrorMessage":null"# } else { "" };
    let mut body = String::with_capacity(64 + entries.len() * 128);
    let _ = write!(body, r#"{{"FailedRecordCount":{failed},"Records":["#);
    for (i, entry) in entries.iter().enumerate() {
        body.push_str(if i == 0 { "" } else { "," });
        let _ = match entry {
            Entry::Stored { shard, sequence } => {
                write!(body, r#"{{"SequenceNumber":"4959033827149025660855969253836157{sequence:022}","ShardId":"shardId-{shard:012}"{nulls}}}"#)
            }
            Entry::Failed { code, message } => write!(body, r#"{{"ErrorCode":"{code}","ErrorMessage":"{message}"}}"#),
        };
    }
    body.push_str("]}");
    Answer::new(200, JSON, body)
}

/// An error answer in the service's form. The two that never carried JSON are XML here too.
pub fn refusal(refusal: &Refusal, shape: Shape) -> Answer {
    let Refusal { status, code, message } = refusal;
    if *status == 404 || *status == 403 && code == "AccessDeniedException" {
        let body = if message.is_empty() { format!("<{code}/>\n") } else { format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n") };
        return Answer::new(*status, "text/xml", body);
    }
    let quoted = serde_json::Value::from(message.as_str());
    // A SerializationException spells its text with a capital, or has none.
    let member = if code == "SerializationException" || shape == Shape::CapitalMessage { "Message" } else { "message" };
    let body = match shape {
        Shape::InHeader => "{}".to_owned(),
        _ if shape == Shape::NoMessage || message.is_empty() => format!(r#"{{"__type":"{code}"}}"#),
        Shape::Prefixed => format!(r#"{{"__type":"com.amazonaws.kinesis.v20131202#{code}","{member}":{quoted}}}"#),
        Shape::Suffixed => format!(r#"{{"__type":"{code}:http://internal.amazon.com/coral/com.amazonaws.kinesis.v20131202/","{member}":{quoted}}}"#),
        _ => format!(r#"{{"__type":"{code}","{member}":{quoted}}}"#),
    };
    let answer = Answer::new(*status, JSON, body);
    if shape == Shape::InHeader { answer.with("x-amzn-ErrorType", format!("{code}:http://internal.amazon.com/")) } else { answer }
}
