//! File systems of their own: a card that is full, read-only or broken, and what a healthy run writes to one. As root with `KINEGRAF_ROOT_TESTS=1`, since it
//! mounts; everywhere else skipped aloud.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::common::{is_full, summed};
use super::spool_common::{Gate, Spool, wait_until};
use super::support::{Options, STREAM, Server, TempDir, lines};

/// Whether the tests may mount.
fn may_mount() -> bool {
    let may = std::env::var_os("KINEGRAF_ROOT_TESTS").is_some_and(|value| value == "1");
    if !may {
        println!("SKIPPED: as root, KINEGRAF_ROOT_TESTS=1 mounts small file systems");
    }
    may
}

fn told(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Unmounted, and its loop device let go, when it is dropped.
struct Mounted {
    path: PathBuf,
    device: Option<String>,
}

impl Mounted {
    fn tmpfs(dir: &TempDir, name: &str, size: &str) -> Mounted {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        told("mount", &["-t", "tmpfs", "-o", &format!("mode=700,size={size}"), "kinegraf-test"], &path);
        Mounted { path, device: None }
    }

    /// An ext4 of `size` bytes on a loop device over a file in `place`.
    fn ext4(dir: &TempDir, name: &str, place: &Path, size: u64) -> Mounted {
        let image = place.join(format!("{name}.img"));
        std::fs::File::create(&image).unwrap().set_len(size).unwrap();
        // Nothing is to be written later on that the making of the file system left out.
        told("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"], &image);
        let device = told("losetup", &["--find", "--show"], &image);
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        told("mount", &["-t", "ext4", &device], &path);
        Mounted { path, device: Some(device) }
    }

    fn remount(&self, how: &str) {
        told("mount", &["-o", &format!("remount,{how}")], &self.path);
    }

    /// Sectors written to the device so far.
    fn sectors_written(&self) -> u64 {
        let device = self.device.as_deref().unwrap().trim_start_matches("/dev/");
        let stat = std::fs::read_to_string(format!("/sys/block/{device}/stat")).unwrap();
        stat.split_whitespace().nth(6).unwrap().parse().unwrap()
    }

    fn spool(&self, text: &str) -> Spool {
        Spool::at(self.path.join("spool"), TempDir::new(), text)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        if let Some(device) = &self.device {
            let _ = Command::new("losetup").arg("-d").arg(device).status();
        }
    }
}

#[test]
fn a_full_card_costs_no_exit_and_no_line_that_is_not_counted_and_delivery_goes_on_when_it_has_room() {
    if !may_mount() {
        return;
    }
    for when_full in ["block", "drop_oldest", "drop_newest"] {
        let dir = TempDir::new();
        let tmpfs = Mounted::tmpfs(&dir, "card", "8m");
        let spool = tmpfs.spool(&format!("[spool]\nwhen_full = \"{when_full}\"\nmin_free = \"0%\"\n"));
        let mut gate = Gate::new();
        // About 36 MiB of lines, packed more than twice what the card takes.
        let lines = lines::telegraf(71, 300_000);
        let program = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "60s"]);
        let mut running = program.limit(Duration::from_secs(120)).stdin(lines::joined(&lines)).start();
        let word = if when_full == "block" { "the directory is full" } else { "lines are given up from now on" };
        assert!(wait_until(|| running.stderr().contains(word)), "{when_full}: {}", running.stderr());
        assert!(when_full == "block" || wait_until(|| running.stdin_is_over()), "{when_full}: {}", running.stderr());
        assert!(!running.has_ended());
        let server = Server::start(Options::default());
        gate.open(server.address());
        let finished = running.wait().assert_code(0);
        let dropped = summed(&finished, "given up for want of room");
        assert_eq!(when_full == "block", dropped == 0, "{when_full}: {}", finished.stderr);
        assert_eq!(summed(&finished, "delivered in") + dropped, 300_000, "{when_full}: {}", finished.stderr);
        assert_eq!((server.stored_lines(STREAM).len() as u64 + dropped, summed(&finished, "unreadable")), (300_000, 0));
        spool.assert_empty();
        println!("{when_full}: {dropped} of 300000 lines given up for want of room");
    }
}

#[test]
fn a_card_that_somebody_else_filled_is_used_again_when_he_has_gone() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    let tmpfs = Mounted::tmpfs(&dir, "card", "8m");
    let (spool, mut gate) = (tmpfs.spool("[spool]\nmin_free = \"0%\"\n"), Gate::new());
    // Full before the first run: not even the directory may be made.
    let fill =
        || _ = Command::new("dd").args(["if=/dev/zero", "bs=4096", "status=none"]).arg(format!("of={}", tmpfs.path.join("fill").display())).status();
    fill();
    let lines = lines::telegraf(72, 2_000);
    let mut running = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "30s"]).stdin_open().start();
    running.write(&lines::joined(&lines[..1_000]));
    assert!(wait_until(|| running.stderr().contains("is full")), "{}", running.stderr());
    std::fs::remove_file(tmpfs.path.join("fill")).unwrap();
    assert!(wait_until(|| !spool.segments().is_empty()), "it heals: {}", running.stderr());
    // What is kept survives the card's being full again.
    fill();
    running.write(&lines::joined(&lines[1_000..]));
    assert!(wait_until(|| running.has_taken_everything()));
    std::thread::sleep(Duration::from_millis(200));
    let server = Server::start(Options::default());
    gate.open(server.address());
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0, "{}", finished.stderr);
    spool.assert_empty();
}

#[test]
fn what_waits_is_not_given_up_for_somebody_else_who_fills_the_card() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    let tmpfs = Mounted::tmpfs(&dir, "card", "16m");
    let (spool, mut gate) = (tmpfs.spool("[spool]\nsegment_size = \"32KiB\"\nwhen_full = \"drop_oldest\"\nmin_free = \"50%\"\n"), Gate::new());
    let lines = lines::telegraf(78, 30_000);
    spool.run(&gate.url()).args(["--shutdown-timeout", "500ms"]).stdin(lines::joined(&lines[..29_000])).run().assert_code(0);
    let before = spool.segments();
    std::fs::write(tmpfs.path.join("fill"), vec![0; 12 << 20]).unwrap();
    let mut running = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "20s"]).stdin_open().start();
    running.write(&lines::joined(&lines[29_000..]));
    assert!(wait_until(|| running.stderr().contains("the directory is full")), "{}", running.stderr());
    assert_eq!(spool.segments(), before);
    let server = Server::start(Options::default());
    gate.open(server.address());
    running.close_stdin();
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn a_full_directory_in_memory_makes_the_input_wait_until_it_has_room() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    let hot = Mounted::tmpfs(&dir, "hot", "1m");
    let server = Server::start(Options::default());
    let spool = Spool::new(&format!("[spool]\nhot = \"{}\"\n", hot.path.join("spool").display()));
    spool.run(&server.url()).stdin("").run().assert_code(0);
    let filler = hot.path.join("fill");
    let _ = std::fs::write(&filler, vec![0; 2 << 20]);
    let lines = lines::telegraf(79, 2_000);
    let mut running = spool.run(&server.url()).args(["-v", "--flush-interval", "10ms"]).stdin_open().start();
    running.write(&lines::joined(&lines[..100]));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.counts().requests, 0);
    std::fs::remove_file(&filler).unwrap();
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored == 100), "{}", running.stderr());
    running.write(&lines::joined(&lines[100..]));
    running.close_stdin();
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn a_card_on_which_not_even_the_directory_can_be_made_is_used_as_soon_as_it_can() {
    if !may_mount() {
        return;
    }
    for broken in ["full", "read-only"] {
        let dir = TempDir::new();
        let card = Mounted::ext4(&dir, "card", dir.path(), 16 << 20);
        let (spool, mut gate) = (card.spool(""), Gate::new());
        let filler = card.path.join("fill");
        match broken {
            "full" => {
                _ = Command::new("sh").args(["-c", "cat /dev/zero > \"$0\"; i=0; while mkdir \"$0$i\"; do i=$((i + 1)); done"]).arg(&filler).output()
            }
            _ => card.remount("ro"),
        }
        let lines = lines::telegraf(77, 2_000);
        let mut running = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "30s"]).stdin_open().start();
        running.write(&lines::joined(&lines[..1_000]));
        assert!(wait_until(|| running.stderr().contains("it is tried again every 10 s")), "{broken}: {}", running.stderr());
        match broken {
            "full" => std::fs::remove_file(&filler).unwrap(),
            _ => card.remount("rw"),
        }
        assert!(wait_until(|| !spool.segments().is_empty()), "{broken}: {}", running.stderr());
        assert!(running.stderr().contains("the directory takes lines again"), "{broken}: {}", running.stderr());
        running.write(&lines::joined(&lines[1_000..]));
        assert!(wait_until(|| running.has_taken_everything()));
        std::thread::sleep(Duration::from_millis(100));
        // What the card has survives the process.
        running.signal("TERM");
        running.close_stdin();
        std::thread::sleep(Duration::from_millis(300));
        running.signal("KILL");
        running.wait();
        let server = Server::start(Options::default());
        gate.open(server.address());
        spool.run(&gate.url()).stdin("").run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0, "{broken}");
        spool.assert_empty();
    }
}

#[test]
fn a_card_that_is_read_only_from_the_start_is_done_without() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    let tmpfs = Mounted::tmpfs(&dir, "card", "8m");
    let (spool, mut gate) = (tmpfs.spool(""), Gate::new());
    let lines = lines::telegraf(73, 2_000);
    spool.run(&gate.url()).args(["--deadline", "300ms"]).stdin(lines::joined(&lines[..1_000])).run().assert_code(0);
    tmpfs.remount("ro");
    // What cannot be kept is handed back, and said.
    let finished = spool.run(&gate.url()).args(["--deadline", "500ms"]).stdin(lines::joined(&lines[1_000..])).run().assert_code(75);
    assert!(finished.stderr.to_lowercase().contains("read-only"), "{}", finished.stderr);
    // What can be delivered is; what the card holds would be sent again by each run that cannot note it down, so it waits.
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = spool.run(&gate.url()).args(["--deadline", "20s"]).stdin(lines::joined(&lines[1_000..])).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines[1_000..]), 0, "{}", finished.stderr);
    tmpfs.remount("rw");
    spool.run(&gate.url()).args(["--deadline", "20s"]).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    spool.assert_empty();
}

#[test]
fn a_card_that_turns_read_only_under_a_run_costs_no_line_that_hot_holds() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    let card = Mounted::ext4(&dir, "card", dir.path(), 64 << 20);
    card.remount("errors=remount-ro");
    let device = card.device.as_deref().unwrap().trim_start_matches("/dev/").to_owned();
    let (spool, mut gate) = (card.spool(""), Gate::new());
    let lines = lines::telegraf(74, 3_000);
    let mut running = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "30s"]).stdin_open().start();
    running.write(&lines::joined(&lines[..1_000]));
    assert!(wait_until(|| spool.used() > 0), "{}", running.stderr());
    std::thread::sleep(Duration::from_millis(300));
    // What ext4 does when it finds itself broken.
    std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    // More than 128 KiB, so that it settles at once.
    running.write(&lines::joined(&lines[1_000..]));
    assert!(wait_until(|| running.stderr().contains("spool: ")), "{}", running.stderr());
    let server = Server::start(Options::default());
    gate.open(server.address());
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0, "{}", finished.stderr);
    println!("it said:\n{}", finished.stderr);
}

#[test]
fn a_card_whose_blocks_cannot_be_written_costs_no_line_that_hot_holds() {
    if !may_mount() {
        return;
    }
    let dir = TempDir::new();
    // The device is larger than what carries it: writing fails with EIO at some point, as on a worn-out card.
    let carrier = Mounted::tmpfs(&dir, "carrier", "6m");
    let card = Mounted::ext4(&dir, "card", &carrier.path, 64 << 20);
    let (spool, mut gate) = (card.spool("[spool]\nwhen_full = \"block\"\nmin_free = \"0%\"\n"), Gate::new());
    let lines = lines::telegraf(75, 200_000);
    let program = spool.run(&gate.url()).args(["-v", "--flush-interval", "10ms", "--shutdown-timeout", "60s"]);
    let mut running = program.limit(Duration::from_secs(120)).stdin(lines::joined(&lines)).start();
    assert!(
        wait_until(|| running.stderr().contains("writing to the directory failed") || running.stderr().contains("is full")),
        "{}",
        running.stderr()
    );
    assert!(!running.has_ended());
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = running.wait();
    println!("it said:\n{}", finished.stderr);
    let (accepted, delivered) = (summed(&finished, "lines accepted"), summed(&finished, "delivered in"));
    assert_eq!((accepted, delivered + summed(&finished, "unreadable")), (200_000, 200_000), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_healthy_run_writes_as_much_to_its_card_as_an_idle_one() {
    if !may_mount() {
        return;
    }
    let (life, every) = if is_full() { (180, 10) } else { (12, 2) };
    let dir = TempDir::new();
    let [idle, pipe, exec] = ["idle", "pipe", "exec"].map(|name| Mounted::ext4(&dir, name, dir.path(), 64 << 20));
    let server = Server::start(Options::default());
    let (of_pipe, of_exec) = (pipe.spool(""), exec.spool(""));
    // Directories and locks are made once.
    for spool in [&of_pipe, &of_exec] {
        spool.run(&server.url()).args(["--deadline", "20s"]).stdin("").run().assert_code(0);
    }
    std::fs::create_dir(idle.path.join("spool")).unwrap();
    assert!(Command::new("sync").status().unwrap().success());
    // The journal of a fresh file system comes to rest.
    std::thread::sleep(Duration::from_secs(if is_full() { 40 } else { 8 }));
    let cards = [&idle, &pipe, &exec];
    let before = cards.map(Mounted::sectors_written);
    let mut generator = lines::Generator::new(76);
    let mut running = of_pipe.run(&server.url()).args(["--flush-interval", "1s"]).limit(Duration::from_secs(300)).stdin_open().start();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(life) {
        // 20 KiB.
        let batch = lines::joined(&generator.by_ref().take(170).collect::<Vec<_>>());
        running.write(&batch);
        of_exec.run(&server.url()).args(["--deadline", "4s"]).stdin(batch).run().assert_code(0);
        std::thread::sleep(Duration::from_secs(every));
    }
    running.close_stdin();
    running.wait().assert_code(0);
    assert!(Command::new("sync").status().unwrap().success());
    let written: Vec<u64> = cards.iter().zip(before).map(|(card, before)| card.sectors_written() - before).collect();
    println!("sectors written in {life} s: idle {}, a long-lived run {}, a run every {every} s {}", written[0], written[1], written[2]);
    assert_eq!(written[1], written[0], "a long-lived run");
    assert_eq!(written[2], written[0], "a run for each batch");
}
