//! A segment: blocks one behind the other, with a header that says for which stream they were accepted. Bytes in, facts out; no file is opened here.
//!
//! ```text
//! segment = header | block …                                        everything little-endian; the block is drawn in `spool/block.rs`
//! header  = magic 8 bytes            "KINEGRAF"
//!         | version u16              1
//!         | header size u16          20 + destination size
//!         | destination size u16     1 … 2048
//!         | zero u16
//!         | crc u32                  CRC-32C over the rest of the header
//!         | destination              UTF-8: region \n stream \n endpoint_url, or nothing where none is set
//! ```
//!
//! What holds in every version to come: the first 20 bytes, what the checksum covers, and that a header has at most 2068 bytes. So a version that is not
//! known is told from a bit that flipped.
//!
//! A segment's number is the position of its first block; in it each position is the one before plus one. Between two segments a gap is legal.
//! A power cut may leave any tail: cut, zeros, or bytes of something else. [`Walk`] says where the whole blocks end and why it stopped there; what is to be
//! done about it is the spool's to say.

use std::fmt;
use std::io;

use crate::limits::STREAM_ID_SIZE_MAX;
use crate::planted;
use crate::planted::Bug;
use crate::spool::block;
use crate::spool::block::Position;

const MAGIC: &[u8; 8] = b"KINEGRAF";
/// The version that is written.
pub const VERSION: u16 = 1;
const FIXED_SIZE: usize = 20;
/// Bytes of the largest header, in every version.
pub const HEADER_SIZE_MAX: usize = FIXED_SIZE + STREAM_ID_SIZE_MAX;
/// Bytes of the smallest window that a [`Walk`] takes.
pub const WINDOW_SIZE_MIN: usize = HEADER_SIZE_MAX;

/// Which stream lines were accepted for: region, name, and the endpoint where `endpoint_url` is set. Names nothing secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(String);

/// A stream's names are longer than [`STREAM_ID_SIZE_MAX`] together, are missing, or have a line break in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStreamId;

impl StreamId {
    /// `endpoint_url` only where it is configured: the public endpoint of a region is not part of what a stream is.
    pub fn new(region: &str, stream: &str, endpoint_url: Option<&str>) -> Result<StreamId, BadStreamId> {
        StreamId::parse(format!("{region}\n{stream}\n{}", endpoint_url.unwrap_or_default()).into_bytes())
    }

    fn parse(bytes: Vec<u8>) -> Result<StreamId, BadStreamId> {
        let text = String::from_utf8(bytes).map_err(|_| BadStreamId)?;
        let mut parts = text.split('\n');
        let named = parts.by_ref().take(2).filter(|part| !part.is_empty()).count() == 2;
        let whole = named && parts.next().is_some() && parts.next().is_none();
        if whole && text.len() <= STREAM_ID_SIZE_MAX { Ok(StreamId(text)) } else { Err(BadStreamId) }
    }

    /// The region.
    pub fn region(&self) -> &str {
        self.part(0)
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        self.part(1)
    }

    /// The endpoint, where one was configured.
    pub fn endpoint_url(&self) -> Option<&str> {
        Some(self.part(2)).filter(|url| !url.is_empty())
    }

    /// As it stands in a header.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// A short name for files; two streams may share one, so the header decides.
    pub fn hash(&self) -> u32 {
        if planted::is(Bug::SendsToAnotherStream) { 0 } else { crc32c::crc32c(self.as_bytes()) }
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('\n').nth(index).expect("it was checked when it was made")
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.stream().escape_debug(), self.region().escape_debug())?;
        self.endpoint_url().map_or(Ok(()), |url| write!(f, " at {}", url.escape_debug()))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

/// The header of a segment for a stream.
pub fn header(stream: &StreamId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED_SIZE + stream.as_bytes().len());
    let u16_of = |size: usize| u16::try_from(size).expect("a stream's names are short").to_le_bytes();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u16_of(FIXED_SIZE + stream.as_bytes().len()));
    bytes.extend_from_slice(&u16_of(stream.as_bytes().len()));
    bytes.extend_from_slice(&[0; 2]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), stream.as_bytes());
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(stream.as_bytes());
    bytes
}

/// What a segment's first bytes say. `bytes`: its first [`HEADER_SIZE_MAX`], or all there are.
pub fn read_header(bytes: &[u8]) -> Result<(StreamId, usize), Stop> {
    let Some((fixed, _)) = bytes.split_at_checked(FIXED_SIZE) else {
        return Err(if MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) { Stop::Torn } else { Stop::BadHeader });
    };
    let field = |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
    let (version, size, stream_size) = (field(8), field(10), field(12));
    if !fixed.starts_with(MAGIC) || !(FIXED_SIZE..=HEADER_SIZE_MAX).contains(&size) {
        return Err(Stop::BadHeader);
    }
    let rest = bytes.get(FIXED_SIZE..size).ok_or(Stop::Torn)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&fixed[..16]), rest);
    if fixed[16..] != crc.to_le_bytes() {
        return Err(Stop::BadHeader);
    }
    match version {
        1 if rest.len() == stream_size => StreamId::parse(rest.to_vec()).map(|stream| (stream, size)).map_err(|_| Stop::BadHeader),
        1 => Err(Stop::BadHeader),
        other => Err(Stop::UnknownVersion(other as u16)),
    }
}

/// Why a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All bytes are whole blocks.
    End,
    /// The bytes end within the header or a block.
    Torn,
    /// A block's header cannot be, or its checksum is wrong.
    Damaged,
    /// A block stands where another one belongs.
    Position {
        /// What belongs there.
        expected: Position,
        /// What stands there.
        found: Position,
    },
    /// The first bytes are no segment header, or its checksum is wrong.
    BadHeader,
    /// A later version of this program wrote it.
    UnknownVersion(u16),
    /// It is whole, but its lines were accepted for another stream.
    OtherStream,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::End => f.write_str("whole"),
            Stop::Torn => f.write_str("it ends within a block"),
            Stop::Damaged => f.write_str("a block's checksum is wrong"),
            Stop::Position { expected, found } => write!(f, "block {} stands where {} belongs", found.0, expected.0),
            Stop::BadHeader => f.write_str("it does not begin as a segment does"),
            Stop::UnknownVersion(version) => write!(f, "it has version {version}, this program knows {VERSION}"),
            Stop::OtherStream => f.write_str("its lines are for another stream"),
        }
    }
}

/// How much of a block is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Its header: finds where blocks stand and how many lines they have. A bad checksum is not seen.
    Headers,
    /// Its data too.
    Data,
}

/// A whole block in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of its header, from the start of the segment.
    pub offset: u64,
    /// What the header says.
    pub header: block::Header,
}

/// Walks through a segment block by block. Memory: the caller's window, whatever the segment holds.
#[derive(Debug)]
pub struct Walk<'a, R> {
    window: Window<'a, R>,
    check: Check,
    stream: Option<StreamId>,
    /// Where the next block begins; all before it is whole.
    offset: u64,
    next: Position,
    stop: Option<Stop>,
}

impl<'a, R: FnMut(u64, &mut [u8]) -> io::Result<()>> Walk<'a, R> {
    /// Begins to walk through a segment of `size` bytes, and reads its header. `only`: stops at once where it is for another stream. `window` has at
    /// least [`WINDOW_SIZE_MIN`] bytes; `read_at` fills a slice from an offset and is never asked beyond `size`.
    pub fn begin(segment: u64, size: u64, only: Option<&StreamId>, check: Check, window: &'a mut [u8], read_at: R) -> io::Result<Walk<'a, R>> {
        assert!(window.len() >= WINDOW_SIZE_MIN, "a window holds any header");
        let mut window = Window { read_at, size, bytes: window, start: 0, filled: 0 };
        let (stream, offset, stop) = match read_header(window.at(0, HEADER_SIZE_MAX)?) {
            Err(stop) => (None, 0, Some(stop)),
            Ok((stream, size)) => {
                let other = only.is_some_and(|only| *only != stream);
                (Some(stream), size as u64, other.then_some(Stop::OtherStream))
            }
        };
        Ok(Walk { window, check, stream, offset, next: Position(segment), stop })
    }

    /// The next whole block; `None` once, and for ever, [`Walk::stop`] says why.
    pub fn next_block(&mut self) -> io::Result<Option<Found>> {
        if self.stop.is_some() {
            return Ok(None);
        }
        match self.look()? {
            Ok(header) => {
                let found = Found { offset: self.offset, header };
                self.offset += header.block_size() as u64;
                self.next = header.position.next();
                Ok(Some(found))
            }
            Err(stop) => {
                self.stop = Some(stop);
                Ok(None)
            }
        }
    }

    /// The stream that its header names, where it could be read.
    pub fn stream(&self) -> Option<&StreamId> {
        self.stream.as_ref()
    }

    /// Bytes from the start that are whole: the header and the blocks that were given out.
    pub fn valid_size(&self) -> u64 {
        self.offset
    }

    /// The position after the last block that was given out.
    pub fn next_position(&self) -> Position {
        self.next
    }

    /// Why there is no next block; `None` before that.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    fn look(&mut self) -> io::Result<Result<block::Header, Stop>> {
        let left = self.window.size - self.offset;
        let Some(bytes) = self.window.at(self.offset, block::HEADER_SIZE)?.first_chunk().copied() else {
            return Ok(Err(if left == 0 { Stop::End } else { Stop::Torn }));
        };
        let header = block::Header::decode(&bytes);
        if !header.is_possible() {
            return Ok(Err(Stop::Damaged));
        }
        if left < header.block_size() as u64 {
            return Ok(Err(Stop::Torn));
        }
        if self.check == Check::Data && self.checksum(&bytes, header.size)? != block::checksum(&bytes) {
            return Ok(Err(Stop::Damaged));
        }
        if header.position != self.next {
            return Ok(Err(Stop::Position { expected: self.next, found: header.position }));
        }
        Ok(Ok(header))
    }

    fn checksum(&mut self, header: &[u8; block::HEADER_SIZE], size: usize) -> io::Result<u32> {
        let (mut crc, mut at, mut left) = (block::checksum_of_header(header), self.offset + block::HEADER_SIZE as u64, size);
        while left > 0 {
            let piece = self.window.at(at, 1)?;
            let piece = &piece[..piece.len().min(left)];
            crc = crc32c::crc32c_append(crc, piece);
            (at, left) = (at + piece.len() as u64, left - piece.len());
        }
        Ok(crc)
    }
}

/// The part of a segment that was read last.
#[derive(Debug)]
struct Window<'a, R> {
    read_at: R,
    size: u64,
    bytes: &'a mut [u8],
    start: u64,
    filled: usize,
}

impl<R: FnMut(u64, &mut [u8]) -> io::Result<()>> Window<'_, R> {
    /// The bytes from `offset` on: at least `wanted` of them, where there are so many.
    fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(wanted) as u64;
        if offset < self.start || offset + wanted > self.start + self.filled as u64 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(self.bytes.len());
            self.filled = 0;
            (self.read_at)(offset, &mut self.bytes[..size])?;
            (self.start, self.filled) = (offset, size);
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.filled);
        Ok(&self.bytes[from..self.filled])
    }
}
