//! The only trait of ours: a place that keeps segments, spoken to in numbers, not in paths. [`RamDisk`] is the one in memory.
//! The spool's directory ([`crate::spool::os_disk`]) and the simulator's disk come beside it. What the bytes of a segment mean is not known here.
//!
//! What always holds: a segment's bytes are those that were appended, less what a caller cut off; nothing is durable until a [`PendingSync`] said so.

use std::io;

use crate::spool::cursor::SLOT_SIZE;

/// A segment of this destination that is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The position of its first block.
    pub segment: u64,
    /// Its bytes, header and torn tail included.
    pub size: u64,
}

/// Room in a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// What this process may still use.
    pub available: u64,
    /// All of it.
    pub total: u64,
}

/// Whether an error means that nothing more can be written for now: no room, no quota, or a file system that turned read-only.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem)
}

/// Waits until what was written is durable. Made under a lock, waited for outside of it, in any thread.
pub trait PendingSync: Send {
    /// After an error nobody may rely on what was written since the last sync, and syncing the same segment again proves nothing.
    fn wait(self) -> io::Result<()>;
}

/// Keeps segments: byte strings that grow at their end until they are removed whole; and two slots for a cursor.
pub trait Disk {
    /// What `begin_sync` gives.
    type Sync: PendingSync;

    /// Segments of this destination, in rising order.
    fn list(&mut self) -> io::Result<Vec<Found>>;
    /// Appends to a segment; the first append makes it. After an error its tail may hold a part of `bytes`: truncate or abandon it.
    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fills `out` from `offset` on, or fails: `UnexpectedEof` beyond the end, `NotFound` where there is no such segment.
    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Cuts a segment to its first `size` bytes.
    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()>;
    /// Begins to make durable what was appended to a segment, and that the segment is there. The first one also makes durable what earlier processes did to
    /// names: a segment that they removed must not come back in front of what takes its place.
    fn begin_sync(&mut self, segment: u64) -> io::Result<Self::Sync>;
    /// Forgets a segment. One that is gone already is no error. A sync of it that was begun before may then fail with `NotFound`, which means nothing.
    fn remove(&mut self, segment: u64) -> io::Result<()>;
    /// Takes a segment out of `list` but keeps it for a person to look at, where there is a place for that.
    fn set_aside(&mut self, segment: u64) -> io::Result<()>;
    /// Both slots of the cursor; zeros where nothing was written.
    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()>;
    /// Writes slot 0 or 1.
    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()>;
    /// Begins to make the cursor durable.
    fn begin_sync_cursor(&mut self) -> io::Result<Self::Sync>;
    /// Bytes that this spool occupies beside what `list` shows: set aside, or of other destinations.
    fn used_elsewhere(&self) -> u64;
    /// No file here, listed or not, has this number or a higher one, as of the last `list`; begin new segments there or after it.
    fn first_free(&self) -> u64 {
        0
    }
    /// Room in the file system; `None` where there is no such thing.
    fn free(&self) -> io::Result<Option<Free>>;
}

/// Buffers of removed segments that are kept: all of a default spool's.
const SPARES_MAX: usize = 8;

/// Segments in memory. A removed segment's buffer serves the next one, so that a steady flow allocates nothing.
#[derive(Debug)]
pub struct RamDisk {
    segment_size: usize,
    segments: Vec<(u64, Vec<u8>)>,
    spares: Vec<Vec<u8>>,
    cursor: [u8; 2 * SLOT_SIZE],
}

/// Memory is as durable as it will ever be.
#[derive(Clone, Copy, Debug)]
pub struct Synced;

impl PendingSync for Synced {
    fn wait(self) -> io::Result<()> {
        Ok(())
    }
}

impl RamDisk {
    /// For segments of about `segment_size` bytes.
    pub fn new(segment_size: usize) -> RamDisk {
        RamDisk { segment_size, segments: Vec::with_capacity(16), spares: Vec::with_capacity(SPARES_MAX), cursor: [0; 2 * SLOT_SIZE] }
    }

    /// Bytes that it holds at most for a spool of `size` bytes: a segment is begun only when a block does not fit the one before, so that any two
    /// neighbours hold more than `segment_size` together. Spare buffers are of segments that were there at once.
    pub const fn memory(size: usize, segment_size: usize) -> usize {
        (2 * size.div_ceil(segment_size) + 1) * segment_size
    }

    fn find(&self, segment: u64) -> io::Result<usize> {
        self.segments.iter().position(|(number, _)| *number == segment).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for RamDisk {
    type Sync = Synced;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        let mut found: Vec<Found> = self.segments.iter().map(|(segment, bytes)| Found { segment: *segment, size: bytes.len() as u64 }).collect();
        found.sort_unstable();
        Ok(found)
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        let at = match self.find(segment) {
            Ok(at) => at,
            Err(_) => {
                let buffer = self.spares.pop().unwrap_or_else(|| Vec::with_capacity(self.segment_size));
                self.segments.push((segment, buffer));
                self.segments.len() - 1
            }
        };
        self.segments[at].1.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = &self.segments[self.find(segment)?].1;
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        let wanted = rest.and_then(|rest| rest.get(..out.len())).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(wanted);
        Ok(())
    }

    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()> {
        let at = self.find(segment)?;
        self.segments[at].1.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(())
    }

    fn begin_sync(&mut self, segment: u64) -> io::Result<Synced> {
        self.find(segment).map(|_| Synced)
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        let Ok(at) = self.find(segment) else { return Ok(()) };
        let (_, mut buffer) = self.segments.swap_remove(at);
        // A segment that one huge line made larger than usual gives its memory back, as many do after a long backlog.
        if buffer.capacity() <= self.segment_size && self.spares.len() < SPARES_MAX {
            buffer.clear();
            self.spares.push(buffer);
        }
        Ok(())
    }

    /// Nobody can look at it later, so it only goes.
    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        self.remove(segment)
    }

    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()> {
        *out = self.cursor;
        Ok(())
    }

    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        self.cursor[slot * SLOT_SIZE..][..SLOT_SIZE].copy_from_slice(bytes);
        Ok(())
    }

    fn begin_sync_cursor(&mut self) -> io::Result<Synced> {
        Ok(Synced)
    }

    fn used_elsewhere(&self) -> u64 {
        0
    }

    fn free(&self) -> io::Result<Option<Free>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_back_as_it_was_appended_until_it_is_removed() {
        let mut disk = RamDisk::new(100);
        disk.append(3, b"abc").unwrap();
        disk.append(3, b"def").unwrap();
        let mut out = [0; 4];
        disk.read_at(3, 1, &mut out).unwrap();
        assert_eq!(&out, b"bcde");
        assert_eq!(disk.read_at(3, 3, &mut out).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(disk.list().unwrap(), [Found { segment: 3, size: 6 }]);
        disk.truncate(3, 2).unwrap();
        assert_eq!(disk.read_at(3, 1, &mut out).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        disk.begin_sync(3).unwrap().wait().unwrap();
        disk.remove(3).unwrap();
        disk.remove(3).unwrap();
        assert_eq!(disk.read_at(3, 0, &mut out).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_steady_flow_uses_the_same_memory_again() {
        let mut disk = RamDisk::new(100);
        disk.append(0, &[1; 80]).unwrap();
        let address = disk.segments[0].1.as_ptr();
        for segment in 0..50 {
            disk.remove(segment).unwrap();
            disk.append(segment + 1, &[1; 80]).unwrap();
            assert_eq!(disk.segments[0].1.as_ptr(), address);
        }
    }
}
