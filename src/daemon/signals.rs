//! SIGTERM and SIGINT, SIGUSR1, SIGHUP, and waking up the thread that watches for them: one socket pair, written to by signal handlers and by the other threads.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// What the process was told, and what woke it.
#[derive(Debug)]
pub struct Signals {
    read: UnixStream,
    write: UnixStream,
    terminate: Arc<AtomicUsize>,
    interrupt: Arc<AtomicUsize>,
    hangup: Arc<AtomicUsize>,
    report: Arc<AtomicUsize>,
    /// SIGHUP asks for the end, and was not heard yet.
    hangup_ends: bool,
}

/// Wakes the watching thread.
#[derive(Debug)]
pub(super) struct Waker(UnixStream);

impl Waker {
    /// Of whoever reads the other end; it does not block.
    pub(super) fn new(socket: UnixStream) -> Waker {
        Waker(socket)
    }

    pub(super) fn wake(&self) {
        // A full socket wakes as well as one more byte would.
        _ = (&self.0).write(b".");
    }
}

impl Signals {
    /// Hears no signals; for use inside another program.
    pub fn none() -> io::Result<Signals> {
        let (read, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        let (terminate, interrupt, hangup, report) = Default::default();
        Ok(Signals { read, write, terminate, interrupt, hangup, report, hangup_ends: false })
    }

    /// Takes SIGTERM, SIGINT and SIGUSR1 over from the system's default, which would end the process at once.
    pub fn listen() -> io::Result<Signals> {
        let signals = Signals::none()?;
        for (signal, count) in [(SIGTERM, &signals.terminate), (SIGINT, &signals.interrupt), (SIGUSR1, &signals.report)] {
            signals.listen_to(signal, count)?;
        }
        Ok(signals)
    }

    /// Takes SIGHUP over as well, which asks a run on sockets for a new configuration.
    pub fn listen_to_hangup(&self) -> io::Result<()> {
        self.listen_to(SIGHUP, &self.hangup)
    }

    /// Takes SIGHUP over as SIGTERM: a run on standard input ends with its terminal, and loses nothing by that. Not where it is ignored, as `nohup` has it;
    /// `process_status` is the text of `/proc/self/status`, without which the system's default stays.
    pub fn end_at_hangup(&mut self, process_status: &str) -> io::Result<()> {
        self.hangup_ends = ignored(process_status).is_some_and(|ignored| ignored & 1 << (SIGHUP - 1) == 0);
        if self.hangup_ends { self.listen_to_hangup() } else { Ok(()) }
    }

    fn listen_to(&self, signal: i32, count: &Arc<AtomicUsize>) -> io::Result<()> {
        // The counter first: whoever is woken finds it raised. Registered values are stored, so the handler adds nothing but 1.
        signal_hook::flag::register_usize(signal, Arc::clone(count), 1)?;
        signal_hook::low_level::pipe::register(signal, self.write.try_clone()?).map(drop)
    }

    /// The same signals for another run of this process: what the one has heard the other has not.
    pub fn again(&self) -> io::Result<Signals> {
        let (terminate, interrupt) = (Arc::clone(&self.terminate), Arc::clone(&self.interrupt));
        let (hangup, report) = (Arc::clone(&self.hangup), Arc::clone(&self.report));
        Ok(Signals {
            read: self.read.try_clone()?,
            write: self.write.try_clone()?,
            terminate,
            interrupt,
            hangup,
            report,
            hangup_ends: self.hangup_ends,
        })
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Ok(Waker(self.write.try_clone()?))
    }

    /// How often the process was asked to end since the last call. SIGINT counts only `with_interrupt`: on a pipe it is meant for the sender, which
    /// will close the pipe when it is done.
    pub(super) fn take(&mut self, with_interrupt: bool) -> usize {
        let interrupts = self.interrupt.swap(0, Ordering::Relaxed);
        // Once: a shell passes on what the terminal has said already, and twice asked would be at once.
        let hung_up = self.hangup_ends && self.take_hangup();
        self.hangup_ends &= !hung_up;
        self.terminate.swap(0, Ordering::Relaxed) + usize::from(hung_up) + if with_interrupt { interrupts } else { 0 }
    }

    /// Whether a new configuration is to be read.
    pub(super) fn take_hangup(&mut self) -> bool {
        self.hangup.swap(0, Ordering::Relaxed) > 0
    }

    /// Whether the counters are to be said.
    pub(super) fn take_report(&mut self) -> bool {
        self.report.swap(0, Ordering::Relaxed) > 0
    }

    /// As SIGINT does.
    #[cfg(test)]
    pub(super) fn interrupted(&self) {
        self.interrupt.store(1, Ordering::Relaxed);
        Waker(self.write.try_clone().unwrap()).wake();
    }

    /// Sleeps until something happens or `timeout` has passed.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        // A zero timeout would mean "for ever" to the socket.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        let mut bytes = [0; 64];
        if self.read.set_read_timeout(timeout).is_err() || self.read.read(&mut bytes).is_err_and(|e| e.kind() == io::ErrorKind::InvalidInput) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The signals that are ignored, from `/proc/self/status`: bit 0 is signal 1.
fn ignored(process_status: &str) -> Option<u64> {
    let mask = process_status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_under_nohup_does_not_end_with_its_terminal() {
        let status = |mask: &str| format!("Name:\tkinegraf\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n");
        for (status, ends) in [(status("0000000000001000"), true), (status("0000000000001001"), false), (status("?"), false), (String::new(), false)]
        {
            let mut signals = Signals::none().unwrap();
            signals.end_at_hangup(&status).unwrap();
            signals.hangup.store(1, Ordering::Relaxed);
            assert_eq!([signals.take(false), signals.take(false)], [usize::from(ends), 0], "{status}");
            signals.hangup.store(1, Ordering::Relaxed);
            assert_eq!(signals.take(false), 0, "heard once: {status}");
        }
    }
}
