//! The bytes of a line in a record: as it came (`influx`, `string`), as Telegraf 1.0 wrote a metric (`custom`) or as Telegraf's `json` serializer does.

use std::time::Duration;

use crate::line::point::Point;
use crate::line::sink::{Count, Sink};
use crate::line::{custom, json};

/// What record data looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The line as it came (with its timestamp), and a newline.
    #[default]
    Influx,
    /// The line as it came, no newline.
    String,
    /// Name, tags and line as the `FormatMetric` of Telegraf 1.0 wrote them, no newline.
    Custom,
    /// An object as Telegraf's `json` serializer writes it, its timestamp in these units, and a newline.
    Json(TimestampUnit),
}

/// A power of ten in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampUnit(i64);

impl Default for TimestampUnit {
    /// One second, as in Telegraf.
    fn default() -> TimestampUnit {
        TimestampUnit(1_000_000_000)
    }
}

impl TimestampUnit {
    /// What Telegraf makes of `json_timestamp_units`: the largest power of ten nanoseconds that is no longer than `duration` (1m is 10s), one second for
    /// none. At most 10^18, some 31 years, from where on Telegraf's own loop leaves the range of its integer.
    pub fn from_duration(duration: Duration) -> TimestampUnit {
        match duration.as_nanos().checked_ilog10() {
            Some(exponent) => TimestampUnit(10i64.pow(exponent.min(18))),
            None => TimestampUnit::default(),
        }
    }

    /// Nanoseconds in it; at least 1.
    pub(super) fn nanoseconds(self) -> i64 {
        self.0
    }
}

impl Format {
    /// Appends `line` as it stands in a record. Allocates only when `out` is too small.
    pub fn append(self, line: &[u8], out: &mut Vec<u8>) {
        self.write(line, out);
    }

    /// Bytes that `append` adds.
    pub fn size(self, line: &[u8]) -> usize {
        match self {
            Format::Influx => line.len() + 1,
            Format::String => line.len(),
            Format::Custom | Format::Json(_) => {
                let mut count = Count::default();
                self.write(line, &mut count);
                count.0
            }
        }
    }

    /// A bound of `size` for lines of `line_size` bytes that costs nothing; what `size` is for `Influx` and `String`.
    pub const fn size_max(self, line_size: usize) -> usize {
        match self {
            Format::Influx => line_size + 1,
            Format::String => line_size,
            Format::Custom => custom::size_max(line_size),
            Format::Json(_) => json::size_max(line_size),
        }
    }

    /// Whether several of them may stand in one record: each ends in a newline.
    pub const fn joins(self) -> bool {
        matches!(self, Format::Influx | Format::Json(_))
    }

    fn write(self, line: &[u8], out: &mut impl Sink) {
        match self {
            Format::Influx => {
                out.put(line);
                out.put(b"\n");
            }
            Format::String => out.put(line),
            Format::Custom | Format::Json(_) => match (Point::parse(line), self) {
                (Ok(point), Format::Json(unit)) => json::write(&point, unit, out),
                (Ok(point), _) => custom::write(&point, line, out),
                // Lines were parsed when they were accepted. One that is none now is passed on rather than lost.
                (Err(_), _) => Format::Influx.write(line, out),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(format: Format, line: &[u8]) -> String {
        let mut out = b"before".to_vec();
        format.append(line, &mut out);
        assert_eq!(out.len() - 6, format.size(line));
        assert!(out.len() - 6 <= format.size_max(line.len()));
        String::from_utf8_lossy(&out[6..]).into_owned()
    }

    #[test]
    fn influx_is_the_line_and_a_newline_and_string_is_the_line() {
        for line in ["m v=1", "m v=\"two\nlines\" 5"] {
            assert_eq!(formatted(Format::Influx, line.as_bytes()), format!("{line}\n"));
            assert_eq!(formatted(Format::String, line.as_bytes()), line);
        }
    }

    #[test]
    fn a_unit_is_the_largest_power_of_ten_nanoseconds_in_the_duration() {
        let unit = |duration| TimestampUnit::from_duration(duration).nanoseconds();
        assert_eq!(unit(Duration::ZERO), 1_000_000_000);
        for (nanoseconds, expected) in [(1, 1), (9, 1), (10, 10), (999, 100), (1_000_000, 1_000_000), (60_000_000_000, 10_000_000_000)] {
            assert_eq!(unit(Duration::from_nanos(nanoseconds)), expected);
        }
        assert_eq!(unit(Duration::MAX), 10i64.pow(18));
    }

    #[test]
    fn what_is_no_line_is_passed_on_as_it_is() {
        for format in [Format::Custom, Format::Json(TimestampUnit::default())] {
            assert_eq!(formatted(format, b"no line"), "no line\n");
        }
    }
}
