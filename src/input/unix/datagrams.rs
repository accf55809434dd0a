//! Lines that come as datagrams: one or more lines each, the last one whole without a newline, since the datagram is the frame.
//!
//! One buffer for all sockets. What the system had to cut is rejected whole: which of its lines is whole cannot be known when a string is open.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::counters::RejectReason;
use crate::input::composer::{Composer, Rejection};
use crate::input::line_reader::{LineReader, Tail};
use crate::limits::READ_SIZE;
use crate::time::Now;

use super::feed::{Drained, Feed};

/// The datagram that is being taken.
#[derive(Debug)]
pub(super) struct Datagrams {
    feed: Feed,
    cut: bool,
    /// It is not drained.
    pub(super) is_undrained: bool,
}

/// What a socket had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A datagram of so many bytes.
    Some(usize),
    /// None now.
    Nothing,
}

impl Datagrams {
    /// Bytes of its buffers: what is received, and once more where that is packed.
    pub(super) const fn memory(line_size: usize) -> usize {
        2 * LineReader::memory(line_size)
    }

    pub(super) fn new(line_size: usize) -> Datagrams {
        let feed = Feed::new(LineReader::new(line_size), LineReader::memory(line_size), READ_SIZE);
        Datagrams { feed, cut: false, is_undrained: false }
    }

    /// Receives the next datagram of `socket`; the one before is drained.
    pub(super) fn receive(&mut self, socket: &impl AsFd) -> Received {
        self.feed.restart();
        let space = self.feed.space();
        let (room, result) = (space.len(), recv(socket, space, RecvFlags::TRUNC | RecvFlags::DONTWAIT));
        match result {
            Ok((_, size)) => {
                self.cut = size > room;
                self.feed.filled(size.min(room));
                self.feed.end(Tail::Accept);
                self.is_undrained = true;
                Received::Some(size)
            }
            // What else can be wrong with a datagram socket that was bound passes, or concerns one datagram.
            Err(Errno::INTR) => Received::Some(0),
            Err(_) => Received::Nothing,
        }
    }

    /// Brings lines into the block; false when the block is full.
    pub(super) fn drain(&mut self, composer: &mut Composer, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) -> bool {
        if self.cut {
            composer.reject(RejectReason::CutDatagram, self.feed.reader().held(), reject);
            (self.cut, self.is_undrained) = (false, false);
            return true;
        }
        match self.feed.drain(composer, now, reject) {
            Drained::BlockFull => return false,
            Drained::More => {}
            Drained::Done | Drained::Corrupt(_) => self.is_undrained = false,
        }
        true
    }
}
