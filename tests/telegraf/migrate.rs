//! What `kinegraf migrate` prints, under Telegraf's own check and at work.

use std::path::Path;
use std::time::Duration;

use super::support::process::Finished;
use super::support::{Options, Program, STREAM, Server, TempDir};
use super::telegraf::{Agent, binary, find};

const FULL: &str = include_str!("../golden/migrate/full.conf");

fn migrate(file: &Path, output: &Path, arguments: &[&str]) -> Finished {
    let fixed = [file.to_str().unwrap(), "--output", output.to_str().unwrap()];
    Program::exactly(binary()).args(["migrate"]).args(fixed).args(arguments).run().assert_code(0)
}

/// The printed section for a file with this text.
fn printed(text: &str, pairing: &str) -> String {
    let dir = TempDir::new();
    let finished = migrate(&dir.file("telegraf.conf", text), &dir.path().join("kinegraf.toml"), &["--pairing", pairing]);
    String::from_utf8(finished.stdout).unwrap()
}

#[test]
fn the_printed_sections_pass_telegrafs_own_check() {
    let Some(telegraf) = find() else { return };
    let check = |section: &str| Agent::new(telegraf, "").input(b"", "data_format = \"influx\"").section(section).check();
    let many = "[[outputs.kinesis]]\n  region = \"eu-west-1\"\n  streamname = \"s\"\n  alias = \"a\"\n  log_level = \"debug\"\n  \
                startup_error_behavior = \"ignore\"\n  metric_batch_size = 1\n  metric_buffer_limit = 2\n  flush_interval = \"3s\"\n  flush_jitter = \"4s\"\n  \
                namepass = [\"a\"]\n  namedrop = ['b']\n  fieldinclude = [\"c\"]\n  fieldexclude = [\"d\"]\n  tagexclude = [\"e\"]\n  metricpass = \"name == 'x'\"\n  \
                name_prefix = \"p\"\n  influx_sort_fields = true\n  influx_max_line_bytes = 0\n  data_format = \"influx\"\n  tagdrop.k = [\"l\"]\n  \
                [outputs.kinesis.tagpass]\n    \"a b\" = [\"n\"]\n";
    for text in [FULL, include_str!("../golden/migrate/first.conf"), include_str!("../golden/migrate/json.conf"), many] {
        for pairing in ["exec", "execd", "socket"] {
            let section = printed(text, pairing);
            assert_eq!(check(&section), Ok(()), "{section}");
            let said = check(&section.replacen("data_format", "data_farmat", 1)).expect_err("a key that no plugin has");
            assert!(said.contains("data_farmat"), "{said}");
        }
    }
}

/// Keys and data that are stored, sorted.
fn stored(server: &Server) -> Vec<(String, Vec<u8>)> {
    let mut records: Vec<_> = server.records(STREAM).iter().map(|record| (record.key.to_string(), record.data.to_vec())).collect();
    records.sort();
    records
}

/// Metrics of one field: Telegraf writes several in an order of its own.
fn metrics() -> Vec<u8> {
    let line = |i: usize| {
        // An unsigned integer beyond the signed ones: influx clamps it unless it is told not to, JSON does not.
        let value = if i == 0 { u64::MAX } else { i as u64 };
        let (name, local) = (["cpu", "mem", "never"][i % 3], if i % 5 == 1 { "yes" } else { "no" });
        format!("{name},host=h{},local={local} v={value}u {i}\n", i % 7)
    };
    (0..1500).map(line).collect::<String>().into_bytes()
}

#[test]
fn after_write_the_same_telegraf_stores_the_same_records_through_kinegraf() {
    let Some(telegraf) = find() else { return };
    for (pairing, options) in [
        ("exec", "data_format = \"influx\"\nnamedrop = [\"never\"]\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"\n"),
        (
            "exec",
            "data_format = \"json\"\njson_timestamp_units = \"1ns\"\n[outputs.kinesis.partition]\nmethod = \"measurement\"\n[outputs.kinesis.tagdrop]\nlocal = [\"yes\"]\n",
        ),
        ("execd", "influx_uint_support = true\nname_prefix = \"edge_\"\n[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"k\"\n"),
    ] {
        let server = Server::start(Options::default());
        let input = "data_format = \"influx\"\ninflux_parser_type = \"upstream\"";
        let agent = Agent::new(telegraf, "flush_interval = \"1s\"").input(&metrics(), input).kinesis(&server, STREAM, options);
        agent.once();
        let before = stored(&server);
        assert!(before.len() >= 1000, "{}", before.len());

        let file = agent.dir.path().join("telegraf.conf");
        migrate(&file, &agent.dir.path().join("kinegraf.toml"), &["--pairing", pairing, "--write"]);
        let changed = std::fs::read_to_string(&file).unwrap();
        assert!(changed.contains(&format!("[[outputs.{pairing}]]")) && !changed.contains("\n[[outputs.kinesis]]"), "{changed}");
        let program = Program::exactly(telegraf).args(["--once", "--config"]).args([&file]).limit(Duration::from_secs(120));
        let finished = program.run().assert_code(0);
        // Go closes the pipe of a process that has ended, whether Telegraf has seen its end or not: that line says nothing of the program.
        let errors = finished.stderr.lines().filter(|line| line.contains("E! ") && !line.ends_with("file already closed")).count();
        assert!(errors == 0, "{}", finished.stderr);
        // No two metrics are the same; what stands there twice Telegraf's own output has sent again, see `identical::taken`.
        let mut once = before.clone();
        once.dedup();
        let mut twice = [before, once].concat();
        twice.sort();
        assert_eq!(stored(&server).len(), twice.len(), "{}", finished.stderr);
        assert!(stored(&server) == twice, "{pairing} {options}");
    }
}
