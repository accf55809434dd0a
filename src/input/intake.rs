//! The input thread's part of the core: bytes become blocks of lines with their partition keys, and bad lines are told apart. No I/O, no allocation a line.
//!
//! ```text
//! loop { let n = input.read(intake.space())?; intake.filled(n); while intake.next_block(now, …) { pipeline.accept(now, intake.block()) } }
//! ```

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
            let taken = match self.reader.next_item() {
                None => break,
                Some(Item::Line(line)) => self.taker.take(now, line, &mut self.block),
                Some(Item::Bad { bytes, reason }) => Err(Rejection { reason, column: 1, line: bytes }),
            };
            if let Err(rejection) = taken {
                self.taker.counters.rejected.add(rejection.reason, 1);
                reject(rejection);
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
        if key_size + self.options.format.size(whole.len()) > self.options.record_size {
            return Err(Rejection { reason: RejectReason::TooLarge, column: 1, line });
        }
        block.push(&self.key, whole);
        self.counters.stamped += u64::from(stamp);
        self.counters.timestamp_guessed += u64::from(stamp && now.wall_is_wrong());
        self.counters.partition_key_cut += u64::from(cut);
        Ok(())
    }
}
