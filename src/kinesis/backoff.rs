//! When to try again: capped exponential delays with full jitter, one scale for each kind of failure.
//!
//! The delay grows only on a request that stored nothing, starts anew when anything was stored or the kind of failure changes, and is never shorter
//! than the service asked for (`x-amz-retry-after`), within five seconds of our own. Shape and clamp: botocore's standard retry mode.

use std::time::Duration;

use crate::kinesis::outcome::Class;
use crate::random::Random;
use crate::time::{Deadline, Now};

/// First step and cap of one kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    base: Duration,
    cap: Duration,
}

/// Without a connection nothing was asked of the service: look again soon.
const UNREACHABLE: Scale = Scale { base: Duration::from_millis(100), cap: Duration::from_secs(3) };
/// The service, or something on the way, answered or broke.
const SERVER: Scale = Scale { base: Duration::from_millis(50), cap: Duration::from_secs(30) };
const THROTTLED: Scale = Scale { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
/// Only a person can mend it.
const REFUSED: Scale = Scale { base: Duration::from_secs(1), cap: Duration::from_secs(15 * 60) };
/// A request that stored some of its records: the failed ones lead the next, which need not wait long.
const PARTLY: Scale = Scale { base: Duration::from_millis(100), cap: Duration::from_millis(100) };
/// How far a service's own delay may exceed ours.
const RETRY_AFTER_EXTRA: Duration = Duration::from_secs(5);

/// The delay before the next request.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
    scale: Option<Scale>,
    until: Option<Deadline>,
    /// The service named the time.
    asked: bool,
}

impl Backoff {
    /// A request stored all its records, or something is tried that has not failed yet: the delays start anew.
    pub fn stored_all(&mut self) {
        *self = Backoff::default();
    }

    /// A request stored some of its records.
    pub fn stored_some(&mut self, now: Now, random: &mut Random) {
        self.stored_all();
        self.wait(now, jitter(PARTLY, 0, random));
    }

    /// A request stored nothing.
    pub fn stored_nothing(&mut self, now: Now, class: Class, retry_after: Option<Duration>, random: &mut Random) {
        let scale = scale(class);
        if self.scale != Some(scale) {
            *self = Backoff { scale: Some(scale), ..Backoff::default() };
        }
        let own = jitter(scale, self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.wait(now, retry_after.map_or(own, |asked| asked.clamp(own, own + RETRY_AFTER_EXTRA)));
        self.asked = retry_after.is_some();
    }

    /// What held the next request back has changed: try at once, unless the service asked for the delay.
    pub fn forget_wait(&mut self) {
        self.until = self.until.filter(|_| self.asked);
    }

    /// When the next request may go; `None`: now.
    pub fn until(&self, now: Now) -> Option<Deadline> {
        self.until.filter(|until| !until.passed(now))
    }

    fn wait(&mut self, now: Now, delay: Duration) {
        (self.until, self.asked) = (Some(Deadline(now.mono + delay)), false);
    }
}

fn scale(class: Class) -> Scale {
    match class {
        Class::Unreachable => UNREACHABLE,
        Class::Throttled => THROTTLED,
        Class::Broken | Class::TimedOut | Class::Unknown | Class::Unavailable => SERVER,
        Class::CredentialsUnavailable => THROTTLED,
        Class::Signature | Class::Credentials | Class::NoCredentials | Class::CredentialsMisconfigured => REFUSED,
        Class::Denied | Class::StreamMissing | Class::Misconfigured => REFUSED,
        Class::Invalid | Class::TooLarge => REFUSED,
    }
}

fn jitter(scale: Scale, failures: u32, random: &mut Random) -> Duration {
    let most = scale.base.saturating_mul(1 << failures.min(20)).min(scale.cap);
    Duration::from_micros(random.up_to(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Duration::from_secs(100), wall: Duration::ZERO };

    fn delay(backoff: &Backoff) -> Duration {
        backoff.until(NOW).map_or(Duration::ZERO, |until| until.left(NOW))
    }

    /// The longest of many delays after `failures` earlier ones: with full jitter it comes close to the scale's step.
    fn longest(class: Class, failures: usize) -> Duration {
        let mut random = Random::from_seed(1);
        let one = |random: &mut Random| {
            let mut backoff = Backoff::default();
            for _ in 0..=failures {
                backoff.stored_nothing(NOW, class, None, random);
            }
            delay(&backoff)
        };
        (0..200).map(|_| one(&mut random)).max().unwrap()
    }

    #[test]
    fn each_kind_of_failure_has_its_cap() {
        for (class, cap) in
            [(Class::Unreachable, 3), (Class::Unavailable, 30), (Class::Throttled, 30), (Class::Denied, 900), (Class::StreamMissing, 900)]
        {
            let longest = longest(class, 30);
            assert!(longest <= Duration::from_secs(cap) && longest > Duration::from_secs(cap) * 9 / 10, "{class:?}: {longest:?}");
        }
    }

    #[test]
    fn the_first_delays_are_short_and_grow() {
        assert!(longest(Class::Unavailable, 0) <= Duration::from_millis(50));
        assert!(longest(Class::Unavailable, 3) > Duration::from_millis(300));
        assert!(longest(Class::Throttled, 0) <= Duration::from_secs(1));
    }

    #[test]
    fn anything_stored_starts_the_growth_anew_and_waits_at_most_a_tenth_of_a_second() {
        let (mut backoff, mut random) = (Backoff::default(), Random::from_seed(2));
        for _ in 0..20 {
            backoff.stored_nothing(NOW, Class::Unavailable, None, &mut random);
        }
        backoff.stored_some(NOW, &mut random);
        assert!(delay(&backoff) <= Duration::from_millis(100));
        backoff.stored_nothing(NOW, Class::Unavailable, None, &mut random);
        assert!(delay(&backoff) <= Duration::from_millis(50));
        backoff.stored_all();
        assert_eq!(backoff.until(NOW), None);
    }

    #[test]
    fn the_service_may_ask_for_more_but_not_for_much_more() {
        let (mut backoff, mut random) = (Backoff::default(), Random::from_seed(3));
        backoff.stored_nothing(NOW, Class::Unavailable, Some(Duration::from_secs(2)), &mut random);
        assert_eq!(delay(&backoff), Duration::from_secs(2));
        backoff.stored_all();
        backoff.stored_nothing(NOW, Class::Unavailable, Some(Duration::from_secs(3600)), &mut random);
        assert!(delay(&backoff) <= Duration::from_millis(5_050));
    }

    #[test]
    fn the_end_of_the_input_cuts_our_own_delay_short_and_not_the_services() {
        let (mut backoff, mut random) = (Backoff::default(), Random::from_seed(5));
        backoff.stored_nothing(NOW, Class::Unavailable, Some(Duration::from_secs(2)), &mut random);
        backoff.forget_wait();
        assert_eq!(delay(&backoff), Duration::from_secs(2));
        backoff.stored_nothing(NOW, Class::Unavailable, None, &mut random);
        backoff.forget_wait();
        assert_eq!(backoff.until(NOW), None);
    }

    #[test]
    fn another_kind_of_failure_starts_anew() {
        let (mut backoff, mut random) = (Backoff::default(), Random::from_seed(4));
        for _ in 0..20 {
            backoff.stored_nothing(NOW, Class::Denied, None, &mut random);
        }
        backoff.stored_nothing(NOW, Class::Unreachable, None, &mut random);
        assert!(delay(&backoff) <= Duration::from_millis(100));
    }
}
