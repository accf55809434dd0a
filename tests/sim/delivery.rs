//! The threads of a run that deliver and settle.

use std::collections::BTreeMap;
use std::time::Duration;

use kinegraf::config::Pack;
use kinegraf::counters::RejectReason;
use kinegraf::ending::Ending;
use kinegraf::kinesis::batch::Record;
use kinegraf::kinesis::outcome::{Outcome, Reply};
use kinegraf::pipeline::Step;
use kinegraf::spool::disk::PendingSync;

use crate::disk::SimSync;
use crate::kinesis::Answer;
use crate::run::{Delivery, Run};
use crate::swarm::below;

/// How often it is seen while a request waits for its answer whether something is to settle.
const LOOK_ASIDE: Duration = Duration::from_millis(100);

impl Run<'_> {
    pub(crate) fn deliver(&mut self) -> Option<Ending> {
        match std::mem::replace(&mut self.delivery, Delivery::Ready) {
            Delivery::Sends(_, answer) => self.answered(answer),
            Delivery::Syncs(_, sync) => self.settled(sync),
            Delivery::Ready | Delivery::Waits(_) => return self.poll(),
        }
        None
    }

    pub(crate) fn poll(&mut self) -> Option<Ending> {
        match self.pipeline.poll(self.now, &mut self.batch) {
            Step::Send => self.send(),
            Step::Sync => {
                if let Some((at, sync)) = self.begin_settle(false) {
                    self.delivery = Delivery::Syncs(at, sync);
                }
            }
            Step::Wait(until) => {
                self.trace(|run| format!("wait {:?}", until.map(|until| until.left(run.now))));
                assert!(until.is_none_or(|until| !until.passed(self.now)), "a wait that is over is a busy loop");
                let settles = self.aside.as_ref().is_some_and(|(_, sync)| sync.is_some());
                assert!(until.is_some() || settles || self.pipeline.waiting() == 0, "lines wait for nothing");
                self.delivery = Delivery::Waits(until);
            }
            Step::Closed => return Some(self.end()),
        }
        None
    }

    pub(crate) fn settle_aside(&mut self) {
        if let Some((_, Some(sync))) = self.aside.take() {
            self.settled(sync);
            self.wake();
            if self.world.is_dying() {
                return;
            }
        }
        self.aside = match self.pipeline.poll_aside(self.now) {
            Step::Sync => self.begin_settle(true).map(|(at, sync)| (at, Some(sync))).or(Some((self.now.mono, None))),
            Step::Wait(until) if self.pipeline.is_in_flight() => {
                let look = self.now.mono + LOOK_ASIDE;
                Some((until.map_or(look, |until| until.0.min(look)), None))
            }
            _ => None,
        };
    }

    pub(crate) fn begin_settle(&mut self, aside: bool) -> Option<(Duration, SimSync)> {
        let sync = self.pipeline.begin_settle(self.now);
        self.trace(|run| format!("settle: {} {:?}, aside: {aside}", sync.is_some(), run.pipeline.spool().cold().map(|cold| cold.state().clone())));
        let Some(sync) = sync else {
            self.space();
            return None;
        };
        let takes = Duration::from_millis(below(&mut self.random, &[0, 20, 2_000]));
        self.away(takes);
        Some((self.now.mono + takes, sync))
    }

    pub(crate) fn settled(&mut self, sync: SimSync) {
        let result = sync.wait();
        if self.world.dies_between() {
            return;
        }
        self.trace(|_| format!("settled {result:?}"));
        self.troubled |= result.is_err();
        self.pipeline.settled(self.now, result);
        self.space();
    }

    /// Whoever settles aside looks up.
    pub(crate) fn note_sending(&mut self) {
        if self.pipeline.spool().cold().is_some() && self.aside.as_ref().is_none_or(|(_, sync)| sync.is_none()) {
            self.aside = Some((self.now.mono, None));
        }
    }

    pub(crate) fn away(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    pub(crate) fn send(&mut self) {
        let records: Vec<Vec<u64>> = self.batch.records().map(|record| self.check_record(record)).collect();
        let size: usize = self.batch.records().map(|record| record.key.len() + record.data.len()).sum();
        assert!(size <= self.config.pipeline.request_size && (1..=500).contains(&records.len()), "a request over its limits");
        self.check_order(&records);
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        records.iter().flatten().for_each(|line| *counts.entry(*line).or_default() += 1);
        for (line, count) in counts {
            assert!(self.copies.get(&line).is_some_and(|copies| *copies >= count), "line {line} is sent again although its acknowledgement arrived");
        }
        let time = self.world.time;
        let (stream, poisonous) = (self.config.stream, self.config.pack == Pack::Metric);
        let answers = self.world.answers;
        let (answer, takes) = self.world.kinesis.take(&mut self.random, &answers, (self.now, time), stream, &records, poisonous);
        self.trace(|_| format!("send {records:?}: {answer:?} in {takes:?}"));
        self.delivery = Delivery::Sends(self.now.mono + takes, answer);
        self.note_sending();
    }

    pub(crate) fn answered(&mut self, answer: Answer) {
        let records: Vec<Vec<u64>> = self.batch.records().map(|record| self.world.shape.numbers(record.data)).collect();
        let reply = match answer {
            Answer::Each(outcomes) => {
                for (lines, outcome) in records.iter().zip(&outcomes) {
                    if *outcome == Outcome::Stored {
                        lines.iter().for_each(|line| *self.copies.entry(*line).or_insert(1) -= 1);
                        self.delivered += lines.len() as u64;
                    }
                }
                self.batch.outcomes.clear();
                self.batch.outcomes.extend_from_slice(&outcomes);
                let missed = records.iter().zip(&outcomes).filter(|(_, outcome)| **outcome != Outcome::Stored);
                self.failed = missed
                    .flat_map(|(lines, _)| lines)
                    .copied()
                    .chain(self.failed.iter().copied().filter(|line| !records.concat().contains(line)))
                    .collect();
                Reply::Answered
            }
            Answer::Failed(failure) => {
                if !failure.class.never_left() {
                    self.failed.extend(records.concat());
                }
                self.refused |= failure.class.is_refusal();
                Reply::Failed(failure)
            }
        };
        // Noted as it is told: it may die before the reply has been dealt with.
        let Run { world, copies, given_up, config, .. } = self;
        let mut set_aside = |_: RejectReason, record: Record<'_>| {
            for line in world.shape.numbers(record.data) {
                assert!(world.kinesis.poison.contains(&line) || world.kinesis.refused.contains(&line), "line {line} was given up for nothing");
                world.trace(&format!("given up: {line}"));
                *copies.entry(line).or_insert(1) -= 1;
                *given_up += 1;
                world.note_given_up(config.stream, line);
            }
        };
        self.pipeline.on_reply(self.now, &mut self.batch, reply, &mut set_aside);
        self.space();
    }
}
