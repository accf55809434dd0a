//! The segments of one disk in their order: blocks are appended behind the last one, found by their position, and forgotten from the front.
//!
//! It knows what is on the disk and how far a segment may be trusted; not why a block is there, nor what is acknowledged.
//!
//! - Positions rise within a segment without a gap; between two segments a gap is legal.
//! - Opening never fails for what it finds: a torn tail is cut, what cannot be read is set aside, and both are told.
//! - After an append or a sync that failed, nothing more is appended to that segment.

mod recovery;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::planted;
use crate::planted::Bug;
use crate::spool::block::{self, HEADER_SIZE, Header, Position};
use crate::spool::cursor::Cursor;
use crate::spool::disk::{Disk, PendingSync};
use crate::spool::segment::{self, HEADER_SIZE_MAX, Stop, StreamId};

/// A segment that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The position of its first block.
    pub(super) number: u64,
    /// Behind its last block, where that is known: found segments are not read before it is their turn.
    pub(super) end: Option<Position>,
    /// Bytes that may be trusted, header included.
    pub(super) size: u64,
    /// Bytes behind those, which could not be cut off.
    pub(super) waste: u64,
    /// What follows could not be read: it is set aside once nothing of it is needed any more.
    pub(super) bad: bool,
}

/// A place in a store: the blocks of `segment` before `offset`, which are those before `next`, have been passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
    next: Position,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// This block.
    Block(Header),
    /// No block at or behind the position.
    Nothing,
    /// This segment cannot be read from this position on.
    Damaged(u64, Position),
}

/// What opening a store found to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repair {
    /// The segment.
    pub(super) segment: u64,
    /// Bytes that were cut from it, or all of it.
    pub(super) bytes: u64,
}

/// A segment that nobody needs here and that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doomed {
    number: u64,
    size: u64,
    /// A person may want to look at it.
    aside: bool,
}

#[derive(Debug)]
pub(super) struct Store<D> {
    pub(super) disk: D,
    cursor: Cursor,
    stream: StreamId,
    /// The first bytes of each segment that is begun here.
    head: Vec<u8>,
    segment_size: u64,
    segments: VecDeque<Segment>,
    used: u64,
    /// Bytes in segments that are left as they are: of a later version, or of another stream with the same short name.
    stranded: u64,
    /// Segments that are forgotten and could not be removed, or set aside, yet. No block is written where one of them is in the way.
    doomed: Vec<Doomed>,
    /// Nothing more is appended to the last segment.
    sealed: bool,
    /// The cold disk is away; the cursor says so.
    pub(super) away: bool,
    /// The disk told what it holds. Else nothing is written to it: it might be in the way of what is there.
    listed: bool,
    /// The cursor could be read, or was written anew. Before that nothing is written: what is there may call it acknowledged some day.
    cursor_known: bool,
}

impl Place {
    /// The segment that it is in.
    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    fn pass(&mut self, header: &Header) {
        self.offset += header.block_size() as u64;
        self.next = header.position.next();
    }
}

impl<D: Disk> Store<D> {
    /// The cursor as it was read or written last.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Writes the cursor to the slot that does not hold it now. In place of one that could not be read it goes to both, durably: the old one must not come
    /// back, since positions that it calls acknowledged are used again.
    pub(super) fn write_cursor(&mut self, acknowledged: Position, next_attempt: Option<Duration>, dropped: u64) -> io::Result<()> {
        let mut cursor = Cursor { sequence: self.cursor.sequence + 1, acknowledged, next_attempt, away: self.away, ..self.cursor };
        cursor.dropped[0] = cursor.dropped[0].saturating_add(dropped);
        self.disk.write_cursor(cursor.slot(), &cursor.encode())?;
        if !self.cursor_known {
            cursor.sequence += 1;
            self.disk.write_cursor(cursor.slot(), &cursor.encode())?;
            self.disk.begin_sync_cursor()?.wait()?;
            self.cursor_known = true;
        }
        self.cursor = cursor;
        Ok(())
    }

    /// The last segment has its first `size` bytes, and of the others nothing where they are `cut`.
    fn resize_last(&mut self, size: u64, end: Position, cut: bool) {
        if let Some(last) = self.segments.back_mut() {
            let off = last.size - size;
            (last.size, last.end) = (size, Some(end));
            if cut { self.used -= off } else { last.waste += off }
        }
    }

    /// Behind the last block that is known to be here.
    pub(super) fn end(&self) -> Position {
        self.segments.back().map_or(Position(0), |last| last.end.unwrap_or(Position(last.number)))
    }

    /// The first block's position, as far as the segment's name says.
    pub(super) fn start(&self) -> Option<Position> {
        self.segments.front().map(|first| Position(first.number))
    }

    /// Bytes in segments, and in those that could not be removed yet.
    pub(super) fn used(&self) -> u64 {
        self.used + self.doomed.iter().map(|doomed| doomed.size).sum::<u64>()
    }

    /// Bytes of everything that the disk keeps for a spool, whosever it is.
    pub(super) fn occupied(&self) -> u64 {
        self.used() + self.stranded + self.disk.used_elsewhere()
    }

    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Bytes that appending a block of this size adds.
    pub(super) fn cost(&self, position: Position, size: usize) -> u64 {
        size as u64 + if self.rolls(position, size) { self.head.len() as u64 } else { 0 }
    }

    /// Whether a block of this size begins a new segment.
    pub(super) fn rolls(&self, position: Position, size: usize) -> bool {
        let in_the_way = self.doomed.iter().any(|doomed| doomed.number == position.0);
        self.sealed || in_the_way || self.segments.back().is_none_or(|last| last.end != Some(position) || last.size + size as u64 > self.segment_size)
    }

    /// Appends a whole block. On an error it is as if it had not been tried.
    pub(super) fn append(&mut self, position: Position, block: &[u8]) -> io::Result<()> {
        // It may be one that could not be read when this position was given out on the other disk.
        self.cursor_known &= self.cursor.acknowledged <= position;
        if !self.cursor_known {
            self.write_cursor(self.cursor.acknowledged.min(position), None, 0)?;
        }
        if self.rolls(position, block.len()) {
            self.begin_segment(position)?;
        }
        let last = self.segments.back_mut().expect("a segment was just ensured");
        if let Err(error) = self.disk.append(last.number, block) {
            let Segment { number, size, end, .. } = *last;
            // Nobody knows how much of the block is there.
            last.waste += block.len() as u64;
            self.used += block.len() as u64;
            if end == Some(Position(number)) {
                self.remove(number);
            } else if self.disk.truncate(number, size).is_ok() {
                last.waste -= block.len() as u64;
                self.used -= block.len() as u64;
            } else {
                self.sealed = true;
            }
            return Err(error);
        }
        last.size += block.len() as u64;
        last.end = Some(position.next());
        self.used += block.len() as u64;
        Ok(())
    }

    fn begin_segment(&mut self, position: Position) -> io::Result<()> {
        if !self.listed {
            return Err(io::Error::other("what it holds could not be listed"));
        }
        let size = self.head.len() as u64;
        self.clear_the_way(position.0)?;
        if let Err(error) = self.disk.append(position.0, &self.head) {
            // Nobody knows how much of the header is there.
            if self.disk.remove(position.0).is_err() {
                self.doomed.push(Doomed { number: position.0, size, aside: false });
            }
            return Err(error);
        }
        self.segments.push_back(Segment { number: position.0, end: Some(position), size, waste: 0, bad: false });
        self.used += size;
        self.sealed = false;
        Ok(())
    }

    /// A segment begins in a file of its own: what could not be removed or set aside may be in its place.
    fn clear_the_way(&mut self, number: u64) -> io::Result<()> {
        if let Some(at) = self.doomed.iter().position(|doomed| doomed.number == number) {
            self.disk_removes(self.doomed[at])?;
            self.doomed.swap_remove(at);
        }
        match self.disk.read_at(number, 0, &mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        self.disk.set_aside(number)
    }

    /// The last segment's number and size.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        self.segments.back().map(|last| (last.number, last.size))
    }

    /// Nothing more is appended to the segment `number`, and nothing behind its first `size` bytes and from `end` on is trusted. One that is left with
    /// nothing goes.
    pub(super) fn seal(&mut self, number: u64, size: u64, end: Position) {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return };
        self.sealed = self.sealed || at + 1 == self.segments.len();
        if end <= Position(number) {
            return self.remove(number);
        }
        let segment = &mut self.segments[at];
        let off = segment.size.saturating_sub(size);
        (segment.size, segment.end) = (segment.size - off, Some(end));
        if off > 0 && self.disk.truncate(number, size).is_err() {
            segment.waste += off;
        } else {
            self.used -= off;
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
                *place = Place { segment: segment.number, offset: 0, next: Position(segment.number) };
                match self.head_size(&segment) {
                    Ok(size) => place.offset = size,
                    Err(Stop::UnknownVersion(_) | Stop::OtherStream) => {
                        self.stranded += self.forget(segment.number);
                        continue;
                    }
                    Err(_) => return Peek::Damaged(segment.number, place.next),
                }
            }
            match self.next_in(&segment, position, until, place) {
                Ok(Some(header)) => return Peek::Block(header),
                Ok(None) => at += 1,
                Err(_) => return Peek::Damaged(segment.number, place.next),
            }
        }
    }

    /// Where the first block stands. What this process wrote or walked through is not looked at again.
    fn head_size(&self, segment: &Segment) -> Result<u64, Stop> {
        if segment.end.is_some() {
            return Ok(self.head.len() as u64);
        }
        let mut bytes = vec![0; usize::try_from(segment.size).unwrap_or(usize::MAX).min(HEADER_SIZE_MAX)];
        self.disk.read_at(segment.number, 0, &mut bytes).map_err(|_| Stop::Damaged)?;
        let (stream, size) = segment::read_header(&bytes)?;
        if stream == self.stream || planted::is(Bug::SendsToAnotherStream) { Ok(size as u64) } else { Err(Stop::OtherStream) }
    }

    /// The first block of `segment` from `place` on that stands at or behind `position` and before `until`.
    fn next_in(&mut self, segment: &Segment, position: Position, until: u64, place: &mut Place) -> io::Result<Option<Header>> {
        loop {
            if segment.end.is_some_and(|end| place.next >= end) {
                return Ok(None);
            }
            if place.offset + HEADER_SIZE as u64 > segment.size {
                self.note_end(segment, until);
                // A piece of a header where a whole one should be.
                return if place.offset == segment.size { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            let mut bytes = [0; HEADER_SIZE];
            self.disk.read_at(segment.number, place.offset, &mut bytes)?;
            let header = Header::decode(&bytes);
            if !header.is_possible() || header.position != place.next || place.offset + header.block_size() as u64 > segment.size {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if header.position.0 >= until {
                self.note_end(segment, until);
                return Ok(None);
            }
            if header.position >= position {
                return Ok(Some(header));
            }
            place.pass(&header);
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
        self.disk.read_at(place.segment, place.offset, &mut head)?;
        out.resize(start + header.size, 0);
        let read = self.disk.read_at(place.segment, place.offset + HEADER_SIZE as u64, &mut out[start..]);
        if let Err(error) = read.and_then(|()| covers(&head, &out[start..])) {
            out.truncate(start);
            return Err(error);
        }
        place.pass(header);
        Ok(())
    }

    /// Whether another disk's cursor may say how far this is acknowledged: only where it stands within the first segment. One behind that may have been
    /// written while this disk was away, for what was acknowledged here has gone.
    pub(super) fn covers(&self, position: Position) -> bool {
        let behind = self.segments.front().and_then(|first| self.behind_first(first));
        self.start().is_some_and(|start| start <= position) && behind.is_some_and(|behind| position < behind)
    }

    /// Whether `release` would forget anything.
    pub(super) fn would_release(&self, end: Position) -> bool {
        self.segments.front().is_some_and(|first| self.behind_first(first).is_some_and(|behind| behind <= end))
    }

    fn behind_first(&self, first: &Segment) -> Option<Position> {
        first.end.or_else(|| self.segments.get(1).map(|next| Position(next.number)))
    }

    /// Forgets the segments at the front that end at or before `end`.
    pub(super) fn release(&mut self, end: Position) {
        self.remove_doomed();
        while let Some(first) = self.segments.front().copied().filter(|_| self.would_release(end)) {
            if first.bad { self.set_aside(first.number) } else { self.remove(first.number) }
        }
    }

    /// Tries again what could not be removed.
    pub(super) fn remove_doomed(&mut self) {
        while let Some(doomed) = self.doomed.last().copied() {
            if self.disk_removes(doomed).is_err() {
                return;
            }
            self.doomed.pop();
        }
    }

    fn disk_removes(&mut self, doomed: Doomed) -> io::Result<()> {
        if !doomed.aside {
            return self.disk.remove(doomed.number);
        }
        match self.disk.set_aside(doomed.number) {
            // It went without us.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Calls `each` for the header of every block from `from` on and before `until`; false where some could not be read.
    pub(super) fn each(&mut self, from: Position, until: Position, each: &mut dyn FnMut(&Header)) -> bool {
        let (mut place, mut position, mut all) = (Place::default(), from, true);
        // What is told here is only counted; reading it for delivery finds the damage again.
        while let Some(segment) = self.segments.iter().find(|segment| segment.end.is_none_or(|end| position < end)).copied() {
            let first = position.max(Position(segment.number));
            match self.peek(first, &mut place) {
                Peek::Block(header) if header.position < until => {
                    each(&header);
                    position = header.position.next();
                }
                Peek::Block(_) | Peek::Nothing => return all,
                Peek::Damaged(number, _) => {
                    all = false;
                    match self.segments.iter().find(|segment| segment.number > number) {
                        Some(next) => position = Position(next.number),
                        None => return false,
                    }
                }
            }
        }
        all
    }

    /// Whether a block of this position is here, as far as segments tell.
    pub(super) fn contains(&self, position: Position) -> bool {
        self.segments.iter().any(|segment| segment.number <= position.0 && segment.end.is_some_and(|end| position < end))
    }

    /// The blocks of a segment from `position` on cannot be read. It stays until those before are not needed any more, then it is set aside.
    pub(super) fn give_up(&mut self, number: u64, position: Position) {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return };
        if position <= Position(number) {
            return self.set_aside(number);
        }
        self.segments[at].end = Some(position);
        self.segments[at].bad = true;
        self.sealed = self.sealed || at + 1 == self.segments.len();
    }

    /// Forgets one segment and keeps it on the disk for a person to look at.
    fn set_aside(&mut self, number: u64) {
        self.let_go(number, true);
    }

    /// Forgets one segment and removes it, now or later.
    pub(super) fn remove(&mut self, number: u64) {
        self.let_go(number, false);
    }

    fn let_go(&mut self, number: u64, aside: bool) {
        let doomed = Doomed { number, size: self.forget(number), aside };
        if self.disk_removes(doomed).is_err() {
            self.doomed.push(doomed);
        }
    }

    /// Returns the bytes that it has.
    fn forget(&mut self, number: u64) -> u64 {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return 0 };
        self.sealed = self.sealed || at + 1 == self.segments.len();
        let size = self.segments.remove(at).map_or(0, |segment| segment.size + segment.waste);
        self.used -= size;
        size
    }

    /// Forgets all blocks from `position` on.
    pub(super) fn cut(&mut self, position: Position) {
        while let Some(last) = self.segments.back().copied().filter(|last| last.number >= position.0) {
            self.remove(last.number);
        }
        let Some(last) = self.segments.back().copied().filter(|last| last.end.is_some_and(|end| end > position)) else { return };
        let mut place = Place::default();
        if let Peek::Block(_) = self.peek(position, &mut place) {
            let cut = self.disk.truncate(last.number, place.offset).is_ok();
            self.resize_last(place.offset, position, cut);
            self.sealed = self.sealed || !cut;
        }
    }
}

fn covers(head: &[u8; HEADER_SIZE], data: &[u8]) -> io::Result<()> {
    if block::covers(head, data) { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a block does not fit it")) }
}
