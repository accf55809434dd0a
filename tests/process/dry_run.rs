//! `--dry-run`: what would be sent, as one JSON object a record, without network, credentials, region or stream.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::common::kinegraf;
use super::support::{Options, STREAM, Server, lines};

fn printed(arguments: &[&str], input: &[u8]) -> String {
    let finished = kinegraf().args(["--dry-run"]).args(arguments).stdin(input).run().assert_code(0);
    assert_eq!(finished.stderr, "");
    String::from_utf8(finished.stdout).unwrap()
}

#[test]
fn a_dry_run_prints_exactly_one_json_object_a_record() {
    let input = b"cpu,host=a v=1 10\nmem,host=b v=2 20\ncpu,host=a v=3 30\ncpu,host=\xc3\xa4\"\\ \\, v=4 40\nmem v=5 50\n";
    let encode = |text: &str| STANDARD.encode(text);
    let record = |key: &str, data: &str, lines: usize| format!("{{\"PartitionKey\":\"{key}\",\"Data\":\"{}\",\"Lines\":{lines}}}\n", encode(data));
    let expected = [
        record("a", "cpu,host=a v=1 10\n", 1),
        record("b", "mem,host=b v=2 20\n", 1),
        record("a", "cpu,host=a v=3 30\n", 1),
        record("ä\\\" ,", "cpu,host=ä\"\\ \\, v=4 40\n", 1),
        record("nobody", "mem v=5 50\n", 1),
    ];
    assert_eq!(printed(&["--partition", "tag=host,nobody"], input), expected.concat());
    let expected =
        [record("cpu", "cpu,host=a v=1 10\ncpu,host=a v=3 30\ncpu,host=ä\"\\ \\, v=4 40\n", 3), record("mem", "mem,host=b v=2 20\nmem v=5 50\n", 2)];
    assert_eq!(printed(&["--partition", "measurement", "--pack", "lines"], input), expected.concat());
    let expected = record("all", std::str::from_utf8(input).unwrap(), 5);
    assert_eq!(printed(&["--partition=static=all", "--pack=lines"], input), expected);
}

#[test]
fn random_keys_are_uuids_of_version_4_and_no_two_are_the_same() {
    let input = lines::joined(&lines::telegraf(5, 2000));
    let text = printed(&[], &input);
    let mut keys: Vec<&str> = text.lines().map(|line| &line[17..53]).collect();
    for key in &keys {
        let bytes = key.as_bytes();
        assert!(bytes[14] == b'4' && b"89ab".contains(&bytes[19]) && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-'), "{key}");
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 2000);
}

#[test]
fn what_a_dry_run_prints_is_what_a_real_run_stores() {
    let input = lines::joined(&lines::nasty_good());
    for arguments in
        [vec!["--partition", "measurement"], vec!["--partition", "tag=host", "--pack", "lines"], vec!["--partition=static=k", "--pack=lines"]]
    {
        let text = printed(&arguments, &input);
        let printed: Vec<(String, Vec<u8>)> = text
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                (value["PartitionKey"].as_str().unwrap().to_owned(), STANDARD.decode(value["Data"].as_str().unwrap()).unwrap())
            })
            .collect();
        let server = Server::start(Options::default());
        kinegraf().to(&server, STREAM).args(&arguments).stdin(input.clone()).run().assert_code(0);
        let stored: Vec<(String, Vec<u8>)> = server.records(STREAM).iter().map(|record| (record.key.to_string(), record.data.to_vec())).collect();
        assert_eq!(stored, printed);
    }
}

#[test]
fn keys_are_cut_to_256_utf_16_units_between_two_characters_and_counted() {
    let tags = ["k".repeat(300), "é".repeat(300), format!("{}😀{}", "x".repeat(255), "y".repeat(9)), "😀".repeat(128), "k".repeat(256)];
    let input: String = tags.iter().enumerate().map(|(i, tag)| format!("m,host={tag} v=1 {i}\n")).collect();
    let server = Server::start(Options::default());
    let finished = kinegraf().to(&server, STREAM).args(["--partition", "tag=host"]).stdin(input.clone()).run().assert_code(0);
    let keys: Vec<String> = server.records(STREAM).iter().map(|record| record.key.to_string()).collect();
    assert_eq!(keys, ["k".repeat(256), "é".repeat(256), "x".repeat(255), "😀".repeat(128), "k".repeat(256)]);
    assert_eq!(server.stored_lines(STREAM).concat().len() + 5, input.len(), "only keys are cut");
    assert!(finished.stderr.contains("3 partition keys were cut"), "{}", finished.stderr);
}

/// The program with these streams, as a shell would start it.
fn command(arguments: &[&str], stdin: Stdio, stdout: Stdio) -> std::process::Child {
    let binary = std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into());
    Command::new(binary).args(arguments).env_clear().stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_dry_run_into_head_ends_quietly() {
    let mut child = command(&["--dry-run"], Stdio::piped(), Stdio::piped());
    let mut stdin = child.stdin.take().unwrap();
    let writer =
        std::thread::spawn(move || lines::telegraf(5, 50_000).iter().try_for_each(|line| stdin.write_all(&[line, b"\n".as_slice()].concat())));
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"{\"PartitionKey\":\""));
    // Whoever read has gone, and the rest is for nobody.
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
    assert!(writer.join().unwrap().is_err(), "it does not wait for the end of its input");
}

#[test]
fn an_output_that_is_full_ends_a_dry_run_with_74_and_the_reason() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("SKIPPED: no /dev/full here");
        return;
    };
    let mut child = command(&["--dry-run"], Stdio::piped(), full.into());
    child.stdin.take().unwrap().write_all(b"m v=1 1\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(74) && said.starts_with("kinegraf: writing the records to standard output failed"), "{said}");
}

#[test]
fn a_dry_run_needs_nothing_that_the_environment_gets_wrong() {
    let program = kinegraf().args(["--dry-run"]).env("AWS_REGION", "nowhere at all").env("AWS_ENDPOINT_URL", "gopher://x").env("AWS_PROFILE", "none");
    let finished = program.stdin("m v=1 1\n").run().assert_code(0);
    assert_eq!((finished.stderr.as_str(), finished.stdout.split(|b| *b == b'\n').count()), ("", 2));
    assert_eq!(kinegraf().args(["--dry-run"]).run().assert_code(0).stdout, b"");
}

#[test]
fn a_dry_run_waits_for_a_reader_who_takes_his_time() {
    // As into a pager: what remains after the end of the input is for the reader, however long he reads.
    let mut child = command(&["--dry-run", "--shutdown-timeout", "100ms"], Stdio::piped(), Stdio::piped());
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&lines::joined(&lines::telegraf(5, 3_000))));
    std::thread::sleep(std::time::Duration::from_millis(800));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
    assert_eq!(output.stdout.split(|b| *b == b'\n').count(), 3_001);
    writer.join().unwrap().unwrap();
}
