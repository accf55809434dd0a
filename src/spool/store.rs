//! The segments of one disk in their order: blocks are appended behind the last one, found by their position, and forgotten from the front.
//!
//! It knows what is on the disk and how far a segment may be trusted; not why a block is there, nor what is acknowledged.
//!
//! - Positions rise within a segment without a gap; between two segments a gap is legal.
//! - Opening never fails for what it finds: a torn tail is cut, what cannot be read is set aside, and both are told.
//! - After an append or a sync that failed, nothing more is appended to that segment.

use std::collections::VecDeque;
use std::io;

use crate::spool::block::{HEADER_SIZE, Header, Position};
use crate::spool::disk::Disk;
use crate::spool::segment;

/// A segment that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The position of its first block.
    pub(super) number: u64,
    /// Behind its last block, where that is known: found segments are not read before it is their turn.
    pub(super) end: Option<Position>,
    /// Bytes that may be trusted, header included.
    pub(super) size: u64,
}

/// A place in a store: the blocks of `segment` before `offset` have been passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// This block.
    Block(Header),
    /// No block at or behind the position.
    Nothing,
    /// This segment cannot be read on.
    Damaged(u64),
}

#[derive(Debug)]
pub(super) struct Store<D> {
    pub(super) disk: D,
    /// The first bytes of each segment.
    head: Vec<u8>,
    segment_size: u64,
    segments: VecDeque<Segment>,
    used: u64,
    /// Nothing more is appended to the last segment.
    sealed: bool,
}

impl Place {
    /// The segment that it is in.
    pub(super) fn segment(&self) -> u64 {
        self.segment
    }
}

impl<D: Disk> Store<D> {
    /// What a disk holds. `damaged` is told each segment that had to be cut (and how many bytes went) or set aside.
    pub(super) fn open(mut disk: D, head: Vec<u8>, segment_size: u64, damaged: &mut dyn FnMut(u64, u64)) -> Store<D> {
        let found = disk.list().unwrap_or_default();
        let segments: VecDeque<Segment> = found.iter().map(|found| Segment { number: found.segment, end: None, size: found.size }).collect();
        let used = segments.iter().map(|segment| segment.size).sum();
        let mut store = Store { disk, head, segment_size, segments, used, sealed: false };
        store.cut_tail(damaged);
        store
    }

    /// Reads the last segment and cuts what was torn from it. One of which nothing is left goes, and the one before is last.
    fn cut_tail(&mut self, damaged: &mut dyn FnMut(u64, u64)) {
        while let Some(last) = self.segments.back().copied() {
            let read_at = |offset: usize, out: &mut [u8]| self.disk.read_at(last.number, offset, out);
            let scanned = segment::scan(&self.head, Position(last.number), last.size, read_at);
            match scanned {
                Ok(tail) if tail.end > Position(last.number) => {
                    let lost = last.size - tail.size;
                    // What cannot be cut is not trusted: the next block begins a new segment.
                    self.sealed = lost > 0 && self.disk.truncate(last.number, tail.size as usize).is_err();
                    if lost > 0 {
                        damaged(last.number, lost);
                    }
                    self.resize_last(tail.size, tail.end);
                    return;
                }
                Ok(_) => {
                    damaged(last.number, last.size.saturating_sub(self.head.len() as u64));
                    self.forget_last();
                    _ = self.disk.remove(last.number);
                }
                Err(_) => {
                    damaged(last.number, last.size);
                    self.forget_last();
                    _ = self.disk.set_aside(last.number);
                }
            }
        }
    }

    fn resize_last(&mut self, size: u64, end: Position) {
        if let Some(last) = self.segments.back_mut() {
            self.used -= last.size - size;
            (last.size, last.end) = (size, Some(end));
        }
    }

    fn forget_last(&mut self) {
        if let Some(last) = self.segments.pop_back() {
            self.used -= last.size;
        }
        self.sealed = true;
    }

    /// Behind the last block that is known to be here.
    pub(super) fn end(&self) -> Position {
        self.segments.back().map_or(Position(0), |last| last.end.unwrap_or(Position(last.number)))
    }

    /// The first block's position, as far as the segment's name says.
    pub(super) fn start(&self) -> Option<Position> {
        self.segments.front().map(|first| Position(first.number))
    }

    /// Bytes in segments.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Bytes that appending a block of this size adds.
    pub(super) fn cost(&self, position: Position, size: usize) -> u64 {
        size as u64 + if self.rolls(position, size) { self.head.len() as u64 } else { 0 }
    }

    /// Whether a block of this size begins a new segment.
    pub(super) fn rolls(&self, position: Position, size: usize) -> bool {
        self.sealed || self.segments.back().is_none_or(|last| last.end != Some(position) || last.size + size as u64 > self.segment_size)
    }

    /// Appends a whole block. On an error it is as if it had not been tried.
    pub(super) fn append(&mut self, position: Position, block: &[u8]) -> io::Result<()> {
        if self.rolls(position, block.len()) {
            if let Err(error) = self.disk.append(position.0, &self.head) {
                // Nobody knows how much of the header is there.
                _ = self.disk.remove(position.0);
                return Err(error);
            }
            self.segments.push_back(Segment { number: position.0, end: Some(position), size: self.head.len() as u64 });
            self.used += self.head.len() as u64;
            self.sealed = false;
        }
        let last = self.segments.back_mut().expect("a segment was just ensured");
        if let Err(error) = self.disk.append(last.number, block) {
            let (number, size) = (last.number, last.size);
            if last.end == Some(Position(number)) {
                self.forget_last();
                _ = self.disk.remove(number);
            } else {
                self.sealed = self.disk.truncate(number, size as usize).is_err();
            }
            return Err(error);
        }
        last.size += block.len() as u64;
        last.end = Some(position.next());
        self.used += block.len() as u64;
        Ok(())
    }

    /// The last segment's number and size.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        self.segments.back().map(|last| (last.number, last.size))
    }

    /// Nothing more is appended to the segment `number`, and nothing behind its first `size` bytes and from `end` on is trusted. One that is left with
    /// nothing goes.
    pub(super) fn seal(&mut self, number: u64, size: u64, end: Position) {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return };
        let segment = &mut self.segments[at];
        self.used -= segment.size.saturating_sub(size);
        (segment.size, segment.end) = (size.min(segment.size), Some(end));
        self.sealed = self.sealed || at + 1 == self.segments.len();
        if end <= Position(number) {
            self.used -= self.segments[at].size;
            self.segments.remove(at);
            _ = self.disk.remove(number);
        } else {
            _ = self.disk.truncate(number, size as usize);
        }
    }

    /// The first block at or behind `position`; `place` moves there.
    pub(super) fn peek(&mut self, position: Position, place: &mut Place) -> Peek {
        // The last segment that begins at or before the position, else the first one behind it.
        let mut at = self.segments.partition_point(|segment| segment.number <= position.0).saturating_sub(1);
        loop {
            let Some(segment) = self.segments.get(at).copied() else { return Peek::Nothing };
            let until = self.segments.get(at + 1).map_or(u64::MAX, |next| next.number);
            if place.segment != segment.number || place.offset == 0 {
                *place = Place { segment: segment.number, offset: 0 };
                // What this process wrote or scanned need not be looked at again.
                if segment.end.is_none() && !self.has_head(&segment) {
                    return Peek::Damaged(segment.number);
                }
                place.offset = self.head.len() as u64;
            }
            match self.next_in(&segment, position, until, place) {
                Ok(Some(header)) => return Peek::Block(header),
                Ok(None) => at += 1,
                Err(_) => return Peek::Damaged(segment.number),
            }
        }
    }

    fn has_head(&self, segment: &Segment) -> bool {
        let mut head = vec![0; self.head.len()];
        segment.size >= head.len() as u64 && self.disk.read_at(segment.number, 0, &mut head).is_ok() && head == self.head
    }

    /// The first block of `segment` from `place` on that stands at or behind `position` and before `until`.
    fn next_in(&mut self, segment: &Segment, position: Position, until: u64, place: &mut Place) -> io::Result<Option<Header>> {
        loop {
            if place.offset + HEADER_SIZE as u64 > segment.size {
                self.note_end(segment, until);
                // A piece of a header where a whole one should be.
                return if place.offset == segment.size { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            let mut bytes = [0; HEADER_SIZE];
            self.disk.read_at(segment.number, place.offset as usize, &mut bytes)?;
            let header = Header::decode(&bytes);
            if !header.is_possible() || header.position.0 < segment.number || place.offset + header.block_size() as u64 > segment.size {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if header.position.0 >= until || segment.end.is_some_and(|end| header.position >= end) {
                self.note_end(segment, until);
                return Ok(None);
            }
            if header.position >= position {
                return Ok(Some(header));
            }
            place.offset += header.block_size() as u64;
        }
    }

    fn note_end(&mut self, segment: &Segment, until: u64) {
        if let Some(segment) = self.segments.iter_mut().find(|other| other.number == segment.number) {
            segment.end = segment.end.or(Some(Position(until)));
        }
    }

    /// The bytes of the block that `peek` showed, as they are stored, appended to `out` and checked; `place` moves behind it.
    pub(super) fn read(&self, header: &Header, place: &mut Place, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        let mut head = [0; HEADER_SIZE];
        self.disk.read_at(place.segment, place.offset as usize, &mut head)?;
        out.resize(start + header.size, 0);
        let read = self.disk.read_at(place.segment, place.offset as usize + HEADER_SIZE, &mut out[start..]);
        if let Err(error) = read.and_then(|()| covers(&head, &out[start..])) {
            out.truncate(start);
            return Err(error);
        }
        place.offset += header.block_size() as u64;
        Ok(())
    }

    /// Whether `release` would forget anything.
    pub(super) fn would_release(&self, end: Position) -> bool {
        self.segments.front().is_some_and(|first| self.behind_first(first).is_some_and(|behind| behind <= end))
    }

    fn behind_first(&self, first: &Segment) -> Option<Position> {
        first.end.or_else(|| self.segments.get(1).map(|next| Position(next.number)))
    }

    /// Forgets the segments at the front that end at or before `end`; how many they were.
    pub(super) fn release(&mut self, end: Position) -> io::Result<usize> {
        let mut released = 0;
        while let Some(first) = self.segments.front().copied().filter(|_| self.would_release(end)) {
            self.forget(first.number);
            self.disk.remove(first.number)?;
            released += 1;
        }
        Ok(released)
    }

    /// Lines in the blocks of a segment from `from` on: those before `opened` and those since, as far as it can be read.
    pub(super) fn lines_in(&mut self, number: u64, from: Position, opened: Position) -> (u64, u64) {
        let Some(segment) = self.segments.iter().find(|segment| segment.number == number).copied() else { return (0, 0) };
        let (mut place, mut lines) = (Place { segment: number, offset: self.head.len() as u64 }, (0, 0));
        while let Ok(Some(header)) = self.next_in(&segment, from, u64::MAX, &mut place) {
            if header.position < opened { lines.0 += u64::from(header.lines) } else { lines.1 += u64::from(header.lines) }
            place.offset += header.block_size() as u64;
        }
        lines
    }

    /// Lines in the blocks of a segment from `from` on and before `until`.
    pub(super) fn lines_between(&mut self, number: u64, from: Position, until: Position) -> u64 {
        let (before, since) = self.lines_in(number, from, until);
        debug_assert!(since == 0 || until.0 < u64::MAX);
        before
    }

    /// Forgets one segment and keeps it on the disk for a person to look at.
    pub(super) fn set_aside(&mut self, number: u64) {
        self.forget(number);
        if self.disk.set_aside(number).is_err() {
            _ = self.disk.remove(number);
        }
    }

    /// Forgets one segment.
    pub(super) fn drop_segment(&mut self, number: u64) -> io::Result<()> {
        self.forget(number);
        self.disk.remove(number)
    }

    fn forget(&mut self, number: u64) {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return };
        self.sealed = self.sealed || at + 1 == self.segments.len();
        if let Some(segment) = self.segments.remove(at) {
            self.used -= segment.size;
        }
    }

    /// Forgets all blocks from `position` on.
    pub(super) fn cut(&mut self, position: Position) -> io::Result<()> {
        while let Some(last) = self.segments.back().copied().filter(|last| last.number >= position.0) {
            self.drop_segment(last.number)?;
        }
        let Some(last) = self.segments.back().copied().filter(|last| last.end.is_some_and(|end| end > position)) else { return Ok(()) };
        let mut place = Place::default();
        if let Peek::Block(_) = self.peek(position, &mut place) {
            self.disk.truncate(last.number, place.offset as usize)?;
            self.resize_last(place.offset, position);
        }
        Ok(())
    }
}

fn covers(head: &[u8; HEADER_SIZE], data: &[u8]) -> io::Result<()> {
    if crate::spool::block::covers(head, data) { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a block does not fit it")) }
}
