//! A Kinesis of two streams that remembers how often each line was stored, and answers as it was told to go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinegraf::kinesis::outcome::{Class, Failure, Outcome, RetryReason};
use kinegraf::random::Random;
use kinegraf::time::Now;

use crate::faults::Answers;
use crate::swarm::{below, chance, pick};

/// The answer that is on its way.
#[derive(Debug)]
pub(crate) enum Answer {
    Each(Vec<Outcome>),
    Failed(Failure),
}

#[derive(Debug, Default)]
pub(crate) struct Kinesis {
    /// How often each line was stored, by stream.
    pub(crate) stored: [BTreeMap<u64, u32>; 2],
    /// Lines for which any request is called invalid.
    pub(crate) poison: BTreeSet<u64>,
    /// Lines that were refused one by one, rightly or not: only these may be given up.
    pub(crate) refused: BTreeSet<u64>,
    /// Requests that arrive when nobody waits for their answer any more.
    late: Vec<(Duration, usize, Vec<u64>)>,
}

impl Kinesis {
    pub(crate) fn store(&mut self, stream: usize, lines: &[u64]) {
        for line in lines {
            *self.stored[stream].entry(*line).or_default() += 1;
        }
    }

    /// What was late until `time` arrives.
    pub(crate) fn pass(&mut self, time: Duration) {
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, _, _)| *at <= time);
        self.late = late;
        let due: Vec<(Duration, usize, Vec<u64>)> = due;
        due.into_iter().for_each(|(_, stream, lines)| self.store(stream, &lines));
    }

    /// Takes a request of records with these lines; gives the answer and how long it is on its way. `poisonous`: poison is poison.
    pub(crate) fn take(
        &mut self,
        random: &mut Random,
        answers: &Answers,
        (now, time): (Now, Duration),
        stream: usize,
        records: &[Vec<u64>],
        poisonous: bool,
    ) -> (Answer, Duration) {
        let all = records.concat();
        let poisoned = poisonous && all.iter().any(|line| self.poison.contains(line));
        let latency = Duration::from_millis(1 + below(random, &[5, 200, 3_000]));
        let retry_after = chance(random, 25).then(|| Duration::from_millis(random.up_to(20_000)));
        let failed = |class: Class| Failure { class, status: None, code: format!("{class:?}"), message: String::new(), retry_after, date: None };
        let weights = [
            answers.good,
            answers.unreachable,
            answers.lost,
            answers.late,
            answers.partly,
            answers.throttled,
            answers.unavailable,
            answers.refused,
            answers.skewed,
            answers.garbage,
            answers.too_large,
            answers.refuses_records,
        ];
        let mut draw = random.up_to(weights.iter().sum::<u64>() - 1);
        let kind = weights.iter().position(|weight| {
            let hit = draw < *weight;
            draw = draw.saturating_sub(*weight);
            hit
        });
        let failure = match kind.expect("one of them was drawn") {
            0 | 4 | 11 if poisoned => failed(Class::Invalid),
            0 => {
                self.store(stream, &all);
                return (Answer::Each(vec![Outcome::Stored; records.len()]), latency);
            }
            1 => failed(pick(random, &[Class::Unreachable, Class::Unreachable, Class::NoCredentials])),
            2 => {
                if !poisoned && chance(random, 60) {
                    self.store(stream, &all);
                }
                failed(pick(random, &[Class::Broken, Class::Unknown]))
            }
            3 => {
                let timeout = Duration::from_secs(20) + Duration::from_millis(random.up_to(3_000));
                if !poisoned {
                    self.late.push((time + Duration::from_millis(random.up_to(60_000)), stream, all));
                }
                return (Answer::Failed(failed(Class::TimedOut)), timeout);
            }
            kind @ (4 | 11) => return (self.answer_each(random, stream, records, kind == 11), latency),
            5 => failed(Class::Throttled),
            6 => failed(Class::Unavailable),
            7 => failed(pick(random, &[Class::Denied, Class::Credentials, Class::StreamMissing, Class::Misconfigured])),
            8 => {
                let date = if chance(random, 50) {
                    now.wall + Duration::from_secs(random.up_to(1_000_000_000))
                } else {
                    Duration::from_secs(random.up_to(4_000_000_000))
                };
                Failure { date: Some(date), ..failed(Class::Signature) }
            }
            9 => {
                if !poisoned && chance(random, 50) {
                    self.store(stream, &all);
                }
                failed(Class::Unknown)
            }
            _ => {
                if records.len() == 1 {
                    self.refused.extend(all);
                }
                failed(Class::TooLarge)
            }
        };
        if failure.class == Class::Invalid && records.len() == 1 {
            self.refused.extend(records.concat());
        }
        (Answer::Failed(failure), latency)
    }

    /// Some stored, some not, and with `refusals` some refused for themselves.
    fn answer_each(&mut self, random: &mut Random, stream: usize, records: &[Vec<u64>], refusals: bool) -> Answer {
        let choices =
            [Outcome::Stored, Outcome::Stored, Outcome::Retry(RetryReason::Throttled), Outcome::Retry(RetryReason::Internal), Outcome::Refused];
        let last = if refusals { 4 } else { 3 };
        let outcomes = records.iter().map(|lines| {
            let outcome = choices[random.up_to(last) as usize];
            match outcome {
                Outcome::Stored => self.store(stream, lines),
                Outcome::Refused => self.refused.extend(lines),
                Outcome::Retry(_) => {}
            }
            outcome
        });
        Answer::Each(outcomes.collect())
    }
}
