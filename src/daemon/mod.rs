//! The loop around the core: three threads (signals and limits, input, delivery), one `Mutex` over the pipeline, two `Condvar`s.
//!
//! ```text
//! input     read ─▶ Intake ─▶ lock: accept            waits for `space` while the spool is full
//! delivery  lock: poll ─▶ send, unlocked ─▶ lock: on_reply       waits for `work`
//! here      signals, limits, the status line           waits on a socket pair that the others and signal handlers write to
//! ```
//!
//! Nothing here decides what is delivered when: the pipeline does. A send that hangs cannot hold the process: the limit ends the run from this thread.

mod delivery;
mod intake_loop;
mod output;
mod report;
mod signals;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aws::http::HttpCounts;
use crate::config::{Config, MissingStream};
use crate::counters::{Counters, InputCounters};
use crate::ending::{Cause, Ending};
use crate::input::intake::{Intake, IntakeOptions};
use crate::input::rejects::Rejects;
use crate::input::stdin::{Input, InputKind};
use crate::log::Log;
use crate::pipeline::{Pipeline, PipelineOptions};
use crate::random::Random;
use crate::record::packer::{Packer, PackerOptions};
use crate::spool::disk::RamDisk;
use crate::spool::spool::{Spool, SpoolOptions};
use crate::time::{Clock, Deadline, Now};

pub use output::Output;
pub use report::Summary;
pub use signals::Signals;
use signals::Waker;

/// After SIGTERM the input is read this much longer, unless it ends before.
const READ_AFTER_TERM: Duration = Duration::from_secs(4);
/// How long the delivery thread may take to notice a limit by itself.
const GRACE: Duration = Duration::from_millis(100);
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
}

/// What the threads share.
struct Shared {
    state: Mutex<State>,
    /// Something for the delivery thread.
    work: Condvar,
    /// Something for the input thread.
    space: Condvar,
    waker: Waker,
    clock: Clock,
    log: Log,
    rejects: Mutex<Rejects>,
}

struct State {
    pipeline: Pipeline<RamDisk>,
    input: InputCounters,
    input_kind: InputKind,
    http: HttpCounts,
    /// The input is not read any longer.
    input_over: bool,
    shutdown_timeout: Duration,
    /// What remains at the end of the input has all the time it needs: a file waits for nobody, and whoever reads a dry run takes his time.
    patient: bool,
    /// Reading or writing failed, or nobody reads; the run ends with this.
    cut_short: Option<Cause>,
    ended: Option<Ending>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the run, once: from here on nothing changes the books.
    fn end(&self, state: &mut State) {
        if state.ended.is_none() {
            let mut ending = state.pipeline.end();
            if let Some(cause) = state.cut_short.take() {
                ending.cause = cause;
            }
            state.ended = Some(ending);
        }
        self.work.notify_all();
        self.space.notify_all();
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
}

/// Reads `input` to its end and delivers it through `output`. Returns when the run is over; a send that hangs then is left behind.
pub fn run(config: &Config, input: Input, output: Output, mut run: Run) -> io::Result<Summary> {
    let (kind, clock) = (input.kind, run.clock);
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            pipeline: pipeline(config, clock.now()),
            input: InputCounters::default(),
            input_kind: kind,
            http: HttpCounts::default(),
            input_over: false,
            shutdown_timeout: config.delivery.shutdown_timeout,
            patient: kind == InputKind::RegularFile || config.dry_run,
            cut_short: None,
            ended: None,
        }),
        work: Condvar::new(),
        space: Condvar::new(),
        waker: run.signals.waker()?,
        clock,
        log: run.log.clone(),
        rejects: Mutex::new(Rejects::new(run.log.clone(), config.input.rejected.clone().map(|path| (path, config.input.rejected_size)))),
    });
    let intake = Intake::new(IntakeOptions {
        line_size: config.input.line_size,
        timestamp: config.input.timestamp,
        partition: config.partition.clone(),
        format: config.format,
        record_size: record_size(config),
    });
    let reading = Arc::clone(&shared);
    std::thread::Builder::new().name("input".into()).spawn(move || intake_loop::read(&reading, input.reader, intake))?;
    let sending = Arc::clone(&shared);
    let (request_size, destination) = (config.delivery.request_size, config.destination.clone());
    let thread = std::thread::Builder::new().name("delivery".into());
    thread.spawn(move || delivery::deliver(&sending, output, request_size, destination.as_ref()))?;
    watch(&shared, &mut run);
    let mut state = shared.lock();
    let ending = state.ended.take().expect("watch returns when the run has ended");
    let (counters, input): (Counters, InputCounters) = (state.pipeline.counters().clone(), state.input.clone());
    Ok(Summary { ending, counters, input, http: state.http, time: clock.now().mono })
}

/// Bytes that one record may have: it must fit a request as well.
fn record_size(config: &Config) -> usize {
    config.delivery.record_size.min(config.delivery.request_size)
}

fn pipeline(config: &Config, now: Now) -> Pipeline<RamDisk> {
    let spool = SpoolOptions { size: config.spool.hot_size, segment_size: config.spool.segment_size };
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
    };
    let seed = now.wall.as_nanos() as u64 ^ u64::from(std::process::id());
    Pipeline::new(options, Spool::new(RamDisk::new(spool.segment_size), spool), Packer::new(packer), Random::from_system(seed))
}

/// Signals, limits and the status line, until the run has ended.
fn watch(shared: &Shared, run: &mut Run) {
    let (mut read_until, mut limited) = (None::<Deadline>, false);
    let mut next_status = run.status.then_some(Deadline(STATUS_EVERY * 2));
    loop {
        let now = shared.clock.now();
        shared.log.tick(now);
        let mut state = shared.lock();
        if state.ended.is_some() {
            return;
        }
        for _ in 0..run.signals.take(state.input_over || state.input_kind != InputKind::Pipe) {
            match read_until {
                None => read_until = Some(Deadline(now.mono + READ_AFTER_TERM)),
                // Asked twice.
                Some(_) => return shared.end(&mut state),
            }
        }
        if let Some(until) = read_until.filter(|until| !limited && (state.input_over || until.passed(now))) {
            limited = true;
            if state.input_over {
                let limit = Deadline(now.mono + state.shutdown_timeout);
                state.pipeline.close(true, Some(limit));
            } else {
                debug_assert!(until.passed(now));
                state.close_input(now, false);
            }
            shared.work.notify_all();
            shared.space.notify_all();
        }
        let limit = state.pipeline.limit().map(|limit| Deadline(limit.0 + GRACE));
        if limit.is_some_and(|limit| limit.passed(now)) {
            return shared.end(&mut state);
        }
        if next_status.is_some_and(|at| at.passed(now)) {
            next_status = Some(Deadline(now.mono + STATUS_EVERY));
            report::status(&shared.log, now, &state);
        }
        drop(state);
        let tick = shared.log.next_tick().map(Deadline);
        let wake = [limit, read_until.filter(|_| !limited), next_status, tick].into_iter().flatten().min();
        run.signals.wait(wake.map(|wake| wake.left(shared.clock.now())));
    }
}
