//! Lines waiting for delivery: blocks are appended at the end, read once in order, acknowledged from the front. Two disks hold them.
//!
//! ```text
//! append ─▶ hot ─────────────────▶ read ─▶ (packer, batch) ─▶ acknowledge
//!            └─ settle ─▶ cold ──────┘
//! ```
//!
//! Every block is born in **hot** (memory, or a directory in memory) and dies there while all is well. *Settling* copies what is in hot to **cold** (a directory
//! on a card), makes it durable and lets go of it in hot. When that is wanted, the pipeline decides; see `pipeline/settling.rs`.
//!
//! - Positions rise with each block and are never used twice: the next one is behind all data and behind the cursor.
//! - A block stays until it is acknowledged, is dropped for want of room, or its segment cannot be read. Each is counted.
//! - Reading moves forward only. A retry is *not acknowledging*; nothing is read twice in one run.
//! - A cold disk that fails or is full changes nothing about hot; it is tried again later.

mod losses;
mod view;

use std::io;
use std::time::Duration;

use crate::config::WhenFull;
use crate::planted;
use crate::planted::Bug;
use crate::random::Random;
use crate::spool::block::{self, BlockBuilder, CODEC_DEFLATE, Header, Position};
use crate::spool::census::{Dropped, add_lines};
use crate::spool::cold::{Cold, ColdOptions, ColdState};
use crate::spool::disk::Disk;
use crate::spool::segment::StreamId;
use crate::spool::store::{Peek, Place, Repair, Store};
use crate::time::Now;
use losses::MadeRoom;

/// Positions that are left out where nobody knows how far they were used: more than blocks that a cold disk holds. As microseconds, a second.
const FAR: u64 = 1 << 20;

/// Bounds of a spool.
#[derive(Clone, Copy, Debug)]
pub struct SpoolOptions {
    /// Bytes in hot. A block larger than all of it is taken while hot is empty.
    pub hot_size: usize,
    /// Bytes of a segment, in which room comes back.
    pub segment_size: usize,
    /// What becomes of lines for which there is no room.
    pub when_full: WhenFull,
    /// Bounds of cold.
    pub cold: ColdOptions,
}

/// The spool has no room until something is acknowledged or settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What happened to the spool that a person should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolCounters {
    /// Lines of earlier runs that were met, by reading or by dropping them.
    pub found: u64,
    /// Lines given up for want of room.
    pub dropped_full: u64,
    /// Lines whose segment could not be read.
    pub dropped_damaged: u64,
    /// Bytes cut from segments that were torn.
    pub torn: u64,
    /// Segments that were set aside.
    pub damaged: u64,
    /// Bytes written to cold.
    pub settled: u64,
    /// Failed attempts to settle.
    pub cold_failures: u64,
}

/// Where a block is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Hot,
    Cold,
}

/// Lines waiting for delivery.
#[derive(Debug)]
pub struct Spool<D: Disk> {
    options: SpoolOptions,
    hot: Store<D>,
    cold: Option<Cold<D>>,
    /// The next block's position.
    next: Position,
    /// The first position of this run.
    opened: Position,
    /// The next block to read.
    read: Position,
    source: Source,
    hot_place: Place,
    cold_place: Place,
    /// Where the first block stands that is in hot only.
    unsettled_place: Place,
    /// Every block before it is acknowledged.
    acknowledged: Position,
    /// Of the blocks before it, some can be read from no disk that lasts: until they are acknowledged nobody may call them durable.
    in_memory: Position,
    /// Lines of this run in blocks from `read` on.
    unread_lines: u64,
    /// Some were counted that could not be read, or were not.
    miscounted: bool,
    counters: SpoolCounters,
    made_room: MadeRoom,
    /// A stored block, before it is unpacked.
    packed: Vec<u8>,
}

impl<D: Disk> Spool<D> {
    /// What two disks hold for `stream`. Never fails for what it finds: see [`Spool::counters`].
    pub fn open(hot: D, cold: Option<D>, stream: &StreamId, options: SpoolOptions) -> Spool<D> {
        let mut counters = SpoolCounters::default();
        let mut repaired = |repair: Repair| {
            counters.torn += repair.bytes;
            counters.damaged += 1;
        };
        let segment_size = options.segment_size as u64;
        let mut hot = Store::open(hot, stream, segment_size, &mut repaired);
        let mut cold = cold.map(|disk| Cold::open(Store::open(disk, stream, segment_size, &mut repaired), options.cold));
        // The cursor may be behind the data, and after a power cut before it.
        let mut next = Position(hot.disk.first_free()).max(hot.end()).max(hot.cursor().acknowledged);
        let in_hot = hot.cursor().acknowledged;
        let mut acknowledged = if hot.start().is_some() { in_hot } else { next };
        if let Some(cold) = &mut cold {
            let own = cold.store.cursor().acknowledged;
            next = next.max(Position(cold.store.disk.first_free())).max(cold.store.end()).max(own);
            // A run that could not open cold may have acknowledged beyond it.
            let in_cold = if !hot.cursor().away && cold.store.covers(in_hot) { own.max(in_hot) } else { own };
            cold.store.release(in_cold);
            acknowledged = match (hot.start(), cold.store.start()) {
                (None, None) => next,
                (Some(_), None) => in_hot,
                (None, Some(_)) => in_cold,
                (Some(_), Some(_)) => in_hot.min(in_cold),
            };
            cold.adopt(acknowledged, &mut hot);
        }
        if planted::is(Bug::ReusesPositions) {
            next = hot.end().max(cold.as_ref().map_or(Position(0), |cold| cold.store.end()));
            acknowledged = acknowledged.min(next);
        }
        let mut spool = Spool {
            options,
            hot,
            cold,
            next,
            opened: next,
            read: acknowledged,
            source: Source::Hot,
            hot_place: Place::default(),
            cold_place: Place::default(),
            unsettled_place: Place::default(),
            acknowledged,
            in_memory: Position(0),
            unread_lines: 0,
            miscounted: false,
            counters,
            made_room: MadeRoom::default(),
            packed: Vec::new(),
        };
        // What was acknowledged and not yet forgotten.
        spool.hot.release(in_hot);
        spool
    }

    /// The cold disk could not be opened and may hold anything: positions begin behind whatever an earlier run can have used, so that [`Spool::adopt_cold`],
    /// or the next start, may take it later. A clock that goes well keeps their order; where it does not and hot knows nothing, chance keeps two such runs
    /// apart, and adopting cold sees what is out of order.
    pub fn begin_late(&mut self, now: Now, random: &mut Random) {
        if self.cold.is_some() {
            return;
        }
        let base = (self.next.0 + FAR).max(u64::try_from(now.wall.as_micros()).unwrap_or(0));
        let base = Position(base + random.up_to(FAR));
        (self.next, self.opened, self.hot.away) = (base, base, true);
        if self.hot.start().is_none() {
            (self.read, self.acknowledged) = (base, base);
        }
    }

    /// Takes a cold disk that could not be opened before, if nothing waits in it; false, and the disk is let go, where something does: it is older than what
    /// was read since, and reading never goes back.
    pub fn adopt_cold(&mut self, disk: D) -> bool {
        let store = Store::open(disk, self.hot.stream(), self.options.segment_size as u64, &mut |_| {});
        let used = Position(store.disk.first_free()).max(store.cursor().acknowledged);
        if self.cold.is_some() || store.start().is_some() || used > self.opened {
            return false;
        }
        let mut cold = Cold::open(store, self.options.cold);
        cold.settled = self.acknowledged;
        (self.cold, self.hot.away) = (Some(cold), false);
        true
    }

    /// Appends a block. On `Full` nothing has changed.
    pub fn append(&mut self, block: &mut BlockBuilder, now: Now) -> Result<(), Full> {
        if !self.make_room(block.size(), now) {
            if self.options.when_full != WhenFull::DropNewest || self.wants_settling(now) {
                return Err(Full);
            }
            self.counters.dropped_full += u64::from(block.lines());
            return Ok(());
        }
        // A directory in memory may be full or gone: as if hot were smaller.
        self.hot.append(self.next, block.finish(self.next, now)).map_err(|_| Full)?;
        self.next = self.next.next();
        self.unread_lines += u64::from(block.lines());
        Ok(())
    }

    /// Whether a block of this size fits hot. With `drop_oldest` and nowhere to settle to, the oldest segments that are not on their way make room for it.
    fn make_room(&mut self, size: usize, now: Now) -> bool {
        self.hot.remove_doomed();
        while self.hot.used() > 0 && self.hot.occupied() + self.hot.cost(self.next, size) > self.options.hot_size as u64 {
            let is_settling = self.cold.as_ref().is_some_and(Cold::is_settling);
            if self.options.when_full != WhenFull::DropOldest || self.wants_settling(now) || is_settling {
                return false;
            }
            let (read, last) = (self.read.0, self.hot.last().map(|(number, _)| number));
            let oldest = self
                .hot
                .segments()
                .map(|segment| segment.number)
                .find(|number| (*number >= read || planted::is(Bug::DropsTheSegmentInFlight)) && Some(*number) != last);
            let Some(oldest) = oldest else { return false };
            // What is in cold as well is not lost.
            let from = self.cold.as_ref().map_or(Position(0), |cold| cold.settled).max(Position(oldest));
            let until = self.hot.segments().map(|segment| segment.number).find(|number| *number > oldest).map_or(self.next, Position);
            let (mut lines, opened) = ((0, 0), self.opened);
            self.miscounted |= !self.hot.each(from, until, &mut |header| add_lines(&mut lines, header, opened));
            self.count_dropped(lines, until);
            self.hot.remove(oldest);
        }
        true
    }

    /// The next block's header, if one is there.
    pub fn peek(&mut self) -> Option<Header> {
        loop {
            let cold = self.cold.as_mut().map_or(Peek::Nothing, |cold| cold.store.peek(self.read, &mut self.cold_place));
            let hot = self.hot.peek(self.read, &mut self.hot_place);
            let (source, header) = match (cold, hot) {
                (Peek::Damaged(segment, position), _) => {
                    self.lose(Source::Cold, segment, position);
                    continue;
                }
                (_, Peek::Damaged(segment, position)) => {
                    self.lose(Source::Hot, segment, position);
                    continue;
                }
                (Peek::Block(cold), Peek::Block(hot)) if cold.position < hot.position => (Source::Cold, cold),
                (_, Peek::Block(hot)) => (Source::Hot, hot),
                (Peek::Block(cold), Peek::Nothing) => (Source::Cold, cold),
                (Peek::Nothing, Peek::Nothing) => {
                    self.count_again();
                    return None;
                }
            };
            self.source = source;
            return Some(self.shown(header));
        }
    }

    /// The monotonic clock of another process means nothing here: what it left has waited long enough.
    fn shown(&self, mut header: Header) -> Header {
        if header.position < self.opened {
            header.accepted.mono = Duration::ZERO;
        }
        header
    }

    /// Appends the entries of the block that `peek` showed to `out`. An error means that they cannot be read: the spool has given them up, so `peek` again.
    pub fn read(&mut self, header: &Header, out: &mut Vec<u8>) -> io::Result<()> {
        let from_cold = self.source == Source::Cold;
        let segment = if from_cold { self.cold_place.segment() } else { self.hot_place.segment() };
        let start = out.len();
        let mut result = match &mut self.cold {
            Some(cold) if from_cold && header.codec == CODEC_DEFLATE => {
                self.packed.clear();
                let stored = cold.store.read(header, &mut self.cold_place, &mut self.packed);
                stored.and_then(|()| cold.unpacking.unpack(&self.packed, header.plain_size, out).map_err(|_| io::ErrorKind::InvalidData.into()))
            }
            Some(cold) if from_cold => cold.store.read(header, &mut self.cold_place, out),
            // Nothing is packed in hot.
            _ => self.hot.read(header, &mut self.hot_place, out),
        };
        if result.is_ok() && header.position < self.opened && !block::is_sound(&out[start..], header.lines) {
            out.truncate(start);
            result = Err(io::ErrorKind::InvalidData.into());
        }
        if let Err(error) = result {
            self.lose(self.source, segment, header.position);
            return Err(error);
        }
        self.read = header.position.next();
        if header.position < self.opened {
            self.counters.found += u64::from(header.lines);
        } else {
            // More than there are only where lines were counted as lost that could be read after all.
            let more = u64::from(header.lines).saturating_sub(self.unread_lines);
            self.unread_lines -= u64::from(header.lines) - more;
            self.counters.dropped_damaged = self.counters.dropped_damaged.saturating_sub(more);
        }
        Ok(())
    }

    /// Every block before `end` has been delivered or given up.
    pub fn acknowledge(&mut self, end: Position, now: Now) {
        assert!(self.acknowledged <= end, "acknowledgement never goes back");
        assert!(end <= self.read, "only what was read can be acknowledged");
        if end == self.acknowledged {
            return;
        }
        self.acknowledged = end;
        // The cursor is a hint: what cannot be written costs duplicates after the next start.
        let cursor = if planted::is(Bug::WritesTheCursorTooEarly) { self.read } else { end };
        _ = self.hot.write_cursor(cursor, None, 0);
        self.hot.release(if planted::is(Bug::ForgetsWhatIsOpen) { self.read } else { end });
        if let Some(cold) = &mut self.cold {
            cold.acknowledge(end, now);
        }
    }

    /// Whether something is in hot only and there is a cold disk that may take it.
    fn wants_settling(&self, now: Now) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.settled < self.next && (cold.spares() || cold.until(now).is_none()))
    }

    /// When the oldest line that is in hot only was accepted, and the bytes in hot; None when there is none, or no cold disk.
    pub fn unsettled(&mut self) -> Option<(Duration, u64)> {
        let settled = self.cold.as_ref()?.settled;
        if settled >= self.next {
            return None;
        }
        match self.hot.peek(settled, &mut self.unsettled_place) {
            Peek::Block(header) => Some((self.shown(header).accepted.mono, self.hot.used())),
            // What was there has been dropped.
            Peek::Nothing => {
                let next = self.next;
                _ = self.cold.as_mut().map(|cold| cold.settled = next);
                None
            }
            Peek::Damaged(..) => None,
        }
    }

    /// Whether every line is durable or acknowledged.
    pub fn is_settled(&self) -> bool {
        let tail = u64::from(planted::is(Bug::LosesTheTail));
        self.is_durable(Position(0), Position(self.next.0 - tail.min(self.next.0)))
    }

    /// Copies what is in hot only to cold, as much as fits one segment, and gives what makes it durable: wait for it outside of any lock, then call
    /// [`Spool::settled`]. None when there is nothing to do, or cold cannot take it now.
    ///
    /// `may_drop`: with `drop_oldest` the oldest lines make room for what has none. Otherwise it stays in hot, and [`Cold::spares`] says so.
    pub fn begin_settle(&mut self, now: Now, may_drop: bool) -> Option<D::Sync> {
        let settled = self.cold.as_ref()?.settled;
        while let Peek::Damaged(segment, position) = self.hot.peek(settled, &mut Place::default()) {
            self.lose(Source::Hot, segment, position);
        }
        let drops_oldest = self.options.when_full == WhenFull::DropOldest;
        let skip = (drops_oldest && may_drop).then_some(self.read);
        let (mut skipped, mut dropped) = (skip, Dropped::default());
        let (opened, hot, counters) = (self.opened, &mut self.hot, &mut self.counters);
        let cold = self.cold.as_mut()?;
        let sync = cold.begin_settle(hot, now, &mut skipped, opened, &mut dropped, counters);
        cold.spares = drops_oldest && !may_drop && *cold.state() == ColdState::Full && cold.until(now).is_some();
        self.read = skipped.unwrap_or(self.read);
        self.miscounted |= dropped.miscounted;
        self.count_dropped(dropped.lines, self.read);
        if planted::is(Bug::LetsGoBeforeTheSync) && sync.is_some() {
            self.hot.release(self.next);
        }
        sync
    }

    /// What became of the last [`Spool::begin_settle`].
    pub fn settled(&mut self, now: Now, result: io::Result<()>) {
        let Some(cold) = &mut self.cold else { return };
        match cold.settled(now, result) {
            Ok(end) => self.hot.release(end),
            Err(_) => {
                self.counters.cold_failures += 1;
                // Lines that hot lost meanwhile, which only now are lost.
                self.miscounted |= self.in_memory > self.acknowledged;
            }
        }
    }

    /// Forgets the lines of this run: whoever sent them keeps them and offers them again.
    pub fn take_back(&mut self) {
        self.hot.cut(self.opened);
        if let Some(cold) = self.cold.as_mut().filter(|_| !planted::is(Bug::KeepsWhatItHandsBack)) {
            cold.store.cut(self.opened);
        }
        self.unread_lines = 0;
    }

    /// The orderly end: the cursors know all that this run knows. `next_attempt` is when the endpoint should be asked again.
    pub fn close(&mut self, next_attempt: Option<Duration>) {
        let dropped = self.counters.dropped_full + self.counters.dropped_damaged;
        let acknowledged = if planted::is(Bug::WritesTheCursorTooEarly) { self.read } else { self.acknowledged };
        _ = self.hot.write_cursor(acknowledged, next_attempt, 0);
        if let Some(cold) = self.cold.as_mut().filter(|cold| dropped > 0 || cold.needs_cursor(next_attempt)) {
            _ = cold.store.write_cursor(acknowledged, next_attempt, dropped);
        }
    }

    /// When the endpoint should be asked again, on the wall clock, as the run before left it.
    pub fn next_attempt(&self) -> Option<Duration> {
        self.cold.as_ref().and_then(|cold| cold.store.cursor().next_attempt).or(self.hot.cursor().next_attempt)
    }

    /// Gives the disks back, as they are.
    pub fn into_disks(self) -> (D, Option<D>) {
        (self.hot.disk, self.cold.map(|cold| cold.store.disk))
    }
}
