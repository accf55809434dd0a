//! One datagram after another to the service manager, as sd_notify(3) has it: a path, or an abstract name that begins with '@'.
//!
//! It never blocks and never fails: what the manager's queue has no room for is kept and goes in front of what is said next; any other trouble is the manager's.
//! Nothing is opened again or asked back.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config::Environment;

/// Bytes that are kept for a manager that does not read; more is dropped.
const UNSENT_MAX: usize = 4 << 10;

/// Where the manager listens.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
    unsent: String,
}

impl Notifier {
    /// What `NOTIFY_SOCKET` names; none where nobody wants to be told, or in a way that is not known here (`vsock:`).
    pub(super) fn from_environment(environment: &Environment) -> Option<Notifier> {
        let name = environment.get("NOTIFY_SOCKET")?;
        let to = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok()?,
            None if name.starts_with('/') => SocketAddr::from_pathname(&name).ok()?,
            None => return None,
        };
        // Non-blocking from the first, closed when a child is started.
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Notifier { socket, to, unsent: String::new() })
    }

    /// Says `text`, lines of `NAME=value`.
    pub(super) fn say(&mut self, text: &str) {
        if self.unsent.len() + text.len() <= UNSENT_MAX {
            self.unsent.push_str(text);
        }
        match self.socket.send_to_addr(self.unsent.as_bytes(), &self.to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => self.unsent.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    /// An abstract name of this process's own.
    fn manager(name: &str) -> (UnixDatagram, Notifier) {
        let name = format!("kinegraf-notify-{}-{name}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        let environment = Environment::from_pairs(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
        (manager, Notifier::from_environment(&environment).unwrap())
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut heard = Vec::new();
        let mut bytes = [0; 2 * UNSENT_MAX];
        loop {
            match manager.recv(&mut bytes) {
                Ok(n) => heard.push(String::from_utf8(bytes[..n].to_vec()).unwrap()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return heard,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for_and_hears_the_first_words_later() {
        let (manager, mut notifier) = manager("full");
        (0..2000).for_each(|n| notifier.say(&format!("STATUS={n}\n")));
        assert!(!notifier.unsent.is_empty() && notifier.unsent.len() <= UNSENT_MAX);
        let kept = notifier.unsent.lines().next().unwrap().to_owned();
        let first = heard(&manager);
        assert_eq!((first[0].as_str(), kept), ("STATUS=0\n", format!("STATUS={}", first.len())));
        notifier.say("READY=1\n");
        assert!(heard(&manager)[0].starts_with(&format!("STATUS={}\n", first.len())));
        assert_eq!(notifier.unsent, "");
    }

    #[test]
    fn nobody_is_told_where_nobody_wants_to_be() {
        for name in ["", "relative", "vsock:2:1234", &format!("/{}", "x".repeat(200))] {
            assert!(Notifier::from_environment(&Environment::from_pairs(&[("NOTIFY_SOCKET", name)])).is_none(), "{name}");
        }
        let gone = Environment::from_pairs(&[("NOTIFY_SOCKET", "/nonexistent/notify")]);
        let mut notifier = Notifier::from_environment(&gone).unwrap();
        notifier.say("READY=1\n");
        assert_eq!(notifier.unsent, "");
    }
}
