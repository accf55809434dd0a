//! What a spool gives up, and how its lines are counted: each once, as soon as it is known, else at the end.

use super::{Source, Spool};
use crate::spool::block::Position;
use crate::spool::census::count_lines;
use crate::spool::disk::Disk;
use crate::spool::store::{Peek, Place};

/// The oldest lines, given up so that newer ones have room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MadeRoom {
    /// Behind the last of them.
    pub(super) end: Position,
    pub(super) lines: u64,
}

impl<D: Disk> Spool<D> {
    /// A segment cannot be read from `position` on: that is given up, unless the other disk has it too. What was read of it stays until it is acknowledged,
    /// then it is kept aside.
    pub(super) fn lose(&mut self, source: Source, segment: u64, position: Position) {
        self.counters.damaged += 1;
        let settled = self.cold.as_ref().map_or(Position(0), |cold| cold.settled);
        let (store, first) = match (source, &self.cold) {
            (Source::Cold, Some(cold)) => (&cold.store, position),
            _ => (&self.hot, position.max(settled)),
        };
        let behind = store.segments().map(|segment| segment.number).find(|number| *number > segment).map_or(self.next, Position);
        let until = match (source, &self.cold) {
            // What settled is not durable any more, even where hot still has it.
            (Source::Cold, _) => behind.min(settled),
            // What is on its way to cold, and in hot no more, is lost where its sync fails.
            (Source::Hot, Some(cold)) if cold.is_settling() => behind,
            (Source::Hot, _) => behind.min(self.read),
        };
        if first < until {
            self.in_memory = self.in_memory.max(until);
        }
        match (source, &mut self.cold) {
            (Source::Cold, Some(cold)) => {
                cold.give_up(segment, position);
                cold.store.release(self.acknowledged);
            }
            _ => {
                self.hot.give_up(segment, position);
                self.hot.release(self.acknowledged);
            }
        }
        let mut left = (0, 0);
        self.miscounted |= !count_lines(&mut self.hot, self.cold.as_mut(), self.read.max(self.opened), self.next, self.opened, &mut left);
        self.counters.dropped_damaged += self.unread_lines.saturating_sub(left.1);
        self.unread_lines = self.unread_lines.min(left.1);
        if let Some(cold) = self.cold.as_mut().filter(|cold| !cold.is_settling())
            && self.hot.peek(cold.settled, &mut Place::default()) == Peek::Nothing
        {
            // What is lost cannot settle.
            cold.settled = self.next;
        }
    }

    pub(super) fn count_dropped(&mut self, (found, own): (u64, u64), end: Position) {
        if found + own > 0 {
            let MadeRoom { end: before, lines } = self.made_room;
            self.made_room = MadeRoom { end: before.max(end), lines: lines + found + own };
        }
        self.counters.found += found;
        self.unread_lines -= own.min(self.unread_lines);
        self.counters.dropped_full += found + own;
    }

    /// Nothing is left to read: lines that should be have gone with what could not be read when it was counted.
    pub(super) fn count_again(&mut self) {
        if self.miscounted {
            self.counters.dropped_damaged += self.unread_lines;
            (self.unread_lines, self.miscounted) = (0, false);
        }
    }

    /// Lines that are in hot only.
    pub fn unsettled_lines(&mut self) -> u64 {
        let settled = self.cold.as_ref().map_or(Position(0), |cold| cold.settled);
        let (next, mut lines) = (self.next, 0);
        self.hot.each(settled, next, &mut |header| lines += u64::from(header.lines));
        lines
    }

    /// Lines that are durable and not acknowledged; of a block that was delivered in part, all.
    pub fn settled_lines(&mut self) -> u64 {
        let (acknowledged, mut lines) = (self.acknowledged, 0);
        let Some(cold) = &mut self.cold else { return 0 };
        cold.store.each(acknowledged, cold.settled, &mut |header| lines += u64::from(header.lines));
        lines
    }

    /// Lines that were given up and could not be counted then are told from what is still there.
    pub fn settle_the_count(&mut self) {
        if !self.miscounted {
            return;
        }
        let mut left = (0, 0);
        count_lines(&mut self.hot, self.cold.as_mut(), self.read.max(self.opened), self.next, self.opened, &mut left);
        let gone = self.unread_lines.saturating_sub(left.1);
        self.counters.dropped_damaged += gone;
        self.unread_lines -= gone;
        self.miscounted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WhenFull;
    use crate::spool::cold::ColdOptions;
    use crate::spool::disk::RamDisk;
    use crate::spool::segment::StreamId;
    use crate::spool::spool::SpoolOptions;

    #[test]
    fn older_lines_that_make_room_later_do_not_hide_that_newer_ones_went() {
        let cold = ColdOptions { size: 1 << 20, min_free: 0 };
        let options = SpoolOptions { hot_size: 1 << 20, segment_size: 1 << 16, when_full: WhenFull::DropOldest, cold };
        let stream = StreamId::new("eu-central-1", "metrics", None).expect("it is one");
        let mut spool = Spool::open(RamDisk::new(1 << 16), None, &stream, options);
        // Memory gave up its block 29, then the card the older ones that it had.
        spool.count_dropped((0, 2), Position(30));
        spool.count_dropped((0, 26), Position(28));
        assert_eq!((spool.made_room_until(), spool.otherwise_dropped()), (Position(30), 0));
        assert_eq!(spool.counters().dropped_full, 28);
    }
}
