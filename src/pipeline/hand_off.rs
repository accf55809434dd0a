//! A sender that waits for an answer: its lines leave at once, and settle where they cannot, and it is told what became of them.
//!
//! It says nothing of single lines: a position stands for everything that was accepted before it, a [`Mark`] for everything after.

use super::Pipeline;
use crate::planted;
use crate::planted::Bug;
use crate::spool::block::Position;
use crate::spool::disk::Disk;

/// A moment: what was accepted since, and whether something of it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The position behind everything that was accepted.
    first: Position,
    /// Lines that were given up until then, other than the oldest.
    dropped: u64,
}

/// What became of everything between a mark and a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in Kinesis, or was given up for what it is and counted.
    Delivered,
    /// It is durable on the cold disk.
    Durable,
    /// Lines were given up meanwhile for want of room or could not be read, and perhaps some of these.
    Dropped,
    /// None of these, so far.
    Waiting,
}

impl<D: Disk> Pipeline<D> {
    /// The position behind everything that was accepted.
    pub fn end_of_accepted(&self) -> Position {
        self.spool.end()
    }

    /// What is accepted from here on is told from what was before.
    pub fn mark(&self) -> Mark {
        Mark { first: self.spool.end(), dropped: self.spool.otherwise_dropped() }
    }

    /// Lets everything that was accepted leave without waiting for more.
    pub fn flush(&mut self) {
        self.flush_until = self.spool.end();
    }

    /// Makes everything that was accepted durable, where there is a cold disk that takes it.
    pub fn settle(&mut self) {
        self.settle_until = self.spool.end();
    }

    /// What became of everything that was accepted between `mark` and `end`. Older lines that made room for it are none of its business.
    pub fn fate(&self, mark: Mark, end: Position) -> Fate {
        let dropped = self.spool.made_room_until() > mark.first || self.spool.otherwise_dropped() > mark.dropped;
        if dropped && !planted::is(Bug::OverlooksWhatWasDropped) {
            Fate::Dropped
        } else if self.spool.acknowledged() >= end {
            Fate::Delivered
        } else if self.spool.is_durable(mark.first, end) || planted::is(Bug::VouchesForWhatWillSettle) && self.settle_until >= end {
            Fate::Durable
        } else {
            Fate::Waiting
        }
    }

    /// Whether what is in the packer was asked to leave.
    pub(super) fn flushes(&self) -> bool {
        self.packer.first().is_some_and(|first| first < self.flush_until)
    }

    /// Whether something was asked to settle that has not.
    pub(super) fn was_asked_to_settle(&self) -> bool {
        self.spool.settled_end().is_some_and(|settled| settled < self.settle_until)
    }
}
