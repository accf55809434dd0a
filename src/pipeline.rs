//! The core: lines are accepted, requests are asked for, answers are taken. It reads no clock, opens no file and sends nothing.
//!
//! ```text
//! input thread:     loop { read; pipeline.accept(now, block) }
//! delivery thread:  loop { match pipeline.poll(now, &mut batch) {
//!                       Send => { let reply = sender.send(&mut batch); pipeline.on_reply(now, &mut batch, reply) }
//!                       Sync => { let sync = pipeline.begin_settle(now); pipeline.settled(now, sync.wait()) }
//!                       Wait(deadline) => sleep until then, or until something was accepted
//!                       Closed => break } }
//! ```
//!
//! The batch belongs to the delivery thread, so that it is encoded, signed and sent outside the lock. What always holds: the books close; a stored record
//! is never sent again; acknowledgement is the contiguous prefix; nothing is given up but what `set_aside` was told.
//!
//! Here: what goes in and out, and how a run ends. What an answer changes is in `pipeline/reply.rs`.

mod hand_off;
mod reply;
mod settling;

use std::time::Duration;

use crate::config::Ordering;
use crate::counters::{Counters, RejectReason};
use crate::ending::{Cause, Ending};
use crate::kinesis::backoff::Backoff;
use crate::kinesis::batch::Batch;
use crate::kinesis::bisection::Bisection;
use crate::kinesis::outcome::{Class, Failure, Reply};
use crate::kinesis::size_limit::SizeLimit;
use crate::planted;
use crate::planted::Bug;
use crate::random::Random;
use crate::record::packer::Packer;
use crate::spool::block::{BlockBuilder, Position};
use crate::spool::cold::ColdState;
use crate::spool::disk::Disk;
use crate::spool::spool::{Full, Spool};
use crate::time::{Deadline, Now, Skew};

pub use hand_off::{Fate, Mark};
pub use reply::SetAside;

/// An endpoint is never left alone for longer on the word of an earlier run: its clock may have been wrong.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(15 * 60);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the batch's window and bring the answer to `on_reply`.
    Send,
    /// Call `begin_settle`, wait for what it gives outside of the lock, and bring the result to `settled`.
    Sync,
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
    /// How long a line may be in hot only beyond its flush interval, with `flush_interval` already added.
    pub sync_after: Duration,
    /// Every block is made durable before the input is read on.
    pub sync_always: bool,
}

/// What may change while lines wait.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// As [`PipelineOptions::ordering`].
    pub ordering: Ordering,
    /// As [`PipelineOptions::exit_when_missing`].
    pub exit_when_missing: bool,
    /// How long a line may wait for others.
    pub flush_interval: Duration,
    /// How long a line may be in hot only beyond that.
    pub sync_after: Duration,
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
pub struct Pipeline<D: Disk> {
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
    /// When the run began.
    started: Duration,
    /// When hot began to settle last.
    settled_at: Option<Duration>,
    /// The endpoint is left alone until then, as an earlier run found it; asking it, or input that is none, makes an end of that.
    left_alone: Option<Deadline>,
    /// The spool was full since lines last left the packer.
    pressed: bool,
    /// Lines of blocks before it wait for no others.
    flush_until: Position,
    /// Blocks before it are to be made durable.
    settle_until: Position,
    /// Lines in the batch.
    open_lines: u64,
    /// Of these, lines that this run accepted.
    open_own_lines: u64,
    /// A request was sent and not answered.
    in_flight: bool,
    /// The run has ended, and so many lines wait for the next one.
    kept: Option<u64>,
    counters: Counters,
}

impl<D: Disk> Pipeline<D> {
    /// Over a spool and a packer.
    pub fn new(options: PipelineOptions, spool: Spool<D>, packer: Packer, random: Random, now: Now) -> Pipeline<D> {
        let left_alone = spool.next_attempt().and_then(|at| at.checked_sub(now.wall)).filter(|left| *left <= LEFT_ALONE_MAX);
        Pipeline {
            left_alone: left_alone.map(|left| Deadline(now.mono + left)),
            started: now.mono,
            settled_at: None,
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
            flush_until: Position(0),
            settle_until: Position(0),
            open_lines: 0,
            open_own_lines: 0,
            in_flight: false,
            kept: None,
            counters: Counters::default(),
        }
    }

    /// Appends a block to the spool. From here on its lines are accepted: each is delivered, waiting, or counted by the reason for which it was given up.
    pub fn accept(&mut self, now: Now, block: &mut BlockBuilder) -> Result<(), Full> {
        let result = self.spool.append(block, now);
        match result {
            Ok(()) => self.counters.accepted += u64::from(block.lines()),
            Err(Full) => self.pressed = true,
        }
        result
    }

    /// No more lines come: the input has ended (`eof`) or is not read any longer. What remains has until `limit`. Tries at once.
    pub fn close(&mut self, eof: bool, limit: Option<Deadline>) {
        match &mut self.closing {
            Some(closing) => closing.limit = earlier(closing.limit, limit),
            None => {
                self.closing = Some(Closing { eof, limit, asked: false, refused: false });
                self.backoff.forget_wait();
                if self.counters.accepted == 0 {
                    // Somebody wants to know whether it works again.
                    self.left_alone = None;
                }
            }
        }
    }

    /// Nothing can be delivered, the input cannot be read on, and whoever wrote it still has it: the run ends with the refusal.
    pub fn give_up(&mut self) {
        self.closing = Some(Closing { eof: false, limit: None, asked: true, refused: true });
    }

    /// What to do next. `batch` is always the same one.
    pub fn poll(&mut self, now: Now, batch: &mut Batch) -> Step {
        let refused = self.is_refused_for_good();
        if self.is_out_of_time(now) || refused && self.options.deadline.is_some() {
            return Step::Closed;
        }
        if self.wants_settling(now) {
            return Step::Sync;
        }
        if refused {
            // What is kept is kept before the run ends.
            return if self.is_settling_aside() { self.wait(now, None) } else { Step::Closed };
        }
        self.fill(now, batch);
        self.note_open(batch);
        if batch.is_empty() {
            let done = self.closing.is_some();
            return if done { Step::Closed } else { self.wait(now, self.packer.due()) };
        }
        if let Some(until) = self.left_alone.filter(|until| !until.passed(now)) {
            return self.wait_or_end(now, until);
        }
        if let Some(until) = self.backoff.until(now) {
            return self.wait_or_end(now, until);
        }
        self.left_alone = None;
        let failed = if self.failed_go_alone(batch) { batch.failed() } else { usize::MAX };
        let records = self.bisection.as_ref().map_or(failed, |bisection| bisection.chunk().min(failed));
        // What breaks, or is too large, as one record of many lines may pass as two.
        while self.bisection.is_none() && batch.first_size() > self.size.get() && batch.halve(0) {}
        batch.narrow(records, self.size.get());
        self.counters.requests += 1;
        batch.sign_at = self.service_time(now).wall;
        self.in_flight = true;
        if let Some(closing) = &mut self.closing {
            closing.asked = true;
        }
        Step::Send
    }

    /// Takes the answer to the request that `poll` asked for. `set_aside` is told each record that is given up.
    pub fn on_reply(&mut self, now: Now, batch: &mut Batch, reply: Reply, set_aside: &mut SetAside<'_>) {
        batch.fresh_credentials = false;
        self.in_flight = false;
        if !matches!(&reply, Reply::Failed(failure) if failure.class.never_left()) {
            self.counters.resent += batch.mark_sent();
        }
        match reply {
            Reply::Answered => self.on_answer(now, batch, set_aside),
            Reply::Failed(failure) => self.on_failure(now, batch, failure, set_aside),
        }
        self.note_open(batch);
        let open = [batch.first(), self.packer.first()].into_iter().flatten().min();
        let open = open.filter(|_| !planted::is(Bug::AcknowledgesBeforeTheReply));
        self.spool.acknowledge(open.unwrap_or(self.spool.read_position()), now);
        debug_assert!(self.books_close(), "the books close");
    }

    /// `now` with the service's wall clock, as far as it is known.
    pub fn service_time(&self, now: Now) -> Now {
        Now { wall: self.skew.apply(now.wall), ..now }
    }

    /// Lines accepted and not yet delivered or given up.
    pub fn waiting(&self) -> u64 {
        if let Some(kept) = self.kept {
            return kept;
        }
        self.spool.unread_lines() + self.packer.lines() + self.open_lines
    }

    /// Whether every line is accounted for.
    pub fn books_close(&self) -> bool {
        let spool = self.spool.counters();
        self.counters.accepted + spool.found == self.counters.accounted() + spool.dropped_full + spool.dropped_damaged + self.waiting()
    }

    /// The spool, to look at.
    pub fn spool(&self) -> &Spool<D> {
        &self.spool
    }

    /// Changes what may change while lines wait. What is left alone for a failure is tried at once: something may have been mended.
    pub fn reconfigure(&mut self, tuning: Tuning) {
        self.options.ordering = tuning.ordering;
        self.options.exit_when_missing = tuning.exit_when_missing;
        self.options.sync_after = tuning.flush_interval + tuning.sync_after;
        self.packer.set_flush_interval(tuning.flush_interval);
        self.backoff.forget_wait();
        self.left_alone = None;
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

    /// Whether a request waits for its answer.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Whether the service refuses everything until a person mends something, and nothing is on its way that may tell otherwise.
    pub fn is_refused(&self) -> bool {
        !self.in_flight && self.refusal().is_some()
    }

    /// How the run ends if it ends now, and the books with it: what waits is kept where it is durable, else handed back (with a deadline) or dropped. Call it
    /// once.
    pub fn end(&mut self, now: Now) -> Ending {
        self.spool.settle_the_count();
        let eof = self.closing.is_some_and(|closing| closing.eof);
        let (waiting, offered_again) = (self.waiting(), self.options.deadline.is_some());
        let refusal = self.refusal().cloned().filter(|_| offered_again || !self.spool.is_settled());
        let durable = waiting == 0 || self.spool.is_settled() || planted::is(Bug::EndsWithZero);
        let cause = match refusal {
            _ if waiting == 0 && eof => Cause::Delivered,
            Some(refusal) => Cause::Refused(refusal),
            None if durable && eof => Cause::Kept,
            None => Cause::Undelivered { eof, failure: self.failure().cloned(), in_flight: self.in_flight },
        };
        let failed = !matches!(cause, Cause::Delivered | Cause::Kept);
        let mut ending = Ending { cause, waiting, kept: 0, handed_back: offered_again, spool: self.spool_trouble() };
        if failed && offered_again {
            // Older lines stay.
            let own = self.own_waiting().min(waiting);
            self.spool.take_back();
            self.counters.handed_back += own;
            (ending.waiting, ending.kept) = (own, waiting - own);
        } else if self.spool.is_settled() {
            (ending.waiting, ending.kept) = (0, waiting);
        } else {
            // Without a cold disk, or while it fails: what survives the process is not promised. What hot can read no more is in neither count.
            let settled = self.spool.settled_lines();
            let lost = waiting.saturating_sub(settled).max(self.spool.unsettled_lines()).min(waiting);
            self.counters.dropped_at_end += lost;
            (ending.waiting, ending.kept) = (lost, waiting - lost);
        }
        self.kept = Some(ending.kept);
        // Who is refused is asked anew by each run.
        let backoff = self.backoff.until(now).filter(|_| self.refusal().is_none());
        let left = backoff.or(self.left_alone.filter(|until| !until.passed(now)));
        self.spool.close(left.map(|until| now.wall + until.left(now)));
        ending
    }

    /// Why the cold disk does not take what is to be kept.
    fn spool_trouble(&self) -> Option<String> {
        match self.spool.cold()?.state() {
            ColdState::Good => None,
            ColdState::Full => Some("the spool is full".to_owned()),
            ColdState::Failed(error) => Some(format!("writing to the spool failed: {error}")),
        }
    }

    /// Lines of this run that are neither delivered nor given up. A record that holds older lines as well counts as older.
    fn own_waiting(&self) -> u64 {
        self.spool.unread_lines() + self.packer.lines_from(self.spool.opened()) + self.open_own_lines
    }

    /// The sender offers its input again when this run ends with an error.
    pub fn has_deadline(&self) -> bool {
        self.options.deadline.is_some()
    }

    /// When the run ends, whatever is left.
    pub fn limit(&self) -> Option<Deadline> {
        earlier(self.options.deadline, self.closing.and_then(|closing| closing.limit))
    }

    fn note_open(&mut self, batch: &Batch) {
        self.open_lines = batch.lines();
        self.open_own_lines = batch.lines_from(self.spool.opened());
    }

    /// The endpoint is left alone until `until`: where that lies beyond the run's limit and nothing would be lost, the run need not wait for it.
    fn wait_or_end(&mut self, now: Now, until: Deadline) -> Step {
        let beyond = self.closing.is_some() && self.limit().is_some_and(|limit| limit < until);
        if beyond && self.spool.is_settled() { Step::Closed } else { self.wait(now, Some(until)) }
    }

    /// Until `until`, the run's limit, or the time when hot is to settle.
    fn wait(&mut self, now: Now, until: Option<Deadline>) -> Step {
        // Reading the spool may have found out that more is to settle, or can.
        let settling = self.settling_due(now);
        if settling.is_some_and(|due| due.passed(now)) {
            return Step::Sync;
        }
        Step::Wait(earlier(earlier(until, self.limit()), settling))
    }

    /// The last failure, when only a person can mend it.
    fn refusal(&self) -> Option<&Failure> {
        self.failure().filter(|failure| is_refusal(failure.class) && !self.trouble.mending)
    }

    fn is_out_of_time(&self, now: Now) -> bool {
        self.limit().is_some_and(|limit| limit.passed(now))
    }

    /// Only a person can mend it, and the run does not wait for him.
    fn is_refused_for_good(&self) -> bool {
        let missing = self.options.exit_when_missing && self.failure().is_some_and(|failure| failure.class == Class::StreamMissing);
        missing || self.closing.is_some_and(|closing| closing.refused)
    }

    /// Another thread makes durable what this run keeps.
    fn is_settling_aside(&self) -> bool {
        self.spool.cold().is_some_and(|cold| cold.is_settling())
    }

    /// In strict ordering nothing joins records that failed, unless it is needed to clear them.
    fn failed_go_alone(&self, batch: &Batch) -> bool {
        self.options.ordering == Ordering::Strict && !self.trouble.suspicious && batch.failed() > 0
    }

    /// Brings lines from the spool into the packer and from there into the batch, behind the records that failed.
    fn fill(&mut self, now: Now, batch: &mut Batch) {
        if self.failed_go_alone(batch) || self.bisection.is_some() {
            return;
        }
        batch.widen(self.trouble.suspicious || !batch.is_empty() && batch.all_broke_alone());
        loop {
            let next = loop {
                match self.spool.peek() {
                    // What cannot be read was given up by the spool.
                    Some(header) if self.packer.takes(&header) => _ = self.packer.take(&header, |out| self.spool.read(&header, out)),
                    next => break next,
                }
            };
            let flush = self.closing.is_some() || self.pressed || self.flushes();
            if !self.packer.ripe(now, next.as_ref(), flush) {
                return;
            }
            let emptied = self.packer.emit(batch, &mut self.random);
            self.counters.set_aside.add(RejectReason::TooLarge, self.packer.take_oversize());
            if !emptied {
                return;
            }
            self.pressed = false;
        }
    }
}

/// A refusal that ends a run: only a person can mend it.
pub fn is_refusal(class: Class) -> bool {
    class.is_refusal() || matches!(class, Class::Invalid | Class::TooLarge)
}

fn earlier(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
    [a, b].into_iter().flatten().min()
}
