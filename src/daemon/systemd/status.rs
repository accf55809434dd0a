//! The one line that `systemctl status` shows: how many lines wait, why, and where; and when it is worth saying again.

use std::fmt::Write;
use std::time::Duration;

use crate::kinesis::outcome::Failure;
use crate::spool::cold::ColdState;
use crate::time::{Deadline, Now};

/// Most bytes of a status.
const SIZE_MAX: usize = 400;
/// A status that changes is looked at again after this,
const SHORTEST: Duration = Duration::from_secs(1);
/// and one that does not, rarer and rarer, after this at last.
const LONGEST: Duration = Duration::from_secs(4);

/// What there is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Lines accepted and not delivered.
    pub(crate) waiting: u64,
    /// The last request's failure, while nothing was stored since.
    pub(crate) failure: Option<&'a Failure>,
    /// How the directory is, where there is one.
    pub(crate) cold: Option<&'a ColdState>,
    /// Lines given up for want of room.
    pub(crate) dropped: u64,
    /// A signal asked for the end.
    pub(crate) stopping: bool,
}

impl View<'_> {
    /// One line of text, at most [`SIZE_MAX`] bytes.
    fn line(&self) -> String {
        let mut line = String::from(if self.stopping { "stopping; " } else { "" });
        _ = match (self.waiting, self.failure) {
            (0, None) => write!(line, "every line is delivered"),
            (n, None) => write!(line, "{n} {}", if n == 1 { "line waits" } else { "lines wait" }),
            (n, Some(failure)) => {
                let to_do = if failure.class.is_refusal() { "refused until it is mended, tried again meanwhile" } else { "trying again" };
                write!(line, "{n} {}, {to_do}: {failure}", if n == 1 { "line waits" } else { "lines wait" })
            }
        };
        _ = match self.cold {
            None | Some(ColdState::Good) => Ok(()),
            Some(ColdState::Full) => write!(line, "; the spool is full"),
            Some(ColdState::Failed(error)) => write!(line, "; the spool fails, lines wait in memory: {error}"),
        };
        if self.dropped > 0 {
            _ = write!(line, "; {} given up for want of room", self.dropped);
        }
        let mut line = line.replace(|c: char| c.is_control(), " ");
        line.truncate(line.floor_char_boundary(SIZE_MAX));
        line
    }
}

/// What was said last, and when to look again.
#[derive(Debug)]
pub(super) struct Status {
    said: String,
    pause: Duration,
    due: Duration,
}

impl Status {
    pub(super) fn new() -> Status {
        Status { said: String::new(), pause: SHORTEST, due: Duration::ZERO }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Deadline {
        Deadline(self.due)
    }

    /// The line, if it is another one and its time has come.
    pub(super) fn news(&mut self, now: Now, view: &View<'_>) -> Option<&str> {
        if now.mono < self.due {
            return None;
        }
        let line = view.line();
        let changed = line != self.said;
        self.pause = if changed { SHORTEST } else { LONGEST.min(self.pause * 2) };
        self.due = now.mono + self.pause;
        self.said = line;
        changed.then_some(self.said.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinesis::outcome::Class;

    const IDLE: View<'static> = View { waiting: 0, failure: None, cold: None, dropped: 0, stopping: false };

    fn failure(class: Class, message: &str) -> Failure {
        Failure { class, status: None, code: "code".into(), message: message.into(), retry_after: None, date: None }
    }

    fn at(milliseconds: u64) -> Now {
        Now { mono: Duration::from_millis(milliseconds), wall: Duration::ZERO }
    }

    #[test]
    fn it_says_what_a_person_wants_to_know_in_one_line() {
        assert_eq!(IDLE.line(), "every line is delivered");
        assert_eq!(View { waiting: 1, ..IDLE }.line(), "1 line waits");
        let offline = failure(Class::Unreachable, "no\nroute");
        let cold = ColdState::Failed("Input/output error".into());
        let line = View { waiting: 12, failure: Some(&offline), cold: Some(&cold), dropped: 3, stopping: true }.line();
        assert!(line.starts_with("stopping; 12 lines wait, trying again: ") && line.contains("no route"), "{line}");
        assert!(line.ends_with("; the spool fails, lines wait in memory: Input/output error; 3 given up for want of room"), "{line}");
        let denied = failure(Class::Denied, "x".repeat(2 * SIZE_MAX).as_str());
        let line = View { waiting: 2, failure: Some(&denied), ..IDLE }.line();
        assert!(line.starts_with("2 lines wait, refused until it is mended") && line.len() <= SIZE_MAX, "{line}");
    }

    #[test]
    fn it_is_said_when_it_changes_and_at_most_once_a_second() {
        let mut status = Status::new();
        assert_eq!(status.news(at(0), &IDLE), Some("every line is delivered"));
        assert_eq!(status.news(at(999), &View { waiting: 1, ..IDLE }), None);
        assert_eq!(status.news(at(1000), &View { waiting: 2, ..IDLE }), Some("2 lines wait"));
        assert_eq!(status.news(at(2000), &View { waiting: 2, ..IDLE }), None);
        // The next looks come rarer, until something changes.
        assert_eq!(status.due(), Deadline(Duration::from_secs(4)));
        for (second, next) in [(4, 8), (8, 12)] {
            assert_eq!(status.news(at(second * 1000), &View { waiting: 2, ..IDLE }), None);
            assert_eq!(status.due(), Deadline(Duration::from_secs(next)));
        }
        assert!(status.news(at(12_000), &IDLE).is_some() && status.due() == Deadline(Duration::from_secs(13)));
    }
}
