//! What one process leaves for the next, and for which.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use kinegraf::aws::credentials::Leftovers;
use kinegraf::config::CredentialsConfig;
use kinegraf::time::Now;

use super::support::metadata::{Blackhole, CONTAINER_PATH, Metadata};
use super::support::{TempDir, secrets};
use super::{Process, files, key};

#[test]
fn the_next_process_has_the_same_keys_and_asks_nobody() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    let mut first = Process::of(&service, dir.path());
    let now = first.now();
    let found: Credentials = first.chain.credentials(now).unwrap().clone();
    for _ in 0..3 {
        let mut next = Process::of(&service, dir.path());
        let now = next.now();
        let again = next.chain.credentials(now).unwrap();
        assert_eq!(
            (again.access_key_id(), again.secret_access_key(), again.session_token()),
            (found.access_key_id(), found.secret_access_key(), found.session_token())
        );
        assert_eq!(next.chain.source(), Some("container endpoint"));
        assert!(next.said().contains("credentials: container endpoint, until 20"), "{}", next.said());
    }
    assert_eq!(service.asked().len(), 1);
    let files = files(dir.path());
    let mode = std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o7777;
    assert_eq!((files.len(), mode), (1, 0o600));
}

#[test]
fn a_wall_clock_that_jumps_by_years_between_two_processes_changes_nothing() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    Process::of(&service, dir.path()).id().unwrap();
    for wall in [Duration::ZERO, Duration::from_secs(5_000_000_000)] {
        let mut next = Process::of(&service, dir.path());
        let now = Now { wall, ..next.now() };
        assert_eq!(next.id_at(now).unwrap(), key(1).access_key);
    }
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn another_configuration_has_a_file_of_its_own() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    let url = format!("{}{CONTAINER_PATH}", service.url());
    let config = CredentialsConfig { cache_directory: Some(dir.path().to_owned()), ..CredentialsConfig::default() };
    for name in ["a", "b"] {
        Process::with(config.clone(), &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url), ("HOME", name)]).id().unwrap();
    }
    assert_eq!((service.asked().len(), files(dir.path()).len()), (2, 2));
    let names = files(dir.path()).iter().map(|file| file.display().to_string()).collect::<String>();
    secrets::assert_hidden("a name", names.as_bytes());
}

#[test]
fn a_token_file_that_changes_makes_what_was_found_with_the_old_one_worth_nothing() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    let token = dir.file("token", "first");
    let cache = TempDir::new();
    let config = CredentialsConfig { cache_directory: Some(cache.path().to_owned()), ..CredentialsConfig::default() };
    let url = format!("{}{CONTAINER_PATH}", service.url());
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap())];
    for (content, asked) in [("first", 1), ("first", 1), ("second one", 2), ("second one", 2)] {
        if std::fs::read_to_string(&token).unwrap() != content {
            std::fs::write(&token, content).unwrap();
        }
        service.change(|state| state.authorization = Some(content.into()));
        Process::with(config.clone(), &variables).id().unwrap();
        assert_eq!(service.asked().len(), asked, "{content}");
    }
    assert_eq!(files(cache.path()).len(), 1, "the old one is replaced, not left");
}

#[test]
fn what_the_service_refused_is_replaced_for_the_next_process_too() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    Process::of(&service, dir.path()).id().unwrap();
    service.change(|state| state.key = key(2));
    let mut refused = Process::of(&service, dir.path());
    assert_eq!(refused.id().unwrap(), key(1).access_key);
    let now = refused.now();
    assert_eq!(refused.chain.refresh(now).unwrap().access_key_id(), key(2).access_key);
    assert_eq!(Process::of(&service, dir.path()).id().unwrap(), key(2).access_key);
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn keys_that_cost_nothing_and_keys_of_seconds_are_not_kept() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    let config = CredentialsConfig { cache_directory: Some(dir.path().to_owned()), ..CredentialsConfig::default() };
    Process::with(config, &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")]).id().unwrap();
    service.change(|state| state.lifetime_s = 30);
    Process::of(&service, dir.path()).id().unwrap();
    assert!(files(dir.path()).is_empty());
}

#[test]
fn that_nobody_answered_is_kept_as_well() {
    let (nowhere, dir) = (Blackhole::start(), TempDir::new());
    let config = CredentialsConfig { cache_directory: Some(dir.path().to_owned()), ..CredentialsConfig::default() };
    let process = || Process::with(config.clone(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nowhere.url())]);
    let first = process().id().unwrap_err();
    let start = Instant::now();
    let next = process().id().unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(900), "asked again: {:?}", start.elapsed());
    assert_eq!((first.to_string(), first.is_not_found()), (next.to_string(), true));
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_daemon_asks_whether_anybody_answers_by_now_and_after_a_reload_for_the_keys_too() {
    let dir = TempDir::new();
    let config = CredentialsConfig { cache_directory: Some(dir.path().to_owned()), ..CredentialsConfig::default() };
    let nowhere = Blackhole::start();
    let absent = || Process::with(config.clone(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nowhere.url())]);
    absent().id().unwrap_err();
    for leftovers in [Leftovers::Keys, Leftovers::Nothing] {
        let mut daemon = absent();
        daemon.chain.believe(leftovers);
        let start = Instant::now();
        daemon.id().unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(900), "{leftovers:?}: not asked");
    }
    let service = Metadata::start(key(1));
    for (leftovers, asked) in [(Leftovers::All, 1), (Leftovers::Keys, 1), (Leftovers::Nothing, 2), (Leftovers::Keys, 2)] {
        let mut daemon = Process::of(&service, dir.path());
        daemon.chain.believe(leftovers);
        daemon.id().unwrap();
        assert_eq!(service.asked().len(), asked, "{leftovers:?}");
    }
}

#[test]
fn without_a_directory_systemds_or_the_sessions_is_used_and_never_made() {
    let (service, runtime, session) = (Metadata::start(key(1)), TempDir::new(), TempDir::new());
    let url = format!("{}{CONTAINER_PATH}", service.url());
    let process = |runtime: &str, session: &str| {
        let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("RUNTIME_DIRECTORY", runtime), ("XDG_RUNTIME_DIR", session)];
        let mut process = Process::with(CredentialsConfig::default(), &variables);
        process.id().unwrap();
        assert!(!process.said().contains("warning"), "{}", process.said());
    };
    let (runtime_path, session_path) = (runtime.path().to_str().unwrap(), session.path().to_str().unwrap());
    process(&format!("{runtime_path}:/somewhere/else"), session_path);
    assert_eq!((files(runtime.path()).len(), files(session.path()).len()), (1, 0));
    process("", session_path);
    assert_eq!((files(runtime.path()).len(), files(session.path()).len()), (1, 1));
    process(&format!("{runtime_path}/missing"), session_path);
    assert_eq!(files(runtime.path()).len(), 1);
    let made = session.path().join("made");
    Process::of(&service, &made).id().unwrap();
    assert_eq!((std::fs::metadata(&made).unwrap().permissions().mode() & 0o7777, files(&made).len()), (0o700, 1), "one that was configured is made");
}
