//! What Telegraf gathers of this host, and metrics as nasty as its parser takes them, through each pairing; Telegraf's own `outputs.kinesis` beside it is the witness:
//! the records must be the same, whatever the sizes of batches and the formats of handing over.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::document;
use super::identical::{THEIRS, server};
use super::metrics;
use super::pairing::Pairing;
use super::support::process::Running;
use super::support::{Program, STREAM, Server};
use super::telegraf::{Agent, binary, find};

const NASTY: usize = 2000;
const INPUTS: &str = "[[inputs.cpu]]\n[[inputs.mem]]\n[[inputs.disk]]\n[[inputs.system]]\n[[inputs.internal]]\n\
                      [[inputs.mock]]\nmetric_name = \"mock\"\n[[inputs.mock.random]]\nname = \"r\"\nmin = 0.0\nmax = 9.0";

/// Data of all records of a stream.
fn stored(server: &Server, stream: &str) -> BTreeSet<Vec<u8>> {
    server.records(stream).iter().map(|record| record.data.to_vec()).collect()
}

fn daemon(dir: &Path) -> Running {
    let config = dir.join("daemon.toml");
    let running = Program::exactly(binary()).args(["--config".as_ref(), config.as_os_str()]).args(["-v"]).limit(Duration::from_secs(120)).start();
    super::pairing::until(|| dir.join("kinegraf.dgram").exists() && running.stderr().contains("kinegraf.dgram"), "the daemon listens");
    running
}

/// Four seconds of a Telegraf whose section of the document has `more` keys, in batches of this size.
fn run(telegraf: &'static Path, pairing: Pairing, batch: usize, more: &str) {
    let server = server();
    let agent = format!("interval = \"1s\"\nflush_interval = \"1s\"\nround_interval = false\nmetric_batch_size = {batch}");
    let mut agent = Agent::new(telegraf, &agent).section(INPUTS);
    let dir = agent.dir.path().to_owned();
    let one_each = |text: String| text.replace("pack = \"lines\"", "pack = \"metric\"");
    [document::SHORT, document::DAEMON].iter().for_each(|name| document::make(name, &dir, &server.url(), one_each));
    let daemon = pairing.has_daemon().then(|| daemon(&dir));
    // A batch of one is a process for each metric under `exec`: as many as there is time for.
    let nasty = if batch == 1 { 40 } else { NASTY };
    agent = agent.input(&metrics::nasty(batch as u64, nasty).concat(), "data_format = \"influx\"");
    let section = document::here(document::snippet(pairing.name()), &dir)
        .replace("use_batch_format = true\n", "")
        .replace("  metric_buffer_limit = 20000\n", "");
    agent = agent.section(&format!("{section}influx_uint_support = true\n{more}"));
    agent = agent.kinesis(&server, THEIRS, "influx_uint_support = true\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"");
    let mut running = agent.start();
    let start = Instant::now();
    let words = format!("{}, {batch} at once, {more}", pairing.name());
    while start.elapsed() < Duration::from_secs(4) || stored(&server, STREAM).len() < nasty && start.elapsed() < Duration::from_secs(60) {
        assert!(!running.has_ended(), "{words}: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    let daemon = daemon.map(|daemon| {
        daemon.signal("TERM");
        daemon.wait().assert_code(0)
    });
    let (theirs, ours) = (stored(&server, THEIRS), stored(&server, STREAM));
    let first = |a: &BTreeSet<Vec<u8>>, b: &BTreeSet<Vec<u8>>| a.difference(b).next().map(|data| data.escape_ascii().to_string());
    assert!(
        theirs == ours && theirs.len() > nasty + 20,
        "{words}: {} and {} records, only theirs: {:?}, only ours: {:?}\n{}{}",
        theirs.len(),
        ours.len(),
        first(&theirs, &ours),
        first(&ours, &theirs),
        finished.stderr,
        daemon.map(|daemon| daemon.stderr).unwrap_or_default()
    );
    for name in ["cpu", "mem", "disk", "system", "internal_agent", "mock"] {
        assert!(ours.iter().any(|data| data.starts_with(name.as_bytes())), "{words}: nothing of {name}");
    }
}

fn each(pairing: Pairing, cases: &[(usize, &str)]) {
    let Some(telegraf) = find() else { return };
    cases.iter().for_each(|(batch, more)| run(telegraf, pairing, *batch, more));
}

#[test]
fn through_exec_in_batches_of_any_size_and_one_metric_at_a_time() {
    each(Pairing::Exec, &[(1, ""), (10_000, ""), (7, "use_batch_format = false\nmetric_buffer_limit = 20000")]);
}

#[test]
fn through_exec_with_a_spool() {
    each(Pairing::ExecSpool, &[(1000, "")]);
}

#[test]
fn through_exec_with_hand_off() {
    each(Pairing::HandOff, &[(1, ""), (100, ""), (10_000, "")]);
}

#[test]
fn through_execd_with_and_without_the_batch_format() {
    each(
        Pairing::Execd,
        &[(1, "use_batch_format = true"), (1000, "use_batch_format = true"), (1000, "use_batch_format = false"), (10_000, "use_batch_format = true")],
    );
}

#[test]
fn through_a_socket_as_it_is_and_compressed() {
    each(Pairing::Stream, &[(1, ""), (10_000, ""), (1000, "content_encoding = \"gzip\"")]);
}

#[test]
fn through_datagrams_as_they_are_and_compressed() {
    each(Pairing::Datagrams, &[(1, ""), (10_000, ""), (1000, "content_encoding = \"gzip\"")]);
}
