//! Where diagnostics go: as a person reads them, as the journal takes them, and as Telegraf's `outputs.execd` logs them.

use std::process::Command;
use std::time::Duration;

use super::common::{input, kinegraf, to};
use super::support::{Options, Program, Server};

/// A line that is rejected, so that there is a warning, between good ones.
fn with_a_bad_line() -> Vec<u8> {
    [&b"not line protocol\n"[..], &input(3).1].concat()
}

#[test]
fn for_telegraf_information_is_on_stdout_and_what_is_wrong_on_stderr() {
    let server = Server::start(Options::default());
    let finished = to(&server).args(["--log", "telegraf", "-v"]).stdin(with_a_bad_line()).run().assert_code(0);
    let said = String::from_utf8(finished.stdout).unwrap();
    assert!(said.contains("3 lines accepted") && said.lines().all(|line| line.starts_with("kinegraf: ")), "{said}");
    assert!(finished.stderr.contains("warning: ") && !finished.stderr.contains("accepted"), "{}", finished.stderr);
    assert!(said.lines().chain(finished.stderr.lines()).all(|line| line.len() < 4200));
}

#[test]
fn a_dry_run_keeps_stdout_for_its_records_whoever_reads_the_log() {
    let finished = kinegraf().args(["--dry-run", "--log", "telegraf", "-v"]).stdin(input(3).1).run().assert_code(0);
    assert!(String::from_utf8(finished.stdout).unwrap().lines().all(|line| line.starts_with("{\"PartitionKey\":")));
    assert!(finished.stderr.contains("3 lines accepted"), "{}", finished.stderr);
}

#[test]
fn for_the_journal_each_line_begins_with_its_priority() {
    let server = Server::start(Options::default());
    let finished = to(&server).args(["--log", "journal", "-v"]).stdin(with_a_bad_line()).run().assert_code(0);
    let priorities: Vec<&str> = finished.stderr.lines().map(|line| line.get(..3).unwrap_or(line)).collect();
    assert!(priorities.contains(&"<4>") && priorities.contains(&"<6>"), "{}", finished.stderr);
    assert!(priorities.iter().all(|priority| ["<3>", "<4>", "<6>", "<7>"].contains(priority)), "{}", finished.stderr);
    let finished = kinegraf().to(&server, "nobody-has-it").args(["--log", "journal"]).stdin(input(1).1).run().assert_code(1);
    assert!(finished.stderr.starts_with("<3>stream 'nobody-has-it' does not exist"), "{}", finished.stderr);
}

#[test]
fn the_journal_is_found_by_its_variable_only_where_it_really_reads_stderr() {
    let run = |variable: &str| {
        let script = format!("JOURNAL_STREAM={variable}; export JOURNAL_STREAM; exec \"$0\" --dry-run -v");
        let binary = std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into());
        let binary = std::path::absolute(binary).unwrap();
        Program::exactly("/bin/sh").args(["-c", &script]).args([binary]).stdin(input(1).1).run().assert_code(0).stderr
    };
    if Command::new("stat").arg("--version").output().is_ok() {
        assert!(run("$(stat -L -c %d:%i /proc/self/fd/2)").starts_with("<6>"));
    }
    assert!(run("1:2").starts_with("kinegraf: ") && run("nonsense").starts_with("kinegraf: "));
}

#[test]
fn wrong_arguments_and_files_do_not_make_telegraf_start_us_again_and_again() {
    for (arguments, code) in [(&["--log", "telegraf", "--strem", "x"][..], 64), (&["--log=telegraf", "--config", "/nowhere/k.toml"], 78)] {
        let finished = kinegraf().args(arguments).run().assert_code(code);
        assert!(finished.time >= Duration::from_secs(5), "{:?}", finished.time);
    }
    // outputs.exec waits for its next flush anyway, and has a timeout of five seconds.
    let finished = kinegraf().args(["--log", "telegraf", "--deadline", "4s", "--config", "/nowhere/k.toml"]).run().assert_code(78);
    assert!(finished.time < Duration::from_secs(4), "{:?}", finished.time);
}
