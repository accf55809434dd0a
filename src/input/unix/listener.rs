//! A socket that lines come through: a stream socket gives connections, a datagram socket the lines themselves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, accept_with, shutdown};

use crate::config::Listen;
use crate::time::{Deadline, Now};

use super::bind::{self, BindError, SocketFile};

/// How long a listener is left alone when the system has no room for another connection.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// A socket that is listened on.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    name: String,
    datagrams: bool,
    /// Made by this process; else it was handed in, and belongs to somebody who goes on listening.
    file: Option<SocketFile>,
    left_alone: Option<Deadline>,
    /// `poll` found something.
    pub(super) is_ready: bool,
    /// Nothing will come any longer.
    pub(super) is_over: bool,
}

/// The system has no room for a connection that waits.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: io::Error,
    /// It had none the last time either.
    pub(super) said: bool,
}

impl Listener {
    /// Makes the socket of an address, as described in `unix/bind.rs`; `None` for standard input, which is none.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: &Listen, mode: u32, group: Option<&str>) -> Result<Option<Listener>, BindError> {
        let (path, kind) = match address {
            Listen::Stdin => return Ok(None),
            Listen::Unix(path) => (path, SocketType::STREAM),
            Listen::Unixgram(path) => (path, SocketType::DGRAM),
        };
        let name = address.to_string();
        let (socket, file) = bind::at(&name, path, kind, mode, group)?;
        Ok(Some(Listener { socket, name, datagrams: kind == SocketType::DGRAM, file: Some(file), left_alone: None, is_ready: false, is_over: false }))
    }

    /// A socket that was opened by somebody else, who goes on listening on it when this process has ended.
    ///
    /// # Errors
    /// It is no Unix socket that lines can come through.
    pub fn inherited(socket: OwnedFd, name: &str) -> Result<Listener, BindError> {
        let error = |why: &str| BindError::new(name, why);
        if !socket_domain(&socket).is_ok_and(|domain| domain == AddressFamily::UNIX) {
            return Err(error("the file that was handed in is no Unix socket"));
        }
        let datagrams = match socket_type(&socket) {
            Ok(SocketType::DGRAM) => true,
            Ok(SocketType::STREAM) if socket_acceptconn(&socket).unwrap_or(false) => false,
            _ => return Err(error("the socket that was handed in is neither a listening stream socket nor a datagram socket")),
        };
        let nonblocking = fcntl_getfl(&socket).and_then(|flags| fcntl_setfl(&socket, flags | OFlags::NONBLOCK));
        nonblocking.map_err(|_| error("the socket that was handed in cannot be made non-blocking"))?;
        Ok(Listener { socket, name: name.to_owned(), datagrams, file: None, left_alone: None, is_ready: false, is_over: false })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it gives lines and not connections.
    pub fn is_datagrams(&self) -> bool {
        self.datagrams
    }

    /// Whether somebody else goes on listening.
    pub(super) fn is_inherited(&self) -> bool {
        self.file.is_none()
    }

    /// The next connection that waits, if one does.
    pub(super) fn accept(&mut self, now: Now) -> Result<Option<OwnedFd>, Refused> {
        loop {
            match accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    self.left_alone = None;
                    return Ok(Some(socket));
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(found) => {
                    let said = self.left_alone.replace(Deadline(now.mono + LEFT_ALONE)).is_some();
                    return Err(Refused { error: found.into(), said });
                }
            }
        }
    }

    /// It is not to be asked until then, since the system had no room for a connection.
    pub(super) fn left_alone(&self, now: Now) -> Option<Deadline> {
        self.left_alone.filter(|until| !until.passed(now))
    }

    /// Nobody can find it any longer, and what was sent so far can be read to its end.
    pub(super) fn close_door(&mut self) {
        let Some(file) = self.file.as_ref() else { return };
        file.remove();
        if self.datagrams {
            // Senders that are connected are refused from here on.
            _ = shutdown(&self.socket, Shutdown::Read);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::time::Duration;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::ZERO };

    #[test]
    fn a_socket_that_was_handed_in_is_used_and_its_file_left_alone() {
        let path = std::env::temp_dir().join(format!("kinegraf-inherited-{}", std::process::id()));
        _ = std::fs::remove_file(&path);
        let theirs = UnixListener::bind(&path).unwrap();
        let mut listener = Listener::inherited(theirs.try_clone().unwrap().into(), "kinegraf.socket").unwrap();
        assert!(listener.accept(NOW).unwrap().is_none(), "it does not block");
        let client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept(NOW).unwrap().is_some());
        drop(client);
        listener.close_door();
        drop(listener);
        UnixStream::connect(&path).expect("whoever handed it in goes on listening");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_lines_cannot_come_through_is_refused_by_its_name() {
        let (connected, _other) = UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let inet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for fd in [OwnedFd::from(connected), file.into(), inet.into()] {
            let error = Listener::inherited(fd, "wrong.socket").unwrap_err().to_string();
            assert!(error.starts_with("wrong.socket: the "), "{error}");
        }
        assert!(Listener::inherited(UnixDatagram::unbound().unwrap().into(), "right.socket").unwrap().is_datagrams());
    }
}
