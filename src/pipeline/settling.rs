//! When what is in hot settles on the cold disk: not while all is well, and not more often than the card can bear while it is not.
//!
//! | when | how often |
//! |---|---|
//! | `sync = "always"`, hot is full, the input has ended, a sender waits for it, or a third of the deadline is left | at once |
//! | nothing was stored since a send failed, or a line waited `sync_after` beyond its flush | every 10 s, or for 128 KiB |

use std::io;
use std::time::Duration;

use super::{Pipeline, Step, earlier};
use crate::planted;
use crate::planted::Bug;
use crate::spool::disk::Disk;
use crate::time::{Deadline, Now};

/// While behind, hot settles no more often than this,
const INTERVAL: Duration = Duration::from_secs(10);
/// unless it holds this much.
const SIZE: u64 = 128 << 10;
/// What has found no room by then takes that of older lines.
const LAST_MOMENT: Duration = Duration::from_secs(1);

impl<D: Disk> Pipeline<D> {
    /// Whether old lines may be given up so that what is in hot can settle: not while they are being delivered, which makes room as well, unless hot has none
    /// or the run is about to end.
    fn may_drop(&self, now: Now) -> bool {
        let unasked = self.left_alone.is_some_and(|until| self.limit().is_some_and(|limit| limit < until));
        let ends = unasked || self.limit().is_some_and(|limit| limit.left(now) <= LAST_MOMENT);
        self.pressed || self.options.sync_always || self.failure().is_some() || ends
    }

    /// The cold disk is left alone until then: it failed, or is full.
    fn cold_until(&self, now: Now) -> Option<Deadline> {
        let cold = self.spool.cold()?;
        let until = cold.until(now)?;
        if !cold.spares() {
            return Some(until);
        }
        let last_moment = self.limit().map(|limit| Deadline(limit.0.saturating_sub(LAST_MOMENT)));
        if self.may_drop(now) { None } else { earlier(Some(until), last_moment) }
    }

    /// Whether `begin_settle` is to be called now.
    pub(super) fn wants_settling(&mut self, now: Now) -> bool {
        let idle = self.spool.cold().is_some_and(|cold| !cold.is_settling()) && self.cold_until(now).is_none();
        idle && self.settling_due(now).is_some_and(|due| due.passed(now))
    }

    /// When hot is to settle; None when nothing is in it alone.
    pub(super) fn settling_due(&mut self, now: Now) -> Option<Deadline> {
        self.spool.cold().filter(|cold| !cold.is_settling())?;
        let cold_until = self.cold_until(now);
        let (since, size) = self.spool.unsettled()?;
        let at_once = Some(Deadline(now.mono));
        // Refused lines are offered again: they are never stored.
        let refused = self.options.deadline.is_some() && self.refusal().is_some();
        let overdue = Deadline(since + self.options.sync_after);
        if planted::is(Bug::DoesNotSettleWhenBehind) && self.closing.is_none() {
            return None;
        }
        let behind = !refused && (self.failure().is_some() || self.left_alone.is_some());
        let paced = match self.settled_at {
            // What was there when it settled last did not fit one segment: it goes on.
            Some(at) if size < SIZE && since >= at => Deadline(at + INTERVAL),
            _ => Deadline(now.mono),
        };
        let due = if self.options.sync_always
            || self.pressed
            || self.was_asked_to_settle()
            || ((self.closing.is_some() || self.is_refused_for_good()) && self.options.deadline.is_none())
        {
            at_once
        } else if behind {
            Some(paced)
        } else {
            Some(overdue.max(paced))
        };
        let late =
            self.options.deadline.filter(|_| !refused).map(|deadline| Deadline(self.started + (deadline.0.saturating_sub(self.started)) * 2 / 3));
        let due = earlier(due, late);
        // A disk that failed is left alone for a while.
        cold_until.map_or(due, |until| due.max(Some(until)))
    }

    /// What another thread than the one that delivers is to do about settling while a request waits for its answer, which may take longer than the run has.
    pub fn poll_aside(&mut self, now: Now) -> Step {
        if self.in_flight && self.wants_settling(now) {
            return Step::Sync;
        }
        Step::Wait(if self.in_flight { self.settling_due(now) } else { None })
    }

    /// Takes a cold disk that could not be opened before; see [`Spool::adopt_cold`](crate::spool::spool::Spool::adopt_cold).
    pub fn adopt_cold(&mut self, disk: D) -> bool {
        self.spool.adopt_cold(disk)
    }

    /// Whether the cold disk may take lines.
    pub fn may_settle(&self, now: Now) -> bool {
        self.spool.cold().is_some() && self.cold_until(now).is_none()
    }

    /// Copies what is in hot only to the cold disk. Wait for what it gives outside of the lock, then call `settled`; None when there is nothing to wait for.
    pub fn begin_settle(&mut self, now: Now) -> Option<D::Sync> {
        self.settled_at = Some(now.mono);
        self.spool.begin_settle(now, self.may_drop(now))
    }

    /// What became of the last `begin_settle`.
    pub fn settled(&mut self, now: Now, result: io::Result<()>) {
        // Hot has room again.
        self.pressed &= result.is_err();
        self.spool.settled(now, result);
    }

    /// Whether the input has to wait until what was accepted is durable (`sync = "always"`). A cold disk that fails makes nobody wait, nor does what never
    /// will settle.
    pub fn holds_input(&self, now: Now) -> bool {
        self.options.sync_always
            && !planted::is(Bug::ReadsOn)
            && self.spool.settled_end().is_some_and(|settled| settled < self.spool.end())
            && self.spool.cold().is_some_and(|cold| cold.until(now).is_none())
    }
}
