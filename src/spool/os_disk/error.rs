//! Why a spool's directory cannot be used, and what a person can do about it.

use std::error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A spool's directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another process writes here. Wait for it, or end with 75.
    Locked {
        /// The directory.
        directory: PathBuf,
        /// The process, as it wrote it down itself; of its own container, if it runs in one.
        pid: Option<u32>,
    },
    /// The file system is read-only or full: run on the hot disk alone and try again later.
    Full {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nothing mends this but a person.
    Refused {
        /// The directory.
        directory: PathBuf,
        /// Why.
        reason: Refusal,
    },
    /// The system failed in another way; it may not fail the next time.
    Failed {
        /// The directory.
        directory: PathBuf,
        /// What was tried, as in "cannot …".
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Why a directory is not fit to be a spool's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not there, and was not to be made.
    Missing,
    /// The directory that it should be made in is not there.
    NoParent,
    /// It is a link, to this place where that could be read.
    Link(Option<PathBuf>),
    /// It is something else.
    NoDirectory,
    /// Everyone may write to it; its mode.
    OthersWrite(u32),
    /// It may not be opened, or nothing may be made in it. Its owner and mode, where they could be read.
    Denied(Option<(u32, u32)>),
    /// A file of ours is a link or no regular file: its name.
    NoFile(&'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { directory, pid } => {
                write!(f, "spool directory {}: in use by ", directory.display())?;
                match pid {
                    Some(pid) => write!(f, "process {pid}")?,
                    None => f.write_str("another process")?,
                }
                f.write_str("; wait until it ends, or give each its own directory")
            }
            OpenError::Full { directory, error } => {
                write!(f, "spool directory {}: {error}; lines wait in memory until it can be written to", directory.display())
            }
            OpenError::Refused { directory, reason } => write!(f, "spool directory {}: {reason}", directory.display()),
            OpenError::Failed { directory, doing, error } => write!(f, "spool directory {}: cannot {doing}: {error}", directory.display()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => f.write_str("there is no such directory"),
            Refusal::NoParent => f.write_str("the directory above it does not exist; make that first, only the last one is made for you"),
            Refusal::Link(Some(target)) => write!(f, "it is a link to {}; name that directory itself", target.display()),
            Refusal::Link(None) => f.write_str("it is a link; name the directory itself"),
            Refusal::NoDirectory => f.write_str("it is no directory; remove what is there, or name another place"),
            Refusal::OthersWrite(mode) => write!(f, "everyone may write to it (mode {mode:04o}); use a directory of its own, or chmod 700"),
            Refusal::Denied(Some((uid, mode))) => {
                write!(f, "permission denied, it belongs to user {uid} with mode {mode:04o}; run as that user, or chown it")
            }
            Refusal::Denied(None) => f.write_str("permission denied; give its user the right to make or enter it"),
            Refusal::NoFile(name) => write!(f, "the file '{name}' in it is a link or no regular file; look at it, then remove it"),
        }
    }
}

impl error::Error for OpenError {}

/// For where the directory is made again in the middle of a run.
impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> io::Error {
        let kind = match &error {
            OpenError::Locked { .. } => io::ErrorKind::WouldBlock,
            OpenError::Full { error, .. } | OpenError::Failed { error, .. } => error.kind(),
            OpenError::Refused { reason: Refusal::Missing | Refusal::NoParent, .. } => io::ErrorKind::NotFound,
            OpenError::Refused { .. } => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, error.to_string())
    }
}
