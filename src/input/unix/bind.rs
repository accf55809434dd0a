//! A socket file comes to be: with its mode and group from the first moment on, over a stale one, never over anything else.
//!
//! What always holds: nobody whom `mode` and `group` keep out can connect or send at any moment; a socket that somebody listens on stays.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::event::{Timespec, poll};
use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Mode, chmodat, chownat, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// How often a directory that somebody else has locked is tried,
const LOCK_TRIES: u32 = 100;
/// and how long there is between.
const LOCK_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// Bytes of `/etc/group` that are looked through.
const GROUPS_SIZE_MAX: u64 = 4 << 20;

/// Why a socket cannot be listened on; its text says what to do.
#[derive(Debug)]
pub struct BindError {
    address: String,
    why: String,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.why)
    }
}

impl std::error::Error for BindError {}

impl BindError {
    pub(super) fn new(address: &str, why: impl Into<String>) -> BindError {
        BindError { address: address.to_owned(), why: why.into() }
    }
}

/// A socket file that this process made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Removes the file, if it is still the one that was made.
    pub(super) fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            // Whoever comes later finds that nobody listens.
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds and, if it is a stream socket, listens.
///
/// # Errors
/// Somebody listens there; something else than a socket is there; the directory or the group does not exist; the system refuses.
pub(super) fn at(address: &str, path: &Path, kind: SocketType, mode: u32, group: Option<&str>) -> Result<(OwnedFd, SocketFile), BindError> {
    let error = |why: String| BindError::new(address, why);
    let system = |what: &'static str| move |found: Errno| BindError::new(address, format!("{what}: {}", io::Error::from(found)));
    let group =
        group.map(|name| find_group(name).ok_or_else(|| error(format!("there is no group '{name}'; create it, or mend 'input.socket_group'"))));
    let group = group.transpose()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let opened = File::open(directory);
    if opened.as_ref().is_err_and(|found| found.kind() == io::ErrorKind::NotFound) {
        return Err(error(format!("the directory {} does not exist; create it, or mend 'input.listen'", directory.display())));
    }
    // Two of us that start at once do not both find the same stale file.
    _ = opened.as_ref().map(lock);
    let unix = SocketAddrUnix::new(path).map_err(system("the path is no address of a socket"))?;
    remove_stale(&error, path, &unix)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, kind, flags, None).map_err(system("no socket can be made"))?;
    // Linux gives the file this mode when it is bound; chmod widens it when the group is right.
    _ = fchmod(&socket, Mode::RUSR | Mode::WUSR);
    bind(&socket, &unix).map_err(|found| match found {
        Errno::ADDRINUSE => error("another process began to listen there at the same moment; only one can".to_owned()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            error(format!("no socket can be made in {}: {}; give this user the right to write there", directory.display(), io::Error::from(found)))
        }
        found => error(format!("no socket can be made there: {}", io::Error::from(found))),
    })?;
    let found = fs::symlink_metadata(path).map_err(|found| error(format!("the socket is gone as soon as it was made: {found}")))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(&found) };
    let prepared = (|| {
        if let Some(group) = group {
            let denied = |found| {
                BindError::new(address, format!("the socket cannot be given to group {group}: {}; be a member of it", io::Error::from(found)))
            };
            chownat(CWD, path, None, Some(Gid::from_raw(group)), AtFlags::SYMLINK_NOFOLLOW).map_err(denied)?;
        }
        chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty()).map_err(system("the socket's mode cannot be set"))?;
        if kind == SocketType::STREAM {
            listen(&socket, BACKLOG).map_err(system("cannot listen there"))?;
        }
        Ok(())
    })();
    if let Err(found) = prepared {
        file.remove();
        return Err(found);
    }
    drop(opened);
    Ok((socket, file))
}

/// Locks a directory for us alone. Another one of us holds it for milliseconds; whoever holds it for something else is not waited for.
fn lock(directory: &File) {
    for _ in 0..LOCK_TRIES {
        if flock(directory, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
            return;
        }
        // It sleeps: there is nothing to poll.
        _ = poll(&mut [], Some(&LOCK_PAUSE));
    }
}

/// Makes room for a socket where a dead one is.
fn remove_stale(error: &dyn Fn(String) -> BindError, path: &Path, unix: &SocketAddrUnix) -> Result<(), BindError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(found) if found.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(found) => return Err(error(format!("it cannot be seen what is there: {found}"))),
    };
    if !found.file_type().is_socket() {
        return Err(error("what is there is no socket; remove it, or mend 'input.listen'".to_owned()));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).and_then(|probe| connect(&probe, unix));
    match probe {
        Err(Errno::CONNREFUSED) => fs::remove_file(path)
            .map_err(|found| error(format!("a socket that nobody listens on is there and cannot be removed: {found}; remove it"))),
        Err(Errno::NOENT) => Ok(()),
        // AGAIN: its backlog is full. PROTOTYPE: it is of the other kind.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err(error("another process listens there; stop it, or let one of both listen elsewhere".to_owned()))
        }
        Err(found) => Err(error(format!("a socket is there and cannot be tried: {}; remove it if nobody listens", io::Error::from(found)))),
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// The number of a group that is named, or is a number. Looks into `/etc/group` only: a static binary has nothing else.
fn find_group(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        // To the system that number means that the group stays.
        return Some(number).filter(|number| *number != u32::MAX);
    }
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(File::open("/etc/group").ok()?, GROUPS_SIZE_MAX), &mut text).ok()?;
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let found = fields.next() == Some(name.as_bytes());
        let number = fields.nth(1).filter(|_| found)?;
        std::str::from_utf8(number).ok()?.parse().ok().filter(|number| *number != u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::Barrier;

    #[test]
    fn of_many_that_find_the_same_stale_file_at_once_one_listens_there() {
        const MANY: usize = 6;
        let path = std::env::temp_dir().join(format!("kinegraf-race-{}", std::process::id()));
        for _ in 0..100 {
            _ = fs::remove_file(&path);
            drop(UnixListener::bind(&path).unwrap());
            let begin = Barrier::new(MANY);
            let bound: Vec<_> = std::thread::scope(|scope| {
                let start = || {
                    begin.wait();
                    at("unix:///x", &path, SocketType::STREAM, 0o600, None)
                };
                let all: Vec<_> = (0..MANY).map(|_| scope.spawn(start)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let errors: Vec<String> = bound.iter().filter_map(|one| one.as_ref().err().map(ToString::to_string)).collect();
            assert_eq!(errors.len(), MANY - 1, "{errors:?}");
            UnixStream::connect(&path).expect("whoever has it listens");
        }
        fs::remove_file(path).unwrap();
    }
}
