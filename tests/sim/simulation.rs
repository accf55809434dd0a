//! A simulation: a few processes one after the other over the same disks, each configured anew, each ended or killed somewhere; then all is mended, and
//! everything that is owed has to arrive.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use kinegraf::config::{Ordering, Pack, WhenFull};
use kinegraf::pipeline::PipelineOptions;
use kinegraf::random::Random;
use kinegraf::spool::cold::ColdOptions;
use kinegraf::spool::spool::SpoolOptions;
use kinegraf::time::Deadline;

use crate::disk::{Died, lock};
use crate::faults::Answers;
use crate::run::{Config, Left, Mode, Run};
use crate::swarm::{below, chance, pick, swarm};
use crate::world::World;

/// Runs that may be needed until everything has left when nothing goes wrong any more.
const LAST_RUNS_MAX: u32 = 6;

/// What a simulation is made of, beside its world.
struct Plan {
    runs: u64,
    deaths: u64,
    power_cuts: u64,
    flips: u64,
    poison: u64,
    offline: u64,
    exec: u64,
    other_stream: u64,
    always: u64,
    hand_offs: u64,
}

impl Plan {
    fn draw(random: &mut Random) -> Plan {
        Plan {
            runs: 1 + random.up_to(5),
            deaths: pick(random, &[0, 20, 60, 100]),
            power_cuts: pick(random, &[0, 50, 100]),
            flips: pick(random, &[0, 0, 50, 100]),
            poison: pick(random, &[0, 0, 5]),
            offline: swarm(random, &[30, 100]),
            exec: pick(random, &[0, 0, 50, 100]),
            other_stream: swarm(random, &[40]),
            always: swarm(random, &[30, 100]),
            hand_offs: swarm(random, &[10, 50, 100]),
        }
    }
}

/// Runs one to its end; panics where something does not hold.
pub(crate) fn simulate(world: &mut World) {
    let plan = Plan::draw(&mut world.random);
    for _ in 0..plan.runs {
        process(world, &plan);
    }
    finish(world);
}

fn process(world: &mut World, plan: &Plan) {
    world.answers = match chance(&mut world.random, plan.offline) {
        true => Answers::offline(&mut world.random),
        false => Answers::draw(&mut world.random),
    };
    let config = configure(world, plan);
    let count = pick(&mut world.random, &[0, 5, 20, 60]);
    let offered = match config.mode {
        Mode::Drain => Vec::new(),
        Mode::Stdin => world.new_lines(count),
        Mode::Exec => {
            world.repeats = true;
            let lines = world.new_lines(count / 2);
            world.kept_by_sender.extend(lines);
            world.kept_by_sender.clone()
        }
    };
    for line in &offered {
        if chance(&mut world.random, plan.poison) {
            world.kinesis.poison.insert(*line);
        }
    }
    draw_death(world, plan, config.stream);
    if chance(&mut world.random, plan.flips) {
        world.flip();
    }
    let cut = chance(&mut world.random, plan.power_cuts);
    // What waits until all is well is killed some time.
    if config.pipeline.deadline.is_none() && world.deaths.step.is_none() {
        world.deaths.step = Some(2_000);
    }
    world.trace(&format!("── run of {} lines {config:?} {:?} {:?}", offered.len(), world.answers, world.deaths));
    run(world, config, offered, cut);
    if chance(&mut world.random, 30) {
        let pause = Duration::from_secs(world.random.up_to(1_000));
        world.pass(pause);
    }
}

fn draw_death(world: &mut World, plan: &Plan, stream: usize) {
    if !chance(&mut world.random, plan.deaths) {
        return;
    }
    match world.random.up_to(3) {
        0 => world.deaths.between = Some(world.random.up_to(2) as u32),
        1 => world.deaths.step = Some(world.random.up_to(300) as u32),
        // To die in an operation is to unwind out of it.
        _ if cfg!(panic = "abort") => world.deaths.step = Some(world.random.up_to(300) as u32),
        _ => {
            let operations = Some(below(&mut world.random, &[10, 100, 500]) as u32);
            let in_cold = chance(&mut world.random, 50);
            let disk = world.cold.as_ref().filter(|_| in_cold).unwrap_or(&world.hot[stream]);
            lock(disk).dies_in = operations;
        }
    }
}

/// One process. `cut`: where it dies, the power dies with it.
fn run(world: &mut World, config: Config, offered: Vec<u64>, cut: bool) {
    let stream = config.stream;
    let mut lost = [Vec::new(), Vec::new()];
    let mut run = match unless_dead(|| Run::begin(world, config, offered.clone())) {
        Some(run) => run,
        None => return die(world, cut, &mut lost),
    };
    let left = unless_dead(|| run.go());
    let dropped = run.pipeline.spool().counters().dropped_full + run.pipeline.spool().counters().dropped_damaged;
    let in_an_operation = left.is_none();
    match left {
        Some(Left::Ended(ending)) => {
            crate::endings::check(&run, &ending);
            let code = ending.code();
            let overdue = accepted_long_ago(&run);
            run.world.dropped += dropped;
            drop(run);
            if config.mode == Mode::Exec && code == 0 {
                world.owe(stream, offered.iter().copied());
                world.kept_by_sender.clear();
            }
            if cut { check_cut(world, stream, &overdue) } else { world.kill() }
        }
        Some(Left::Unfinished) | None => {
            run.trace(|_| format!("it dies; in an operation: {in_an_operation}"));
            // It may have died between dropping a segment and counting it.
            let uncounted = in_an_operation && config.spool.when_full == WhenFull::DropOldest;
            let overdue = if uncounted { Vec::new() } else { accepted_long_ago(&run) };
            run.world.dropped += if uncounted { dropped + 1_000 } else { dropped };
            drop(run);
            if cut { check_cut(world, stream, &overdue) } else { world.kill() }
        }
    }
    if world.dropped >= 900 {
        world.dropped = 0;
        world.unreadable = true;
    }
}

fn die(world: &mut World, cut: bool, lost: &mut [Vec<u64>; 2]) {
    if cut {
        *lost = world.power_cut();
    } else {
        world.kill();
    }
}

/// Lines that a power cut must not take any more.
fn accepted_long_ago(run: &Run<'_>) -> Vec<u64> {
    let cold = run.pipeline.spool().cold().is_some();
    let counters = run.pipeline.spool().counters();
    let excused = !cold || run.troubled || (run.refused && run.pipeline.has_deadline()) || counters.dropped_full + counters.dropped_damaged > 0;
    if excused || run.world.unreadable {
        return Vec::new();
    }
    run.accepted.iter().filter(|(_, at)| run.is_overdue(*at)).map(|(line, _)| *line).collect()
}

fn check_cut(world: &mut World, stream: usize, overdue: &[u64]) {
    let lost = world.power_cut();
    let too_old: Vec<u64> = overdue.iter().filter(|line| lost[stream].contains(line)).copied().collect();
    assert!(too_old.is_empty(), "a power cut took lines that were accepted long before: {too_old:?}");
}

/// `None` where the process died within an operation of a disk.
fn unless_dead<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(cause) if cause.is::<Died>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

fn configure(world: &mut World, plan: &Plan) -> Config {
    let late = world.late;
    let random = &mut world.random;
    let mode = if chance(random, 15) {
        Mode::Drain
    } else if chance(random, plan.exec) {
        Mode::Exec
    } else {
        Mode::Stdin
    };
    let deadline = (mode == Mode::Exec || mode == Mode::Drain && chance(random, 30))
        .then(|| Deadline(pick(random, &[Duration::from_secs(4), Duration::from_secs(60)])));
    let flush_interval = pick(random, &[Duration::ZERO, Duration::from_secs(1), Duration::from_secs(10)]);
    let sync_after = pick(random, &[Duration::ZERO, Duration::from_secs(15)]);
    let when_full = if deadline.is_some() { WhenFull::Block } else { pick(random, &[WhenFull::Block, WhenFull::DropOldest, WhenFull::DropNewest]) };
    Config {
        mode,
        stream: usize::from(chance(random, plan.other_stream)),
        spool: SpoolOptions {
            hot_size: pick(random, &[2_000, 10_000, 100_000]),
            segment_size: pick(random, &[300, 1_000, 4_000]),
            when_full,
            cold: ColdOptions { size: pick(random, &[2_000, 10_000, 1 << 20]), min_free: pick(random, &[0, 10]) },
        },
        cold: !chance(random, if late { 30 } else { 0 }),
        late: Duration::from_millis(below(random, &[1_000, 60_000])),
        pack: if chance(random, 50) { Pack::Metric } else { Pack::Lines },
        flush_interval,
        pipeline: PipelineOptions {
            ordering: if chance(random, 30) { Ordering::Strict } else { Ordering::Request },
            request_size: pick(random, &[5_000, 20_000]),
            deadline,
            exit_when_missing: chance(random, 10),
            sync_after: flush_interval + sync_after,
            sync_always: chance(random, plan.always),
        },
        shutdown_timeout: chance(random, 70).then(|| pick(random, &[Duration::from_secs(4), Duration::from_secs(30)])),
        pause_ms: pick(random, &[0, 100, 3_000, 12_000]),
        lines_a_block: pick(random, &[1, 4, 20]),
        hand_offs: if mode == Mode::Stdin { plan.hand_offs } else { 0 },
    }
}

/// All faults are off: what is owed arrives, and nothing stays behind.
fn finish(world: &mut World) {
    world.trace("── all is mended");
    world.heal();
    for stream in 0..2 {
        let mut runs = 0;
        while !is_empty(world, stream) || runs == 0 {
            runs += 1;
            assert!(runs <= LAST_RUNS_MAX, "the spool does not get empty: {:?}", world.blocks_on_disk(stream, true).lines);
            let mut config = configure(world, &Plan::draw(&mut Random::from_seed(1)));
            (config.mode, config.stream, config.cold, config.pipeline.deadline) = (Mode::Drain, stream, true, None);
            (config.shutdown_timeout, config.spool.cold.size) = (None, 1 << 30);
            world.trace(&format!("── last run {config:?}"));
            let mut run = Run::begin(world, config, Vec::new());
            let Left::Ended(ending) = run.go() else { panic!("it was killed, though nobody did it") };
            assert_eq!(ending.code(), 0, "nothing goes wrong: {ending:?}");
            let dropped = run.pipeline.spool().counters().dropped_damaged;
            drop(run);
            world.dropped += dropped;
            world.kill();
        }
        let owed = world.owed(stream);
        assert!(owed.is_empty() || world.unreadable, "these lines never arrived: {owed:?}");
    }
}

fn is_empty(world: &World, stream: usize) -> bool {
    world.disks().all(|disk| lock(disk).contents(world.streams[stream].hash()).is_empty())
}
