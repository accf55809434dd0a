//! A block: the lines that one read of the input brought, each with its partition key. The unit in which lines are accepted, read back and acknowledged.
//!
//! ```text
//! block   = header (48 bytes) | data                                              everything little-endian
//! header  = crc u32           CRC-32C over the rest of the header and the data
//!         | size u32          bytes of the data as it is stored
//!         | plain size u32    bytes of the entries, once unpacked
//!         | lines u32         1 … 1024
//!         | position u64      where the block stands in the spool
//!         | mono u64          when it was accepted: milliseconds since the start of the process that accepted it
//!         | wall u64          the same since the Unix epoch, as the system believed it then
//!         | codec u8          0: the data is the entries; 1: it is their raw DEFLATE stream, see `spool/codec.rs`
//!         | zero 7 bytes
//! entries = entry …
//! entry   = key size u16 | line size u32 | key | line                            key size 0xFFFF: the key of the entry before; no newline
//! ```
//!
//! An empty key means that each record draws one of its own (`random`). The same bytes lie in memory and in a segment file (`spool/segment.rs`).

use std::time::Duration;

pub use crate::limits::{BLOCK_ENTRY_HEADER_SIZE as ENTRY_HEADER_SIZE, BLOCK_HEADER_SIZE as HEADER_SIZE, BLOCK_LINES_MAX};
use crate::limits::{BLOCK_SIZE, LINE_SIZE_MAX, PARTITION_KEY_SIZE_MAX, block_size_max};
use crate::time::Now;

/// Bytes of the entries of one block at most, whatever the configuration was when it was accepted.
pub const PLAIN_SIZE_MAX: usize = block_size_max(LINE_SIZE_MAX) - HEADER_SIZE;
const SAME_KEY: u16 = u16::MAX;

const _: () = assert!(PARTITION_KEY_SIZE_MAX < SAME_KEY as usize);

/// Where a block stands in the spool. Rises with each block and is never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// Whether a spool can have come so far: a file or a cursor that says more was not written by one, and counting on from there must not overflow.
    pub fn is_possible(self) -> bool {
        self.0 < 1 << 63
    }

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
    pub fn finish(&mut self, position: Position, now: Now) -> &[u8] {
        let size = self.buffer.len() - HEADER_SIZE;
        let header = Header { size, plain_size: size, lines: self.lines, position, accepted: now, codec: CODEC_PLAIN };
        let bytes = header.seal(&self.buffer[HEADER_SIZE..]);
        self.buffer[..HEADER_SIZE].copy_from_slice(&bytes);
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

/// The data is the entries.
pub const CODEC_PLAIN: u8 = 0;
/// The data is a raw DEFLATE stream of the entries.
pub const CODEC_DEFLATE: u8 = 1;

/// The decoded header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the data as it is stored.
    pub size: usize,
    /// Bytes of the entries once unpacked.
    pub plain_size: usize,
    /// Lines in them.
    pub lines: u32,
    /// Where the block stands.
    pub position: Position,
    /// When it was accepted, in whole milliseconds. `mono` is that of the process which accepted it.
    pub accepted: Now,
    /// [`CODEC_PLAIN`] or [`CODEC_DEFLATE`].
    pub codec: u8,
}

impl Header {
    /// Reads what [`Header::seal`] wrote. It says nothing about what is true: ask [`Header::is_possible`] and [`covers`].
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Header {
        Header {
            size: le(&bytes[4..8]) as usize,
            plain_size: le(&bytes[8..12]) as usize,
            lines: le(&bytes[12..16]) as u32,
            position: Position(le(&bytes[16..24])),
            accepted: Now { mono: Duration::from_millis(le(&bytes[24..32])), wall: Duration::from_millis(le(&bytes[32..40])) },
            codec: bytes[40],
        }
    }

    /// The header's bytes in front of this data, checksum included. Also how a block gets another codec: change `size` and `codec`, seal it with the new data.
    pub fn seal(&self, data: &[u8]) -> [u8; HEADER_SIZE] {
        assert_eq!(self.size, data.len(), "a header says how much data follows");
        assert!(self.is_possible(), "only what can be read back is written");
        let mut bytes = [0; HEADER_SIZE];
        let u32_of = |size: usize| u32::try_from(size).expect("a block is far below 4 GiB").to_le_bytes();
        bytes[4..8].copy_from_slice(&u32_of(self.size));
        bytes[8..12].copy_from_slice(&u32_of(self.plain_size));
        bytes[12..16].copy_from_slice(&self.lines.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&millis(self.accepted.mono).to_le_bytes());
        bytes[32..40].copy_from_slice(&millis(self.accepted.wall).to_le_bytes());
        bytes[40] = self.codec;
        let crc = crc32c::crc32c_append(checksum_of_header(&bytes), data);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether such a block can be: its sizes are within bounds and agree, its codec is known. Checked before anything is allocated for it.
    pub fn is_possible(&self) -> bool {
        let sizes = match self.codec {
            CODEC_PLAIN => self.size == self.plain_size,
            CODEC_DEFLATE => self.size < self.plain_size,
            _ => false,
        };
        sizes && self.plain_size <= PLAIN_SIZE_MAX && (1..=BLOCK_LINES_MAX).contains(&self.lines)
    }

    /// Bytes of the whole block.
    pub fn block_size(&self) -> usize {
        HEADER_SIZE + self.size
    }
}

/// The checksum that stands in a header.
pub fn checksum(header: &[u8; HEADER_SIZE]) -> u32 {
    le(&header[..4]) as u32
}

/// Where the checksum of a block begins: `crc32c_append` the data, in any pieces, and compare with [`checksum`].
pub fn checksum_of_header(header: &[u8; HEADER_SIZE]) -> u32 {
    crc32c::crc32c(&header[4..])
}

/// Whether a header and data belong together and neither has changed.
pub fn covers(header: &[u8; HEADER_SIZE], data: &[u8]) -> bool {
    crc32c::crc32c_append(checksum_of_header(header), data) == checksum(header)
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
        let header = buffer.get(at..)?.get(..ENTRY_HEADER_SIZE)?;
        let (key_size, line_size) = (le(&header[..2]) as u16, le(&header[2..]) as u32);
        at += ENTRY_HEADER_SIZE;
        if key_size != SAME_KEY {
            key = (u32::try_from(at).ok()?, key_size);
            at += usize::from(key_size);
        }
        let line_start = u32::try_from(at).ok()?;
        // What a disk says of a line's size may be anything, and usize no larger than that.
        at = at.checked_add(usize::try_from(line_size).ok()?)?;
        (at <= buffer.len()).then_some(Entry { key_start: key.0, key_size: key.1, line_start, line_size })
    })
}

/// Whether entries from a disk are what a block of so many lines holds: all of the bytes, each key text that Kinesis takes. A checksum only says that they are
/// what somebody wrote.
pub fn is_sound(bytes: &[u8], lines: u32) -> bool {
    let key = |entry: &Entry| bytes.get(entry.key_start as usize..)?.get(..usize::from(entry.key_size));
    let is_text = |key: &[u8]| key.len() <= PARTITION_KEY_SIZE_MAX && std::str::from_utf8(key).is_ok();
    let (mut count, mut end) = (0, 0);
    for entry in entries(bytes, 0) {
        if !key(&entry).is_some_and(is_text) {
            return false;
        }
        (count, end) = (count + 1, entry.line_start as usize + entry.line_size as usize);
    }
    count == lines && end == bytes.len()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Duration::from_millis(1234), wall: Duration::from_millis(1_800_000_000_999) };

    #[test]
    fn entries_from_a_disk_are_sound_or_refused() {
        let mut builder = BlockBuilder::new(1000);
        builder.push("key", b"m v=1");
        builder.push("key", b"m v=2");
        let bytes = builder.finish(Position(0), NOW)[HEADER_SIZE..].to_vec();
        assert!(is_sound(&bytes, 2) && !is_sound(&bytes, 1) && !is_sound(&bytes, 3));
        assert!(!is_sound(&bytes[..bytes.len() - 1], 2) && !is_sound(&[bytes.as_slice(), b"x"].concat(), 2));
        let mut no_text = bytes;
        no_text[ENTRY_HEADER_SIZE] = 0xFF;
        assert!(!is_sound(&no_text, 2));
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c::crc32c_append(crc32c::crc32c(b"1234"), b"56789"), 0xE306_9283);
    }

    #[test]
    fn a_bit_that_flipped_anywhere_in_a_block_is_seen() {
        let mut builder = BlockBuilder::new(1000);
        builder.push("key", b"m v=1 1800000000000000000");
        let mut block = builder.finish(Position(7), NOW).to_vec();
        let whole = |block: &[u8]| covers(block[..HEADER_SIZE].try_into().unwrap(), &block[HEADER_SIZE..]);
        assert!(whole(&block));
        for bit in 0..block.len() * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(!whole(&block), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_header_whose_sizes_cannot_be_is_told_before_anything_is_allocated() {
        let good = Header { size: 10, plain_size: 10, lines: 1, position: Position(0), accepted: NOW, codec: CODEC_PLAIN };
        assert!(good.is_possible() && Header { plain_size: PLAIN_SIZE_MAX, codec: CODEC_DEFLATE, ..good }.is_possible());
        for bad in [
            Header { size: 11, ..good },
            Header { lines: 0, ..good },
            Header { lines: BLOCK_LINES_MAX + 1, ..good },
            Header { size: PLAIN_SIZE_MAX + 1, plain_size: PLAIN_SIZE_MAX + 1, ..good },
            Header { codec: CODEC_DEFLATE, ..good },
            Header { codec: 2, ..good },
        ] {
            assert!(!bad.is_possible(), "{bad:?}");
        }
    }

    #[test]
    fn a_block_gives_back_its_lines_with_their_keys() {
        let mut builder = BlockBuilder::new(1000);
        let lines: [(&str, &[u8]); 4] = [("a", b"m v=1"), ("a", b"m v=2"), ("", b"x y=3"), ("b", b"")];
        for (key, line) in lines {
            builder.push(key, line);
        }
        let block = builder.finish(Position(7), NOW).to_vec();
        let header = Header::decode(block[..HEADER_SIZE].try_into().unwrap());
        let size = block.len() - HEADER_SIZE;
        assert_eq!(header, Header { size, plain_size: size, lines: 4, position: Position(7), accepted: NOW, codec: CODEC_PLAIN });
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
        let block = builder.finish(Position(0), NOW).to_vec();
        for end in HEADER_SIZE..block.len() {
            assert!(entries(&block[..end], HEADER_SIZE).count() <= 1);
        }
    }
}
