//! A pipeline on a bench: lines are numbers, time is moved by hand, and a Kinesis of forty lines answers. Checks at every step that the books close and
//! that no record is sent again once its acknowledgement was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use kinegraf::config::{Ordering, Pack};
use kinegraf::counters::RejectReason;
use kinegraf::kinesis::batch::Batch;
use kinegraf::kinesis::outcome::{Class, Failure, Outcome, Reply, RetryReason};
use kinegraf::line::format::Format;
use kinegraf::pipeline::{Pipeline, PipelineOptions, Step};
use kinegraf::random::Random;
use kinegraf::record::packer::{Packer, PackerOptions};
use kinegraf::spool::block::BlockBuilder;
use kinegraf::spool::disk::RamDisk;
use kinegraf::spool::spool::{Spool, SpoolOptions};
use kinegraf::time::{Deadline, Now};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) pack: Pack,
    pub(crate) ordering: Ordering,
    pub(crate) hot_size: usize,
    pub(crate) segment_size: usize,
    pub(crate) request_size: usize,
    pub(crate) deadline: Option<Duration>,
    /// Different partition keys; 0 means a random one a record.
    pub(crate) keys: u64,
    pub(crate) line_size: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            pack: Pack::Metric,
            ordering: Ordering::Request,
            hot_size: 1 << 20,
            segment_size: 1 << 16,
            request_size: 1 << 16,
            deadline: None,
            keys: 1,
            line_size: 20,
        }
    }
}

pub(crate) struct Bench {
    pub(crate) pipeline: Pipeline<RamDisk>,
    pub(crate) batch: Batch,
    pub(crate) now: Now,
    pub(crate) line_size: usize,
    keys: u64,
    pack: Pack,
    hot_size: usize,
    request_size: usize,
    /// Line to how often it was stored.
    pub(crate) stored: BTreeMap<u64, u32>,
    acknowledged: BTreeSet<u64>,
    pub(crate) set_aside: Vec<(RejectReason, u64)>,
    /// Lines for which any request is called invalid.
    pub(crate) poison: BTreeSet<u64>,
    /// Larger requests are reset.
    pub(crate) breaks_above: Option<usize>,
    pub(crate) too_large_above: Option<usize>,
    /// Lines that shared a record with a poisonous one when it was given up.
    guilty: BTreeSet<u64>,
    block: BlockBuilder,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Bench {
        let spool = SpoolOptions { size: options.hot_size, segment_size: options.segment_size };
        let packer = PackerOptions {
            pack: options.pack,
            format: Format::Influx,
            buffer: 1 << 18,
            record_size: options.request_size,
            flush_interval: Duration::from_secs(10),
        };
        let pipeline = PipelineOptions {
            ordering: options.ordering,
            request_size: options.request_size,
            deadline: options.deadline.map(Deadline),
            exit_when_missing: false,
        };
        Bench {
            pipeline: Pipeline::new(pipeline, Spool::new(RamDisk::new(options.segment_size), spool), Packer::new(packer), Random::from_seed(1)),
            batch: Batch::new(options.request_size),
            now: Now { mono: Duration::from_secs(100), wall: Duration::from_secs(1_800_000_000) },
            line_size: options.line_size,
            keys: options.keys,
            pack: options.pack,
            hot_size: options.hot_size,
            request_size: options.request_size,
            stored: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            set_aside: Vec::new(),
            poison: BTreeSet::new(),
            breaks_above: None,
            too_large_above: None,
            guilty: BTreeSet::new(),
            block: BlockBuilder::new(100_000),
        }
    }

    /// One line a block; panics when the spool is full.
    pub(crate) fn accept(&mut self, lines: Range<u64>) {
        for line in lines {
            assert!(self.try_accept(line), "the spool is full");
        }
    }

    pub(crate) fn try_accept(&mut self, line: u64) -> bool {
        let key = if self.keys == 0 { String::new() } else { format!("key-{}", line % self.keys) };
        let text = format!("m v={line}i {}", "1".repeat(self.line_size.saturating_sub(12)));
        self.block.clear();
        self.block.push(&key, text.as_bytes());
        let accepted = self.pipeline.accept(self.now, &mut self.block).unwrap().is_ok();
        self.check();
        accepted
    }

    pub(crate) fn used(&self) -> usize {
        self.pipeline.spool_used()
    }

    /// Two requests' worth of poisonous lines in a row look like a wrong configuration, and are kept for ever; where that few lines fit, or each record holds many, there are none.
    pub(crate) fn may_poison(&self) -> bool {
        self.pack == Pack::Metric && self.hot_size > 10_000 && self.request_size > 10 * self.line_size
    }

    /// Lets the flush interval pass.
    pub(crate) fn flush(&mut self) {
        self.advance(Duration::from_secs(10));
    }

    pub(crate) fn close(&mut self) {
        self.pipeline.close(true, None);
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall += time;
    }

    pub(crate) fn poll(&mut self) -> Step {
        let step = self.pipeline.poll(self.now, &mut self.batch).unwrap();
        if step == Step::Send {
            let size: usize = self.batch.records().map(|record| record.key.len() + record.data.len()).sum();
            assert!(size == self.batch.window_size() && self.batch.window() <= 500 && self.batch.window() > 0);
            for line in self.lines().concat() {
                assert!(!self.acknowledged.contains(&line), "line {line} is sent again although its acknowledgement arrived");
            }
        }
        self.check();
        step
    }

    /// Expects a request; returns its lines.
    pub(crate) fn send(&mut self) -> Vec<u64> {
        assert_eq!(self.poll(), Step::Send);
        self.lines().concat()
    }

    /// The lines of each record of the request.
    fn lines(&self) -> Vec<Vec<u64>> {
        self.batch.records().map(|record| lines_of(record.data)).collect()
    }

    pub(crate) fn answer(&mut self, outcomes: &[Outcome]) {
        for (lines, outcome) in self.lines().into_iter().zip(outcomes) {
            if *outcome == Outcome::Stored {
                for line in lines {
                    *self.stored.entry(line).or_default() += 1;
                    self.acknowledged.insert(line);
                }
            }
        }
        self.batch.outcomes.clear();
        self.batch.outcomes.extend_from_slice(outcomes);
        self.reply(Reply::Answered);
    }

    pub(crate) fn fail(&mut self, class: Class) {
        self.fail_with(class, |_| {});
    }

    pub(crate) fn fail_with(&mut self, class: Class, change: impl FnOnce(&mut Failure)) {
        let mut failure = Failure { class, status: None, code: format!("{class:?}"), message: String::new(), retry_after: None, date: None };
        change(&mut failure);
        self.reply(Reply::Failed(failure));
    }

    fn reply(&mut self, reply: Reply) {
        let (set_aside, guilty) = (&mut self.set_aside, &mut self.guilty);
        let mut take = |reason, record: kinegraf::kinesis::batch::Record<'_>| {
            let lines = lines_of(record.data);
            guilty.extend(&lines);
            set_aside.extend(lines.into_iter().map(|line| (reason, line)));
        };
        self.pipeline.on_reply(self.now, &mut self.batch, reply, &mut take).unwrap();
        self.check();
    }

    /// Answers one request as a healthy service would, poison and sizes considered.
    pub(crate) fn answer_one(&mut self) {
        self.send();
        self.answer_as_the_service();
    }

    fn answer_as_the_service(&mut self) {
        let size = self.batch.window_size();
        if self.breaks_above.is_some_and(|above| size > above) {
            return self.fail(Class::Broken);
        }
        if self.too_large_above.is_some_and(|above| size > above) {
            return self.fail(Class::TooLarge);
        }
        if self.lines().concat().iter().any(|line| self.poison.contains(line)) {
            return self.fail(Class::Invalid);
        }
        self.answer(&vec![Outcome::Stored; self.batch.window()]);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while self.now.mono < end {
            match self.poll() {
                Step::Send => self.answer_as_the_service(),
                Step::Wait(_) => self.advance(Duration::from_millis(500)),
                Step::Closed => break,
            }
        }
    }

    /// Answers every request until the run closes.
    pub(crate) fn run_to_the_end(&mut self) {
        for _ in 0..20_000 {
            match self.poll() {
                Step::Send => self.answer_as_the_service(),
                Step::Wait(until) => {
                    let until = until.expect("after the input's end there is always something to wait for");
                    self.advance(until.left(self.now).max(Duration::from_millis(1)));
                }
                Step::Closed => return,
            }
        }
        panic!("the run does not end");
    }

    /// One step of a simulation in which `faults` percent of the requests go wrong.
    pub(crate) fn step(&mut self, random: &mut Random, faults: u64) {
        match self.poll() {
            Step::Closed => {}
            Step::Wait(_) => self.advance(Duration::from_millis(random.up_to(3_000))),
            Step::Send if random.up_to(99) >= faults => self.answer_as_the_service(),
            Step::Send => match random.up_to(9) {
                0 => self.fail(Class::Unreachable),
                1 => self.fail(Class::Unavailable),
                2 => self.fail(Class::Throttled),
                3 | 4 => {
                    // Stored, but the answer is lost; a poisonous request stores nothing.
                    if !self.lines().concat().iter().any(|line| self.poison.contains(line)) {
                        for line in self.lines().concat() {
                            *self.stored.entry(line).or_default() += 1;
                        }
                    }
                    self.fail([Class::Broken, Class::TimedOut, Class::Unknown][random.up_to(2) as usize]);
                }
                5 => self.fail([Class::Denied, Class::Credentials, Class::StreamMissing][random.up_to(2) as usize]),
                6 => {
                    let ahead = Duration::from_secs(random.up_to(10_000_000_000));
                    self.fail_with(Class::Signature, |failure| failure.date = Some(ahead));
                }
                _ if self.lines().concat().iter().any(|line| self.poison.contains(line)) => self.fail(Class::Invalid),
                _ => {
                    let reasons = [RetryReason::Throttled, RetryReason::Internal];
                    let outcomes: Vec<Outcome> = (0..self.batch.window())
                        .map(|_| match random.up_to(2) {
                            0 => Outcome::Retry(reasons[random.up_to(1) as usize]),
                            _ => Outcome::Stored,
                        })
                        .collect();
                    self.answer(&outcomes);
                }
            },
        }
    }

    /// Whether the line was in a record with a poisonous one.
    pub(crate) fn poisoned_record(&self, line: u64) -> bool {
        self.guilty.contains(&line) && !self.poison.is_empty()
    }

    /// Whether we were told that the line is stored.
    pub(crate) fn is_acknowledged(&self, line: u64) -> bool {
        self.acknowledged.contains(&line)
    }

    fn check(&self) {
        let (counters, waiting) = (self.pipeline.counters(), self.pipeline.waiting());
        assert!(counters.closes(waiting), "the books do not close: {counters:?}, {waiting} waiting");
        assert_eq!(counters.delivered, self.acknowledged.len() as u64);
        assert_eq!(counters.set_aside.total(), self.set_aside.len() as u64);
    }
}

/// The numbers of the lines in a record's data.
fn lines_of(data: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(data).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| line.strip_prefix("m v=").and_then(|rest| rest.split('i').next()).unwrap().parse().unwrap()).collect()
}
