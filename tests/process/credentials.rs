//! Whose key signs, when there are several: explicit keys, a profile named by flag or file, the environment, the default profile. Seen by what arrives.

use std::time::{Duration, Instant};

use super::common::{assert_reason, assert_within, at_pace, input, kinegraf, ms_at_pace};
use super::support::{Key, Options, Program, REGION, STREAM, Server, TempDir};

const EXPLICIT: &str = "AKIAEXPLICIT00000000";
const NAMED: &str = "AKIANAMEDPROFILE0000";
const VARIABLE: &str = "AKIAENVIRONMENT00000";
const DEFAULT: &str = "AKIADEFAULTPROFILE00";
const SECRET: &str = "0123456789+/secret/of/this/test/01234567";
const TOKEN: &str = "SessionTokenOfTheNamedProfile//////wEaDAo=";

/// A server that takes only this key.
fn knows(key: &str, token: Option<&str>) -> Server {
    Server::start(Options { keys: vec![Key::new(key, SECRET, token)], ..Options::default() })
}

struct Sources {
    dir: TempDir,
    explicit: bool,
    profile: bool,
    environment: bool,
}

impl Sources {
    /// Everything is configured that is not switched off; the server takes one key only.
    fn program(&self, server: &Server) -> Program {
        let mut text = format!("region = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{}\"\n", server.url());
        if self.explicit {
            text += &format!("access_key = \"{EXPLICIT}\"\nsecret_key = \"{SECRET}\"\n");
        }
        let shared = format!(
            "[default]\naws_access_key_id = {DEFAULT}\naws_secret_access_key = {SECRET}\n\n\
             [edge]\naws_access_key_id={NAMED}\naws_secret_access_key={SECRET}\naws_session_token = {TOKEN}\n"
        );
        let program = kinegraf().args(["--config"]).args([self.dir.file("kinegraf.toml", text)]);
        std::fs::create_dir(program.home().join(".aws")).unwrap();
        std::fs::write(program.home().join(".aws/credentials"), shared).unwrap();
        let program = if self.profile { program.args(["--profile", "edge"]) } else { program };
        if !self.environment {
            return program;
        }
        program.env("AWS_ACCESS_KEY_ID", VARIABLE).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", "")
    }
}

#[test]
fn the_first_source_in_the_order_of_awss_own_tools_signs() {
    let (lines, bytes) = input(3);
    for (sources, key, token) in [
        ((true, true, true), EXPLICIT, None),
        ((false, true, true), NAMED, Some(TOKEN)),
        ((false, false, true), VARIABLE, None),
        ((false, false, false), DEFAULT, None),
    ] {
        let (explicit, profile, environment) = sources;
        let server = knows(key, token);
        Sources { dir: TempDir::new(), explicit, profile, environment }.program(&server).stdin(bytes.clone()).run().assert_code(0);
        assert_eq!((server.assert_stored(STREAM, &lines), server.counts().requests), (0, 1), "{key}");
    }
}

#[test]
fn a_session_token_is_signed_and_sent() {
    let server = knows(VARIABLE, Some(TOKEN));
    let program = || kinegraf().to(&server, STREAM).env("AWS_ACCESS_KEY_ID", VARIABLE).env("AWS_SECRET_ACCESS_KEY", SECRET);
    program().env("AWS_SESSION_TOKEN", TOKEN).stdin(input(3).1).run().assert_code(0);
    let finished = program().stdin(input(3).1).run().assert_code(77);
    assert!(!finished.stderr.contains(TOKEN) && !finished.stderr.contains(SECRET));
}

#[test]
fn aws_profile_picks_the_last_step_only_and_a_profile_that_is_not_there_is_said() {
    let (sources, (_, bytes)) = (Sources { dir: TempDir::new(), explicit: false, profile: false, environment: true }, input(3));
    let server = knows(VARIABLE, None);
    sources.program(&server).env("AWS_PROFILE", "edge").stdin(bytes.clone()).run().assert_code(0);
    let server = knows(NAMED, Some(TOKEN));
    let sources = Sources { environment: false, ..sources };
    sources.program(&server).env("AWS_PROFILE", "edge").stdin(bytes.clone()).run().assert_code(0);
    let finished = sources.program(&server).env("AWS_PROFILE", "egde").stdin(bytes.clone()).run().assert_code(77);
    assert!(finished.first_line().contains("egde"), "{}", finished.stderr);
    let finished = sources.program(&server).args(["--profile", "egde"]).stdin(bytes).run().assert_code(77);
    assert!(finished.first_line().contains("egde") && !finished.stderr.contains(SECRET), "{}", finished.stderr);
}

#[test]
fn keys_that_were_rotated_in_the_file_are_found_without_a_restart() {
    let server = knows(DEFAULT, None);
    let sources = Sources { dir: TempDir::new(), explicit: false, profile: false, environment: false };
    let program = sources.program(&server).args(["--flush-interval", "0s"]);
    let file = program.home().join(".aws/credentials");
    let (lines, bytes) = input(20);
    let half = lines[..10].iter().map(|line| line.len() + 1).sum();
    let mut running = program.stdin_open().start();
    running.write(&bytes[..half]);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored == 10));
    server.change(|service| service.keys[0].0 = Key::new("AKIAROTATED000000000", SECRET, None));
    std::fs::write(file, format!("[default]\naws_access_key_id = AKIAROTATED000000000\naws_secret_access_key = {SECRET}\n")).unwrap();
    running.write(&bytes[half..]);
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn what_a_credential_process_writes_signs() {
    let (server, dir, (lines, bytes)) = (knows(NAMED, Some(TOKEN)), TempDir::new(), input(3));
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{NAMED}","SecretAccessKey":"{SECRET}","SessionToken":"{TOKEN}"}}"#);
    let config = dir.file("config", format!("[profile edge]\ncredential_process = cat '{}'\n", dir.file("keys", json).display()));
    let program = kinegraf().args(["--region", REGION, "--stream", STREAM, "--profile", "edge", "-vv"]).env("AWS_ENDPOINT_URL", server.url());
    let finished = program.env("AWS_CONFIG_FILE", config).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert!(!finished.stderr.contains(SECRET) && !finished.stderr.contains(TOKEN), "{}", finished.stderr);
}

/// Whether a process has this number; one that has ended and is not waited for by its parent has not.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_credential_process_that_hangs_is_named_and_does_not_outlive_the_run() {
    let (server, dir) = (knows(NAMED, None), TempDir::new());
    let (pids, config) = (dir.path().join("pids"), dir.path().join("config"));
    let helper = dir.file("helper.sh", format!("sleep 300 &\necho $! $$ > {}\nwait\n", pids.display()));
    std::fs::write(&config, format!("[default]\ncredential_process = sh {}\n", helper.display())).unwrap();
    let program = || {
        std::fs::remove_file(&pids).ok();
        let program = kinegraf().args(["--region", REGION, "--stream", STREAM]).env("AWS_ENDPOINT_URL", server.url());
        program.env("AWS_CONFIG_FILE", &config).stdin(input(5).1)
    };
    // In a run with a deadline, and at the end of a pipe.
    for option in ["--deadline", "--shutdown-timeout"] {
        let finished = program().args([option, &ms_at_pace(1000)]).run().assert_code(75);
        assert_within(&finished, at_pace(Duration::from_secs(1)));
        assert_reason(&finished, &["not delivered in time", "config:2: profile 'default': credential_process", "no_answer_yet"]);
        let pids = std::fs::read_to_string(&pids).unwrap();
        let waited = Instant::now();
        while pids.split(' ').any(lives) && waited.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!pids.split(' ').any(lives), "{pids} live on");
    }
}
