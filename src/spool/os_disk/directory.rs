//! The directory itself: opened once, and every file reached through that descriptor by its bare name, so that no link and no renamed parent leads elsewhere.
//!
//! Files are 0600 and a directory that is made is 0700, whatever the umask. Called by root, new files belong to whom the directory belongs to.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};

use crate::spool::disk::Free;
use crate::spool::os_disk::error::{OpenError, Refusal};
use crate::spool::os_disk::names::Name;

/// File systems that forget: their magic numbers, from linux/magic.h.
const VOLATILE: [(u64, &str); 3] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs"), (0x794c_7630, "overlayfs")];

/// Bytes of the kernel's list of locks that are read.
const LOCKS_SIZE_MAX: u64 = 256 << 10;

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
    owner: (u32, u32),
    mode: u32,
}

impl Directory {
    /// Opens it; `make` makes it where it is missing, but not what is above it.
    pub(super) fn open(path: &Path, make: bool) -> Result<Directory, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = make && make_directory(path).map_err(|error| explain(path, "make it", error))?;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match explain(path, "open it", error.into()) {
            OpenError::Refused { directory, reason: Refusal::NoParent } if !make => OpenError::Refused { directory, reason: Refusal::Missing },
            error => error,
        })?;
        if made {
            let mode = rustix::fs::fchmod(&fd, Mode::RWXU);
            mode.map_err(|error| explain(path, "set its mode", error.into()))?;
            sync_parent(path);
        }
        let stat = rustix::fs::fstat(&fd).map_err(|error| explain(path, "look at it", error.into()))?;
        let mode = permissions(&stat);
        if mode & 0o002 != 0 {
            return Err(OpenError::Refused { directory: path.to_owned(), reason: Refusal::OthersWrite(mode) });
        }
        Ok(Directory { path: path.to_owned(), fd, owner: (stat.st_uid, stat.st_gid), mode })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The mode, where a group may write to it too.
    pub(super) fn group_writes(&self) -> Option<u32> {
        (self.mode & 0o020 != 0).then_some(self.mode)
    }

    /// Opens a file that is there.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    /// Opens a file that is there, to read and to append.
    pub(super) fn append(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::APPEND)
    }

    /// Opens a file that is there, to read and to write.
    pub(super) fn write(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR)
    }

    /// Makes a file, to read and to append or write; `AlreadyExists` where there is one.
    pub(super) fn make(&self, name: &str, append: bool) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | if append { OFlags::APPEND } else { OFlags::empty() };
        let file = self.file(name, flags)?;
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        let stat = rustix::fs::fstat(&file)?;
        if stat.st_uid == 0 && self.owner != (stat.st_uid, stat.st_gid) {
            // Root of a container may lack the right; then the files are root's.
            let _ = rustix::fs::fchown(&file, Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)));
        }
        Ok(file)
    }

    pub(super) fn exists(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something has this name that is no regular file, whatever a link may point to.
    pub(super) fn is_other(&self, name: &str) -> io::Result<bool> {
        Ok(!is_file(&rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file; one that is gone is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Each entry that has a name of ours: the name as text, understood, and its bytes where it is a regular file.
    pub(super) fn each(&self, mut visit: impl FnMut(&str, Name, Option<u64>)) -> io::Result<()> {
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = Name::parse(entry.file_name().to_bytes());
            let Ok(text) = entry.file_name().to_str() else { continue };
            if name == Name::Foreign {
                continue;
            }
            match rustix::fs::statat(&self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => visit(text, name, is_file(&stat).then(|| size(&stat))),
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Locks a file for as long as what is returned lives. Who holds it is asked of the kernel, so that a run that keeps nothing writes nothing to the card;
    /// where the kernel does not tell, our process number is written into it.
    pub(super) fn lock(&self, name: &str) -> Result<File, OpenError> {
        let failed = |error| match error {
            error if is_link(&error) => OpenError::Refused { directory: self.path.clone(), reason: Refusal::NoFile("lock") },
            error => explain(&self.path, "lock it", error),
        };
        // Whoever removes the file between our opening and locking it makes our lock worthless; so the name is looked at again.
        for _ in 0..10 {
            let mut file = match self.make(name, false) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.write(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    opened => opened,
                },
                made => made,
            }
            .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(OpenError::Locked { directory: self.path.clone(), pid: holder(&file).or_else(|| read_pid(&mut file)) });
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
            let here = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
            let ours = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
            if here.is_ok_and(|here| (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino)) {
                if holder(&file).is_none() {
                    // For people only: on a full disk the lock holds as well without it.
                    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                }
                return Ok(file);
            }
        }
        Err(failed(io::Error::other("somebody keeps removing the lock file")))
    }

    /// Another descriptor of the directory, to sync it with.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    pub(super) fn free(&self) -> io::Result<Option<Free>> {
        let stat = rustix::fs::fstatvfs(&self.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let free = Free { available: bytes(stat.f_bavail), total: bytes(stat.f_blocks) };
        // A tmpfs without a bound says zero of everything.
        Ok((free.total > 0).then_some(free))
    }

    /// The kind of a file system that does not outlive a reboot, or a container.
    pub(super) fn volatile(&self) -> io::Result<Option<&'static str>> {
        let kind = rustix::fs::fstatfs(&self.fd)?.f_type as u64 & 0xFFFF_FFFF;
        Ok(VOLATILE.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name))
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // NONBLOCK: a pipe with the name of a segment must not hold us up. It means nothing to a regular file.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        if is_file(&rustix::fs::fstat(&file)?) { Ok(File::from(file)) } else { Err(rustix::io::Errno::LOOP.into()) }
    }
}

/// Whether the file has a name no longer: what is written to it is lost when it is closed.
pub(super) fn is_gone(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstat(file)?.st_nlink == 0)
}

/// True when it was made, false when something was there.
fn make_directory(path: &Path) -> io::Result<bool> {
    match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        // On a read-only file system the answer is the same whether it is there or not.
        Err(error) if rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_err() => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// As well as it goes: above may be a directory that we may enter but not read. The first segment's sync shows whether the card works.
fn sync_parent(path: &Path) {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let _ = rustix::fs::openat(CWD, above, flags, Mode::empty()).and_then(rustix::fs::fsync);
}

fn explain(path: &Path, doing: &'static str, error: io::Error) -> OpenError {
    let directory = path.to_owned();
    let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok();
    let kind = stat.as_ref().map(|stat| FileType::from_raw_mode(stat.st_mode));
    let reason = match error.kind() {
        _ if crate::spool::disk::is_full(&error) => return OpenError::Full { directory, error },
        _ if kind == Some(FileType::Symlink) => Refusal::Link(std::fs::read_link(path).ok()),
        _ if kind.is_some_and(|kind| kind != FileType::Directory) => Refusal::NoDirectory,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if stat.is_none() => Refusal::NoParent,
        io::ErrorKind::PermissionDenied => Refusal::Denied(stat.map(|stat| (stat.st_uid, permissions(&stat)))),
        _ => return OpenError::Failed { directory, doing, error },
    };
    OpenError::Refused { directory, reason }
}

/// The process that holds a lock on the file, as the kernel's list of locks says; see proc_locks(5).
fn holder(file: &File) -> Option<u32> {
    let inode = rustix::fs::fstat(file).ok()?.st_ino.to_string();
    let mut text = String::new();
    File::open("/proc/locks").ok()?.take(LOCKS_SIZE_MAX).read_to_string(&mut text).ok()?;
    // 1: FLOCK  ADVISORY  WRITE 8729 fe:00:6275074 0 EOF; whoever waits for one has an arrow before its kind.
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next() == Some(&inode);
        fields.get(4).filter(|_| ours)?.parse().ok().filter(|pid| *pid > 0)
    })
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}
