//! Record formats and partition keys that say what Telegraf would say.
//!
//! - `golden`: lines of which Telegraf's own code said what their JSON, their `FormatMetric` and their series are;
//! - `generated`: what holds for every line, and for hostile ones;
//! - `keys`: `series` and `template`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod generated;
mod golden;
mod keys;

use kinegraf::line::format::Format;
use kinegraf::line::partition_key::PartitionMethod;
use kinegraf::line::point::Point;

/// The bytes of `line` in a record; whatever they are, their size was known before.
fn formatted(format: Format, line: &[u8]) -> Vec<u8> {
    let mut out = b"what stood before".to_vec();
    let before = out.len();
    format.append(line, &mut out);
    let size = out.len() - before;
    assert_eq!(format.size(line), size, "{}", line.escape_ascii());
    assert!(size <= format.size_max(line.len()), "{size} bytes of {}", line.escape_ascii());
    out.split_off(before)
}

/// The key of `line`, and whether it was cut.
fn key_of(method: &PartitionMethod, line: &[u8]) -> (String, bool) {
    let mut key = "what stood before".to_owned();
    let cut = method.key_of(&Point::parse(line).unwrap(), &mut key);
    (key, cut)
}
