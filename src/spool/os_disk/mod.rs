//! Segments as files in a directory, whether that is on a card or on a tmpfs. It knows names, rights and descriptors; what the bytes mean is the spool's
//! business, but for a segment's header, which says whose it is.
//!
//! - One writer: the directory is locked for as long as an [`OsDisk`] lives, and the lock goes with the process.
//! - No link is followed, nothing is overwritten that is not ours, and names that are not ours are left alone.
//! - Segments of other streams and of versions to come stay where they are; they are counted in [`Disk::used_elsewhere`].
//! - At most [`FILES_MAX`] descriptors are open, however many segments there are.
//! - A file or the directory that was removed under us is noticed at the next append or sync, and an append that begins a segment makes the directory again.
//!
//! How the files are called stands in `names.rs`, their bytes in `spool/segment.rs` and `spool/cursor.rs`.

mod directory;
mod error;
mod listing;
mod names;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::spool::cursor::SLOT_SIZE;
use crate::spool::disk::{Disk, Found, Free, PendingSync};
use crate::spool::segment::{self, StreamId};
use directory::Directory;
pub use error::{OpenError, Refusal};
pub use listing::{FileInfo, Listing, State, cursors, listing, listing_from, open_segment};
use names::Name;

/// Descriptors that a disk holds: the directory, two locks, the cursor, a segment to append to and one to read. A pending sync has two more.
pub const FILES_MAX: usize = 6;
/// Slots lie this far apart, so that no block of a card holds both.
const SLOT_STRIDE: u64 = 4096;

/// What a disk may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All of the directory; nobody else writes to it.
    Whole,
    /// What belongs to one stream, beside a writer that works for another one.
    OneStream,
}

/// A spool's directory.
#[derive(Debug)]
pub struct OsDisk {
    directory: Directory,
    access: Access,
    locks: [Option<File>; 2],
    stream: StreamId,
    hash: u32,
    appending: Option<(u64, File)>,
    reading: RefCell<Option<(u64, File)>>,
    cursor: Option<File>,
    /// Names made or changed, and how many of these changes are durable.
    changes: u64,
    durable: Arc<AtomicU64>,
    used_elsewhere: u64,
    first_free: u64,
}

impl OsDisk {
    /// Opens a directory for the segments of a stream, makes it where it is missing, and locks it.
    pub fn open(path: &Path, stream: StreamId, access: Access) -> Result<OsDisk, OpenError> {
        let directory = Directory::open(path, true)?;
        let hash = stream.hash();
        let locks = lock(&directory, hash, access)?;
        Ok(OsDisk {
            directory,
            access,
            locks,
            hash,
            stream,
            appending: None,
            reading: RefCell::new(None),
            cursor: None,
            // The directory itself may be new.
            changes: 1,
            durable: Arc::default(),
            used_elsewhere: 0,
            first_free: 0,
        })
    }

    /// The kind of its file system where that forgets at a reboot, or with its container: `tmpfs`, `ramfs`, `overlayfs`.
    pub fn volatile(&self) -> Option<&'static str> {
        self.directory.volatile().unwrap_or(None)
    }

    /// What a person should hear about the directory's rights, though it works.
    pub fn warning(&self) -> Option<String> {
        let mode = self.directory.group_writes()?;
        Some(format!(
            "spool directory {}: its group may write to it (mode {mode:04o}); chmod 700 unless that is meant",
            self.directory.path().display()
        ))
    }

    /// Makes the directory again after it was removed under us. What is open is of the old one.
    fn reopen(&mut self) -> io::Result<()> {
        let directory = Directory::open(self.directory.path(), true)?;
        self.locks = lock(&directory, self.hash, self.access)?;
        self.directory = directory;
        (self.appending, self.cursor) = (None, None);
        self.reading.replace(None);
        self.changes += 1;
        Ok(())
    }

    fn make(&mut self, name: &str, append: bool) -> io::Result<File> {
        let file = match self.directory.make(name, append) {
            // A file that is to be made can only be "not found" where its directory is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.reopen()?;
                self.directory.make(name, append)?
            }
            made => made?,
        };
        self.changes += 1;
        Ok(file)
    }

    /// Gives it the first of these names that nothing has.
    fn move_aside(&mut self, name: &str, names: impl Iterator<Item = String>) -> io::Result<()> {
        for to in names {
            if !self.directory.exists(&to)? {
                self.directory.rename(name, &to)?;
                self.changes += 1;
                return Ok(());
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn name(&self, segment: u64) -> String {
        names::segment(segment, self.hash)
    }

    /// The file that is appended to; it has a name.
    fn appending(&mut self, segment: u64) -> io::Result<&mut File> {
        let file = match self.appending.take() {
            Some((number, file)) if number == segment => file,
            _ => match self.directory.append(&self.name(segment)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(&self.name(segment), true)?,
                opened => opened?,
            },
        };
        if directory::is_gone(&file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(&mut self.appending.insert((segment, file)).1)
    }

    fn pending(&self, file: File) -> io::Result<OsSync> {
        let behind = self.durable.load(Ordering::Relaxed) < self.changes;
        let directory = if behind { Some((self.directory.descriptor()?, self.changes, self.durable.clone())) } else { None };
        Ok(OsSync { file, directory })
    }

    /// The open file of a segment, or another one of it.
    fn any(&self, segment: u64) -> io::Result<File> {
        match &self.appending {
            Some((number, file)) if *number == segment => file.try_clone(),
            _ => self.directory.append(&self.name(segment)),
        }
    }

    fn close(&mut self, segment: u64) {
        self.appending.take_if(|(number, _)| *number == segment);
        self.reading.get_mut().take_if(|(number, _)| *number == segment);
    }
}

impl Disk for OsDisk {
    type Sync = OsSync;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        let (mut found, mut elsewhere, mut first_free) = (Vec::new(), 0, 0);
        self.directory.each(|name, kind, size| match kind {
            Name::Segment { number, hash } if hash == self.hash => {
                first_free = first_free.max(number.saturating_add(1));
                // A link or a directory in a segment's place is left alone, and no segment begins there.
                let Some(size) = size else { return };
                if self.is_ours(name, size) { found.push(Found { segment: number, size }) } else { elsewhere += size }
            }
            Name::SetAside { number, hash } => {
                first_free = first_free.max(if hash == self.hash { number.saturating_add(1) } else { 0 });
                elsewhere += size.unwrap_or(0);
            }
            Name::Segment { .. } => elsewhere += size.unwrap_or(0),
            Name::Cursor { .. } | Name::Lock | Name::Foreign => {}
        })?;
        (self.used_elsewhere, self.first_free) = (elsewhere, first_free);
        found.sort_unstable();
        Ok(found)
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        self.appending(segment)?.write_all(bytes)
    }

    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some((_, file)) = self.appending.as_ref().filter(|(number, _)| *number == segment) {
            return file.read_exact_at(out, offset);
        }
        let mut reading = self.reading.borrow_mut();
        let file = match reading.take() {
            Some((number, file)) if number == segment => file,
            _ => self.directory.read(&self.name(segment))?,
        };
        let result = file.read_exact_at(out, offset);
        *reading = Some((segment, file));
        result
    }

    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()> {
        let file = self.any(segment)?;
        if file.metadata()?.len() > size { file.set_len(size) } else { Ok(()) }
    }

    fn begin_sync(&mut self, segment: u64) -> io::Result<OsSync> {
        self.pending(self.any(segment)?)
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.close(segment);
        self.directory.remove(&self.name(segment))
    }

    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        let name = self.name(segment);
        let size = self.any(segment).and_then(|file| file.metadata()).map_or(0, |found| found.len());
        self.close(segment);
        self.move_aside(&name, names::aside(&name))?;
        self.used_elsewhere += size;
        self.first_free = self.first_free.max(segment.saturating_add(1));
        Ok(())
    }

    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()> {
        out.fill(0);
        let file = match self.directory.read(&names::cursor(self.hash)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        for (slot, out) in out.chunks_exact_mut(SLOT_SIZE).enumerate() {
            match file.read_exact_at(out, slot as u64 * SLOT_STRIDE) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => out.fill(0),
                read => read?,
            }
        }
        Ok(())
    }

    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        assert!(slot < 2, "a cursor has two slots");
        let name = names::cursor(self.hash);
        let file = match self.cursor.take() {
            Some(file) if !directory::is_gone(&file)? => file,
            _ => match self.directory.write(&name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(&name, false)?,
                Err(error) if !self.directory.is_other(&name)? => return Err(error),
                // A directory or a link: nothing is followed or destroyed, and the spool needs its name.
                Err(_) => {
                    self.move_aside(&name, names::aside(&name))?;
                    self.make(&name, false)?
                }
                opened => opened?,
            },
        };
        let result = file.write_all_at(bytes, slot as u64 * SLOT_STRIDE);
        self.cursor = Some(file);
        result
    }

    fn begin_sync_cursor(&mut self) -> io::Result<OsSync> {
        match &self.cursor {
            Some(file) => self.pending(file.try_clone()?),
            None => self.pending(self.directory.write(&names::cursor(self.hash))?),
        }
    }

    fn used_elsewhere(&self) -> u64 {
        self.used_elsewhere
    }

    fn first_free(&self) -> u64 {
        self.first_free
    }

    fn free(&self) -> io::Result<Option<Free>> {
        self.directory.free()
    }
}

impl OsDisk {
    /// Whether a segment with our stream's hash is ours to deliver. One whose header is damaged is: nobody else will ever look at it. One that we may not
    /// read is not: its rights can be mended.
    fn is_ours(&self, name: &str, size: u64) -> bool {
        let mut header = [0; segment::HEADER_SIZE_MAX];
        let header = &mut header[..usize::try_from(size).unwrap_or(usize::MAX).min(segment::HEADER_SIZE_MAX)];
        match self.directory.read(name).and_then(|file| file.read_exact_at(header, 0)) {
            Ok(()) => match segment::read_header(header) {
                Ok((stream, _)) => stream == self.stream,
                Err(stop) => !matches!(stop, segment::Stop::UnknownVersion(_)),
            },
            Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
        }
    }
}

fn lock(directory: &Directory, hash: u32, access: Access) -> Result<[Option<File>; 2], OpenError> {
    let whole = if access == Access::Whole { Some(directory.lock(names::LOCK)?) } else { None };
    Ok([whole, Some(directory.lock(&names::stream_lock(hash))?)])
}

/// A sync that was begun: descriptors of its own, so that nothing else need be held while it waits.
#[derive(Debug)]
pub struct OsSync {
    file: File,
    directory: Option<(OwnedFd, u64, Arc<AtomicU64>)>,
}

impl PendingSync for OsSync {
    fn wait(self) -> io::Result<()> {
        self.file.sync_data()?;
        if let Some((directory, changes, durable)) = self.directory {
            rustix::fs::fsync(directory)?;
            durable.fetch_max(changes, Ordering::Relaxed);
        }
        // A sync of a file that nobody can find again succeeds as well.
        if directory::is_gone(&self.file)? { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}
