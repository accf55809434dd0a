//! A pipeline on a bench: lines are numbers, time is moved by hand, and a Kinesis of forty lines answers.
//!
//! Checked at every step: the books close; each record holds accepted lines of its key; no request is over its limits, and none holds a line whose
//! acknowledgement was taken; the spool keeps what is not done, and little more; a wait has an end, in the future, and a short one after a success; in strict
//! ordering failed records are alone in their request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use kinegraf::config::{Ordering, Pack, WhenFull};
use kinegraf::counters::RejectReason;
use kinegraf::kinesis::batch::{Batch, Record};
use kinegraf::kinesis::outcome::{Class, Failure, Outcome, Reply, RetryReason};
use kinegraf::line::format::Format;
use kinegraf::pipeline::{Pipeline, PipelineOptions, Step};
use kinegraf::random::Random;
use kinegraf::record::packer::{Packer, PackerOptions};
use kinegraf::spool::block::BlockBuilder;
use kinegraf::spool::cold::ColdOptions;
use kinegraf::spool::disk::RamDisk;
use kinegraf::spool::segment::StreamId;
use kinegraf::spool::spool::{Spool, SpoolOptions};
use kinegraf::time::{Deadline, Now};

/// Bytes at the beginning of each segment.
const SEGMENT_HEAD_SIZE: usize = 39;

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
    options: Options,
    /// Line to how often it was stored.
    pub(crate) stored: BTreeMap<u64, u32>,
    acknowledged: BTreeSet<u64>,
    pub(crate) set_aside: Vec<(RejectReason, u64)>,
    /// Lines for which any request is called invalid.
    pub(crate) poison: BTreeSet<u64>,
    /// Larger requests are reset.
    pub(crate) breaks_above: Option<usize>,
    pub(crate) too_large_above: Option<usize>,
    /// A request with a larger record fails in this way.
    pub(crate) records_above: Option<(usize, Class)>,
    /// Lines that were refused one by one, rightly or not: only these may be given up, beside the poisonous.
    refused: BTreeSet<u64>,
    block: BlockBuilder,
    /// Accepted lines and the bytes of their blocks, in their order; those before `open` are done.
    accepted: Vec<(u64, usize)>,
    open: usize,
    open_size: usize,
    /// Lines that left in a request, and how many records left more than once.
    left: BTreeSet<u64>,
    resent: u64,
    requests: u64,
    /// When the last answer came, and how many in a row stored nothing.
    answered: Option<(Duration, u32)>,
    /// Requests in a row without a wait that stored nothing.
    at_once: u32,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Bench {
        let cold = ColdOptions { size: 0, min_free: 0 };
        let spool = SpoolOptions { hot_size: options.hot_size, segment_size: options.segment_size, when_full: WhenFull::Block, cold };
        let stream = StreamId::new("eu-central-1", "bench", None).unwrap();
        let now = Now { mono: Duration::from_secs(100), wall: Duration::from_secs(1_800_000_000) };
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
            sync_after: Duration::from_secs(25),
            sync_always: false,
        };
        Bench {
            pipeline: Pipeline::new(
                pipeline,
                Spool::open(RamDisk::new(options.segment_size), None, &stream, spool),
                Packer::new(packer),
                Random::from_seed(1),
                now,
            ),
            batch: Batch::new(options.request_size),
            now,
            line_size: options.line_size,
            options,
            stored: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            set_aside: Vec::new(),
            poison: BTreeSet::new(),
            breaks_above: None,
            too_large_above: None,
            records_above: None,
            refused: BTreeSet::new(),
            block: BlockBuilder::new(100_000),
            accepted: Vec::new(),
            open: 0,
            open_size: 0,
            left: BTreeSet::new(),
            resent: 0,
            requests: 0,
            answered: None,
            at_once: 0,
        }
    }

    /// One line a block; panics when the spool is full.
    pub(crate) fn accept(&mut self, lines: Range<u64>) {
        for line in lines {
            assert!(self.try_accept(line), "the spool is full");
        }
    }

    pub(crate) fn try_accept(&mut self, line: u64) -> bool {
        let key = self.key_of(line).unwrap_or_default();
        let text = format!("m v={line}i {}", "1".repeat(self.line_size.saturating_sub(12) + (line % 3) as usize));
        self.block.clear();
        self.block.push(&key, text.as_bytes());
        let accepted = self.pipeline.accept(self.now, &mut self.block).is_ok();
        if accepted {
            self.accepted.push((line, self.block.size()));
            self.open_size += self.block.size();
        }
        self.check();
        accepted
    }

    fn key_of(&self, line: u64) -> Option<String> {
        line.checked_rem(self.options.keys).map(|key| format!("key-{key}"))
    }

    pub(crate) fn used(&self) -> usize {
        self.pipeline.spool().used() as usize
    }

    /// Two requests' worth of poisonous lines in a row look like a wrong configuration, and are kept for ever; where that few lines fit, or each record holds many, there are none.
    pub(crate) fn may_poison(&self) -> bool {
        self.options.pack == Pack::Metric && self.options.hot_size > 10_000 && self.options.request_size > 10 * self.line_size
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
        let step = self.pipeline.poll(self.now, &mut self.batch);
        match step {
            Step::Send => self.check_request(),
            Step::Sync => panic!("there is nothing to settle to"),
            Step::Wait(None) => assert_eq!(self.pipeline.waiting(), 0, "lines wait for nothing"),
            Step::Wait(Some(until)) => self.check_wait(until),
            Step::Closed => {}
        }
        self.check();
        step
    }

    fn check_request(&mut self) {
        self.requests += 1;
        self.at_once = if self.answered.is_some_and(|(at, futile)| at == self.now.mono && futile > 0) { self.at_once + 1 } else { 0 };
        // A bisection may take forty, and a size that is halved, a clock and credentials a few more.
        assert!(self.at_once < 60, "sends in a tight loop");
        let size: usize = self.batch.records().map(|record| record.key.len() + record.data.len()).sum();
        assert!(size == self.batch.window_size() && size <= self.options.request_size && (1..=500).contains(&self.batch.window()));
        for record in self.batch.records() {
            let lines = lines_of(record.data);
            assert_eq!(lines.len(), record.lines as usize);
            assert!(self.options.pack == Pack::Lines || lines.len() == 1);
            for line in lines {
                assert!(self.key_of(line).is_none_or(|key| key == record.key), "line {line} is in a record of {}", record.key);
                assert!(self.accepted.iter().any(|(accepted, _)| *accepted == line));
                assert!(!self.acknowledged.contains(&line), "line {line} is sent again although its acknowledgement arrived");
            }
        }
        // What looks poisonous is only cleared or proved guilty beside newer lines.
        if self.options.ordering == Ordering::Strict && self.poison.is_empty() && self.refused.is_empty() && self.records_above.is_none() {
            let lines = self.lines().concat();
            let resent = lines.iter().filter(|line| self.left.contains(line)).count();
            let failed = self.left.iter().filter(|line| !self.acknowledged.contains(line)).count();
            assert!(failed == 0 || resent == lines.len(), "failed lines are not alone: {lines:?}");
            for key in 0..self.options.keys {
                assert!(lines.iter().filter(|line| *line % self.options.keys == key).is_sorted(), "out of order: {lines:?}");
            }
        }
    }

    fn check_wait(&self, until: Deadline) {
        assert!(!until.passed(self.now), "a wait that is over is a busy loop");
        if let Some((at, futile)) = self.answered.filter(|_| !self.batch.is_empty()) {
            // The slowest scale begins at a second; the service may ask for five more.
            let most = match futile {
                0 => Duration::from_millis(100),
                n => Duration::from_secs((1 << n.min(11) >> 1).min(15 * 60) + 5),
            };
            assert!(until.0 <= at + most, "waits {:?} after {futile} answers that stored nothing", until.0 - at);
        }
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
        let lines = self.lines();
        for (lines, outcome) in lines.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Stored => {
                    self.store(&lines);
                    self.acknowledged.extend(lines);
                }
                Outcome::Refused => self.refused.extend(lines),
                Outcome::Retry(_) => {}
            }
        }
        self.note_answer(outcomes.contains(&Outcome::Stored));
        self.batch.outcomes.clear();
        self.batch.outcomes.extend_from_slice(outcomes);
        self.reply(Reply::Answered);
    }

    fn note_answer(&mut self, stored: bool) {
        let futile = self.answered.map_or(0, |(_, futile)| futile);
        self.answered = Some((self.now.mono, if stored { 0 } else { futile + 1 }));
    }

    fn store(&mut self, lines: &[u64]) {
        for line in lines {
            *self.stored.entry(*line).or_default() += 1;
        }
    }

    pub(crate) fn fail(&mut self, class: Class) {
        self.fail_with(class, |_| {});
    }

    pub(crate) fn fail_with(&mut self, class: Class, change: impl FnOnce(&mut Failure)) {
        let mut failure = Failure { class, status: None, code: format!("{class:?}"), message: String::new(), retry_after: None, date: None };
        change(&mut failure);
        if self.batch.window() == 1 && class == Class::TooLarge {
            self.refused.extend(self.lines().concat());
        }
        self.note_answer(false);
        self.reply(Reply::Failed(failure));
    }

    fn reply(&mut self, reply: Reply) {
        if !matches!(&reply, Reply::Failed(failure) if matches!(failure.class, Class::Unreachable | Class::NoCredentials)) {
            let lines = self.lines();
            self.resent += lines.iter().filter(|lines| self.left.contains(&lines[0])).count() as u64;
            self.left.extend(lines.concat());
        }
        let set_aside = &mut self.set_aside;
        let mut take = |reason, record: Record<'_>| set_aside.extend(lines_of(record.data).into_iter().map(|line| (reason, line)));
        self.pipeline.on_reply(self.now, &mut self.batch, reply, &mut take);
        self.check();
        self.check_spool();
    }

    /// Answers one request as a healthy service would, poison and sizes considered.
    pub(crate) fn answer_one(&mut self) {
        self.send();
        self.answer_as_the_service();
    }

    pub(crate) fn answer_as_the_service(&mut self) {
        let size = self.batch.window_size();
        if self.breaks_above.is_some_and(|above| size > above) {
            return self.fail(Class::Broken);
        }
        if self.too_large_above.is_some_and(|above| size > above) {
            return self.fail(Class::TooLarge);
        }
        if let Some((above, class)) = self.records_above
            && self.batch.records().any(|record| record.data.len() > above)
        {
            return self.fail(class);
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
                Step::Sync => panic!("there is nothing to settle to"),
            }
        }
    }

    /// Answers every request until the run closes.
    pub(crate) fn run_to_the_end(&mut self) {
        for _ in 0..20_000 {
            match self.poll() {
                Step::Send => self.answer_as_the_service(),
                Step::Sync => panic!("there is nothing to settle to"),
                Step::Wait(until) => {
                    let until = until.expect("after the input's end there is always something to wait for");
                    self.advance(until.left(self.now).max(Duration::from_millis(1)));
                }
                Step::Closed => return,
            }
        }
        panic!("the run does not end: {:?}", self.pipeline.counters());
    }

    /// One step of a simulation in which `faults` percent of the requests go wrong.
    pub(crate) fn step(&mut self, random: &mut Random, faults: u64) -> Step {
        let step = self.poll();
        match step {
            Step::Closed => {}
            Step::Sync => panic!("there is nothing to settle to"),
            Step::Wait(_) => self.advance(Duration::from_millis(random.up_to(3_000))),
            Step::Send if random.up_to(99) >= faults => self.answer_as_the_service(),
            Step::Send => self.go_wrong(random),
        }
        step
    }

    fn go_wrong(&mut self, random: &mut Random) {
        // A request with a poisonous line stores nothing.
        let poisonous = self.lines().concat().iter().any(|line| self.poison.contains(line));
        let retry_after = (random.up_to(3) == 0).then(|| Duration::from_millis(random.up_to(20_000)));
        let ahead = Duration::from_secs(random.up_to(10_000_000_000));
        let class = match random.up_to(11) {
            0 => [Class::Unreachable, Class::NoCredentials][random.up_to(1) as usize],
            1 => Class::Unavailable,
            2 => Class::Throttled,
            3 | 4 => {
                // Stored, but the answer is lost.
                if !poisonous {
                    self.store(&self.lines().concat());
                }
                [Class::Broken, Class::TimedOut, Class::Unknown][random.up_to(2) as usize]
            }
            5 => [Class::Denied, Class::Credentials, Class::StreamMissing][random.up_to(2) as usize],
            6 => Class::Signature,
            7 => Class::TooLarge,
            _ if poisonous => Class::Invalid,
            kind => return self.answer_each(random, kind == 8),
        };
        self.fail_with(class, |failure| {
            failure.retry_after = retry_after;
            failure.date = (class == Class::Signature).then_some(ahead);
        });
    }

    /// Some stored, some not, and with `refusals` some refused for themselves.
    fn answer_each(&mut self, random: &mut Random, refusals: bool) {
        let choices =
            [Outcome::Stored, Outcome::Stored, Outcome::Retry(RetryReason::Throttled), Outcome::Retry(RetryReason::Internal), Outcome::Refused];
        let last = if refusals && self.options.pack == Pack::Metric { 4 } else { 3 };
        let outcomes: Vec<Outcome> = (0..self.batch.window()).map(|_| choices[random.up_to(last) as usize]).collect();
        self.answer(&outcomes);
    }

    /// Whether somebody called this very line bad.
    pub(crate) fn is_guilty(&self, line: u64) -> bool {
        self.poison.contains(&line) || self.refused.contains(&line)
    }

    /// Whether we were told that the line is stored.
    pub(crate) fn is_acknowledged(&self, line: u64) -> bool {
        self.acknowledged.contains(&line)
    }

    /// The spool holds every block from the first that is not done, and of those before it at most the rest of a segment.
    fn check_spool(&mut self) {
        let done = |line: u64| self.acknowledged.contains(&line) || self.set_aside.iter().any(|(_, given_up)| *given_up == line);
        while let Some((_, size)) = self.accepted.get(self.open).filter(|(line, _)| done(*line)) {
            self.open_size -= size;
            self.open += 1;
        }
        let (used, open) = (self.pipeline.spool().used() as usize, self.open_size);
        assert!(used >= open, "{used} bytes are kept of {open} that are not done");
        // Both halves of a record count as old as its oldest line.
        let halved = self.options.pack == Pack::Lines;
        let heads = (self.accepted.len() - self.open + 2) * SEGMENT_HEAD_SIZE;
        assert!(halved || used <= open + self.options.segment_size + heads, "{used} bytes are kept although only {open} are not done");
    }

    fn check(&self) {
        let (counters, waiting) = (self.pipeline.counters(), self.pipeline.waiting());
        assert!(self.pipeline.books_close(), "the books do not close: {counters:?}, {waiting} waiting");
        assert_eq!(counters.delivered, self.acknowledged.len() as u64);
        assert_eq!(counters.set_aside.total(), self.set_aside.len() as u64);
        assert_eq!((counters.requests, counters.resent), (self.requests, self.resent));
    }
}

/// The numbers of the lines in a record's data.
fn lines_of(data: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(data).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| line.strip_prefix("m v=").and_then(|rest| rest.split('i').next()).unwrap().parse().unwrap()).collect()
}
