//! What the service refuses, and its words for it. The limits are the published ones (PutRecords, UpdateMaxRecordSize); the texts are those seen on the
//! wire. A refusal is of the whole request: nothing of it is stored.

use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Records in one request.
pub const RECORDS_MAX: usize = 500;
/// Bytes of one request: data and keys, before base64.
pub const REQUEST_SIZE_MAX: usize = 10 << 20;
/// Bytes of one record, data and key, until the stream is told otherwise.
pub const RECORD_SIZE_MAX: usize = 1 << 20;
/// UTF-16 units of a partition key.
pub const KEY_UNITS_MAX: usize = 256;
/// Validation errors told at once.
const ERRORS_MAX: usize = 10;

/// An error answer: nothing of the request was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: &str) -> Refusal {
        Refusal { status, code: code.to_owned(), message: message.to_owned() }
    }
}

/// One record of a request that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: String,
    pub hash_key: Option<u128>,
    pub data: Vec<u8>,
}

/// A request that passed, apart from what depends on the stream.
#[derive(Clone, Debug)]
pub struct PutRecords {
    pub stream: String,
    pub records: Vec<Record>,
}

/// Reads the body and checks all that can be checked without knowing the stream.
pub fn parse(body: &[u8]) -> Result<PutRecords, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|_| serialization(""))?;
    let body = body.as_object().ok_or_else(|| serialization("Start of list found where not expected"))?;
    let stream = match text_of(body.get("StreamName"))? {
        Some(name) => Some(name.to_owned()),
        None => text_of(body.get("StreamARN"))?.and_then(|arn| arn.split_once(":stream/")).map(|(_, name)| name.to_owned()),
    };
    let list = match body.get("Records") {
        None | Some(Value::Null) => None,
        Some(Value::Array(list)) => Some(list),
        Some(_) => return Err(serialization("Expected list or null")),
    };
    let mut errors = Vec::new();
    match list {
        None => errors.push("Value null at 'records' failed to satisfy constraint: Member must not be null".to_owned()),
        Some(list) => check_count(list.len(), &mut errors),
    }
    let mut records = Vec::new();
    for (i, entry) in list.into_iter().flatten().enumerate() {
        let entry = entry.as_object().ok_or_else(|| serialization("Expected null"))?;
        let (key, data, hash_key) = (text_of(entry.get("PartitionKey"))?, blob_of(entry.get("Data"))?, text_of(entry.get("ExplicitHashKey"))?);
        check_record(i + 1, key, data.as_deref(), hash_key, &mut errors);
        records.push((key.unwrap_or_default(), data.unwrap_or_default(), hash_key));
    }
    check_name(stream.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(validation(&errors));
    }
    let mut request = PutRecords { stream: stream.unwrap_or_default(), records: Vec::with_capacity(records.len()) };
    for (key, data, hash_key) in records {
        let hash_key = hash_key.map(hash_key_of).transpose()?;
        request.records.push(Record { key: key.to_owned(), hash_key, data });
    }
    Ok(request)
}

/// Checks what depends on the stream: its largest record, and then the request as a whole.
pub fn check_sizes(request: &PutRecords, record_size_max: usize, request_size_max: usize) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    for (i, record) in request.records.iter().enumerate() {
        if record.data.len() + record.key.len() > record_size_max && errors.len() < ERRORS_MAX {
            errors.push(format!(
                "Value '{}' at 'records.{}.member.data' failed to satisfy constraint: Member must have length less than or equal to {record_size_max}",
                buffer(record.data.len()),
                i + 1
            ));
        }
    }
    if !errors.is_empty() {
        return Err(validation(&errors));
    }
    let size: usize = request.records.iter().map(|record| record.data.len() + record.key.len()).sum();
    if size > request_size_max {
        return Err(Refusal::new(400, "InvalidArgumentException", &format!("Records size exceeds {} MB limit", request_size_max >> 20)));
    }
    Ok(())
}

/// The refusal of a stream that does not exist.
pub fn no_such_stream(stream: &str) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", &format!("Stream {stream} under account {} not found.", super::ACCOUNT))
}

fn check_count(count: usize, errors: &mut Vec<String>) {
    let all = || vec!["com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310"; count].join(", ");
    if count == 0 {
        errors.push("Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned());
    } else if count > RECORDS_MAX {
        errors.push(format!(
            "Value '[{}]' at 'records' failed to satisfy constraint: Member must have length less than or equal to {RECORDS_MAX}",
            all()
        ));
    }
}

fn check_record(number: usize, key: Option<&str>, data: Option<&[u8]>, hash_key: Option<&str>, errors: &mut Vec<String>) {
    let mut say = |value: &str, member: &str, constraint: &str| {
        if errors.len() < ERRORS_MAX {
            errors.push(format!("Value {value} at 'records.{number}.member.{member}' failed to satisfy constraint: Member must {constraint}"));
        }
    };
    match key {
        None => say("null", "partitionKey", "not be null"),
        Some("") => say("''", "partitionKey", "have length greater than or equal to 1"),
        Some(key) if key.encode_utf16().count() > KEY_UNITS_MAX => {
            say(&format!("'{key}'"), "partitionKey", &format!("have length less than or equal to {KEY_UNITS_MAX}"));
        }
        Some(_) => {}
    }
    if let Some(hash_key) = hash_key {
        let digits = hash_key.bytes().all(|b| b.is_ascii_digit()) && (1..=39).contains(&hash_key.len());
        if !digits || (hash_key.starts_with('0') && hash_key != "0") {
            say(&format!("'{hash_key}'"), "explicitHashKey", r"satisfy regular expression pattern: 0|([1-9]\d{0,38})");
        }
    }
    if data.is_none() {
        say("null", "data", "not be null");
    }
}

fn check_name(name: Option<&str>, errors: &mut Vec<String>) {
    if errors.len() >= ERRORS_MAX {
        return;
    }
    let mut say =
        |value: &str, constraint: &str| errors.push(format!("Value {value} at 'streamName' failed to satisfy constraint: Member must {constraint}"));
    match name {
        None => say("null", "not be null"),
        Some("") => say("''", "have length greater than or equal to 1"),
        Some(name) if name.len() > 128 => say(&format!("'{name}'"), "have length less than or equal to 128"),
        Some(name) if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) => {
            say(&format!("'{name}'"), "satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
        }
        Some(_) => {}
    }
}

fn hash_key_of(text: &str) -> Result<u128, Refusal> {
    text.parse().map_err(|_| {
        let words = format!("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}");
        Refusal::new(400, "InvalidArgumentException", &words)
    })
}

fn text_of(value: Option<&Value>) -> Result<Option<&str>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(not_convertible(other, "an String")),
    }
}

fn blob_of(value: Option<&Value>) -> Result<Option<Vec<u8>>, Refusal> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => return Err(not_convertible(other, "a Blob")),
    };
    let said = |why: String| serialization(&format!("'{text}' can not be converted to a Blob: {why}"));
    if !text.len().is_multiple_of(4) {
        return Err(said(format!("Base64 encoded length is expected a multiple of 4 bytes but found: {}", text.len())));
    }
    STANDARD.decode(text).map(Some).map_err(|error| match error {
        DecodeError::InvalidByte(_, byte) => said(format!("Invalid Base64 character: '{}'", char::from(byte))),
        _ => said("Invalid last non-pad Base64 character dectected".to_owned()),
    })
}

fn not_convertible(value: &Value, wanted: &str) -> Refusal {
    serialization(&match value {
        Value::Bool(_) => format!("class java.lang.Boolean can not be converted to {wanted}"),
        Value::Number(_) => format!("class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to {wanted}"),
        Value::Array(_) => "Start of list found where not expected".to_owned(),
        _ => "Start of structure or map found where not expected.".to_owned(),
    })
}

fn buffer(size: usize) -> String {
    format!("java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]")
}

fn validation(errors: &[String]) -> Refusal {
    let plural = if errors.len() == 1 { "" } else { "s" };
    Refusal::new(400, "ValidationException", &format!("{} validation error{plural} detected: {}", errors.len(), errors.join("; ")))
}

fn serialization(message: &str) -> Refusal {
    Refusal::new(400, "SerializationException", message)
}
