//! A spool's directory: what is made in it and with which rights, what is refused, what is left alone, and what happens when it goes away.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use kinegraf::spool::block::{Header, Position};
use kinegraf::spool::cursor::{Cursor, SLOT_SIZE};
use kinegraf::spool::disk::{Disk, Found, PendingSync};
use kinegraf::spool::os_disk::{Access, OpenError, OsDisk, Refusal, listing};
use kinegraf::spool::segment::{self, StreamId};

use crate::temp_dir::TempDir;
use crate::{NOW, segment_of, stream};

pub(crate) fn open(path: &Path) -> OsDisk {
    OsDisk::open(path, stream(), Access::Whole).unwrap()
}

pub(crate) fn refusal(path: &Path) -> Refusal {
    match OsDisk::open(path, stream(), Access::Whole) {
        Err(OpenError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn name(number: u64) -> String {
    format!("{number:016x}-{:08x}.segment", stream().hash())
}

#[test]
fn what_was_appended_is_there_after_the_disk_was_opened_again() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    let bytes = segment_of(5, 3);
    let mut disk = open(&path);
    disk.append(5, &bytes[..50]).unwrap();
    disk.append(5, &bytes[50..]).unwrap();
    disk.append(9, &segment_of(9, 1)).unwrap();
    disk.begin_sync(5).unwrap().wait().unwrap();
    drop(disk);
    let mut disk = open(&path);
    let (five, nine) = (bytes.len() as u64, segment_of(9, 1).len() as u64);
    assert_eq!(disk.list().unwrap(), [Found { segment: 5, size: five }, Found { segment: 9, size: nine }]);
    assert_eq!((disk.first_free(), disk.used_elsewhere()), (10, 0));
    let mut out = vec![0; bytes.len() - 7];
    disk.read_at(5, 7, &mut out).unwrap();
    assert_eq!(out, bytes[7..]);
    assert_eq!(disk.read_at(5, 8, &mut out).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    disk.truncate(5, 60).unwrap();
    disk.truncate(5, 99).unwrap();
    disk.append(5, b"after the cut").unwrap();
    disk.read_at(5, 60, &mut out[..13]).unwrap();
    assert_eq!(&out[..13], b"after the cut");
    disk.remove(5).unwrap();
    disk.remove(5).unwrap();
    assert_eq!(disk.read_at(5, 0, &mut out).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.list().unwrap(), [Found { segment: 9, size: nine }]);
}

#[test]
fn a_directory_that_is_made_and_every_file_in_it_are_for_their_owner_only() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    let mut disk = open(&path);
    disk.append(0, &segment_of(0, 1)).unwrap();
    disk.write_cursor(0, &Cursor::default().encode()).unwrap();
    disk.append(1, &segment_of(1, 1)).unwrap();
    disk.set_aside(0).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(names(&path).len(), 5);
    for name in names(&path) {
        assert_eq!(path.join(&name).metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_segment_that_is_set_aside_is_kept_counted_and_never_overwritten() {
    let temp = TempDir::new();
    let mut disk = open(temp.path());
    for round in 1..4 {
        disk.append(7, &[round; 100]).unwrap();
        disk.set_aside(7).unwrap();
        assert_eq!((disk.list().unwrap(), disk.used_elsewhere(), disk.first_free()), (vec![], 100 * u64::from(round), 8));
    }
    let kept: Vec<u8> = ["", "2", "3"].iter().map(|copy| fs::read(temp.path().join(format!("{}.bad{copy}", name(7)))).unwrap()[0]).collect();
    assert_eq!(kept, [1, 2, 3]);
}

#[test]
fn segments_of_another_stream_or_version_and_foreign_files_are_left_alone_and_ours_are_counted() {
    let temp = TempDir::new();
    let other = StreamId::new("eu-central-1", "elsewhere", None).unwrap();
    let foreign = [&segment::header(&other)[..], b"blocks"].concat();
    let mut newer = segment_of(3, 1);
    newer[8] = 2;
    let header = segment::header(&stream()).len();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&newer[..16]), &newer[20..header]);
    newer[16..20].copy_from_slice(&crc.to_le_bytes());
    let files = [
        (format!("{:016x}-{:08x}.segment", 1, other.hash()), foreign.clone()),
        // Two streams whose names have the same hash: the header decides.
        (name(2), foreign.clone()),
        (name(3), newer.clone()),
        ("rejected".to_owned(), b"cpu\n".to_vec()),
        ("notes.segment".to_owned(), b"a person's".to_vec()),
    ];
    for (name, bytes) in &files {
        temp.file(name, bytes);
    }
    temp.file(&name(4), b"KINEGRAF, or not");
    let mut disk = open(temp.path());
    assert_eq!(disk.list().unwrap(), [Found { segment: 4, size: 16 }], "what nobody else will look at is for the spool to set aside");
    assert_eq!((disk.used_elsewhere(), disk.first_free()), ((2 * foreign.len() + newer.len()) as u64, 5));
    for (name, bytes) in files {
        assert_eq!(fs::read(temp.path().join(&name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_cursor_is_kept_for_each_stream_and_none_is_zeros() {
    let temp = TempDir::new();
    let mut slots = [1; 2 * SLOT_SIZE];
    let mut disk = open(temp.path());
    disk.read_cursor(&mut slots).unwrap();
    assert_eq!((slots, Cursor::decode(&slots)), ([0; 2 * SLOT_SIZE], None));
    for sequence in 1..4 {
        let cursor = Cursor { sequence, acknowledged: Position(sequence), ..Cursor::default() };
        disk.write_cursor(cursor.slot(), &cursor.encode()).unwrap();
        disk.begin_sync_cursor().unwrap().wait().unwrap();
        disk.read_cursor(&mut slots).unwrap();
        assert_eq!(Cursor::decode(&slots), Some(cursor));
    }
    drop(disk);
    let other = StreamId::new("eu-central-1", "elsewhere", None).unwrap();
    let mut disk = OsDisk::open(temp.path(), other, Access::Whole).unwrap();
    disk.read_cursor(&mut slots).unwrap();
    assert_eq!(Cursor::decode(&slots), None, "what one stream acknowledged says nothing about another's");
}

#[test]
fn a_directory_that_is_a_link_a_file_or_open_to_everyone_is_refused_with_what_to_do() {
    let temp = TempDir::new();
    let (real, link, open_to_all) = (temp.path().join("real"), temp.path().join("link"), temp.path().join("all"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    assert_eq!(refusal(&link), Refusal::Link(Some(real.clone())));
    let text = OsDisk::open(&link, stream(), Access::Whole).unwrap_err().to_string();
    assert_eq!(text, format!("spool directory {}: it is a link to {}; name that directory itself", link.display(), real.display()));
    assert_eq!(names(&real), Vec::<String>::new());
    assert_eq!(refusal(&temp.file("file", "")), Refusal::NoDirectory);
    assert_eq!(refusal(&temp.path().join("no/where")), Refusal::NoParent);
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(refusal(&open_to_all), Refusal::OthersWrite(0o1777));
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(open(&open_to_all).warning().unwrap().ends_with("its group may write to it (mode 0770); chmod 700 unless that is meant"));
    assert_eq!(open(&real).warning(), None);
}

#[test]
fn a_file_that_is_a_link_or_a_pipe_is_never_followed_nor_waited_for() {
    let temp = TempDir::new();
    let secret = temp.file("secret", "precious");
    let path = temp.path().join("spool");
    drop(open(&path));
    for number in [1, 2] {
        symlink(&secret, path.join(name(number))).unwrap();
    }
    symlink(&secret, path.join(format!("cursor-{:08x}", stream().hash()))).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(path.join(name(3))).status().unwrap();
    assert!(pipe.success());
    let mut disk = open(&path);
    assert_eq!((disk.list().unwrap(), disk.first_free()), (vec![], 4), "nothing begins where they are");
    assert!(disk.append(1, b"x").is_err() && disk.read_at(2, 0, &mut [0]).is_err() && disk.append(3, b"x").is_err());
    assert!(disk.read_cursor(&mut [0; 2 * SLOT_SIZE]).is_err());
    disk.write_cursor(0, &[1; SLOT_SIZE]).unwrap();
    let cursor = format!("cursor-{:08x}", stream().hash());
    assert!(path.join(&cursor).symlink_metadata().unwrap().is_file(), "a file of its own, with the link set aside");
    assert_eq!(fs::read_link(path.join(format!("{cursor}.bad"))).unwrap(), secret);
    assert_eq!(listing(&path).unwrap().files, []);
    drop(disk);
    fs::remove_file(path.join("lock")).unwrap();
    symlink(&secret, path.join("lock")).unwrap();
    assert_eq!(refusal(&path), Refusal::NoFile("lock"));
    assert_eq!(fs::read(secret).unwrap(), b"precious");
}

#[test]
fn called_by_root_the_files_belong_to_whom_the_directory_belongs_to() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    fs::create_dir(&path).unwrap();
    if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_err() {
        return skipped("only root can give a directory away");
    }
    let mut disk = open(&path);
    disk.append(0, &segment_of(0, 1)).unwrap();
    disk.write_cursor(0, &Cursor::default().encode()).unwrap();
    for name in names(&path) {
        let found = path.join(&name).metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (12_345, 54_321), "{name}");
    }
}

#[test]
fn a_directory_that_is_removed_under_us_is_noticed_and_made_again_with_the_next_segment() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    let mut disk = open(&path);
    disk.append(0, &segment_of(0, 1)).unwrap();
    disk.write_cursor(0, &Cursor::default().encode()).unwrap();
    let begun = disk.begin_sync(0).unwrap();
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(begun.wait().unwrap_err().kind(), ErrorKind::NotFound, "a sync of what nobody can find is no success");
    assert_eq!(disk.append(0, b"more").unwrap_err().kind(), ErrorKind::NotFound, "a block must not vanish");
    disk.remove(0).unwrap();
    disk.append(1, &segment_of(1, 1)).unwrap();
    disk.begin_sync(1).unwrap().wait().unwrap();
    disk.write_cursor(1, &Cursor { sequence: 1, ..Cursor::default() }.encode()).unwrap();
    disk.begin_sync_cursor().unwrap().wait().unwrap();
    assert_eq!(disk.list().unwrap().len(), 1);
    assert!(matches!(OsDisk::open(&path, stream(), Access::Whole), Err(OpenError::Locked { .. })), "it is locked again");
}

#[test]
fn a_single_file_that_is_removed_under_us_is_noticed() {
    let temp = TempDir::new();
    let mut disk = open(temp.path());
    disk.append(0, &segment_of(0, 1)).unwrap();
    let cursor = Cursor::default().encode();
    disk.write_cursor(0, &cursor).unwrap();
    fs::remove_file(temp.path().join(name(0))).unwrap();
    fs::remove_file(temp.path().join(format!("cursor-{:08x}", stream().hash()))).unwrap();
    assert_eq!(disk.append(0, b"more").unwrap_err().kind(), ErrorKind::NotFound);
    disk.write_cursor(0, &cursor).unwrap();
    let mut slots = [0; 2 * SLOT_SIZE];
    disk.read_cursor(&mut slots).unwrap();
    assert_eq!(slots[..SLOT_SIZE], cursor);
}

#[test]
fn four_thousand_segments_are_opened_and_looked_at_in_less_than_a_second_each() {
    let temp = TempDir::new();
    let header = segment::header(&stream());
    let size = (256 << 10) - header.len() - 48;
    for number in 0..4096u64 {
        let block = Header { size, plain_size: size, lines: 1000, position: Position(number), accepted: NOW, codec: 0 };
        let file = fs::File::create(temp.path().join(name(number))).unwrap();
        // The data are a hole in the file, so that a gigabyte fits everywhere; nobody reads it here.
        file.write_all_at(&[&header[..], &block.seal(&vec![0; size])].concat(), 0).unwrap();
        file.set_len(256 << 10).unwrap();
    }
    let begin = Instant::now();
    let found = open(temp.path()).list().unwrap();
    let (opened, begin) = (begin.elapsed(), Instant::now());
    assert_eq!(found.iter().map(|found| found.size).sum::<u64>(), 1 << 30);
    let files = listing(temp.path()).unwrap().files;
    let listed = begin.elapsed();
    assert_eq!(files.iter().map(|file| file.lines).sum::<u64>(), 4_096_000);
    println!("4,096 segments of 256 KiB: opened in {opened:?}, lines counted in {listed:?}");
    assert!(opened.as_secs_f64() < 1.0 && listed.as_secs_f64() < 1.0, "{opened:?} {listed:?}");
}

#[test]
fn few_descriptors_are_open_however_many_segments_there_are() {
    let temp = TempDir::new();
    let path: PathBuf = temp.path().canonicalize().unwrap();
    let mut disk = open(&path);
    for number in 0..50 {
        disk.append(number, &segment_of(number, 1)).unwrap();
        disk.read_at(number / 2, 0, &mut [0; 8]).unwrap();
        disk.begin_sync(number).unwrap().wait().unwrap();
        disk.write_cursor(0, &Cursor::default().encode()).unwrap();
    }
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let open = links.filter(|target| target.starts_with(&path)).count();
    assert!((4..=kinegraf::spool::os_disk::FILES_MAX).contains(&open), "{open} open");
}

/// Says aloud that a test did not test.
pub(crate) fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
