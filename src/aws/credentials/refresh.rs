//! When credentials are looked for again: ahead of their expiry, at the expiry, and not too often when nobody gives any.
//!
//! ```text
//! found ------------ due ------ overdue ------ expires
//!                     |            |              +-- only now they are used no longer
//!                     |            +-- between two requests, where no spare moment came
//!                     +-- in a spare moment
//! ```
//!
//! Pure: time and chance are arguments, nobody is asked here. Every moment is one of the monotonic clock, so that a jump of the wall clock moves none; a jump
//! says only that the expiry may have been reckoned with a wrong clock, so that it is found out anew.

use std::time::Duration;

use crate::random::Random;
use crate::time::{Deadline, Now};

/// Credentials that live longer than this are renewed five to six minutes before they expire,
const LONG: Duration = Duration::from_secs(15 * 60);
const AHEAD: Duration = Duration::from_secs(5 * 60);
const AHEAD_JITTER: Duration = Duration::from_secs(60);
/// others after this much of their life, in per cent, and up to so much later.
const SHORT_PERCENT: u32 = 50;
const SHORT_JITTER_PERCENT: u64 = 20;
/// What was just found is looked for again after this at the earliest, however short it lives.
const FOUND_FOR: Duration = Duration::from_millis(500);
/// What seems to have expired when it comes is used for so long: the service decides, our clock may lie.
const EXPIRED_FOR: Duration = Duration::from_secs(60);
/// Expired credentials of EC2 and of containers are good for so long once more, each time that the source has no others: AWS keeps them valid then.
const EXTENDED: Duration = Duration::from_secs(10 * 60);
const EXTENDED_JITTER: Duration = Duration::from_secs(5 * 60);
/// A failed look ahead of the expiry is repeated after half to all of a step that doubles up to a minute; the first is a part of the time left. Where nothing is
/// at hand whoever asks paces himself, so that his last question before he ends is really asked.
const RETRY_PARTS: u32 = 16;
const RETRY_AHEAD_MIN: Duration = Duration::from_millis(100);
const RETRY_AHEAD_FIRST_MAX: Duration = Duration::from_secs(10);
const RETRY_AHEAD_MAX: Duration = Duration::from_secs(60);
/// A clock that was moved by less has moved no expiry that matters.
const CLOCK_MOVED: Duration = Duration::from_secs(4 * 60);

/// What is known of the credentials at hand, apart from themselves.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    life: Option<Life>,
    /// Looks ahead of the expiry that failed one after the other.
    failures: u32,
    /// Nobody is asked before; both clocks when that was said.
    until: Option<(Deadline, Now)>,
}

/// Of credentials that expire.
#[derive(Debug)]
struct Life {
    expires: Deadline,
    /// They are used on where none can be had.
    outlive: bool,
    /// They are used on now.
    extended: bool,
    due: Deadline,
    overdue: Deadline,
    /// Both clocks when this was reckoned.
    reckoned: Now,
}

/// What a failed look leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The old ones, until they expire.
    Good,
    /// The old ones, though they have expired.
    Extended,
    /// None.
    Nothing,
}

impl Refresh {
    /// Credentials have come; `expires`: none for keys of a user.
    pub(super) fn found(&mut self, now: Now, expires: Option<Deadline>, outlive: bool, random: &mut Random) {
        *self = Refresh::default();
        self.life = expires.map(|expires| match expires.passed(now) {
            true if outlive => Life::extended(now, random),
            true => Life::new(now, Deadline(now.mono + EXPIRED_FOR), false, random),
            false => Life::new(now, expires, outlive, random),
        });
    }

    /// A look failed; `at_hand`: there are credentials of an earlier one. The source asked to be left alone for `retry_after`.
    pub(super) fn failed(&mut self, now: Now, at_hand: bool, retry_after: Option<Duration>, random: &mut Random) -> Left {
        let left = match &mut self.life {
            _ if !at_hand => Left::Nothing,
            Some(life) if life.outlive && (life.extended || life.expires.passed(now)) => {
                *life = Life::extended(now, random);
                Left::Extended
            }
            Some(life) if !life.expires.passed(now) => Left::Good,
            Some(_) => Left::Nothing,
            None => Left::Good,
        };
        let own = self.expires().filter(|_| left == Left::Good).map(|expires| {
            let first = (expires.left(now) / RETRY_PARTS).clamp(RETRY_AHEAD_MIN, RETRY_AHEAD_FIRST_MAX);
            let step = first.saturating_mul(1 << self.failures.min(16)).min(RETRY_AHEAD_MAX);
            self.failures = self.failures.saturating_add(1);
            // At the expiry it is tried again, unless the source asked for more.
            Deadline(now.mono + step / 2 + up_to(step / 2, random)).min(expires)
        });
        let asked = retry_after.map(|wait| Deadline(now.mono + wait));
        self.until = own.max(asked).map(|until| (until, now));
        left
    }

    /// Whether what is at hand has not expired, or never does.
    pub(super) fn is_good(&self, now: Now) -> bool {
        self.expires().is_none_or(|expires| !expires.passed(now))
    }

    /// How long nobody is to be asked, after a look that failed. It may have failed for our clock: once that was moved, there is no wait.
    pub(super) fn wait(&self, now: Now) -> Option<Duration> {
        let (until, _) = self.until.filter(|(_, said)| !was_moved(*said, now))?;
        Some(until.left(now)).filter(|left| !left.is_zero())
    }

    /// Whether newer ones are to be looked for although those at hand are good: in a spare moment, or else between two requests.
    pub(super) fn is_due(&self, now: Now, spare: bool) -> bool {
        let Some(life) = self.life.as_ref().filter(|life| !life.expires.passed(now)) else { return false };
        let due = if spare { life.due } else { life.overdue };
        (due.passed(now) || was_moved(life.reckoned, now)) && self.wait(now).is_none()
    }

    /// When a spare moment is of use. What has expired is asked for when it is needed.
    pub(super) fn next(&self, now: Now) -> Option<Deadline> {
        let due = self.life.as_ref().filter(|life| !life.expires.passed(now))?.due;
        Some(self.until.map_or(due, |(until, _)| until.max(due)))
    }

    /// When those at hand expire, or are asked for again where they are used beyond that.
    pub(super) fn expires(&self) -> Option<Deadline> {
        self.life.as_ref().map(|life| life.expires)
    }
}

impl Life {
    fn new(now: Now, expires: Deadline, outlive: bool, random: &mut Random) -> Life {
        let expires = expires.max(Deadline(now.mono + FOUND_FOR));
        let left = expires.left(now);
        let due = if left > LONG {
            Deadline(expires.0.saturating_sub(AHEAD + up_to(AHEAD_JITTER, random)))
        } else {
            let percent = SHORT_PERCENT + u32::try_from(random.up_to(SHORT_JITTER_PERCENT)).unwrap_or_default();
            Deadline(now.mono + (left * percent / 100).max(FOUND_FOR))
        };
        let overdue = Deadline(due.0 + expires.0.saturating_sub(due.0) / 2);
        Life { expires, outlive, extended: false, due, overdue, reckoned: now }
    }

    fn extended(now: Now, random: &mut Random) -> Life {
        let expires = Deadline(now.mono + EXTENDED + up_to(EXTENDED_JITTER, random));
        Life { extended: true, ..Life::new(now, expires, true, random) }
    }
}

/// Whether the wall clock was moved, or corrected, since then: what was reckoned by it may be wrong.
fn was_moved(then: Now, now: Now) -> bool {
    let expected = then.wall + now.mono.saturating_sub(then.mono);
    now.wall.abs_diff(expected) > CLOCK_MOVED
}

fn up_to(most: Duration, random: &mut Random) -> Duration {
    Duration::from_micros(random.up_to(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
