//! When the credential provider may be asked: a random wait before the first call, if one is configured, and growing ones while it is busy.
//!
//! The pipeline asks the chain for credentials at each try, every few seconds. A fleet that starts at once (power is back in a whole region) must not do that
//! to the service, so here the asking is held back; meanwhile the last error is given again, which costs nothing.
//!
//! Full jitter: each wait is a random part of a span that doubles. Before this process has obtained anything the span grows to five minutes; later, when the
//! device is one of few that need a refresh at this moment, to half a minute.

use std::time::Duration;

use crate::aws::credentials::CredentialsError;
use crate::random::Random;
use crate::time::{Deadline, Now};

const FIRST_SPAN: Duration = Duration::from_secs(2);
const COLD_SPAN_MAX: Duration = Duration::from_secs(5 * 60);
const WARM_SPAN_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The end of the wait before the first call, once it has begun.
    start: Option<Deadline>,
    /// Busy answers in a row.
    busy: u32,
    /// Until when the last of them holds, and its error.
    held: Option<(Deadline, CredentialsError)>,
    /// Something was obtained.
    warm: bool,
}

impl Pace {
    /// The last busy answer's error, while it holds.
    pub(super) fn may_ask_again(&mut self, now: Now) -> Result<(), CredentialsError> {
        match &self.held {
            Some((until, error)) if !until.passed(now) => Err(waiting(error, until.left(now))),
            _ => Ok(()),
        }
    }

    /// Holds the first call back for a random part of `jitter`, counted from the first time that this is asked.
    pub(super) fn may_start(&mut self, now: Now, jitter: Duration, random: &mut Random) -> Result<(), CredentialsError> {
        let start = *self.start.get_or_insert_with(|| Deadline(now.mono + part_of(jitter, random)));
        if self.warm || start.passed(now) {
            return Ok(());
        }
        let left = start.left(now);
        let text = format!("waiting {} s before the first call of the AWS IoT credential provider (credentials.iot.start_jitter)", seconds(left));
        Err(CredentialsError { retry_after: Some(left), ..CredentialsError::unavailable("start_jitter", text) })
    }

    /// The service cannot now, and says so by `error`; what it asked for is the least that is waited. Answers the error with the wait in it.
    pub(super) fn busy(&mut self, now: Now, error: CredentialsError, random: &mut Random) -> CredentialsError {
        let most = if self.warm { WARM_SPAN_MAX } else { COLD_SPAN_MAX };
        let span = FIRST_SPAN.saturating_mul(1 << self.busy.min(16)).min(most);
        self.busy = self.busy.saturating_add(1);
        let wait = part_of(span, random).max(error.retry_after.unwrap_or_default());
        let told = waiting(&error, wait);
        self.held = Some((Deadline(now.mono + wait), error));
        told
    }

    /// Credentials came.
    pub(super) fn answered(&mut self) {
        (self.busy, self.held, self.warm) = (0, None, true);
    }
}

fn waiting(error: &CredentialsError, left: Duration) -> CredentialsError {
    CredentialsError { text: format!("{error}; it is asked again in {} s", seconds(left)), retry_after: Some(left), ..error.clone() }
}

fn part_of(span: Duration, random: &mut Random) -> Duration {
    Duration::from_micros(random.up_to(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
}

/// Rounded up: not "in 0 s".
fn seconds(left: Duration) -> u64 {
    left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono: Duration) -> Now {
        Now { mono, wall: Duration::from_secs(1_800_000_000) }
    }

    fn busy(retry_after: Option<Duration>) -> CredentialsError {
        CredentialsError { retry_after, ..CredentialsError::unavailable("ThrottlingException", "slow down") }
    }

    /// The longest of many waits after `earlier` busy answers.
    fn longest(earlier: usize, warm: bool) -> Duration {
        let mut random = Random::from_seed(5);
        let wait = |random: &mut Random| {
            let mut pace = Pace { warm, ..Pace::default() };
            (0..=earlier).map(|_| pace.busy(at(Duration::ZERO), busy(None), random)).last().unwrap().retry_after.unwrap()
        };
        (0..300).map(|_| wait(&mut random)).max().unwrap()
    }

    #[test]
    fn waits_are_spread_over_a_span_that_doubles_up_to_five_minutes_at_a_cold_start() {
        for (earlier, span) in [(0, 2), (1, 4), (4, 32), (8, 300), (200, 300)] {
            let longest = longest(earlier, false);
            let span = Duration::from_secs(span);
            assert!(longest <= span && longest > span * 9 / 10, "{earlier}: {longest:?}");
        }
        let warm = longest(200, true);
        assert!(warm <= WARM_SPAN_MAX && warm > WARM_SPAN_MAX * 9 / 10, "{warm:?}");
    }

    #[test]
    fn until_the_wait_is_over_nobody_is_asked_and_the_error_says_when() {
        let (mut pace, mut random) = (Pace::default(), Random::from_seed(1));
        let asked_for = Duration::from_millis(40_500);
        let told = pace.busy(at(Duration::from_secs(100)), busy(Some(asked_for)), &mut random);
        assert_eq!((told.retry_after, told.to_string().as_str()), (Some(asked_for), "slow down; it is asked again in 41 s"));
        let later = pace.may_ask_again(at(Duration::from_secs(130))).unwrap_err();
        assert_eq!((later.retry_after, later.to_string().as_str()), (Some(Duration::from_millis(10_500)), "slow down; it is asked again in 11 s"));
        assert!(pace.may_ask_again(at(Duration::from_millis(140_500))).is_ok());
        pace.answered();
        assert_eq!((pace.busy, pace.warm), (0, true));
        assert!(pace.may_ask_again(at(Duration::from_secs(101))).is_ok());
    }

    #[test]
    fn the_first_call_waits_a_random_part_of_what_is_configured_once() {
        let (jitter, mut waits) = (Duration::from_secs(300), Vec::new());
        for seed in 0..50 {
            let (mut pace, mut random) = (Pace::default(), Random::from_seed(seed));
            let error = pace.may_start(at(Duration::from_secs(10)), jitter, &mut random).unwrap_err();
            let wait = error.retry_after.unwrap();
            assert!(error.to_string().contains("start_jitter") && wait <= jitter, "{error}");
            assert!(pace.may_start(at(Duration::from_secs(10) + wait / 2), jitter, &mut random).is_err());
            assert!(pace.may_start(at(Duration::from_secs(10) + wait), jitter, &mut random).is_ok());
            waits.push(wait);
        }
        assert!(waits.iter().max().unwrap() > &Duration::from_secs(270) && waits.iter().min().unwrap() < &Duration::from_secs(30));
        assert!(Pace::default().may_start(at(Duration::ZERO), Duration::ZERO, &mut Random::from_seed(1)).is_ok());
    }
}
