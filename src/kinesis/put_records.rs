//! The body of a `PutRecords` request and the meaning of its answer.
//!
//! Neither builds a tree: the body is written into one reused buffer, and the answer is read as it stands. Whatever the answer says, there is exactly one
//! [`Outcome`] for each record sent, or none and a [`Failure`]; a record counts as stored only when its own entry says so.
//! Source of the shapes: the Kinesis API reference, `PutRecords`, and what the emulators really answer.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::kinesis::classify;
use crate::kinesis::outcome::{Failure, Outcome, RetryReason};
use crate::limits::{PARTITION_KEY_SIZE_MAX, RECORDS_MAX, STREAM_NAME_MAX};

const BODY_START: &[u8] = b"{\"StreamName\":";
const RECORDS_START: &[u8] = b",\"Records\":[";
const RECORD_START: &[u8] = b"{\"Data\":\"";
const RECORD_MIDDLE: &[u8] = b"\",\"PartitionKey\":";
const BODY_END: &[u8] = b"]}";
/// Bytes around data and key of one record: the constants above, the key's quotes, the closing brace and the comma.
const RECORD_OVERHEAD: usize = RECORD_START.len() + RECORD_MIDDLE.len() + 4;

/// The largest body of a request of `request_size` bytes, data before base64 plus keys. Reserve it once and the buffer never moves; pages that no body
/// reaches stay untouched (a body of ordinary keys is 4/3 of the data; the bound must also hold for keys of control characters alone).
pub const fn body_size_max(request_size: usize) -> usize {
    // A control character becomes `\u00XX`, six bytes of one.
    let keys = if request_size < RECORDS_MAX * PARTITION_KEY_SIZE_MAX { request_size } else { RECORDS_MAX * PARTITION_KEY_SIZE_MAX };
    let data = (request_size - keys).div_ceil(3) * 4 + 4 * RECORDS_MAX;
    let stream = STREAM_NAME_MAX + 2;
    BODY_START.len() + stream + RECORDS_START.len() + RECORDS_MAX * RECORD_OVERHEAD + 6 * keys + data + BODY_END.len()
}

/// Writes the JSON body over `body`, whose capacity is kept.
pub fn write_body<'a>(body: &mut Vec<u8>, stream: &str, records: impl Iterator<Item = (&'a str, &'a [u8])>) {
    let mut body = Overwriting { bytes: body, at: 0 };
    body.put(BODY_START);
    body.put_string(stream);
    body.put(RECORDS_START);
    for (i, (key, data)) in records.enumerate() {
        if i > 0 {
            body.put(b",");
        }
        body.put(RECORD_START);
        body.put_base64(data);
        body.put(RECORD_MIDDLE);
        body.put_string(key);
        body.put(b"}");
    }
    body.put(BODY_END);
    body.bytes.truncate(body.at);
}

/// Writes over what the last request left, so that room which base64 fills at once is not zeroed first, each time.
struct Overwriting<'b> {
    bytes: &'b mut Vec<u8>,
    at: usize,
}

impl Overwriting<'_> {
    fn room(&mut self, size: usize) -> &mut [u8] {
        let end = self.at + size;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let room = &mut self.bytes[self.at..end];
        self.at = end;
        room
    }

    fn put(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    fn put_base64(&mut self, data: &[u8]) {
        let room = self.room(data.len().div_ceil(3) * 4);
        STANDARD.encode_slice(data, room).expect("the room has the size of the padded encoding");
    }

    fn put_string(&mut self, text: &str) {
        serde_json::to_writer(self, text).expect("a string serializes, and memory takes all");
    }
}

impl io::Write for Overwriting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a 200's body into exactly one outcome for each of the `sent` records, or says that it does not tell (`Class::Unknown`), and then `outcomes` is empty.
pub fn read_outcomes(body: &[u8], sent: usize, outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
    outcomes.clear();
    let result = read(body, sent, outcomes);
    result.map_err(|found| {
        outcomes.clear();
        classify::unknown_answer(200, &found, body)
    })
}

fn read(body: &[u8], sent: usize, outcomes: &mut Vec<Outcome>) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let seen = Answer { sent, outcomes }.deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    let Some(entries) = seen.entries else { return Err("no Records".into()) };
    if entries != sent {
        return Err(format!("{entries} Records for {sent} sent"));
    }
    let failed = outcomes.iter().filter(|outcome| **outcome != Outcome::Stored).count() as u64;
    match seen.failed {
        // Fewer than the entries say: the entries are trusted, so that more is sent again rather than less.
        Some(claimed) if claimed > failed => Err(format!("FailedRecordCount {claimed}, but {failed} Records with an ErrorCode")),
        _ => Ok(()),
    }
}

/// What the whole object said.
#[derive(Default)]
struct Seen {
    entries: Option<usize>,
    failed: Option<u64>,
}

struct Answer<'o> {
    sent: usize,
    outcomes: &'o mut Vec<Outcome>,
}

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with Records")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut seen, mut counted) = (Seen::default(), false);
        while let Some(member) = map.next_key::<Member>()? {
            match member {
                Member::Records if seen.entries.is_some() => return Err(duplicate("Records")),
                Member::FailedRecordCount if counted => return Err(duplicate("FailedRecordCount")),
                Member::Records => seen.entries = Some(map.next_value_seed(Entries { sent: self.sent, outcomes: self.outcomes })?),
                Member::FailedRecordCount => {
                    counted = true;
                    seen.failed = map.next_value()?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(seen)
    }
}

/// Reads the array; keeps at most `sent` outcomes and counts all entries.
struct Entries<'o> {
    sent: usize,
    outcomes: &'o mut Vec<Outcome>,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of Records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut entries = 0;
        while let Some(Entry(outcome)) = seq.next_element()? {
            entries += 1;
            if self.outcomes.len() < self.sent {
                self.outcomes.push(outcome);
            }
        }
        Ok(entries)
    }
}

/// One entry of `Records`. An `ErrorCode` beats a `SequenceNumber`; with neither there is no outcome and the answer says nothing.
struct Entry(Outcome);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with SequenceNumber or ErrorCode")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let (mut number, mut code) = (None, None);
                while let Some(member) = map.next_key::<Member>()? {
                    match member {
                        Member::SequenceNumber if number.is_some() => return Err(duplicate("SequenceNumber")),
                        Member::ErrorCode if code.is_some() => return Err(duplicate("ErrorCode")),
                        Member::SequenceNumber => number = Some(map.next_value::<Text<NotEmpty>>()?.0),
                        Member::ErrorCode => code = Some(map.next_value::<Text<Code>>()?.0),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                match (code.flatten(), number.flatten()) {
                    (Some(Code(outcome)), _) => Ok(Entry(outcome)),
                    (None, Some(NotEmpty(true))) => Ok(Entry(Outcome::Stored)),
                    _ => Err(serde::de::Error::custom("a record with neither SequenceNumber nor ErrorCode")),
                }
            }
        }
        deserializer.deserialize_map(EntryVisitor)
    }
}

/// The members that matter, recognised without copying their names.
enum Member {
    Records,
    FailedRecordCount,
    SequenceNumber,
    ErrorCode,
    Other,
}

impl From<&str> for Member {
    fn from(name: &str) -> Member {
        match name {
            "Records" => Member::Records,
            "FailedRecordCount" => Member::FailedRecordCount,
            "SequenceNumber" => Member::SequenceNumber,
            "ErrorCode" => Member::ErrorCode,
            _ => Member::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Member, D::Error> {
        // A member's name is never null.
        Ok(Text::<Member>::deserialize(deserializer)?.0.unwrap_or(Member::Other))
    }
}

struct NotEmpty(bool);

impl From<&str> for NotEmpty {
    fn from(text: &str) -> NotEmpty {
        NotEmpty(!text.is_empty())
    }
}

struct Code(Outcome);

impl From<&str> for Code {
    fn from(code: &str) -> Code {
        Code(match code {
            "InvalidArgumentException" | "ValidationException" | "SerializationException" => Outcome::Refused,
            _ if classify::is_throttle(code) => Outcome::Retry(RetryReason::Throttled),
            _ => Outcome::Retry(RetryReason::Internal),
        })
    }
}

/// A string, judged where it lies, or null.
struct Text<T>(Option<T>);

impl<'de, T: for<'a> From<&'a str>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<T>, D::Error> {
        struct TextVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: for<'a> From<&'a str>> Visitor<'de> for TextVisitor<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<T>, E> {
                Ok(Text(Some(T::from(text))))
            }

            fn visit_unit<E>(self) -> Result<Text<T>, E> {
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(TextVisitor(std::marker::PhantomData))
    }
}

fn duplicate<E: serde::de::Error>(member: &'static str) -> E {
    E::duplicate_field(member)
}

#[cfg(test)]
#[path = "put_records_tests.rs"]
mod tests;
