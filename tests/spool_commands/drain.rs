//! Lines that waited are delivered.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::support::lines;
use super::support::{Fault, Pick, Plan, REGION, SECRET_KEY, Server, fault};
use super::{A, B, SpoolDir, broken_server, row, words};

fn place(server: &Server, stream: &str) -> String {
    format!("{stream} in {REGION} at {}/", server.url())
}

#[test]
fn drain_delivers_the_backlog_in_order_and_leaves_no_segment() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 12_000);
    server.set_plan(Plan::Good);
    // The stored next attempt is another run's patience: who calls wants it now.
    let finished = spool.drain(&server, A).args(["--pack", "lines"]).run().assert_code(0);
    assert_eq!(words(&finished), format!("{}: 12000 lines delivered\n", place(&server, A)));
    assert_eq!(finished.stderr, "");
    assert!(server.stored_lines(A) == sent, "in order, each once");
    assert_eq!(spool.files(".segment").len(), 0);
    assert_eq!(words(&spool.drain(&server, A).run().assert_code(0)), "nothing waits\n");
}

#[test]
fn stranded_lines_go_where_their_header_says_each_to_its_own_endpoint() {
    let (first, second, spool) = (broken_server(), broken_server(), SpoolDir::new());
    let a = spool.backlog(&first, A, 1, 500);
    let b = spool.backlog(&second, B, 2, 300);
    let here = spool.backlog(&second, A, 3, 200);
    [&first, &second].into_iter().for_each(|server| server.set_plan(Plan::Good));
    let said = words(&spool.drain(&second, A).run().assert_code(0));
    let rows: Vec<&str> = said.lines().collect();
    assert_eq!(rows[0], format!("{}: 200 lines delivered", place(&second, A)), "the configured one first");
    assert!(rows.contains(&format!("{}: 500 lines delivered", place(&first, A)).as_str()), "{said}");
    assert!(rows.contains(&format!("{}: 300 lines delivered", place(&second, B)).as_str()), "{said}");
    assert_eq!((first.assert_stored(A, &a), second.assert_stored(A, &here), second.assert_stored(B, &b)), (0, 0, 0));
    assert_eq!((first.records(B).len(), spool.files(".segment").len()), (0, 0));
}

#[test]
fn no_stream_need_be_configured_to_deliver_what_is_stranded() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 50);
    server.set_plan(Plan::Good);
    let key = [("AWS_ACCESS_KEY_ID", super::support::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let program = key.into_iter().fold(spool.command("drain"), |program, (name, value)| program.env(name, value));
    program.run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    let finished = spool.command("drain").args(["--to-configured"]).run().assert_code(78);
    assert!(finished.first_line().contains("no stream is named"), "{}", finished.stderr);
}

#[test]
fn lines_of_a_mistyped_stream_go_to_the_configured_one_when_a_person_says_so() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let mistyped = spool.backlog(&server, "stream-aa", 1, 400);
    let other = spool.backlog(&server, B, 2, 100);
    let own = spool.backlog(&server, A, 3, 100);
    server.set_plan(Plan::Good);
    let arguments = ["--to-configured", "--destination", "stream-aa"];
    let finished = spool.drain(&server, A).args(arguments).run().assert_code(0);
    assert_eq!(words(&finished), format!("{}: 400 lines delivered, to {}\n", place(&server, "stream-aa"), place(&server, A)));
    assert_eq!(server.assert_stored(A, &mistyped), 0);
    assert_eq!(spool.files(".segment").len(), 2, "the others wait");
    let said = words(&spool.drain(&server, A).args(["--to-configured"]).run().assert_code(0));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert_eq!(server.assert_stored(A, &[mistyped, other, own].concat()), 0);
    assert!(server.records(B).is_empty());
}

#[test]
fn a_run_leaves_stranded_lines_alone_and_keeps_their_partition_keys_for_the_drain() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = lines::telegraf(1, 40);
    spool.run(&server, A).args(["--partition", "tag=host"]).stdin(lines::joined(&sent)).run().assert_code(0);
    server.set_plan(Plan::Good);
    spool.run(&server, B).stdin("m,host=a v=1 1\n").run().assert_code(0);
    assert_eq!((server.records(A).len(), server.records(B).len()), (0, 1));
    assert_eq!(row(&spool.listed(), A).0[0], "40");
    spool.drain(&server, B).run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    assert!(server.records(A).iter().all(|record| record.key.starts_with("edge-")), "{:?}", server.records(A)[0]);
}

#[test]
fn records_that_fail_are_sent_again_and_no_other() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 3000);
    let pick = Pick::Random { per_mille: 300, seed: 5 };
    server.set_plan(Plan::Always(Fault::FailRecords(pick, fault::RecordError::Throughput)));
    let finished = spool.drain(&server, A).args(["-v"]).run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    server.assert_no_resend_after_ack();
    assert!(finished.stderr.contains("3000 lines of earlier runs"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(SECRET_KEY));
}

#[test]
fn what_a_killed_run_left_in_memory_is_drained_too() {
    let (server, spool, hot) = (broken_server(), SpoolDir::new(), SpoolDir::new());
    server.set_plan(Plan::Always(Fault::SilentBlackHole { read_body: true, stored: false }));
    let temp = super::TempDir::new();
    let text = format!("[spool]\ndirectory = \"{}\"\nhot = \"{}\"\n[packing]\nflush_interval = \"0s\"\n", spool.shown(), hot.shown());
    let config = temp.file("kinegraf.toml", text).display().to_string();
    let sent = lines::telegraf(1, 100);
    let mut run = super::kinegraf().args(["--config", &config]).to(&server, A).stdin_open().start();
    run.write(&lines::joined(&sent));
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests > 0), "{}", run.stderr());
    run.signal("KILL");
    run.wait();
    assert_eq!((spool.files(".segment").len(), hot.files(".segment").len()), (0, 1));
    server.set_plan(Plan::Good);
    // For whoever has it configured, and as a stranded one.
    let stranded = super::kinegraf().args(["spool", "list", "--config", &config]).to(&server, B).run().assert_code(0);
    assert_eq!(row(&words(&stranded), A).0[0], "100");
    super::kinegraf().args(["spool", "drain", "--config", &config]).to(&server, B).run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    assert_eq!(hot.files(".segment").len(), 0);
}

/// Gives everything to another user where we are root. Nobody else may, and then there is nothing that could go wrong.
fn owned_by_somebody_else(spool: &SpoolDir) -> u32 {
    let is_root = spool.path.metadata().unwrap().uid() == 0;
    let owner = if is_root { 65_534 } else { spool.path.metadata().unwrap().uid() };
    for path in spool.files("").into_iter().chain([spool.path.clone()]).filter(|_| is_root) {
        std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
    }
    owner
}

#[test]
fn what_root_drains_stays_the_property_of_its_owner() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 20);
    let owner = owned_by_somebody_else(&spool);
    // Locks and cursor are made anew by the drain.
    for path in spool.files("").into_iter().filter(|path| !path.to_string_lossy().contains(".segment")) {
        std::fs::remove_file(path).unwrap();
    }
    server.set_plan(Plan::Good);
    spool.drain(&server, A).run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    let files = spool.files("");
    assert!(files.iter().any(|path| path.to_string_lossy().contains("cursor-")), "{files:?}");
    for path in files {
        assert_eq!((path.metadata().unwrap().uid(), path.metadata().unwrap().mode() & 0o777), (owner, 0o600), "{}", path.display());
    }
}

#[test]
fn a_refused_line_is_told_and_kept_in_a_file_of_the_spools_owner() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let mut sent = spool.backlog(&server, A, 1, 20);
    let large = lines::of_size(1, 5000);
    spool.run(&server, A).stdin(lines::joined(&[&large])).run().assert_code(0);
    let owner = owned_by_somebody_else(&spool);
    server.change(|service| service.streams.get_mut(A).unwrap().record_size_max = 1000);
    server.set_plan(Plan::Good);
    let finished = spool.drain(&server, A).run().assert_code(0);
    assert_eq!(words(&finished), format!("{}: 20 lines delivered, 1 refused\n", place(&server, A)));
    assert_eq!(server.assert_stored(A, &sent), 0);
    let rejected = spool.path.join("rejected.lp");
    sent.push(large);
    assert!(std::fs::read(&rejected).unwrap().ends_with(&lines::joined(&sent[20..])));
    assert_eq!(rejected.metadata().unwrap().uid(), owner);
}

#[test]
fn a_drain_that_is_killed_or_asked_to_end_loses_nothing() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 8000);
    server.set_plan(Plan::Always(Fault::Slow(Duration::from_millis(150))));
    for signal in ["KILL", "TERM", "INT"] {
        let stored = server.counts().stored;
        let drain = spool.drain(&server, A).start();
        assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored > stored), "{signal}: {}", drain.stderr());
        drain.signal(signal);
        let finished = drain.wait();
        if signal == "KILL" {
            assert_eq!(finished.signal, Some(9));
            continue;
        }
        assert!(finished.time < Duration::from_secs(15), "{signal}: {:?}", finished.time);
        let finished = finished.assert_code(75);
        assert!(finished.first_line().starts_with("kinegraf: not delivered in time: "), "{}", finished.stderr);
        assert!(words(&finished).contains(" left\n"), "{}", words(&finished));
    }
    server.set_plan(Plan::Good);
    spool.drain(&server, A).run().assert_code(0);
    server.assert_stored(A, &sent);
    assert_eq!(spool.files(".segment").len(), 0);
}
