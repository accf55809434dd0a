//! Diagnostics for a person, on stderr. Never panics on a closed stderr, never waits for a reader who does not read (`log/stderr.rs`), never shows a secret:
//! callers pass only what may be shown.
//!
//! On a non-zero exit the first line on stderr must be the whole reason, since Telegraf shows nothing else. So diagnostics are held back (at most
//! `HELD_BACK_SIZE` bytes, the rest counted): to the end of a run with `--deadline`, for the first five seconds of any other.
//!
//! Three ways to write them: as a person reads them; with a priority, as systemd's journal takes them; and on two streams, for Telegraf's
//! `outputs.execd` logs what comes on stdout as information and what comes on stderr as errors.

mod journal;
mod stream;

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::environment::Environment;
use crate::config::value::ascii_line;
use crate::config::{Level, LogConfig, LogTo};
use crate::ending::ascii;
use crate::limits::{DIAGNOSTIC_SIZE_MAX, FIRST_LINE_SIZE_MAX, HELD_BACK_SIZE};
use crate::time::Now;
use stream::{Stream, Target};

const PREFIX: &str = "kinegraf: ";

/// What a program has to say that ends before it has a log: `reason`, which may be several lines. Where its first line is more than Telegraf shows, or not
/// ASCII, one that Telegraf shows stands before it.
pub fn failure(reason: &str) -> String {
    let first = reason.lines().next().unwrap_or_default();
    let shown = ascii_line(first, FIRST_LINE_SIZE_MAX - PREFIX.len());
    if shown == first { format!("{PREFIX}{reason}\n") } else { format!("{PREFIX}{shown}\n{reason}\n") }
}

/// How long diagnostics are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    No,
    /// Until this moment on the monotonic clock.
    Until(Duration),
    /// Until the run ends.
    ToTheEnd,
}

/// How a diagnostic is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `kinegraf: warning: …` on stderr.
    Plain,
    /// `<4>…` on stderr. Source: sd-daemon(3).
    Journal,
    /// Errors and warnings on stderr, the rest on stdout.
    Telegraf,
}

/// Writes diagnostics; clones write to the same place.
#[derive(Clone)]
pub struct Log {
    /// The number of a [`Level`].
    level: Arc<AtomicU8>,
    style: Style,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    /// Takes information where that does not go to `out`.
    information: Option<Box<dyn Write + Send>>,
    hold: Hold,
    held: Vec<u8>,
    /// Diagnostics that were said and not shown: too much was held back, or nobody read.
    lost: u64,
    status_shown: bool,
}

impl Log {
    /// The log of a program: where its configuration says. `stdout_is_free`: nothing else is written there.
    pub fn open(config: LogConfig, hold: Hold, environment: &Environment, stdout_is_free: bool) -> Log {
        let mut log = Log::stderr(config.level, hold);
        log.style = match config.to {
            LogTo::Journal => Style::Journal,
            LogTo::Auto if journal::reads_stderr(environment) => Style::Journal,
            LogTo::Telegraf if stdout_is_free => Style::Telegraf,
            LogTo::Auto | LogTo::Stderr | LogTo::Telegraf => Style::Plain,
        };
        if log.style == Style::Telegraf {
            log.lock().information = Some(Box::new(Stream::new(Target::Stdout)));
        }
        log
    }

    /// A log that writes to stderr.
    pub fn stderr(level: Level, hold: Hold) -> Log {
        Log::new(level, hold, Box::new(Stream::new(Target::Stderr)))
    }

    /// A log that writes elsewhere.
    pub fn new(level: Level, hold: Hold, out: Box<dyn Write + Send>) -> Log {
        let inner = Inner { out, information: None, hold, held: Vec::new(), lost: 0, status_shown: false };
        Log { level: Arc::new(AtomicU8::new(level as u8)), style: Style::Plain, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Whether `level` is said at all; ask before composing something costly.
    pub fn says(&self, level: Level) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    /// From here on so much is said, by all clones.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Something that a person must know of.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        self.say(Level::Error, "error: ", message);
    }

    /// Something that may need a person.
    pub fn warn(&self, message: fmt::Arguments<'_>) {
        self.say(Level::Warn, "warning: ", message);
    }

    /// What is done.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        self.say(Level::Info, "", message);
    }

    /// What somebody asked for: said at every level, as information.
    pub fn answer(&self, message: fmt::Arguments<'_>) {
        self.say_it(Level::Info, "", message);
    }

    /// Every request.
    pub fn debug(&self, message: fmt::Arguments<'_>) {
        self.say(Level::Debug, "debug: ", message);
    }

    /// Replaces the status line of a terminal.
    pub fn status(&self, message: fmt::Arguments<'_>) {
        let mut inner = self.lock();
        inner.status_shown = true;
        _ = inner.out.write_all(format!("\r{PREFIX}{message}\x1b[K").as_bytes());
    }

    /// Takes the status line away, before something is printed elsewhere on the same terminal.
    pub fn clear(&self) {
        let mut inner = self.lock();
        if inner.status_shown {
            inner.clear_status();
            _ = inner.out.flush();
        }
    }

    /// Lets go of what was held back, if its time has come.
    pub fn tick(&self, now: Now) {
        let mut inner = self.lock();
        if matches!(inner.hold, Hold::Until(until) if now.mono >= until) {
            inner.release();
        }
    }

    /// When `tick` has something to do.
    pub fn next_tick(&self) -> Option<Duration> {
        match self.lock().hold {
            Hold::Until(until) => Some(until),
            _ => None,
        }
    }

    /// The run is over: `reason` first (empty when all went well), then everything that was held back.
    pub fn end(&self, reason: &str) {
        let mut inner = self.lock();
        if !reason.is_empty() {
            let prefix = if self.style == Style::Journal { "<3>" } else { PREFIX };
            let line = format!("{prefix}{}\n", ascii(reason, FIRST_LINE_SIZE_MAX - PREFIX.len()));
            inner.write(line.as_bytes());
        }
        inner.release();
        inner.clear_status();
        _ = inner.out.flush();
        _ = inner.information.as_mut().map(|information| information.flush());
    }

    fn say(&self, level: Level, word: &str, message: fmt::Arguments<'_>) {
        if self.says(level) {
            self.say_it(level, word, message);
        }
    }

    fn say_it(&self, level: Level, word: &str, message: fmt::Arguments<'_>) {
        let line = self.line(level, word, message);
        let mut inner = self.lock();
        if let Some(information) = inner.information.as_mut().filter(|_| level >= Level::Info) {
            // Telegraf shows it wherever it comes: only what it calls an error has to wait for the reason.
            let lost = information.write_all(line.as_bytes()).is_err();
            inner.lost += u64::from(lost);
        } else if inner.hold == Hold::No {
            inner.write(line.as_bytes());
        } else if inner.held.len() + line.len() <= HELD_BACK_SIZE {
            inner.held.extend_from_slice(line.as_bytes());
        } else {
            inner.lost += 1;
        }
    }

    /// One line, cut where it is longer than a reader of lines takes.
    fn line(&self, level: Level, word: &str, message: fmt::Arguments<'_>) -> String {
        let mut line = match self.style {
            Style::Plain | Style::Telegraf => format!("{PREFIX}{word}{message}"),
            Style::Journal => format!("<{}>{message}", journal::priority(level)),
        };
        if line.len() > DIAGNOSTIC_SIZE_MAX {
            line.truncate(line.floor_char_boundary(DIAGNOSTIC_SIZE_MAX - 3));
            line.push_str("...");
        }
        // A line of the journal has its priority, so that a second one would have none.
        if self.style != Style::Plain && line.contains('\n') {
            line = line.replace('\n', " | ");
        }
        line.push('\n');
        line
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, line: &[u8]) {
        self.clear_status();
        if self.out.write_all(line).is_err() {
            self.lost += 1;
        }
    }

    fn clear_status(&mut self) {
        if std::mem::take(&mut self.status_shown) {
            _ = self.out.write_all(b"\r\x1b[K");
        }
    }

    fn release(&mut self) {
        self.hold = Hold::No;
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.write(&held);
        }
        if self.lost > 0 {
            let line = format!("{PREFIX}{} more diagnostics were not kept\n", std::mem::take(&mut self.lost));
            self.write(line.as_bytes());
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.level.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Collects what a log writes.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn log(level: Level, hold: Hold) -> (Log, Sink) {
        let sink = Sink::default();
        (Log::new(level, hold, Box::new(sink.clone())), sink)
    }

    #[test]
    fn the_reason_stands_first_and_what_was_held_back_follows() {
        let (log, sink) = log(Level::Warn, Hold::ToTheEnd);
        log.warn(format_args!("one"));
        log.info(format_args!("not said"));
        log.error(format_args!("two"));
        assert_eq!(sink.text(), "");
        log.end("no such stream");
        assert_eq!(sink.text(), "kinegraf: no such stream\nkinegraf: warning: one\nkinegraf: error: two\n");
    }

    #[test]
    fn what_is_held_back_has_a_bound_and_the_rest_is_counted() {
        let (log, sink) = log(Level::Warn, Hold::ToTheEnd);
        (0..1000).for_each(|i| log.warn(format_args!("diagnostic number {i}, of some length")));
        log.end("reason");
        assert!(sink.text().len() < HELD_BACK_SIZE + 200);
        assert!(sink.text().ends_with("more diagnostics were not kept\n"));
    }

    #[test]
    fn the_reason_is_one_line_of_ascii_whatever_it_holds() {
        let (log, sink) = log(Level::Error, Hold::No);
        log.end(&format!("caf\u{e9} \x1b[31m \n{}", "x".repeat(2000)));
        let text = sink.text();
        assert!(text.len() <= FIRST_LINE_SIZE_MAX + 1 && text.is_ascii() && text.lines().count() == 1 && !text.contains('\x1b'));
    }

    #[test]
    fn after_its_time_nothing_is_held_back_any_longer() {
        let (log, sink) = log(Level::Warn, Hold::Until(Duration::from_secs(5)));
        log.warn(format_args!("one"));
        log.tick(Now { mono: Duration::from_secs(4), wall: Duration::ZERO });
        assert_eq!(sink.text(), "");
        log.tick(Now { mono: Duration::from_secs(5), wall: Duration::ZERO });
        log.warn(format_args!("two"));
        assert_eq!(sink.text(), "kinegraf: warning: one\nkinegraf: warning: two\n");
    }
}
