//! Bytes become lines, in one buffer of fixed size; one that is smaller than the longest line can be exchanged for a larger one while such a line lasts.
//!
//! A newline ends a record everywhere but inside a quoted string, where it is data: Telegraf writes strings with raw newlines. Where a string opens is
//! decided as Telegraf's serializer writes and `line::point` reads: outside strings a byte is escaped if and only if the byte right before it is a
//! backslash (how many precede does not matter), inside strings a backslash skips one byte, and a quote opens a string only right after the unescaped
//! `=` of a field. A quote in a measurement, a tag or a field key means nothing.
//!
//! It does not judge lines; the scanner does, and may say that a string was closed by another line's quote (`rewind`). What always holds: no allocation after `new`; every byte is looked at a bounded number of times, however
//! the bytes arrive; the same bytes give the same items in whatever pieces they come; an item is at most `line_size` bytes; no damage reaches further than
//! `line_size` bytes, since a string that is still open there ends at its first newline.

use memchr::{memchr, memchr2};

use crate::counters::RejectReason;
use crate::limits::READ_SIZE;
use crate::line::bytes::{is_separator, leading_size};

/// Splits a stream of bytes into lines.
#[derive(Debug)]
pub struct LineReader {
    buffer: Box<[u8]>,
    /// Bytes of a record that are looked at before it is too long: the longest line, a CR and the newline.
    window: usize,
    /// The record being read starts here,
    start: usize,
    /// and the bytes end here.
    end: usize,
    progress: Progress,
    /// The rest of a record that was too long is discarded up to its newline.
    skipping: bool,
    tail: Option<Tail>,
    /// The record being read is given up where it holds more bytes than these.
    abandoned: Option<usize>,
    skipped: u64,
    /// The last line given out, until `space` moves the bytes.
    given: Option<(usize, usize)>,
    /// `rewind`s since the end that the first of them reached was passed again.
    rewinds: u8,
    rewound_end: usize,
}

/// `LineReader::rewind`s over the same bytes: a bound on how often a byte is looked at.
const REWINDS_MAX: u8 = 8;

/// What [`LineReader::next_item`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// One line, without its newline and without one trailing CR. Not blank, not a comment.
    Line(&'a [u8]),
    /// Bytes that are no line.
    Bad {
        /// The bytes, or their beginning (`line_size` bytes) where there were more.
        bytes: &'a [u8],
        /// `TooLong`, `Unterminated`, `UnterminatedString` or `Stalled`.
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
    /// A reader of lines of at most `line_size` bytes, newline not counted. Allocates [`LineReader::memory`] bytes, once.
    pub fn new(line_size: usize) -> LineReader {
        LineReader::with_buffer(line_size, vec![0; LineReader::memory(line_size)].into_boxed_slice())
    }

    /// The same in a buffer that may be smaller than a line: see [`LineReader::is_cramped`].
    pub fn with_buffer(line_size: usize, buffer: Box<[u8]>) -> LineReader {
        LineReader {
            buffer,
            window: LineReader::window(line_size),
            start: 0,
            end: 0,
            progress: Progress::default(),
            skipping: false,
            tail: None,
            abandoned: None,
            skipped: 0,
            given: None,
            rewinds: 0,
            rewound_end: 0,
        }
    }

    /// Bytes that a reader of such lines holds: an unfinished line, and room for a whole read behind it.
    pub const fn memory(line_size: usize) -> usize {
        LineReader::window(line_size) + READ_SIZE
    }

    /// Bytes that hold any unfinished line of this size: what a larger buffer must have at least.
    pub const fn window(line_size: usize) -> usize {
        line_size + LINE_END_SIZE_MAX
    }

    /// Where the next bytes go; with a buffer of its own ([`LineReader::new`]) at least `READ_SIZE` once `next_item` has returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        self.move_to_front();
        &mut self.buffer[self.end..]
    }

    /// What is left is the beginning of one record, which then starts at 0 until it ends: no byte moves twice.
    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.rewound_end = self.rewound_end.saturating_sub(self.start);
            self.start = 0;
        }
        self.given = None;
    }

    /// The bytes of which no line was made yet.
    pub fn held(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether the buffer is full of one unfinished record: it goes on in a larger one.
    pub fn is_cramped(&self) -> bool {
        self.held().len() == self.buffer.len()
    }

    /// Goes on in `other`, which becomes the buffer that was used until now.
    ///
    /// # Panics
    /// When what is held does not fit it.
    pub fn exchange(&mut self, other: &mut Box<[u8]>) {
        self.move_to_front();
        other[..self.end].copy_from_slice(&self.buffer[..self.end]);
        std::mem::swap(&mut self.buffer, other);
    }

    /// The record being read does not end: the next `next_item`s give it up where more than `keep` bytes are held, and what follows it up to a newline.
    pub fn abandon(&mut self, keep: usize) {
        self.abandoned = Some(keep);
    }

    /// Forgets what is held and begins anew: what comes now is another input.
    pub fn restart(&mut self) {
        (self.start, self.end, self.tail, self.skipping, self.abandoned) = (0, 0, None, false, None);
        (self.progress, self.given, self.rewinds, self.rewound_end) = (Progress::default(), None, 0, 0);
    }

    /// `n` bytes were written to the start of `space`.
    ///
    /// # Panics
    /// When `n` is more than `space` had, which no reader returns.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "filled {n} bytes of {}", self.buffer.len() - self.end);
        self.end += n;
    }

    /// The input has ended; call before the last `next_item`s.
    pub fn end(&mut self, tail: Tail) {
        self.tail = Some(tail);
    }

    /// The next line, or `None`: more bytes are needed, or after `end`, nothing is left.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        let found = self.find()?;
        self.given = (found.reason.is_none()).then_some((found.begin, found.begin + found.size));
        let bytes = &self.buffer[found.begin..found.begin + found.size.min(self.line_size())];
        Some(match found.reason {
            None if found.size > bytes.len() => Item::Bad { bytes, reason: RejectReason::TooLong },
            None => Item::Line(bytes),
            Some(reason) => Item::Bad { bytes, reason },
        })
    }

    /// The line that `next_item` gave last holds a newline and is no line: the quote that closed its string may be one that opens another's. Reads on behind
    /// its first newline; returns the bytes before it, or `None` where there is nothing to go back to, or (`may_rewind`) it was done too often.
    pub fn rewind(&mut self) -> Option<&[u8]> {
        let (begin, end) = self.given.take()?;
        let newline = begin + memchr(b'\n', &self.buffer[begin..end])?;
        if begin >= self.rewound_end {
            (self.rewinds, self.rewound_end) = (0, self.start);
        }
        if self.rewinds == REWINDS_MAX {
            return None;
        }
        self.rewinds += 1;
        self.start = newline + 1;
        self.progress = Progress::default();
        Some(&self.buffer[begin..newline])
    }

    /// Whether the line that `next_item` gives next may be taken back.
    pub fn may_rewind(&self) -> bool {
        self.start >= self.rewound_end || self.rewinds < REWINDS_MAX
    }

    /// Blank lines and comments skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn line_size(&self) -> usize {
        self.window - LINE_END_SIZE_MAX
    }

    fn find(&mut self) -> Option<Found> {
        loop {
            if self.skipping && !self.skip_past_newline() {
                return None;
            }
            let begin = self.start;
            let seen = &self.buffer[begin..self.end.min(begin + self.window)];
            if let Some(newline) = self.progress.record_end(seen) {
                let line = without_cr(&seen[..newline]);
                let (nothing, size) = (is_nothing(line), line.len());
                self.next_record(newline + 1);
                if !nothing {
                    return Some(Found { begin, size, reason: None });
                }
                self.skipped += 1;
            } else if seen.len() == self.window || self.tail.is_some() || self.abandoned.is_some_and(|keep| seen.len() > keep) {
                // No more bytes of this record will be looked at, so a string that is still open is never closed.
                if let Some(newline) = self.progress.newline_in_string(seen) {
                    self.next_record(newline + 1);
                    return Some(Found { begin, size: newline, reason: Some(RejectReason::UnterminatedString) });
                }
                let found = if seen.len() == self.window {
                    self.give_up(self.window, RejectReason::TooLong)
                } else if self.tail.is_some() {
                    self.take_tail()
                } else {
                    self.give_up(seen.len(), RejectReason::Stalled)
                };
                if found.is_some() || self.start == self.end {
                    return found;
                }
            } else {
                self.abandoned = None;
                return None;
            }
        }
    }

    /// The record that begins with these bytes has not ended in them: skips to its end, or only past its leading whitespace.
    fn give_up(&mut self, size: usize, reason: RejectReason) -> Option<Found> {
        let begin = self.start;
        let seen = &self.buffer[begin..begin + size];
        let leading = leading_size(seen);
        let comment = seen[leading..].first() == Some(&b'#');
        if leading > 0 {
            // A file that lost blocks in a power cut holds a run of NULs, megabytes perhaps, and then a good line.
            self.next_record(leading);
            return None;
        }
        self.next_record(size);
        self.skipping = true;
        if comment {
            self.skipped += 1;
            return None;
        }
        Some(Found { begin, size, reason: Some(reason) })
    }

    /// The input has ended without a newline: takes what is left of it.
    fn take_tail(&mut self) -> Option<Found> {
        let begin = self.start;
        let line = without_cr(&self.buffer[begin..self.end]);
        let size = line.len();
        let nothing = is_nothing(line);
        let in_string = matches!(self.progress.state, State::String { .. });
        let reason = match self.tail {
            _ if size > self.line_size() => Some(RejectReason::TooLong),
            Some(Tail::Accept) if in_string => Some(RejectReason::UnterminatedString),
            Some(Tail::Accept) => None,
            _ => Some(RejectReason::Unterminated),
        };
        let empty = begin == self.end;
        self.next_record(self.end - begin);
        if nothing {
            self.skipped += u64::from(!empty);
            return None;
        }
        Some(Found { begin, size, reason })
    }

    /// Moves on by `size` bytes, to a place where a record starts.
    fn next_record(&mut self, size: usize) {
        self.start += size;
        self.progress = Progress::default();
    }

    /// Discards the rest of a record that was too long; false when its newline has not come yet.
    fn skip_past_newline(&mut self) -> bool {
        let newline = memchr(b'\n', &self.buffer[self.start..self.end]);
        self.start = newline.map_or(self.end, |newline| self.start + newline + 1);
        self.skipping = newline.is_none();
        !self.skipping
    }
}

/// Where each line ends, its newline included, in the bytes of lines that a reader gave and that were joined by newlines.
pub fn line_ends(joined: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut end = 0;
    std::iter::from_fn(move || {
        end += Progress::default().record_end(&joined[end..])? + 1;
        Some(end)
    })
}

/// CR and LF.
const LINE_END_SIZE_MAX: usize = 2;

/// Where an item stands in the buffer; the bytes stay there until the next call of `space`.
struct Found {
    begin: usize,
    size: usize,
    reason: Option<RejectReason>,
}

/// What is known of the record being read, so that no byte is looked at again when more arrive. All offsets count from the start of the record.
#[derive(Debug, Default)]
struct Progress {
    /// No newline that ends the record is before this.
    searched: usize,
    /// The state is that of the bytes before this; outside strings it stays behind until a quote makes it matter.
    walked: usize,
    state: State,
}

/// Where in a record the bytes are.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Whitespace before the record, or its first byte.
    #[default]
    Leading,
    /// To the newline.
    Comment,
    /// Measurement and tags.
    Series,
    /// A field key, and what separates it from the series or the comma before it.
    Key { start: usize },
    /// From the byte behind a `=` to the next comma; after the last field also the timestamp.
    Value { start: usize },
    /// Inside the string whose quote is at `quote`.
    String { quote: usize },
}

impl Progress {
    /// Where the newline is that ends the record which starts with `bytes`; `None` when it is not among them.
    fn record_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            if matches!(self.state, State::String { .. }) {
                self.leave_string(bytes)?;
            }
            let Some(found) = memchr2(b'\n', b'"', &bytes[self.searched..]) else {
                self.searched = bytes.len();
                return None;
            };
            let at = self.searched + found;
            if bytes[at] == b'\n' {
                return Some(at);
            }
            self.searched = at + 1;
            // Most quotes that open nothing are told from those that do by the byte before.
            if at > 0 && bytes[at - 1] == b'=' && self.is_value_start(bytes, at) {
                self.state = State::String { quote: at };
            }
        }
    }

    /// Searches the closing quote; `None` when it is not among `bytes`.
    fn leave_string(&mut self, bytes: &[u8]) -> Option<()> {
        loop {
            let Some(found) = memchr2(b'"', b'\\', &bytes[self.searched..]) else {
                self.searched = bytes.len();
                return None;
            };
            let at = self.searched + found;
            if bytes[at] == b'"' {
                (self.searched, self.walked, self.state) = (at + 1, at + 1, State::Value { start: at });
                return Some(());
            }
            if at + 1 == bytes.len() {
                // The byte that this backslash skips has not come: it is found again then.
                self.searched = at;
                return None;
            }
            self.searched = at + 2;
        }
    }

    /// The first newline in the string that is open, if one is.
    fn newline_in_string(&self, bytes: &[u8]) -> Option<usize> {
        match self.state {
            State::String { quote } => memchr(b'\n', &bytes[quote..]).map(|found| quote + found),
            _ => None,
        }
    }

    /// Whether a field's value starts at `at`, right behind a `=`.
    fn is_value_start(&mut self, bytes: &[u8], at: usize) -> bool {
        let before = &bytes[..at];
        while self.walked < at {
            let from = self.walked;
            let ended = match self.state {
                State::Leading => {
                    self.walked += leading_size(&before[from..]);
                    self.state = if before[self.walked] == b'#' { State::Comment } else { State::Series };
                    continue;
                }
                State::Series => series_end(before, from).map(|end| (end + 1, State::Key { start: end + 1 })),
                State::Key { start } => key_end(before, from, start).map(|end| (end + 1, State::Value { start: end + 1 })),
                State::Value { .. } => memchr(b',', &before[from..]).map(|found| (from + found + 1, State::Key { start: from + found + 1 })),
                State::Comment | State::String { .. } => return false,
            };
            (self.walked, self.state) = ended.unwrap_or((at, self.state));
        }
        matches!(self.state, State::Value { start } if start == at)
    }
}

/// The first unescaped separator, searched from `from`.
fn series_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        from += bytes[from..].iter().position(|&byte| is_separator(byte))?;
        if !is_escaped(bytes, from) {
            return Some(from);
        }
        from += 1;
    }
}

/// The first unescaped `=` behind a key that starts at `start` and is more than separators, searched from `from`.
fn key_end(bytes: &[u8], mut from: usize, start: usize) -> Option<usize> {
    loop {
        from += memchr(b'=', &bytes[from..])?;
        if !is_escaped(bytes, from) && !bytes[start..from].iter().all(|&byte| is_separator(byte)) {
            return Some(from);
        }
        from += 1;
    }
}

fn is_escaped(bytes: &[u8], at: usize) -> bool {
    at > 0 && bytes[at - 1] == b'\\'
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a record is blank or a comment.
fn is_nothing(line: &[u8]) -> bool {
    match line.first() {
        Some(&byte) if byte > b'#' => false,
        _ => line[leading_size(line)..].first().is_none_or(|&byte| byte == b'#'),
    }
}
