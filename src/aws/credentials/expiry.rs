//! When credentials expire, as a moment on the monotonic clock: what a board believes of the time may change by years in between.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::time::{Deadline, Now};

/// An expiry as services write it, in time since the Unix epoch: RFC 3339, with or without fractions of a second and with any offset.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let time = DateTime::from_str(text.trim(), Format::DateTimeWithOffset).ok()?;
    Some(Duration::new(u64::try_from(time.secs()).ok()?, time.subsec_nanos()))
}

/// The moment of `expiration`, told by an answer of the service's `date`; without one by the wall clock, which is corrected as far as is known.
///
/// `Date` has whole seconds: where our clock agrees with it, ours says the rest of the second.
pub(super) fn deadline(expiration: Duration, date: Option<Duration>, now: Now) -> Deadline {
    let time = date.map_or(now.wall, |date| now.wall.clamp(date, date + Duration::from_secs(1)));
    Deadline(now.mono + expiration.saturating_sub(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    #[test]
    fn expiries_are_read_in_every_form_that_services_write() {
        for (text, ns) in [
            ("2021-08-05T19:58:02Z", 1_628_193_482_000_000_000_u64),
            ("2026-11-21T23:10:09.963009Z", 1_795_302_609_963_009_000),
            ("2021-08-05T21:58:02+02:00", 1_628_193_482_000_000_000),
            (" 2021-08-05T19:58:02.5Z\n", 1_628_193_482_500_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_nanos(ns)), "{text}");
        }
        for text in ["", "tomorrow", "2021-08-05", "2021-13-05T19:58:02Z", "1969-01-01T00:00:00Z", "1628193482"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_lifetime_is_counted_from_the_answers_date_however_wrong_our_clock_is() {
        let (date, mono) = (Duration::from_secs(20_000 * DAY_S), Duration::from_secs(50));
        for wall in [Duration::ZERO, Duration::from_secs(90_000 * DAY_S)] {
            let Deadline(at) = deadline(date + Duration::from_secs(3600), Some(date), Now { mono, wall });
            assert!(at >= mono + Duration::from_secs(3599) && at <= mono + Duration::from_secs(3600));
        }
        let wall = date + Duration::from_millis(700);
        assert_eq!(deadline(date + Duration::from_secs(2), Some(date), Now { mono, wall }), Deadline(mono + Duration::from_millis(1300)));
        assert_eq!(deadline(date, None, Now { mono, wall: date + Duration::from_secs(9) }), Deadline(mono));
    }
}
