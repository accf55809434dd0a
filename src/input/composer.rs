//! Lines become blocks with their partition keys, and bad ones are told apart: what all inputs of a process share. No I/O, no allocation a line.
//!
//! Several readers may fill one block, one after another. It knows nothing of where their bytes come from.

use memchr::memchr;

use crate::config::Timestamp;
use crate::counters::{InputCounters, RejectReason};
use crate::input::line_reader::{Item, LineReader};
use crate::limits::{PARTITION_KEY_SIZE_MAX, STAMP_SIZE_MAX};
use crate::line::format::Format;
use crate::line::partition_key::PartitionMethod;
use crate::line::point::Point;
use crate::line::stamp::append_stamp;
use crate::record::packer::UUID_SIZE;
use crate::spool::block::BlockBuilder;
use crate::time::Now;

/// What decides how a line is taken.
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

/// Turns lines into blocks.
#[derive(Debug)]
pub struct Composer {
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

impl Composer {
    /// All its memory is allocated here.
    pub fn new(options: IntakeOptions) -> Composer {
        Composer {
            block: BlockBuilder::new(options.line_size),
            taker: Taker {
                key: String::with_capacity(PARTITION_KEY_SIZE_MAX),
                stamped: Vec::with_capacity(options.line_size + STAMP_SIZE_MAX),
                counters: InputCounters::default(),
                options,
            },
        }
    }

    /// From here on lines get their keys so.
    pub fn set_partition(&mut self, partition: PartitionMethod) {
        self.taker.options.partition = partition;
    }

    /// Adds lines of `reader` to the block until the block is full or the reader has none. `reject` is told each bad line.
    pub fn fill(&mut self, reader: &mut LineReader, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) {
        let skipped = reader.skipped();
        while !self.block.is_full() {
            let may_rewind = reader.may_rewind();
            let taken = match reader.next_item() {
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
            } else if let Some(line) = reader.rewind() {
                self.taker.counters.rejected.add(RejectReason::UnterminatedString, 1);
                reject(Rejection { reason: RejectReason::UnterminatedString, column: 1, line });
            }
        }
        self.taker.counters.skipped += reader.skipped() - skipped;
    }

    /// Counts and tells bytes that never became a line.
    pub fn reject(&mut self, reason: RejectReason, bytes: &[u8], reject: &mut dyn FnMut(Rejection<'_>)) {
        self.taker.counters.rejected.add(reason, 1);
        reject(Rejection { reason, column: 1, line: bytes });
    }

    /// `n` bytes were read.
    pub fn note_bytes(&mut self, n: usize) {
        self.taker.counters.bytes += n as u64;
    }

    /// A batch, or the beginning of one, was offered again.
    pub fn note_offered_again(&mut self) {
        self.taker.counters.offered_again += 1;
    }

    /// The block that is being filled; whoever takes it clears it.
    pub fn block(&mut self) -> &mut BlockBuilder {
        &mut self.block
    }

    /// What was counted.
    pub fn counters(&self) -> &InputCounters {
        &self.taker.counters
    }

    #[cfg(test)]
    pub(crate) fn set_format(&mut self, format: Format) {
        self.taker.options.format = format;
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
