//! A number for the series of a line, its measurement and its tags: the lines of one series stay together and in order, and series spread over the shards.
//!
//! The number is FNV-1a (64 bits) over the unescaped measurement, a newline, and for each tag, ordered by key, the unescaped key, a newline, the unescaped
//! value and a newline. A newline never stands in a name, so no two series have the same bytes. The order of tags does not matter; where a key stands twice, the
//! last value counts. Telegraf's own `Metric.HashID` is the same number. It never changes: a later release must find the shard of an earlier one.

use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES, pieces};
use crate::line::point::Point;
use crate::line::sink::Sink;
use crate::line::sorted::by_key;

/// FNV-1a.
struct Hash(u64);

impl Sink for Hash {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
}

/// The series of `point`.
pub(super) fn series(point: &Point<'_>) -> u64 {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    let mut name = |raw, escapes| {
        pieces(raw, escapes).for_each(|piece| hash.put(piece));
        hash.put(b"\n");
    };
    name(point.measurement(), MEASUREMENT_ESCAPES);
    by_key(&point.tags(), &mut |key, value| {
        name(key, NAME_ESCAPES);
        name(value, NAME_ESCAPES);
    });
    hash.0
}
