//! Sockets that systemd opened for this process, as sd_listen_fds(3) has it: `LISTEN_FDS` of them from number 3 on, if `LISTEN_PID` is this process, with
//! names in `LISTEN_FDNAMES`.
//!
//! What always holds: none of them is inherited by a child of ours, and none is taken that was meant for another process.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use listenfd::ListenFd;

use crate::config::{Environment, Listen};
use crate::limits::LISTENERS_MAX;

/// A socket that was opened by somebody else.
#[derive(Debug)]
pub struct Inherited {
    /// The socket.
    pub socket: OwnedFd,
    /// What the unit calls it, or its number.
    pub name: String,
    /// The address that it stands for; none for one without a path.
    pub address: Option<Listen>,
}

/// Takes over what is there; call it before anything else is opened, and while there is one thread.
///
/// # Errors
/// A file that is no Unix socket of streams or datagrams, or more of them than there may be.
pub fn inherit(environment: &Environment, pid: u32) -> Result<Vec<Inherited>, String> {
    let number = |name: &str| environment.get(name).and_then(|text| text.parse::<u32>().ok());
    let Some(count) = number("LISTEN_FDS").filter(|count| *count > 0 && number("LISTEN_PID") == Some(pid)) else { return Ok(Vec::new()) };
    let names = environment.get("LISTEN_FDNAMES").unwrap_or_default();
    // A connection of a socket unit with Accept=yes, which is standard input as well: nothing to listen on.
    if names == "connection" {
        return Ok(Vec::new());
    }
    if count as usize > LISTENERS_MAX {
        return Err(format!("systemd passed {count} sockets, at most {LISTENERS_MAX} can be listened on; take some out of the socket unit"));
    }
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let mut inherited = Vec::new();
    for n in 0..sockets.len() {
        let name = names.next().filter(|name| !name.is_empty() && *name != "unknown").map_or_else(|| format!("socket {n}"), str::to_owned);
        inherited.push(take(&mut sockets, n, &name).ok_or_else(|| {
            format!("what systemd passed as '{name}' is neither a Unix stream nor a Unix datagram socket; use ListenStream= or ListenDatagram= with a path")
        })?);
    }
    Ok(inherited)
}

fn take(sockets: &mut ListenFd, n: usize, name: &str) -> Option<Inherited> {
    let with = |socket: OwnedFd, path: Option<PathBuf>, address: fn(PathBuf) -> Listen| {
        let address = path.map(address);
        let shown = address.as_ref().map_or_else(|| name.to_owned(), |address| format!("{address} ({name})"));
        Some(Inherited { socket, name: shown, address })
    };
    if let Ok(Some(socket)) = sockets.take_unix_listener(n) {
        let path = socket.local_addr().ok().and_then(|address| address.as_pathname().map(PathBuf::from));
        return with(socket.into(), path, Listen::Unix);
    }
    if let Ok(Some(socket)) = sockets.take_unix_datagram(n) {
        let path = socket.local_addr().ok().and_then(|address| address.as_pathname().map(PathBuf::from));
        return with(socket.into(), path, Listen::Unixgram);
    }
    None
}
