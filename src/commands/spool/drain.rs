//! `kinegraf spool drain`: delivers what waits, one stream after the other, each by a run without input over that stream's segments.
//!
//! - First what waits for the configured stream, then what is stranded: to where its header says, or to the configured stream where a person says so.
//! - Only one stream's files are locked at a time, so it works beside a running kinegraf, to which that one's own lines are left.
//! - A stream that fails does not stop the next; the first failure is the end's reason.
//! - Nothing is forgotten that was not stored: what could not be delivered waits as before.

use std::collections::VecDeque;
use std::io;
use std::io::Write;
use std::time::Duration;

use super::{Failure, Inventory, Waiting, count, show_stream};
use crate::aws::credentials::Asking;
use crate::config::{Config, Destination, Environment};
use crate::daemon;
use crate::daemon::disks::{AnyDisk, Disks, open_directory};
use crate::daemon::{Backlog, Output, Run, Signals, Summary};
use crate::ending;
use crate::ending::{Cause, Ending};
use crate::input::stdin::{Input, InputKind};
use crate::kinesis::endpoint;
use crate::log::Log;
use crate::pipeline::is_refusal;
use crate::sender::Sender;
use crate::spool::os_disk::{Access, OpenError};
use crate::spool::segment::StreamId;
use crate::time::{Clock, Deadline};

/// What is drained, and where to.
#[derive(Clone, Copy, Debug)]
pub struct DrainOptions<'a> {
    /// Only what waits for the stream of this name.
    pub destination: Option<&'a str>,
    /// Everything goes to the configured stream.
    pub to_configured: bool,
    /// A stream that stores nothing for so long is left.
    pub give_up_after: Duration,
}

/// What a drain works with, beside its configuration.
#[derive(Debug)]
pub struct Drain<'a> {
    /// The configuration; its destination may be missing.
    pub config: &'a Config,
    /// What the credentials may come from.
    pub environment: &'a Environment,
    /// Started with the process.
    pub clock: Clock,
    /// Takes diagnostics.
    pub log: &'a Log,
    /// SIGTERM and SIGINT.
    pub signals: Signals,
    /// Draw a progress bar.
    pub bar: bool,
}

/// What became of a stream's lines.
enum Fate {
    /// So many are delivered, and so many were refused for themselves while others were stored.
    Delivered(u64, u64),
    /// Another process has them; the error names it.
    Theirs(OpenError),
    /// Not all of them are.
    Failed { delivered: u64, left: u64, failure: Failure },
}

/// Delivers what waits, and says on `stdout` what became of each stream's lines.
///
/// # Errors
/// No directory is configured, or it cannot be read; or why the first stream that failed has lines left.
pub fn run(drain: &Drain<'_>, options: DrainOptions<'_>, stdout: &mut dyn Write) -> Result<(), Failure> {
    let inventory = Inventory::look(drain.config, drain.environment)?;
    let waiting: Vec<&Waiting> = inventory.streams.iter().filter(|waiting| waiting.lines() > 0 && waiting.is_named(options.destination)).collect();
    if waiting.is_empty() {
        say(stdout, "nothing waits");
        return Ok(());
    }
    let (mut theirs, mut later, mut failures, mut delivered) = (Vec::new(), Vec::new(), Vec::new(), 0u64);
    // What another process has now is tried again when the rest is done: a short run ends, a daemon stays.
    let mut queue: VecDeque<(&Waiting, Deadline)> = waiting.into_iter().map(|waiting| (waiting, Deadline(Duration::ZERO))).collect();
    let patience = drain.config.delivery.deadline.unwrap_or(Duration::MAX).min(drain.config.delivery.shutdown_timeout);
    let mut ended = false;
    while let Some((waiting, until)) = queue.pop_front() {
        let name = show_stream(&waiting.stream);
        let fate = if ended { None } else { Some(drain.stream(&inventory, waiting, options, until, &mut ended)) };
        match fate {
            Some(Fate::Delivered(lines, refused)) => {
                delivered += 1;
                let refused = if refused > 0 { format!(", {refused} refused") } else { String::new() };
                say(stdout, &format!("{name}: {} delivered{refused}{}", count(lines, "line"), drain.instead(waiting, options)));
            }
            Some(Fate::Theirs(_)) if !later.contains(&waiting.stream) => {
                later.push(waiting.stream.clone());
                queue.push_back((waiting, Deadline(patience)));
            }
            Some(Fate::Theirs(error)) => theirs.push((name, waiting.lines(), error)),
            Some(Fate::Failed { delivered, left, failure }) => {
                say(stdout, &format!("{name}: {} delivered, {left} left{}", count(delivered, "line"), drain.instead(waiting, options)));
                failures.push(failure);
            }
            None => failures.push(Failure { code: ending::TEMPORARY, reason: format!("ended before it was the turn of {name}") }),
        }
    }
    for (name, lines, error) in &theirs {
        say(stdout, &format!("{name}: {} left to the process that delivers them", count(*lines, "line")));
        drain.log.info(format_args!("{error}"));
    }
    match (failures.len(), failures.into_iter().next(), theirs.into_iter().next()) {
        (0, _, Some((_, _, error))) if delivered == 0 => Err(Failure { code: ending::TEMPORARY, reason: error.to_string() }),
        (0 | 1, Some(failure), _) => Err(failure),
        (n, Some(failure), _) => Err(Failure { reason: format!("{}; and {} failed", failure.reason, count(n as u64 - 1, "more stream")), ..failure }),
        (_, None, _) => Ok(()),
    }
}

/// A closed standard output changes nothing about what is delivered.
fn say(stdout: &mut dyn Write, words: &str) {
    _ = writeln!(stdout, "{words}").and_then(|()| stdout.flush());
}

impl Drain<'_> {
    /// Delivers what waits for one stream.
    fn stream(&self, inventory: &Inventory, waiting: &Waiting, options: DrainOptions<'_>, until: Deadline, ended: &mut bool) -> Fate {
        let lines = waiting.lines();
        let failed = |failure: Failure| Fate::Failed { delivered: 0, left: lines, failure };
        let destination = match self.destination(waiting, options) {
            Ok(destination) => destination,
            Err(reason) => return failed(Failure { code: ending::CONFIG, reason: format!("{}: {reason}", show_stream(&waiting.stream)) }),
        };
        let disks = match self.disks(inventory, waiting, until) {
            Ok(disks) => disks,
            Err(error @ OpenError::Locked { .. }) => return Fate::Theirs(error),
            Err(error) => return failed(cannot_open(&error)),
        };
        let config = Config { destination: Some(destination.clone()), ..self.config.clone() };
        let backlog = Backlog { lines, give_up_after: options.give_up_after };
        let summary = match self.deliver(&config, destination.clone(), disks, backlog) {
            Ok(summary) => summary,
            Err(failure) => return failed(failure),
        };
        self.log.clear();
        *ended = summary.asked_to_end;
        summary.say(self.log);
        // The files say what is left, and nobody else may change them before we have looked.
        let left = Inventory::look(self.config, self.environment).map_or(lines, |after| after.left(&waiting.stream));
        let (delivered, refused) = (summary.counters.delivered, summary.counters.set_aside.total());
        match ending_of(summary, left) {
            None => Fate::Delivered(delivered, refused),
            Some(ending) => Fate::Failed { delivered, left, failure: Failure { code: ending.code(), reason: ending.reason(Some(&destination)) } },
        }
    }

    fn deliver(&self, config: &Config, destination: Destination, disks: Disks, backlog: Backlog) -> Result<Summary, Failure> {
        let sender = Sender::new(config, destination, self.environment.clone(), self.clock, self.log.clone());
        let asking = Asking::default();
        let sender = sender.map_err(|error| Failure { code: ending::CONFIG, reason: error.to_string() })?.showing(asking.clone());
        let input = Input { reader: Box::new(io::empty()), kind: InputKind::RegularFile };
        let cannot_start = |error: io::Error| Failure::io(format!("the run could not start: {error}"));
        let signals = self.signals.again().map_err(cannot_start)?;
        let run = Run { clock: self.clock, log: self.log.clone(), signals, status: self.bar, disks, backlog: Some(backlog), service: None };
        let summary = daemon::run(config, input, Output::Kinesis(Box::new(sender)), run).map_err(cannot_start);
        asking.end();
        summary
    }

    /// Where a stream's lines go.
    fn destination(&self, waiting: &Waiting, options: DrainOptions<'_>) -> Result<Destination, String> {
        match &self.config.destination {
            Some(configured) if options.to_configured || waiting.is_configured => Ok(configured.clone()),
            _ => destination_of(&waiting.stream, self.config.network.allow_plain_http),
        }
    }

    /// What to add where lines do not go to the stream that they waited for.
    fn instead(&self, waiting: &Waiting, options: DrainOptions<'_>) -> String {
        let configured = self.config.destination.as_ref().and_then(|destination| destination.stream_id().ok());
        match configured.filter(|_| options.to_configured && !waiting.is_configured) {
            Some(configured) => format!(", to {}", show_stream(&configured)),
            None => String::new(),
        }
    }

    /// Opens the directories that have something of a stream, that one's files alone.
    fn disks(&self, inventory: &Inventory, waiting: &Waiting, until: Deadline) -> Result<Disks, OpenError> {
        let open = |directory: usize| open_directory(inventory.path(directory), &waiting.stream, Access::OneStream, until, &self.clock);
        let has = |directory: usize| waiting.files.iter().any(|(of, _)| *of == directory);
        let memory = Disks::in_memory(self.config);
        let cold = open(0)?;
        let hot: AnyDisk = if has(1) { open(1)? } else { memory.hot };
        Ok(Disks { hot, cold: Some(cold), late: None, stream: waiting.stream.clone(), warnings: Vec::new() })
    }
}

impl Inventory {
    fn left(&self, stream: &StreamId) -> u64 {
        self.streams.iter().find(|waiting| waiting.stream == *stream).map_or(0, Waiting::lines)
    }
}

/// The place that a segment's header names, checked as a configuration is.
fn destination_of(stream: &StreamId, allow_plain_http: bool) -> Result<Destination, String> {
    let instead = "--to-configured sends its lines to the configured stream";
    let region = stream.region();
    let known = if stream.endpoint_url().is_some() { endpoint::can_be_region(region) } else { endpoint::is_aws_region(region) };
    if !known {
        return Err(format!("its lines were accepted for a region that there is not; {instead}"));
    }
    let url = match stream.endpoint_url() {
        None => endpoint::url_of_region(region),
        Some(url) => endpoint::check_url(url).map_err(|error| format!("the endpoint_url that its lines were accepted for {error}; {instead}"))?,
    };
    if endpoint::is_exposed(&url) && !allow_plain_http {
        return Err(format!("its endpoint is plain http on another host, which needs network.allow_plain_http; {instead}"));
    }
    Ok(Destination { region: region.to_owned(), stream: stream.stream().to_owned(), url })
}

/// How a run ended for the lines that are left; None when there are none. A run calls lines in the spool a good end; who drains it wants them out.
fn ending_of(summary: Summary, left: u64) -> Option<Ending> {
    let Summary { ending, failure, .. } = summary;
    let cause = match (ending.cause, failure) {
        (cause @ Cause::Io(_), _) => cause,
        _ if left == 0 => return None,
        (_, Some(failure)) if is_refusal(failure.class) => Cause::Refused(failure),
        (Cause::Undelivered { in_flight, .. }, failure) => Cause::Undelivered { eof: true, failure, in_flight },
        (_, failure) => Cause::Undelivered { eof: true, failure, in_flight: false },
    };
    Some(Ending { cause, waiting: left, kept: 0, handed_back: false, spool: None })
}

fn cannot_open(error: &OpenError) -> Failure {
    let code = match error {
        OpenError::Refused { .. } => ending::CONFIG,
        _ => ending::IO,
    };
    let reason = match error {
        // A run goes on in memory; here there would be nothing to do.
        OpenError::Full { directory, error } => {
            format!("spool directory {}: {error}; what is delivered has to be removed from it", directory.display())
        }
        error => error.to_string(),
    };
    Failure { code, reason }
}
