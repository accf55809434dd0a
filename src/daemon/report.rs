//! What a run says of itself: trouble when it begins, changes or lasts, the end of trouble, a status line for a terminal, and the books at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::State;
use crate::aws::http::HttpCounts;
use crate::config::{Destination, Level};
use crate::counters::{Counters, InputCounters};
use crate::ending::Ending;
use crate::kinesis::outcome::{Class, Failure};
use crate::log::Log;
use crate::pipeline::Pipeline;
use crate::spool::disk::Disk;
use crate::spool::spool::SpoolCounters;
use crate::time::Now;

const SAID_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// Says what the delivery meets, without filling a journal.
pub(super) struct Reporter {
    log: Log,
    destination: Option<Destination>,
    /// Each kind of failure, when it was last said, and how often it came since. A recovery does not end that: trouble that comes and goes is one trouble.
    said: BTreeMap<Class, (Duration, u64)>,
    since: Option<Duration>,
}

impl Reporter {
    pub(super) fn new(log: Log, destination: Option<Destination>) -> Reporter {
        Reporter { log, destination, said: BTreeMap::new(), since: None }
    }

    /// After each answer; `sent` tells how many records the request had.
    pub(super) fn answered<D: Disk>(&mut self, now: Now, pipeline: &Pipeline<D>, sent: usize) {
        match pipeline.failure() {
            Some(failure) => self.failed(now, failure, pipeline.waiting()),
            None => {
                self.delivering(now);
                let (counters, waiting) = (pipeline.counters(), pipeline.waiting());
                self.log.debug(format_args!("request {}: {sent} records; {} lines delivered, {waiting} wait", counters.requests, counters.delivered));
            }
        }
    }

    fn failed(&mut self, now: Now, failure: &Failure, waiting: u64) {
        let since = *self.since.get_or_insert(now.mono);
        let said = self.said.get(&failure.class).copied();
        if let Some((at, unsaid)) = said.filter(|(at, _)| now.mono.saturating_sub(*at) < SAID_AGAIN_EVERY) {
            self.said.insert(failure.class, (at, unsaid + 1));
            return self.log.debug(format_args!("{}: {failure}", self.place()));
        }
        self.said.insert(failure.class, (now.mono, 0));
        let lasts = now.mono.saturating_sub(since).as_secs();
        let lasting = if lasts >= 60 { format!(", for {lasts} s now") } else { String::new() };
        let again = match said {
            Some((_, unsaid)) if unsaid > 0 => format!(" ({unsaid} more times since this was said)"),
            _ => String::new(),
        };
        self.log.warn(format_args!("{}: {failure}; {} not delivered yet, trying again{lasting}{again}", self.place(), Lines(waiting)));
    }

    fn delivering(&mut self, now: Now) {
        if let Some(since) = self.since.take() {
            let lasted = now.mono.saturating_sub(since);
            self.log.info(format_args!("{}: delivering again after {:.1} s", self.place(), lasted.as_secs_f64()));
        }
    }

    fn place(&self) -> impl fmt::Display {
        match &self.destination {
            Some(destination) => format!("stream '{}' in region '{}'", destination.stream, destination.region),
            None => "standard output".to_owned(),
        }
    }
}

/// Draws the status line.
pub(super) fn status(log: &Log, now: Now, state: &State) {
    let counters = state.pipeline.counters();
    let rate = counters.delivered as f64 / now.mono.as_secs_f64().max(0.001);
    let (lines, records, requests, waiting) = (counters.delivered, counters.records, counters.requests, state.pipeline.waiting());
    log.status(format_args!("{lines} lines, {records} records, {requests} requests, {rate:.0} lines/s, {waiting} wait"));
}

/// Draws how far a run is that empties a spool: `done` of `lines`, after `time`.
pub(super) fn bar(log: &Log, time: Duration, done: u64, lines: u64) {
    const WIDTH: u64 = 30;
    let whole = lines.max(done).max(1);
    let full = usize::try_from(done * WIDTH / whole).unwrap_or_default();
    let empty = usize::try_from(WIDTH).unwrap_or_default() - full;
    let (rate, percent) = (rate(done, time), done * 100 / whole);
    let left = if rate > 0 { format!(", {} s left", (whole - done).div_ceil(rate)) } else { String::new() };
    log.status(format_args!("[{}{}] {percent} %, {done} of {} lines, {rate} lines/s{left}", "#".repeat(full), ".".repeat(empty), whole.max(lines)));
}

/// The same in words.
pub(super) fn words(log: &Log, time: Duration, done: u64, lines: u64) {
    log.info(format_args!("{done} of {} lines delivered, {} lines/s", lines.max(done), rate(done, time)));
}

fn rate(done: u64, time: Duration) -> u64 {
    done * 1000 / u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub ending: Ending,
    /// What the pipeline counted.
    pub counters: Counters,
    /// What the input counted.
    pub input: InputCounters,
    /// What the spool counted.
    pub spool: SpoolCounters,
    /// What the network cost until the last answer.
    pub http: HttpCounts,
    /// The last request's failure, where nothing was stored since.
    pub failure: Option<Failure>,
    /// A signal asked for the end.
    pub asked_to_end: bool,
    /// From process start to here.
    pub time: Duration,
}

impl Summary {
    /// Says the books with `-v`, and what a person should know in any case.
    pub fn say(&self, log: &Log) {
        let (c, i) = (&self.counters, &self.input);
        if i.timestamp_guessed > 0 {
            let lines = Lines(i.timestamp_guessed);
            log.warn(format_args!("{lines} without a timestamp got one from a clock that cannot be right (it is before this build)"));
        }
        if i.partition_key_cut > 0 {
            log.warn(format_args!("{} partition keys were cut to 256 UTF-16 units", i.partition_key_cut));
        }
        let s = &self.spool;
        if s.dropped_full > 0 {
            log.warn(format_args!("spool: {} given up for want of room", Lines(s.dropped_full)));
        }
        if log.says(Level::Info) {
            let books = Books { counters: c, input: i, spool: s, http: &self.http, waiting: self.ending.kept, time: self.time };
            books.lines("kept in the spool").iter().for_each(|line| log.info(format_args!("{line}")));
        }
    }
}

/// Says the books of a run that goes on, at every level: somebody asked.
pub(super) fn answer(log: &Log, now: Now, state: &State) {
    let (pipeline, waiting) = (&state.pipeline, state.pipeline.waiting());
    let (counters, spool) = (pipeline.counters(), pipeline.spool().counters());
    let books = Books { counters, input: &state.input, spool, http: &state.http, waiting, time: now.mono };
    books.lines("wait").iter().for_each(|line| log.answer(format_args!("{line}")));
}

/// What was counted, for people.
struct Books<'a> {
    counters: &'a Counters,
    input: &'a InputCounters,
    spool: &'a SpoolCounters,
    http: &'a HttpCounts,
    waiting: u64,
    time: Duration,
}

impl Books<'_> {
    /// `wait` says what lines do that are in the spool.
    fn lines(&self, wait: &str) -> Vec<String> {
        let (c, i, s, h) = (self.counters, self.input, self.spool, self.http);
        let seconds = self.time.as_secs_f64();
        let again = (i.offered_again > 0).then(|| format!("{} batches offered again, and taken once", i.offered_again));
        let lines = [
            format!(
                "{} lines accepted, {} delivered in {} records and {} requests, {} bytes of data, {seconds:.2} s",
                c.accepted, c.delivered, c.records, c.requests, c.record_bytes
            ),
            format!(
                "{} bytes read, {} blank lines and comments, {} lines rejected{}, {} stamped",
                i.bytes,
                i.skipped,
                i.rejected.total(),
                Reasons(&i.rejected),
                i.stamped
            ),
            format!(
                "{} lines of earlier runs, {} given up for want of room, {} unreadable; {} {wait}; {} bytes settled, {} attempts failed",
                s.found, s.dropped_full, s.dropped_damaged, self.waiting, s.settled, s.cold_failures
            ),
            format!(
                "{} records sent again, {} throttled, {} requests failed, {} with an unknown result; {} lines given up{}, {} dropped at the end, {} handed back",
                c.resent,
                c.throttled,
                c.failed,
                c.unknown,
                c.set_aside.total(),
                Reasons(&c.set_aside),
                c.dropped_at_end,
                c.handed_back
            ),
            format!(
                "{} connections, {} bytes sent, {} received, {} requests repeated since a kept connection was dead",
                h.connects, h.bytes_out, h.bytes_in, h.reused_retries
            ),
        ];
        lines.into_iter().chain(again).collect()
    }
}

/// `1 line`, `2 lines`.
struct Lines(u64);

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "line" } else { "lines" })
    }
}

/// ` (too_long 3, unterminated 1)`, or nothing.
struct Reasons<'a>(&'a crate::counters::Rejected);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (reason, lines)) in self.0.iter().enumerate() {
            write!(f, "{}{reason} {lines}", if n == 0 { " (" } else { ", " })?;
        }
        if self.0.total() > 0 { f.write_str(")") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Hold;
    use crate::log::tests::Sink;

    fn failure(class: Class) -> Failure {
        Failure { class, status: None, code: format!("{class:?}"), message: String::new(), retry_after: None, date: None }
    }

    #[test]
    fn a_bar_shows_how_far_it_is_and_never_more_than_all() {
        let sink = Sink::default();
        let log = Log::new(Level::Warn, Hold::No, Box::new(sink.clone()));
        for (done, lines) in [(0, 100), (50, 100), (130, 100), (0, 0)] {
            bar(&log, Duration::from_secs(10), done, lines);
        }
        let shown: Vec<String> = sink.text().split('\r').skip(1).map(|line| line.trim_end_matches("\x1b[K").to_owned()).collect();
        assert_eq!(shown[0], format!("kinegraf: [{}] 0 %, 0 of 100 lines, 0 lines/s", ".".repeat(30)));
        assert_eq!(shown[1], format!("kinegraf: [{}{}] 50 %, 50 of 100 lines, 5 lines/s, 10 s left", "#".repeat(15), ".".repeat(15)));
        assert_eq!(shown[2], format!("kinegraf: [{}] 100 %, 130 of 130 lines, 13 lines/s, 0 s left", "#".repeat(30)));
        log.clear();
        assert!(sink.text().ends_with("\r\x1b[K"));
    }

    #[test]
    fn trouble_that_comes_and_goes_is_said_once_a_minute_for_each_kind() {
        let sink = Sink::default();
        let mut reporter = Reporter::new(Log::new(Level::Warn, Hold::No, Box::new(sink.clone())), None);
        for tenth in 0..=600 {
            let now = Now { mono: Duration::from_millis(100 * tenth), wall: Duration::ZERO };
            match tenth % 3 {
                0 => reporter.failed(now, &failure(Class::Broken), 7),
                1 => reporter.failed(now, &failure(Class::Unreachable), 7),
                _ => reporter.delivering(now),
            }
        }
        let said: Vec<String> = sink.text().lines().map(|line| line.split(';').next().unwrap().to_owned()).collect();
        let place = "kinegraf: warning: standard output";
        assert_eq!(said, [format!("{place}: Broken"), format!("{place}: Unreachable"), format!("{place}: Broken")]);
        assert!(sink.text().ends_with("(199 more times since this was said)\n"), "{}", sink.text());
    }
}
