//! Spool directories with what no run would leave today: other versions, damage, clocks that were wrong, names that nobody configured.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kinegraf::spool::block::{BlockBuilder, Position};
use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::disk::Disk;
use kinegraf::spool::os_disk::{Access, OpenError, OsDisk};
use kinegraf::spool::segment::{self, StreamId};
use kinegraf::time::Now;

use crate::SpoolDir;

pub(crate) fn stream(name: &str) -> StreamId {
    StreamId::new("us-east-1", name, None).unwrap()
}

/// The two lines of a block.
pub(crate) fn lines_of(position: u64) -> String {
    format!("m,host=a v={position}i 1800000000000000000\nm,host=b v={position}i,s=\"two\nlines\" 1800000000000000000\n")
}

pub(crate) fn block(position: u64, wall: Duration) -> Vec<u8> {
    let mut builder = BlockBuilder::new(4096);
    let text = lines_of(position);
    let (first, second) = text.split_once('\n').unwrap();
    builder.push("a", first.as_bytes());
    builder.push("b", second.trim_end_matches('\n').as_bytes());
    builder.finish(Position(position), Now { mono: Duration::ZERO, wall }).to_vec()
}

/// A segment with the blocks `first..first + count`, accepted at `wall`.
pub(crate) fn segment_of(stream: &StreamId, first: u64, count: u64, wall: Duration) -> Vec<u8> {
    let blocks = (first..first + count).flat_map(|position| block(position, wall));
    segment::header(stream).into_iter().chain(blocks).collect()
}

/// A moment when every clock was right.
pub(crate) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

impl SpoolDir {
    /// A program that another test is starting holds our locks between its fork and its exec, so a moment is waited.
    pub(crate) fn disk(&self, stream: &StreamId) -> OsDisk {
        for _ in 0..500 {
            match OsDisk::open(&self.path, stream.clone(), Access::OneStream) {
                Err(OpenError::Locked { .. }) => std::thread::sleep(Duration::from_millis(10)),
                opened => return opened.unwrap(),
            }
        }
        panic!("the directory stays locked");
    }

    /// Writes a segment's file and says where.
    pub(crate) fn put(&self, stream: &StreamId, first: u64, bytes: &[u8]) -> PathBuf {
        self.disk(stream).append(first, bytes).unwrap();
        self.path.join(name(stream, first))
    }

    pub(crate) fn write_cursor(&self, stream: &StreamId, cursor: Cursor) {
        self.disk(stream).write_cursor(cursor.slot(), &cursor.encode()).unwrap();
    }

    /// A segment that a later version wrote.
    pub(crate) fn put_version(&self, stream: &StreamId, first: u64, version: u16) -> PathBuf {
        let mut bytes = segment_of(stream, first, 1, now());
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        let size = 20 + stream.as_bytes().len();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..16]), &bytes[20..size]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        self.put(stream, first, &bytes)
    }

    /// A segment that was set aside since a bit of its second block flipped.
    pub(crate) fn put_aside(&self, stream: &StreamId, first: u64, count: u64) -> PathBuf {
        let path = self.put(stream, first, &segment_of(stream, first, count, now()));
        flip(&path, segment_of(stream, first, 2, now()).len() - 1);
        let aside = PathBuf::from(format!("{}.bad", path.display()));
        fs::rename(&path, &aside).unwrap();
        aside
    }
}

pub(crate) fn name(stream: &StreamId, first: u64) -> String {
    format!("{first:016x}-{:08x}.segment", stream.hash())
}

/// Flips a bit of a file.
pub(crate) fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}
