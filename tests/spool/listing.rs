//! What a person is shown of a spool's directory.

use std::fs;

use kinegraf::spool::block::Position;
use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::disk::Disk;
use kinegraf::spool::os_disk::{Access, OpenError, OsDisk, Refusal, State, listing, open_segment};
use kinegraf::spool::segment::{Stop, StreamId};

use crate::directory::{names, open};
use crate::temp_dir::TempDir;
use crate::{NOW, lines, segment_of, stream};

#[test]
fn a_listing_counts_lines_and_says_what_becomes_of_each_file() {
    let temp = TempDir::new();
    let mut disk = open(temp.path());
    let bytes = segment_of(10, 6);
    disk.append(10, &bytes).unwrap();
    disk.append(16, &segment_of(16, 2)[..200]).unwrap();
    let mut bad = segment_of(20, 2);
    *bad.last_mut().unwrap() ^= 1;
    disk.append(20, &bad).unwrap();
    disk.set_aside(20).unwrap();
    let cursor = Cursor { sequence: 3, acknowledged: Position(12), next_attempt: None, away: false, dropped: [4, 0, 0, 0, 0, 0, 0, 0] };
    disk.write_cursor(cursor.slot(), &cursor.encode()).unwrap();
    let before = names(temp.path());
    // The writer is still there.
    let shown = listing(temp.path()).unwrap();
    assert_eq!(names(temp.path()), before);
    assert_eq!(shown.cursors, [(stream().hash(), cursor)]);
    let count = |positions: std::ops::Range<u64>| positions.map(|position| lines(position).len() as u64).sum::<u64>();
    let [whole, torn, aside] = &shown.files[..] else { panic!("{shown:?}") };
    assert_eq!((whole.segment, whole.blocks, whole.size, &whole.state), (10, 6, bytes.len() as u64, &State::Waiting));
    assert_eq!((whole.lines, whole.waiting), (count(10..16), count(12..16)));
    assert_eq!((whole.stream.as_ref(), whole.accepted), (Some(&stream()), Some((NOW.wall, NOW.wall))));
    assert_eq!((torn.blocks, torn.lines, &torn.state), (1, count(16..17), &State::Tail(Stop::Torn)));
    assert_eq!((aside.segment, aside.blocks, &aside.state), (20, 1, &State::SetAside(Stop::Damaged)));
}

#[test]
fn stranded_segments_are_listed_with_the_stream_that_they_wait_for() {
    let temp = TempDir::new();
    let other = StreamId::new("eu-central-1", "mistyped", Some("http://127.0.0.1:1/")).unwrap();
    let mut disk = OsDisk::open(temp.path(), other.clone(), Access::Whole).unwrap();
    disk.append(1, &kinegraf::spool::segment::header(&other)).unwrap();
    drop(disk);
    open(temp.path()).append(2, &segment_of(2, 1)).unwrap();
    let mut streams: Vec<_> = listing(temp.path()).unwrap().files.into_iter().map(|file| (file.segment, file.stream.unwrap())).collect();
    streams.sort();
    assert_eq!(streams, [(1, other), (2, stream())]);
}

#[test]
fn a_listing_makes_nothing_and_exports_only_segments() {
    let temp = TempDir::new();
    let missing = temp.path().join("spool");
    assert!(matches!(listing(&missing), Err(OpenError::Refused { reason: Refusal::Missing, .. })));
    assert!(!missing.exists());
    let secret = temp.file("secret", "x");
    let name = format!("{:016x}-{:08x}.segment", 1, stream().hash());
    fs::create_dir(&missing).unwrap();
    std::os::unix::fs::symlink(&secret, missing.join(&name)).unwrap();
    assert!(open_segment(&missing, &name).is_err());
    assert!(open_segment(&missing, "../secret").is_err() && open_segment(temp.path(), "secret").is_err());
    fs::remove_file(missing.join(&name)).unwrap();
    fs::write(missing.join(&name), segment_of(1, 1)).unwrap();
    assert!(open_segment(&missing, &name).is_ok());
}
