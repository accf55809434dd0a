//! The loop around the core: three threads (signals and limits, input, delivery; with a cold disk a fourth), one `Mutex` over the pipeline, three `Condvar`s.
//!
//! ```text
//! input     read ─▶ Intake ─▶ lock: accept            waits for `space` while the spool is full; on sockets (`socket_loop`) in `poll` only
//! delivery  lock: poll ─▶ send, unlocked ─▶ lock: on_reply       waits for `work`
//! settling  lock: poll_aside ─▶ sync, unlocked ─▶ lock: settled   waits for `sending`; works only while the delivery waits for an answer
//! here      signals, limits, the status line           waits on a socket pair that the others and signal handlers write to
//! ```
//!
//! Nothing here decides what is delivered when: the pipeline does. A send that hangs cannot hold the process: the limit ends the run from this thread.

mod delivery;
pub mod disks;
mod intake_loop;
mod output;
mod reload;
mod report;
mod service;
mod signals;
mod socket_loop;
mod space;
mod spool_report;
pub mod systemd;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aws::http::{HttpCounts, HttpMeter};
use crate::config::{Config, Level, MissingStream};
use crate::counters::{Counters, InputCounters};
use crate::ending::{Cause, Ending};
use crate::input::intake::{Intake, IntakeOptions, Rejection};
use crate::input::rejects::Rejects;
use crate::input::stdin::{Input, InputKind};
use crate::input::unix::{Peer, Sockets};
use crate::line::partition_key::PartitionMethod;
use crate::log::Log;
use crate::pipeline::{Pipeline, PipelineOptions};
use crate::random::Random;
use crate::record::packer::{Packer, PackerOptions};
use crate::spool::cold::ColdOptions;
use crate::spool::segment::StreamId;
use crate::spool::spool::{Spool, SpoolOptions};
use crate::time::{Clock, Deadline, Now};

use disks::{AnyDisk, Disks};
pub use output::Output;
pub use reload::Reload;
pub use report::Summary;
pub use service::Service;
pub use signals::Signals;
use signals::Waker;
use space::Space;
use systemd::Doing;

/// After SIGTERM a pipe is read this much longer, unless it ends before: its sender may be ending as well and still has lines for us.
const READ_AFTER_TERM: Duration = Duration::from_secs(4);
/// How long the delivery thread may take to notice a limit by itself.
const GRACE: Duration = Duration::from_millis(100);
/// How often a run that empties a spool says how far it is, where there is no terminal.
const WORDS_EVERY: Duration = Duration::from_secs(10);
/// How often the status line of a terminal is drawn, the first time after twice as long.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// What a run works with, beside its configuration.
#[derive(Debug)]
pub struct Run {
    /// Reads the clocks; started when the process started.
    pub clock: Clock,
    /// Takes diagnostics.
    pub log: Log,
    /// SIGTERM and SIGINT, where the process listens to them.
    pub signals: Signals,
    /// Draw a status line: stderr is a terminal.
    pub status: bool,
    /// Where lines wait.
    pub disks: Disks,
    /// What waits there is all there is to do.
    pub backlog: Option<Backlog>,
    /// It is a service: on sockets, never on standard input.
    pub service: Option<Service>,
}

/// A run that empties a spool: its input has ended, and it need not wait for a stream that stores nothing.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// Lines that wait, as far as that is known.
    pub lines: u64,
    /// How long nothing need have been stored, while requests fail, before the run ends.
    pub give_up_after: Duration,
}

/// What the threads share.
struct Shared {
    state: Mutex<State>,
    /// Something for the delivery thread.
    work: Condvar,
    /// Something for the input thread.
    space: Space,
    /// A request is on its way; something for the settling thread.
    sending: Condvar,
    waker: Waker,
    clock: Clock,
    log: Log,
    rejects: Mutex<Rejects>,
    backlog: Option<Backlog>,
    /// When the run began, on the monotonic clock.
    began: Duration,
}

struct State {
    pipeline: Pipeline<AnyDisk>,
    input: InputCounters,
    input_kind: InputKind,
    http: HttpCounts,
    /// Tells how many bytes have moved, while a request is on its way.
    meter: Option<HttpMeter>,
    /// What the delivery thread is at.
    doing: Doing,
    /// A new configuration's, which the delivery thread is to go on with,
    other_output: Option<Output>,
    /// and which the input thread is to go on with.
    other_partition: Option<PartitionMethod>,
    /// The input is not read any longer.
    input_over: bool,
    /// Sockets: what was written until now is read, and nothing more.
    stop_input: bool,
    shutdown_timeout: Duration,
    /// What remains at the end of the input has all the time it needs: a file waits for nobody, and whoever reads a dry run takes his time.
    patient: bool,
    /// Lines that had left the spool for good, and when that last became more.
    progress: (u64, Duration),
    /// A signal asked for the end.
    asked_to_end: bool,
    /// Reading or writing failed, or nobody reads; the run ends with this.
    cut_short: Option<Cause>,
    ended: Option<Ending>,
    late: Option<Late>,
}

/// A spool's directory that could not be opened at the start.
struct Late {
    path: PathBuf,
    stream: StreamId,
    due: Deadline,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps and shows a bad line.
    fn reject(&self, now: Now, rejection: &Rejection<'_>, peer: Option<&Peer>) {
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        rejects.add_from(now, rejection, peer.map(|peer| peer as &dyn fmt::Display));
    }

    /// Ends the run, once: from here on nothing changes the books.
    fn end(&self, state: &mut State) {
        if state.ended.is_none() {
            let mut ending = state.pipeline.end(self.clock.now());
            if let Some(cause) = state.cut_short.take() {
                ending.cause = cause;
            }
            state.ended = Some(ending);
        }
        self.work.notify_all();
        self.space.notify_all();
        self.sending.notify_all();
        self.waker.wake();
    }
}

impl State {
    /// No more input: what remains has the time that its end allows.
    fn close_input(&mut self, now: Now, eof: bool) {
        self.input_over = true;
        let unlimited = self.pipeline.has_deadline() || (self.patient && eof);
        let limit = (!unlimited).then_some(Deadline(now.mono + self.shutdown_timeout));
        self.pipeline.close(eof, limit);
    }

    /// Asked to end: nothing more is read, and what remains has the shutdown timeout, whatever the input is. Of sockets that is the end there is.
    fn hurry(&mut self, now: Now) {
        self.input_over = true;
        self.pipeline.close(self.input_kind == InputKind::Sockets, Some(Deadline(now.mono + self.shutdown_timeout)));
    }
}

/// Where the lines of a run come from.
pub enum Source {
    /// One input, to its end.
    Input(Input),
    /// Sockets, until a signal asks for the end.
    Sockets(Box<Sockets>),
}

impl From<Input> for Source {
    fn from(input: Input) -> Source {
        Source::Input(input)
    }
}

impl From<Sockets> for Source {
    fn from(sockets: Sockets) -> Source {
        Source::Sockets(Box::new(sockets))
    }
}

/// Reads `source` to its end and delivers it through `output`. Returns when the run is over; a send that hangs then is left behind.
pub fn run(config: &Config, source: impl Into<Source>, output: Output, run: Run) -> io::Result<Summary> {
    let Run { clock, log, signals, status, disks, backlog, service } = run;
    let source = source.into();
    let (kind, waker) = match &source {
        Source::Input(input) => (input.kind, None),
        Source::Sockets(sockets) => (InputKind::Sockets, Some(sockets.waker()?)),
    };
    let late = disks.late.clone().map(|path| Late { path, stream: disks.stream.clone(), due: Deadline(clock.now().mono + delivery::OPEN_AGAIN) });
    let settles = late.is_some() || disks.cold.is_some();
    let began = clock.now().mono;
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            pipeline: pipeline(config, disks, clock.now()),
            input: InputCounters::default(),
            input_kind: kind,
            http: HttpCounts::default(),
            meter: None,
            doing: Doing::Working(began),
            other_output: None,
            other_partition: None,
            input_over: false,
            stop_input: false,
            shutdown_timeout: config.delivery.shutdown_timeout,
            patient: kind == InputKind::RegularFile || config.dry_run,
            progress: (0, began),
            asked_to_end: false,
            cut_short: None,
            ended: None,
            late,
        }),
        work: Condvar::new(),
        space: Space::new(waker),
        sending: Condvar::new(),
        waker: signals.waker()?,
        clock,
        log: log.clone(),
        rejects: Mutex::new(Rejects::new(log, config.input.rejected.clone().map(|path| (path, config.input.rejected_size)))),
        backlog,
        began,
    });
    match source {
        Source::Input(input) => {
            let intake = intake(config);
            start(&shared, "input", move |shared| intake_loop::read(shared, input.reader, intake))?;
        }
        Source::Sockets(sockets) => start(&shared, "input", move |shared| socket_loop::read(shared, *sockets))?,
    }
    if settles {
        start(&shared, "settling", delivery::settle_aside)?;
    }
    let (request_size, destination) = (config.delivery.request_size, config.destination.clone());
    start(&shared, "delivery", move |shared| delivery::deliver(shared, output, request_size, destination.as_ref()))?;
    watch(&shared, signals, status, service);
    let state = shared.lock();
    // It stays, so that threads which are left behind change nothing and stop.
    let ending = state.ended.clone().expect("watch returns when the run has ended");
    let (counters, input): (Counters, InputCounters) = (state.pipeline.counters().clone(), state.input.clone());
    let spool = *state.pipeline.spool().counters();
    let (failure, asked_to_end) = (state.pipeline.failure().cloned(), state.asked_to_end);
    Ok(Summary { ending, counters, input, spool, http: state.http, failure, asked_to_end, time: clock.now().mono })
}

/// Starts a thread. One that panics ends the run, where the others would wait for it for ever; the release binary aborts before.
fn start(shared: &Arc<Shared>, name: &'static str, work: impl FnOnce(&Shared) + Send + 'static) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(|| work(&shared))).is_err() {
            let mut state = shared.lock();
            state.cut_short = Some(Cause::Io(format!("the {name} thread panicked, which is a mistake in kinegraf")));
            shared.end(&mut state);
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(guarded).map(drop)
}

/// Bytes that one record may have: it must fit a request as well.
fn record_size(config: &Config) -> usize {
    config.delivery.record_size.min(config.delivery.request_size)
}

/// The input thread's part of a run.
pub fn intake(config: &Config) -> Intake {
    Intake::new(intake_options(config))
}

/// How a line is taken.
pub fn intake_options(config: &Config) -> IntakeOptions {
    IntakeOptions {
        line_size: config.input.line_size,
        timestamp: config.input.timestamp,
        partition: config.partition.clone(),
        format: config.format,
        record_size: record_size(config),
    }
}

/// The core of a run.
pub fn pipeline(config: &Config, disks: Disks, now: Now) -> Pipeline<AnyDisk> {
    let spool = SpoolOptions {
        hot_size: config.spool.hot_size,
        segment_size: config.spool.segment_size,
        when_full: config.spool.when_full,
        cold: ColdOptions { size: config.spool.size, min_free: config.spool.min_free },
    };
    let packer = PackerOptions {
        pack: config.packing.pack,
        format: config.format,
        buffer: config.packing.buffer,
        record_size: record_size(config),
        flush_interval: config.packing.flush_interval,
    };
    let options = PipelineOptions {
        ordering: config.delivery.ordering,
        request_size: config.delivery.request_size,
        deadline: config.delivery.deadline.map(Deadline),
        exit_when_missing: config.delivery.missing_stream == MissingStream::Exit,
        sync_after: config.packing.flush_interval + config.spool.sync_after,
        sync_always: config.spool.sync_always,
    };
    let mut random = Random::from_system(now.wall.as_nanos() as u64 ^ u64::from(std::process::id()));
    let mut spool = Spool::open(disks.hot, disks.cold, &disks.stream, spool);
    if disks.late.is_some() {
        spool.begin_late(now, &mut random);
    }
    Pipeline::new(options, spool, Packer::new(packer), random, now)
}

/// Signals, limits and the status line, until the run has ended.
fn watch(shared: &Shared, mut signals: Signals, status: bool, mut service: Option<Service>) {
    if let Some(service) = &mut service {
        service.ready();
    }
    let (mut read_until, mut limited) = (None::<Deadline>, false);
    let mut next_status = status.then_some(Deadline(STATUS_EVERY * 2));
    let says_words = shared.backlog.is_some() && !status && shared.log.says(Level::Info);
    let mut next_words = says_words.then_some(Deadline(shared.began + WORDS_EVERY));
    loop {
        let now = shared.clock.now();
        shared.log.tick(now);
        if let Some(service) = service.as_mut().filter(|_| signals.take_hangup()) {
            service.reload(shared);
        }
        let mut state = shared.lock();
        if state.ended.is_some() {
            return;
        }
        if signals.take_report() {
            report::answer(&shared.log, now, &state);
        }
        for _ in 0..signals.take(state.input_over || state.input_kind != InputKind::Pipe) {
            state.asked_to_end = true;
            match read_until {
                None => {
                    let reads_on = match state.input_kind {
                        InputKind::Pipe => READ_AFTER_TERM,
                        InputKind::Sockets => socket_loop::DRAIN_MAX,
                        InputKind::RegularFile | InputKind::Terminal => Duration::ZERO,
                    };
                    read_until = Some(Deadline(now.mono + reads_on));
                    state.stop_input = true;
                    shared.space.notify_all();
                }
                // Asked twice.
                Some(_) => return shared.end(&mut state),
            }
        }
        if read_until.is_some_and(|until| !limited && (state.input_over || until.passed(now))) {
            limited = true;
            state.hurry(now);
            shared.work.notify_all();
            shared.space.notify_all();
        }
        let limit = state.pipeline.limit().map(|limit| Deadline(limit.0 + GRACE));
        if limit.is_some_and(|limit| limit.passed(now)) {
            return shared.end(&mut state);
        }
        if next_status.is_some_and(|at| at.passed(now)) {
            next_status = Some(Deadline(now.mono + STATUS_EVERY));
            match shared.backlog {
                Some(backlog) => report::bar(&shared.log, now.mono - shared.began, state.progress.0, backlog.lines),
                None => report::status(&shared.log, now, &state),
            }
        }
        if let (Some(at), Some(backlog)) = (next_words.filter(|at| at.passed(now)), shared.backlog) {
            next_words = Some(Deadline(at.0 + WORDS_EVERY));
            report::words(&shared.log, now.mono - shared.began, state.progress.0, backlog.lines);
        }
        let service = service.as_mut().and_then(|service| service.look(now, &state));
        drop(state);
        let tick = shared.log.next_tick().map(Deadline);
        let wake = [limit, read_until.filter(|_| !limited), next_status, next_words, tick, service].into_iter().flatten().min();
        signals.wait(wake.map(|wake| wake.left(shared.clock.now())));
    }
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
