//! One connection, or standard input as one of several inputs: its bytes, its peer, what it holds of what all share, and what it has brought.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, shutdown};

use crate::counters::RejectReason;
use crate::input::composer::{Composer, Rejection};
use crate::input::line_reader::{LineReader, Tail};
use crate::time::Now;

use super::feed::{Drained, Feed};
use super::hand_off::{HandOff, Heard, Offers};
use super::long_lines::LongLines;
use super::peer::Peer;

/// Bytes that a client's own buffer has.
pub(super) const CLIENT_BUFFER_SIZE: usize = 16 << 10;
/// Bytes that are read at once. What follows a line that needed a larger buffer then fits the client's own, with room for more.
const AT_ONCE: usize = CLIENT_BUFFER_SIZE - 1;

/// Where a client is with the buffer for a long line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongLine {
    /// It needs none.
    None,
    /// It waits for one since then, and is not read.
    Waits(Duration),
    /// It holds this one, since then.
    Holds(usize, Duration),
}

/// One sender of a stream of bytes.
#[derive(Debug)]
pub(super) struct Client {
    source: OwnedFd,
    pub(super) peer: Peer,
    pub(super) feed: Feed,
    tail: Tail,
    pub(super) long_line: LongLine,
    /// `poll` found something to read, or its end.
    pub(super) is_ready: bool,
    /// What was read is not drained.
    pub(super) is_undrained: bool,
    /// Nothing more is read from it.
    has_ended: bool,
    /// Said when it has left.
    pub(super) trouble: Option<String>,
    /// Whether it waits for an answer, and for which.
    pub(super) hand_off: HandOff,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) rejected: u64,
}

impl Client {
    /// A connection.
    pub(super) fn connected(socket: OwnedFd, line_size: usize) -> Client {
        let reader = LineReader::with_buffer(line_size, vec![0; CLIENT_BUFFER_SIZE].into_boxed_slice());
        let mut client = Client::new(Peer::of(&socket), socket, reader, Tail::Reject);
        client.feed.hold();
        client
    }

    /// Standard input.
    pub(super) fn stdin(file: OwnedFd, line_size: usize, tail: Tail) -> Client {
        Client::new(Peer::Stdin, file, LineReader::new(line_size), tail)
    }

    fn new(peer: Peer, source: OwnedFd, reader: LineReader, tail: Tail) -> Client {
        let feed = Feed::new(reader, CLIENT_BUFFER_SIZE, AT_ONCE);
        let (long_line, trouble) = (LongLine::None, None);
        let (is_ready, is_undrained, has_ended, lines, bytes, rejected) = (false, false, false, 0, 0, 0);
        let hand_off = if peer == Peer::Stdin { HandOff::No } else { HandOff::Perhaps };
        Client { source, peer, feed, tail, long_line, is_ready, is_undrained, has_ended, trouble, hand_off, lines, bytes, rejected }
    }

    /// Whether it counts as a connection.
    pub(super) fn is_connection(&self) -> bool {
        self.peer != Peer::Stdin
    }

    /// Whether it is to be polled: it has an end that was not seen, and room.
    pub(super) fn wants_reading(&self) -> bool {
        !self.has_ended && !self.is_undrained && !matches!(self.long_line, LongLine::Waits(_))
    }

    /// Whether everything it will ever bring was taken.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended && !self.is_undrained && self.feed.is_over() && self.hand_off.is_over()
    }

    /// Reads once.
    pub(super) fn read(&mut self) {
        self.is_ready = false;
        let space = self.feed.space();
        if space.is_empty() || self.has_ended {
            return;
        }
        match rustix::io::read(&self.source, space) {
            Ok(0) => self.end(),
            Ok(n) => {
                self.bytes += n as u64;
                self.feed.filled(n);
                self.is_undrained = true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                self.trouble = Some(format!("reading from it failed: {}", std::io::Error::from(error)));
                self.end();
            }
        }
    }

    /// Hears and answers what a sender says that waits for an answer; true when a batch, or the beginning of one, was offered before.
    pub(super) fn listen(&mut self, offers: &mut Offers) -> bool {
        if !self.hand_off.listens() || self.has_ended {
            return false;
        }
        match self.hand_off.hear(self.feed.reader().held(), self.bytes, offers) {
            Heard::Nothing => false,
            Heard::Lines => {
                self.feed.release();
                false
            }
            Heard::Word { answer, lines_follow, again } => {
                self.feed.restart();
                if lines_follow {
                    self.feed.release();
                }
                self.say(&answer);
                again
            }
            Heard::Nonsense => {
                self.trouble = Some("it speaks another version of the hand-off, or none; it is closed".to_owned());
                self.feed.restart();
                self.hand_off = HandOff::Over;
                self.end();
                false
            }
        }
    }

    /// Everything that it sent was accepted, or rejected, and it waits for its answer.
    pub(super) fn is_handed_over(&self) -> bool {
        self.has_ended && !self.is_undrained && self.feed.is_over() && !self.hand_off.is_over() && !self.hand_off.waits()
    }

    /// Writes a word. A client that does not read it is not waited for.
    pub(super) fn say(&mut self, word: &str) {
        if rustix::net::send(&self.source, word.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) != Ok(word.len()) {
            self.trouble = Some("it does not take its answer".to_owned());
        }
    }

    /// Nothing more is read from it.
    pub(super) fn end(&mut self) {
        if !self.has_ended {
            self.has_ended = true;
            self.is_undrained = true;
            self.feed.end(self.tail);
        }
    }

    /// The other end can write no more; what it has written can be read.
    pub(super) fn close_door(&self) {
        if self.is_connection() {
            _ = shutdown(&self.source, Shutdown::Read);
        }
    }

    /// Asks for a larger buffer, or gives it back, as what is held needs it.
    pub(super) fn settle_buffer(&mut self, now: Now, long_lines: &mut LongLines) {
        let reader = self.feed.reader();
        match self.long_line {
            LongLine::None if reader.is_cramped() => self.long_line = LongLine::Waits(now.mono),
            LongLine::Waits(_) if !reader.is_cramped() => self.long_line = LongLine::None,
            LongLine::Holds(n, _) if reader.held().len() <= AT_ONCE => {
                long_lines.take_back(n, reader);
                self.long_line = LongLine::None;
            }
            _ => {}
        }
    }

    /// It is over, and holds nothing.
    pub(super) fn give_back(&mut self, long_lines: &mut LongLines) {
        if let LongLine::Holds(n, _) = self.long_line {
            long_lines.take_back(n, self.feed.reader());
        }
    }

    /// Goes on in a larger buffer, if one is free.
    pub(super) fn take_buffer(&mut self, now: Now, long_lines: &mut LongLines) -> bool {
        let lent = long_lines.lend(self.feed.reader());
        if let Some(n) = lent {
            self.long_line = LongLine::Holds(n, now.mono);
            // What was unpacked already goes on.
            self.is_undrained = true;
        }
        lent.is_some()
    }

    /// Gives its unfinished line up, so that another client can have the buffer.
    pub(super) fn abandon_line(&mut self) {
        self.feed.reader().abandon(AT_ONCE);
        self.is_undrained = true;
    }

    /// Brings lines into the block; false when the block is full.
    pub(super) fn drain(&mut self, composer: &mut Composer, now: Now, reject: &mut dyn FnMut(Rejection<'_>, Peer)) -> bool {
        let (before, peer, rejected) = (composer.block().lines(), self.peer, &mut self.rejected);
        let mut told = |rejection: Rejection<'_>| {
            *rejected += 1;
            reject(rejection, peer);
        };
        let drained = self.feed.drain(composer, now, &mut told);
        self.lines += u64::from(composer.block().lines() - before);
        match drained {
            Drained::BlockFull => return false,
            Drained::More => {}
            Drained::Done => self.is_undrained = false,
            Drained::Corrupt(corrupt) => {
                self.trouble = Some(format!("what it sent is corrupt: {}; it is closed ({})", corrupt.0, RejectReason::Corrupt));
                (self.is_undrained, self.has_ended) = (false, true);
            }
        }
        true
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}
