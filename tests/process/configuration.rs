//! Mistakes of arguments and files: all at once, with their places, before anything is read or sent.

use super::common::{assert_reason, kinegraf};
use super::support::process::Finished;
use super::support::{Options, REGION, STREAM, Server, TempDir};

fn with_file(dir: &TempDir, text: &str) -> Finished {
    kinegraf().args(["--config"]).args([dir.file("kinegraf.toml", text)]).stdin("m v=1 1\n").run()
}

#[test]
fn five_mistakes_in_a_file_are_five_messages_with_line_and_column_and_78() {
    let dir = TempDir::new();
    let text = "streamname = \"edge telemetry\"\n\
                region = 7\n\
                [delivery]\n\
                reqest_size = \"1MiB\"\n\
                record_size = \"1KB\"\n\
                [packing]\n\
                pack = \"metrics\"\n";
    let finished = with_file(&dir, text).assert_code(78);
    assert_reason(&finished, &["kinegraf.toml:1:14: ", "streamname", "characters"]);
    let file = dir.path().join("kinegraf.toml").display().to_string();
    let said = finished.stderr.trim_start_matches("kinegraf: ");
    let heads: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(&format!("{file}:"))).collect();
    let places: Vec<String> = heads.iter().map(|head| head.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["1:14", "2:10", "4:1", "5:15", "7:8"], "{}", finished.stderr);
    assert!(heads[2].contains("'reqest_size'") && heads[2].contains("did you mean 'request_size'?"), "{}", heads[2]);
    assert!(heads[3].contains("1000") || heads[3].contains("1KiB"), "{}", heads[3]);
    assert!(heads[4].contains("metric") && heads[4].contains("lines"), "{}", heads[4]);
    assert!(finished.stderr.contains("4 | reqest_size = \"1MiB\"\n") && finished.stderr.contains("^~~~"), "{}", finished.stderr);
}

#[test]
fn the_first_line_is_one_that_telegraf_shows_whatever_the_file_is_called_and_says() {
    let dir = TempDir::new();
    let finished = with_file(&dir, "region = \"grün\"\nstreamname = \"s\"\n").assert_code(78);
    assert_reason(&finished, &["region is \"gr\\u{fc}n\", must be a region such as \"eu-central-1\""]);
    assert!(finished.stderr.contains("region is \"grün\", must be") && finished.stderr.contains("1 | region = \"grün\"\n"), "{}", finished.stderr);
    let deep = dir.path().join("d".repeat(200)).join("e".repeat(200)).join("f".repeat(200));
    std::fs::create_dir_all(&deep).unwrap();
    let file = deep.join("kinegraf.toml");
    std::fs::write(&file, "region = 7\n").unwrap();
    let finished = kinegraf().args(["--config"]).args([&file]).run().assert_code(78);
    assert_reason(&finished, &["dddd"]);
    assert!(finished.stderr.contains("kinegraf.toml:1:10: region is an integer"), "{}", finished.stderr);
}

#[test]
fn secrets_in_a_file_with_mistakes_are_not_shown() {
    let dir = TempDir::new();
    let text = "streamname = \"s\"\nregion = \"us-east-1\"\naccess_key = \"AKIASECRETSECRETSECR\"\nsecret_key = \"wJalrXUtn FEMI/K7MDENG/bPxRfiCYSECRETKEY\"\n\
                token = 12345678901234567\nsecretkey = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYSECRETKEY\"\nbroken wJalrXUtnFEMI/K7MDENG/bPxRfiCYSECRETKEY\n";
    let finished = with_file(&dir, text).assert_code(78);
    for part in ["FEMI/K7MDENG", "AKIASECRET", "12345678901234567"] {
        assert!(!finished.stderr.contains(part), "{part} is shown: {}", finished.stderr);
    }
    assert!(finished.stderr.contains(":4:") && finished.stderr.contains(":7:"), "{}", finished.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_said_with_what_named_it() {
    let dir = TempDir::new();
    let missing = dir.path().join("missing.toml");
    let finished = kinegraf().args(["-c"]).args([&missing]).run().assert_code(78);
    assert_reason(&finished, &["missing.toml", "no such file", "--config"]);
    let finished = kinegraf().env("KINEGRAF_CONFIG", &missing).run().assert_code(78);
    assert_reason(&finished, &["missing.toml", "no such file", "KINEGRAF_CONFIG"]);
    let finished = kinegraf().args(["-c"]).args([dir.path()]).run().assert_code(78);
    assert_reason(&finished, &["is a directory without a file that ends in .conf"]);
    let binary = dir.file("binary.toml", b"region = \"\xff\xfe\"\n");
    assert_reason(&kinegraf().args(["-c"]).args([binary]).run().assert_code(78), &["binary.toml:1:11: ", "UTF-8"]);
    // An endless file is not read to its end.
    assert_reason(&kinegraf().args(["-c", "/dev/zero"]).run().assert_code(78), &["/dev/zero", "longer than"]);
}

#[test]
fn arguments_that_cannot_be_followed_are_64_and_nothing_is_read() {
    for (arguments, words) in [
        (vec!["--strem", "x"], ["'--strem'", "did you mean --stream?"]),
        (vec!["frobnicate"], ["unknown command", "'frobnicate'"]),
        (vec!["--stream"], ["--stream", "needs a value"]),
        (vec!["--deadline", "soon"], ["--deadline", "soon"]),
        (vec!["--partition", "static"], ["--partition", "static=KEY"]),
        (vec!["--stream", "a", "--stream", "b"], ["--stream", "twice"]),
        (vec!["-v", "-q"], ["-v", "-q"]),
        (vec!["--dry-run=yes"], ["--dry-run", "no value"]),
    ] {
        let finished = kinegraf().args(&arguments).stdin("m v=1 1\n").run().assert_code(64);
        assert_reason(&finished, &words);
        assert!(finished.stdout.is_empty());
    }
}

#[test]
fn without_stream_and_region_both_are_asked_for() {
    let finished = kinegraf().stdin("m v=1 1\n").run();
    assert!(matches!(finished.code, Some(64 | 78)), "{:?}: {}", finished.code, finished.stderr);
    assert!(finished.stderr.contains("--stream NAME") && finished.stderr.contains("AWS_REGION"), "{}", finished.stderr);
}

#[test]
fn a_file_and_the_environment_configure_a_whole_run() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let text = format!(
        "# a file as Telegraf's section has its names\nregion = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{}\"\n\
         access_key = \"{}\"\nsecret_key = \"{}\"\n[partition]\nmethod = \"measurement\"\n[packing]\npack = \"lines\"\n",
        server.url(),
        super::support::ACCESS_KEY,
        super::support::SECRET_KEY
    );
    with_file(&dir, &text).assert_code(0);
    let program = kinegraf().env("AWS_REGION", REGION).env("AWS_ENDPOINT_URL_KINESIS", server.url()).args(["run", "--stream", STREAM]);
    let program = program.env("AWS_ACCESS_KEY_ID", super::support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", super::support::SECRET_KEY);
    program.args(["--partition=measurement"]).stdin("n v=2 2\n").run().assert_code(0);
    let keys: Vec<String> = server.records(STREAM).iter().map(|record| record.key.to_string()).collect();
    assert_eq!(keys, ["m", "n"]);
}
