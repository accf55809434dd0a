//! One process: the real core with the threads of the daemon played by an event loop, until it ends, or dies.
//!
//! The input hands blocks over and waits for room; the delivery polls, sends, waits for a sync; a third one ends the run when its limit is over. Between
//! any two of their steps time may pass and the process may die. As in the daemon nobody polls while there is nothing to do: a wake-up that the core forgets
//! makes the run stand still, which is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinegraf::config::{Ordering, Pack, WhenFull};
use kinegraf::counters::RejectReason;
use kinegraf::ending::Ending;
use kinegraf::kinesis::batch::{Batch, Record};
use kinegraf::kinesis::outcome::{Outcome, Reply};
use kinegraf::line::format::Format;
use kinegraf::pipeline::{Pipeline, PipelineOptions, Step};
use kinegraf::random::Random;
use kinegraf::record::packer::{Packer, PackerOptions};
use kinegraf::spool::block::BlockBuilder;
use kinegraf::spool::cold::ColdState;
use kinegraf::spool::disk::PendingSync;
use kinegraf::spool::spool::{Full, Spool, SpoolOptions};
use kinegraf::time::{Deadline, Now};

use crate::disk::{SimDisk, SimSync, lock};
use crate::kinesis::Answer;
use crate::swarm::{below, chance, pick};
use crate::world::World;

/// How often the daemon looks by itself whether held input may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often it is seen while a request waits for its answer whether something is to settle.
const LOOK_ASIDE: Duration = Duration::from_millis(100);
/// How often it tries a spool again that was full: a directory in memory may have room without our doing.
const ROOM_AGAIN: Duration = Duration::from_secs(1);
/// How long the delivery may take to notice a limit by itself.
const GRACE: Duration = Duration::from_millis(100);
/// Steps without time passing: a bisection takes forty requests, and what waits in a full hot leaves in small ones.
const STEPS_AT_ONCE_MAX: u32 = 1_000;
const STEPS_MAX: u32 = 30_000;
/// How often hot settles at most while behind.
const PACE: Duration = Duration::from_secs(10);

/// Where the lines of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A sender that keeps its batch until we answer, and offers it again.
    Exec,
    /// A sender that does not.
    Stdin,
    /// Nothing comes; what is there is to leave.
    Drain,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) mode: Mode,
    pub(crate) stream: usize,
    pub(crate) spool: SpoolOptions,
    pub(crate) cold: bool,
    pub(crate) pack: Pack,
    pub(crate) flush_interval: Duration,
    pub(crate) pipeline: PipelineOptions,
    /// What is left at the end of the input has so long.
    pub(crate) shutdown_timeout: Option<Duration>,
    /// Between two blocks, in milliseconds.
    pub(crate) pause_ms: u64,
    pub(crate) lines_a_block: u64,
}

/// How a run was left.
#[derive(Debug)]
pub(crate) enum Left {
    Ended(Box<Ending>),
    /// It did not come to an end in the time that the simulation has.
    Unfinished,
}

enum Delivery {
    Ready,
    Waits(Option<Deadline>),
    Sends(Duration, Answer),
    Syncs(Duration, SimSync),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The next block comes then.
    Reads(Duration),
    /// The spool is full: looks again then.
    WaitsForSpace(Duration),
    /// `sync = "always"`: looks again then.
    Held(Duration),
    Over,
}

pub(crate) struct Run<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) config: Config,
    pub(crate) pipeline: Pipeline<SimDisk>,
    pub(crate) now: Now,
    random: Random,
    batch: Batch,
    delivery: Delivery,
    /// What settles while a request waits for its answer: looks again then, or waits for a sync until then.
    aside: Option<(Duration, Option<SimSync>)>,
    input: Input,
    /// Lines to offer, and how many of them were taken into a block.
    offered: Vec<u64>,
    taken: usize,
    block: BlockBuilder,
    block_lines: Vec<u64>,
    /// What this run accepted: the line, when, and its place.
    pub(crate) accepted: Vec<(u64, Duration)>,
    /// How many more copies of a line may be sent before all were acknowledged.
    copies: BTreeMap<u64, u32>,
    /// Lines that were in a request of this run and are not known to be stored.
    failed: BTreeSet<u64>,
    given_up: u64,
    delivered: u64,
    steps_at_once: u32,
    /// The longest time that the delivery was away.
    pub(crate) longest: Duration,
    /// The cold disk was full, failed, or its lines could not be read at some time.
    pub(crate) troubled: bool,
    /// A refusal was answered: with a deadline nothing is stored then.
    pub(crate) refused: bool,
    hot_at_open: u64,
    cold_at_open: u64,
    wall_jumps: u64,
}

impl<'w> Run<'w> {
    pub(crate) fn begin(world: &'w mut World, config: Config, offered: Vec<u64>) -> Run<'w> {
        let seed = world.random.next_u64();
        let wall = Duration::from_secs(pick(&mut world.random, &[0, 1_000_000_000, 1_800_000_000, 1_800_000_000, 4_000_000_000])) + world.time;
        let now = Now { mono: Duration::from_millis(world.random.up_to(50)), wall };
        let blocks = world.blocks_on_disk(config.stream, config.cold);
        world.trace(&format!(
            "there: {:?}; {:?}; acknowledged {} and {}",
            blocks.lines,
            world.sizes(config.stream),
            world.acknowledged(config.stream, false),
            world.acknowledged(config.stream, true)
        ));
        let copies = world.copies_on_disk(config.stream);
        let stream = world.streams[config.stream].clone();
        let hot = SimDisk::open(&world.hot[config.stream], stream.hash());
        let cold = world.cold.as_ref().filter(|_| config.cold).map(|cold| SimDisk::open(cold, stream.hash()));
        let (hot_at_open, cold_at_open) = {
            let mut hot = lock(&world.hot[config.stream]);
            hot.peak = hot.used();
            let cold_used = world.cold.as_ref().map_or(0, |cold| {
                let mut cold = lock(cold);
                (cold.errors, cold.read_errors, cold.peak) = (0, 0, cold.used());
                cold.peak
            });
            (hot.errors, hot.read_errors) = (0, 0);
            (hot.peak, cold_used)
        };
        let spool = Spool::open(hot, cold, &stream, config.spool);
        let packer = PackerOptions {
            pack: config.pack,
            format: Format::Influx,
            buffer: 1 << 16,
            record_size: config.pipeline.request_size,
            flush_interval: config.flush_interval,
        };
        let pipeline = Pipeline::new(config.pipeline, spool, Packer::new(packer), Random::from_seed(seed), now);
        let first = now.mono + Duration::from_millis(world.random.up_to(config.pause_ms));
        let run = Run {
            pipeline,
            now,
            random: Random::from_seed(seed ^ 1),
            batch: Batch::new(config.pipeline.request_size),
            delivery: Delivery::Ready,
            aside: None,
            input: Input::Reads(first),
            offered,
            taken: 0,
            block: BlockBuilder::new(4_000),
            block_lines: Vec::new(),
            accepted: Vec::new(),
            copies,
            failed: BTreeSet::new(),
            given_up: 0,
            delivered: 0,
            steps_at_once: 0,
            longest: Duration::ZERO,
            troubled: false,
            refused: false,
            hot_at_open,
            cold_at_open,
            wall_jumps: pick(&mut world.random, &[0, 0, 0, 5]),
            world,
            config,
        };
        run.check_positions(&blocks.lines);
        run
    }

    /// New blocks stand behind everything that is there, and behind what a cursor has acknowledged.
    fn check_positions(&self, there: &BTreeMap<u64, Vec<u64>>) {
        let opened = self.pipeline.spool().opened().0;
        if let Some((last, _)) = there.last_key_value().filter(|_| !self.world.unreadable) {
            assert!(opened > *last, "position {opened} is used again: {last} is there");
        }
        let cursor = self.world.acknowledged(self.config.stream, self.config.cold);
        let known = self.world.disks().all(|disk| lock(disk).faults.cursor == 0);
        assert!(opened >= cursor || !known, "position {opened} is used again: {cursor} is acknowledged");
    }

    /// Goes on until the run ends, or has had its time.
    pub(crate) fn go(&mut self) -> Left {
        for _ in 0..STEPS_MAX {
            if let Some(ending) = self.step() {
                return Left::Ended(Box::new(ending));
            }
            self.check();
            if self.world.dies_now() {
                return Left::Unfinished;
            }
        }
        panic!("the run does not end");
    }

    /// Whatever is due next, in any order; else time passes.
    fn step(&mut self) -> Option<Ending> {
        let input_due = match self.input {
            Input::Reads(at) | Input::Held(at) | Input::WaitsForSpace(at) => at <= self.now.mono,
            Input::Over => false,
        };
        let delivery_due = match &self.delivery {
            Delivery::Ready => true,
            Delivery::Waits(until) => until.is_some_and(|until| until.passed(self.now)),
            Delivery::Sends(at, _) | Delivery::Syncs(at, _) => *at <= self.now.mono,
        };
        if self.pipeline.limit().is_some_and(|limit| Deadline(limit.0 + GRACE).passed(self.now)) {
            self.trace(|_| "limit".into());
            return Some(self.end());
        }
        if input_due && (!delivery_due || chance(&mut self.random, 50)) {
            self.count_step();
            self.read();
            return None;
        }
        let aside_due = self.aside.as_ref().is_some_and(|(at, _)| *at <= self.now.mono);
        if aside_due && (!delivery_due || chance(&mut self.random, 50)) {
            self.count_step();
            self.settle_aside();
            return None;
        }
        if delivery_due {
            self.count_step();
            return self.deliver();
        }
        self.pass_time();
        None
    }

    fn count_step(&mut self) {
        self.steps_at_once += 1;
        assert!(self.steps_at_once < STEPS_AT_ONCE_MAX, "the run spins");
    }

    fn pass_time(&mut self) {
        let input = match self.input {
            Input::Reads(at) | Input::Held(at) | Input::WaitsForSpace(at) => Some(at),
            Input::Over => None,
        };
        let delivery = match &self.delivery {
            Delivery::Ready => Some(self.now.mono),
            Delivery::Waits(until) => until.map(|until| until.0),
            Delivery::Sends(at, _) | Delivery::Syncs(at, _) => Some(*at),
        };
        let limit = self.pipeline.limit().map(|limit| limit.0 + GRACE);
        let aside = self.aside.as_ref().map(|(at, _)| *at);
        let next = [input, delivery, aside, limit].into_iter().flatten().min();
        let next = next.unwrap_or_else(|| panic!("everybody waits for somebody else; the input: {:?}", self.input));
        // A thread does not wake up on the dot.
        let late = Duration::from_millis(if chance(&mut self.random, 30) { self.random.up_to(80) } else { 0 });
        let passed = (next + late).saturating_sub(self.now.mono).max(Duration::from_micros(1));
        self.now.mono += passed;
        self.now.wall += passed;
        self.world.pass(passed);
        self.steps_at_once = 0;
        if self.random.up_to(999) < self.wall_jumps {
            self.now.wall = Duration::from_secs(self.random.up_to(5_000_000_000));
        }
    }

    fn read(&mut self) {
        if let Input::Held(_) = self.input {
            return self.release_held();
        }
        if self.block_lines.is_empty() {
            let wanted = 1 + self.random.up_to(self.config.lines_a_block - 1) as usize;
            let end = (self.taken + wanted).min(self.offered.len());
            if end == self.taken {
                return self.end_of_input();
            }
            self.block.clear();
            for line in &self.offered[self.taken..end] {
                if self.block.is_full() {
                    break;
                }
                self.block.push(&self.world.shape.key(*line), self.world.shape.text(*line).as_bytes());
                self.block_lines.push(*line);
            }
            self.taken += self.block_lines.len();
        }
        self.world.note_tried(self.config.stream, &self.block_lines);
        let before = self.pipeline.spool().counters().dropped_full;
        match self.pipeline.accept(self.now, &mut self.block) {
            Ok(()) => {
                self.trace(|run| {
                    format!("accept {:?}: {} bytes are used, {:?}", run.block_lines, run.pipeline.spool().used(), run.world.sizes(run.config.stream))
                });
                // Given up themselves, for want of room.
                let dropped = self.config.spool.when_full == WhenFull::DropNewest && self.pipeline.spool().counters().dropped_full > before;
                let lines = std::mem::take(&mut self.block_lines);
                if !dropped {
                    for line in &lines {
                        *self.copies.entry(*line).or_default() += 1;
                        self.accepted.push((*line, self.now.mono));
                    }
                    self.world.note_accepted(self.config.stream, self.config.mode, &lines);
                }
                self.wake();
                self.input = Input::Held(self.now.mono);
                self.release_held();
            }
            Err(Full) => {
                self.trace(|run| format!("full for {:?}", run.block_lines));
                self.input = Input::WaitsForSpace(self.now.mono + ROOM_AGAIN);
                if self.pipeline.has_deadline() && self.pipeline.is_refused() {
                    self.pipeline.give_up();
                    self.input = Input::Over;
                }
                self.wake();
                self.note_sending();
            }
        }
    }

    /// Reads on unless what was accepted has to be durable first.
    fn release_held(&mut self) {
        if self.pipeline.holds_input(self.now) {
            self.input = Input::Held(self.now.mono + LOOK_AGAIN);
            self.note_sending();
            return;
        }
        let healthy = self.pipeline.spool().cold().is_some_and(|cold| cold.until(self.now).is_none());
        if self.config.pipeline.sync_always && healthy && !self.world.unreadable && self.no_drops() {
            let missing = self.not_durable();
            assert!(
                missing.is_empty(),
                "the input is read on although lines are not durable: {missing:?}; {:?}",
                self.world.durable_blocks(self.config.stream).lines
            );
        }
        let pause = if chance(&mut self.random, 5) { 40_000 } else { self.config.pause_ms };
        self.input = Input::Reads(self.now.mono + Duration::from_millis(self.random.up_to(pause)));
    }

    /// Lines of this run that neither arrived nor survive a power cut.
    pub(crate) fn not_durable(&self) -> Vec<u64> {
        let durable = self.world.durable_blocks(self.config.stream).all();
        let done = |line: &u64| self.world.is_done(self.config.stream, *line) || durable.contains(line);
        self.accepted.iter().map(|(line, _)| *line).filter(|line| !done(line)).collect()
    }

    fn no_drops(&self) -> bool {
        let counters = self.pipeline.spool().counters();
        counters.dropped_full + counters.dropped_damaged == 0
    }

    fn end_of_input(&mut self) {
        self.trace(|_| "end of input".into());
        self.input = Input::Over;
        let limit = self.config.shutdown_timeout.filter(|_| !self.pipeline.has_deadline());
        // Asked to end before the end of the input.
        let eof = self.config.mode != Mode::Stdin || !chance(&mut self.random, 15);
        self.pipeline.close(eof, limit.map(|limit| Deadline(self.now.mono + limit)));
        self.wake();
    }

    fn wake(&mut self) {
        if let Delivery::Waits(_) = self.delivery {
            self.delivery = Delivery::Ready;
        }
    }

    fn space(&mut self) {
        match self.input {
            Input::WaitsForSpace(_) => self.input = Input::Reads(self.now.mono),
            Input::Held(_) => self.input = Input::Held(self.now.mono),
            Input::Reads(_) | Input::Over => {}
        }
    }

    fn deliver(&mut self) -> Option<Ending> {
        match std::mem::replace(&mut self.delivery, Delivery::Ready) {
            Delivery::Sends(_, answer) => self.answered(answer),
            Delivery::Syncs(_, sync) => self.settled(sync),
            Delivery::Ready | Delivery::Waits(_) => return self.poll(),
        }
        None
    }

    fn poll(&mut self) -> Option<Ending> {
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

    fn settle_aside(&mut self) {
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

    fn begin_settle(&mut self, aside: bool) -> Option<(Duration, SimSync)> {
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

    fn settled(&mut self, sync: SimSync) {
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
    fn note_sending(&mut self) {
        if self.pipeline.spool().cold().is_some() && self.aside.as_ref().is_none_or(|(_, sync)| sync.is_none()) {
            self.aside = Some((self.now.mono, None));
        }
    }

    fn away(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    fn send(&mut self) {
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

    /// A record holds lines that were accepted for this stream, of its key.
    fn check_record(&self, record: Record<'_>) -> Vec<u64> {
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
    fn check_order(&mut self, records: &[Vec<u64>]) {
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

    fn answered(&mut self, answer: Answer) {
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

    fn end(&mut self) -> Ending {
        let ending = self.pipeline.end(self.now);
        self.trace(|_| format!("end: {} {ending:?}", ending.code()));
        ending
    }

    /// What holds after each step.
    fn check(&mut self) {
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
        let allowed = self.config.pipeline.sync_after + PACE + self.longest * 3 + Duration::from_secs(1);
        self.now.mono.saturating_sub(accepted) > allowed
    }

    pub(crate) fn trace(&self, event: impl FnOnce(&Run<'w>) -> String) {
        if self.world.traces {
            self.world.trace(&format!("{:>10.3} {}", self.now.mono.as_secs_f64(), event(self)));
        }
    }
}
