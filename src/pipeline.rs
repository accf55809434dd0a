//! The core: lines are accepted, requests are asked for, answers are taken. It reads no clock, opens no file and sends nothing.
//!
//! ```text
//! input thread:     loop { read; pipeline.accept(now, block) }
//! delivery thread:  loop { match pipeline.poll(now, &mut batch) {
//!                       Send => { let reply = sender.send(&mut batch); pipeline.on_reply(now, &mut batch, reply) }
//!                       Wait(deadline) => sleep until then, or until something was accepted
//!                       Closed => break } }
//! ```
//!
//! The batch belongs to the delivery thread, so that it is encoded, signed and sent outside the lock. What always holds: the books close; a stored record
//! is never sent again; acknowledgement is the contiguous prefix; nothing is given up but what `set_aside` was told.

use std::io;
use std::time::Duration;

use crate::config::Ordering;
use crate::counters::{Counters, RejectReason};
use crate::ending::{Cause, Ending};
use crate::kinesis::backoff::Backoff;
use crate::kinesis::batch::{Batch, Record};
use crate::kinesis::bisection::{Bisection, Verdict};
use crate::kinesis::outcome::{Class, Failure, Outcome, Reply, RetryReason};
use crate::kinesis::size_limit::SizeLimit;
use crate::random::Random;
use crate::record::packer::Packer;
use crate::spool::block::BlockBuilder;
use crate::spool::disk::Disk;
use crate::spool::spool::{Full, Spool};
use crate::time::{Deadline, Now, Skew};

/// Credentials that were refused are looked for again at most this often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// A record below this is never blamed for a connection that breaks.
const BLAMED_SIZE_MIN: usize = 16 << 10;
/// Sends of such a record alone that break, while every smaller request passes, before it is given up: more than the three after which a request is split,
/// since a flaky network must not cost a line.
const BROKEN_ALONE_MAX: u8 = 6;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the batch's window and bring the answer to `on_reply`.
    Send,
    /// Nothing to do until then, or until something is accepted or closed.
    Wait(Option<Deadline>),
    /// The run is over; ask `ending`.
    Closed,
}

/// How the pipeline behaves.
#[derive(Clone, Copy, Debug)]
pub struct PipelineOptions {
    /// Whether newer records fill a request that failed ones lead.
    pub ordering: Ordering,
    /// Bytes of one request.
    pub request_size: usize,
    /// The whole run's limit; the sender offers its input again when we end with an error.
    pub deadline: Option<Deadline>,
    /// A missing stream ends the run even before the end of the input.
    pub exit_when_missing: bool,
}

/// How the input ended.
#[derive(Clone, Copy, Debug)]
struct Closing {
    /// The end of the input was seen.
    eof: bool,
    /// What remains has until then.
    limit: Option<Deadline>,
    /// A request was sent since.
    asked: bool,
    /// It was refused.
    refused: bool,
}

/// What the delivery waits for, kept between requests.
#[derive(Debug, Default)]
struct Trouble {
    /// The last request's failure; gone when anything was stored.
    last: Option<Failure>,
    /// What may mend it is tried at once; until that is answered it is no refusal.
    mending: bool,
    /// The clock was corrected since the last wait.
    clock_corrected: bool,
    /// When credentials were last looked for again.
    refreshed: Option<Duration>,
    /// Nothing but this batch's records was tried, and they fail: newer ones may prove that it is for what they are.
    suspicious: bool,
}

/// Accepts lines and delivers them.
#[derive(Debug)]
pub struct Pipeline<D> {
    options: PipelineOptions,
    spool: Spool<D>,
    packer: Packer,
    random: Random,
    backoff: Backoff,
    size: SizeLimit,
    skew: Skew,
    bisection: Option<Bisection>,
    trouble: Trouble,
    closing: Option<Closing>,
    /// The spool was full since lines last left the packer.
    pressed: bool,
    /// Lines in the batch.
    open_lines: u64,
    /// A request was sent and not answered.
    in_flight: bool,
    counters: Counters,
}

impl<D: Disk> Pipeline<D> {
    /// Over a spool and a packer.
    pub fn new(options: PipelineOptions, spool: Spool<D>, packer: Packer, random: Random) -> Pipeline<D> {
        Pipeline {
            options,
            spool,
            packer,
            random,
            backoff: Backoff::default(),
            size: SizeLimit::new(options.request_size),
            skew: Skew::default(),
            bisection: None,
            trouble: Trouble::default(),
            closing: None,
            pressed: false,
            open_lines: 0,
            in_flight: false,
            counters: Counters::default(),
        }
    }

    /// Appends a block to the spool. From here on its lines are accepted: each is delivered, waiting, or counted by the reason for which it was given up.
    pub fn accept(&mut self, now: Now, block: &mut BlockBuilder) -> io::Result<Result<(), Full>> {
        let result = self.spool.append(block, now.mono)?;
        match result {
            Ok(()) => self.counters.accepted += u64::from(block.lines()),
            Err(Full) => self.pressed = true,
        }
        Ok(result)
    }

    /// No more lines come: the input has ended (`eof`) or is not read any longer. What remains has until `limit`. Tries at once.
    pub fn close(&mut self, eof: bool, limit: Option<Deadline>) {
        match &mut self.closing {
            Some(closing) => closing.limit = earlier(closing.limit, limit),
            None => {
                self.closing = Some(Closing { eof, limit, asked: false, refused: false });
                self.backoff.forget_wait();
            }
        }
    }

    /// Nothing can be delivered, the input cannot be read on, and whoever wrote it still has it: the run ends with the refusal.
    pub fn give_up(&mut self) {
        self.closing = Some(Closing { eof: false, limit: None, asked: true, refused: true });
    }

    /// What to do next. `batch` is always the same one.
    pub fn poll(&mut self, now: Now, batch: &mut Batch) -> io::Result<Step> {
        if self.is_over(now) {
            return Ok(Step::Closed);
        }
        self.fill(now, batch)?;
        self.open_lines = batch.lines();
        if batch.is_empty() {
            let done = self.closing.is_some();
            return Ok(if done { Step::Closed } else { Step::Wait(earlier(self.packer.due(), self.limit())) });
        }
        if let Some(until) = self.backoff.until(now) {
            return Ok(Step::Wait(earlier(Some(until), self.limit())));
        }
        let records = match &self.bisection {
            Some(bisection) => bisection.chunk(),
            None if self.failed_go_alone(batch) => batch.failed(),
            None => usize::MAX,
        };
        batch.narrow(records, self.size.get());
        self.counters.requests += 1;
        batch.sign_at = self.skew.apply(now.wall);
        self.in_flight = true;
        if let Some(closing) = &mut self.closing {
            closing.asked = true;
        }
        Ok(Step::Send)
    }

    /// Takes the answer to the request that `poll` asked for. `set_aside` is told each record that is given up.
    pub fn on_reply(&mut self, now: Now, batch: &mut Batch, reply: Reply, set_aside: &mut dyn FnMut(RejectReason, Record<'_>)) -> io::Result<()> {
        batch.fresh_credentials = false;
        self.in_flight = false;
        if !matches!(&reply, Reply::Failed(failure) if failure.class.never_left()) {
            self.counters.resent += batch.mark_sent();
        }
        match reply {
            Reply::Answered => self.on_answer(now, batch, set_aside),
            Reply::Failed(failure) => self.on_failure(now, batch, failure, set_aside),
        }
        self.open_lines = batch.lines();
        let open = [batch.first(), self.packer.first()].into_iter().flatten().min();
        self.spool.acknowledge(open.unwrap_or(self.spool.read_position()))?;
        debug_assert!(self.counters.closes(self.waiting()), "the books close");
        Ok(())
    }

    /// Lines accepted and not yet delivered or given up.
    pub fn waiting(&self) -> u64 {
        self.spool.unread_lines() + self.packer.lines() + self.open_lines
    }

    /// Bytes in the spool.
    pub fn spool_used(&self) -> usize {
        self.spool.used()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How far the service's clock is ahead.
    pub fn skew(&self) -> Skew {
        self.skew
    }

    /// The last request's failure, while nothing was stored since.
    pub fn failure(&self) -> Option<&Failure> {
        self.trouble.last.as_ref()
    }

    /// Whether the service refuses everything until a person mends something, and nothing is on its way that may tell otherwise.
    pub fn is_refused(&self) -> bool {
        !self.in_flight && self.refusal().is_some()
    }

    /// How the run ends if it ends now, and the books with it: what waits is handed back (with a deadline) or dropped.
    pub fn end(&mut self) -> Ending {
        let eof = self.closing.is_some_and(|closing| closing.eof);
        let waiting = self.waiting();
        let cause = match self.refusal() {
            _ if waiting == 0 && eof => Cause::Delivered,
            Some(refusal) => Cause::Refused(refusal.clone()),
            None => Cause::Undelivered { eof, failure: self.failure().cloned(), in_flight: self.in_flight },
        };
        let handed_back = self.options.deadline.is_some();
        let lines = if handed_back { &mut self.counters.handed_back } else { &mut self.counters.dropped_at_end };
        *lines += waiting;
        Ending { cause, waiting, handed_back }
    }

    /// The sender offers its input again when this run ends with an error.
    pub fn has_deadline(&self) -> bool {
        self.options.deadline.is_some()
    }

    /// When the run ends, whatever is left.
    pub fn limit(&self) -> Option<Deadline> {
        earlier(self.options.deadline, self.closing.and_then(|closing| closing.limit))
    }

    /// The last failure, when only a person can mend it.
    fn refusal(&self) -> Option<&Failure> {
        self.failure().filter(|failure| is_refusal(failure.class) && !self.trouble.mending)
    }

    fn is_over(&self, now: Now) -> bool {
        let missing = self.options.exit_when_missing && self.failure().is_some_and(|failure| failure.class == Class::StreamMissing);
        missing || self.closing.is_some_and(|closing| closing.refused) || self.limit().is_some_and(|limit| limit.passed(now))
    }

    /// In strict ordering nothing joins records that failed, unless it is needed to clear them.
    fn failed_go_alone(&self, batch: &Batch) -> bool {
        self.options.ordering == Ordering::Strict && !self.trouble.suspicious && batch.failed() > 0
    }

    /// Brings lines from the spool into the packer and from there into the batch, behind the records that failed.
    fn fill(&mut self, now: Now, batch: &mut Batch) -> io::Result<()> {
        if self.failed_go_alone(batch) || self.bisection.is_some() {
            return Ok(());
        }
        batch.widen(self.trouble.suspicious);
        loop {
            let next = loop {
                match self.spool.peek()? {
                    Some(header) if self.packer.takes(&header) => self.packer.take(&header, |out| self.spool.read(&header, out))?,
                    next => break next,
                }
            };
            let flush = self.closing.is_some() || self.pressed;
            if !self.packer.ripe(now, next.as_ref(), flush) || !self.packer.emit(batch, &mut self.random) {
                return Ok(());
            }
            self.pressed = false;
        }
    }

    fn on_answer(&mut self, now: Now, batch: &mut Batch, set_aside: &mut dyn FnMut(RejectReason, Record<'_>)) {
        let (sent, bytes) = (batch.window(), batch.window_size());
        let outcomes = std::mem::take(&mut batch.outcomes);
        assert_eq!(outcomes.len(), sent, "one outcome for each record sent");
        let stored = outcomes.iter().filter(|outcome| **outcome == Outcome::Stored).count();
        if stored == 0 && outcomes.contains(&Outcome::Refused) {
            batch.outcomes = outcomes;
            return self.on_failure(now, batch, refused_each(), set_aside);
        }
        let counters = &mut self.counters;
        let mut left = 0;
        batch.retain(|index, record| match outcomes.get(index) {
            Some(Outcome::Stored) => {
                counters.delivered += u64::from(record.lines);
                counters.records += 1;
                counters.record_bytes += record.data.len() as u64;
                false
            }
            // Others of the same stream were stored in the same request: it is the record.
            Some(Outcome::Refused) => {
                counters.set_aside.add(RejectReason::Refused, u64::from(record.lines));
                set_aside(RejectReason::Refused, record);
                false
            }
            Some(Outcome::Retry(reason)) => {
                counters.throttled += u64::from(*reason == RetryReason::Throttled);
                left += 1;
                true
            }
            None => true,
        });
        let throttled = outcomes.contains(&Outcome::Retry(RetryReason::Throttled));
        batch.outcomes = outcomes;
        batch.outcomes.clear();
        if stored == 0 {
            let (class, code) =
                if throttled { (Class::Throttled, "ProvisionedThroughputExceededException") } else { (Class::Unavailable, "InternalFailure") };
            return self.fail(now, Failure { code: code.into(), message: "every record of the request failed".into(), ..failure(class) });
        }
        self.trouble = Trouble { refreshed: self.trouble.refreshed, ..Trouble::default() };
        self.size.stored(now, bytes);
        batch.passed();
        if left > 0 {
            self.backoff.stored_some(now, &mut self.random);
        } else {
            self.backoff.stored_all();
        }
        if let Some(bisection) = &mut self.bisection {
            let verdict = bisection.answered(sent, sent - left);
            self.judge(now, batch, verdict, None, set_aside);
        }
    }

    fn on_failure(&mut self, now: Now, batch: &mut Batch, failure: Failure, set_aside: &mut dyn FnMut(RejectReason, Record<'_>)) {
        let (sent, bytes) = (batch.window(), batch.window_size());
        match failure.class {
            Class::Unknown | Class::Broken | Class::TimedOut => self.counters.unknown += 1,
            Class::Throttled => self.counters.throttled += 1,
            _ => self.counters.failed += 1,
        }
        batch.outcomes.clear();
        match failure.class {
            Class::Invalid => return self.on_invalid(now, batch, failure, set_aside),
            Class::TooLarge if sent > 1 && bytes > crate::limits::REQUEST_SIZE_MIN => {
                self.size.too_large(now, bytes);
                return self.mend(failure);
            }
            Class::TooLarge => return self.on_invalid(now, batch, failure, set_aside),
            Class::TimedOut => self.size.timed_out(bytes),
            Class::Broken => self.size.broke(now, bytes),
            _ if self.may_correct(now, batch, &failure) => return self.mend(failure),
            _ => {}
        }
        if matches!(failure.class, Class::Broken | Class::TimedOut) && self.bisection.is_none() {
            match sent {
                1 if bytes >= BLAMED_SIZE_MIN => self.on_broken_alone(batch, set_aside),
                _ => batch.forgive(),
            }
        }
        self.fail(now, failure);
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

    fn on_invalid(&mut self, now: Now, batch: &mut Batch, failure: Failure, set_aside: &mut dyn FnMut(RejectReason, Record<'_>)) {
        let (sent, records) = (batch.window(), batch.len());
        let bisection = self.bisection.get_or_insert_with(|| Bisection::new(sent, records));
        let mut verdict = bisection.refused(sent);
        if verdict == Verdict::Hold {
            verdict = bisection.next();
            batch.rotate();
        }
        self.judge(now, batch, verdict, Some(failure), set_aside);
    }

    fn judge(
        &mut self,
        now: Now,
        batch: &mut Batch,
        verdict: Verdict,
        failure: Option<Failure>,
        set_aside: &mut dyn FnMut(RejectReason, Record<'_>),
    ) {
        match verdict {
            Verdict::Go | Verdict::Hold => {}
            Verdict::Guilty(guilty) => {
                self.bisection = None;
                let (innocent, counters) = (batch.len() - guilty, &mut self.counters);
                batch.retain(|index, record| {
                    if index >= innocent {
                        counters.set_aside.add(RejectReason::Refused, u64::from(record.lines));
                        set_aside(RejectReason::Refused, record);
                    }
                    index < innocent
                });
            }
            Verdict::Configuration => {
                self.bisection = None;
                self.trouble.suspicious = true;
                // Not for its records, as it turned out.
                let failure = failure.or_else(|| self.trouble.last.take()).unwrap_or_else(refused_each);
                self.fail(now, Failure { class: Class::Misconfigured, ..failure });
            }
        }
    }

    /// One large record broke on the way again. Others go first; when this happened often enough while they passed, it is treated as too large. In strict
    /// ordering nothing goes first, so nothing can blame it.
    fn on_broken_alone(&mut self, batch: &mut Batch, set_aside: &mut dyn FnMut(RejectReason, Record<'_>)) {
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
        batch.retain(|index, record| {
            if index == 0 {
                counters.set_aside.add(RejectReason::TooLarge, u64::from(record.lines));
                set_aside(RejectReason::TooLarge, record);
            }
            index != 0
        });
    }
}

/// A refusal that ends a run: only a person can mend it.
fn is_refusal(class: Class) -> bool {
    class.is_refusal() || matches!(class, Class::Invalid | Class::TooLarge)
}

fn failure(class: Class) -> Failure {
    Failure { class, status: Some(200), code: String::new(), message: String::new(), retry_after: None, date: None }
}

fn refused_each() -> Failure {
    Failure { code: "InvalidArgumentException".into(), message: "every record of the request was refused".into(), ..failure(Class::Invalid) }
}

fn earlier(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
    [a, b].into_iter().flatten().min()
}
