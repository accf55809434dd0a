//! Who is at the other end: shown in the log and beside each rejected line.

use std::fmt;
use std::os::fd::AsFd;

use rustix::net::sockopt::socket_peercred;

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever writes to standard input.
    Stdin,
    /// The process that connected, as it was when it did so.
    Process {
        /// Its number.
        pid: i32,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A process of which the system does not say more, such as one in another container.
    Unknown,
    /// A datagram, which says nothing of its sender.
    Datagram,
}

impl Peer {
    /// Of a connected socket.
    pub(super) fn of(socket: &impl AsFd) -> Peer {
        match socket_peercred(socket) {
            Ok(found) => Peer::Process { pid: found.pid.as_raw_nonzero().get(), uid: found.uid.as_raw(), gid: found.gid.as_raw() },
            Err(_) => Peer::Unknown,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Stdin => f.write_str("stdin"),
            Peer::Process { pid, uid, gid } => write!(f, "pid {pid} uid {uid} gid {gid}"),
            Peer::Unknown => f.write_str("a process that the system does not name"),
            Peer::Datagram => f.write_str("a datagram"),
        }
    }
}
