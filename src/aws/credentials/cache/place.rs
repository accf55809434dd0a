//! The directory: used only if nobody but us and root can put another file, or another directory, in the place of ours.
//!
//! It is walked from the root, one descriptor after the other, without following a link: what was checked is what is used.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::config::environment::Environment;

/// A directory by its name.
pub(super) struct Place {
    path: PathBuf,
    /// It was configured: it is made where it is missing.
    make: bool,
}

impl Place {
    /// The one that was configured, else systemd's for the service, else the one of the session.
    pub(super) fn new(configured: Option<&Path>, environment: &Environment) -> Option<Place> {
        if let Some(path) = configured {
            return Some(Place { path: path.to_owned(), make: true });
        }
        let path = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].iter().find_map(|name| environment.get(name))?;
        // systemd may name several.
        Some(Place { path: PathBuf::from(path.split(':').next()?), make: false })
    }

    /// The bytes of a file that only we can have written; none where there is none.
    pub(super) fn read(&self, name: &str, size_max: usize) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let Some(directory) = self.open(false)? else { return Ok(None) };
        // NONBLOCK: a pipe of that name must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| format!("{name}: {error}"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(format!("{name} is no file of its own"));
        }
        if !is_ours(&stat) || mode(&stat) & 0o077 != 0 {
            return Err(format!("{name} belongs to user {} and has mode {:04o}, must be ours and 0600", stat.st_uid, mode(&stat)));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(size_max + 1));
        let read = File::from(file).take(size_max as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() > size_max { Err(format!("{name} has more than {size_max} bytes")) } else { Ok(Some(bytes)) }
    }

    /// Puts a file in the place of the one that may be there, whatever that is: readers see one of both, whole.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let Some(directory) = self.open(self.make)? else { return Ok(()) };
        let failed = |doing: &str, error: &dyn std::fmt::Display| format!("cannot {doing} a file in {}: {error}", self.path.display());
        // Only a process that was killed in here with our number can have left one of that name.
        let temporary = format!(".{name}.{}", std::process::id());
        let mut file = match make_file(&directory, &temporary) {
            Err(Errno::EXIST) => {
                _ = rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty());
                make_file(&directory, &temporary)
            }
            made => made,
        };
        let written = match &mut file {
            Ok(file) => file.write_all(bytes).map_err(|error| failed("write", &error)),
            Err(error) => return Err(failed("make", error)),
        };
        let renamed = written.and_then(|()| rustix::fs::renameat(&directory, &temporary, &directory, name).map_err(|error| failed("rename", &error)));
        if renamed.is_err() {
            _ = rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty());
        }
        renamed
    }

    /// Opens the directory, every part of its path checked; none where it is missing.
    fn open(&self, make: bool) -> Result<Option<OwnedFd>, String> {
        let path = std::path::absolute(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (mut directory, mut so_far) = (None::<OwnedFd>, PathBuf::new());
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            so_far.push(component);
            let part = if component == Component::RootDir { Path::new("/") } else { Path::new(component.as_os_str()) };
            let open = |above: &Option<OwnedFd>| match above {
                Some(above) => rustix::fs::openat(above, part, flags, Mode::empty()),
                None => rustix::fs::openat(CWD, part, flags, Mode::empty()),
            };
            let opened = match (open(&directory), &directory) {
                (Err(Errno::NOENT), Some(above)) if make && components.peek().is_none() => {
                    // Another process may be quicker.
                    _ = rustix::fs::mkdirat(above, part, Mode::RWXU);
                    open(&directory)
                }
                (opened, _) => opened,
            };
            let opened = match opened {
                Ok(opened) => opened,
                Err(Errno::NOENT) if !make => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(format!("{} is a link or no directory: name the directory itself", so_far.display())),
                Err(error) => return Err(format!("{}: {}", so_far.display(), std::io::Error::from(error))),
            };
            let stat = rustix::fs::fstat(&opened).map_err(|error| format!("{}: {error}", so_far.display()))?;
            let sticky = mode(&stat) & 0o1000 != 0;
            if mode(&stat) & 0o022 != 0 && !sticky {
                return Err(format!("others may write to {} (mode {:04o}); chmod go-w it", so_far.display(), mode(&stat)));
            }
            if !is_ours(&stat) {
                return Err(format!("{} belongs to user {}, must be ours or root's", so_far.display(), stat.st_uid));
            }
            directory = Some(opened);
        }
        Ok(directory)
    }
}

fn make_file(directory: &OwnedFd, name: &str) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

fn mode(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}
