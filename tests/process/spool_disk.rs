//! The directory itself: what is no fit place for a spool is refused with a sentence, and a disk that fails, fills or goes away under a run costs no line that
//! hot can hold, and is never silent.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::common::{assert_reason, input, ms_at_pace, summed};
use super::sockets_common::Place;
use super::spool_common::{Gate, Spool, files, wait_until};
use super::support::process::Running;
use super::support::{Options, Program, STREAM, Server, TempDir, lines};

fn binary() -> PathBuf {
    std::path::absolute(std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into())).unwrap()
}

#[test]
fn a_place_that_is_not_fit_for_a_spool_ends_the_run_with_78_and_a_sentence() {
    let gate = Gate::new();
    let refused = |place: &str, words: &[&str], prepare: &dyn Fn(&TempDir)| {
        let dir = TempDir::new();
        prepare(&dir);
        let path = dir.path().join(place);
        let spool = Spool::at(path.clone(), dir, "");
        for program in [spool.run(&gate.url()), spool.run(&gate.url()).args(["--deadline", "500ms"])] {
            let finished = program.stdin(input(3).1).run().assert_code(78);
            let words: Vec<&str> = words.iter().copied().chain([path.to_str().unwrap()]).collect();
            assert_reason(&finished, &words);
        }
    };
    refused("spool", &["it is no directory"], &|dir| _ = dir.file("spool", "something"));
    refused("spool", &["it is a link to "], &|dir| {
        std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("spool")).unwrap();
    });
    refused("nowhere/spool", &["the directory above it does not exist"], &|_| {});
    refused("spool", &["everyone may write to it (mode 0777)"], &|dir| {
        std::fs::create_dir(dir.path().join("spool")).unwrap();
        std::fs::set_permissions(dir.path().join("spool"), std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    refused("spool", &["the file 'lock' in it is a link or no regular file"], &|dir| {
        std::fs::create_dir(dir.path().join("spool")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("spool/lock")).unwrap();
    });
}

#[test]
fn a_directory_of_another_user_is_refused_with_his_name_and_its_mode() {
    let (spool, gate) = (Spool::new(""), Gate::new());
    std::fs::create_dir(spool.path()).unwrap();
    std::fs::set_permissions(spool.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let as_nobody = || {
        let program = Program::exactly("setpriv").args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
        program.args([binary()])
    };
    let told = Command::new("setpriv").args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(binary()).arg("--version").output();
    if !told.is_ok_and(|output| output.status.success()) {
        return println!("SKIPPED: only root with setpriv can be somebody else");
    }
    let finished = spool.given(as_nobody(), &gate.url()).stdin(input(3).1).run().assert_code(78);
    assert_reason(&finished, &["permission denied", "it belongs to user 0 with mode 0700"]);
}

#[test]
fn a_directory_that_was_removed_under_a_run_is_made_again() {
    let (spool, mut gate) = (Spool::new(""), Gate::new());
    let lines = lines::telegraf(41, 600);
    let mut running = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "20s"]).stdin_open().start();
    running.write(&lines::joined(&lines[..300]));
    assert!(wait_until(|| !spool.segments().is_empty()), "it settles when it is behind: {}", running.stderr());
    std::fs::remove_dir_all(spool.path()).unwrap();
    running.write(&lines::joined(&lines[300..]));
    running.close_stdin();
    assert!(wait_until(|| !spool.segments().is_empty()), "the end of the input makes it settle: {:?} {}", files(spool.path()), running.stderr());
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = running.wait().assert_code(0);
    // What was on the card alone went with the directory; what was read from it before was in memory.
    let lost = summed(&finished, "unreadable");
    assert_eq!(summed(&finished, "delivered in") + lost, 600, "{}", finished.stderr);
    assert_eq!(server.stored_lines(STREAM).len() as u64 + lost, 600);
    assert!(lost <= 300);
    spool.assert_empty();
}

/// Starts the program under strace with errors put in front of `call` where it concerns the spool's directory, or the files in it whose names end with `end`.
fn start_with(spool: &Spool, url: &str, call: &str, error: &str, end: Option<&str>) -> Running {
    let known = files(spool.path()).into_iter().find_map(|(name, _)| name.strip_prefix("cursor-").map(str::to_owned));
    let hash = known.expect("an earlier run wrote a cursor");
    let mut strace = Program::exactly("strace").args(["-f", "-qq", "-o", "/dev/null"]);
    let path = spool.path().canonicalize().unwrap();
    match end {
        None => strace = strace.args(["-P".as_ref(), path.as_os_str()]),
        Some("cursor") => strace = strace.args(["-P".as_ref(), path.join(format!("cursor-{hash}")).as_os_str()]),
        Some(_) => {
            for position in 0..64 {
                strace = strace.args(["-P".as_ref(), path.join(format!("{position:016x}-{hash}.segment")).as_os_str()]);
            }
        }
    }
    let strace = strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error={error}"), "--"]).args([binary()]);
    spool.given(strace, url).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "20s"]).stdin_open().start()
}

fn strace_works() -> bool {
    let output = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "/bin/true"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// glibc and musl have different words for EIO.
const DIRECTORY_FAILED: [&str; 2] = ["writing to the directory failed: ", "(os error 5)"];

#[test]
fn an_error_of_the_disk_costs_no_line_and_is_said() {
    if !strace_works() {
        return println!("SKIPPED: no strace that may trace here");
    }
    let cases: [(_, _, _, &[&str]); 6] = [
        ("write", "EIO", Some("segment"), &DIRECTORY_FAILED),
        ("write", "ENOSPC", Some("segment"), &["the directory is full"]),
        ("fdatasync", "EIO", Some("segment"), &DIRECTORY_FAILED),
        ("fsync", "EIO", None, &DIRECTORY_FAILED),
        ("pwrite64", "EIO", Some("cursor"), &[]),
        ("unlinkat", "EIO", None, &[]),
    ];
    for (call, error, end, words) in cases {
        let (spool, mut gate) = (Spool::new(""), Gate::new());
        let lines = lines::telegraf(42, 900);
        spool.run(&gate.url()).args(["--shutdown-timeout", &ms_at_pace(100)]).stdin(lines::joined(&lines[..300])).run().assert_code(0);
        let mut running = start_with(&spool, &gate.url(), call, error, end);
        running.write(&lines::joined(&lines[300..600]));
        if words.is_empty() {
            assert!(wait_until(|| spool.used() > 0));
            std::thread::sleep(Duration::from_millis(300));
        }
        running.write(&lines::joined(&lines[600..]));
        std::thread::sleep(Duration::from_millis(300));
        let server = Server::start(Options::default());
        gate.open(server.address());
        running.close_stdin();
        let finished = running.wait().assert_code(0);
        assert!(words.iter().all(|words| finished.stderr.contains(words)), "{call} {error}: {}", finished.stderr);
        assert_eq!(server.assert_stored(STREAM, &lines), 0, "{call} {error}: {}", finished.stderr);
        assert_eq!(summed(&finished, "unreadable"), 0, "{call} {error}: {}", finished.stderr);
        // What could not be removed or noted down is found by the next run, which knows what was delivered, or sends it again.
        let finished = spool.run(&gate.url()).args(["-v"]).stdin("").run().assert_code(0);
        let again = summed(&finished, "delivered in");
        assert!(again == 0 || (call == "pwrite64" || call == "unlinkat"), "{call}: {}", finished.stderr);
        println!("{call} {error}: {again} lines were sent again by the next run");
        server.assert_stored(STREAM, &lines);
        spool.assert_empty();
    }
}

#[test]
fn a_disk_that_fails_until_the_end_of_a_run_is_75_and_its_first_line_says_what_is_lost() {
    if !strace_works() {
        return println!("SKIPPED: no strace that may trace here");
    }
    let (short, long) = (ms_at_pace(500), ms_at_pace(2000));
    for (limit, left) in [(["--deadline", &long], "300 lines handed back to the sender"), (["--shutdown-timeout", &short], "300 lines not delivered")]
    {
        let (spool, gate) = (Spool::new(""), Gate::new());
        spool.run(&gate.url()).args(["--deadline", &short]).stdin(input(10).1).run().assert_code(0);
        let before = spool.segments();
        let mut strace =
            Program::exactly("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "--"]);
        strace = strace.args([binary()]);
        let finished = spool.given(strace, &gate.url()).args(limit).stdin(lines::joined(&lines::telegraf(43, 300))).run().assert_code(75);
        assert_reason(&finished, &["not delivered in time", left, "writing to the spool failed: ", "(os error 5)"]);
        assert!(finished.stderr.contains("spool: writing to the directory failed: "), "{}", finished.stderr);
        assert_eq!(spool.segments(), before);
    }
}

#[test]
fn one_sync_that_fails_costs_nothing_the_lines_go_to_another_segment() {
    if !strace_works() {
        return println!("SKIPPED: no strace that may trace here");
    }
    for limit in [["--deadline", "3s"], ["--shutdown-timeout", "2s"]] {
        let (spool, mut gate) = (Spool::new(""), Gate::new());
        let strace = Program::exactly("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
        let strace = strace.args(["-e", "inject=fdatasync:error=EIO:when=1", "--"]).args([binary()]);
        let lines = lines::telegraf(44, 300);
        spool.given(strace, &gate.url()).args(limit).stdin(lines::joined(&lines)).run().assert_code(0);
        let server = Server::start(Options::default());
        gate.open(server.address());
        spool.run(&gate.url()).stdin("").run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
    }
}

#[test]
fn a_damaged_segment_costs_its_own_lines_and_is_kept_aside_or_given_up_where_even_that_fails() {
    for fails in [false, true] {
        if fails && !strace_works() {
            return println!("SKIPPED: no strace that may trace here");
        }
        let (spool, mut gate) = (Spool::new("[spool]\nsegment_size = \"32KiB\"\n"), Gate::new());
        let lines = lines::telegraf(47, 5_000);
        for batch in lines.chunks(500) {
            spool.run(&gate.url()).args(["--deadline", &ms_at_pace(250)]).stdin(lines::joined(batch)).run().assert_code(0);
        }
        let segments = spool.segments();
        assert!(segments.len() >= 3, "{segments:?}");
        let path = spool.path().join(&segments[1].0);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        let server = Server::start(Options::default());
        gate.open(server.address());
        let mut running = match fails {
            true => start_with(&spool, &gate.url(), "renameat,renameat2", "EIO", None),
            false => spool.run(&gate.url()).args(["-v"]).stdin_open().start(),
        };
        running.close_stdin();
        let finished = running.wait().assert_code(0);
        let stored = server.stored_lines(STREAM).len();
        assert!((3_000..5_000).contains(&stored), "{stored}: {}", finished.stderr);
        assert!(finished.stderr.contains("torn or damaged"), "{}", finished.stderr);
        let left: Vec<_> = files(spool.path()).into_iter().map(|(name, _)| name).filter(|name| name.contains(".segment")).collect();
        println!("rename fails: {fails}: {stored} of 5000 lines stored, left: {left:?}");
        assert_eq!(left.iter().any(|name| name.ends_with(".bad")), !fails, "{left:?}");
    }
}

/// A run on a pipe with a small spool while the endpoint is down: 60,000 lines, of which about half fit.
fn filled(when_full: &str) -> (Spool, Gate, Running, Vec<Vec<u8>>) {
    let text = format!("[spool]\nsize = \"1MiB\"\nsegment_size = \"64KiB\"\nhot_size = \"384KiB\"\nmin_free = \"0%\"\nwhen_full = \"{when_full}\"\n");
    let (spool, gate) = (Spool::new(&text), Gate::new());
    let lines = lines::telegraf(45, 60_000);
    let program = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "30s"]);
    let running = program.stdin(lines::joined(&lines)).start();
    (spool, gate, running, lines)
}

#[test]
fn a_full_spool_makes_the_input_wait_with_block_and_loses_nothing() {
    let (spool, mut gate, running, lines) = filled("block");
    assert!(wait_until(|| running.stderr().contains("spool: the directory is full")), "{}", running.stderr());
    assert!(spool.used() <= 1 << 20);
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert_eq!(summed(&finished, "given up for want of room"), 0, "{}", finished.stderr);
    spool.assert_empty();
}

#[test]
fn a_full_spool_gives_up_the_oldest_or_the_newest_lines_counts_them_and_stays_within_its_size() {
    for when_full in ["drop_oldest", "drop_newest"] {
        let (spool, mut gate, mut running, lines) = filled(when_full);
        let mut most = 0;
        let said = "lines are given up from now on";
        assert!(
            wait_until(|| {
                most = most.max(spool.used());
                running.stderr().contains(said) && running.sleeps_in_read() || running.has_ended() || running.stdin_is_over()
            }),
            "{when_full}: {}",
            running.stderr()
        );
        let server = Server::start(Options::default());
        gate.open(server.address());
        let finished = running.wait().assert_code(0);
        let dropped = summed(&finished, "given up for want of room");
        assert!(dropped > 1000 && finished.stderr.contains(said), "{when_full}: {}", finished.stderr);
        assert_eq!(summed(&finished, "lines accepted"), 60_000, "{when_full}: {}", finished.stderr);
        assert_eq!(summed(&finished, "delivered in") + dropped, 60_000, "{when_full}: {}", finished.stderr);
        assert!(most <= 1 << 20, "{when_full}: {most} bytes");
        let stored = server.stored_lines(STREAM);
        assert_eq!(stored.len() as u64 + dropped, 60_000);
        // The last block is small and may just fit, whatever was given up before it.
        let whole = if when_full == "drop_oldest" { &lines[59_000..] } else { &lines[..4_000] };
        let stored: std::collections::BTreeSet<_> = stored.into_iter().collect();
        assert!(whole.iter().all(|line| stored.contains(line)), "{when_full} gave up others");
        spool.assert_empty();
    }
}

#[test]
fn a_full_spool_gives_up_nothing_while_it_is_being_delivered_and_memory_has_room() {
    let (spool, mut gate) = (Spool::new("[spool]\nsize = \"1MiB\"\nmin_free = \"0%\"\n"), Gate::new());
    let all = lines::telegraf(48, 100_000);
    let mut kept = 0;
    while spool.run(&gate.url()).args(["--deadline", "500ms"]).stdin(lines::joined(&all[kept..kept + 2_000])).run().code == Some(0) {
        kept += 2_000;
        assert!(kept + 2_000 < all.len(), "it is never full");
    }
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = spool.run(&gate.url()).args(["-v"]).stdin(lines::joined(&all[kept..kept + 2_000])).run().assert_code(0);
    assert_eq!(summed(&finished, "given up for want of room"), 0, "{}", finished.stderr);
    server.assert_stored(STREAM, &all[..kept + 2_000]);
    spool.assert_empty();
}

#[test]
fn with_a_deadline_a_full_spool_gives_up_nothing_it_is_75_and_hands_the_input_back() {
    let text = "[spool]\nsize = \"1MiB\"\nsegment_size = \"64KiB\"\nhot_size = \"384KiB\"\nmin_free = \"0%\"\nwhen_full = \"drop_oldest\"\n";
    let (spool, mut gate) = (Spool::new(text), Gate::new());
    let mut kept = Vec::new();
    let mut generator = lines::Generator::new(46);
    let refused = loop {
        let batch: Vec<Vec<u8>> = generator.by_ref().take(10_000).collect();
        let finished = spool.run(&gate.url()).args(["--deadline", &ms_at_pace(1000)]).stdin(lines::joined(&batch)).run();
        assert!(spool.used() <= 1 << 20);
        if finished.code != Some(0) {
            break finished.assert_code(75);
        }
        kept.extend(batch);
        assert!(kept.len() < 200_000);
    };
    assert_reason(&refused, &["handed back to the sender"]);
    assert!(!kept.is_empty() && refused.stderr.contains("the directory is full"), "{}", refused.stderr);
    let server = Server::start(Options::default());
    gate.open(server.address());
    spool.run(&gate.url()).args(["--shutdown-timeout", "60s"]).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &kept), 0, "exactly what was kept");
    spool.assert_empty();
}

#[test]
fn with_sync_always_a_socket_is_read_on_only_when_what_was_read_is_on_disk() {
    if !strace_works() {
        return println!("SKIPPED: no strace that may trace here");
    }
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let spool = Spool::new("[spool]\nsync = \"always\"\nmin_free = \"0%\"\n");
    // A card that takes three seconds for each sync; the first are those of the start.
    let strace = Program::exactly("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
    let strace = strace.args(["-e", "inject=fdatasync:delay_enter=3000000", "--"]).args([binary()]);
    let listen = format!("unix://{}", place.stream().display());
    let running = spool.given(strace, &server.url()).args(["--listen", &listen, "--shutdown-timeout", "1s"]).start();
    place.wait_until_it_listens(&running);
    let mut client = place.connect();
    client.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
    let lines = "m,host=a v=1i 1\n".repeat(1000);
    let mut written = 0;
    while let Ok(n @ 1..) = std::io::Write::write(&mut client, lines.as_bytes()) {
        written += n;
        if written > 4 << 20 {
            break;
        }
    }
    // strace ends with what it watches.
    assert!(Command::new("pkill").args(["-KILL", "-P", &running.pid().to_string()]).status().unwrap().success());
    running.wait();
    // What a socket holds and a block of what was read; hot would take a mebibyte more.
    assert!(written < 700 << 10, "{written} bytes were taken while nothing was on disk");
}
