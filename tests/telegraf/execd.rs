//! What `outputs.execd` asks of a program: that it reads whatever happens, ends in time, says what it has to say on the right side, and does not spin.

use std::time::{Duration, Instant};

use super::exec::wait_for;
use super::pairing::{Pairing, Rig, child_of, until};
use super::support::{Fault, Plan, Program, STREAM};
use super::telegraf::{Agent, binary, find, quoted};

const AGENT: &str = "flush_interval = \"1s\"\nround_interval = false\ndebug = true";

/// Whether this process runs: what nobody has waited for is no process any longer.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn away() -> Plan {
    Plan::Always(Fault::ServiceUnavailable)
}

#[test]
fn it_is_done_in_four_seconds_at_the_end_though_the_service_is_away_and_what_it_had_is_on_disk() {
    let Some(telegraf) = find() else { return };
    let mut rig = Rig::new(telegraf, Pairing::Execd, AGENT, "");
    rig.server.set_plan(away());
    rig.start();
    rig.produce(300, Duration::from_secs(3));
    rig.wait_until_gathered();
    let started = Instant::now();
    let finished = rig.end_telegraf("TERM");
    // Telegraf waits 5 s and then kills.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}: {}", started.elapsed(), finished.stderr);
    assert!(!finished.stderr.contains("signal"), "{}", finished.stderr);
    rig.server.set_plan(Plan::Good);
    let (config, spool) = (rig.path("short.toml"), rig.path("spool-telegraf"));
    let arguments = ["spool".as_ref(), "drain".as_ref(), "--config".as_ref(), config.as_os_str(), "--spool".as_ref(), spool.as_os_str()];
    Program::exactly(binary()).args(arguments).run().assert_code(0);
    assert_eq!(rig.server.line_counts(STREAM).len(), rig.sent);
}

#[test]
fn a_killed_telegraf_leaves_no_kinegraf_behind() {
    let Some(telegraf) = find() else { return };
    let mut rig = Rig::new(telegraf, Pairing::Execd, AGENT, "");
    rig.server.set_plan(away());
    rig.start();
    rig.produce(300, Duration::from_secs(2));
    let kinegraf = child_of(rig.telegraf.as_ref().unwrap().pid()).expect("it runs");
    // Pipes in all three directions break at once.
    rig.end_telegraf("KILL");
    let started = Instant::now();
    until(|| !runs(kinegraf), "it ends by itself");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[test]
fn telegrafs_other_outputs_stay_timely_while_the_service_is_away_and_more_comes_than_memory_holds() {
    let Some(telegraf) = find() else { return };
    let mut rig = Rig::new(telegraf, Pairing::Execd, AGENT, "");
    rig.server.change(|service| service.conditions.silent = true);
    rig.start();
    for _ in 0..5 {
        // Some 260 KiB each time: in the end more than the pipe and the hot spool together.
        rig.produce(2000, Duration::from_secs(2));
        let started = Instant::now();
        rig.wait_until_gathered();
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    }
    rig.server.change(|service| service.conditions.silent = false);
    rig.server.drop_connections();
    rig.settle(Duration::from_secs(90));
    let said = rig.end();
    assert!(!said.contains("did not complete within its flush interval") && !said.contains("dropped"), "{said}");
    let (produced, (delivered, _)) = (rig.produced(), rig.delivered());
    assert!(produced.len() >= 20_000 && produced.is_subset(&delivered), "{} of {}: {said}", delivered.len(), produced.len());
}

#[test]
fn a_reload_of_telegraf_starts_another_and_loses_nothing() {
    let Some(telegraf) = find() else { return };
    let mut rig = Rig::new(telegraf, Pairing::Execd, AGENT, "");
    rig.start();
    rig.produce(200, Duration::from_secs(2));
    rig.wait_until_gathered();
    let pid = rig.telegraf.as_ref().unwrap().pid();
    let before = child_of(pid).expect("it runs");
    rig.telegraf.as_ref().unwrap().signal("HUP");
    until(|| child_of(pid).is_some_and(|now| now != before) && !runs(before), "another runs");
    rig.produce(200, Duration::from_secs(2));
    rig.wait_until_gathered();
    rig.settle(Duration::from_secs(30));
    let said = rig.end();
    let (produced, (delivered, twice)) = (rig.produced(), rig.delivered());
    assert!(produced.is_subset(&delivered) && twice == 0, "{} of {}, {twice} twice: {said}", delivered.len(), produced.len());
}

#[test]
fn information_is_information_in_telegrafs_log_and_what_is_wrong_is_an_error() {
    let Some(telegraf) = find() else { return };
    let mut rig = Rig::new(telegraf, Pairing::Execd, AGENT, "");
    let config = std::fs::read_to_string(rig.path("short.toml")).unwrap();
    std::fs::write(rig.path("short.toml"), format!("{config}\n[log]\nlevel = \"info\"\n")).unwrap();
    rig.server.set_plan(away());
    rig.start();
    rig.produce(100, Duration::from_secs(8));
    let telegraf = rig.telegraf.as_mut().unwrap();
    wait_for(telegraf, "E! [outputs.execd] stderr: kinegraf: warning: stream ");
    assert!(telegraf.stderr().contains("503"), "{}", telegraf.stderr());
    rig.server.set_plan(Plan::Good);
    rig.settle(Duration::from_secs(60));
    let said = rig.end();
    assert!(said.contains("I! [outputs.execd] kinegraf: "), "{said}");
    assert!(said.lines().all(|line| line.len() < 1000), "{said}");
}

#[test]
fn wrong_arguments_and_files_are_said_and_do_not_spin_without_a_restart_delay() {
    let Some(telegraf) = find() else { return };
    for (arguments, words) in
        [(["--partiton", "random"], "unknown option '--partiton'"), (["--config", "missing.toml"], "missing.toml: there is no such file")]
    {
        let command: Vec<String> = [binary().to_str().unwrap(), "--log", "telegraf"].iter().chain(&arguments).map(quoted).collect();
        let agent = Agent::new(telegraf, AGENT).input(b"", "data_format = \"influx\"");
        let agent = agent.section(&format!("[[outputs.execd]]\ncommand = [{}]\ndata_format = \"influx\"", command.join(", ")));
        let mut running = agent.start();
        wait_for(&mut running, words);
        std::thread::sleep(Duration::from_secs(7));
        running.signal("TERM");
        let said = running.wait().stderr;
        let times = said.lines().filter(|line| line.contains("E! [outputs.execd]") && line.contains(words)).count();
        assert!((1..=3).contains(&times), "{times} times: {said}");
    }
}
