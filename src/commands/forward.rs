//! `kinegraf --forward`: gives the lines on standard input to a running daemon and ends when that has delivered them, or keeps them safe.
//!
//! For Telegraf's `outputs.exec`: no credentials, no handshake and no spool in a process that lives for milliseconds. Exit code 0 only when the daemon says
//! that every line is delivered or durable; in every other case the sender keeps its batch and offers it again. What the daemon took of it before is told
//! by its hash and not sent again.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use crate::cli::ForwardOptions;
use crate::commands::spool::Failure;
use crate::ending;
use crate::input::hand_off::{Answer, Batch, GO, HELLO, Offer, WORD_SIZE_MAX, parse_ready};
use crate::time::{Clock, Deadline};

/// What is kept of standard input, so that it can be told from other batches: more than Telegraf's largest batch of ordinary lines.
const KEPT_MAX: usize = 4 << 20;

/// What the daemon did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Lines that it took.
    pub lines: u64,
    /// Lines that it rejected.
    pub rejected: u64,
    /// They are durable in its spool and not delivered yet.
    pub kept: bool,
}

/// Hands `input` over.
///
/// # Errors
/// The lines are not known to be safe: 75, or 77 where the socket may not be used, or 74 where `input` cannot be read.
pub fn run(options: &ForwardOptions, input: impl Read + Send + 'static, clock: Clock) -> Result<Done, Failure> {
    let (sender, receiver) = sync_channel(1);
    let socket = options.socket.clone();
    // A thread, since a sender that never ends and a daemon with a full backlog are waited for without a limit of their own. It ends with the process.
    let hand_over = move || {
        let result = hand_over(&socket, input, &mut |waiting| _ = sender.send(Err(waiting)));
        _ = sender.send(Ok(result));
    };
    std::thread::Builder::new().name("forward".into()).spawn(hand_over).map_err(|error| failure(ending::IO, &format!("cannot start: {error}")))?;
    let (deadline, mut why) = (Deadline(options.deadline), "standard input has not ended".to_owned());
    loop {
        match receiver.recv_timeout(deadline.left(clock.now())) {
            Ok(Ok(result)) => return result,
            Ok(Err(waiting)) => why = waiting,
            Err(_) => {
                let place = options.socket.display();
                return Err(failure(
                    ending::TEMPORARY,
                    &format!("not delivered in time by the kinegraf at {place}: {why}; the sender keeps its lines"),
                ));
            }
        }
    }
}

fn hand_over(socket: &Path, mut input: impl Read, waiting: &mut dyn FnMut(String)) -> Result<Done, Failure> {
    let place = socket.display();
    let mut kept = Vec::new();
    let unreadable = |error: std::io::Error| failure(ending::IO, &format!("reading standard input failed: {error}"));
    input.by_ref().take(KEPT_MAX as u64 + 1).read_to_end(&mut kept).map_err(unreadable)?;
    if kept.is_empty() {
        return Ok(Done { lines: 0, rejected: 0, kept: false });
    }
    waiting("it has not taken the connection, perhaps since as many clients as its 'input.clients' are there".to_owned());
    let connected = UnixStream::connect(socket).map_err(|error| {
        let (code, hint) = match error.kind() {
            ErrorKind::NotFound => (ending::TEMPORARY, "no kinegraf has made this socket; is the daemon running, with this 'listen'?"),
            ErrorKind::ConnectionRefused => (ending::TEMPORARY, "nobody listens on this socket; is the daemon running?"),
            ErrorKind::PermissionDenied => {
                (ending::NO_PERMISSION, "this user may not write to it; it must be in the socket's group (input.socket_group)")
            }
            _ => (ending::TEMPORARY, "the sender keeps its lines"),
        };
        failure(code, &format!("cannot connect to {place}: {error}; {hint}"))
    })?;
    let broke =
        |error: std::io::Error| failure(ending::TEMPORARY, &format!("the kinegraf at {place} went away: {error}; the sender keeps its lines"));
    let mut replies = BufReader::with_capacity(WORD_SIZE_MAX, &connected);
    let mut daemon = &connected;
    daemon.write_all(HELLO.as_bytes()).map_err(broke)?;
    let known = parse_ready(&word(&mut replies, &broke)?).ok_or_else(|| {
        failure(ending::CONFIG, &format!("{place} is not the stream socket of a kinegraf that takes hand-offs, or of another version"))
    })?;
    waiting("no answer yet".to_owned());
    let (offer, skip) = offer(&kept, &known);
    daemon.write_all(offer.to_string().as_bytes()).map_err(broke)?;
    if word(&mut replies, &broke)? != GO {
        return Err(failure(ending::TEMPORARY, &format!("the kinegraf at {place} did not take the batch; the sender keeps its lines")));
    }
    daemon.write_all(&kept[skip..]).map_err(broke)?;
    if offer.whole.is_none() {
        copy(&mut input, &mut daemon).map_err(|error| error.map_or_else(unreadable, broke))?;
    }
    connected.shutdown(Shutdown::Write).map_err(broke)?;
    loop {
        match Answer::parse(&word(&mut replies, &broke)?) {
            Some(Answer::Delivered { lines, rejected }) => return Ok(Done { lines, rejected, kept: false }),
            Some(Answer::Kept { lines, rejected }) => return Ok(Done { lines, rejected, kept: true }),
            Some(Answer::Waiting(why)) => waiting(why),
            Some(Answer::Again(why)) => {
                return Err(failure(ending::TEMPORARY, &format!("the kinegraf at {place} asks for the batch again: {why}")));
            }
            None => {
                return Err(failure(
                    ending::TEMPORARY,
                    &format!("the kinegraf at {place} gave an answer of another version; the sender keeps its lines"),
                ));
            }
        }
    }
}

/// What is offered of `kept`, and how many bytes of its beginning the daemon has: as many as it can have.
fn offer(kept: &[u8], known: &[Batch]) -> (Offer, usize) {
    let begins = |batch: &&Batch| usize::try_from(batch.size).ok().and_then(|size| kept.get(..size)).is_some_and(|bytes| Batch::of(bytes) == **batch);
    let known = known.iter().filter(begins).max_by_key(|batch| batch.size).copied();
    let whole = (kept.len() <= KEPT_MAX).then(|| Batch::of(kept));
    (Offer { whole, known }, known.map_or(0, |batch| batch.size as usize))
}

/// One word of the daemon's.
fn word(replies: &mut impl BufRead, broke: &dyn Fn(std::io::Error) -> Failure) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    match replies.take(WORD_SIZE_MAX as u64).read_until(b'\n', &mut bytes) {
        Ok(0) => Err(broke(std::io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"))),
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(broke(error)),
    }
}

/// Copies the rest; the error is the reader's (`Ok`) or the writer's (`Err`).
fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<(), Result<std::io::Error, std::io::Error>> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&bytes[..n]).map_err(Err)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Ok(error)),
        }
    }
}

fn failure(code: u8, reason: &str) -> Failure {
    Failure { code, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_that_is_known_is_left_out() {
        let (a, b) = (Batch::of(b"a v=1 1\n"), Batch::of(b"a v=1 1\nb v=1 1\n"));
        let other = Batch::of(b"x v=1 1\n");
        let (offer_, skip) = offer(b"a v=1 1\nb v=1 1\nc v=1 1\n", &[a, other, b]);
        assert_eq!((offer_.known, skip, offer_.whole.unwrap().size), (Some(b), 16, 24));
        assert_eq!(offer(b"a v=1 2\n", &[a, b]).1, 0);
        assert_eq!(offer(b"a v=1 1\n", &[b, a]).1, 8);
        let large = vec![b'x'; KEPT_MAX + 1];
        assert_eq!(offer(&large, &[]).0.whole, None);
    }
}
