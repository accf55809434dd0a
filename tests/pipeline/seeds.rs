//! The core under faults drawn by seed: `PIPELINE_SEEDS=n` says how many (1,500), `PIPELINE_SEED=n cargo test --test pipeline` repeats one.

use std::time::Duration;

use kinegraf::config::{Ordering, Pack};
use kinegraf::pipeline::Step;
use kinegraf::random::Random;
use kinegraf::time::Deadline;

use crate::bench::{Bench, Options};

/// Every kind of fault by seed: the books close at every step, no line is lost, no stored record is sent again after its acknowledgement reached us, and at
/// the end of the faults everything is delivered or was set aside for itself.
#[test]
fn whatever_goes_wrong_no_line_is_lost_and_no_acknowledged_one_is_sent_again() {
    let seeds = match std::env::var("PIPELINE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..std::env::var("PIPELINE_SEEDS").map_or(1_500, |count| count.parse().unwrap())).collect(),
    };
    for seed in seeds {
        simulate(seed);
    }
}

fn simulate(seed: u64) {
    println!("seed {seed}");
    let mut random = Random::from_seed(seed);
    let mut pick = |options: &[u64]| options[random.up_to(options.len() as u64 - 1) as usize];
    let mut bench = Bench::new(Options {
        pack: if pick(&[0, 1]) == 0 { Pack::Metric } else { Pack::Lines },
        ordering: if pick(&[0, 0, 1]) == 0 { Ordering::Request } else { Ordering::Strict },
        hot_size: pick(&[600, 5_000, 100_000]) as usize,
        segment_size: pick(&[100, 1_000]) as usize,
        request_size: pick(&[5_000, 20_000, 1 << 16]) as usize,
        deadline: Some(pick(&[0, 0, 0, 130, 1_000])).filter(|end| *end > 0).map(Duration::from_secs),
        keys: pick(&[0, 1, 3, 50]),
        line_size: pick(&[30, 100, 3_000, 4_900]) as usize,
    });
    let faults = pick(&[0, 20, 60, 100]);
    let poisonous = pick(&[0, 0, 5]);
    let lines = pick(&[20, 200, 800]);
    // The input ends, or its end is not waited for.
    let end = if pick(&[0, 0, 1]) == 0 { lines } else { pick(&[0, lines / 2]) };
    let limit = Some(pick(&[0, 0, 0, 4])).filter(|limit| *limit > 0).map(Duration::from_secs);
    let (mut next, mut steps, mut closed) = (0, 0, false);
    while next < end && !closed {
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: stuck at line {next}: {:?}", bench.pipeline);
        for _ in 0..random.up_to(20) {
            if next < end && random.up_to(99) < poisonous && bench.may_poison() {
                bench.poison.insert(next);
            }
            if next < end && bench.try_accept(next) {
                next += 1;
            }
        }
        closed = bench.step(&mut random, faults) == Step::Closed;
    }
    let eof = !closed && next == lines;
    bench.pipeline.close(eof, limit.map(|limit| Deadline(bench.now.mono + limit)));
    for _ in 0..random.up_to(200) {
        bench.step(&mut random, faults.min(60));
    }
    // At times it ends in the middle of anything.
    let cut = random.up_to(9) == 0;
    if !cut {
        bench.run_to_the_end();
    }
    let ending = bench.pipeline.end(bench.now);
    let mut missing = 0;
    for line in 0..next {
        let given_up = bench.set_aside.iter().any(|(_, id)| *id == line);
        missing += u64::from(!bench.is_acknowledged(line) && !given_up);
        assert!(!(bench.is_acknowledged(line) && given_up), "seed {seed}: line {line} was given up although it is stored");
        assert!(!given_up || bench.is_guilty(line), "seed {seed}: line {line} was given up for nothing");
    }
    assert_eq!(missing, ending.waiting, "seed {seed}: lines are lost: {ending:?}");
    let counters = bench.pipeline.counters();
    assert!(bench.pipeline.books_close() && counters.handed_back + counters.dropped_at_end == missing, "seed {seed}: {counters:?}");
    assert_eq!(ending.code() == 0, missing == 0 && eof, "seed {seed}: {ending:?}");
    // Only a refusal after the end of the input may leave lines while there is time: the faults may have been the last word.
    let in_time = !cut && limit.is_none() && !bench.pipeline.has_deadline();
    assert!(missing == 0 || !in_time || [1, 77, 78].contains(&ending.code()), "seed {seed}: {ending:?}");
}
