//! Bytes become lines, in one fixed buffer.

use crate::counters::RejectReason;

/// Splits a stream of bytes into lines.
#[derive(Debug)]
pub struct LineReader {
    buffer: Box<[u8]>,
}

/// What [`LineReader::next_item`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// One line, without its newline and without one trailing CR. Not blank, not a comment.
    Line(&'a [u8]),
    /// Bytes that are no line.
    Bad {
        /// The bytes, or their beginning where they did not fit the buffer.
        bytes: &'a [u8],
        /// `TooLong`, `Unterminated` or `UnterminatedString`.
        reason: RejectReason,
    },
}

/// What becomes of a last line without a newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The input is a regular file: it is whole.
    Accept,
    /// It may be cut.
    Reject,
}

impl LineReader {
    /// A reader of lines of at most `line_size` bytes, newline not counted.
    pub fn new(line_size: usize) -> LineReader {
        LineReader { buffer: vec![0; line_size].into_boxed_slice() }
    }

    /// Where the next bytes go; never empty once `next_item` has returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// `n` bytes were written to the start of `space`.
    pub fn filled(&mut self, _n: usize) {}

    /// The input has ended; call before the last `next_item`s.
    pub fn end(&mut self, _tail: Tail) {}

    /// The next line, or `None`: more bytes are needed, or after `end`, nothing is left.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        None
    }

    /// Blank lines and comments skipped so far.
    pub fn skipped(&self) -> u64 {
        0
    }
}
