//! The watchdog of systemd: fed while the delivery loop does what it should, whether that brings anything or not. Being offline is progress, and so is
//! waiting; a loop that is stuck is not.
//!
//! Whoever feeds it has the state locked, so that a lock which nobody gives back starves it without a word here.

use std::time::Duration;

use crate::config::Environment;
use crate::time::{Deadline, Now};

/// How long one step of the delivery may last while no byte moves between us and the service. Each part of a step has a limit of its own (20 s for a read or
/// a write, 10 s for a connection and 10 s for its TLS, 4 min for each half of an answer, a source of credentials or two before that), and a card may take a
/// minute for an fsync: whoever needs longer than all of them will never come back.
const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);

/// What the delivery loop is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It sleeps until then, or until something comes.
    Waiting(Option<Deadline>),
    /// A step began then: a request, or a sync.
    Working(Duration),
}

/// When to feed, and whether.
#[derive(Debug)]
pub(super) struct Watchdog {
    every: Option<Duration>,
    due: Duration,
    /// Bytes that had moved, and when they were first so many.
    moved: (u64, Duration),
}

impl Watchdog {
    /// As `WATCHDOG_USEC` and `WATCHDOG_PID` say; `pid` is this process.
    pub(super) fn from_environment(environment: &Environment, pid: u32) -> Watchdog {
        let ours = environment.get("WATCHDOG_PID").is_none_or(|named| named.parse() == Ok(pid));
        let usec = environment.get("WATCHDOG_USEC").and_then(|text| text.parse().ok()).filter(|usec| *usec > 0 && ours);
        // Half of the limit is what sd_watchdog_enabled(3) recommends.
        Watchdog { every: usec.map(|usec| Duration::from_micros(usec) / 2), due: Duration::ZERO, moved: (0, Duration::ZERO) }
    }

    /// When `feed` is to be called next.
    pub(super) fn due(&self) -> Option<Deadline> {
        self.every.map(|_| Deadline(self.due))
    }

    /// Whether it is to be fed now. `moved`: bytes to and from the service so far.
    pub(super) fn feed(&mut self, now: Now, doing: Doing, moved: u64) -> bool {
        if moved != self.moved.0 {
            self.moved = (moved, now.mono);
        }
        let Some(every) = self.every.filter(|_| now.mono >= self.due) else { return false };
        self.due = now.mono + every;
        let since = match doing {
            Doing::Waiting(None) => return true,
            Doing::Waiting(Some(until)) => until.0,
            Doing::Working(since) => since.max(self.moved.1),
        };
        now.mono.saturating_sub(since) < STUCK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: Duration::ZERO }
    }

    fn watchdog() -> Watchdog {
        Watchdog::from_environment(&Environment::from_pairs(&[("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "7")]), 7)
    }

    /// Whether it is fed at each of these seconds.
    fn fed(doing: Doing, moved: impl Fn(u64) -> u64, seconds: impl Iterator<Item = u64>) -> Vec<bool> {
        let mut watchdog = watchdog();
        seconds.map(|second| watchdog.feed(at(second), doing, moved(second))).collect()
    }

    #[test]
    fn it_is_fed_at_half_of_its_limit_and_not_before() {
        assert_eq!(fed(Doing::Waiting(None), |_| 0, [0, 10, 29, 30, 59, 60].into_iter()), [true, false, false, true, false, true]);
    }

    #[test]
    fn a_loop_that_waits_is_well_however_long_and_whether_or_not_it_is_offline() {
        assert!(fed(Doing::Waiting(None), |_| 0, (0..100_000).step_by(30)).iter().all(|fed| *fed));
        let until = |second| Doing::Waiting(Some(Deadline(Duration::from_secs(second))));
        assert!(fed(until(100_000), |_| 0, (0..100_000).step_by(30)).iter().all(|fed| *fed));
    }

    #[test]
    fn a_loop_that_oversleeps_is_stuck() {
        let until = Doing::Waiting(Some(Deadline(Duration::from_secs(60))));
        assert_eq!(fed(until, |_| 0, [30, 60, 930, 960, 990].into_iter()), [true, true, true, false, false]);
    }

    #[test]
    fn a_request_that_moves_is_well_and_one_that_does_not_is_stuck() {
        let working = Doing::Working(Duration::from_secs(30));
        assert!(fed(working, |second| second, (30..20_000).step_by(30)).iter().all(|fed| *fed));
        assert_eq!(fed(working, |second| second.min(60), [30, 60, 930, 960].into_iter()), [true, true, true, false]);
        assert_eq!(fed(working, |_| 0, [30, 900, 930, 960].into_iter()), [true, true, false, false]);
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed() {
        for (usec, pid) in [("60000000", "8"), ("0", "7"), ("", "7"), ("-1", "7"), ("x", "7")] {
            let environment = Environment::from_pairs(&[("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)]);
            let mut watchdog = Watchdog::from_environment(&environment, 7);
            assert!(!watchdog.feed(at(0), Doing::Waiting(None), 0) && watchdog.due().is_none(), "{usec} {pid}");
        }
        let mut unnamed = Watchdog::from_environment(&Environment::from_pairs(&[("WATCHDOG_USEC", "60000000")]), 7);
        assert!(unnamed.feed(at(0), Doing::Waiting(None), 0));
    }
}
