//! The input thread of a run on sockets: whatever comes is handed to the pipeline; while the spool is full clients come and go and are not read.
//!
//! A stop is the orderly end here: what senders have written until then is taken, in at most [`DRAIN_MAX`], and nothing more.

use std::time::Duration;

use super::{Shared, State};
use crate::ending::Cause;
use crate::input::composer::Rejection;
use crate::input::unix::hand_off::Books;
use crate::input::unix::{Peer, Sockets};
use crate::spool::spool::Full;

/// How long what was written before a stop is read. Senders cannot write any longer, so that it is what sockets hold: 200 KiB each.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How often a spool that is full is tried again though nobody said that it has room.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What the run wants of its input thread.
enum Wanted {
    Lines,
    Stop,
    Nothing,
}

/// Serves until the run takes no more.
pub(super) fn read(shared: &Shared, mut sockets: Sockets) {
    let (mut stopping, mut may_read) = (false, true);
    loop {
        let mut state = shared.lock();
        if let Some(partition) = state.other_partition.take() {
            sockets.set_partition(partition);
        }
        let wanted = wanted(&state);
        drop(state);
        match wanted {
            Wanted::Nothing => return left_unread(shared, stopping),
            Wanted::Stop if !stopping => {
                stopping = true;
                sockets.stop(shared.clock.now());
            }
            _ => {}
        }
        if sockets.is_over() && may_read {
            close(shared);
            return see_off(shared, &mut sockets);
        }
        let timeout = if may_read { None } else { Some(TRY_AGAIN) };
        if let Err(error) = sockets.wait(shared.clock.now(), timeout, may_read) {
            let mut state = shared.lock();
            state.cut_short = Some(Cause::Io(format!("waiting for lines failed: {error}")));
            return shared.end(&mut state);
        }
        may_read = hand_over(shared, &mut sockets);
        if sockets.has_hand_offs() {
            answer(shared, &mut sockets, may_read);
        }
    }
}

/// Tells senders that wait what became of their lines. `all_accepted`: nothing that was read is left.
fn answer(shared: &Shared, sockets: &mut Sockets, all_accepted: bool) {
    let mut state = shared.lock();
    let now = shared.clock.now();
    let counters = *state.pipeline.spool().counters();
    let books = Books {
        end: state.pipeline.end_of_accepted(),
        dropped: counters.dropped_full + counters.dropped_damaged,
        failure: state.pipeline.failure().map(ToString::to_string),
    };
    if all_accepted && sockets.begin_hand_offs(now, &books) {
        state.pipeline.flush();
        shared.work.notify_one();
    }
    let pipeline = &state.pipeline;
    if sockets.answer_hand_offs(now, &books, &|end| pipeline.fate(end)) {
        state.pipeline.settle();
        shared.work.notify_one();
        shared.sending.notify_one();
    }
    // Deliveries and settled segments make room, and that is told.
    shared.space.want(&state);
}

/// The input is over: senders that wait are answered until the run ends.
fn see_off(shared: &Shared, sockets: &mut Sockets) {
    while sockets.has_hand_offs() && shared.lock().ended.is_none() {
        answer(shared, sockets, true);
        if sockets.wait(shared.clock.now(), Some(TRY_AGAIN), true).is_err() {
            return;
        }
    }
}

fn wanted(state: &State) -> Wanted {
    match state {
        State { ended: Some(_), .. } | State { input_over: true, .. } => Wanted::Nothing,
        State { stop_input: true, .. } => Wanted::Stop,
        _ => Wanted::Lines,
    }
}

fn left_unread(shared: &Shared, stopping: bool) {
    if stopping {
        shared.log.warn(format_args!("not everything that clients wrote could be read before the stop; what was not read was not accepted"));
    }
}

/// Hands over what was read in this turn; false when there is no room for more.
fn hand_over(shared: &Shared, sockets: &mut Sockets) -> bool {
    loop {
        {
            let mut state = shared.lock();
            state.input.clone_from(sockets.counters());
            if state.ended.is_some() {
                return false;
            }
            let now = shared.clock.now();
            let mut room = true;
            if !sockets.block().is_empty() {
                room = state.pipeline.accept(now, sockets.block()) != Err(Full);
                shared.work.notify_one();
            }
            if room {
                sockets.taken();
            }
            if !room || state.pipeline.holds_input(now) {
                // Lines leave before their time, or settle.
                shared.sending.notify_one();
                shared.space.want(&state);
                return false;
            }
        }
        let now = shared.clock.now();
        if !sockets.next_block(now, &mut |rejection: Rejection<'_>, peer: Peer| shared.reject(now, &rejection, Some(&peer))) {
            shared.lock().input.clone_from(sockets.counters());
            return true;
        }
    }
}

fn close(shared: &Shared) {
    let mut state = shared.lock();
    if !state.input_over {
        state.close_input(shared.clock.now(), true);
        shared.work.notify_all();
        shared.waker.wake();
    }
}
