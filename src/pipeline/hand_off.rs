//! A sender that waits for an answer: its lines leave at once, and settle where they cannot, and it is told what became of them.
//!
//! It says nothing of single lines: a position stands for everything that was accepted before it.

use super::Pipeline;
use crate::spool::block::Position;
use crate::spool::disk::Disk;

/// What became of everything before a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in Kinesis, or was given up for what it is and counted.
    Delivered,
    /// It is durable on the cold disk.
    Durable,
    /// Neither, so far.
    Waiting,
}

impl<D: Disk> Pipeline<D> {
    /// The position behind everything that was accepted.
    pub fn end_of_accepted(&self) -> Position {
        self.spool.end()
    }

    /// Lets everything that was accepted leave without waiting for more.
    pub fn flush(&mut self) {
        self.flush_until = self.spool.end();
    }

    /// Makes everything that was accepted durable, where there is a cold disk that takes it.
    pub fn settle(&mut self) {
        self.settle_until = self.spool.end();
    }

    /// What became of everything before `end`.
    pub fn fate(&self, end: Position) -> Fate {
        if self.spool.acknowledged() >= end {
            Fate::Delivered
        } else if self.spool.settled_end().is_some_and(|settled| settled >= end) {
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
