//! The same metrics through Telegraf's own `outputs.kinesis` and through `outputs.exec` with kinegraf: the records must be the same, byte for byte.
//!
//! Both outputs stand in one Telegraf, so that both get the very same metrics: Telegraf writes the fields of a metric in the order of a Go map, another one for
//! each metric it makes, but keeps it from one output to the next.
//!
//! The 10,000 metrics of each test are as nasty as Telegraf's parser allows, and none of them is set apart. What cannot be the same in principle is in
//! `unlike.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use super::metrics;
use super::support::service::Stream;
use super::support::{Options, STREAM, Server};
use super::telegraf::{Agent, find};

const COUNT: usize = 10_000;
/// Telegraf's stream; kinegraf's is the usual one.
pub(crate) const THEIRS: &str = "theirs";

/// How often each record is in a stream, by partition key and data.
pub(crate) type Records = BTreeMap<(String, Vec<u8>), usize>;

/// What both outputs are asked for.
pub(crate) struct Case {
    /// What the section of `outputs.kinesis` says: data format, then the partition table.
    pub(crate) theirs: &'static str,
    /// kinegraf's arguments for the same.
    pub(crate) ours: &'static [&'static str],
    /// kinegraf's configuration for the same.
    pub(crate) config: &'static str,
    /// What the section of `outputs.exec` says of the line protocol that it writes.
    pub(crate) exec: &'static str,
}

impl Default for Case {
    fn default() -> Case {
        Case { theirs: "", ours: &[], config: "", exec: "influx_uint_support = true" }
    }
}

pub(crate) fn server() -> Server {
    let streams = vec![(THEIRS, Stream::default()), (STREAM, Stream::default())];
    Server::start(Options { streams, ..Options::default() })
}

/// What a stream took, in its order, by partition key and data.
///
/// Of two equal requests of Telegraf's in a row the second is left out: Amazon's Go SDK closes a request's body as soon as an answer begins, and where that comes
/// so fast that it has not yet noticed that all of the body is sent, it gives up the connection and sends the request again, stored or not.
pub(crate) fn taken(server: &Server, stream: &str) -> Vec<(String, Vec<u8>)> {
    let mut requests: Vec<Vec<(String, Vec<u8>)>> = Vec::new();
    for exchange in server.exchanges().into_iter().filter(|exchange| exchange.stream == stream && exchange.status == 200) {
        let request = exchange.records.iter().map(|record| (record.key.to_string(), record.data.to_vec())).collect();
        if stream != THEIRS || requests.last() != Some(&request) {
            requests.push(request);
        }
    }
    requests.concat()
}

/// Both streams of one run: Telegraf's and ours.
pub(crate) fn both(agent: &Agent, server: &Server) -> (Records, Records) {
    let finished = agent.once();
    assert!(!finished.stderr.contains("E! "), "{}", finished.stderr);
    let records = |stream| {
        let mut records = Records::new();
        taken(server, stream).into_iter().for_each(|record| *records.entry(record).or_default() += 1);
        records
    };
    (records(THEIRS), records(STREAM))
}

/// Ten thousand nasty metrics of a seed through both, once.
fn run(telegraf: &'static Path, seed: u64, case: &Case) -> (Records, Records) {
    let server = server();
    let lines = metrics::nasty(seed, COUNT);
    let agent = Agent::new(telegraf, "").input(&lines.concat(), "data_format = \"influx\"");
    let config = agent.dir.file("kinegraf.toml", case.config);
    let arguments = [case.ours, &["--config", config.to_str().unwrap()]].concat();
    let agent = agent.exec(&server, STREAM, &arguments, case.exec).kinesis(&server, THEIRS, case.theirs);
    let (theirs, ours) = both(&agent, &server);
    assert_eq!(theirs.values().sum::<usize>(), COUNT, "records of Telegraf's own, seed {seed}");
    (theirs, ours)
}

/// With `KINEGRAF_FULL=1` twenty seeds, else one.
fn seeds() -> std::ops::Range<u64> {
    0..if std::env::var_os("KINEGRAF_FULL").is_some_and(|value| value == "1") { 20 } else { 1 }
}

/// Asserts that two streams hold the same records.
pub(crate) fn assert_same(theirs: &Records, ours: &Records) {
    let show = |(key, data): &(String, Vec<u8>)| format!("{key:?}: {}", data[..data.len().min(2000)].escape_ascii());
    let missing: Vec<String> = theirs.iter().filter(|(record, count)| ours.get(record) != Some(count)).map(|(record, _)| show(record)).collect();
    let strange: Vec<String> = ours.iter().filter(|(record, count)| theirs.get(record) != Some(count)).map(|(record, _)| show(record)).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "{} records are only Telegraf's, the first:\n{}\n{} are only ours, the first:\n{}",
        missing.len(),
        missing.iter().take(5).cloned().collect::<Vec<_>>().join("\n"),
        strange.len(),
        strange.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// Asserts that ten thousand nasty metrics become the same records in both.
pub(crate) fn assert_identical(case: &Case) {
    let Some(telegraf) = find() else { return };
    for seed in seeds() {
        let (theirs, ours) = run(telegraf, seed, case);
        assert_same(&theirs, &ours);
    }
}

#[test]
fn the_metrics_are_as_nasty_as_they_are_meant_to_be() {
    for (kind, count) in metrics::kinds(&metrics::nasty(0, COUNT)) {
        assert!(count >= 20, "{count} with {kind}");
    }
}

#[test]
fn a_static_key_gives_the_records_that_telegraf_gives() {
    assert_identical(&Case {
        theirs: "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"all of them, ✓\"",
        ours: &["--partition", "static=all of them, ✓"],
        ..Case::default()
    });
}

#[test]
fn a_measurement_as_key_gives_the_records_that_telegraf_gives() {
    assert_identical(&Case {
        theirs: "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"measurement\"",
        ours: &["--partition", "measurement"],
        ..Case::default()
    });
}

#[test]
fn a_tag_as_key_gives_the_records_that_telegraf_gives_with_its_default_where_the_tag_is_missing() {
    assert_identical(&Case {
        theirs: "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"\ndefault = \"no, \\\"host\\\"\"",
        ours: &["--partition", "tag=host,no, \"host\""],
        ..Case::default()
    });
}

#[test]
fn a_tag_as_key_without_a_default_gives_the_records_that_telegraf_gives() {
    assert_identical(&Case {
        theirs: "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"",
        ours: &["--partition", "tag=host"],
        ..Case::default()
    });
}

#[test]
fn telegrafs_own_section_as_our_configuration_gives_the_records_that_telegraf_gives() {
    let Some(telegraf) = find() else { return };
    let tables = [
        "method = \"measurement\"",
        "method = \"static\"\nkey = \"all of \\\"them\\\" ✓\"",
        "method = 'tag'\nkey = 'host'\ndefault = 'C:\\none'",
        "method = \"tag\"\nkey = \"nowhere\"",
    ];
    for table in tables {
        let server = server();
        let agent = Agent::new(telegraf, "").input(&metrics::nasty(1, 1000).concat(), "data_format = \"influx\"");
        let path = agent.dir.path().join("telegraf.conf");
        // The stream is another; the rest is what the section says.
        let agent = agent.exec(&server, STREAM, &["--config", path.to_str().unwrap()], "influx_uint_support = true").kinesis(
            &server,
            THEIRS,
            &format!("influx_uint_support = true\n[outputs.kinesis.partition]\n{table}"),
        );
        let (theirs, ours) = both(&agent, &server);
        assert_eq!(theirs.values().sum::<usize>(), 1000, "{table}");
        assert_same(&theirs, &ours);
    }
}

#[test]
fn unsigned_fields_are_written_as_telegraf_writes_them_without_uint_support_too() {
    assert_identical(&Case {
        theirs: "[outputs.kinesis.partition]\nmethod = \"measurement\"",
        ours: &["--partition", "measurement"],
        exec: "",
        ..Case::default()
    });
}

#[test]
fn random_keys_are_uuids_of_version_4_and_the_data_is_what_telegraf_gives() {
    let Some(telegraf) = find() else { return };
    let theirs = "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"random\"";
    let (theirs, ours) = run(telegraf, 0, &Case { theirs, ours: &["--partition", "random"], ..Case::default() });
    for (whose, records) in [("theirs", &theirs), ("ours", &ours)] {
        assert_eq!(records.len(), COUNT, "{whose}: each record has a key of its own");
        let strange = records.keys().find(|(key, _)| !is_uuid_4(key));
        assert!(strange.is_none(), "{whose}: {strange:?}");
    }
    let data = |records: Records| {
        let mut data = Records::new();
        for ((_, bytes), count) in records {
            *data.entry((String::new(), bytes)).or_default() += count;
        }
        data
    };
    assert_same(&data(theirs), &data(ours));
}

fn is_uuid_4(key: &str) -> bool {
    let marks = |at: usize, byte: u8| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        19 => b"89ab".contains(&byte),
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    key.len() == 36 && key.bytes().enumerate().all(|(at, byte)| marks(at, byte))
}

#[test]
fn what_telegraf_gathers_of_this_machine_is_the_same_in_both_with_its_fields_in_the_order_of_a_go_map() {
    let Some(telegraf) = find() else { return };
    let server = server();
    let inputs = "[[inputs.cpu]]\n[[inputs.mem]]\n[[inputs.system]]\n[[inputs.processes]]\n[[inputs.internal]]\n[[inputs.disk]]\n[[inputs.net]]";
    let agent = Agent::new(telegraf, "")
        .section(inputs)
        .exec(&server, STREAM, &["--partition", "measurement"], "influx_uint_support = true")
        .kinesis(&server, THEIRS, "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"measurement\"");
    let (theirs, ours) = both(&agent, &server);
    assert!(theirs.len() >= 10, "{}", theirs.len());
    assert_same(&theirs, &ours);
}
