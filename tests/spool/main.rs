//! The spool's bytes and files: what is written is read back by this and every later version ([`golden`]), whatever part of it survived ([`torn`]); a
//! directory and its rights ([`directory`]), two processes ([`processes`]), a person's view ([`listing`]), disks that fail ([`faults`]), or
//! cannot be read for a while ([`unwell`]).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod directory;
mod faults;
mod golden;
mod listing;
mod packing;
mod processes;
mod torn;
mod unwell;

#[path = "../support/temp_dir.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test crate uses its own part")]
mod temp_dir;

use std::io;
use std::time::Duration;

use kinegraf::spool::block::{BlockBuilder, HEADER_SIZE, Header, Position, entries};
use kinegraf::spool::codec::Packing;
use kinegraf::spool::segment::{self, Check, Found, Stop, StreamId, WINDOW_SIZE_MIN, Walk};
use kinegraf::time::Now;

pub(crate) const NOW: Now = Now { mono: Duration::from_millis(5_678), wall: Duration::from_millis(1_800_000_000_123) };

pub(crate) fn stream() -> StreamId {
    StreamId::new("eu-central-1", "metrics", None).unwrap()
}

/// A key and its line.
pub(crate) type Lines = Vec<(String, String)>;

pub(crate) fn lines(block: u64) -> Lines {
    (0..=block % 4).map(|line| (format!("host-{}", line / 2), format!("cpu,host=a usage={block}.{line} 1800000000000000000"))).collect()
}

pub(crate) fn block(position: u64, lines: &Lines) -> Vec<u8> {
    let mut builder = BlockBuilder::new(4096);
    for (key, line) in lines {
        builder.push(key, line.as_bytes());
    }
    builder.finish(Position(position), NOW).to_vec()
}

/// The same block as it settles: packed, where that is worth it.
pub(crate) fn settled(block: &[u8], packing: &mut Packing) -> Vec<u8> {
    let (header, data) = block.split_at(HEADER_SIZE);
    let mut packed = Vec::new();
    if !packing.pack(data, &mut packed) {
        return block.to_vec();
    }
    let header = Header { size: packed.len(), codec: 1, ..Header::decode(header.try_into().unwrap()) };
    [&header.seal(&packed)[..], &packed].concat()
}

/// A segment with so many blocks of [`lines`].
pub(crate) fn segment_of(first: u64, blocks: u64) -> Vec<u8> {
    let mut bytes = segment::header(&stream());
    (first..first + blocks).for_each(|position| bytes.extend(block(position, &lines(position))));
    bytes
}

/// Walks over bytes in memory and checks on the way that it never asks for more than there is.
pub(crate) fn walk(first: u64, bytes: &[u8], check: Check) -> (Vec<Found>, u64, Stop) {
    let mut window = [0; WINDOW_SIZE_MIN];
    let read_at = |offset: u64, out: &mut [u8]| {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&bytes[offset..offset + out.len()]);
        io::Result::Ok(())
    };
    let mut walk = Walk::begin(first, bytes.len() as u64, Some(&stream()), check, &mut window, read_at).unwrap();
    let found: Vec<Found> = std::iter::from_fn(|| walk.next_block().unwrap()).collect();
    assert!(walk.next_block().unwrap().is_none(), "what has stopped has stopped");
    assert_eq!(walk.next_position(), Position(first + found.len() as u64));
    (found, walk.valid_size(), walk.stop().unwrap().clone())
}

/// The lines of a block that a walk found.
pub(crate) fn read(bytes: &[u8], found: &Found) -> Lines {
    let data = &bytes[found.offset as usize + HEADER_SIZE..][..found.header.size];
    let mut plain = Vec::new();
    match found.header.codec {
        0 => plain.extend_from_slice(data),
        _ => kinegraf::spool::codec::Unpacking::new().unpack(data, found.header.plain_size, &mut plain).unwrap(),
    }
    let text = |start: u32, size: usize| String::from_utf8(plain[start as usize..][..size].to_vec()).unwrap();
    let lines: Lines = entries(&plain, 0).map(|e| (text(e.key_start, e.key_size.into()), text(e.line_start, e.line_size as usize))).collect();
    assert_eq!(lines.len(), found.header.lines as usize);
    lines
}
