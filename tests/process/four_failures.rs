//! The four failures of other senders when a `PutRecords` answers 200 with some records failed. They are why this program exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::common::{assert_stored_under_keys, host_of, input, is_full, summed, to};
use super::support::fault::{RecordError, Throttle};
use super::support::log::Fate;
use super::support::{Fault, Options, Pick, Plan, STREAM, Server};

/// Every third record of the first request fails.
fn a_third_fails() -> Server {
    Server::start(Options::plan(Plan::Script(vec![Fault::FailRecords(Pick::Every(3), RecordError::Throughput)])))
}

#[test]
fn records_that_failed_in_a_200_are_sent_again_and_not_dropped_as_telegraf_does() {
    let (server, (lines, bytes)) = (a_third_fails(), input(100));
    let finished = to(&server).args(["-v"]).stdin(bytes).run().assert_code(0);
    assert_eq!(assert_stored_under_keys(&server, &lines, |line| host_of(line).to_owned()), 0);
    assert_eq!((server.counts().failed, summed(&finished, "records sent again")), (34, 34));
}

#[test]
fn records_that_failed_in_a_200_are_not_called_delivered_as_vector_does() {
    // The first request stores two thirds; then nothing is stored any more, and the run's time is up.
    let plan = Plan::by(|coming| match coming.number {
        0 => Fault::FailRecords(Pick::Every(3), RecordError::Internal),
        _ => Fault::ServiceUnavailable,
    });
    let (server, (_, bytes)) = (Server::start(Options::plan(plan)), input(100));
    let finished = to(&server).args(["-v", "--shutdown-timeout", "500ms"]).stdin(bytes).run().assert_code(75);
    assert!(finished.first_line().contains("34 lines not delivered"), "{}", finished.stderr);
    assert_eq!((server.records(STREAM).len(), summed(&finished, "delivered in")), (66, 66));
    assert_eq!(summed(&finished, "dropped at the end"), 34);
}

#[test]
fn only_the_records_that_failed_are_sent_again_and_not_the_whole_request_as_fluent_bit_does() {
    let (server, (_, bytes)) = (a_third_fails(), input(500));
    to(&server).stdin(bytes).run().assert_code(0);
    let exchanges = server.exchanges();
    let failed: Vec<_> = exchanges[0].records.iter().filter(|record| record.fate == Fate::Failed).map(|record| record.data.clone()).collect();
    let second: Vec<_> = exchanges[1].records.iter().map(|record| record.data.clone()).collect();
    assert_eq!((exchanges.len(), failed.len()), (2, 167));
    assert_eq!(failed, second, "the failed ones, in their order, and nothing else");
    server.assert_no_resend_after_ack();
}

#[test]
fn records_do_not_expire_while_the_service_fails_as_they_do_in_the_kpl_after_30_s() {
    let fails_for = Duration::from_secs(if is_full() { 40 } else { 4 });
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = requests.clone();
    let plan = Plan::by(move |coming| {
        seen.fetch_add(1, Ordering::Relaxed);
        // Records that are throttled one by one, whole requests that are throttled, a service that is down: by turns.
        match (coming.at < fails_for, coming.number % 3) {
            (true, 0) => Fault::FailRecords(Pick::All, RecordError::Throughput),
            (true, 1) => Fault::Throttle(Throttle::Provisioned),
            (true, _) => Fault::ServiceUnavailable,
            (false, _) => Fault::None,
        }
    });
    let (server, (lines, bytes)) = (Server::start(Options::plan(plan)), input(100));
    let finished = to(&server).args(["--shutdown-timeout", "120s"]).stdin(bytes).run().assert_code(0);
    assert!(finished.time >= fails_for && requests.load(Ordering::Relaxed) >= 3, "it failed for a while: {:?}", finished.time);
    assert_eq!(assert_stored_under_keys(&server, &lines, |line| host_of(line).to_owned()), 0);
}
