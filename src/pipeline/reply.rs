//! What the answer to a request changes: which records leave the batch, when the next request may go, and who is to blame for a failure.
//!
//! Only what was stored, or was proved guilty while another record of the stream was stored, leaves; everything else stays where it is.

use std::time::Duration;

use super::{Pipeline, Trouble, is_refusal};
use crate::config::Ordering;
use crate::counters::{Counters, RejectReason};
use crate::kinesis::batch::{Batch, Record};
use crate::kinesis::bisection::{Bisection, Verdict};
use crate::kinesis::outcome::{Class, Failure, Outcome, RetryReason};
use crate::planted;
use crate::planted::Bug;
use crate::spool::disk::Disk;
use crate::time::Now;

/// Credentials that were refused are looked for again at most this often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// A record below this is never blamed for a connection that breaks.
const BLAMED_SIZE_MIN: usize = 16 << 10;
/// Sends of such a record alone that break, while every smaller request passes, before it is given up: more than the three after which a request is split,
/// since a flaky network must not cost a line.
const BROKEN_ALONE_MAX: u8 = 6;

/// Is told each record that is given up.
pub type SetAside<'a> = dyn FnMut(RejectReason, Record<'_>) + 'a;

impl<D: Disk> Pipeline<D> {
    /// One outcome for each record of the window stands in the batch.
    pub(super) fn on_answer(&mut self, now: Now, batch: &mut Batch, set_aside: &mut SetAside<'_>) {
        let (sent, bytes) = (batch.window(), batch.window_size());
        let mut outcomes = std::mem::take(&mut batch.outcomes);
        if planted::is(Bug::ResendsStoredRecords) && outcomes.contains(&Outcome::Retry(RetryReason::Throttled)) {
            outcomes.fill(Outcome::Retry(RetryReason::Throttled));
        }
        assert_eq!(outcomes.len(), sent, "one outcome for each record sent");
        let stored = outcomes.contains(&Outcome::Stored);
        if !stored && outcomes.contains(&Outcome::Refused) {
            batch.outcomes = outcomes;
            return self.on_failure(now, batch, refused_each(), set_aside);
        }
        let left = self.let_go(batch, &outcomes, set_aside);
        let throttled = outcomes.contains(&Outcome::Retry(RetryReason::Throttled));
        batch.outcomes = outcomes;
        batch.outcomes.clear();
        if !stored {
            return self.fail(now, failed_each(throttled));
        }
        self.trouble = Trouble { refreshed: self.trouble.refreshed, ..Trouble::default() };
        self.size.stored(now, bytes);
        batch.passed();
        if left > 0 {
            self.backoff.stored_some(now, &mut self.random);
        } else {
            self.backoff.stored_all();
        }
        if self.bisection.as_mut().is_some_and(|bisection| bisection.answered(sent, sent - left) == Verdict::Guilty) {
            self.on_guilty(batch, set_aside);
        }
    }

    /// Records that were stored, or refused while others were stored, leave. Returns how many of the window are left.
    fn let_go(&mut self, batch: &mut Batch, outcomes: &[Outcome], set_aside: &mut SetAside<'_>) -> usize {
        let (counters, mut left) = (&mut self.counters, 0);
        batch.retain(|index, record| match outcomes.get(index) {
            Some(Outcome::Stored) => {
                counters.delivered += u64::from(record.lines);
                counters.records += 1;
                counters.record_bytes += record.data.len() as u64;
                false
            }
            Some(Outcome::Refused) => give_up(counters, set_aside, RejectReason::Refused, record),
            Some(Outcome::Retry(reason)) => {
                counters.throttled += u64::from(*reason == RetryReason::Throttled);
                left += 1;
                true
            }
            None => true,
        });
        left
    }

    /// Nothing is known to be stored.
    pub(super) fn on_failure(&mut self, now: Now, batch: &mut Batch, failure: Failure, set_aside: &mut SetAside<'_>) {
        match failure.class {
            Class::Unknown | Class::Broken | Class::TimedOut => self.counters.unknown += 1,
            Class::Throttled => self.counters.throttled += 1,
            _ => self.counters.failed += 1,
        }
        batch.outcomes.clear();
        match failure.class {
            Class::Invalid => self.on_invalid(now, batch, failure, set_aside),
            Class::TooLarge if self.bisection.is_none() && batch.may_be_smaller() => {
                self.size.too_large(now, batch.window_size());
                self.mend(failure);
            }
            Class::TooLarge => self.on_invalid(now, batch, failure, set_aside),
            Class::Broken | Class::TimedOut => {
                self.on_broken(now, batch, failure.class, set_aside);
                self.fail(now, failure);
            }
            _ if self.may_correct(now, batch, &failure) => self.mend(failure),
            _ => self.fail(now, failure),
        }
    }

    /// Keeps everything and tries at once what may mend it.
    fn mend(&mut self, failure: Failure) {
        self.trouble.last = Some(failure);
        self.trouble.mending = true;
    }

    /// Keeps everything and waits.
    fn fail(&mut self, now: Now, failure: Failure) {
        self.backoff.stored_nothing(now, failure.class, failure.retry_after, &mut self.random);
        (self.trouble.mending, self.trouble.clock_corrected) = (false, false);
        match &mut self.closing {
            Some(closing) if closing.asked => closing.refused |= is_refusal(failure.class),
            // An answer to what was asked before the end of the input: what remains is tried once more.
            Some(_) => self.backoff.forget_wait(),
            None => {}
        }
        self.trouble.last = Some(failure);
    }

    /// A refused signature or key may have a cause that is mended at once: the clock, by the answer's date; credentials that changed since, by looking
    /// for them again. Each is tried once before the next wait, credentials at most once a minute.
    fn may_correct(&mut self, now: Now, batch: &mut Batch, failure: &Failure) -> bool {
        if !matches!(failure.class, Class::Signature | Class::Credentials | Class::Denied) {
            return false;
        }
        let signed = batch.sign_at;
        if !self.trouble.clock_corrected && failure.date.is_some_and(|date| self.skew.learn(now.wall, signed, date)) {
            self.trouble.clock_corrected = true;
            return true;
        }
        let due = self.trouble.refreshed.is_none_or(|at| now.mono.saturating_sub(at) >= REFRESH_INTERVAL);
        if due {
            self.trouble.refreshed = Some(now.mono);
            batch.fresh_credentials = true;
        }
        due
    }

    /// The request was called invalid, for one of its records or for none of them.
    fn on_invalid(&mut self, now: Now, batch: &mut Batch, failure: Failure, set_aside: &mut SetAside<'_>) {
        let (sent, records) = (batch.window(), batch.len());
        let bisection = self.bisection.get_or_insert_with(|| Bisection::new(sent, records));
        let mut verdict = bisection.refused(sent);
        if verdict == Verdict::Hold {
            verdict = bisection.next();
            if !planted::is(Bug::BlamesTheWrongHalf) {
                batch.rotate();
            }
        }
        match verdict {
            Verdict::Go | Verdict::Hold => {}
            Verdict::Guilty => self.on_guilty(batch, set_aside),
            Verdict::Configuration => self.on_nothing_stored(now, batch, failure),
        }
    }

    /// Of all that was tried nothing was stored, which proves nothing yet about a record. Others of the stream may clear the configuration: newer ones where
    /// some wait, and at the end of the input, when no more come, the halves of what was tried.
    fn on_nothing_stored(&mut self, now: Now, batch: &mut Batch, failure: Failure) {
        let newer = self.spool.unread_lines() + self.packer.lines();
        if !self.trouble.suspicious && newer > 0 {
            (self.bisection, self.trouble.suspicious) = (None, true);
            self.mend(failure);
        } else if self.closing.is_none() || !self.try_halves(batch) {
            (self.bisection, self.trouble.suspicious) = (None, true);
            // Not for its records, as it turned out.
            self.fail(now, Failure { class: Class::Misconfigured, ..failure });
        }
    }

    /// What is left of the batch is guilty; of a record with many lines perhaps only one is.
    fn on_guilty(&mut self, batch: &mut Batch, set_aside: &mut SetAside<'_>) {
        let counters = &mut self.counters;
        batch.retain(|_, record| record.middle().is_some() || give_up(counters, set_aside, RejectReason::Refused, record));
        if !self.try_halves(batch) {
            self.bisection = None;
            let counters = &mut self.counters;
            batch.retain(|_, record| give_up(counters, set_aside, RejectReason::Refused, record));
        }
    }

    /// A record is too large for its stream, or one of its lines is what is refused: its halves are tried by themselves, and theirs, while that leads
    /// anywhere. False when nothing can be halved.
    fn try_halves(&mut self, batch: &mut Batch) -> bool {
        match &mut self.bisection {
            Some(bisection) if !bisection.is_hopeless() && batch.halve_all() => {
                bisection.go_on(batch.len());
                true
            }
            _ => false,
        }
    }

    /// A request broke on the way or made no progress: for its size, or for the network.
    fn on_broken(&mut self, now: Now, batch: &mut Batch, class: Class, set_aside: &mut SetAside<'_>) {
        let (sent, bytes) = (batch.window(), batch.window_size());
        match class {
            Class::TimedOut => self.size.timed_out(bytes),
            _ => {
                // Six halvings at most lead to the smallest request, and there the waits grow as ever; one record alone is not sent smaller.
                if self.size.broke(now, bytes) && sent > 1 {
                    self.backoff.stored_all();
                }
            }
        }
        match sent {
            _ if self.bisection.is_some() => {}
            1 if bytes >= BLAMED_SIZE_MIN => self.on_broken_alone(batch, set_aside),
            _ => batch.forgive(),
        }
    }

    /// One large record broke on the way again. Others go first; when this happened often enough while they passed, it is treated as too large. In strict
    /// ordering nothing goes first, so nothing can blame it.
    fn on_broken_alone(&mut self, batch: &mut Batch, set_aside: &mut SetAside<'_>) {
        if self.options.ordering == Ordering::Strict {
            return;
        }
        if batch.len() == 1 {
            self.trouble.suspicious = true;
            return;
        }
        if batch.broke_alone() < BROKEN_ALONE_MAX {
            return batch.rotate();
        }
        let counters = &mut self.counters;
        batch.retain(|index, record| index != 0 || give_up(counters, set_aside, RejectReason::TooLarge, record));
    }
}

/// Counts a record as given up; false, since it is not kept.
fn give_up(counters: &mut Counters, set_aside: &mut SetAside<'_>, reason: RejectReason, record: Record<'_>) -> bool {
    counters.set_aside.add(reason, u64::from(record.lines));
    set_aside(reason, record);
    false
}

fn refused_each() -> Failure {
    answered(Class::Invalid, "InvalidArgumentException", "every record of the request was refused")
}

fn failed_each(throttled: bool) -> Failure {
    let (class, code) =
        if throttled { (Class::Throttled, "ProvisionedThroughputExceededException") } else { (Class::Unavailable, "InternalFailure") };
    answered(class, code, "every record of the request failed")
}

fn answered(class: Class, code: &str, message: &str) -> Failure {
    Failure { class, status: Some(200), code: code.into(), message: message.into(), retry_after: None, date: None }
}
