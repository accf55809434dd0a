//! `credential_process` with real programs: what is taken from them, what is said when they fail, and that nothing of them is left behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::HttpOptions;
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, Level};
use kinegraf::kinesis::outcome::Class;
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

/// 2027-01-15T08:00:00Z.
const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_800_000_000) };
const KEYS: &str = r#"{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"hunter2","SessionToken":"hunter2-t","Expiration":"2027-01-15T09:00:00Z"}"#;

/// A directory with the configuration and the script that it runs.
struct Dir(PathBuf);

impl Dir {
    /// `[default]` runs `sh SCRIPT`.
    fn with_script(script: &str) -> Dir {
        let dir = Dir::new();
        dir.write("script", script);
        dir.configure(&format!("credential_process = /bin/sh {}/script", dir.0.display()));
        dir
    }

    fn new() -> Dir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let dir = Dir(std::env::temp_dir().join(format!("kinegraf-process-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))));
        fs::create_dir_all(&dir.0).unwrap();
        fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    fn configure(&self, text: &str) {
        self.write("config", &format!("[default]\n{text}\n"));
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn chain(&self, timeout: Duration) -> Chain {
        let (config, home) = (self.0.join("config"), self.0.to_str().unwrap());
        let environment = Environment::from_pairs(&[("AWS_CONFIG_FILE", config.to_str().unwrap()), ("HOME", home)]);
        let http = HttpOptions { answer_timeout: timeout, ..HttpOptions::new(Clock::new()) };
        let log = Log::new(Level::Error, Hold::No, Box::new(std::io::sink()));
        let config = CredentialsConfig { imds_off: true, ..CredentialsConfig::default() };
        Chain::new(ChainOptions { config, environment, region: "eu-central-1".into(), http, log }, Random::from_seed(1))
    }

    fn find(&self) -> Result<Credentials, CredentialsError> {
        self.chain(Duration::from_secs(20)).credentials(NOW).cloned()
    }

    /// The error, which shows no secret.
    fn error(&self) -> CredentialsError {
        let error = self.find().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        error
    }

    /// The process whose number the script wrote to this file.
    fn process(&self, name: &str) -> PathBuf {
        PathBuf::from("/proc").join(fs::read_to_string(self.0.join(name)).unwrap().trim())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_programs_keys_are_used_until_they_expire_and_then_it_is_asked_again() {
    let dir = Dir::with_script(&format!("echo x >> \"$(dirname $0)/runs\"; echo '{KEYS}'; echo noise >&2"));
    let mut chain = dir.chain(Duration::from_secs(20));
    let found = chain.credentials(NOW).unwrap();
    assert_eq!((found.access_key_id(), found.secret_access_key(), found.session_token()), ("AK", "hunter2", Some("hunter2-t")));
    assert_eq!(chain.source(), Some("default profile"));
    let later = |seconds| Now { mono: Duration::from_secs(seconds), wall: NOW.wall };
    let runs = || fs::read_to_string(dir.0.join("runs")).unwrap().lines().count();
    chain.credentials(later(60)).unwrap();
    assert_eq!(runs(), 1);
    chain.credentials(later(3601)).unwrap();
    assert_eq!(runs(), 2);
}

#[test]
fn keys_without_an_expiration_are_kept() {
    let dir = Dir::with_script(
        "echo x >> \"$(dirname $0)/runs\"; echo '{\"accessKeyID\":\"AK\",\"SecretAccessKey\":\"s\",\"Version\":1,\"AccountId\":{\"a\":[1]},\"SessionToken\":null}'",
    );
    let mut chain = dir.chain(Duration::from_secs(20));
    assert_eq!(chain.credentials(NOW).unwrap().session_token(), None);
    chain.credentials(Now { mono: Duration::from_secs(90 * 86_400), wall: NOW.wall }).unwrap();
    assert_eq!(fs::read_to_string(dir.0.join("runs")).unwrap(), "x\n");
}

#[test]
fn a_board_without_a_clock_cannot_judge_an_expiration_and_asks_again_soon() {
    let dir = Dir::with_script(&format!("echo x >> \"$(dirname $0)/runs\"; echo '{KEYS}'"));
    let mut chain = dir.chain(Duration::from_secs(20));
    for (seconds, runs) in [(0, "x\n"), (14 * 60, "x\n"), (16 * 60, "x\nx\n")] {
        let now = Now { mono: Duration::from_secs(seconds), wall: Duration::from_secs(5 + seconds) };
        assert_eq!(chain.credentials(now).unwrap().access_key_id(), "AK");
        assert_eq!(fs::read_to_string(dir.0.join("runs")).unwrap(), runs);
    }
}

#[test]
fn words_are_taken_apart_without_a_shell_and_the_environment_is_inherited() {
    let dir = Dir::new();
    dir.write("script", &format!("printf '%s|' \"$@\" > \"$(dirname $0)/words\"; test -n \"$PATH\" && echo '{KEYS}'"));
    dir.configure("credential_process = /bin/sh ~/script 'a  b' \"c\\\"d\" $HOME e\\ f ; g");
    dir.find().unwrap();
    assert_eq!(fs::read_to_string(dir.0.join("words")).unwrap(), "a  b|c\"d|$HOME|e f|");
    dir.configure("credential_process = /bin/sh ~/script 'a");
    assert!(dir.error().to_string().contains("config:2: profile 'default': credential_process has a ' without its end"));
    dir.configure("credential_process = /nowhere/program | cat");
    let error = dir.error().to_string();
    assert!(error.contains("cannot be started: No such file") && error.contains("no shell runs it"), "{error}");
}

#[test]
fn a_program_that_fails_is_quoted_by_the_end_of_its_standard_error() {
    let dir = Dir::with_script(&format!(
        "echo '{KEYS}'; i=0; while [ $i -lt 2000 ]; do echo \"noise $i\" >&2; i=$((i+1)); done; echo 'no token in slot 3' >&2; exit 3"
    ));
    let error = dir.error();
    let text = error.to_string();
    assert!(text.contains("config:2: profile 'default': credential_process failed (exit status: 3): noise"), "{text}");
    assert!(text.ends_with("no token in slot 3") && error.to_failure().message == text, "{text}");
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    let silent = Dir::with_script("kill -9 $$").error().to_string();
    assert!(silent.contains("SIGKILL") && silent.ends_with("it says nothing on standard error"), "{silent}");
}

#[test]
fn what_is_no_answer_is_refused_and_not_shown() {
    let json = |text: &str| format!("echo '{text}'");
    for (script, words) in [
        (json("hunter2"), "wrote other than the JSON it should (line 1, column 1)"),
        (json(&KEYS.replace('}', "")), "other than the JSON"),
        (json(&format!("{KEYS} hunter2")), "other than the JSON"),
        (json("[\"hunter2\"]"), "other than the JSON"),
        (json("{\"Version\":1,\"AccessKeyId\":[\"hunter2\"]}"), "other than the JSON"),
        (json(&KEYS.replace(":1,", ":\"hunter2\",")), "other than the JSON"),
        (json(&KEYS.replace(":1,", ":2,")), "wrote Version 2, must be 1"),
        (json(&KEYS.replace("\"Version\":1,", "")), "wrote no Version"),
        (json("{\"Version\":1}"), "wrote neither AccessKeyId nor SecretAccessKey"),
        (json(&KEYS.replace("\"AccessKeyId\":\"AK\",", "")), "SecretAccessKey is set but AccessKeyId is missing"),
        (json(&KEYS.replace("hunter2\"", "hunter2 \\u0007x\"")), "SecretAccessKey has a space"),
        (json(&KEYS.replace("2027-01-15T09:00:00Z", "hunter2")), "an Expiration that is no time"),
        (json(&KEYS.replace("T09:", "T07:")), "wrote credentials that have expired"),
        ("echo why >&2".into(), "wrote nothing: why"),
    ] {
        let text = Dir::with_script(&script).error().to_string();
        assert!(text.contains(words), "{script}: {text}");
    }
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let dir = Dir::with_script("cd \"$(dirname $0)\"; echo $$ > leader; sleep 60 & echo $! > child; echo hunter2; sleep 60");
    let start = Instant::now();
    let error = dir.chain(Duration::from_millis(700)).credentials(NOW).unwrap_err();
    assert!(error.to_string().contains("did not end within 0.7 s and was killed"), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(700) && start.elapsed() < Duration::from_secs(10));
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    assert!(!dir.process("leader").exists(), "a zombie is left");
    // Whoever adopts the child reaps it, or leaves it as a zombie.
    let is_gone = |path: PathBuf| fs::read_to_string(path.join("stat")).map_or(true, |stat| stat.contains(") Z "));
    wait_for("the child lives on", || is_gone(dir.process("child")));
}

#[test]
fn what_a_program_leaves_running_is_not_waited_for() {
    let dir = Dir::with_script(&format!("cd \"$(dirname $0)\"; sleep 30 & echo $! > child; echo '{KEYS}'"));
    let start = Instant::now();
    assert_eq!(dir.find().unwrap().access_key_id(), "AK");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(dir.process("child").exists());
    let child = dir.process("child").file_name().unwrap().to_owned();
    assert!(std::process::Command::new("kill").arg(child).status().unwrap().success());
}

#[test]
fn a_program_that_closes_its_output_is_still_waited_for() {
    let dir = Dir::with_script(&format!("echo '{KEYS}'; exec >&- 2>&-; sleep 0.4; exit 4"));
    let error = dir.error().to_string();
    assert!(error.contains("exit status: 4"), "{error}");
}

#[test]
fn what_a_program_writes_is_bounded() {
    let dir = Dir::with_script("head -c 1000000 /dev/zero | tr '\\0' 'x'; sleep 60");
    let error = dir.error().to_string();
    assert!(error.contains("wrote more than 65536 bytes and was killed"), "{error}");
    let noisy = Dir::with_script(&format!("head -c 1000000 /dev/zero | tr '\\0' 'x' >&2; echo '{KEYS}'"));
    assert_eq!(noisy.find().unwrap().access_key_id(), "AK");
    let padded = Dir::with_script(&format!("head -c 65000 /dev/zero | tr '\\0' ' '; echo '{KEYS}'"));
    assert_eq!(padded.find().unwrap().access_key_id(), "AK");
}

#[test]
fn a_program_that_others_could_choose_is_not_run() {
    let dir = Dir::with_script(&format!("touch \"$(dirname $0)/ran\"; echo '{KEYS}'"));
    for (name, mode) in [("config", 0o666), ("config", 0o664), (".", 0o777)] {
        let path = dir.0.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = dir.error();
        let text = error.to_string();
        assert!(text.contains("is not run, since others could choose the program") && text.contains("chmod go-w"), "{text}");
        assert_eq!(error.to_failure().class, Class::NoCredentials);
        fs::set_permissions(&path, fs::Permissions::from_mode(if name == "." { 0o755 } else { 0o644 })).unwrap();
    }
    assert!(!dir.0.join("ran").exists());
    dir.find().unwrap();
    assert!(dir.0.join("ran").exists());
}
