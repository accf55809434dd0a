//! The cold half of a spool: what was settled, what is being settled, and what to do when the disk fails or is full.
//!
//! ```text
//! begin_settle: copy blocks from hot (packed where that halves them), one segment at most ─▶ the caller waits for the sync, outside of any lock
//! settled:      Ok ─▶ they may go from hot        Err ─▶ that segment takes no more, the next attempt begins another one
//! ```
//!
//! - After a failed sync nothing is synced through that descriptor again: what it covered is still in hot.
//! - It never takes more than `size` bytes, nor the last `min_free` of the file system.
//! - A failure is told and tried again after ten seconds; meanwhile the spool runs on hot alone.

use std::io;
use std::time::Duration;

use crate::limits::BLOCK_SIZE;
use crate::planted;
use crate::planted::Bug;
use crate::spool::block::{CODEC_DEFLATE, Header, Position};
use crate::spool::census::{Dropped, count_lines};
use crate::spool::codec::{Packing, Unpacking};
use crate::spool::disk::{Disk, PendingSync};
use crate::spool::spool::SpoolCounters;
use crate::spool::store::{Peek, Place, Store};
use crate::time::{Deadline, Now};

/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(10);
/// How often the cursor is written though no segment went.
const CURSOR_EVERY: Duration = Duration::from_secs(60);

/// Bounds of a cold disk.
#[derive(Clone, Copy, Debug)]
pub struct ColdOptions {
    /// Bytes of everything in its directory.
    pub size: u64,
    /// Per cent of the file system that are left free.
    pub min_free: u8,
}

/// How a cold disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColdState {
    /// It took what it was given last.
    Good,
    /// It has no room.
    Full,
    /// It failed, and why.
    Failed(String),
}

/// What is on its way to being durable.
#[derive(Clone, Copy, Debug)]
struct Settling {
    /// Behind the last block that was copied.
    end: Position,
    segment: u64,
    /// What the segment held before, all of it durable.
    size_before: u64,
    end_before: Position,
}

/// The cold half of a spool.
#[derive(Debug)]
pub struct Cold<D: Disk> {
    pub(super) store: Store<D>,
    pub(super) unpacking: Unpacking,
    packing: Packing,
    /// Every block before it is durable here, or acknowledged.
    pub(super) settled: Position,
    options: ColdOptions,
    settling: Option<Settling>,
    /// What is in hot belongs in front of what is here.
    out_of_order: bool,
    state: ColdState,
    /// It is left alone until then.
    until: Option<Deadline>,
    /// It has no room because nothing was to be given up for it yet.
    pub(super) spares: bool,
    cursor_due: Deadline,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl<D: Disk> Cold<D> {
    pub(super) fn open(store: Store<D>, options: ColdOptions) -> Cold<D> {
        Cold {
            store,
            unpacking: Unpacking::new(),
            packing: Packing::new(),
            settled: Position(0),
            options,
            settling: None,
            out_of_order: false,
            state: ColdState::Good,
            until: None,
            spares: false,
            cursor_due: Deadline(CURSOR_EVERY),
            plain: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Takes over what was found. Whoever wrote it may have died before it was durable, so it is made so; where that fails, what hot has as well is
    /// written again, behind it.
    ///
    /// Where this disk was away and the clock was wrong, hot may have lines that belong in front of what is here. Then nothing settles until all of this is
    /// delivered.
    pub(super) fn adopt(&mut self, acknowledged: Position, hot: &mut Store<D>) {
        let (mut place, store) = (Place::default(), &mut self.store);
        hot.each(acknowledged, store.end(), &mut |header| {
            let same = |copy: &Header| copy.position == header.position && copy.accepted == header.accepted && copy.lines == header.lines;
            self.out_of_order |= !matches!(store.peek(header.position, &mut place), Peek::Block(copy) if same(&copy));
        });
        if self.out_of_order {
            self.settled = acknowledged;
            return;
        }
        self.settled = self.store.end().max(acknowledged);
        if let Some((segment, size)) = self.store.last()
            && self.store.disk.begin_sync(segment).and_then(PendingSync::wait).is_err()
        {
            let end = self.store.end();
            self.store.seal(segment, size, end);
            let (mut start, mut behind) = (Position(0), None);
            hot.each(Position(0), Position(u64::MAX), &mut |header| {
                start = if behind == Some(header.position) { start } else { header.position };
                behind = Some(header.position.next());
            });
            if behind.is_some_and(|behind| behind >= end) {
                self.store.cut(start);
                self.settled = self.store.end().max(acknowledged);
            }
        }
    }

    /// Whether the cursor on the disk says more than an empty disk needs.
    pub(super) fn needs_cursor(&self, next_attempt: Option<Duration>) -> bool {
        self.store.start().is_some() || next_attempt.is_some() || self.store.cursor().next_attempt.is_some()
    }

    /// How it is.
    pub fn state(&self) -> &ColdState {
        &self.state
    }

    /// Bytes in it.
    pub fn used(&self) -> u64 {
        self.store.used()
    }

    /// When it is worth another attempt after it failed or was full; None when it is now.
    pub fn until(&self, now: Now) -> Option<Deadline> {
        self.until.filter(|until| !until.passed(now))
    }

    /// Whether it has no room only because [`Spool::begin_settle`](crate::spool::spool::Spool::begin_settle) was told to give nothing up.
    pub fn spares(&self) -> bool {
        self.spares
    }

    /// Whether a sync is waited for.
    pub fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    pub(super) fn acknowledge(&mut self, end: Position, now: Now) {
        self.settled = self.settled.max(end);
        let goes = self.store.would_release(end);
        // Where nothing is kept there is nothing to note down: while all is well the card is left alone.
        let due = self.store.start().is_some() && self.cursor_due.passed(now) && self.store.cursor().acknowledged < end;
        if goes || due {
            self.cursor_due = Deadline(now.mono + CURSOR_EVERY);
            // Before the segment goes: a cursor that is behind costs duplicates, never lines.
            _ = self.store.write_cursor(end, None, 0);
        }
        if goes {
            self.store.release(end);
            if self.state == ColdState::Full && self.has_room(BLOCK_SIZE as u64, 0) {
                (self.state, self.until, self.spares) = (ColdState::Good, None, false);
            }
        }
    }

    /// See [`crate::spool::spool::Spool::begin_settle`]. `read`: where the oldest may make room, the next block to
    /// read; it moves behind what had to go, and `dropped` counts those lines.
    pub(super) fn begin_settle(
        &mut self,
        hot: &mut Store<D>,
        now: Now,
        read: &mut Option<Position>,
        opened: Position,
        dropped: &mut Dropped,
        counters: &mut SpoolCounters,
    ) -> Option<D::Sync> {
        let left_alone = self.until(now).is_some() && !(self.spares && read.is_some());
        if self.settling.is_some() || left_alone {
            return None;
        }
        (self.until, self.spares) = (None, false);
        self.out_of_order &= self.store.start().is_some();
        if self.out_of_order {
            self.state = ColdState::Failed("it holds lines from before a time when it could not be opened; they go first".to_owned());
            self.until = Some(Deadline(now.mono + RETRY));
            return None;
        }
        let (mut place, mut end, mut began) = (Place::default(), self.settled, None::<Settling>);
        while let Peek::Block(mut header) = hot.peek(end, &mut place) {
            self.plain.clear();
            if hot.read(&header, &mut place, &mut self.plain).is_err() {
                // Reading it for delivery will find the same and give it up.
                self.until = Some(Deadline(now.mono + RETRY));
                break;
            }
            let packed = self.packing.pack(&self.plain, &mut self.packed);
            if packed {
                (header.size, header.codec) = (self.packed.len(), CODEC_DEFLATE);
            } else {
                std::mem::swap(&mut self.plain, &mut self.packed);
            }
            let size = header.block_size();
            if began.is_some() && self.store.rolls(header.position, size) {
                break;
            }
            if !self.ensure_room(hot, self.store.cost(header.position, size), read, opened, dropped) {
                (self.state, self.until) = (ColdState::Full, Some(Deadline(now.mono + RETRY)));
                break;
            }
            let before = self.store.last().filter(|_| !self.store.rolls(header.position, size));
            let head = header.seal(&self.packed);
            self.plain.clear();
            self.plain.extend_from_slice(&head);
            self.plain.extend_from_slice(&self.packed);
            if let Err(error) = self.store.append(header.position, &self.plain) {
                self.failed(now, &error, counters);
                break;
            }
            counters.settled += size as u64;
            end = header.position.next();
            let segment = self.store.last().map_or(header.position.0, |(number, _)| number);
            let fresh = Settling { end, segment, size_before: before.map_or(0, |(_, size)| size), end_before: header.position };
            began = Some(Settling { end, ..began.unwrap_or(fresh) });
        }
        let Some(began) = began else {
            // Whatever it was, asking again at once would not change it.
            self.until = self.until.or(Some(Deadline(now.mono + RETRY)));
            return None;
        };
        match self.store.disk.begin_sync(began.segment) {
            Ok(sync) => {
                self.settling = Some(began);
                Some(sync)
            }
            Err(error) => {
                self.undo(began);
                self.failed(now, &error, counters);
                None
            }
        }
    }

    /// The end of what became durable.
    pub(super) fn settled(&mut self, now: Now, result: io::Result<()>) -> io::Result<Position> {
        let Some(settling) = self.settling.take() else { return Ok(self.settled) };
        let result = if planted::is(Bug::TrustsAFailedSync) { Ok(()) } else { result };
        match result {
            // Everything in it was acknowledged meanwhile, and it went.
            Err(_) if self.store.segments().all(|segment| segment.number != settling.segment) => Ok(self.settled),
            Ok(()) => {
                self.settled = self.settled.max(settling.end);
                if self.until.is_none() {
                    self.state = ColdState::Good;
                }
                Ok(self.settled)
            }
            Err(error) => {
                self.undo(settling);
                // The first failure may be the segment's alone: another one is tried at once.
                let wait = if self.state == ColdState::Good { Duration::ZERO } else { RETRY };
                self.state = ColdState::Failed(error.to_string());
                self.until = Some(Deadline(now.mono + wait));
                Err(error)
            }
        }
    }

    /// The blocks of a segment from `position` on cannot be read. Those of them that are being settled have not settled: hot keeps them.
    pub(super) fn give_up(&mut self, segment: u64, position: Position) {
        if let Some(settling) = self.settling.as_mut().filter(|settling| settling.segment == segment) {
            settling.end = settling.end.min(position);
        }
        self.store.give_up(segment, position);
    }

    /// What was copied is not trusted; what the segment held before is.
    fn undo(&mut self, settling: Settling) {
        self.store.seal(settling.segment, settling.size_before, settling.end_before);
    }

    fn failed(&mut self, now: Now, error: &io::Error, counters: &mut SpoolCounters) {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        self.state = if full { ColdState::Full } else { ColdState::Failed(error.to_string()) };
        self.until = Some(Deadline(now.mono + RETRY));
        counters.cold_failures += 1;
    }

    /// Whether `cost` bytes more fit, after the oldest segments that are not on their way made room where that is allowed.
    fn ensure_room(&mut self, hot: &mut Store<D>, cost: u64, read: &mut Option<Position>, opened: Position, dropped: &mut Dropped) -> bool {
        self.store.remove_doomed();
        while !self.has_room(cost, 0) {
            let Some(read) = read else { return false };
            // Who fills the file system beside us does not get what waits here as well: nothing goes unless that makes room.
            let droppable = self.store.segments().rev().skip(1).take_while(|segment| segment.number >= read.0);
            if !self.has_room(cost, droppable.map(|segment| segment.size).sum()) {
                return false;
            }
            let mut behind = self.store.segments().map(|segment| segment.number).skip_while(|number| *number < read.0);
            // The last one is being written.
            let (Some(oldest), Some(next)) = (behind.next(), behind.next()) else { return false };
            drop(behind);
            // What hot has of it goes with it: it is older than all that stays.
            dropped.miscounted |= !count_lines(hot, Some(self), *read, Position(next), opened, &mut dropped.lines);
            *read = Position(next);
            self.store.remove(oldest);
        }
        true
    }

    /// Whether `cost` bytes more fit once `freed` bytes have gone.
    fn has_room(&self, cost: u64, freed: u64) -> bool {
        let within = (self.store.occupied() + cost).saturating_sub(freed) <= self.options.size;
        let free = match self.store.disk.free() {
            Ok(Some(free)) => (free.available + freed).saturating_sub(cost) >= free.total / 100 * u64::from(self.options.min_free),
            // Nobody can say: the write will.
            Ok(None) | Err(_) => true,
        };
        within && free
    }
}
