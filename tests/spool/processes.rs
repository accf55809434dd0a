//! Two processes and one directory. The second process is this test program again, told by a variable what to do.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::disk::{Disk, PendingSync};
use kinegraf::spool::os_disk::{Access, OpenError, OsDisk};
use kinegraf::spool::segment::StreamId;

use crate::directory::{names, open};
use crate::temp_dir::TempDir;
use crate::{segment_of, stream};

/// `hold DIRECTORY` or `work DIRECTORY`; without it the test below has nothing to do.
const TOLD: &str = "KINEGRAF_SPOOL_CHILD";

/// What makes this program do it.
pub(crate) fn child(mut command: Command, what: &str, path: &Path) -> Command {
    command.env(TOLD, format!("{what} {}", path.display()));
    command.args(["--exact", "processes::a_child_does_what_it_is_told", "--nocapture", "--test-threads=1"]);
    command
}

pub(crate) fn this_program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

#[test]
fn a_child_does_what_it_is_told() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let (what, path) = told.split_once(' ').unwrap();
    let path = Path::new(path);
    if what == "hold" {
        let _disk = open(path);
        println!("\nHELD");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    // Each step by itself: what failed before is no reason for the next.
    let mut disk = match OsDisk::open(path, stream(), Access::Whole) {
        Ok(disk) => disk,
        Err(error) => return println!("\nopen: {error}"),
    };
    let say = |step: &str, result: std::io::Result<()>| {
        println!("\n{step}: {}", result.map_or_else(|error| format!("{:?}", error.kind()), |()| "ok".into()))
    };
    say("append", disk.append(1, &segment_of(1, 2)));
    say("sync", disk.begin_sync(1).and_then(PendingSync::wait));
    say("sync again", disk.begin_sync(1).and_then(PendingSync::wait));
    say("sync once more", disk.begin_sync(1).and_then(PendingSync::wait));
    say("cursor", disk.write_cursor(0, &Cursor::default().encode()));
    say("set aside", disk.set_aside(1));
    say("append 2", disk.append(2, &segment_of(2, 1)));
    say("remove", disk.remove(2));
}

/// Holds the directory until it is dropped.
struct Holder(Child);

impl Holder {
    fn new(path: &Path) -> Holder {
        let mut command = child(Command::new(this_program()), "hold", path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).any(|line| line == "HELD");
        assert!(said, "the child never held the directory");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_process_is_told_the_number_of_the_first_and_gets_the_directory_when_that_was_killed() {
    let temp = TempDir::new();
    let path = temp.path().join("spool");
    let holder = Holder::new(&path);
    match OsDisk::open(&path, stream(), Access::Whole) {
        Err(error @ OpenError::Locked { pid, .. }) => {
            assert_eq!(pid, Some(holder.0.id()));
            let want = format!("in use by process {}; wait until it ends, or give each its own directory", holder.0.id());
            assert!(error.to_string().ends_with(&want), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let other = StreamId::new("eu-central-1", "elsewhere", None).unwrap();
    assert!(matches!(OsDisk::open(&path, other.clone(), Access::Whole), Err(OpenError::Locked { .. })), "one writer for the whole directory");
    assert!(matches!(OsDisk::open(&path, stream(), Access::OneStream), Err(OpenError::Locked { .. })));
    let mut beside = OsDisk::open(&path, other, Access::OneStream).unwrap();
    assert_eq!(beside.list().unwrap(), [], "stranded segments can be looked at beside a writer");
    drop(holder);
    open(&path);
}

#[test]
fn a_lock_that_nobody_holds_or_that_was_removed_is_taken() {
    let temp = TempDir::new();
    temp.file("lock", "4194304999\n");
    drop(open(temp.path()));
    assert_eq!(names(temp.path()).len(), 2);
    fs::remove_file(temp.path().join("lock")).unwrap();
    open(temp.path());
}

#[test]
fn files_are_for_their_owner_only_whatever_the_umask() {
    for umask in ["000", "777"] {
        let temp = TempDir::new();
        let path = temp.path().join("spool");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(this_program());
        let output = child(shell, "work", &path).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("\nremove: ok\n"), "{output:?}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(names(&path).len(), 4);
        for name in names(&path) {
            assert_eq!(path.join(&name).metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{name} under {umask}");
        }
    }
    // The shell was there and the variable was heard: otherwise nothing above would have been looked at.
    std::io::stderr().flush().unwrap();
}
