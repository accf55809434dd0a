//! The endpoint is down for a while, or for long: what comes meanwhile waits in the directory, in order and within its bounds, and a dead endpoint is left in
//! peace.

use std::collections::BTreeMap;
use std::time::Duration;

use super::common::{assert_within, host_of, is_full, summed};
use super::spool_common::{Gate, Spool};
use super::support::{Fault, Options, Plan, STREAM, Server, lines};

/// Lines of each key in the order of storing.
fn by_key(lines: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut keys: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for line in lines {
        keys.entry(host_of(&line).to_owned()).or_default().push(line);
    }
    keys
}

#[test]
fn what_came_in_batches_while_the_endpoint_was_down_is_delivered_in_order_when_it_is_up() {
    let batches = if is_full() { 200 } else { 10 };
    let (spool, mut gate) = (Spool::new("[spool]\nsize = \"64MiB\"\n[delivery]\nordering = \"strict\"\n"), Gate::new());
    let lines = lines::telegraf(31, batches * 1000);
    let mut most = 0;
    for (i, batch) in lines.chunks(1000).enumerate() {
        // Another process looks at the directory while it runs.
        let mut running = spool.run(&gate.url()).args(["-v", "--deadline", "1s"]).stdin(lines::joined(batch)).start();
        while !running.has_ended() {
            most = most.max(spool.used());
            std::thread::sleep(Duration::from_millis(5));
        }
        let finished = running.wait().assert_code(0);
        assert_within(&finished, Duration::from_secs(1));
        assert!(summed(&finished, "kept in the spool") >= 1000, "batch {i}: {}", finished.stderr);
    }
    assert!(most <= 64 << 20, "{most} bytes");
    println!("{} lines wait in {} segments of {} bytes", lines.len(), spool.segments().len(), spool.used());
    let server = Server::start(Options::default());
    gate.open(server.address());
    let finished = spool.run(&gate.url()).args(["-v", "--shutdown-timeout", "60s"]).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0, "nothing was sent before, nothing is sent twice");
    assert_eq!(by_key(server.stored_lines(STREAM)), by_key(lines.clone()), "the order within a key");
    spool.assert_empty();
    assert_eq!((summed(&finished, "lines of earlier runs"), summed(&finished, "delivered in")), (lines.len() as u64, lines.len() as u64));
    println!("they were delivered in {:?} by {} requests", finished.time, server.counts().requests);
}

#[test]
fn an_endpoint_that_does_not_answer_at_all_costs_no_batch() {
    // The first send gets no answer within the deadline: what is to be kept must not wait for it.
    let (spool, server) = (Spool::new(""), Server::start(Options::default()));
    server.change(|service| service.conditions.silent = true);
    let lines = lines::telegraf(32, 3000);
    for batch in lines.chunks(1000) {
        let finished = spool.run(&server.url()).args(["--deadline", "1s"]).stdin(lines::joined(batch)).run().assert_code(0);
        assert_within(&finished, Duration::from_secs(1));
    }
    server.change(|service| service.conditions.silent = false);
    spool.run(&server.url()).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    spool.assert_empty();
}

#[test]
fn a_run_whose_next_attempt_lies_beyond_its_limit_settles_and_ends_at_once() {
    let (spool, server) =
        (Spool::new(""), Server::start(Options::plan(Plan::Always(Fault::Throttle(super::support::fault::Throttle::RetryAfter(20_000))))));
    let lines = lines::telegraf(33, 1000);
    let (mut requests, mut longest) = (Vec::new(), Duration::ZERO);
    for (i, batch) in lines.chunks(100).enumerate() {
        let finished = spool.run(&server.url()).args(["--deadline", "2s"]).stdin(lines::joined(batch)).run().assert_code(0);
        requests.push(server.counts().requests);
        if i > 0 {
            longest = longest.max(finished.time);
        }
    }
    assert!(longest < Duration::from_millis(if is_full() { 300 } else { 1_500 }), "{longest:?}");
    assert_eq!(requests.last(), Some(&1), "ten runs asked it {requests:?} times");
    // Nothing to read, so somebody wants to know.
    server.set_plan(Plan::Good);
    spool.run(&server.url()).args(["--deadline", "20s"]).stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    spool.assert_empty();
}
