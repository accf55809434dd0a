//! Standard error or standard output, written to by a thread of its own: a reader who does not read (a stopped terminal, a hung journal, a full pipe) must
//! hold neither the delivery nor the end of a run.
//!
//! The thread starts with the first message. At most [`WAITING_MAX`] messages wait; more are refused, which the log counts.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Messages that wait for the reader.
const WAITING_MAX: usize = 64;
/// How long the end of a run waits for the reader.
const END_WAIT: Duration = Duration::from_millis(250);

/// Whose reader it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Stderr,
    Stdout,
}

/// Takes messages without ever waiting for their reader, but in `flush`.
#[derive(Debug)]
pub(super) struct Stream {
    target: Target,
    running: Option<(SyncSender<Vec<u8>>, Receiver<()>)>,
}

impl Stream {
    pub(super) fn new(target: Target) -> Stream {
        Stream { target, running: None }
    }

    fn messages(&mut self) -> io::Result<&SyncSender<Vec<u8>>> {
        let running = match self.running.take() {
            Some(running) => running,
            None => start(self.target)?,
        };
        Ok(&self.running.insert(running).0)
    }
}

impl Write for Stream {
    /// Takes all of `bytes`, or nothing while too many messages wait.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.messages()?.try_send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(TrySendError::Full(_)) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TrySendError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until everything is written, a quarter of a second at most.
    fn flush(&mut self) -> io::Result<()> {
        let Some((messages, finished)) = self.running.take() else { return Ok(()) };
        drop(messages);
        // Nothing is ever sent: the thread's end closes the channel.
        match finished.recv_timeout(END_WAIT) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

fn start(target: Target) -> io::Result<(SyncSender<Vec<u8>>, Receiver<()>)> {
    let (sender, messages) = sync_channel::<Vec<u8>>(WAITING_MAX);
    let (finishing, finished) = sync_channel(0);
    std::thread::Builder::new().name("log".into()).spawn(move || {
        for message in messages {
            // A closed stream changes nothing.
            _ = match target {
                Target::Stderr => io::stderr().write_all(&message),
                Target::Stdout => io::stdout().write_all(&message).and_then(|()| io::stdout().flush()),
            };
        }
        drop(finishing);
    })?;
    Ok((sender, finished))
}
