//! What outlives a process: the disks, the stream, the senders, and the ledger of who owes what for each line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinegraf::random::Random;
use kinegraf::spool::segment::StreamId;

use crate::disk::{Kind, Platter, Shared, lock};
use crate::faults::{Answers, DiskFaults};
use crate::kinesis::Kinesis;
use crate::lines::{Blocks, Shape};
use crate::run::Mode;
use crate::swarm::{chance, pick};

/// Events that are told when a simulation fails.
const EVENTS_MAX: usize = 400;

/// What the spool owes for a line, by stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// It was offered to a spool, which may have taken it before it died.
    tried: [bool; 2],
    /// It is to arrive: its sender has forgotten it.
    owed: [bool; 2],
    given_up: [bool; 2],
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) streams: [StreamId; 2],
    pub(crate) shape: Shape,
    /// One for each stream: their directories have different names.
    pub(crate) hot: [Shared; 2],
    pub(crate) cold: Option<Shared>,
    pub(crate) kinesis: Kinesis,
    pub(crate) answers: Answers,
    /// Since the beginning of the simulation.
    pub(crate) time: Duration,
    pub(crate) lines: BTreeMap<u64, Line>,
    /// Offered by the sender until a run answers 0.
    pub(crate) kept_by_sender: Vec<u64>,
    pub(crate) next_line: u64,
    /// The cold disk cannot be opened at times.
    pub(crate) late: bool,
    /// A sender offered lines more than once.
    pub(crate) repeats: bool,
    /// Lines that spools said they gave up for want of room, or because a segment could not be read.
    pub(crate) dropped: u64,
    /// A bit flipped.
    pub(crate) flipped: bool,
    /// Something that was stored may be unreadable: a bit flipped, or reads fail.
    pub(crate) unreadable: bool,
    /// A cursor write or a removal failed, so that more is sent again.
    pub(crate) deaths: Deaths,
    pub(crate) traces: bool,
    events: Mutex<VecDeque<String>>,
}

/// When a process dies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deaths {
    /// After so many steps.
    pub(crate) step: Option<u32>,
    /// Between the return of a sync and what follows from it.
    pub(crate) between: Option<u32>,
    dying: bool,
}

impl World {
    pub(crate) fn new(seed: u64, traces: bool) -> World {
        let mut random = Random::from_seed(seed);
        let stream = |name| StreamId::new("eu-central-1", name, None).expect("a good name");
        let hot_faults = if chance(&mut random, 25) { DiskFaults::draw(&mut random) } else { DiskFaults::default() };
        let cold_faults = if chance(&mut random, 50) { DiskFaults::draw(&mut random) } else { DiskFaults::default() };
        let hot_kind = pick(&mut random, &[Kind::Ram, Kind::Tmpfs, Kind::Tmpfs]);
        let hot_capacity = pick(&mut random, &[3_000, 20_000, 1 << 20]);
        let cold_capacity = pick(&mut random, &[4_000, 30_000, 1 << 20]);
        let (hot_capacity, hot_faults) = if hot_kind == Kind::Ram { (u64::MAX, DiskFaults::default()) } else { (hot_capacity, hot_faults) };
        let hot = [0, 1].map(|_| Arc::new(Mutex::new(Platter::new(hot_kind, hot_capacity, hot_faults, random.next_u64()))));
        let cold = Platter::new(Kind::Card, cold_capacity, cold_faults, random.next_u64());
        let has_cold = chance(&mut random, 85);
        World {
            streams: [stream("a"), stream("b")],
            shape: Shape { size: pick(&mut random, &[10, 100, 100, 1_000]), keys: pick(&mut random, &[0, 1, 3, 50]) },
            unreadable: hot_faults.read > 0 || cold_faults.read > 0,
            hot,
            cold: has_cold.then(|| Arc::new(Mutex::new(cold))),
            kinesis: Kinesis::default(),
            answers: Answers::good(),
            time: Duration::ZERO,
            lines: BTreeMap::new(),
            kept_by_sender: Vec::new(),
            next_line: 0,
            late: chance(&mut random, 20),
            repeats: false,
            dropped: 0,
            flipped: false,
            deaths: Deaths::default(),
            traces,
            events: Mutex::default(),
            random,
        }
    }

    pub(crate) fn new_lines(&mut self, count: u64) -> Vec<u64> {
        let first = self.next_line;
        self.next_line += count;
        (first..self.next_line).collect()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.time += time;
        self.kinesis.pass(self.time);
    }

    pub(crate) fn disks(&self) -> impl Iterator<Item = &Shared> {
        self.hot.iter().chain(&self.cold)
    }

    // The ledger.

    pub(crate) fn note_tried(&mut self, stream: usize, lines: &[u64]) {
        lines.iter().for_each(|line| self.lines.entry(*line).or_default().tried[stream] = true);
    }

    pub(crate) fn note_accepted(&mut self, stream: usize, mode: Mode, lines: &[u64]) {
        if mode == Mode::Stdin {
            self.owe(stream, lines.iter().copied());
        }
    }

    pub(crate) fn owe(&mut self, stream: usize, lines: impl Iterator<Item = u64>) {
        lines.for_each(|line| self.lines.entry(line).or_default().owed[stream] = true);
    }

    pub(crate) fn note_given_up(&mut self, stream: usize, line: u64) {
        self.lines.entry(line).or_default().given_up[stream] = true;
    }

    pub(crate) fn was_tried(&self, stream: usize, line: u64) -> bool {
        self.lines.get(&line).is_some_and(|known| known.tried[stream])
    }

    /// It arrived, or was given up for itself.
    pub(crate) fn is_done(&self, stream: usize, line: u64) -> bool {
        self.kinesis.stored[stream].contains_key(&line) || self.lines.get(&line).is_some_and(|known| known.given_up[stream])
    }

    /// Lines of a stream that are to arrive and have not.
    pub(crate) fn owed(&self, stream: usize) -> Vec<u64> {
        self.lines.iter().filter(|(line, known)| known.owed[stream] && !self.is_done(stream, **line)).map(|(line, _)| *line).collect()
    }

    pub(crate) fn forgive(&mut self, stream: usize, lines: &[u64]) {
        for line in lines {
            self.trace(&format!("forgiven: {line}"));
            self.lines.entry(*line).or_default().owed[stream] = false;
        }
    }

    /// Lines are in one order, each accepted once, so that orders can be compared.
    pub(crate) fn exact_order(&self) -> bool {
        !self.repeats && !self.unreadable && !self.late
    }

    // What stands on the disks.

    pub(crate) fn blocks_on_disk(&self, stream: usize, with_cold: bool) -> Blocks {
        let (mut blocks, of) = (Blocks::default(), &self.streams[stream]);
        for disk in [Some(&self.hot[stream]), self.cold.as_ref().filter(|_| with_cold)].into_iter().flatten() {
            blocks.scan(&self.shape, of, &lock(disk).contents(of.hash()));
        }
        blocks
    }

    /// Lines that can be read, or were set aside.
    fn lines_on_disk(&self, stream: usize) -> BTreeSet<u64> {
        let (mut lines, of) = (self.blocks_on_disk(stream, true).all(), &self.streams[stream]);
        for disk in [Some(&self.hot[stream]), self.cold.as_ref()].into_iter().flatten() {
            for content in lock(disk).set_aside(of.hash()) {
                let mut blocks = Blocks::default();
                blocks.scan_loosely(&self.shape, of, content);
                lines.extend(blocks.all());
            }
        }
        lines
    }

    /// How often each line stands in any segment: more often than it is read where a tail that a power cut brought back is covered by the next segment.
    pub(crate) fn copies_on_disk(&self, stream: usize) -> BTreeMap<u64, u32> {
        let (mut copies, of) = (BTreeMap::new(), &self.streams[stream]);
        for disk in [Some(&self.hot[stream]), self.cold.as_ref()].into_iter().flatten() {
            for (_, content) in lock(disk).contents(of.hash()) {
                let mut blocks = Blocks::default();
                blocks.scan_loosely(&self.shape, of, content);
                blocks.lines.values().flatten().for_each(|line| *copies.entry(*line).or_default() += 1);
            }
        }
        copies
    }

    /// The sizes of segments on each disk, for whoever looks for a mistake.
    pub(crate) fn sizes(&self, stream: usize) -> Vec<Vec<(u64, usize)>> {
        let sizes = |disk| lock(disk).contents(self.streams[stream].hash()).iter().map(|(number, content)| (*number, content.len())).collect();
        [Some(&self.hot[stream]), self.cold.as_ref()].into_iter().flatten().map(sizes).collect()
    }

    pub(crate) fn durable_blocks(&self, stream: usize) -> Blocks {
        let (mut blocks, of) = (Blocks::default(), &self.streams[stream]);
        if let Some(cold) = &self.cold {
            blocks.scan(&self.shape, of, &lock(cold).durable(of.hash()));
        }
        blocks
    }

    /// The highest position that a cursor of a stream calls acknowledged.
    pub(crate) fn acknowledged(&self, stream: usize, with_cold: bool) -> u64 {
        let disks = [Some(&self.hot[stream]), self.cold.as_ref().filter(|_| with_cold)];
        disks.into_iter().flatten().map(|disk| lock(disk).acknowledged(self.streams[stream].hash())).max().unwrap_or(0)
    }

    // Deaths.

    pub(crate) fn dies_now(&mut self) -> bool {
        if let Some(left) = &mut self.deaths.step {
            if *left == 0 {
                return true;
            }
            *left -= 1;
        }
        self.deaths.dying
    }

    pub(crate) fn is_dying(&self) -> bool {
        self.deaths.dying
    }

    pub(crate) fn dies_between(&mut self) -> bool {
        if let Some(left) = &mut self.deaths.between {
            self.deaths.dying = *left == 0;
            *left = left.saturating_sub(1);
        }
        self.deaths.dying
    }

    /// A process is gone: what only it knew is forgotten. Lines that were in memory alone are nobody's any more.
    pub(crate) fn kill(&mut self) {
        self.deaths = Deaths::default();
        let ram = lock(&self.hot[0]).kind == Kind::Ram;
        self.disks().for_each(|disk| lock(disk).kill());
        for stream in 0..2 {
            self.note_missing(stream, ram);
        }
    }

    /// Lines that are owed and nowhere: lost with memory, or dropped and counted.
    fn note_missing(&mut self, stream: usize, forgive: bool) {
        let there = self.lines_on_disk(stream);
        let missing: Vec<u64> = self.owed(stream).into_iter().filter(|line| !there.contains(line)).collect();
        if forgive || self.unreadable {
            return self.forgive(stream, &missing);
        }
        assert!(missing.len() as u64 <= self.dropped, "lines are nowhere: {missing:?}; {} were dropped", self.dropped);
        self.dropped -= missing.len() as u64;
        self.forgive(stream, &missing);
    }

    /// The power is cut: what was not durable is lost, and nothing else. Returns the lines that are lost.
    pub(crate) fn power_cut(&mut self) -> [Vec<u64>; 2] {
        self.trace("power cut");
        self.deaths = Deaths::default();
        let durable = [0, 1].map(|stream| self.durable_blocks(stream).all());
        // What was dropped is no more lost than it was.
        self.disks().for_each(|disk| lock(disk).power_cut());
        [0, 1].map(|stream| {
            let there = self.lines_on_disk(stream);
            let lost: Vec<u64> = self.owed(stream).into_iter().filter(|line| !there.contains(line)).collect();
            if let Some(line) = lost.iter().find(|line| durable[stream].contains(line)) {
                panic!("line {line} was durable and is gone");
            }
            self.forgive(stream, &lost);
            lost
        })
    }

    /// A bit of the card flips; the lines behind it in that segment are nobody's any more.
    pub(crate) fn flip(&mut self) {
        let Some(cold) = self.cold.clone() else { return };
        let Some((hash, number, before, at)) = lock(&cold).flip() else { return };
        self.flipped = true;
        self.trace(&format!("a bit flips at {at} in {number}"));
        let stream = usize::from(hash != self.streams[0].hash());
        let (mut whole, mut safe, of) = (Blocks::default(), Blocks::default(), &self.streams[stream]);
        whole.scan(&self.shape, of, &[(number, &before)]);
        safe.scan(&self.shape, of, &[(number, &before[..at])]);
        let lines: Vec<u64> = whole.all().difference(&safe.all()).copied().collect();
        self.forgive(stream, &lines);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.answers = Answers::good();
        self.kinesis.poison.clear();
        self.deaths = Deaths::default();
        for disk in self.disks() {
            let mut disk = lock(disk);
            (disk.faults, disk.capacity, disk.dies_in) = (DiskFaults::default(), 1 << 30, None);
        }
    }

    // Events.

    pub(crate) fn trace(&self, event: &str) {
        if self.traces
            && let Ok(mut events) = self.events.lock()
        {
            if events.len() == EVENTS_MAX {
                events.pop_front();
            }
            events.push_back(event.to_owned());
        }
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().map(|events| events.iter().cloned().collect()).unwrap_or_default()
    }
}
