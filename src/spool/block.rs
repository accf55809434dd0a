//! A block: the lines that one read of the input brought, each with its partition key. The unit in which lines are accepted, read back and acknowledged.
//!
//! ```text
//! block   = size u32 | lines u32 | position u64 | accepted u64 | entry …        (little-endian; size counts the entries only)
//! entry   = key size u16 | line size u32 | key | line                            key size 0xFFFF: the key of the entry before
//! ```
//!
//! `accepted` is the monotonic time of acceptance in milliseconds. An empty key means that each record draws one of its own (`random`).
//! A block never leaves this process's memory yet, so it has neither checksum nor version; both come with the segment files.

use std::time::Duration;

pub use crate::limits::{BLOCK_ENTRY_HEADER_SIZE as ENTRY_HEADER_SIZE, BLOCK_HEADER_SIZE as HEADER_SIZE};
use crate::limits::{BLOCK_SIZE, PARTITION_KEY_SIZE_MAX, block_size_max};

/// Lines in one block, so that an index of them has a bound however short they are.
pub const BLOCK_LINES_MAX: u32 = 1024;
const SAME_KEY: u16 = u16::MAX;

const _: () = assert!(PARTITION_KEY_SIZE_MAX < SAME_KEY as usize);

/// Where a block stands in the spool. Rises with each block and is never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// The one after it.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

/// Collects lines into one buffer that is used again for each block.
#[derive(Debug)]
pub struct BlockBuilder {
    buffer: Vec<u8>,
    lines: u32,
    last_key: (usize, usize),
}

impl BlockBuilder {
    /// For lines of at most `line_size` bytes before they are stamped.
    pub fn new(line_size: usize) -> BlockBuilder {
        let mut builder = BlockBuilder { buffer: Vec::with_capacity(BlockBuilder::memory(line_size)), lines: 0, last_key: (0, 0) };
        builder.clear();
        builder
    }

    /// Bytes that a builder for such lines holds.
    pub const fn memory(line_size: usize) -> usize {
        block_size_max(line_size)
    }

    /// Whether it has its fill of lines or bytes; one that has not takes a line of any size.
    pub fn is_full(&self) -> bool {
        self.lines >= BLOCK_LINES_MAX || self.buffer.len() >= BLOCK_SIZE
    }

    /// Appends a line; `is_full` was asked.
    pub fn push(&mut self, key: &str, line: &[u8]) {
        debug_assert!(!self.is_full());
        let same = self.lines > 0 && &self.buffer[self.last_key.0..self.last_key.1] == key.as_bytes();
        let key_size = if same { SAME_KEY } else { u16::try_from(key.len()).expect("a partition key is at most PARTITION_KEY_SIZE_MAX bytes") };
        let line_size = u32::try_from(line.len()).expect("a line is at most LINE_SIZE_MAX bytes");
        self.buffer.extend_from_slice(&key_size.to_le_bytes());
        self.buffer.extend_from_slice(&line_size.to_le_bytes());
        if !same {
            self.last_key = (self.buffer.len(), self.buffer.len() + key.len());
            self.buffer.extend_from_slice(key.as_bytes());
        }
        self.buffer.extend_from_slice(line);
        self.lines += 1;
    }

    /// Lines in it.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Bytes that the finished block takes.
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// The block's bytes, with its header filled in.
    pub fn finish(&mut self, position: Position, accepted: Duration) -> &[u8] {
        let size = u32::try_from(self.buffer.len() - HEADER_SIZE).expect("a block is far below 4 GiB");
        self.buffer[0..4].copy_from_slice(&size.to_le_bytes());
        self.buffer[4..8].copy_from_slice(&self.lines.to_le_bytes());
        self.buffer[8..16].copy_from_slice(&position.0.to_le_bytes());
        self.buffer[16..24].copy_from_slice(&u64::try_from(accepted.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        &self.buffer
    }

    /// Starts the next block.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.resize(HEADER_SIZE, 0);
        self.lines = 0;
        self.last_key = (0, 0);
    }
}

/// The decoded header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the entries.
    pub size: usize,
    /// Lines in them.
    pub lines: u32,
    /// Where the block stands.
    pub position: Position,
    /// When it was accepted, on the monotonic clock.
    pub accepted: Duration,
}

impl Header {
    /// Reads what `finish` wrote.
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Header {
        let (sizes, rest) = bytes.split_at(8);
        Header {
            size: le(&sizes[..4]) as usize,
            lines: le(&sizes[4..]) as u32,
            position: Position(le(&rest[..8])),
            accepted: Duration::from_millis(le(&rest[8..])),
        }
    }
}

/// Where one line and its key lie in a buffer that holds a block's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First byte of the key.
    pub key_start: u32,
    /// Bytes of the key.
    pub key_size: u16,
    /// First byte of the line.
    pub line_start: u32,
    /// Bytes of the line.
    pub line_size: u32,
}

/// Walks the entries in `buffer[at..]`; offsets are those of `buffer`. Ends early where the bytes make no sense.
pub fn entries(buffer: &[u8], at: usize) -> impl Iterator<Item = Entry> + '_ {
    let (mut at, mut key) = (at, (0u32, 0u16));
    std::iter::from_fn(move || {
        let header = buffer.get(at..at + ENTRY_HEADER_SIZE)?;
        let (key_size, line_size) = (le(&header[..2]) as u16, le(&header[2..]) as u32);
        at += ENTRY_HEADER_SIZE;
        if key_size != SAME_KEY {
            key = (u32::try_from(at).ok()?, key_size);
            at += usize::from(key_size);
        }
        let line_start = u32::try_from(at).ok()?;
        at += line_size as usize;
        (at <= buffer.len()).then_some(Entry { key_start: key.0, key_size: key.1, line_start, line_size })
    })
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_back_its_lines_with_their_keys() {
        let mut builder = BlockBuilder::new(1000);
        let lines: [(&str, &[u8]); 4] = [("a", b"m v=1"), ("a", b"m v=2"), ("", b"x y=3"), ("b", b"")];
        for (key, line) in lines {
            builder.push(key, line);
        }
        let block = builder.finish(Position(7), Duration::from_millis(1234)).to_vec();
        let header = Header::decode(block[..HEADER_SIZE].try_into().unwrap());
        assert_eq!(header, Header { size: block.len() - HEADER_SIZE, lines: 4, position: Position(7), accepted: Duration::from_millis(1234) });
        let back: Vec<(&[u8], &[u8])> = entries(&block, HEADER_SIZE)
            .map(|e| (&block[e.key_start as usize..][..e.key_size as usize], &block[e.line_start as usize..][..e.line_size as usize]))
            .collect();
        assert_eq!(back, lines.map(|(key, line)| (key.as_bytes(), line)));
    }

    #[test]
    fn a_key_that_repeats_is_kept_once() {
        let mut builder = BlockBuilder::new(1000);
        builder.push("a-rather-long-partition-key", b"m v=1");
        let one = builder.size();
        builder.push("a-rather-long-partition-key", b"m v=1");
        assert_eq!(builder.size() - one, ENTRY_HEADER_SIZE + 5);
    }

    #[test]
    fn a_block_is_full_at_its_bounds_and_never_allocates() {
        let mut builder = BlockBuilder::new(100_000);
        let capacity = builder.buffer.capacity();
        while !builder.is_full() {
            builder.push("", b"x");
        }
        assert_eq!(builder.lines(), BLOCK_LINES_MAX);
        builder.clear();
        builder.push("", &vec![b'x'; BLOCK_SIZE - HEADER_SIZE - ENTRY_HEADER_SIZE - 1]);
        assert!(!builder.is_full());
        builder.push(&"k".repeat(PARTITION_KEY_SIZE_MAX), &[b'x'; 100_000]);
        assert!(builder.is_full() && builder.size() < block_size_max(100_000) + HEADER_SIZE);
        assert_eq!(builder.buffer.capacity(), capacity);
    }

    #[test]
    fn entries_that_were_cut_end_the_walk() {
        let mut builder = BlockBuilder::new(1000);
        builder.push("key", b"m v=1");
        builder.push("key2", b"m v=2");
        let block = builder.finish(Position(0), Duration::ZERO).to_vec();
        for end in HEADER_SIZE..block.len() {
            assert!(entries(&block[..end], HEADER_SIZE).count() <= 1);
        }
    }
}
