//! Where lines wait: the two disks of a run, opened as the configuration says.
//!
//! A directory that another process writes to is waited for. One that cannot be written to is done without, loudly: lines wait in hot alone. One that is not
//! fit to be a spool's is a mistake of the configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Config, Environment};
use crate::spool::cursor::SLOT_SIZE;
use crate::spool::disk::{Disk, Found, Free, PendingSync, RamDisk, Synced};
use crate::spool::os_disk::{Access, OpenError, OsDisk, OsSync};
use crate::spool::segment::StreamId;
use crate::time::{Clock, Deadline};

/// How often a locked directory is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A disk of the product.
#[derive(Debug)]
pub enum AnyDisk {
    /// In memory.
    Ram(Box<RamDisk>),
    /// In a directory.
    Os(Box<OsDisk>),
}

/// What makes it durable.
#[derive(Debug)]
pub enum AnySync {
    /// Nothing need be done.
    Ram(Synced),
    /// fsync.
    Os(OsSync),
}

impl PendingSync for AnySync {
    fn wait(self) -> io::Result<()> {
        match self {
            AnySync::Ram(sync) => sync.wait(),
            AnySync::Os(sync) => sync.wait(),
        }
    }
}

/// One call for both kinds.
macro_rules! each {
    ($self:expr, $disk:ident => $call:expr) => {
        match $self {
            AnyDisk::Ram($disk) => $call,
            AnyDisk::Os($disk) => $call,
        }
    };
}

impl Disk for AnyDisk {
    type Sync = AnySync;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        each!(self, disk => disk.list())
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        each!(self, disk => disk.append(segment, bytes))
    }

    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        each!(self, disk => disk.read_at(segment, offset, out))
    }

    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()> {
        each!(self, disk => disk.truncate(segment, size))
    }

    fn begin_sync(&mut self, segment: u64) -> io::Result<AnySync> {
        match self {
            AnyDisk::Ram(disk) => disk.begin_sync(segment).map(AnySync::Ram),
            AnyDisk::Os(disk) => disk.begin_sync(segment).map(AnySync::Os),
        }
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        each!(self, disk => disk.remove(segment))
    }

    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        each!(self, disk => disk.set_aside(segment))
    }

    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()> {
        each!(self, disk => disk.read_cursor(out))
    }

    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        each!(self, disk => disk.write_cursor(slot, bytes))
    }

    fn begin_sync_cursor(&mut self) -> io::Result<AnySync> {
        match self {
            AnyDisk::Ram(disk) => disk.begin_sync_cursor().map(AnySync::Ram),
            AnyDisk::Os(disk) => disk.begin_sync_cursor().map(AnySync::Os),
        }
    }

    fn used_elsewhere(&self) -> u64 {
        each!(self, disk => disk.used_elsewhere())
    }

    fn first_free(&self) -> u64 {
        each!(self, disk => disk.first_free())
    }

    fn free(&self) -> io::Result<Option<Free>> {
        each!(self, disk => disk.free())
    }
}

/// Both disks, and what a person should know of them.
#[derive(Debug)]
pub struct Disks {
    /// Where lines are born.
    pub hot: AnyDisk,
    /// Where they are kept.
    pub cold: Option<AnyDisk>,
    /// Where they would be kept, had it been possible to open it: to be tried again.
    pub late: Option<PathBuf>,
    /// Whose lines they are.
    pub stream: StreamId,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Opens the disks. Waits for another writer until the run's own limit.
///
/// # Errors
/// [`OpenError::Locked`] when the other writer stays, [`OpenError::Refused`] when a person has to mend something.
pub fn open(config: &Config, environment: &Environment, clock: &Clock) -> Result<Disks, OpenError> {
    let until = Deadline(config.delivery.deadline.unwrap_or(config.delivery.shutdown_timeout));
    let stream = config.destination.as_ref().and_then(|destination| destination.stream_id().ok()).unwrap_or_else(no_stream);
    let mut disks = Disks { stream, ..Disks::in_memory(config) };
    if config.dry_run {
        return Ok(disks);
    }
    if let Some(path) = &config.spool.directory {
        disks.cold = disks.open_one(path, until, clock, "every 10 s")?;
        disks.late = disks.cold.is_none().then(|| path.clone());
    }
    if let Some(path) = hot_path(config, environment, &disks.stream)
        && let Some(hot) = disks.open_one(&path, until, clock, "at the next start")?
    {
        disks.hot = hot;
    }
    if let Some(AnyDisk::Os(cold)) = &disks.cold {
        let path = config.spool.directory.as_deref().unwrap_or(Path::new("")).display();
        disks.warnings.extend(cold.warning());
        disks.warnings.extend(
            cold.volatile().map(|kind| {
                format!("spool.directory {path} is on {kind}, which forgets at a reboot: lines that wait there do not survive a power cut")
            }),
        );
    }
    Ok(disks)
}

/// Opens a directory that could not be opened before.
pub(super) fn open_again(path: &Path, stream: &StreamId) -> Option<AnyDisk> {
    OsDisk::open(path, stream.clone(), Access::Whole).ok().map(|disk| AnyDisk::Os(Box::new(disk)))
}

impl Disks {
    /// Memory alone: what waits is lost with the process.
    pub fn in_memory(config: &Config) -> Disks {
        let hot = AnyDisk::Ram(Box::new(RamDisk::new(config.spool.segment_size)));
        Disks { hot, cold: None, late: None, stream: no_stream(), warnings: Vec::new() }
    }

    fn open_one(&mut self, path: &Path, until: Deadline, clock: &Clock, again: &str) -> Result<Option<AnyDisk>, OpenError> {
        match open_directory(path, &self.stream, Access::Whole, until, clock) {
            Ok(disk) => Ok(Some(disk)),
            Err(error @ (OpenError::Full { .. } | OpenError::Failed { .. })) => {
                self.warnings.push(format!("{error}; it is tried again {again}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens a directory. Waits for another writer.
///
/// # Errors
/// Every reason why it cannot be used; [`OpenError::Locked`] when the other writer is there still at `until`.
pub fn open_directory(path: &Path, stream: &StreamId, access: Access, until: Deadline, clock: &Clock) -> Result<AnyDisk, OpenError> {
    loop {
        match OsDisk::open(path, stream.clone(), access) {
            Ok(disk) => return Ok(AnyDisk::Os(Box::new(disk))),
            Err(OpenError::Locked { .. }) if !until.passed(clock.now()) => std::thread::sleep(LOOK_AGAIN),
            Err(error) => return Err(error),
        }
    }
}

/// The directory of the hot disk, where there is one.
pub fn hot_path(config: &Config, environment: &Environment, stream: &StreamId) -> Option<PathBuf> {
    config.spool.hot.clone().or_else(|| default_hot(config, environment, stream))
}

/// A directory in memory that outlives the process but not the machine, where systemd made one.
fn default_hot(config: &Config, environment: &Environment, stream: &StreamId) -> Option<PathBuf> {
    let runtime = environment.get("RUNTIME_DIRECTORY")?;
    let first = runtime.split(':').next()?;
    let directory = config.spool.directory.as_deref().map_or(Vec::new(), |path| path.as_os_str().as_encoded_bytes().to_vec());
    let name = crc32c::crc32c_append(stream.hash(), &directory);
    Some(Path::new(first).join(format!("spool-{name:08x}")))
}

/// Where nothing has a destination, nothing is kept either.
fn no_stream() -> StreamId {
    StreamId::new("-", "-", None).expect("two short names")
}
