//! The delivery thread: asks the pipeline what to do and does it. Encoding, signing and sending happen outside the lock. Beside it, where there is a cold
//! disk, a thread that settles while a request waits for its answer.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::output::Output;
use super::report::Reporter;
use super::spool_report::SpoolReporter;
use super::systemd::Doing;
use super::{Shared, State, disks};
use crate::aws::http::HttpCounts;
use crate::config::Destination;
use crate::counters::RejectReason;
use crate::ending::Cause;
use crate::input::intake::Rejection;
use crate::kinesis::batch::{Batch, Record};
use crate::kinesis::outcome::Reply;
use crate::pipeline::Step;
use crate::spool::disk::PendingSync;
use crate::time::{Deadline, Now};

/// How often it is seen while a request waits for its answer whether something is to settle.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often a directory that could not be opened is tried again.
pub(super) const OPEN_AGAIN: Duration = Duration::from_secs(10);

/// Delivers until the run has ended.
pub(super) fn deliver(shared: &Shared, mut output: Output, request_size: usize, destination: Option<&Destination>) {
    let mut batch = Batch::new(request_size);
    let mut reporter = Reporter::new(shared.log.clone(), destination.cloned());
    let mut spool_reporter = SpoolReporter::new(shared.log.clone());
    let mut before = HttpCounts::default();
    let mut state = shared.lock();
    state.meter = output.meter();
    while state.ended.is_none() {
        let now = shared.clock.now();
        state.doing = Doing::Working(now.mono);
        if let Some(other) = state.other_output.take() {
            before = before + output.counts();
            output = other;
            state.meter = output.meter();
        }
        spool_reporter.look(now, state.pipeline.spool());
        match state.pipeline.poll(now, &mut batch) {
            Step::Send => {
                shared.sending.notify_one();
                drop(state);
                let reply = output.send(&mut batch, &shared.clock);
                let counts = output.counts();
                state = shared.lock();
                state.http = before + counts;
                if state.ended.is_none() {
                    take_reply(shared, &mut state, &mut batch, reply, &mut reporter);
                    note_progress(shared, &mut state);
                    shared.space.notify_one();
                }
            }
            Step::Sync => state = settle(shared, state, now),
            Step::Wait(until) => {
                let maintenance = output.next_maintenance(now);
                if maintenance.is_some_and(|due| due.passed(now)) {
                    let now = state.pipeline.service_time(now);
                    drop(state);
                    output.maintain(now);
                    state = shared.lock();
                    continue;
                }
                let until = [until, maintenance].into_iter().flatten().min();
                let left = until.map(|until| until.left(now));
                state.doing = Doing::Waiting(until);
                state = match left {
                    Some(left) => shared.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                    None => shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
            }
            Step::Closed => shared.end(&mut state),
        }
    }
}

/// Settles aside while a request waits for its answer, for a cold disk must not wait for the network.
pub(super) fn settle_aside(shared: &Shared) {
    let mut state = shared.lock();
    while state.ended.is_none() {
        let now = shared.clock.now();
        if state.late.as_ref().is_some_and(|late| late.due.passed(now)) {
            state = open_late(shared, state, now);
            continue;
        }
        let late = state.late.as_ref().map(|late| late.due.left(now));
        state = match state.pipeline.poll_aside(now) {
            Step::Sync => {
                let state = settle(shared, state, now);
                shared.work.notify_one();
                state
            }
            Step::Wait(until) if state.pipeline.is_in_flight() => {
                // Nobody says that lines were accepted; they wait that long at most.
                let left = until.map_or(LOOK_AGAIN, |until| until.left(now).min(LOOK_AGAIN));
                shared.sending.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
            _ => match late {
                Some(left) => shared.sending.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => shared.sending.wait(state).unwrap_or_else(PoisonError::into_inner),
            },
        };
    }
}

/// Tries to open the directory that could not be opened at the start.
fn open_late<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>, now: Now) -> MutexGuard<'a, State> {
    let Some(late) = &mut state.late else { return state };
    late.due = Deadline(now.mono + OPEN_AGAIN);
    let (path, stream) = (late.path.clone(), late.stream.clone());
    drop(state);
    let opened = disks::open_again(&path, &stream);
    let mut state = shared.lock();
    if let Some(disk) = opened.filter(|_| state.ended.is_none()) {
        let adopted = state.pipeline.adopt_cold(disk);
        let what =
            if adopted { "takes lines again" } else { "can be used again; it holds lines of earlier runs, so that it is from the next start on" };
        shared.log.warn(format_args!("spool: the directory {what}"));
        state.late = None;
        shared.work.notify_one();
        shared.space.notify_one();
    }
    state
}

fn settle<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>, now: Now) -> MutexGuard<'a, State> {
    if let Some(sync) = state.pipeline.begin_settle(now) {
        drop(state);
        let result = sync.wait();
        state = shared.lock();
        if state.ended.is_none() {
            state.pipeline.settled(shared.clock.now(), result);
        }
    }
    shared.space.notify_one();
    state
}

fn take_reply(shared: &Shared, state: &mut State, batch: &mut Batch, reply: Result<Reply, Cause>, reporter: &mut Reporter) {
    let reply = match reply {
        Ok(reply) => reply,
        Err(cause) => return cut_short(shared, state, cause),
    };
    let now = shared.clock.now();
    let sent = batch.window();
    let mut set_aside = |reason: RejectReason, record: Record<'_>| {
        let rejection = Rejection { reason, column: 1, line: record.data.strip_suffix(b"\n").unwrap_or(record.data) };
        shared.rejects.lock().unwrap_or_else(PoisonError::into_inner).add(now, &rejection);
    };
    state.pipeline.on_reply(now, batch, reply, &mut set_aside);
    reporter.answered(now, &state.pipeline, sent);
}

/// A run that empties a spool gives up on a stream that stores nothing.
fn note_progress(shared: &Shared, state: &mut State) {
    let (counters, now) = (state.pipeline.counters(), shared.clock.now());
    let done = counters.delivered + counters.set_aside.total();
    if done > state.progress.0 {
        state.progress = (done, now.mono);
    }
    let fruitless = state.pipeline.failure().is_some().then(|| now.mono.saturating_sub(state.progress.1));
    if shared.backlog.zip(fruitless).is_some_and(|(backlog, fruitless)| fruitless >= backlog.give_up_after) {
        shared.end(state);
    }
}

fn cut_short(shared: &Shared, state: &mut State, cause: Cause) {
    state.cut_short = Some(cause);
    shared.end(state);
}
