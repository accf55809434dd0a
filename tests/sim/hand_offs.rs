//! Senders that wait for an answer: their lines leave at once, are to be durable after a second, and are called delivered or durable only when they are.

use std::time::Duration;

use kinegraf::pipeline::{Fate, Mark};
use kinegraf::spool::block::Position;

use crate::run::Run;
use crate::swarm::chance;

/// How long delivery has before the lines are made durable.
const DELIVER_FIRST: Duration = Duration::from_secs(1);
/// Blocks of one batch at most.
const BLOCKS_MAX: u64 = 3;

/// A batch that is being taken.
#[derive(Debug)]
pub(crate) struct Taking {
    mark: Mark,
    lines: Vec<u64>,
    blocks_left: u64,
}

/// A batch that was taken, and whose sender waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    mark: Mark,
    end: Position,
    lines: Vec<u64>,
    since: Duration,
    asked: bool,
}

impl Run<'_> {
    /// The next block may be the first one of a batch.
    pub(crate) fn begin_hand_off(&mut self) {
        if self.taking.is_none() && chance(&mut self.random, self.config.hand_offs) {
            let blocks_left = 1 + self.random.up_to(BLOCKS_MAX - 1);
            self.taking = Some(Taking { mark: self.pipeline.mark(), lines: Vec::new(), blocks_left });
        }
    }

    /// A block was taken: it stands in the spool, or was given up for want of room.
    pub(crate) fn take_for_hand_off(&mut self, lines: &[u64]) {
        let Some(mut taking) = self.taking.take() else { return };
        taking.lines.extend_from_slice(lines);
        taking.blocks_left -= 1;
        if taking.blocks_left > 0 {
            self.taking = Some(taking);
            return;
        }
        let Taking { mark, lines, .. } = taking;
        self.trace(|_| format!("handed over: {lines:?}"));
        self.waiting.push(Waiting { mark, end: self.pipeline.end_of_accepted(), lines, since: self.now.mono, asked: false });
        self.pipeline.flush();
    }

    /// When a sender that waits is to be looked at again.
    pub(crate) fn hand_off_due(&self) -> Option<Duration> {
        self.waiting.iter().filter(|waiting| !waiting.asked).map(|waiting| waiting.since + DELIVER_FIRST).min()
    }

    /// Tells senders that wait what became of their lines, as the input thread does.
    pub(crate) fn answer_hand_offs(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|waiting| self.still_waits(waiting));
        let now = self.now.mono;
        for waiting in waiting.iter_mut().filter(|waiting| !waiting.asked && waiting.since + DELIVER_FIRST <= now) {
            waiting.asked = true;
            self.trace(|_| format!("to be durable: {:?}", waiting.lines));
            self.pipeline.settle();
            self.wake();
            self.note_sending();
        }
        self.waiting = waiting;
    }

    fn still_waits(&self, waiting: &Waiting) -> bool {
        let Waiting { mark, end, lines, .. } = waiting;
        let fate = self.pipeline.fate(*mark, *end);
        let durable = if fate == Fate::Durable { self.world.durable_blocks(self.config.stream).all() } else { Default::default() };
        let is_safe = |line: &u64| self.world.is_done(self.config.stream, *line) || durable.contains(line);
        match fate {
            Fate::Waiting => return true,
            Fate::Delivered | Fate::Durable => {
                let missing: Vec<&u64> = lines.iter().filter(|line| !is_safe(line)).collect();
                assert!(missing.is_empty(), "a sender is told {fate:?} of lines that are not: {missing:?}");
            }
            Fate::Dropped => assert!(!self.no_drops(), "a sender is to come again, though nothing was given up"),
        }
        self.trace(|_| format!("answered: {fate:?} {lines:?}"));
        false
    }
}
