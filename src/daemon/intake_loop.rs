//! The input thread: reads, makes blocks, hands them to the pipeline. Before it sleeps in `read`, all whole lines that it has read are in the spool.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use super::Shared;
use crate::ending::Cause;
use crate::input::intake::{Intake, Rejection};
use crate::input::stdin::InputKind;
use crate::spool::spool::Full;

/// How long a non-blocking input that has nothing yet is left alone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How often a spool that is full is tried again though nobody said that it has room.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Reads until the input or the run ends.
pub(super) fn read(shared: &Shared, mut reader: Box<dyn Read + Send>, mut intake: Intake) {
    loop {
        let n = match reader.read(intake.space()) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if pause(shared) {
                    continue;
                }
                return;
            }
            Err(error) => {
                let mut state = shared.lock();
                state.cut_short = Some(Cause::Io(format!("reading the input failed: {error}")));
                return close(shared, &mut state, false);
            }
        };
        intake.filled(n);
        if !hand_over(shared, &mut intake) {
            return;
        }
    }
    let tail = shared.lock().input_kind.tail();
    intake.end(tail);
    if hand_over(shared, &mut intake) {
        close(shared, &mut shared.lock(), true);
    }
}

/// A pipe can be one that somebody else made non-blocking, for all who hold it. Then "nothing yet" is no error: waits a little, unless the run takes no more.
fn pause(shared: &Shared) -> bool {
    let state = shared.space.wait_timeout(shared.lock(), LOOK_AGAIN);
    state.ended.is_none() && !state.input_over
}

fn close(shared: &Shared, state: &mut super::State, eof: bool) {
    if !state.input_over {
        state.close_input(shared.clock.now(), eof);
        shared.work.notify_all();
        shared.waker.wake();
    }
}

/// Hands every whole line over, waiting while the spool is full; false when the run takes no more.
fn hand_over(shared: &Shared, intake: &mut Intake) -> bool {
    loop {
        let now = shared.clock.now();
        let mut reject = |rejection: Rejection<'_>| shared.reject(now, &rejection, None);
        let more = intake.next_block(now, &mut reject);
        let mut state = shared.lock();
        state.input.clone_from(intake.counters());
        if !more {
            return state.ended.is_none() && !state.input_over;
        }
        loop {
            if state.ended.is_some() || state.input_over {
                return false;
            }
            match state.pipeline.accept(shared.clock.now(), intake.block()) {
                Ok(()) => break,
                Err(Full) => {
                    // Whoever wrote this input still has it, so the run need not wait for a person.
                    let file = state.input_kind == InputKind::RegularFile && !state.pipeline.may_settle(shared.clock.now());
                    let give_up = (state.pipeline.has_deadline() || file) && state.pipeline.is_refused();
                    if give_up {
                        state.pipeline.give_up();
                    }
                    // It lets lines leave before their time, or ends the run.
                    shared.work.notify_one();
                    if give_up {
                        return false;
                    }
                    shared.sending.notify_one();
                    // A directory in memory that is full for somebody else's sake has room again without a word.
                    state = shared.space.wait_timeout(state, TRY_AGAIN);
                }
            }
        }
        shared.work.notify_one();
        while state.ended.is_none() && state.pipeline.holds_input(shared.clock.now()) {
            shared.sending.notify_one();
            state = shared.space.wait_timeout(state, LOOK_AGAIN);
        }
    }
}
