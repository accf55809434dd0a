//! Allocations, counted.

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use kinegraf::config::{Config, Pack, Timestamp};
use kinegraf::kinesis::batch::Batch;
use kinegraf::kinesis::outcome::{Outcome, Reply, RetryReason};
use kinegraf::limits::PARTITION_KEY_SIZE_MAX;
use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};
use kinegraf::line::point::Point;
use kinegraf::line::template::{Names, Template};
use kinegraf::memory;
use kinegraf::sender::Sender;
use kinegraf::spool::block::Position;
use kinegraf::time::Clock;

use crate::harness::{Way, config, sender, stored};
use crate::support::{Certificate, Options, Server, Store, lines};

/// Every test of this file by its name, for who has no harness.
#[cfg(not(test))]
pub(crate) const ALL: [(&str, fn()); 6] = [
    ("from_bytes_to_the_acknowledged_record_no_line_allocates", from_bytes_to_the_acknowledged_record_no_line_allocates),
    ("no_line_allocates_in_any_format", no_line_allocates_in_any_format),
    ("a_line_of_thousands_of_tags_and_fields_allocates_nothing", a_line_of_thousands_of_tags_and_fields_allocates_nothing),
    ("a_request_allocates_a_fixed_number_of_times_whatever_its_records", a_request_allocates_a_fixed_number_of_times_whatever_its_records),
    ("a_request_over_tls_allocates_for_its_bytes_and_not_for_its_records", a_request_over_tls_allocates_for_its_bytes_and_not_for_its_records),
    ("the_heap_stays_below_its_sum", the_heap_stays_below_its_sum),
];

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

fn methods() -> [PartitionMethod; 8] {
    let tag = |key: &str, default| PartitionMethod::Tag { key: key.into(), default };
    let template = Template::parse("{measurement}-{tag:host|none}-{tag:rack}-{hostname|x}", &Names::default(), &PartitionKey::default());
    [
        PartitionMethod::Random,
        PartitionMethod::Static(PartitionKey::default()),
        tag("host", Some(PartitionKey::default())),
        tag("name", Some(PartitionKey::default())),
        tag("name", None),
        PartitionMethod::Measurement,
        PartitionMethod::Series,
        PartitionMethod::Template(template.unwrap()),
    ]
}

#[cfg_attr(test, test)]
fn from_bytes_to_the_acknowledged_record_no_line_allocates() {
    for pack in [Pack::Metric, Pack::Lines] {
        for partition in methods() {
            for stamped in [false, true] {
                let mut config = config(pack, None);
                config.partition = partition.clone();
                config.input.timestamp = if stamped { Timestamp::Stamp } else { Timestamp::Keep };
                no_line_allocates(&config, &input(stamped), if stamped { 1 } else { 0 });
            }
        }
    }
}

#[cfg_attr(test, test)]
fn no_line_allocates_in_any_format() {
    let json = Format::Json(TimestampUnit::from_duration(Duration::from_millis(1)));
    for (format, pack) in [(json, Pack::Metric), (json, Pack::Lines), (Format::Custom, Pack::Metric), (Format::String, Pack::Metric)] {
        let mut config = config(pack, None);
        (config.format, config.partition) = (format, PartitionMethod::Series);
        no_line_allocates(&config, &input(false), 0);
    }
}

#[cfg_attr(test, test)]
fn a_line_of_thousands_of_tags_and_fields_allocates_nothing() {
    let pairs: Vec<String> = (0..6000).map(|i| format!("{:04}=1", i * 7919 % 6007)).collect();
    let line = format!("m,{} {} 5\n", pairs.join(","), pairs.join(","));
    let (mut out, mut key) = (Vec::with_capacity(line.len() * 3), String::with_capacity(PARTITION_KEY_SIZE_MAX));
    let info = measure(|| {
        let line = line.trim_end().as_bytes();
        PartitionMethod::Series.key_of(&Point::parse(line).unwrap(), &mut key);
        for format in [Format::Custom, Format::Json(TimestampUnit::default())] {
            out.clear();
            format.append(line, &mut out);
            assert_eq!(format.size(line), out.len());
        }
    });
    assert_eq!((info.count_total, key.len()), (0, 16));
}

/// Sends `bytes` the whole way twice and counts what the second time allocates; `stamps` of each line are counted.
fn no_line_allocates(config: &Config, bytes: &[u8], stamps: u64) {
    let mut way = Way::new(config);
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
    way.read(bytes, |way| way.deliver(&mut answer));
    let info = measure(|| way.read(bytes, |way| way.deliver(&mut answer)));
    assert_eq!(info.count_total, 0, "{:?}, {:?}, {:?}, stamped {stamps}", config.packing.pack, config.partition, config.format);
    assert!(way.pipeline.counters().delivered > 10_000 && requests > 9);
    assert_eq!(way.intake.counters().stamped, stamps * way.pipeline.counters().accepted);
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

#[cfg_attr(test, test)]
fn a_request_allocates_a_fixed_number_of_times_whatever_its_records() {
    let server = Server::start(Options::default());
    let mut sender = sender(&config(Pack::Metric, Some(&server)), &server);
    // The first request connects and finds credentials.
    send(&mut sender, &mut batch(1));
    let counts = [1, 2, 50, 500, 1, 500].map(|records| send(&mut sender, &mut batch(records)).count_total);
    assert_eq!(counts, [counts[0]; 6]);
    assert!(counts[0] < 200, "{counts:?}");
}

#[cfg_attr(test, test)]
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

#[cfg_attr(test, test)]
fn the_heap_stays_below_its_sum() {
    heap(Pack::Metric, None, |_| input(false));
    heap(Pack::Lines, Some(Certificate::Good), |_| input(false));
    heap(Pack::Lines, None, |config| {
        config.format = Format::Json(TimestampUnit::default());
        input(false)
    });
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
