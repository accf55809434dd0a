//! What a directory may hold that no spool left there: names out of reach, names of ours that are something else, whole files under a wrong name, cursors that
//! no run wrote. None of it ends a run, costs a line of anything else, or is destroyed.

use std::path::Path;

use super::spool_common::{Gate, Spool, files};
use super::support::{Options, STREAM, Server, lines};

/// Three batches, the first and the second while the endpoint is down, and `change` between these: gets the directory, the stream's hash as it stands in
/// names, and the one segment. All must end with 0. Lines of which batches were stored, and the names that are left.
fn between(change: impl Fn(&Path, &str, &Path)) -> ([bool; 3], Vec<String>) {
    let (spool, mut gate) = (Spool::new(""), Gate::new());
    let lines = lines::telegraf(61, 300);
    spool.run(&gate.url()).args(["--deadline", "2s"]).stdin(lines::joined(&lines[..100])).run().assert_code(0);
    let segment = spool.segments()[0].0.clone();
    change(spool.path(), &segment[17..25], &spool.path().join(&segment));
    spool.run(&gate.url()).args(["--deadline", "2s"]).stdin(lines::joined(&lines[100..200])).run().assert_code(0);
    let server = Server::start(Options::default());
    gate.open(server.address());
    spool.run(&gate.url()).args(["--deadline", "4s"]).stdin(lines::joined(&lines[200..])).run().assert_code(0);
    let stored = server.stored_lines(STREAM);
    let all = |batch: &[Vec<u8>]| batch.iter().all(|line| stored.contains(line));
    assert!(stored.iter().all(|line| lines.contains(line)), "something else was sent");
    let left = files(spool.path()).into_iter().map(|(name, _)| name).filter(|name| name.contains(".segment")).collect();
    ([all(&lines[..100]), all(&lines[100..200]), all(&lines[200..])], left)
}

#[test]
fn a_name_out_of_reach_is_nobodys() {
    for number in ["ffffffffffffffff", "fffffffffffffffe", "8000000000000000"] {
        let (stored, left) = between(|path, hash, segment| _ = std::fs::copy(segment, path.join(format!("{number}-{hash}.segment"))).unwrap());
        assert_eq!((stored, left.len()), ([true; 3], 1), "{number}: {left:?}");
        assert!(left[0].starts_with(number));
    }
}

#[test]
fn a_directory_or_a_link_in_the_cursors_place_is_moved_aside_and_the_spool_works_on() {
    // What is not delivered is sent again, since nobody knows how far that went; nothing is followed or destroyed.
    let (stored, left) = between(|path, hash, segment| {
        let cursor = path.join(format!("cursor-{hash}"));
        std::fs::remove_file(&cursor).unwrap();
        // Without a segment nothing but the cursor says which positions are free.
        std::fs::remove_file(segment).unwrap();
        std::fs::create_dir(&cursor).unwrap();
        std::fs::write(cursor.join("kept"), "theirs").unwrap();
    });
    assert_eq!((stored, left), ([false, true, true], Vec::new()));
    let (stored, left) = between(|path, hash, _| {
        let (cursor, theirs) = (path.join(format!("cursor-{hash}")), path.join("theirs"));
        std::fs::rename(&cursor, &theirs).unwrap();
        std::os::unix::fs::symlink(&theirs, &cursor).unwrap();
    });
    assert_eq!((stored, left), ([true; 3], Vec::new()));
}

#[test]
fn whole_blocks_under_a_wrong_name_are_set_aside() {
    let (stored, left) = between(|path, hash, segment| std::fs::rename(segment, path.join(format!("0000000000000032-{hash}.segment"))).unwrap());
    assert_eq!(stored, [false, true, true]);
    assert!(left.len() == 1 && left[0].ends_with(".segment.bad"), "{left:?}");
}

#[test]
fn a_directory_or_a_link_in_a_segments_place_is_left_alone_and_in_nobodys_way() {
    type Make = fn(&Path);
    let makes: [Make; 2] = [|path| std::fs::create_dir(path).unwrap(), |path| std::os::unix::fs::symlink("/dev/null", path).unwrap()];
    for make in makes {
        let (stored, left) = between(|_, _, segment| {
            std::fs::remove_file(segment).unwrap();
            make(segment);
        });
        assert_eq!((stored, left.len()), ([false, true, true], 1), "{left:?}");
    }
}

/// A slot as `spool/cursor.rs` draws it.
fn slot(sequence: u64, acknowledged: u64, next_attempt: u64) -> Vec<u8> {
    let mut bytes = [&[0; 4][..], &1u16.to_le_bytes(), &[0; 2]].concat();
    for word in [sequence, acknowledged, next_attempt] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(128, 0);
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_cursor_that_no_run_wrote_costs_no_line() {
    let two = |a: Vec<u8>, b: Vec<u8>| [&a[..], &[0; 4096 - 128], &b].concat();
    let cursors = [
        ("empty", Vec::new()),
        ("garbage", [0xA5; 5000].to_vec()),
        ("the last position", two(slot(1, u64::MAX, 0), slot(2, u64::MAX, 0))),
        ("the last but one", two(slot(1, u64::MAX - 1, 0), slot(2, u64::MAX - 1, 0))),
        ("the last number", two(slot(u64::MAX - 1, 0, 0), slot(u64::MAX, 0, 0))),
        ("an attempt in a million years", two(slot(1, 0, 1 << 63), slot(2, 0, u64::MAX))),
    ];
    for (what, bytes) in cursors {
        let (stored, left) = between(|path, hash, _| std::fs::write(path.join(format!("cursor-{hash}")), &bytes).unwrap());
        assert_eq!((stored, left), ([true; 3], vec![]), "{what}");
    }
}
