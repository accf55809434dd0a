//! `outputs.exec` and `outputs.execd` end to end: Telegraf gathers, the program delivers, and what it says and ends with is what Telegraf makes of it.

use std::time::Duration;

use super::support::fault::RecordError;
use super::support::process::Running;
use super::support::{Fault, Options, Pick, Plan, STREAM, Server};
use super::telegraf::{Agent, find};

/// Lines that Telegraf writes as it reads them, in more than two of its batches of 1,000.
pub(crate) fn lines(count: usize) -> Vec<Vec<u8>> {
    let line = |i: usize| match i % 3 {
        0 => format!("cpu,cpu=cpu{},host=edge usage_idle=9{}.5,usage_user=1.25 1795305600{i:09}", i % 4, i % 10),
        1 => format!("log,host=edge\\ one message=\"first {i}\nsecond \\\"{i}\\\"\",pid={i}i 1795305600{i:09}"),
        _ => format!("door,host=edge\\,two open={} 1795305600{i:09}", i.is_multiple_of(2)),
    };
    (0..count).map(|i| line(i).into_bytes()).collect()
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    super::support::lines::joined(lines)
}

const INFLUX: &str = "data_format = \"influx\"";

/// Waits until Telegraf's log says it.
pub(crate) fn wait_for(telegraf: &mut Running, words: &str) {
    for _ in 0..3000 {
        if telegraf.stderr().contains(words) {
            return;
        }
        assert!(!telegraf.has_ended(), "it ended and never said {words:?}: {}", telegraf.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never said {words:?}: {}", telegraf.stderr());
}

#[test]
fn every_metric_that_telegraf_gathers_arrives() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::default());
    let lines = lines(2500);
    let finished = Agent::new(telegraf, "").input(&joined(&lines), INFLUX).exec(&server, STREAM, &["--partition", "tag=host"], "").once();
    assert!(!finished.stderr.contains("E! "), "{}", finished.stderr);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    let keys: std::collections::BTreeSet<String> = server.records(STREAM).iter().map(|record| record.key.to_string()).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["edge", "edge one", "edge,two"]);
}

#[test]
fn a_server_that_fails_every_third_record_costs_nothing_and_telegraf_never_hears_of_it() {
    let Some(telegraf) = find() else { return };
    let fail = |pick: Pick| Fault::FailRecords(pick, RecordError::Throughput);
    // Each process of kinegraf meets a bad request first, Telegraf starts one for each of its three batches.
    let plan = Plan::by(move |coming| if coming.on_connection == 0 { fail(Pick::Every(3)) } else { Fault::None });
    let server = Server::start(Options::plan(plan));
    let lines = lines(2500);
    let finished = Agent::new(telegraf, "").input(&joined(&lines), INFLUX).exec(&server, STREAM, &["--partition", "tag=host"], "").once();
    assert!(!finished.stderr.contains("E! "), "{}", finished.stderr);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert!(server.counts().failed > 400, "{:?}", server.counts());
    server.assert_no_resend_after_ack();
}

#[test]
fn a_batch_that_met_a_dead_server_is_kept_by_telegraf_and_offered_again_and_nothing_is_lost() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::plan(Plan::Always(Fault::ResetBeforeRead)));
    let lines = lines(1500);
    let agent = Agent::new(telegraf, "flush_interval = \"1s\"\nround_interval = false").input(&joined(&lines), INFLUX).exec(
        &server,
        STREAM,
        &["--partition", "tag=host"],
        "",
    );
    let mut running = agent.start();
    wait_for(&mut running, "exited 75 with exit status 75");
    assert!(running.stderr().contains("kinegraf: "), "the reason: {}", running.stderr());
    assert!(server.records(STREAM).is_empty());
    server.set_plan(Plan::Good);
    assert!(server.wait_until(Duration::from_secs(30), |counts| counts.stored >= 1500), "{}", running.stderr());
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0, "{}", finished.stderr);
}

#[test]
fn a_batch_whose_answer_was_lost_arrives_at_least_once() {
    let Some(telegraf) = find() else { return };
    let plan = Plan::by(|coming| if coming.number == 1 { Fault::StoreThenReset } else { Fault::None });
    let server = Server::start(Options::plan(plan));
    let lines = lines(1500);
    Agent::new(telegraf, "").input(&joined(&lines), INFLUX).exec(&server, STREAM, &["--partition", "tag=host"], "").once();
    let duplicates = server.assert_stored(STREAM, &lines);
    assert!((1..=500).contains(&duplicates), "{duplicates}");
}

#[test]
fn telegraf_sees_each_exit_code_and_the_reason_in_its_log_and_keeps_the_batch() {
    let Some(telegraf) = find() else { return };
    let denied = || Options::plan(Plan::Always(Fault::AccessDenied));
    let gone = || Options { streams: Vec::new(), ..Options::default() };
    let random = ["--partition", "random"];
    let cases: [(Options, &[&str], i32, &str); 5] = [
        (gone(), &random, 1, "kinegraf: stream 'telemetry' does not exist"),
        (Options::default(), &["--partiton", "random"], 64, "kinegraf: unknown option '--partiton', did you mean --partition?"),
        (Options::plan(Plan::Always(Fault::ServiceUnavailable)), &random, 75, "kinegraf: not delivered in time: 10 lines handed back to the sender"),
        (denied(), &random, 77, "kinegraf: access to stream 'telemetry'"),
        (Options::default(), &["--config", "missing.toml"], 78, "kinegraf: missing.toml: there is no such file"),
    ];
    for (options, arguments, code, reason) in cases {
        let server = Server::start(options);
        let agent = Agent::new(telegraf, "").input(&joined(&lines(10)), INFLUX).exec(&server, STREAM, arguments, "");
        let finished = agent.once_anyhow();
        // Told to gather once, it ends with what it still holds.
        assert_eq!(finished.code, Some(1), "{code}: {}", finished.stderr);
        let exited = format!("exited {code} with exit status {code}");
        for words in [exited.as_str(), &format!("Command error: \"{reason}"), "unable to send 10 metrics"] {
            assert!(finished.stderr.contains(words), "{words:?} is not in {}", finished.stderr);
        }
    }
}

#[test]
fn as_outputs_execd_everything_arrives_by_the_time_telegraf_has_ended() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::default());
    let lines = lines(2500);
    let agent = Agent::new(telegraf, "flush_interval = \"1s\"\nround_interval = false").input(&joined(&lines), INFLUX).execd(
        &server,
        STREAM,
        &["--partition", "tag=host"],
        "",
    );
    let mut running = agent.start();
    assert!(server.wait_until(Duration::from_secs(30), |counts| counts.stored > 0), "{}", running.stderr());
    assert!(!running.has_ended());
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0, "{}", finished.stderr);
}
