//! Beside a running kinegraf, which has the whole directory.

use std::time::Duration;

use super::support::process::Running;
use super::support::{Plan, lines};
use super::{A, B, SpoolDir, broken_server, row, words};

/// A run that has the directory until its input ends.
fn running(spool: &SpoolDir, server: &super::Server, stream: &str) -> Running {
    let before = server.counts().requests;
    let mut run = spool.run(server, stream).args(["--flush-interval", "0s"]).stdin_open().start();
    run.write(b"m,host=a v=1 1\n");
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests > before), "{}", run.stderr());
    run
}

#[test]
fn list_and_export_work_beside_a_running_one_and_drain_handles_stranded_segments_only() {
    let (broken, good, spool) = (broken_server(), broken_server(), SpoolDir::new());
    let own = spool.backlog(&broken, A, 1, 100);
    let stranded = spool.backlog(&good, B, 2, 60);
    good.set_plan(Plan::Good);
    let run = running(&spool, &broken, A);
    assert_eq!(row(&spool.listed(), B).0[0], "60");
    assert!(spool.exported().starts_with(&lines::joined(&own)));
    let finished = spool.drain(&broken, A).run().assert_code(0);
    assert_eq!(good.assert_stored(B, &stranded), 0);
    let said = words(&finished);
    assert!(said.contains("60 lines delivered") && said.ends_with("lines left to the process that delivers them\n"), "{said}");
    assert!(spool.exported().starts_with(&lines::joined(&own)), "what it has is untouched");
    // Now there is nothing but what the other one has.
    let finished = spool.drain(&broken, A).run().assert_code(75);
    let reason = format!("kinegraf: spool directory {}: in use by process {}; ", spool.shown(), run.pid());
    assert!(finished.first_line().starts_with(&reason), "{}", finished.stderr);
    assert!(run.wait().code.is_some());
}

#[test]
fn a_run_that_ends_soon_is_waited_for() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 100);
    let run = running(&spool, &server, A);
    let drain = spool.command("drain").to(&server, A).args(["--shutdown-timeout", "20s"]).start();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.records(A).len(), 0);
    run.wait().assert_code(0);
    server.set_plan(Plan::Good);
    drain.wait().assert_code(0);
    let all = [sent, vec![b"m,host=a v=1 1".to_vec()]].concat();
    assert_eq!(server.assert_stored(A, &all), 0);
}

#[test]
fn two_drains_do_not_deliver_the_same_lines() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 4000);
    server.set_plan(Plan::Always(super::Fault::Slow(Duration::from_millis(50))));
    let drains = [0, 1, 2].map(|_| spool.command("drain").to(&server, B).args(["--shutdown-timeout", "30s"]).start());
    let said: Vec<String> = drains.map(|drain| words(&drain.wait().assert_code(0))).to_vec();
    assert_eq!(server.assert_stored(A, &sent), 0, "{said:?}");
    assert_eq!(said.iter().filter(|said| said.contains(": 4000 lines delivered")).count(), 1, "{said:?}");
}
