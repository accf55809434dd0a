//! What is written to the card, and when: nothing while all is well, little and seldom while delivery is behind, and everything at once with `sync = "always"`.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::common::is_full;
use super::spool_common::{Gate, Spool, wait_until};
use super::support::{Options, STREAM, Server, lines};

/// What a card would have been told: each name with its size, and when its content and its entry changed.
fn seen(path: &Path) -> Vec<(String, u64, SystemTime, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut seen: Vec<_> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap()))
        .chain([(".".to_owned(), std::fs::metadata(path).unwrap())])
        .map(|(name, found)| (name, found.size(), found.modified().unwrap(), found.ctime(), found.ctime_nsec()))
        .collect();
    seen.sort();
    seen
}

#[test]
fn while_all_is_well_nothing_is_written_to_the_directory() {
    let (spool, server) = (Spool::new(""), Server::start(Options::default()));
    let mut generator = lines::Generator::new(51);
    // The first run makes the directory and its locks.
    spool.run(&server.url()).args(["--deadline", "20s"]).stdin("").run().assert_code(0);
    let before = seen(spool.path());
    for _ in 0..5 {
        let batch: Vec<_> = generator.by_ref().take(200).collect();
        spool.run(&server.url()).args(["--deadline", "20s"]).stdin(lines::joined(&batch)).run().assert_code(0);
        assert_eq!(seen(spool.path()), before, "one run of many");
    }
    let mut running = spool.run(&server.url()).args(["--flush-interval", "100ms"]).stdin_open().start();
    for _ in 0..if is_full() { 750 } else { 20 } {
        running.write(&lines::joined(&generator.by_ref().take(20).collect::<Vec<_>>()));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(seen(spool.path()), before, "a long-lived run");
    }
    // What is not delivered when the input ends settles first.
    std::thread::sleep(Duration::from_secs(2));
    running.close_stdin();
    running.wait().assert_code(0);
    assert_eq!(seen(spool.path()), before, "the end of a run that delivered everything");
}

#[test]
fn a_run_that_is_behind_settles_every_ten_seconds_or_128_kib_and_no_more_often() {
    let (spool, gate) = (Spool::new(""), Gate::new());
    let mut generator = lines::Generator::new(52);
    let mut running = spool.run(&gate.url()).args(["--flush-interval", "10ms"]).stdin_open().start();
    // Little: about 7 KiB a second, in many pieces.
    let (start, life) = (Instant::now(), Duration::from_secs(if is_full() { 42 } else { 13 }));
    let (mut last, mut changes) = (spool.used(), 0);
    while start.elapsed() < life {
        running.write(&lines::joined(&generator.by_ref().take(2).collect::<Vec<_>>()));
        for _ in 0..7 {
            std::thread::sleep(Duration::from_millis(5));
            let used = spool.used();
            changes += u64::from(used != last);
            last = used;
        }
    }
    // At once, and then every ten seconds.
    let most = 2 + life.as_secs() / 10;
    assert!((2..=most).contains(&changes), "{changes} times in {life:?}: {}", running.stderr());
    // Much, in blocks of 16 KiB: 2 MiB of lines in sixteen pieces of 128 KiB, give or take.
    let many: Vec<_> = generator.by_ref().take(16_000).collect();
    let (bytes, mut changes) = (lines::joined(&many), 0);
    for piece in bytes.chunks(16 << 10) {
        running.write(piece);
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(2));
            let used = spool.used();
            changes += u64::from(used != last);
            last = used;
        }
    }
    let pieces = bytes.len() as u64 / (128 << 10);
    assert!((pieces / 2..=pieces * 3 / 2 + 2).contains(&changes), "{changes} times for {pieces} times 128 KiB: {}", running.stderr());
    running.signal("KILL");
}

#[test]
fn with_sync_always_what_was_read_survives_a_kill_without_anything_in_memory_that_survives() {
    let (spool, mut gate) = (Spool::new("[spool]\nsync = \"always\"\n"), Gate::new());
    let mut generator = lines::Generator::new(53);
    let mut sent = Vec::new();
    for round in 0..if is_full() { 50 } else { 5 } {
        let mut running = spool.run(&gate.url()).stdin_open().start();
        for _ in 0..1 + round % 4 {
            let lines: Vec<_> = generator.by_ref().take(1 + round * 7).collect();
            running.write(&lines::joined(&lines));
            sent.extend(lines);
            // It reads on only when what it has read is durable: then the directory has it.
            assert!(wait_until(|| running.has_taken_everything()), "{}", running.stderr());
        }
        running.signal("KILL");
        assert_eq!(running.wait().signal, Some(9));
    }
    let server = Server::start(Options::default());
    gate.open(server.address());
    spool.run(&gate.url()).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &sent), 0);
    spool.assert_empty();
}

#[test]
fn with_sync_always_an_endpoint_that_does_not_answer_does_not_hold_up_the_input() {
    let (spool, server) = (Spool::new("[spool]\nsync = \"always\"\n"), Server::start(Options::default()));
    server.change(|service| service.conditions.silent = true);
    let mut running = spool.run(&server.url()).args(["--flush-interval", "0s"]).stdin_open().start();
    let start = Instant::now();
    for line in lines::telegraf(54, 20) {
        running.write(&lines::joined(&[line]));
        assert!(wait_until(|| running.has_taken_everything()), "{}", running.stderr());
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    running.signal("KILL");
}
