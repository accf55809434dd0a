//! The container endpoint: ECS, EKS pod identity, Greengrass.

use std::net::TcpListener;
use std::time::Duration;

use kinegraf::kinesis::outcome::Class;

use super::support::TempDir;
use super::support::metadata::{Blackhole, CONTAINER_PATH, GREENGRASS_PATH, Metadata, Step, Trouble};
use super::{Asking, assert_within, key, timed};

const SOURCE: &str = "container endpoint";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

fn service() -> (Metadata, Asking) {
    let service = Metadata::start(key());
    let asking = Asking::with(&[(FULL, &format!("{}{CONTAINER_PATH}", service.url()))]);
    (service, asking)
}

#[test]
fn keys_come_from_one_request_that_asks_for_json() {
    let (service, mut asking) = service();
    asking.assert_found(SOURCE);
    let asked = service.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].head.header("accept"), asked[0].head.header("authorization")), (Some("application/json"), None));
    service.change(|state| state.lower_case = true);
    asking.assert_found(SOURCE);
}

/// Greengrass sets both variables for its components and listens on localhost.
#[test]
fn greengrass_is_asked_with_its_token() {
    let service = Metadata::start(key());
    service.change(|state| state.authorization = Some("GREENGRASSTOKEN==".into()));
    let url = format!("http://localhost:{}{GREENGRASS_PATH}", service.port());
    Asking::with(&[(FULL, &url), (TOKEN, "GREENGRASSTOKEN==")]).assert_found(SOURCE);
    let error = Asking::with(&[(FULL, &url), (TOKEN, "another")]).assert_fails(&[
        &format!("container endpoint (http://localhost:{})", service.port()),
        "AccessDeniedException: the token is not the container's (status 401)",
    ]);
    assert_eq!(error.to_failure().class, Class::NoCredentials);
    assert_eq!(service.steps().len(), 2);
}

/// EKS rotates the file; it wins over the literal.
#[test]
fn the_token_file_is_read_for_each_fetch() {
    let (service, dir) = (Metadata::start(key()), TempDir::new());
    let path = dir.file("token", "first");
    let url = format!("{}{CONTAINER_PATH}", service.url());
    let mut asking = Asking::with(&[(FULL, &url), (TOKEN_FILE, path.to_str().unwrap()), (TOKEN, "loses")]);
    for token in ["first", "second"] {
        std::fs::write(&path, token).unwrap();
        service.change(|state| state.authorization = Some(token.into()));
        asking.assert_found(SOURCE);
    }
    let before = service.asked().len();
    for (text, words) in [("second\n", "without a line break"), ("second\r\nX-Evil: 1", "must be a token of one line"), ("", "is empty")] {
        std::fs::write(&path, text).unwrap();
        let error = asking.assert_fails(&[path.to_str().unwrap(), TOKEN_FILE, words]);
        assert!(!error.is_not_found());
    }
    // Opening a pipe would wait for whoever writes into it, for ever.
    asking = Asking::with(&[(FULL, &url), (TOKEN_FILE, "$CREDENTIALS_DIRECTORY/pipe"), ("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]);
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    asking.assert_fails(&[dir.path().join("pipe").to_str().unwrap(), "not a regular file"]);
    asking = Asking::with(&[(FULL, &url), (TOKEN_FILE, path.to_str().unwrap())]);
    std::fs::remove_file(&path).unwrap();
    let error = asking.assert_fails(&[path.to_str().unwrap(), "No such file"]);
    assert_eq!(error.to_failure().class, Class::NoCredentials);
    assert_eq!(service.asked().len(), before);
}

#[test]
fn keys_are_fetched_in_the_clear_from_near_addresses_only() {
    for url in ["http://192.0.2.1/credentials", "http://198.51.100.1/credentials", "http://169.254.170.2@192.0.2.1/", "http://0.0.0.0:1/"] {
        let (error, time) = timed(|| Asking::with(&[(FULL, url), (TOKEN, "secret")]).assert_fails(&[FULL, "may not be connected to", "use https"]));
        assert_eq!(error.to_failure().class, Class::NoCredentials);
        assert!(time < Duration::from_secs(1), "{time:?}");
    }
    for url in ["/credentials", "http://", "file:///etc/passwd"] {
        assert!(!Asking::with(&[(FULL, url)]).assert_fails(&[FULL]).is_not_found(), "{url}");
    }
}

#[test]
fn what_may_pass_is_tried_three_times_and_what_a_person_must_mend_once() {
    let (service, mut asking) = service();
    service.trouble(Step::Container, 2, Trouble::Answer(500, "text/plain", String::new()));
    let ((), time) = timed(|| asking.assert_found(SOURCE));
    assert_within(time, Duration::from_millis(400));
    assert_eq!(service.steps().len(), 3);
    for (times, status, class) in [
        (3, 500, Class::CredentialsUnavailable),
        (3, 503, Class::CredentialsUnavailable),
        (1, 429, Class::CredentialsUnavailable),
        (1, 400, Class::NoCredentials),
        (1, 403, Class::NoCredentials),
        (1, 404, Class::NoCredentials),
    ] {
        let before = service.steps().len();
        let said = r#"{"code":"TheCode","message":"and its words"}"#;
        service.trouble(Step::Container, times, Trouble::Answer(status, "application/json", said.into()));
        let error = asking.assert_fails(&["container endpoint (http://127.0.0.1:", &format!("TheCode: and its words (status {status})")]);
        assert_eq!((error.to_failure().class, error.to_failure().status), (class, Some(status)));
        assert_eq!(service.steps().len() - before, times);
    }
    service.trouble(Step::Container, 1, Trouble::Answer(200, "application/json", r#"{"Code":"Odd","Message":"no keys"}"#.into()));
    asking.assert_fails(&["Odd: no keys", "CredentialsUnavailable"]);
}

#[test]
fn an_answer_that_is_not_the_endpoints_is_told() {
    let elsewhere = Metadata::start(key());
    for (trouble, words) in [
        (Trouble::Answer(200, "text/html", "<html>".into()), "the answer is not JSON (status 200, text/html, 6 bytes)"),
        (Trouble::Answer(200, "application/json", "{}".into()), "the answer has no AccessKeyId"),
        (Trouble::Answer(200, "application/json", "{\"AccessKeyId\":\"".into()), "the answer is cut short"),
        (Trouble::Huge, "more than 16384 bytes"),
        (Trouble::Redirect(elsewhere.url()), "a redirect (status 302), which is not followed"),
        (Trouble::Truncated, "connection"),
        (Trouble::Close, "connection"),
    ] {
        let (service, mut asking) = service();
        service.trouble(Step::Container, 3, trouble);
        let error = asking.assert_fails(&[words]);
        assert_eq!(error.to_failure().class, Class::CredentialsUnavailable, "{words}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn an_endpoint_that_comes_up_late_is_waited_for_and_one_that_never_does_has_an_end() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}{CONTAINER_PATH}");
    let mut asking = Asking::with(&[(FULL, &url)]);
    let (error, time) = timed(|| asking.assert_fails(&["refused"]));
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    assert_within(time, Duration::from_millis(400));
    let _service = Metadata::start_at(TcpListener::bind(("127.0.0.1", port)).unwrap(), key());
    asking.assert_found(SOURCE);
    let nowhere = Blackhole::start();
    let mut asking = Asking::with(&[(FULL, &nowhere.url())]);
    let (error, time) = timed(|| asking.assert_fails(&["no connection in time"]));
    assert!(!error.is_not_found());
    assert_within(time, Duration::from_millis(6500));
}

/// A container's keys come first; a path or a token in its variable is not shown.
#[test]
fn the_container_wins_over_the_instance_and_its_path_is_not_shown() {
    let service = Metadata::start(key());
    let url = format!("{}{CONTAINER_PATH}", service.url());
    let mut asking = Asking::with(&[(FULL, &url), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    asking.assert_found(SOURCE);
    assert_eq!(service.steps(), [Step::Container]);
    service.trouble(Step::Container, 1, Trouble::Answer(403, "text/plain", String::new()));
    let error = asking.assert_fails(&["status 403"]);
    assert!(!error.to_string().contains(CONTAINER_PATH), "{error}");
    // It does not go on to somebody else's keys.
    assert_eq!(service.steps(), [Step::Container, Step::Container]);
}
