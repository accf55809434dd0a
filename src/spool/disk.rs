//! The only trait of ours: a place that keeps segments, spoken to in numbers, not in paths. [`RamDisk`] is the one in memory.
//! The spool file system and the simulator's disk come beside it.

use std::io;

/// Keeps segments: byte strings that grow at their end until they are removed whole.
pub trait Disk {
    /// Appends to a segment; the first append makes it.
    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fills `out` from `offset` on, or fails.
    fn read_at(&self, segment: u64, offset: usize, out: &mut [u8]) -> io::Result<()>;
    /// Forgets a segment.
    fn remove(&mut self, segment: u64) -> io::Result<()>;
}

/// Buffers of removed segments that are kept: all of a default spool's.
const SPARES_MAX: usize = 8;

/// Segments in memory. A removed segment's buffer serves the next one, so that a steady flow allocates nothing.
#[derive(Debug)]
pub struct RamDisk {
    segment_size: usize,
    segments: Vec<(u64, Vec<u8>)>,
    spares: Vec<Vec<u8>>,
}

impl RamDisk {
    /// For segments of about `segment_size` bytes.
    pub fn new(segment_size: usize) -> RamDisk {
        RamDisk { segment_size, segments: Vec::with_capacity(16), spares: Vec::with_capacity(SPARES_MAX) }
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

    fn read_at(&self, segment: u64, offset: usize, out: &mut [u8]) -> io::Result<()> {
        let bytes = &self.segments[self.find(segment)?].1;
        let wanted = bytes.get(offset..offset + out.len()).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(wanted);
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        let at = self.find(segment)?;
        let (_, mut buffer) = self.segments.swap_remove(at);
        // A segment that one huge line made larger than usual gives its memory back, as many do after a long backlog.
        if buffer.capacity() <= self.segment_size && self.spares.len() < SPARES_MAX {
            buffer.clear();
            self.spares.push(buffer);
        }
        Ok(())
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
