//! The credential chain as a person meets it: which source wins, what is passed over, and what is said when there is nothing or something is half set.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::HttpOptions;
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, Level, Secret};
use kinegraf::kinesis::outcome::Class;
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_800_000_000) };

/// A home directory of its own, removed afterwards.
struct Home(PathBuf);

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let home = Home(std::env::temp_dir().join(format!("kinegraf-home-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))));
        std::fs::create_dir_all(home.0.join(".aws")).unwrap();
        files.iter().for_each(|(name, text)| home.write(name, text));
        home
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(".aws").join(name), text).unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn chain(config: &CredentialsConfig, variables: &[(&str, &str)]) -> Chain {
    let (clock, config) = (Clock::new(), CredentialsConfig { imds_off: true, ..config.clone() });
    let http = HttpOptions::new(clock);
    let log = Log::new(Level::Error, Hold::No, Box::new(std::io::sink()));
    let options = ChainOptions { config, environment: Environment::from_pairs(variables), region: "eu-central-1".into(), http, log };
    Chain::new(options, Random::from_seed(1))
}

/// Id, secret, token and source.
type Found = (String, String, Option<String>, &'static str);

fn find(config: &CredentialsConfig, variables: &[(&str, &str)]) -> Result<Found, CredentialsError> {
    let mut chain = chain(config, variables);
    let found: Credentials = chain.credentials(NOW)?.clone();
    let text = |text: &str| text.to_owned();
    Ok((text(found.access_key_id()), text(found.secret_access_key()), found.session_token().map(text), chain.source().unwrap()))
}

fn found(id: &str, secret: &str, token: Option<&str>, source: &'static str) -> Found {
    (id.to_owned(), secret.to_owned(), token.map(str::to_owned), source)
}

fn explicit(id: &str, secret: &str, token: Option<&str>) -> CredentialsConfig {
    let hidden = |text: &str| Secret::new(text.to_owned());
    CredentialsConfig { keys: Some((id.to_owned(), hidden(secret))), token: token.map(hidden), ..CredentialsConfig::default() }
}

fn profile(name: &str) -> CredentialsConfig {
    CredentialsConfig { profile: Some(name.to_owned()), ..CredentialsConfig::default() }
}

const FILES: [(&str, &str); 2] = [
    (
        "credentials",
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = ds\n[edge]\naws_access_key_id = EDGE\naws_secret_access_key = es # note\n",
    ),
    (
        "config",
        "[default]\nregion = eu-central-1\n[profile edge]\naws_secret_access_key = loses\naws_session_token = et\n[profile only]\naws_access_key_id = ONLY\naws_secret_access_key = os\n",
    ),
];

#[test]
fn the_first_configured_source_wins() {
    let home = Home::new(&FILES);
    let environment =
        [("HOME", home.path()), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "vs"), ("AWS_SESSION_TOKEN", "vt"), ("AWS_PROFILE", "edge")];
    let both = CredentialsConfig { profile: Some("edge".into()), ..explicit("KEY", "ks", Some("kt")) };
    assert_eq!(find(&both, &environment).unwrap(), found("KEY", "ks", Some("kt"), "explicit keys"));
    assert_eq!(find(&profile("only"), &environment).unwrap(), found("ONLY", "os", None, "profile"));
    let none = CredentialsConfig::default();
    assert_eq!(find(&none, &environment).unwrap(), found("ENV", "vs", Some("vt"), "environment"));
    // AWS_PROFILE picks the profile of the last step only.
    let environment = [("HOME", home.path()), ("AWS_PROFILE", "edge")];
    assert_eq!(find(&none, &environment).unwrap(), found("EDGE", "es", Some("et"), "default profile"));
    assert_eq!(find(&none, &[("HOME", home.path())]).unwrap(), found("DEFAULT", "ds", None, "default profile"));
}

#[test]
fn blank_is_unset_and_blanks_around_a_key_are_none_of_it() {
    let home = Home::new(&FILES);
    let environment =
        [("HOME", home.path()), ("AWS_ACCESS_KEY_ID", " "), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_SESSION_TOKEN", "x"), ("AWS_PROFILE", "")];
    assert_eq!(find(&explicit(" ", "", None), &environment).unwrap().3, "default profile");
    let environment = [("AWS_ACCESS_KEY_ID", "ENV\n"), ("AWS_SECRET_ACCESS_KEY", " vs ")];
    assert_eq!(find(&CredentialsConfig::default(), &environment).unwrap(), found("ENV", "vs", None, "environment"));
    let old = [("AWS_ACCESS_KEY_ID", "ENV"), ("SECRET_ACCESS_KEY", "vs"), ("AWS_SECURITY_TOKEN", "vt")];
    assert_eq!(find(&CredentialsConfig::default(), &old).unwrap(), found("ENV", "vs", Some("vt"), "environment"));
}

#[test]
fn the_variables_and_the_configuration_move_the_files() {
    let (home, elsewhere) = (Home::new(&FILES), Home::new(&[("c", "[default]\naws_access_key_id = MOVED\naws_secret_access_key = ms")]));
    let moved = elsewhere.0.join(".aws/c");
    let none = CredentialsConfig::default();
    for variable in ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"] {
        let environment = [("HOME", elsewhere.path()), (variable, moved.to_str().unwrap())];
        assert_eq!(find(&none, &environment).unwrap().0, "MOVED", "{variable}");
    }
    assert_eq!(find(&none, &[("HOME", elsewhere.path()), ("AWS_CONFIG_FILE", "~/.aws/c")]).unwrap().0, "MOVED");
    let configured = CredentialsConfig { shared_credential_file: Some(moved), ..CredentialsConfig::default() };
    assert_eq!(find(&configured, &[("HOME", home.path()), ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")]).unwrap().0, "MOVED");
}

#[test]
fn when_nothing_is_found_every_step_says_why() {
    let empty = Home::new(&[("credentials", "[other]\nregion = x")]);
    let error = find(&CredentialsConfig::default(), &[("HOME", empty.path())]).unwrap_err();
    assert!(error.is_not_found());
    let text = error.to_string();
    for words in
        ["explicit keys: ", "profile is not set", "AWS_ACCESS_KEY_ID is not set", "default profile: ", "not in ", ".aws/config does not exist"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(error.to_failure().class, Class::NoCredentials);
    let homeless = find(&CredentialsConfig::default(), &[]).unwrap_err();
    assert!(homeless.is_not_found() && homeless.to_string().contains("HOME is not set"), "{homeless}");
    let nowhere = find(&CredentialsConfig::default(), &[("HOME", "/dev/null")]).unwrap_err();
    assert!(nowhere.is_not_found(), "{nowhere}");
    let regions_only = Home::new(&[("config", "[default]\nregion = eu-central-1")]);
    assert!(find(&CredentialsConfig::default(), &[("HOME", regions_only.path())]).unwrap_err().is_not_found());
}

/// The error must end the chain although the default profile would give credentials, contain these words, and show no secret.
fn assert_broken(config: &CredentialsConfig, variables: &[(&str, &str)], words: &[&str]) {
    let error = find(config, variables).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!error.is_not_found(), "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(error.to_failure().class, Class::NoCredentials);
}

#[test]
fn half_a_key_pair_is_an_error_that_names_the_missing_half() {
    let home = Home::new(&[
        FILES[0],
        ("config", "[profile id]\naws_access_key_id = hunter2\n[profile secret]\naws_secret_access_key = hunter2\naws_access_key_id =\n"),
    ]);
    let none = CredentialsConfig::default();
    assert_broken(&explicit("hunter2", " ", None), &[("HOME", home.path())], &["configuration", "secret_key is missing"]);
    assert_broken(&explicit("", "hunter2", None), &[("HOME", home.path())], &["access_key is missing"]);
    assert_broken(&none, &[("HOME", home.path()), ("AWS_ACCESS_KEY_ID", "hunter2")], &["environment", "AWS_SECRET_ACCESS_KEY is missing"]);
    assert_broken(&none, &[("HOME", home.path()), ("AWS_SECRET_ACCESS_KEY", "hunter2")], &["AWS_ACCESS_KEY_ID is missing"]);
    assert_broken(&profile("id"), &[("HOME", home.path())], &["profile 'id'", "aws_secret_access_key is missing"]);
    assert_broken(&profile("secret"), &[("HOME", home.path())], &["profile 'secret'", "aws_access_key_id is missing"]);
}

#[test]
fn a_key_that_no_header_can_carry_is_told_without_showing_it() {
    assert_broken(&explicit("ID", "hunter2\nhunter2", None), &[], &["configuration: secret_key has a space"]);
    assert_broken(&explicit("ID", "s", Some("hunter2\u{e9}")), &[], &["the session token has a space"]);
}

#[test]
fn a_named_profile_that_is_missing_ends_the_chain() {
    let home = Home::new(&FILES);
    let environment = [("HOME", home.path()), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "vs")];
    assert_broken(&profile("edg"), &environment, &["profile 'edg' (named by profile) not found", ".aws/credentials", ".aws/config"]);
    assert_broken(&CredentialsConfig::default(), &[("HOME", home.path()), ("AWS_PROFILE", "edg")], &["'edg' (named by AWS_PROFILE)"]);
    assert_broken(&profile("edge"), &[], &["profile 'edge'", "HOME is not set"]);
}

#[test]
fn a_profile_that_needs_a_person_is_refused_whatever_keys_stand_beside_it() {
    let keys = "aws_access_key_id = K\naws_secret_access_key = hunter2\n";
    for property in ["sso_session = corporate", "sso_start_url = https://x", "login_session = x"] {
        let home = Home::new(&[("config", &format!("[profile person]\n{property}\n[default]\n{property}\n"))]);
        let key = property.split_once(' ').unwrap().0;
        assert_broken(&profile("person"), &[("HOME", home.path())], &[".aws/config:2: profile 'person'", key, "needs a person"]);
        assert_broken(&CredentialsConfig::default(), &[("HOME", home.path())], &["profile 'default'", key]);
        home.write("credentials", &format!("[person]\n{keys}"));
        assert_broken(&profile("person"), &[("HOME", home.path())], &[key]);
    }
    let home = Home::new(&[("config", "[profile bare]\nregion = x")]);
    assert_broken(&profile("bare"), &[("HOME", home.path())], &["profile 'bare' has neither"]);
}

#[test]
fn a_source_that_a_profile_names_must_have_keys() {
    let text = "[profile e]\nrole_arn = r\ncredential_source = Environment\n[profile m]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n\
                [profile c]\nrole_arn = r\ncredential_source = EcsContainer\n[profile l]\nrole_arn = r\nsource_profile = l";
    let home = Home::new(&[("config", text), FILES[0]]);
    let variables = [("HOME", home.path())];
    assert_broken(&profile("e"), &variables, &["credential_source = Environment: AWS_ACCESS_KEY_ID is not set"]);
    assert_broken(&profile("m"), &variables, &["credential_source = Ec2InstanceMetadata: "]);
    assert_broken(&profile("c"), &variables, &["credential_source = EcsContainer: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]);
    assert_broken(&profile("l"), &variables, &[".aws/config:12: profile 'l': source_profile names itself"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::new(&[("credentials", "[default]\nhunter2")]);
    let none = CredentialsConfig::default();
    assert_broken(&none, &[("HOME", home.path())], &[".aws/credentials:2: neither"]);
    home.write("credentials", "[default]\n");
    std::fs::write(home.0.join(".aws/config"), b"[default]\n\xff\xfe").unwrap();
    assert_broken(&none, &[("HOME", home.path())], &[".aws/config: not UTF-8"]);
    std::fs::write(home.0.join(".aws/config"), vec![b'#'; 2 << 20]).unwrap();
    assert_broken(&none, &[("HOME", home.path())], &[".aws/config: more than 1048576 bytes"]);
    let directory = home.0.to_str().unwrap();
    assert_broken(&none, &[("AWS_CONFIG_FILE", directory)], &[directory, "cannot read"]);
    assert!(Path::new(directory).is_dir());
}

#[test]
fn a_refresh_reads_the_files_again_and_keeps_the_old_keys_when_it_cannot() {
    let home = Home::new(&FILES);
    let mut chain = chain(&CredentialsConfig::default(), &[("HOME", home.path())]);
    assert_eq!(chain.credentials(NOW).unwrap().access_key_id(), "DEFAULT");
    home.write("credentials", "[default]\naws_access_key_id = NEW\naws_secret_access_key = ns");
    assert_eq!(chain.credentials(NOW).unwrap().access_key_id(), "DEFAULT");
    assert_eq!(chain.refresh(NOW).unwrap().access_key_id(), "NEW");
    home.write("credentials", "[default]\naws_access_key_id = HALF");
    assert!(chain.refresh(NOW).is_err());
    assert_eq!(chain.credentials(NOW).unwrap().access_key_id(), "NEW");
    let passed_over: Vec<&str> = chain.passed_over().iter().map(|step| step.name).collect();
    assert_eq!(passed_over, ["explicit keys", "profile", "environment", "environment's web identity"]);
}

#[test]
fn credentials_that_appear_later_are_found_without_a_new_chain() {
    let home = Home::new(&[]);
    let mut chain = chain(&CredentialsConfig::default(), &[("HOME", home.path())]);
    assert!(chain.credentials(NOW).unwrap_err().is_not_found());
    home.write("credentials", FILES[0].1);
    assert_eq!(chain.credentials(NOW).unwrap().access_key_id(), "DEFAULT");
}

#[test]
fn no_secret_is_in_what_debug_shows() {
    let home = Home::new(&[("credentials", "[default]\naws_access_key_id = K\naws_secret_access_key = hunter2\naws_session_token = hunter2")]);
    let environment = [("HOME", home.path()), ("AWS_SECRET_ACCESS_KEY", "")];
    let mut found = chain(&CredentialsConfig::default(), &environment);
    found.credentials(NOW).unwrap();
    let mut configured = chain(&explicit("K", "hunter2", Some("hunter2")), &[("AWS_SECRET_ACCESS_KEY", "hunter2")]);
    configured.credentials(NOW).unwrap();
    for chain in [found, configured] {
        let shown = format!("{chain:?} {chain:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
