//! `credential_process`: a program that writes credentials as JSON. It also reaches IAM Roles Anywhere, TPMs, PKCS#11.
//!
//! No shell is between. The program is the leader of a process group of its own, has a time limit, and what it writes is bounded: its standard output is secret
//! and never shown, the end of its standard error is shown where it fails. Whatever ends this, the program was waited for; past its time the whole group is killed.
//! What it leaves running when it ends by itself is its own business, and is not waited for.
//!
//! A file that others may write is not followed: they would run programs as this user.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::asking::Asking;
use super::{Context, CredentialsError, Found, StaticKeys, expiry, trusted};
use crate::aws::message;
use crate::aws::shared_config::{Property, SharedConfig, split};
use crate::limits::{MESSAGE_SIZE_MAX, PROCESS_OUTPUT_SIZE_MAX, PROCESS_TIMEOUT};
use crate::time::{Clock, Deadline, Now};

/// Bytes of standard error that are kept: the last ones, where programs say why they failed.
const STDERR_KEPT: usize = 4 << 10;
/// Bytes of it that are shown: the place before it must fit a message as well.
const STDERR_SHOWN: usize = MESSAGE_SIZE_MAX / 2;
/// Bytes of a program's name that are shown.
const PROGRAM_SHOWN_MAX: usize = 100;
/// The longest wait before the program is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// While the wall clock cannot be right, nobody knows how long credentials last: the program is asked again after this.
const WITHOUT_CLOCK: Duration = Duration::from_secs(15 * 60);

/// Runs the command of a profile.
pub(super) fn load(context: &Context<'_>, shared: &SharedConfig, profile: &str, command: &Property) -> Result<Found, CredentialsError> {
    let place = format!("{}: profile '{profile}': credential_process", shared.place_of(command));
    trusted::check(shared.path_of(command))
        .map_err(|why| CredentialsError::broken(format!("{place} is not run, since others could choose the program: {why}")))?;
    let home = context.environment.get("HOME");
    let command = split(command.value(), home.as_deref()).map_err(|why| CredentialsError::broken(format!("{place} {why}")))?;
    let hint = if command.wants_shell { " (no shell runs it: $ | & ; < > are text)" } else { "" };
    let timeout = PROCESS_TIMEOUT.min(context.http.answer_timeout);
    let failed = |what: &dyn fmt::Display| CredentialsError::unavailable("credential_process_failed", format!("{place} {what}{hint}"));
    context.asking.set(Some(&place));
    let output = match run(&command.words, timeout, &context.http.clock, context.asking) {
        Ok(output) => output,
        Err(RunError::Start(error)) => {
            let program = message::fit(&command.words[0], PROGRAM_SHOWN_MAX);
            return Err(CredentialsError::broken(format!("{place}: {program} cannot be started: {error}{hint}")));
        }
        Err(error) => return Err(failed(&error)),
    };
    if let Some(status) = output.status.filter(|status| !status.success()) {
        return Err(failed(&format!("failed ({status}): {}", last_lines(&output.stderr))));
    }
    let keys = match serde_json::from_slice::<Keys>(&output.stdout) {
        Ok(keys) => keys,
        Err(_) if output.stdout.trim_ascii().is_empty() => return Err(failed(&format!("wrote nothing: {}", last_lines(&output.stderr)))),
        // Its own text could show a secret.
        Err(error) => return Err(failed(&format!("wrote other than the JSON it should (line {}, column {})", error.line(), error.column()))),
    };
    found(keys, &place, context.now)
}

fn found(keys: Keys, place: &str, now: Now) -> Result<Found, CredentialsError> {
    let broken = |what: &str| CredentialsError::broken(format!("{place} wrote {what}"));
    match keys.version {
        Some(1) => {}
        Some(version) => return Err(broken(&format!("Version {version}, must be 1"))),
        None => return Err(broken("no Version, must be 1")),
    }
    let plain = |text: Option<Zeroizing<String>>| text.map(|mut text| std::mem::take(&mut *text));
    let names = ("AccessKeyId", "SecretAccessKey");
    let pair = StaticKeys { place, names, id: plain(keys.id), secret: plain(keys.secret), token: plain(keys.token) };
    let credentials = pair.complete("credential_process")?.ok_or_else(|| broken("neither AccessKeyId nor SecretAccessKey"))?;
    let Some(expiration) = keys.expiration.filter(|text| !text.trim().is_empty()) else { return Ok(Found::keys(credentials)) };
    let expiration = expiry::parse(&expiration).ok_or_else(|| broken("an Expiration that is no time as 2026-11-22T03:17:00Z"))?;
    if now.wall_is_wrong() {
        return Ok(Found { credentials, expires: Some(Deadline(now.mono + WITHOUT_CLOCK)), outlive: false, cacheable: false });
    }
    let expires = expiry::deadline(expiration, None, now);
    if expires.passed(now) {
        return Err(CredentialsError::unavailable("credential_process_expired", format!("{place} wrote credentials that have expired")));
    }
    Ok(Found { credentials, expires: Some(expires), outlive: false, cacheable: true })
}

/// The last lines that can be shown as a whole, or the beginning of the last one.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    let starts = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let fits = |start: &usize| text.len() - start <= STDERR_SHOWN && message::fit(&text[*start..], MESSAGE_SIZE_MAX).len() <= STDERR_SHOWN;
    match &text[starts().find(fits).or(starts().last()).unwrap_or(0)..] {
        "" => "it says nothing on standard error".into(),
        lines => message::fit(lines, STDERR_SHOWN),
    }
}

/// What a program has left.
struct Output {
    /// None where the system does not tell: somebody made us ignore the ends of our children.
    status: Option<ExitStatus>,
    stdout: Zeroizing<Vec<u8>>,
    /// Its last bytes.
    stderr: Vec<u8>,
}

/// Why there is no output.
#[derive(Debug)]
enum RunError {
    Start(io::Error),
    TimedOut(Duration),
    TooLong,
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Start(error) | RunError::Io(error) => write!(f, "failed: {error}"),
            RunError::TimedOut(timeout) => write!(f, "did not end within {} s and was killed", timeout.as_secs_f32()),
            RunError::TooLong => write!(f, "wrote more than {PROCESS_OUTPUT_SIZE_MAX} bytes and was killed"),
        }
    }
}

/// Runs a program to its end, or to the end of its time.
fn run(words: &[String], timeout: Duration, clock: &Clock, asking: &Asking) -> Result<Output, RunError> {
    let mut running = Running::start(words, asking).map_err(RunError::Start)?;
    let until = Deadline(clock.now().mono + timeout);
    let mut output = Output { status: None, stdout: Zeroizing::new(Vec::with_capacity(PROCESS_OUTPUT_SIZE_MAX)), stderr: Vec::new() };
    let mut wait = Duration::from_millis(1);
    loop {
        // Looked at before the pipes: what it wrote before its end is in them.
        let ended = running.ended(&mut output.status);
        let left = until.left(clock.now());
        if left.is_zero() && !ended {
            return Err(RunError::TimedOut(timeout));
        }
        let read = running.read(if ended { Duration::ZERO } else { left.min(wait) }, &mut output)?;
        // Another process may hold the pipes open, or go on writing.
        if ended && (!read || left.is_zero()) {
            return Ok(output);
        }
        wait = if read { Duration::from_millis(1) } else { (wait * 2).min(LOOK_AGAIN) };
    }
}

/// A program that is killed, with its whole group, and waited for, unless it has ended.
struct Running<'a> {
    child: Child,
    asking: &'a Asking,
    has_ended: bool,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Running<'_> {
    fn start<'a>(words: &[String], asking: &'a Asking) -> io::Result<Running<'a>> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // The service manager's dealings are with us: what a program says to it would be taken for our word.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        let mut child = asking.start(|| command.spawn())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Running { child, asking, has_ended: false, stdout, stderr })
    }

    fn ended(&mut self, status: &mut Option<ExitStatus>) -> bool {
        if !self.has_ended {
            match self.asking.try_wait(&mut self.child) {
                Ok(None) => {}
                Ok(found) => (*status, self.has_ended) = (found, true),
                // There is nothing left to wait for.
                Err(_) => self.has_ended = true,
            }
        }
        self.has_ended
    }

    /// Waits for either pipe and reads what is there; false when nothing was.
    fn read(&mut self, wait: Duration, output: &mut Output) -> Result<bool, RunError> {
        let [from_stdout, from_stderr] = self.readable(wait).map_err(RunError::Io)?;
        let mut chunk = Zeroizing::new([0; 4 << 10]);
        if from_stdout && let Some(pipe) = &mut self.stdout {
            let size = pipe.read(&mut *chunk).map_err(RunError::Io)?;
            if output.stdout.len() + size > PROCESS_OUTPUT_SIZE_MAX {
                return Err(RunError::TooLong);
            }
            output.stdout.extend_from_slice(&chunk[..size]);
            self.stdout.take_if(|_| size == 0);
        }
        if from_stderr && let Some(pipe) = &mut self.stderr {
            let size = pipe.read(&mut *chunk).map_err(RunError::Io)?;
            output.stderr.extend_from_slice(&chunk[..size]);
            output.stderr.drain(..output.stderr.len().saturating_sub(STDERR_KEPT));
            self.stderr.take_if(|_| size == 0);
        }
        Ok(from_stdout || from_stderr)
    }

    /// Which pipes have something, or are at their end.
    fn readable(&self, wait: Duration) -> io::Result<[bool; 2]> {
        let mut polled = Vec::with_capacity(2);
        polled.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        polled.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&wait)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok([false; 2]),
            Err(error) => return Err(error.into()),
        }
        let mut answers = polled.iter().map(|fd| !fd.revents().is_empty());
        let [stdout, stderr] = [self.stdout.is_some(), self.stderr.is_some()].map(|open| open && answers.next().unwrap_or(false));
        Ok([stdout, stderr])
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.asking.kill(&mut self.child);
        }
    }
}

/// What the program says; names are matched whatever their case, others are ignored.
#[derive(Default)]
struct Keys {
    version: Option<u64>,
    id: Option<Zeroizing<String>>,
    secret: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    expiration: Option<Zeroizing<String>>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some(name) = map.next_key::<String>()? {
            let field = match name.to_ascii_lowercase().as_str() {
                "version" => {
                    keys.version = map.next_value()?;
                    continue;
                }
                "accesskeyid" => &mut keys.id,
                "secretaccesskey" => &mut keys.secret,
                "sessiontoken" => &mut keys.token,
                "expiration" => &mut keys.expiration,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = map.next_value::<Option<String>>()?.map(Zeroizing::new);
        }
        Ok(keys)
    }
}
