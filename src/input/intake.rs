//! The input thread's part of the core: bytes become blocks of lines with their partition keys, and bad lines are told apart. No I/O, no allocation a line.
//!
//! ```text
//! loop { let n = input.read(intake.space())?; intake.filled(n); while intake.next_block(now, …) { pipeline.accept(now, intake.block()) } }
//! ```

use memchr::memchr;

use crate::config::Timestamp;
use crate::counters::{InputCounters, RejectReason};
use crate::input::line_reader::{Item, LineReader, Tail};
use crate::limits::{PARTITION_KEY_SIZE_MAX, STAMP_SIZE_MAX};
use crate::line::format::Format;
use crate::line::partition_key::PartitionMethod;
use crate::line::point::Point;
use crate::line::stamp::append_stamp;
use crate::record::packer::UUID_SIZE;
use crate::spool::block::BlockBuilder;
use crate::time::Now;

/// What the intake is told.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    /// Longest line, in bytes.
    pub line_size: usize,
    /// What a line without a timestamp becomes.
    pub timestamp: Timestamp,
    /// How partition keys are found.
    pub partition: PartitionMethod,
    /// What record data will look like; decides whether a line fits a record.
    pub format: Format,
    /// Bytes of one record, key included.
    pub record_size: usize,
}

/// A line that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection<'a> {
    /// Why.
    pub reason: RejectReason,
    /// Bytes from the start of the line, counted from 1.
    pub column: usize,
    /// The line, or its beginning where it was too long to be kept.
    pub line: &'a [u8],
}

/// Turns bytes into blocks.
#[derive(Debug)]
pub struct Intake {
    reader: LineReader,
    block: BlockBuilder,
    taker: Taker,
}

/// What one line needs, apart from the reader that it is borrowed from.
#[derive(Debug)]
struct Taker {
    options: IntakeOptions,
    key: String,
    stamped: Vec<u8>,
    counters: InputCounters,
}

impl Intake {
    /// All its memory is allocated here.
    pub fn new(options: IntakeOptions) -> Intake {
        Intake {
            reader: LineReader::new(options.line_size),
            block: BlockBuilder::new(options.line_size),
            taker: Taker {
                key: String::with_capacity(PARTITION_KEY_SIZE_MAX),
                stamped: Vec::with_capacity(options.line_size + STAMP_SIZE_MAX),
                counters: InputCounters::default(),
                options,
            },
        }
    }

    /// Where the next bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// `n` bytes were written to the start of `space`.
    pub fn filled(&mut self, n: usize) {
        self.taker.counters.bytes += n as u64;
        self.reader.filled(n);
    }

    /// The input has ended.
    pub fn end(&mut self, tail: Tail) {
        self.reader.end(tail);
    }

    /// Fills the next block; false when there is none. `reject` is told each bad line.
    pub fn next_block(&mut self, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) -> bool {
        self.block.clear();
        while !self.block.is_full() {
            let may_rewind = self.reader.may_rewind();
            let taken = match self.reader.next_item() {
                None => break,
                Some(Item::Line(line)) => self.taker.take(now, line, &mut self.block),
                Some(Item::Bad { bytes, reason }) => Err(Rejection { reason, column: 1, line: bytes }),
            };
            let Err(rejection) = taken else { continue };
            let swallowed = may_rewind && rejection.reason == RejectReason::TrailingText && memchr(b'\n', rejection.line).is_some();
            // A string that was never closed ran on to the next line's quote: only the line that it stands in is bad.
            if !swallowed {
                self.taker.counters.rejected.add(rejection.reason, 1);
                reject(rejection);
            } else if let Some(line) = self.reader.rewind() {
                self.taker.counters.rejected.add(RejectReason::UnterminatedString, 1);
                reject(Rejection { reason: RejectReason::UnterminatedString, column: 1, line });
            }
        }
        self.taker.counters.skipped = self.reader.skipped();
        !self.block.is_empty()
    }

    /// The block that `next_block` filled.
    pub fn block(&mut self) -> &mut BlockBuilder {
        &mut self.block
    }

    /// What was counted.
    pub fn counters(&self) -> &InputCounters {
        &self.taker.counters
    }
}

impl Taker {
    /// Puts one line into the block, with its key and, where it lacks one, a timestamp.
    fn take<'a>(&mut self, now: Now, line: &'a [u8], block: &mut BlockBuilder) -> Result<(), Rejection<'a>> {
        let point = Point::parse(line).map_err(|error| Rejection { reason: error.reason, column: error.column, line })?;
        let cut = self.options.partition.key_of(&point, &mut self.key);
        let stamp = point.timestamp().is_none() && self.options.timestamp == Timestamp::Stamp;
        let whole = if stamp {
            self.stamped.clear();
            self.stamped.extend_from_slice(line);
            append_stamp(&mut self.stamped, now.wall);
            &self.stamped
        } else {
            line
        };
        // A key that is drawn for each record is a UUID.
        let key_size = if self.key.is_empty() { UUID_SIZE } else { self.key.len() };
        let (format, room) = (self.options.format, self.options.record_size.saturating_sub(key_size));
        if format.size_max(whole.len()) > room && format.size(whole) > room {
            return Err(Rejection { reason: RejectReason::TooLarge, column: 1, line });
        }
        block.push(&self.key, whole);
        self.counters.stamped += u64::from(stamp);
        self.counters.timestamp_guessed += u64::from(stamp && now.wall_is_wrong());
        self.counters.partition_key_cut += u64::from(cut);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::format::TimestampUnit;
    use crate::line::partition_key::PartitionMethod;
    use crate::spool::block::{HEADER_SIZE, Position, entries};
    use std::time::Duration;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_800_000_000) };

    fn intake(partition: PartitionMethod, timestamp: Timestamp) -> Intake {
        Intake::new(IntakeOptions { line_size: 1000, timestamp, partition, format: Format::Influx, record_size: 300 })
    }

    /// A key and a line of it.
    type Accepted = Vec<(String, String)>;
    type Rejected = Vec<(RejectReason, String)>;

    fn take(intake: &mut Intake, input: &str) -> (Accepted, Rejected) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        intake.space()[..input.len()].copy_from_slice(input.as_bytes());
        intake.filled(input.len());
        intake.end(Tail::Reject);
        let (mut lines, mut rejected) = (Vec::new(), Vec::new());
        while intake.next_block(NOW, &mut |rejection| rejected.push((rejection.reason, text(rejection.line)))) {
            let block = intake.block().finish(Position(0), NOW).to_vec();
            let part = |start: u32, size: usize| text(&block[start as usize..][..size]);
            lines.extend(entries(&block, HEADER_SIZE).map(|e| (part(e.key_start, e.key_size.into()), part(e.line_start, e.line_size as usize))));
        }
        (lines, rejected)
    }

    fn lines(input: &str) -> (Vec<String>, Rejected) {
        let (lines, rejected) = take(&mut intake(PartitionMethod::Random, Timestamp::Keep), input);
        (lines.into_iter().map(|(_, line)| line).collect(), rejected)
    }

    #[test]
    fn a_string_that_is_never_closed_does_not_take_the_next_line_with_it() {
        let (accepted, rejected) = lines("a s=\"cut 1\nb s=\"whole\" 2\nc v=1 3\n");
        assert_eq!(accepted, ["b s=\"whole\" 2", "c v=1 3"]);
        assert_eq!(rejected, [(RejectReason::UnterminatedString, "a s=\"cut 1".to_owned())]);
    }

    #[test]
    fn a_string_with_newlines_in_a_line_that_is_bad_for_another_reason_is_rejected_whole() {
        let (accepted, rejected) = lines("log text=\"first\nretry count=3\nlast\" 12x\nc v=1 3\n");
        assert_eq!(accepted, ["c v=1 3"]);
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].0, RejectReason::InvalidTimestamp);
    }

    #[test]
    fn many_cut_strings_in_a_row_cost_each_its_own_line() {
        let input: String = (0..60).map(|i| format!("m{i} s=\"cut\n")).collect::<String>() + "good v=1\n";
        let (accepted, rejected) = lines(&input);
        assert_eq!((accepted, rejected.len()), (vec!["good v=1".to_owned()], 60));
    }

    #[test]
    fn a_line_without_a_timestamp_gets_the_arrival_time_and_one_with_keeps_its_own() {
        let mut intake = intake(PartitionMethod::Measurement, Timestamp::Stamp);
        let (lines, _) = take(&mut intake, "cpu v=1\nmem v=2 5\n");
        let expected = [("cpu", "cpu v=1 1800000000000000000"), ("mem", "mem v=2 5")];
        assert_eq!(lines, expected.map(|(key, line)| (key.to_owned(), line.to_owned())));
        assert_eq!((intake.counters().stamped, intake.counters().timestamp_guessed), (1, 0));
    }

    #[test]
    fn a_line_of_which_a_record_would_be_too_large_in_its_format_is_rejected() {
        let json = Format::Json(TimestampUnit::default());
        // 300 = a key of 1 + the object: 41 bytes around a string, of which each control character becomes six.
        for (format, text, fits) in [
            (json, "x".repeat(258), true),
            (json, "x".repeat(259), false),
            (json, "\x01".repeat(43), true),
            (json, "\x01".repeat(43) + "x", false),
            (Format::Custom, "x".repeat(285), true),
            (Format::Custom, "x".repeat(286), false),
            (Format::String, "x".repeat(293), true),
            (Format::String, "x".repeat(294), false),
        ] {
            let mut intake = intake(PartitionMethod::Measurement, Timestamp::Keep);
            intake.taker.options.format = format;
            let (lines, rejected) = take(&mut intake, &format!("m s=\"{text}\"\nn v=1\n"));
            assert_eq!(lines.len(), 1 + usize::from(fits), "{format:?}, {} bytes", text.len());
            assert_eq!(rejected.iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), vec![RejectReason::TooLarge; usize::from(!fits)]);
        }
    }

    #[test]
    fn a_line_that_no_record_can_hold_is_too_large_with_key_stamp_and_newline_counted() {
        // 300 = a UUID of 36 + the line + 20 of the stamp + a newline.
        let line = |size: usize| format!("m s=\"{}\"", "x".repeat(size - 6));
        let accepted = |size: usize| take(&mut intake(PartitionMethod::Random, Timestamp::Stamp), &(line(size) + "\n")).0.len();
        assert_eq!((accepted(243), accepted(244)), (1, 0));
    }
}
