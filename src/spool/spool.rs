//! The queue of blocks over a disk: appended at the end, read once in order, acknowledged from the front.
//!
//! - Positions rise with each block and are never used twice.
//! - A block stays until it is acknowledged; space comes back a whole segment at a time.
//! - Reading moves forward only. A retry is *not acknowledging*; nothing is read twice in one run.

use std::collections::VecDeque;
use std::io;

use crate::spool::block::{BlockBuilder, HEADER_SIZE, Header, Position};
use crate::spool::disk::Disk;
use crate::time::Now;

/// Bounds of a spool, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct SpoolOptions {
    /// All segments together.
    pub size: usize,
    /// After this many bytes the next block begins a new segment.
    pub segment_size: usize,
}

/// The spool has no room until something is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A segment that is on the disk. Its number is the position of its first block.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// The position after its last block.
    end: Position,
    size: usize,
}

/// Lines waiting for delivery.
#[derive(Debug)]
pub struct Spool<D> {
    disk: D,
    options: SpoolOptions,
    segments: VecDeque<Segment>,
    used: usize,
    /// Of the next block appended.
    next: Position,
    /// Of the next block read, and where it lies.
    read: Position,
    read_offset: usize,
    /// Every block before it is delivered or given up.
    acknowledged: Position,
    unread_lines: u64,
}

impl<D: Disk> Spool<D> {
    /// An empty spool over an empty disk.
    pub fn new(disk: D, options: SpoolOptions) -> Spool<D> {
        let zero = Position::default();
        Spool {
            disk,
            options,
            segments: VecDeque::with_capacity(16),
            used: 0,
            next: zero,
            read: zero,
            read_offset: 0,
            acknowledged: zero,
            unread_lines: 0,
        }
    }

    /// Appends a block. A block larger than the whole spool goes into an empty one, so that no line waits for ever.
    pub fn append(&mut self, block: &mut BlockBuilder, now: Now) -> io::Result<Result<(), Full>> {
        if self.used > 0 && self.used + block.size() > self.options.size {
            return Ok(Err(Full));
        }
        let roll = self.segments.back().is_none_or(|last| last.size + block.size() > self.options.segment_size);
        let number = if roll { self.next.0 } else { self.segments.back().map_or(self.next.0, |last| last.number) };
        self.disk.append(number, block.finish(self.next, now))?;
        if roll {
            self.segments.push_back(Segment { number, end: self.next, size: 0 });
        }
        let last = self.segments.back_mut().expect("a segment was just ensured");
        last.size += block.size();
        last.end = self.next.next();
        self.next = last.end;
        self.used += block.size();
        self.unread_lines += u64::from(block.lines());
        Ok(Ok(()))
    }

    /// The header of the next unread block.
    pub fn peek(&self) -> io::Result<Option<Header>> {
        let Some((segment, offset)) = self.read_place() else { return Ok(None) };
        let mut header = [0; HEADER_SIZE];
        self.disk.read_at(segment.number, offset, &mut header)?;
        let header = Header::decode(&header);
        assert_eq!(header.position, self.read, "a block stands where its position says");
        Ok(Some(header))
    }

    /// Appends the entries of the block that `peek` showed to `out` and moves on.
    pub fn read(&mut self, header: &Header, out: &mut Vec<u8>) -> io::Result<()> {
        assert_eq!(header.position, self.read, "blocks are read in order");
        let (segment, offset) = self.read_place().expect("peek showed a block");
        let start = out.len();
        out.resize(start + header.size, 0);
        self.disk.read_at(segment.number, offset + HEADER_SIZE, &mut out[start..])?;
        self.read = header.position.next();
        self.read_offset = offset + HEADER_SIZE + header.size;
        self.unread_lines -= u64::from(header.lines);
        Ok(())
    }

    /// Every block before `end` is done with; whole segments of them are forgotten.
    pub fn acknowledge(&mut self, end: Position) -> io::Result<()> {
        assert!(self.acknowledged <= end, "acknowledgement never goes back");
        assert!(end <= self.read, "only what was read can be acknowledged");
        self.acknowledged = end;
        while let Some(first) = self.segments.front().copied().filter(|first| first.end <= end) {
            self.segments.pop_front();
            self.used -= first.size;
            self.disk.remove(first.number)?;
        }
        Ok(())
    }

    /// The position of the next block to be read.
    pub fn read_position(&self) -> Position {
        self.read
    }

    /// Lines that were not read yet.
    pub fn unread_lines(&self) -> u64 {
        self.unread_lines
    }

    /// Bytes of all segments.
    pub fn used(&self) -> usize {
        self.used
    }

    fn read_place(&self) -> Option<(Segment, usize)> {
        let segment = self.segments.iter().find(|segment| segment.number <= self.read.0 && self.read < segment.end)?;
        Some((*segment, if segment.number == self.read.0 { 0 } else { self.read_offset }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::block::entries;
    use crate::spool::disk::RamDisk;
    use std::time::Duration;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::ZERO };

    fn spool(size: usize, segment_size: usize) -> Spool<RamDisk> {
        Spool::new(RamDisk::new(segment_size), SpoolOptions { size, segment_size })
    }

    fn block(lines: &[&str]) -> BlockBuilder {
        let mut block = BlockBuilder::new(1000);
        for line in lines {
            block.push("k", line.as_bytes());
        }
        block
    }

    fn read_all(spool: &mut Spool<RamDisk>) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(header) = spool.peek().unwrap() {
            let mut out = Vec::new();
            spool.read(&header, &mut out).unwrap();
            lines.extend(entries(&out, 0).map(|e| String::from_utf8_lossy(&out[e.line_start as usize..][..e.line_size as usize]).into_owned()));
        }
        lines
    }

    #[test]
    fn blocks_come_out_once_and_in_order_across_segments() {
        let mut spool = spool(10_000, 100);
        for i in 0..50 {
            spool.append(&mut block(&[&format!("m v={i}"), &format!("n v={i}")]), NOW).unwrap().unwrap();
        }
        assert_eq!(spool.unread_lines(), 100);
        let want: Vec<String> = (0..50).flat_map(|i| [format!("m v={i}"), format!("n v={i}")]).collect();
        assert_eq!(read_all(&mut spool), want);
        assert_eq!((spool.unread_lines(), read_all(&mut spool).len()), (0, 0));
    }

    #[test]
    fn a_reader_that_caught_up_goes_on_in_the_same_segment() {
        let mut spool = spool(10_000, 1_000);
        for i in 0..40 {
            let line = format!("m v={i}");
            spool.append(&mut block(&[&line]), NOW).unwrap().unwrap();
            assert_eq!(read_all(&mut spool), [line]);
        }
    }

    #[test]
    fn a_full_spool_says_so_and_has_room_again_once_a_segment_is_acknowledged() {
        let mut spool = spool(900, 180);
        let mut accepted = 0;
        while spool.append(&mut block(&["m v=1"]), NOW).unwrap().is_ok() {
            accepted += 1;
        }
        assert!(spool.used() <= 900 && accepted > 5);
        read_all(&mut spool);
        spool.acknowledge(Position(1)).unwrap();
        assert_eq!(spool.append(&mut block(&["m v=1"]), NOW).unwrap(), Err(Full), "one block of a segment frees nothing");
        spool.acknowledge(spool.read_position()).unwrap();
        assert_eq!(spool.used(), 0);
        assert_eq!(spool.append(&mut block(&["m v=1"]), NOW).unwrap(), Ok(()));
    }

    #[test]
    fn a_line_larger_than_the_whole_spool_goes_into_an_empty_one() {
        let mut spool = spool(100, 50);
        let long = "x".repeat(900);
        assert_eq!(spool.append(&mut block(&[&long]), NOW).unwrap(), Ok(()));
        assert_eq!(spool.append(&mut block(&["m v=1"]), NOW).unwrap(), Err(Full));
        assert_eq!(read_all(&mut spool), [long]);
    }
}
