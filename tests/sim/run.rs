//! One process: the real core with the threads of the daemon played by an event loop, until it ends, or dies.
//!
//! The input hands blocks over and waits for room; the delivery polls, sends, waits for a sync; a third one ends the run when its limit is over. Between
//! any two of their steps time may pass and the process may die. As in the daemon nobody polls while there is nothing to do: a wake-up that the core forgets
//! makes the run stand still, which is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinegraf::config::{Pack, WhenFull};
use kinegraf::ending::Ending;
use kinegraf::kinesis::batch::Batch;
use kinegraf::line::format::Format;
use kinegraf::pipeline::{Pipeline, PipelineOptions};
use kinegraf::random::Random;
use kinegraf::record::packer::{Packer, PackerOptions};
use kinegraf::spool::block::BlockBuilder;
use kinegraf::spool::spool::{Full, Spool, SpoolOptions};
use kinegraf::time::{Deadline, Now};

use crate::disk::{SimDisk, SimSync, lock};
use crate::hand_offs::{Taking, Waiting};
use crate::kinesis::Answer;
use crate::swarm::{chance, pick};
use crate::world::World;

/// How often the daemon looks by itself whether held input may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often it tries a spool again that was full: a directory in memory may have room without our doing.
const ROOM_AGAIN: Duration = Duration::from_secs(1);
/// How long the delivery may take to notice a limit by itself.
const GRACE: Duration = Duration::from_millis(100);
/// Steps without time passing: a bisection takes forty requests, and what waits in a full hot leaves in small ones.
const STEPS_AT_ONCE_MAX: u32 = 1_000;
const STEPS_MAX: u32 = 30_000;

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
    /// A cold disk that could not be opened can be from then on.
    pub(crate) late: Duration,
    pub(crate) pack: Pack,
    pub(crate) flush_interval: Duration,
    pub(crate) pipeline: PipelineOptions,
    /// What is left at the end of the input has so long.
    pub(crate) shutdown_timeout: Option<Duration>,
    /// Between two blocks, in milliseconds.
    pub(crate) pause_ms: u64,
    pub(crate) lines_a_block: u64,
    /// Of a hundred blocks so many begin a batch whose sender waits.
    pub(crate) hand_offs: u64,
}

/// How a run was left.
#[derive(Debug)]
pub(crate) enum Left {
    Ended(Box<Ending>),
    /// It did not come to an end in the time that the simulation has.
    Unfinished,
}

/// What the thread that delivers does.
pub(crate) enum Delivery {
    Ready,
    Waits(Option<Deadline>),
    Sends(Duration, Answer),
    Syncs(Duration, SimSync),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
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
    pub(crate) random: Random,
    pub(crate) batch: Batch,
    pub(crate) delivery: Delivery,
    /// What settles while a request waits for its answer: looks again then, or waits for a sync until then.
    pub(crate) aside: Option<(Duration, Option<SimSync>)>,
    pub(crate) input: Input,
    /// Lines to offer, and how many of them were taken into a block.
    pub(crate) offered: Vec<u64>,
    pub(crate) taken: usize,
    pub(crate) block: BlockBuilder,
    pub(crate) block_lines: Vec<u64>,
    /// What this run accepted: the line, when, and its place.
    pub(crate) accepted: Vec<(u64, Duration)>,
    /// How many more copies of a line may be sent before all were acknowledged.
    pub(crate) copies: BTreeMap<u64, u32>,
    /// Lines that were in a request of this run and are not known to be stored.
    pub(crate) failed: BTreeSet<u64>,
    pub(crate) given_up: u64,
    pub(crate) delivered: u64,
    pub(crate) steps_at_once: u32,
    /// The longest time that the delivery was away.
    pub(crate) longest: Duration,
    /// The cold disk was full, failed, or its lines could not be read at some time.
    pub(crate) troubled: bool,
    /// When the cold disk that could not be opened at the start was tried again.
    pub(crate) tried_late: Option<Duration>,
    /// The end of the input was seen.
    pub(crate) saw_the_end: bool,
    /// A refusal was answered: with a deadline nothing is stored then.
    pub(crate) refused: bool,
    pub(crate) hot_at_open: u64,
    pub(crate) cold_at_open: u64,
    pub(crate) wall_jumps: u64,
    /// A batch that is being handed over, and those whose senders wait for an answer.
    pub(crate) taking: Option<Taking>,
    pub(crate) waiting: Vec<Waiting>,
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
        let mut spool = Spool::open(hot, cold, &stream, config.spool);
        if world.cold.is_some() && !config.cold {
            spool.begin_late(now, &mut Random::from_seed(seed ^ 2));
        }
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
            tried_late: None,
            saw_the_end: false,
            refused: false,
            hot_at_open,
            cold_at_open,
            wall_jumps: pick(&mut world.random, &[0, 0, 0, 5]),
            taking: None,
            waiting: Vec::new(),
            world,
            config,
        };
        run.check_positions(&blocks.lines);
        run
    }

    /// Goes on until the run ends, or has had its time.
    pub(crate) fn go(&mut self) -> Left {
        for _ in 0..STEPS_MAX {
            if let Some(ending) = self.step() {
                return Left::Ended(Box::new(ending));
            }
            self.answer_hand_offs();
            self.check();
            if self.world.dies_now() {
                return Left::Unfinished;
            }
        }
        panic!("the run does not end");
    }

    /// Whatever is due next, in any order; else time passes.
    pub(crate) fn step(&mut self) -> Option<Ending> {
        self.open_late();
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

    fn open_late(&mut self) {
        if self.config.cold || self.tried_late.is_some() || self.now.mono < self.config.late {
            return;
        }
        self.tried_late = Some(self.now.mono);
        let Some(cold) = &self.world.cold else { return };
        let stream = self.world.streams[self.config.stream].hash();
        self.config.cold = self.pipeline.adopt_cold(SimDisk::open(cold, stream));
        self.trace(|run| format!("the cold disk can be opened; it is taken: {}", run.config.cold));
        self.troubled = true;
        self.wake();
        self.space();
    }

    pub(crate) fn count_step(&mut self) {
        self.steps_at_once += 1;
        assert!(self.steps_at_once < STEPS_AT_ONCE_MAX, "the run spins");
    }

    pub(crate) fn pass_time(&mut self) {
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
        let next = [input, delivery, aside, limit, self.hand_off_due()].into_iter().flatten().min();
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

    pub(crate) fn read(&mut self) {
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
        self.begin_hand_off();
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
                self.take_for_hand_off(&lines);
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
    pub(crate) fn release_held(&mut self) {
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

    pub(crate) fn end_of_input(&mut self) {
        self.trace(|_| "end of input".into());
        self.input = Input::Over;
        let limit = self.config.shutdown_timeout.filter(|_| !self.pipeline.has_deadline());
        // Asked to end before the end of the input.
        let eof = self.config.mode != Mode::Stdin || !chance(&mut self.random, 15);
        self.saw_the_end = eof;
        self.pipeline.close(eof, limit.map(|limit| Deadline(self.now.mono + limit)));
        self.wake();
    }

    pub(crate) fn wake(&mut self) {
        if let Delivery::Waits(_) = self.delivery {
            self.delivery = Delivery::Ready;
        }
    }

    pub(crate) fn space(&mut self) {
        match self.input {
            Input::WaitsForSpace(_) => self.input = Input::Reads(self.now.mono),
            Input::Held(_) => self.input = Input::Held(self.now.mono),
            Input::Reads(_) | Input::Over => {}
        }
    }

    pub(crate) fn end(&mut self) -> Ending {
        let ending = self.pipeline.end(self.now);
        self.trace(|_| format!("end: {} {ending:?}", ending.code()));
        ending
    }

    pub(crate) fn trace(&self, event: impl FnOnce(&Run<'w>) -> String) {
        if self.world.traces {
            self.world.trace(&format!("{:>10.3} {}", self.now.mono.as_secs_f64(), event(self)));
        }
    }
}
