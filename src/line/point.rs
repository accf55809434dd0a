//! One line of line protocol, borrowed: measurement, tags, fields, timestamp.

use crate::counters::RejectReason;

/// A validated view of one line.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// The whole line.
    line: &'a [u8],
}

/// What is wrong with a line, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointError {
    /// Bytes from the start of the line, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: RejectReason,
}

impl<'a> Point<'a> {
    /// Validates the whole line (without its newline).
    pub fn parse(line: &'a [u8]) -> Result<Point<'a>, PointError> {
        Ok(Point { line })
    }

    /// The measurement as it stands in the line, escapes included.
    pub fn measurement(&self) -> &'a [u8] {
        self.line
    }

    /// The value of the first tag with this key (unescaped, as Telegraf knows it), as it stands in the line, escapes included.
    pub fn tag(&self, _key: &str) -> Option<&'a [u8]> {
        None
    }

    /// The timestamp as it stands in the line.
    pub fn timestamp(&self) -> Option<&'a [u8]> {
        None
    }
}
