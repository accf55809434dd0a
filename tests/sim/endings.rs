//! What an exit code promises, checked when a run has ended and before anything else happens to its disks.

use std::time::Duration;

use kinegraf::ending::{Cause, Ending};

use crate::disk::lock;
use crate::run::{Mode, Run};

/// For a few syncs, each of which may take two seconds, and for what waits before them.
const ENOUGH: Duration = Duration::from_secs(25);

pub(crate) fn check(run: &Run<'_>, ending: &Ending) {
    let counters = run.pipeline.spool().counters();
    assert!(run.pipeline.books_close(), "the books do not close at the end: {:?} {counters:?} {ending:?}", run.pipeline.counters());
    let dropped = counters.dropped_full + counters.dropped_damaged;
    if ending.code() == 0 {
        let missing = run.not_durable();
        assert!(missing.len() as u64 <= dropped, "it ended with 0, but these lines are nowhere safe: {missing:?}");
    } else if run.config.mode == Mode::Exec {
        check_nothing_left(run);
    }
    // The last line, or the card that was opened late.
    let last = run.accepted.last().map(|(_, at)| *at).max(run.tried_late).unwrap_or_default();
    let in_time = run.pipeline.limit().is_none_or(|limit| last + ENOUGH < limit.0);
    if run.saw_the_end && in_time && !matches!(ending.cause, Cause::Refused(_)) && !run.refused && run.has_a_good_card() {
        assert_eq!(ending.code(), 0, "everything could be kept: {ending:?}");
    }
    if run.config.mode != Mode::Exec {
        assert_eq!(run.pipeline.counters().handed_back, 0, "nobody takes anything back");
    }
}

/// With a deadline and another code than 0 the sender offers its lines again: none of them stays here.
fn check_nothing_left(run: &Run<'_>) {
    let world = &run.world;
    if world.disks().any(|disk| lock(disk).errors > 0) {
        return;
    }
    let opened = run.pipeline.spool().opened().0;
    let left = world.blocks_on_disk(run.config.stream, run.config.cold);
    let left: Vec<_> = left.lines.range(opened..).collect();
    assert!(left.is_empty(), "lines that were handed back are still here: {left:?}");
}
