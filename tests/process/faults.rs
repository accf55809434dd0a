//! Volume, first clean, then with everything that goes wrong at once.

use std::time::Duration;

use super::common::{assert_stored_under_keys, host_of, is_full, summed, to};
use super::support::fault::{Garbage, RecordError, Throttle};
use super::support::{Fault, Options, Pick, Plan, Server, TempDir, lines};

fn everything(seed: u64) -> Plan {
    let garbage = |kind, stored| Fault::Garbage { kind, stored };
    Plan::mix(
        seed,
        [
            (680, Fault::FailRecords(Pick::Random { per_mille: 333, seed }, RecordError::Throughput)),
            (100, Fault::FailRecords(Pick::Random { per_mille: 333, seed }, RecordError::Internal)),
            (40, Fault::FailRecords(Pick::Random { per_mille: 333, seed }, RecordError::Other("SomethingNewException"))),
            (15, Fault::ResetBeforeRead),
            (15, Fault::ResetAfterRead),
            (20, Fault::StoreThenReset),
            (10, Fault::TruncateAnswer { stored: true }),
            (10, Fault::TruncateAnswer { stored: false }),
            (10, garbage(Garbage::Noise, true)),
            (10, garbage(Garbage::Html, false)),
            (5, garbage(Garbage::OneEntryLess, false)),
            (5, garbage(Garbage::OneEntryMore, true)),
            (5, garbage(Garbage::Empty, true)),
            (5, garbage(Garbage::EmptyEntries, false)),
            (10, Fault::Throttle(Throttle::RetryAfter(20))),
            (10, Fault::Throttle(Throttle::Provisioned)),
            (5, Fault::Throttle(Throttle::TooManyRequests)),
            (10, Fault::ServiceUnavailable),
            (10, Fault::InternalFailure),
            (10, Fault::HtmlError),
            (5, Fault::CloseIdle),
            (5, Fault::CompressAnswer),
            (5, Fault::ChunkAnswer),
        ],
    )
}

#[test]
fn whatever_goes_wrong_at_once_every_line_is_stored_and_none_is_sent_again_after_its_acknowledgement() {
    let count = if is_full() { 100_000 } else { 20_000 };
    let (lines, dir) = (lines::telegraf(1, count), TempDir::new());
    let file = dir.file("lines", lines::joined(&lines));
    let key = |line: &[u8]| host_of(line).to_owned();

    let clean = Server::start(Options::default());
    let finished = to(&clean).args(["-v"]).stdin_file(&file).run().assert_code(0);
    assert_eq!(assert_stored_under_keys(&clean, &lines, key), 0, "a clean run stores nothing twice");
    clean.assert_no_resend_after_ack();
    assert_eq!((summed(&finished, "lines accepted"), summed(&finished, "delivered in")), (count as u64, count as u64));
    // 500 lines a request, but for moments in which the delivery was faster than the input.
    assert!(clean.counts().requests <= count as u64 / 500 * 5 / 4 + 2, "{} requests", clean.counts().requests);

    let faulty = Server::start(Options::plan(everything(if is_full() { 11 } else { 12 })));
    let finished = to(&faulty).args(["-v"]).stdin_file(&file).limit(Duration::from_secs(300)).run().assert_code(0);
    assert_stored_under_keys(&faulty, &lines, key);
    faulty.assert_no_resend_after_ack();
    assert_eq!(summed(&finished, "delivered in"), count as u64);
    let (with, without) = (faulty.counts().requests, clean.counts().requests);
    println!("{count} lines: {without} requests without faults, {with} with them");
    assert!(with < 3 * without, "{with} requests with faults, {without} without");
}

#[test]
fn lines_that_are_packed_together_survive_the_same_faults_over_tls() {
    let lines = lines::telegraf(2, 20_000);
    let server = Server::start(Options { tls: Some(super::support::Certificate::Good), ..Options::plan(everything(21)) });
    let program = to(&server).args(["--pack", "lines", "--shutdown-timeout", "120s"]);
    program.stdin(lines::joined(&lines)).limit(Duration::from_secs(120)).run().assert_code(0);
    server.assert_stored(super::support::STREAM, &lines);
    server.assert_no_line_resent_after_ack();
    for record in server.records(super::support::STREAM) {
        assert!(lines::split(&record.data).iter().all(|line| host_of(line) == &*record.key), "never two keys in a record");
    }
}

#[test]
fn a_shard_that_is_too_slow_only_slows_the_run_down() {
    let lines = lines::telegraf(3, 3_000);
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.shard_records_per_s = Some(600));
    to(&server).args(["--shutdown-timeout", "60s"]).stdin(lines::joined(&lines)).run().assert_code(0);
    assert_eq!(assert_stored_under_keys(&server, &lines, |line| host_of(line).to_owned()), 0);
    assert!(server.counts().failed > 0, "it was throttled");
}
