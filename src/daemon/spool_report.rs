//! What a person should hear of the spool: what was found broken when it was opened, when the cold disk fails or is full and when that ends, and when lines are
//! given up for want of room: once when it begins and once when it ends.

use std::time::Duration;

use crate::log::Log;
use crate::spool::cold::ColdState;
use crate::spool::disk::Disk;
use crate::spool::spool::{Spool, SpoolCounters};
use crate::time::Now;

/// Dropping is over when nothing was dropped for so long.
const QUIET: Duration = Duration::from_secs(60);

/// Says what changes.
pub(super) struct SpoolReporter {
    log: Log,
    said: SpoolCounters,
    state: ColdState,
    /// The trouble of the directory that was said last,
    last: ColdState,
    /// when that was, and whether its end is to be said.
    trouble: Option<(Duration, bool)>,
    /// Lines dropped before it began, and when the last were dropped.
    dropping: Option<(u64, Duration)>,
}

impl SpoolReporter {
    pub(super) fn new(log: Log) -> SpoolReporter {
        SpoolReporter { log, said: SpoolCounters::default(), state: ColdState::Good, last: ColdState::Good, trouble: None, dropping: None }
    }

    /// Compares what is with what was said.
    pub(super) fn look<D: Disk>(&mut self, now: Now, spool: &Spool<D>) {
        let counters = *spool.counters();
        if counters.damaged > self.said.damaged {
            let (segments, bytes) = (counters.damaged - self.said.damaged, counters.torn - self.said.torn);
            let lost = counters.dropped_damaged - self.said.dropped_damaged;
            let lines = if lost > 0 { format!(", {lost} lines of this run are lost") } else { String::new() };
            self.log.warn(format_args!(
                "spool: {segments} segment(s) were torn or damaged: {bytes} bytes were cut, what cannot be read is kept as *.bad{lines}"
            ));
        }
        if let Some(cold) = spool.cold().filter(|cold| *cold.state() != self.state) {
            self.turned(now, cold.state(), cold.used());
            self.state = cold.state().clone();
        }
        match self.dropping {
            None if counters.dropped_full > self.said.dropped_full => {
                self.log.warn(format_args!("spool: it is full, lines are given up from now on ('when_full' says which)"));
                self.dropping = Some((self.said.dropped_full, now.mono));
            }
            Some((before, _)) if counters.dropped_full > self.said.dropped_full => self.dropping = Some((before, now.mono)),
            Some((before, at)) if now.mono.saturating_sub(at) > QUIET => {
                self.log.warn(format_args!("spool: no more lines are given up; {} were", counters.dropped_full - before));
                self.dropping = None;
            }
            _ => {}
        }
        self.said = counters;
    }

    /// The directory fails, is full, or takes lines again. One that is full has room again and again while lines are delivered from it: that is one trouble.
    fn turned(&mut self, now: Now, state: &ColdState, used: u64) {
        let said_lately = self.trouble.is_some_and(|(at, _)| now.mono.saturating_sub(at) < QUIET);
        match state {
            ColdState::Good => {
                if let Some((at, true)) = self.trouble {
                    self.log.warn(format_args!("spool: the directory takes lines again"));
                    self.trouble = Some((at, false));
                }
                return;
            }
            _ if said_lately && *state == self.last => return,
            ColdState::Full => {
                self.log.warn(format_args!("spool: the directory is full ({used} bytes in it): 'size', 'min_free' or the disk is reached"));
            }
            ColdState::Failed(error) => {
                self.log.warn(format_args!("spool: writing to the directory failed: {error}; lines wait in memory, it is tried again every 10 s"));
            }
        }
        (self.trouble, self.last) = (Some((now.mono, true)), state.clone());
    }
}
