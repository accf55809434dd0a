//! What there is to see of a spool without changing it: how far it is, and what it holds.

use super::{Spool, SpoolCounters};
use crate::spool::block::Position;
use crate::spool::cold::Cold;
use crate::spool::disk::Disk;

impl<D: Disk> Spool<D> {
    /// The next block that will be read. Acknowledging it acknowledges everything that was read.
    pub fn read_position(&self) -> Position {
        self.read
    }

    /// The next block's position: behind everything that was appended.
    pub fn end(&self) -> Position {
        self.next
    }

    /// Every block before it is acknowledged.
    pub fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// Every block before it is durable, is acknowledged, or never will settle; None without a cold disk.
    pub fn settled_end(&self) -> Option<Position> {
        self.cold.as_ref().map(|cold| cold.settled)
    }

    /// Whether every block from `from` on and before `end` is durable on the cold disk, or acknowledged.
    pub fn is_durable(&self, from: Position, end: Position) -> bool {
        let whole = self.in_memory <= from || self.in_memory <= self.acknowledged;
        whole && self.settled_end().is_some_and(|settled| settled >= end)
    }

    /// The first position of this run: blocks before it were found.
    pub fn opened(&self) -> Position {
        self.opened
    }

    /// Lines of this run that have not been read.
    pub fn unread_lines(&self) -> u64 {
        self.unread_lines
    }

    /// Bytes in both disks.
    pub fn used(&self) -> u64 {
        self.hot.used() + self.cold.as_ref().map_or(0, |cold| cold.store.used())
    }

    /// What happened.
    pub fn counters(&self) -> &SpoolCounters {
        &self.counters
    }

    /// Lines before this position were given up so that newer ones have room,
    pub fn made_room_until(&self) -> Position {
        self.made_room.end
    }

    /// and so many others were: new ones for which there was none, and what could not be read.
    pub fn otherwise_dropped(&self) -> u64 {
        (self.counters.dropped_full + self.counters.dropped_damaged).saturating_sub(self.made_room.lines)
    }

    /// The cold disk, where there is one.
    pub fn cold(&self) -> Option<&Cold<D>> {
        self.cold.as_ref()
    }
}
