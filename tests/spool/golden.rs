//! Files as version 1 wrote them. They stay for all releases, and so do these tests: an update must deliver what the release before it left behind.
//! The part that compares what is written today with them may go when a later version is written; the part that reads them may not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kinegraf::spool::block::Position;
use kinegraf::spool::codec::Packing;
use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::segment::{self, Check, Stop, read_header};

use crate::{block, lines, read, segment_of, settled, stream, walk};

const FIRST: u64 = 1000;
const BLOCKS: u64 = 5;

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spool").join(name)).unwrap()
}

fn long(position: u64) -> crate::Lines {
    (0..50).map(|line| (String::new(), format!("disk,host=edge-{position},path=/data free={line}i 1800000000000000000"))).collect()
}

fn cursor() -> [u8; 256] {
    let older = Cursor { sequence: 8, acknowledged: Position(1001), next_attempt: None, away: false, dropped: [0; 8] };
    let newer = Cursor {
        sequence: 9,
        acknowledged: Position(1003),
        next_attempt: Some(Duration::from_millis(1_800_000_015_250)),
        away: false,
        dropped: [7, 0, 2, 0, 0, 0, 0, 1],
    };
    let mut slots = [0; 256];
    for cursor in [older, newer] {
        slots[cursor.slot() * 128..][..128].copy_from_slice(&cursor.encode());
    }
    slots
}

#[test]
fn version_1_segments_are_read_as_they_were_written() {
    let bytes = golden("v1-plain.segment");
    assert_eq!(read_header(&bytes).unwrap().0, stream());
    let (found, valid, stop) = walk(FIRST, &bytes, Check::Data);
    assert_eq!((found.len() as u64, valid, stop), (BLOCKS, bytes.len() as u64, Stop::End));
    for (found, position) in found.iter().zip(FIRST..) {
        assert_eq!(read(&bytes, found), lines(position));
        assert_eq!((found.header.position, found.header.accepted, found.header.codec), (Position(position), crate::NOW, 0));
    }
}

#[test]
fn version_1_packed_blocks_are_unpacked() {
    let bytes = golden("v1-packed.segment");
    let (found, valid, stop) = walk(FIRST, &bytes, Check::Data);
    assert_eq!((found.len() as u64, valid, stop), (BLOCKS, bytes.len() as u64, Stop::End));
    for (found, position) in found.iter().zip(FIRST..) {
        assert_eq!((read(&bytes, found), found.header.codec), (long(position), 1));
    }
}

#[test]
fn version_1_torn_tails_are_cut_where_the_last_whole_block_ends() {
    let bytes = golden("v1-torn.segment");
    let (found, valid, stop) = walk(FIRST, &bytes, Check::Data);
    assert_eq!((found.len() as u64, stop), (BLOCKS - 1, Stop::Torn));
    assert_eq!(bytes[..valid as usize], segment_of(FIRST, BLOCKS - 1));
}

#[test]
fn version_1_cursors_are_read_as_they_were_written() {
    let cursor = Cursor::decode(&golden("v1-cursor").try_into().unwrap()).unwrap();
    assert_eq!((cursor.sequence, cursor.acknowledged, cursor.dropped), (9, Position(1003), [7, 0, 2, 0, 0, 0, 0, 1]));
    assert_eq!(cursor.next_attempt, Some(Duration::from_millis(1_800_000_015_250)));
}

#[test]
fn version_1_is_still_what_is_written_byte_for_byte() {
    let plain = segment_of(FIRST, BLOCKS);
    assert_eq!(golden("v1-plain.segment"), plain);
    assert_eq!(golden("v1-torn.segment"), plain[..plain.len() - 30]);
    assert_eq!(golden("v1-cursor"), cursor());
    // A packed stream may come out otherwise with another release of the packer; what stands around it may not.
    let (mut packing, mut bytes) = (Packing::new(), segment::header(&stream()));
    (FIRST..FIRST + BLOCKS).for_each(|position| bytes.extend(settled(&block(position, &long(position)), &mut packing)));
    let header = segment::header(&stream()).len();
    assert_eq!(golden("v1-packed.segment")[..header], bytes[..header]);
}
