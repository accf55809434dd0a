//! Any bytes are formatted without a panic, to the size that was said before; JSON of a line is JSON in one line, and keys are keys that Kinesis takes.
#![no_main]

use std::time::Duration;

use kinegraf::limits::{PARTITION_KEY_SIZE_MAX, PARTITION_KEY_UNITS_MAX};
use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};
use kinegraf::line::point::Point;
use kinegraf::line::template::{Names, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first half is a template, too: most are none.
    let (text, line) = bytes.split_at(bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0));
    let json = Format::Json(TimestampUnit::from_duration(Duration::from_nanos(text.len() as u64)));
    let mut out = Vec::new();
    for format in [Format::Influx, Format::String, Format::Custom, json] {
        out.clear();
        format.append(line, &mut out);
        assert!(out.len() == format.size(line) && out.len() <= format.size_max(line.len()));
    }
    let Ok(point) = Point::parse(line) else { return };
    assert_eq!(out.iter().position(|&byte| byte == b'\n'), Some(out.len() - 1));
    let object: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(object.get("timestamp").is_some(), point.timestamp().is_some());
    let text = String::from_utf8_lossy(text);
    let template = Template::parse(&text, &Names::default(), &PartitionKey::default()).map(PartitionMethod::Template);
    let mut key = String::new();
    for method in [PartitionMethod::Series].into_iter().chain(template) {
        method.key_of(&point, &mut key);
        assert!((1..=PARTITION_KEY_UNITS_MAX).contains(&key.encode_utf16().count()) && key.len() <= PARTITION_KEY_SIZE_MAX);
    }
});
