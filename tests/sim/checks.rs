//! What holds at each step of a run, and what is asked of it when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use kinegraf::config::{Ordering, Pack};
use kinegraf::kinesis::batch::Record;
use kinegraf::spool::block::BlockBuilder;
use kinegraf::spool::cold::ColdState;

use crate::disk::lock;
use crate::run::Run;

/// How often hot settles at most while behind.
const PACE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// New blocks stand behind everything that is there, and behind what a cursor has acknowledged.
    pub(crate) fn check_positions(&self, there: &BTreeMap<u64, Vec<u64>>) {
        let opened = self.pipeline.spool().opened().0;
        if let Some((last, _)) = there.last_key_value().filter(|_| !self.world.unreadable) {
            assert!(opened > *last, "position {opened} is used again: {last} is there");
        }
        let cursor = self.world.acknowledged(self.config.stream, self.config.cold);
        let known = self.world.disks().all(|disk| lock(disk).faults.cursor == 0);
        assert!(opened >= cursor || !known, "position {opened} is used again: {cursor} is acknowledged");
    }

    /// Both disks work and have room.
    pub(crate) fn has_a_good_card(&self) -> bool {
        let spool = &self.config.spool;
        let good = |disk: &crate::disk::Shared, room: u64| {
            let disk = lock(disk);
            !disk.faults.on && disk.capacity >= room
        };
        let cold = self.world.cold.as_ref().filter(|_| self.config.cold);
        let roomy = spool.cold.size >= 1 << 20 && cold.is_some_and(|cold| good(cold, 1 << 20));
        roomy && good(&self.world.hot[self.config.stream], 20_000) && !self.world.flipped
    }

    /// Lines of this run that neither arrived nor survive a power cut.
    pub(crate) fn not_durable(&self) -> Vec<u64> {
        let durable = self.world.durable_blocks(self.config.stream).all();
        let done = |line: &u64| self.world.is_done(self.config.stream, *line) || durable.contains(line);
        self.accepted.iter().map(|(line, _)| *line).filter(|line| !done(line)).collect()
    }

    pub(crate) fn no_drops(&self) -> bool {
        let counters = self.pipeline.spool().counters();
        counters.dropped_full + counters.dropped_damaged == 0
    }

    /// A record holds lines that were accepted for this stream, of its key.
    pub(crate) fn check_record(&self, record: Record<'_>) -> Vec<u64> {
        let lines = self.world.shape.numbers(record.data);
        assert_eq!(lines.len(), record.lines as usize, "a record knows how many lines it has");
        assert!(self.config.pack == Pack::Lines || lines.len() == 1);
        for line in &lines {
            let key = self.world.shape.key(*line);
            assert!(key.is_empty() || key == record.key, "line {line} is in a record of {}", record.key);
            assert!(self.world.was_tried(self.config.stream, *line), "line {line} was never accepted for this stream");
        }
        lines
    }

    /// In strict ordering nothing joins what failed; poison may need others to be cleared.
    pub(crate) fn check_order(&mut self, records: &[Vec<u64>]) {
        let kinesis = &self.world.kinesis;
        if self.config.pipeline.ordering == Ordering::Strict && kinesis.poison.is_empty() && kinesis.refused.is_empty() && self.world.exact_order() {
            let lines = records.concat();
            let resent = lines.iter().filter(|line| self.failed.contains(line)).count();
            assert!(self.failed.is_empty() || resent == lines.len(), "failed lines are not alone: {lines:?}");
            let mut last = BTreeMap::new();
            for line in lines {
                let key = self.world.shape.key(line);
                assert!(key.is_empty() || last.insert(key, line).is_none_or(|before| before < line), "out of order at {line}");
            }
        }
    }

    /// What holds after each step.
    pub(crate) fn check(&mut self) {
        let counters = self.pipeline.counters();
        assert!(
            self.pipeline.books_close(),
            "the books do not close: {counters:?} {:?} {} waiting",
            self.pipeline.spool().counters(),
            self.pipeline.waiting()
        );
        assert_eq!((counters.delivered, counters.set_aside.total()), (self.delivered, self.given_up), "delivered and given up are counted");
        let damaged = self.pipeline.spool().counters().dropped_damaged;
        assert!(damaged == 0 || self.world.unreadable || self.world.flipped, "{damaged} lines of this run were damaged, and nobody did it");
        let spool = &self.config.spool;
        let mut hot = lock(&self.world.hot[self.config.stream]);
        // One block larger than all of it is taken while it is empty.
        let block = BlockBuilder::memory(4_000) as u64;
        let bound = if hot.errors == 0 { spool.hot_size as u64 } else { spool.hot_size as u64 + block };
        let one = hot.peak <= self.hot_at_open.max(bound) || hot.contents(self.world.streams[self.config.stream].hash()).len() <= 1;
        assert!(
            one,
            "hot holds {} bytes, {} are allowed, {} were there; {} errors; it thinks {}",
            hot.peak,
            spool.hot_size,
            self.hot_at_open,
            hot.errors,
            self.pipeline.spool().used()
        );
        hot.peak = hot.used();
        drop(hot);
        let Some(cold) = self.world.cold.as_ref().filter(|_| self.config.cold) else { return };
        let cold = lock(cold);
        let free = cold.capacity - (cold.capacity / 100 * u64::from(spool.cold.min_free)).min(cold.capacity);
        assert!(
            cold.peak <= self.cold_at_open.max(spool.cold.size.min(free)),
            "cold holds {} bytes of {:?} in {}",
            cold.peak,
            spool.cold,
            cold.capacity
        );
        let failed = self.pipeline.spool().cold().is_some_and(|cold| *cold.state() != ColdState::Good);
        self.troubled |= failed || cold.errors > 0 || lock(&self.world.hot[self.config.stream]).errors > 0;
    }

    /// When a line that a power cut took was accepted too long ago for that.
    pub(crate) fn is_overdue(&self, accepted: Duration) -> bool {
        // Each segment is a sync of its own.
        let segments = lock(&self.world.hot[self.config.stream]).contents(self.world.streams[self.config.stream].hash()).len() as u32;
        let allowed = self.config.pipeline.sync_after + PACE + self.longest * (3 + segments) + Duration::from_secs(1);
        self.now.mono.saturating_sub(accepted) > allowed
    }
}
