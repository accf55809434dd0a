//! Allocations, counted.

use allocation_counter::{AllocationInfo, measure};
use kinegraf::config::{Config, Pack, Timestamp};
use kinegraf::kinesis::batch::Batch;
use kinegraf::kinesis::outcome::{Outcome, Reply, RetryReason};
use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};
use kinegraf::memory;
use kinegraf::sender::Sender;
use kinegraf::spool::block::Position;
use kinegraf::time::Clock;

use crate::harness::{Way, config, sender, stored};
use crate::support::{Certificate, Options, Server, Store, lines};

/// More than the spool has room for, so that segments come and go.
const BYTES: usize = 3 << 20;

/// Lines for at least `BYTES`; without timestamps, where they are to be stamped.
fn input(stamped: bool) -> Vec<u8> {
    let (mut bytes, mut generator) = (Vec::new(), lines::Generator::new(7));
    while bytes.len() < BYTES {
        generator.write(&mut bytes);
        if stamped {
            bytes.truncate(bytes.iter().rposition(|&byte| byte == b' ').expect("a timestamp stands behind a space"));
        }
        bytes.push(b'\n');
    }
    bytes
}

fn methods() -> [PartitionMethod; 5] {
    let tag = |key: &str| PartitionMethod::Tag { key: key.into(), default: Some(PartitionKey::default()) };
    [PartitionMethod::Random, PartitionMethod::Static(PartitionKey::default()), tag("host"), tag("name"), PartitionMethod::Measurement]
}

#[test]
fn from_bytes_to_the_acknowledged_record_no_line_allocates() {
    for pack in [Pack::Metric, Pack::Lines] {
        for partition in methods() {
            for stamped in [false, true] {
                let mut config = config(pack, None);
                config.partition = partition.clone();
                config.input.timestamp = if stamped { Timestamp::Stamp } else { Timestamp::Keep };
                let (bytes, mut way) = (input(stamped), Way::new(&config));
                // Every third request is partly refused for its rate, so that records are sent again.
                let mut requests = 0;
                let mut answer = |batch: &mut Batch| {
                    let reply = stored(batch);
                    requests += 1;
                    if requests % 3 == 0 && batch.window() > 1 {
                        batch.outcomes[1] = Outcome::Retry(RetryReason::Throttled);
                    }
                    reply
                };
                way.read(&bytes, |way| way.deliver(&mut answer));
                let info = measure(|| way.read(&bytes, |way| way.deliver(&mut answer)));
                assert_eq!(info.count_total, 0, "{pack:?}, {partition:?}, stamped {stamped}");
                let stamps = if stamped { way.pipeline.counters().accepted } else { 0 };
                assert!(way.pipeline.counters().delivered > 10_000 && requests > 9);
                assert_eq!(way.intake.counters().stamped, stamps);
            }
        }
    }
}

/// A batch of `records` records of which each has as many lines; as large together whatever their number.
fn batch(records: usize) -> Batch {
    let mut batch = Batch::new(256 << 10);
    let line = [lines::of_size(1, 499), b"\n".to_vec()].concat();
    for record in 0..records {
        let lines = 500 / records;
        batch.push(&format!("key-{record:04}"), lines as u32, Position(0), |out| (0..lines).for_each(|_| out.extend_from_slice(&line)));
    }
    batch.narrow(usize::MAX, usize::MAX);
    assert_eq!(batch.window(), records);
    batch
}

fn send(sender: &mut Sender, batch: &mut Batch) -> AllocationInfo {
    let clock = Clock::new();
    batch.sign_at = clock.now().wall;
    let mut reply = None;
    let info = measure(|| reply = Some(sender.send(batch, &clock)));
    assert!(matches!(reply, Some(Reply::Answered)), "{reply:?}");
    info
}

#[test]
fn a_request_allocates_a_fixed_number_of_times_whatever_its_records() {
    let server = Server::start(Options::default());
    let mut sender = sender(&config(Pack::Metric, Some(&server)), &server);
    // The first request connects and finds credentials.
    send(&mut sender, &mut batch(1));
    let counts = [1, 2, 50, 500, 1, 500].map(|records| send(&mut sender, &mut batch(records)).count_total);
    assert_eq!(counts, [counts[0]; 6]);
    assert!(counts[0] < 200, "{counts:?}");
}

#[test]
fn a_request_over_tls_allocates_for_its_bytes_and_not_for_its_records() {
    let server = Server::start(Options::tls(Certificate::Good));
    let mut sender = sender(&config(Pack::Metric, Some(&server)), &server);
    send(&mut sender, &mut batch(1));
    let counts = [1, 500, 1, 500].map(|records| send(&mut sender, &mut batch(records)));
    // rustls takes memory for each of its records of 16 KiB, and the answer of 500 entries is longer than that of one.
    assert!(counts.iter().all(|info| info.count_total.abs_diff(counts[0].count_total) <= 16), "{counts:?}");
    assert!(counts.iter().all(|info| info.bytes_max < 64 << 10), "{counts:?}");
    assert_eq!(counts[1].bytes_current + counts[2].bytes_current, 0, "nothing stays: {counts:?}");
}

#[test]
fn the_heap_stays_below_its_sum() {
    heap(Pack::Metric, None, |_| input(false));
    heap(Pack::Lines, Some(Certificate::Good), |_| input(false));
    // Lines and requests as large as they may be: every buffer is filled to its end.
    heap(Pack::Lines, Some(Certificate::Good), |config| {
        config.input.line_size = 1 << 20;
        (config.spool.hot_size, config.spool.segment_size, config.packing.buffer) = (8 << 20, 2 << 20, 2 << 20);
        (config.delivery.request_size, config.delivery.record_size) = (4 << 20, 4 << 20);
        (0..40).flat_map(|i| [lines::of_size(i, (1 << 20) - i as usize), b"\n".to_vec()].concat()).collect()
    });
}

fn heap(pack: Pack, certificate: Option<Certificate>, change: impl FnOnce(&mut Config) -> Vec<u8>) {
    let server = Server::start(Options { tls: certificate, store: Store::Counts, ..Options::default() });
    let mut config = config(pack, Some(&server));
    let (bytes, clock) = (change(&mut config), Clock::new());
    let info = measure(|| {
        let (mut sender, mut way) = (sender(&config, &server), Way::new(&config));
        way.read(&bytes, |way| way.deliver(|batch| sender.send(batch, &clock)));
        way.pipeline.close(true, None);
        way.deliver(|batch| sender.send(batch, &clock));
        assert_eq!(way.pipeline.waiting(), 0);
    });
    let (peak, sum) = (info.bytes_max as usize, memory::heap_max(&config));
    assert!(peak <= sum, "{peak} > {sum}");
    // A sum that is far too large would tell nobody anything.
    assert!(peak * 2 > sum, "{peak} is not half of {sum}");
    println!("{pack:?}: {} KiB of {} KiB", peak >> 10, sum >> 10);
}
