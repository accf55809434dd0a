//! The chain through the life of its credentials, against a source that fails for a while; time is told, not waited for.

use std::time::Duration;

use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Now;

use super::support::TempDir;
use super::support::metadata::{Metadata, Step, Trouble};
use super::{Process, key};

fn after(now: Now, time: Duration) -> Now {
    Now { mono: now.mono + time, wall: now.wall + time }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn source() -> (Metadata, TempDir) {
    (Metadata::start(key(1)), TempDir::new())
}

fn down(service: &Metadata) {
    service.trouble(Step::Container, 1000, Trouble::Answer(500, "text/plain", "down".into()));
}

fn up(service: &Metadata) {
    service.change(|state| state.troubles.clear());
}

#[test]
fn keys_are_renewed_in_a_spare_moment_before_they_expire_and_not_before_that() {
    let (service, dir) = source();
    service.change(|state| state.lifetime_s = 3600);
    let mut process = Process::of(&service, dir.path());
    let now = process.now();
    assert_eq!((process.id_at(now).unwrap(), process.chain.next_maintenance(now).is_some()), (key(1).access_key, true));
    let due = process.chain.next_maintenance(now).unwrap().left(now);
    assert!(due >= s(3600 - 362) && due <= s(3600 - 299), "{due:?}");
    service.change(|state| state.key = key(2));
    process.chain.maintain(after(now, due - s(1)), true);
    assert_eq!(service.asked().len(), 1);
    process.chain.maintain(after(now, due), false);
    assert_eq!(service.asked().len(), 1, "no spare moment, and time enough for one");
    process.chain.maintain(after(now, due), true);
    assert_eq!((process.id_at(after(now, due)).unwrap(), service.asked().len()), (key(2).access_key, 2));
    assert_eq!(process.said().matches("credentials: container endpoint, until ").count(), 2, "{}", process.said());
}

#[test]
fn a_source_that_is_away_is_said_once_and_the_old_keys_are_used_until_it_is_back() {
    let (service, dir) = source();
    service.change(|state| state.lifetime_s = 3600);
    let mut process = Process::of(&service, dir.path());
    let start = process.now();
    process.id_at(start).unwrap();
    down(&service);
    // Each second a request and a spare moment, for the last seven minutes.
    for second in 3600 - 420..3600 - 10 {
        let now = after(start, s(second));
        process.chain.maintain(now, true);
        assert_eq!(process.id_at(now).unwrap(), key(1).access_key);
    }
    let (said, asked) = (process.said(), service.asked().len());
    assert_eq!(said.matches("warning: credentials cannot be renewed: ").count(), 1, "{said}");
    assert!(said.contains("those at hand are used until 20"), "{said}");
    assert!((4..=45).contains(&asked), "each look is three tries at most: {asked}");
    up(&service);
    service.change(|state| state.key = key(2));
    let now = after(start, s(3600 + 1));
    assert_eq!(process.id_at(now).unwrap(), key(2).access_key);
    assert_eq!(process.said().matches("credentials: renewed again by container endpoint").count(), 1);
}

#[test]
fn expired_keys_of_a_container_are_used_on_for_hours_while_it_is_away() {
    let (service, dir) = source();
    service.change(|state| state.lifetime_s = 1800);
    let mut process = Process::of(&service, dir.path());
    let start = process.now();
    process.id_at(start).unwrap();
    down(&service);
    let before = service.asked().len();
    for minute in 30..150 {
        assert_eq!(process.id_at(after(start, s(60 * minute))).unwrap(), key(1).access_key, "minute {minute}");
    }
    let asked = service.asked().len() - before;
    assert!((8 * 3..=13 * 3).contains(&asked), "each ten to fifteen minutes: {asked}");
    assert!(process.said().contains("have expired and are used on until 20"), "{}", process.said());
}

#[test]
fn without_keys_a_source_that_is_away_is_asked_whenever_they_are_asked_for_so_that_the_last_try_of_a_run_counts() {
    let (service, dir) = source();
    down(&service);
    let mut process = Process::of(&service, dir.path());
    let start = process.now();
    for tick in 0..3 {
        let failure = process.id_at(after(start, Duration::from_millis(100 * tick))).unwrap_err().to_failure();
        assert_eq!((failure.class, failure.retry_after), (Class::CredentialsUnavailable, None));
    }
    assert_eq!(service.asked().len(), 3 * 3, "each look is three tries");
    up(&service);
    assert_eq!(process.id_at(after(start, Duration::from_millis(300))).unwrap(), key(1).access_key);
}

#[test]
fn keys_that_come_expired_are_used_and_make_no_loop() {
    let (service, dir) = source();
    service.change(|state| state.lifetime_s = -60);
    let mut process = Process::of(&service, dir.path());
    let start = process.now();
    for tick in 0..300 {
        let now = after(start, s(tick));
        process.chain.maintain(now, true);
        assert_eq!(process.id_at(now).unwrap(), key(1).access_key);
    }
    assert!(service.asked().len() <= 2, "{}", service.asked().len());
}
