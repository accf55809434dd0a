//! Disks that fail: errors put in front of single system calls by strace, and with `KINEGRAF_ROOT_TESTS=1`, as root, file systems that are full or read-only.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use kinegraf::spool::disk::{Disk, PendingSync, is_full};
use kinegraf::spool::os_disk::{Access, OpenError, OsDisk};

use crate::directory::{open, skipped};
use crate::processes::{child, this_program};
use crate::temp_dir::TempDir;
use crate::{segment_of, stream};

/// What the steps of a child say when this system call fails with EIO where it concerns that file or directory.
fn with_eio(call: &str, on: &Path, path: &Path) -> Option<String> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(on).args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EIO")]);
    strace.arg("--").arg(this_program());
    let output = match child(strace, "work", path).output() {
        Ok(output) => output,
        Err(error) => {
            skipped(&format!("strace: {error}"));
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && said.contains("\nappend") {
        return Some(said);
    }
    skipped(&format!("strace: {}", String::from_utf8_lossy(&output.stderr)));
    None
}

#[test]
fn an_error_of_the_disk_reaches_the_step_that_asked_and_no_other() {
    let segment = format!("{:016x}-{:08x}.segment", 1, stream().hash());
    let cursor = format!("cursor-{:08x}", stream().hash());
    // A name is looked for in the directory's descriptor, which is all that strace can see of it.
    for (call, on, step) in [
        ("write", &*segment, "append"),
        ("fdatasync", &segment, "sync"),
        ("pwrite64", &cursor, "cursor"),
        ("renameat,renameat2", "", "set aside"),
        ("unlinkat", "", "remove"),
    ] {
        let temp = TempDir::new();
        let path = temp.path().canonicalize().unwrap();
        let on = if on.is_empty() { path.clone() } else { path.join(on) };
        let Some(said) = with_eio(call, &on, &path) else { return };
        let failed: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split_once(": ").filter(|(_, what)| *what != "ok" && !what.contains(' ')))
            .map(|(step, _)| step)
            .collect();
        let want = if step == "sync" { vec!["sync", "sync again", "sync once more"] } else { vec![step] };
        assert_eq!(failed, want, "{call} fails:\n{said}");
    }
}

#[test]
fn a_directory_whose_sync_failed_is_synced_again_with_the_next_one_and_then_no_more() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    drop(open(&path));
    let mut strace = Command::new("strace");
    let trace = temp.path().join("trace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(&trace).args(["-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1", "--"]).arg(this_program());
    let Ok(output) = child(strace, "work", &path).output() else { return skipped("strace is not there") };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !said.contains("\nappend: ok\n") {
        return skipped(&format!("strace: {}", String::from_utf8_lossy(&output.stderr)));
    }
    assert!(!said.contains("\nsync: ok\n") && said.contains("\nsync again: ok\n"), "{said}");
    assert_eq!(std::fs::read_to_string(trace).unwrap().lines().filter(|line| line.contains("fsync(") && line.contains("/spool>")).count(), 2);
}

/// A tmpfs of its own that goes with the test.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// None, said aloud, where tests may not mount.
    fn new(temp: &TempDir, size: &str) -> Option<Tmpfs> {
        if std::env::var_os("KINEGRAF_ROOT_TESTS").is_none_or(|value| value != "1") {
            skipped("as root, KINEGRAF_ROOT_TESTS=1 mounts small file systems");
            return None;
        }
        let path = temp.path().join("mounted");
        std::fs::create_dir(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("mode=700,size={size}"), "kinegraf-test"]).arg(&path).status().unwrap();
        assert!(mounted.success());
        Some(Tmpfs(path))
    }

    fn read_only(&self, yes: bool) {
        let options = if yes { "remount,ro" } else { "remount,rw" };
        assert!(Command::new("mount").args(["-o", options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_file_system_is_told_as_full_and_takes_segments_again_when_there_is_room() {
    let temp = TempDir::new();
    let Some(tmpfs) = Tmpfs::new(&temp, "128k") else { return };
    let mut disk = open(&tmpfs.0);
    assert_eq!(disk.volatile(), Some("tmpfs"));
    let total = disk.free().unwrap().unwrap().total;
    assert_eq!(total, 128 << 10);
    let mut bytes = segment_of(0, 1);
    bytes.resize(40_000, 0);
    let error = (0..10).find_map(|segment| disk.append(segment, &bytes).err()).unwrap();
    assert!(is_full(&error) && error.kind() == ErrorKind::StorageFull, "{error}");
    let last = disk.list().unwrap().len() as u64 - 1;
    disk.truncate(last, 0).unwrap();
    disk.remove(last).unwrap();
    disk.begin_sync(0).unwrap().wait().unwrap();
    drop(disk);
    std::fs::write(tmpfs.0.join("fill"), vec![0; 128 << 10]).unwrap_err();
    let mut disk = open(&tmpfs.0);
    assert_eq!(disk.list().unwrap().len() as u64, last, "a full disk is no reason not to deliver what is on it");
    disk.remove(0).unwrap();
    disk.append(20, &segment_of(20, 1)).unwrap();
}

#[test]
fn a_file_system_that_turned_read_only_is_told_as_full_and_can_be_opened_again_later() {
    let temp = TempDir::new();
    let Some(tmpfs) = Tmpfs::new(&temp, "1m") else { return };
    let mut disk = open(&tmpfs.0);
    disk.append(0, &segment_of(0, 1)).unwrap();
    drop(disk);
    tmpfs.read_only(true);
    let error = OsDisk::open(&tmpfs.0, stream(), Access::Whole).unwrap_err();
    assert!(matches!(&error, OpenError::Full { error, .. } if is_full(error)), "{error}");
    let below = OsDisk::open(&tmpfs.0.join("spool"), stream(), Access::Whole).unwrap_err();
    assert!(matches!(below, OpenError::Full { .. }), "{below}");
    tmpfs.read_only(false);
    assert_eq!(open(&tmpfs.0).list().unwrap().len(), 1);
}
