//! A line as `FormatMetric` of Telegraf 1.0 and 1.1 wrote its metric: what Go's `"%+v,%+v,%+v"` makes of name, tags and line. No newline.
//!
//! ```text
//! cpu,map[host:a region:b],cpu,host=a,region=b usage=1.5 1519000000000000000
//! ```
//!
//! Name and tags are unescaped and their bytes stand as they are; tags are sorted by key, of two equal ones the last counts.

use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES, pieces};
use crate::line::point::Point;
use crate::line::sink::Sink;
use crate::line::sorted::by_key;

/// Bytes that a record of a line of `line_size` bytes has at most: name and tags once more.
pub(super) const fn size_max(line_size: usize) -> usize {
    2 * line_size + b",map[],".len()
}

/// Writes the three parts.
pub(super) fn write(point: &Point<'_>, line: &[u8], out: &mut impl Sink) {
    pieces(point.measurement(), MEASUREMENT_ESCAPES).for_each(|piece| out.put(piece));
    let mut open: &[u8] = b",map[";
    by_key(&point.tags(), &mut |key, value| {
        out.put(open);
        open = b" ";
        pieces(key, NAME_ESCAPES).for_each(|piece| out.put(piece));
        out.put(b":");
        pieces(value, NAME_ESCAPES).for_each(|piece| out.put(piece));
    });
    out.put(if point.tags().section().is_empty() { b",map[]," } else { b"]," });
    out.put(line);
}
