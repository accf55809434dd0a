//! A machine without EC2's service: how little that costs, and for how long it is remembered.

use std::net::TcpListener;
use std::time::Duration;

use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Now;

use super::support::metadata::{Blackhole, Metadata, Step, Trouble};
use super::{Asking, assert_within, key, timed};

fn after(now: Now, time: Duration) -> Now {
    Now { mono: now.mono + time, wall: now.wall + time }
}

#[test]
fn a_service_that_nobody_answers_for_costs_one_second_in_an_hour() {
    let nowhere = Blackhole::start();
    let mut asking = Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nowhere.url())]);
    let words = format!("nobody answered at {} within 1 s", nowhere.url());
    let (error, time) = timed(|| asking.assert_fails(&[&words]));
    assert!(error.is_not_found());
    assert_eq!(error.to_failure().class, Class::NoCredentials);
    assert!(time >= Duration::from_millis(900), "{time:?}");
    assert_within(time, Duration::from_secs(1));
    let now = asking.now();
    for minutes in [0, 1, 30, 59] {
        let (error, time) = timed(|| asking.find_at(after(now, Duration::from_secs(60 * minutes))).unwrap_err());
        assert!(time < Duration::from_millis(900), "asked again after {minutes} min: {time:?}");
        assert!(error.to_string().contains(&words), "{error}");
    }
    let (_, time) = timed(|| asking.find_at(after(now, Duration::from_secs(3601))).unwrap_err());
    assert!(time >= Duration::from_millis(900), "not asked again: {time:?}");
}

#[test]
fn a_service_that_takes_connections_and_gives_no_token_is_the_hop_limit_of_a_container() {
    let service = Metadata::start(key());
    service.trouble(Step::Token, 1, Trouble::Silence);
    let mut asking = Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    let (error, time) = timed(|| asking.assert_fails(&["gave no token within 1 s", "http-put-response-hop-limit 2"]));
    assert!(error.is_not_found() && time >= Duration::from_millis(900), "{time:?}");
    assert_within(time, Duration::from_secs(1));
    let (_, time) = timed(|| asking.assert_fails(&["http-put-response-hop-limit 2"]));
    assert!(time < Duration::from_millis(900), "asked again: {time:?}");
    assert_eq!(service.steps(), [Step::Token]);
    // What is said first has room for it.
    assert!(error.to_failure().message.ends_with("http-put-response-hop-limit 2)"), "{}", error.to_failure().message);
}

#[test]
fn a_named_service_that_refuses_is_waited_for() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let mut asking = Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]);
    let (error, time) = timed(|| asking.assert_fails(&["EC2 instance metadata", "refused"]));
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    assert_within(time, Duration::from_millis(100));
    let _service = Metadata::start_at(TcpListener::bind(("127.0.0.1", port)).unwrap(), key());
    asking.assert_found("EC2 instance metadata");
}

#[test]
fn a_service_that_has_given_keys_and_is_silent_for_a_moment_is_asked_again() {
    let service = Metadata::start(key());
    let mut asking = Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    asking.assert_found("EC2 instance metadata");
    service.trouble(Step::Token, 1, Trouble::Silence);
    let error = asking.assert_fails(&["EC2 instance metadata", "gave no token within 1 s", "CredentialsUnavailable"]);
    assert!(!error.is_not_found());
    asking.assert_found("EC2 instance metadata");
}
