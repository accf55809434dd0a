//! Telegraf's own configuration, as it is: the sample of each version delivers to a loopback Kinesis, and what is said about one that cannot.

use super::common::{assert_reason, kinegraf};
use super::support::fault::{RecordError, Throttle};
use super::support::process::Finished;
use super::support::server::Store;
use super::support::service::Stream;
use super::support::{ACCESS_KEY, Fault, Options, Pick, Plan, Program, SECRET_KEY, Server, TempDir};

const LINES: &str = "cpu,host=gw\\ 1,site=a usage=1.5 1519000000000000000\nmem used=2i 1519000000000000001\n";

/// The service of the samples.
fn server() -> Server {
    Server::start(Options { region: "ap-southeast-2", streams: vec![("StreamName", Stream::default())], store: Store::All, ..Options::default() })
}

/// The program with a file of Telegraf; endpoint and key come from the environment, so that the file stays as it is.
fn with(server: &Server, dir: &TempDir, text: &str) -> Program {
    let file = dir.file("telegraf.conf", text);
    let program = kinegraf().args(["--config"]).args([file]).env("AWS_ENDPOINT_URL_KINESIS", server.url());
    program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).stdin(LINES)
}

fn stored(server: &Server) -> Vec<(String, String)> {
    server.records("StreamName").iter().map(|record| (record.key.to_string(), String::from_utf8_lossy(&record.data).into_owned())).collect()
}

fn assert_delivered(text: &str, expected: [(&str, &str); 2]) -> Finished {
    let (server, dir) = (server(), TempDir::new());
    let finished = with(&server, &dir, text).run().assert_code(0);
    let mut found = stored(&server);
    found.sort();
    let expected = expected.map(|(key, data)| (key.to_owned(), data.to_owned()));
    assert!(found.iter().zip(&expected).all(|(found, expected)| found.1 == expected.1 && (expected.0 == "*" || found.0 == expected.0)), "{found:?}");
    assert_eq!(found.len(), 2);
    finished
}

const CPU: &str = "cpu,host=gw\\ 1,site=a usage=1.5 1519000000000000000";
const MEM: &str = "mem used=2i 1519000000000000001";

#[test]
fn the_sample_of_each_version_delivers_unchanged() {
    let (cpu, mem) = (format!("{CPU}\n"), format!("{MEM}\n"));
    assert_delivered(include_str!("../golden/telegraf/1.0.conf"), [("PartitionKey", CPU), ("PartitionKey", MEM)]);
    assert_delivered(include_str!("../golden/telegraf/1.5.conf"), [("PartitionKey", &cpu), ("PartitionKey", &mem)]);
    assert_delivered(include_str!("../golden/telegraf/1.21.conf"), [("PartitionKey", &cpu), ("PartitionKey", &mem)]);
    let (server, dir) = (server(), TempDir::new());
    with(&server, &dir, include_str!("../golden/telegraf/1.39.conf")).run().assert_code(0);
    let mut found = stored(&server);
    found.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!((found[0].1.as_str(), found[1].1.as_str()), (cpu.as_str(), mem.as_str()));
    assert!(found[0].0 != found[1].0 && found.iter().all(|(key, _)| key.len() == 36), "a UUID each: {found:?}");
}

#[test]
fn the_custom_format_of_telegraf_1_0_is_written_to_the_byte() {
    let sample = include_str!("../golden/telegraf/1.0.conf").replace("format = \"string\"", "format = \"custom\"");
    let (cpu, mem) = (format!("cpu,map[host:gw 1 site:a],{CPU}"), format!("mem,map[],{MEM}"));
    assert_delivered(&sample, [("PartitionKey", &cpu), ("PartitionKey", &mem)]);
}

#[test]
fn a_tag_that_a_line_lacks_falls_through_to_the_old_keys_and_is_never_empty() {
    let table = "  [outputs.kinesis.partition]\n    method = \"tag\"\n    key = \"host\"\n";
    let (cpu, mem) = (format!("{CPU}\n"), format!("{MEM}\n"));
    let old = include_str!("../golden/telegraf/1.5.conf");
    assert_delivered(&format!("{old}{table}"), [("PartitionKey", &mem), ("gw 1", &cpu)]);
    let neither = old.replace("  partitionkey = \"PartitionKey\"\n", "");
    assert_delivered(&format!("{neither}{table}"), [("gw 1", &cpu), ("telegraf", &mem)]);
    let random = old.replace("use_random_partitionkey = false", "use_random_partitionkey = true");
    let (server, dir) = (server(), TempDir::new());
    with(&server, &dir, &format!("{random}{table}")).run().assert_code(0);
    let found = stored(&server);
    assert!(found.iter().any(|(key, data)| key.len() == 36 && *data == mem) && found.iter().any(|(key, _)| key == "gw 1"), "{found:?}");
}

#[test]
fn deprecated_options_and_a_file_that_telegraf_loads_too_are_warned_of_once() {
    let text = format!("[agent]\n{}", include_str!("../golden/telegraf/1.21.conf"));
    let finished = assert_delivered(&text, [("PartitionKey", &format!("{CPU}\n")), ("PartitionKey", &format!("{MEM}\n"))]);
    assert_eq!(finished.stderr.matches("partitionkey is deprecated, its successor is [partition]").count(), 1, "{}", finished.stderr);
    assert_eq!(finished.stderr.matches("DUPLICATES: a Telegraf that loads this file sends every metric").count(), 1, "{}", finished.stderr);
}

#[test]
fn a_directory_of_telegraf_is_read_for_its_one_section() {
    let (server, dir) = (server(), TempDir::new());
    std::fs::create_dir_all(dir.path().join("etc/telegraf.d")).unwrap();
    dir.file("etc/telegraf.conf", "[agent]\n  interval = ${INTERVAL}\n");
    dir.file("etc/telegraf.d/kinesis.conf", include_str!("../golden/telegraf/1.39.conf"));
    let program = kinegraf().args(["--config"]).args([dir.path().join("etc")]).env("AWS_ENDPOINT_URL_KINESIS", server.url());
    program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).stdin(LINES).run().assert_code(0);
    assert_eq!(stored(&server).len(), 2);
}

#[test]
fn what_is_no_file_in_a_directory_of_telegraf_is_not_opened() {
    let dir = TempDir::new();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    dir.file("etc/kinesis.conf", include_str!("../golden/telegraf/1.39.conf"));
    std::os::unix::fs::symlink(dir.path(), dir.path().join("etc/folder.conf")).unwrap();
    // Whoever opened the pipe would wait for ever: nobody writes into it.
    let pipe = dir.path().join("etc/pipe.conf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let program = kinegraf().args(["--dry-run", "--config"]).args([dir.path().join("etc")]).limit(std::time::Duration::from_secs(10));
    assert_eq!(program.stdin(LINES).run().assert_code(0).stdout.iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[test]
fn what_only_telegraf_can_do_stops_the_run_before_anything_is_read() {
    let (server, dir) = (server(), TempDir::new());
    let text = format!("{}  namepass = [\"cpu\"]\n  json_transformation = \"$\"\n", include_str!("../golden/telegraf/1.39.conf"));
    let finished = with(&server, &dir, &text).run().assert_code(78);
    assert_reason(&finished, &["telegraf.conf", "namepass can only be obeyed by Telegraf"]);
    assert!(finished.stderr.contains(":32:3: json_transformation is not read") && stored(&server).is_empty(), "{}", finished.stderr);
}

#[test]
fn nothing_but_put_records_is_ever_asked_so_that_no_other_right_is_needed() {
    let sample = include_str!("../golden/telegraf/1.39.conf");
    let plans: [(Plan, i32); 4] = [
        (Plan::Good, 0),
        (Plan::Script(vec![Fault::FailRecords(Pick::All, RecordError::Internal), Fault::Throttle(Throttle::Provisioned), Fault::InternalFailure]), 0),
        (Plan::Always(Fault::AccessDenied), 77),
        (Plan::Always(Fault::ExpiredToken), 77),
    ];
    for (plan, code) in plans {
        let (server, dir) = (server(), TempDir::new());
        server.set_plan(plan);
        with(&server, &dir, sample).run().assert_code(code);
        let exchanges = server.exchanges();
        // What asks for something else has no records.
        assert!(!exchanges.is_empty() && exchanges.iter().all(|exchange| exchange.records.len() == 2), "{code}: {exchanges:?}");
    }
    let (server, dir) = (server(), TempDir::new());
    with(&server, &dir, &sample.replace("StreamName\"", "nowhere\"")).run().assert_code(1);
    assert!(server.exchanges().iter().all(|exchange| exchange.records.len() == 2 && exchange.code == "ResourceNotFoundException"));
}
