//! The one place that reads a clock. The core never does: it is handed a [`Now`].
//!
//! Timers and ages use `mono`, which no clock adjustment moves; only signatures and stamps use `wall`, moved by what a trusted answer taught ([`Skew`]).

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When the commit of this build was made, in time since the Unix epoch. A wall clock before it cannot be right.
pub const BUILD_TIME: Duration = Duration::from_secs(parse_u64(env!("KINEGRAF_COMMIT_TIME_S")));

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process started; never goes back.
    pub mono: Duration,
    /// Time since the Unix epoch as the system believes it; may jump either way.
    pub wall: Duration,
}

impl Now {
    /// Whether the wall clock is earlier than this build, so that it cannot be right.
    pub fn wall_is_wrong(&self) -> bool {
        self.wall < BUILD_TIME
    }
}

/// A moment on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Duration);

impl Deadline {
    /// Time left, zero when it has passed.
    pub fn left(self, now: Now) -> Duration {
        self.0.saturating_sub(now.mono)
    }

    /// Whether it has come.
    pub fn passed(self, now: Now) -> bool {
        now.mono >= self.0
    }
}

/// Reads the clocks. Cheap to copy: it holds the moment of the process's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting here; call it first in `main`.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        Now { mono: self.start.elapsed(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO) }
    }

    /// Time since the machine started, its sleep included: the same for all processes, and no wall clock moves it.
    pub fn boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

/// The system's monotonic clock in microseconds, which is the service manager's own.
pub fn monotonic_usec() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000
}

/// How far the service's clock is ahead of ours, in seconds; learnt from a signature that was refused for its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    ahead_s: i64,
}

impl Skew {
    /// Below this a refused signature has another cause: the service allows five minutes either way.
    const WORTH_CORRECTING_S: u64 = 4 * 60;

    /// Learns from the `Date` of an answer to a request signed at `signed` (both since the epoch). True when the correction changed enough
    /// that signing again makes sense.
    pub fn learn(&mut self, wall: Duration, signed: Duration, server: Duration) -> bool {
        let worth = signed.abs_diff(server).as_secs() > Self::WORTH_CORRECTING_S;
        if worth {
            self.ahead_s = seconds(server) - seconds(wall);
        }
        worth
    }

    /// The service's time, when ours is `wall`.
    pub fn apply(self, wall: Duration) -> Duration {
        if self.ahead_s >= 0 {
            wall + Duration::from_secs(self.ahead_s.unsigned_abs())
        } else {
            wall.saturating_sub(Duration::from_secs(self.ahead_s.unsigned_abs()))
        }
    }
}

/// A time since the Unix epoch, shown as `2026-11-22T03:17:00Z`.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub Duration);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.as_secs() / 86_400, self.0.as_secs() % 86_400);
        // Days to a date of the Gregorian calendar, in years that begin in March, so that the leap day is the last.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let date = day - (153 * month + 2) / 5 + 1;
        let (year, month) = (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
        write!(f, "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

/// What TLS believes the time is: the wall clock, moved by a [`Skew`] that may be set while connections exist. Shared behind an `Arc`.
#[derive(Debug)]
pub struct TlsClock {
    clock: Clock,
    ahead_s: AtomicI64,
}

impl TlsClock {
    /// The system's time, until [`TlsClock::set`].
    pub fn new(clock: Clock) -> TlsClock {
        TlsClock { clock, ahead_s: AtomicI64::new(0) }
    }

    /// Corrects the time from the next handshake on.
    pub fn set(&self, skew: Skew) {
        self.ahead_s.store(skew.ahead_s, Ordering::Relaxed);
    }

    /// Time since the Unix epoch, corrected.
    pub fn wall(&self) -> Duration {
        Skew { ahead_s: self.ahead_s.load(Ordering::Relaxed) }.apply(self.clock.now().wall)
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

const fn parse_u64(text: &str) -> u64 {
    let (bytes, mut value, mut i) = (text.as_bytes(), 0, 0);
    while i < bytes.len() {
        value = value * 10 + (bytes[i] - b'0') as u64;
        i += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_clock_years_behind_is_corrected_by_the_services_date() {
        let mut skew = Skew::default();
        assert!(skew.learn(DAY, DAY, DAY * 20_000));
        assert_eq!(skew.apply(DAY), DAY * 20_000);
        assert!(skew.learn(DAY * 30_000, DAY * 30_000, DAY * 20_000));
        assert_eq!(skew.apply(DAY * 30_000), DAY * 20_000);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    #[test]
    fn the_clock_of_tls_follows_the_skew_that_was_learnt() {
        let clock = TlsClock::new(Clock::new());
        let (before, mut skew) = (clock.wall(), Skew::default());
        assert!(skew.learn(DAY, DAY, DAY * 1001));
        clock.set(skew);
        assert!(clock.wall() >= before + DAY * 1000 && clock.wall() < before + DAY * 1001);
    }

    #[test]
    fn a_signature_refused_within_four_minutes_is_not_blamed_on_the_clock() {
        let mut skew = Skew::default();
        assert!(!skew.learn(DAY, DAY, DAY + Duration::from_secs(240)));
        assert_eq!(skew, Skew::default());
    }
}
