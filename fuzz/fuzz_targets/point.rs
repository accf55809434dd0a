//! Any bytes are scanned without a panic; a line that is taken has all its parts in it, and a key that Kinesis takes.
#![no_main]

use kinegraf::limits::{PARTITION_KEY_SIZE_MAX, PARTITION_KEY_UNITS_MAX};
use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};
use kinegraf::line::point::Point;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let point = match Point::parse(line) {
        Ok(point) => point,
        Err(error) => return assert!((1..=line.len() + 1).contains(&error.column)),
    };
    assert!(!point.measurement().is_empty() && point.fields().count() > 0);
    assert!(point.tags().chain(point.fields()).all(|(key, value)| !key.is_empty() && !value.is_empty()));
    let tag = point.tags().find_map(|(key, _)| str::from_utf8(key).ok()).unwrap_or("host");
    let mut key = String::new();
    for method in [PartitionMethod::Measurement, PartitionMethod::Tag { key: tag.to_owned(), default: Some(PartitionKey::default()) }] {
        method.key_of(&point, &mut key);
        assert!((1..=PARTITION_KEY_UNITS_MAX).contains(&key.encode_utf16().count()) && key.len() <= PARTITION_KEY_SIZE_MAX);
    }
    // The parts stand in the line in their order, with only separators and punctuation between them.
    let size: usize = point.tags().chain(point.fields()).map(|(key, value)| key.len() + value.len() + 2).sum();
    assert!(point.measurement().len() + size + point.timestamp().map_or(0, |digits| digits.len() + 1) <= line.len());
});
