//! What `outputs.kinesis` loses and kinegraf does not, under the same faults in the same Telegraf; and what becomes of the lines when a process dies.

use std::path::Path;
use std::time::{Duration, Instant};

use super::exec::{lines, wait_for};
use super::identical::{THEIRS, server};
use super::pairing::child_of;
use super::support::fault::RecordError;
use super::support::{ACCESS_KEY, Fault, Options, Pick, Plan, Program, REGION, SECRET_KEY, STREAM, Server};
use super::telegraf::{Agent, binary, find};

const INFLUX: &str = "data_format = \"influx\"";
const BY_HOST: &str = "[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"";
const SHORT_FLUSH: &str = "flush_interval = \"1s\"\nround_interval = false";

/// Both outputs in one Telegraf.
fn both(telegraf: &'static Path, agent: &str, server: &Server, lines: &[Vec<u8>]) -> Agent {
    let agent = Agent::new(telegraf, agent).input(&super::support::lines::joined(lines), INFLUX);
    agent.exec(server, STREAM, &["--partition", "tag=host"], "").kinesis(server, THEIRS, BY_HOST)
}

/// Different lines that a stream took.
fn different(server: &Server, stream: &str) -> usize {
    server.line_counts(stream).len()
}

#[test]
fn records_that_fail_in_a_good_answer_are_lost_by_outputs_kinesis_and_sent_again_by_kinegraf() {
    let Some(telegraf) = find() else { return };
    let (server, lines) = (server(), lines(1500));
    server.set_plan(Plan::Always(Fault::FailRecords(Pick::Random { per_mille: 333, seed: 5 }, RecordError::Throughput)));
    let finished = both(telegraf, "", &server, &lines).once();
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    let theirs = different(&server, THEIRS);
    assert!((800..1400).contains(&theirs), "{theirs} of 1500");
    // Telegraf has ended well, and only its log tells.
    assert!(finished.stderr.contains("E! [outputs.kinesis] Unable to write"), "{}", finished.stderr);
}

#[test]
fn requests_that_the_service_cannot_take_for_a_while_are_lost_by_outputs_kinesis_and_kept_for_kinegraf() {
    let Some(telegraf) = find() else { return };
    let (server, lines) = (server(), lines(1500));
    server.set_plan(Plan::Always(Fault::ServiceUnavailable));
    let agent = both(telegraf, SHORT_FLUSH, &server, &lines);
    let mut running = agent.start();
    wait_for(&mut running, "E! [outputs.kinesis] Unable to write to Kinesis");
    wait_for(&mut running, "exited 75 with exit status 75");
    server.set_plan(Plan::Good);
    let start = Instant::now();
    while different(&server, STREAM) < 1500 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
    let theirs = different(&server, THEIRS);
    assert!(theirs <= 1000, "{theirs} of 1500: {}", finished.stderr);
}

#[test]
fn a_section_without_a_partition_table_ends_telegraf_and_gives_random_keys_with_kinegraf() {
    let Some(telegraf) = find() else { return };
    let (server, lines) = (server(), lines(10));
    let input = super::support::lines::joined(&lines);
    let agent = Agent::new(telegraf, "").input(&input, INFLUX).kinesis(&server, STREAM, "");
    let finished = agent.once_anyhow();
    assert!(finished.code != Some(0) && finished.stderr.contains("panic: runtime error: invalid memory address"), "{}", finished.stderr);
    assert_eq!(different(&server, STREAM), 0);
    let file = agent.dir.path().join("telegraf.conf");
    Program::exactly(binary()).args(["--config"]).args([file]).stdin(input).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert!(server.records(STREAM).iter().all(|record| record.key.len() == 36));
}

#[test]
fn a_key_that_the_section_lacks_costs_telegraf_every_request_and_is_a_mistake_for_kinegraf() {
    let Some(telegraf) = find() else { return };
    let (server, lines) = (server(), lines(10));
    let input = super::support::lines::joined(&lines);
    for (table, reason) in [("method = \"static\"", "needs partition.key"), ("method = \"hash\"", "partition.method is \"hash\"")] {
        let agent = Agent::new(telegraf, "").input(&input, INFLUX).kinesis(&server, STREAM, &format!("[outputs.kinesis.partition]\n{table}"));
        let finished = agent.once();
        assert!(finished.stderr.contains("Unable to write to Kinesis") && different(&server, STREAM) == 0, "{}", finished.stderr);
        let file = agent.dir.path().join("telegraf.conf");
        let finished = Program::exactly(binary()).args(["--config"]).args([file]).stdin(input.clone()).run().assert_code(78);
        assert!(finished.first_line().contains(reason), "{}", finished.stderr);
    }
}

#[test]
fn without_the_service_telegraf_with_outputs_kinesis_ends_and_with_kinegraf_it_runs() {
    let Some(telegraf) = find() else { return };
    // A port that nobody listens on.
    let server = server();
    let address = server.address();
    let url = server.url();
    drop(server);
    let file = |agent: &Agent| agent.dir.path().join("gathered");
    let witness = |agent: Agent| {
        let path = super::telegraf::quoted(file(&agent));
        agent.section(&format!("[[outputs.file]]\nfiles = [{path}]\ndata_format = \"influx\""))
    };
    let input = || Agent::new(telegraf, "").input(b"m,host=a v=1i 1\n", INFLUX);

    let theirs = witness(input()).section(&format!(
        "[[outputs.kinesis]]\nregion = \"{REGION}\"\nstreamname = \"s\"\nendpoint_url = \"{url}\"\naccess_key = \"{ACCESS_KEY}\"\n\
         secret_key = \"{SECRET_KEY}\"\n{BY_HOST}"
    ));
    let finished = theirs.once_anyhow();
    assert!(finished.code == Some(1) && finished.stderr.contains("error connecting to output \"outputs.kinesis\""), "{}", finished.stderr);
    assert!(finished.time > Duration::from_secs(15), "it tries a second time after 15 s: {:?}", finished.time);
    assert_eq!(std::fs::read(file(&theirs)).unwrap_or_default(), b"", "another output got nothing either");

    let command = super::telegraf::quoted(binary());
    let ours = witness(input()).section(&format!(
        "[[outputs.exec]]\ncommand = [{command}, \"--region\", \"{REGION}\", \"--stream\", \"s\", \"--endpoint-url\", \"{url}\", \"--deadline\", \"1s\"]\n\
         environment = [\"AWS_ACCESS_KEY_ID={ACCESS_KEY}\", \"AWS_SECRET_ACCESS_KEY={SECRET_KEY}\"]\ndata_format = \"influx\"\n"
    ));
    let finished = ours.once_anyhow();
    assert!(finished.stderr.contains("exited 75") && finished.stderr.contains(&address.port().to_string()), "{}", finished.stderr);
    assert_eq!(std::fs::read(file(&ours)).unwrap(), b"m,host=a v=1i 1\n");
}

#[test]
fn a_kinegraf_that_is_killed_costs_nothing_under_outputs_exec() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::plan(Plan::Always(Fault::SilentBlackHole { read_body: true, stored: false })));
    let lines = lines(1500);
    let agent = Agent::new(telegraf, SHORT_FLUSH).input(&super::support::lines::joined(&lines), INFLUX);
    let agent = agent.exec(&server, STREAM, &["--partition", "tag=host"], "");
    let mut running = agent.start();
    assert!(server.wait_until(Duration::from_secs(30), |counts| counts.requests > 0), "{}", running.stderr());
    let kinegraf = child_of(running.pid()).expect("it runs while it waits for the answer");
    let status = std::process::Command::new("/bin/kill").args(["-KILL", &kinegraf.to_string()]).status().unwrap();
    assert!(status.success());
    server.set_plan(Plan::Good);
    wait_for(&mut running, "signal: killed");
    assert!(server.wait_until(Duration::from_secs(30), |counts| counts.stored >= 1500), "{}", running.stderr());
    running.signal("TERM");
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn a_telegraf_without_outputs_exec_can_write_into_a_pipe_to_kinegraf() {
    let Some(telegraf) = find() else { return };
    let (server, lines) = (Server::start(Options::default()), lines(2500));
    let agent = Agent::new(telegraf, "").input(&super::support::lines::joined(&lines), INFLUX);
    let config = agent.dir.file("telegraf.conf", agent.text_with("[[outputs.file]]\nfiles = [\"stdout\"]\ndata_format = \"influx\"\n"));
    let script = "\"$0\" --once --config \"$1\" | exec \"$2\" --partition tag=host --region \"$3\" --stream \"$4\" --endpoint-url \"$5\"";
    let arguments =
        [telegraf.to_str().unwrap(), config.to_str().unwrap(), binary().to_str().unwrap(), REGION, STREAM, &server.url()].map(str::to_owned);
    let program = Program::exactly("/bin/sh").args(["-c", script]).args(arguments).limit(Duration::from_secs(120));
    program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}
