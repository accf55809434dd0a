//! EC2's instance metadata service, version 2.

use std::time::Duration;

use kinegraf::config::CredentialsConfig;
use kinegraf::kinesis::outcome::Class;

use super::support::metadata::{Metadata, ROLE, Step, Trouble};
use super::{Asking, assert_within, key, timed};

const SOURCE: &str = "EC2 instance metadata";
const HTML: &str = "<html><body>Sign in to the hotel's network</body></html>";

fn service() -> (Metadata, Asking) {
    let service = Metadata::start(key());
    let asking = Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    (service, asking)
}

/// Three requests, in the order and with the headers that AWS documents.
#[test]
fn keys_come_by_a_token_a_role_and_its_document() {
    let (service, mut asking) = service();
    asking.assert_found(SOURCE);
    let asked = service.asked();
    let seen: Vec<_> = asked.iter().map(|asked| (asked.head.method.as_str(), asked.head.target.as_str())).collect();
    let roles = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(seen, [("PUT", "/latest/api/token"), ("GET", roles), ("GET", &format!("{roles}{ROLE}"))]);
    assert_eq!(asked[0].head.header("x-aws-ec2-metadata-token-ttl-seconds"), Some("21600"));
    assert_eq!(asked[0].head.header("content-length"), Some("0"));
    let tokens: Vec<_> = asked.iter().map(|asked| asked.head.header("x-aws-ec2-metadata-token")).collect();
    assert!(tokens[0].is_none() && tokens[1].is_some() && tokens[1] == tokens[2], "{tokens:?}");
}

#[test]
fn a_token_that_is_refused_is_replaced_once() {
    let unauthorized = || Trouble::Answer(401, "text/html", "401 - Unauthorized".into());
    for step in [Step::Roles, Step::Keys] {
        let (service, mut asking) = service();
        service.trouble(step, 1, unauthorized());
        let ((), time) = timed(|| asking.assert_found(SOURCE));
        assert_within(time, Duration::from_millis(100));
        assert_eq!(service.steps().iter().filter(|step| **step == Step::Token).count(), 2);
        let tokens: Vec<_> = service.asked().iter().filter_map(|asked| asked.head.header("x-aws-ec2-metadata-token").map(str::to_owned)).collect();
        assert_ne!(tokens.first(), tokens.last());

        service.trouble(step, 2, unauthorized());
        let error = asking.assert_fails(&["refuses the token that it just gave (status 401)"]);
        assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    }
}

#[test]
fn an_internal_error_is_tried_again_up_to_four_times_in_a_second() {
    let unavailable = || Trouble::Answer(503, "text/html", String::new());
    let (service, mut asking) = service();
    // The sequence of the SDKs' public case `imds_default_chain_retries`: each of the three fails once.
    for step in [Step::Token, Step::Roles, Step::Keys] {
        service.trouble(step, 1, unavailable());
    }
    let ((), time) = timed(|| asking.assert_found(SOURCE));
    assert_eq!(service.steps(), [Step::Token, Step::Token, Step::Roles, Step::Roles, Step::Keys, Step::Keys]);
    assert_within(time, Duration::from_millis(400));
    for step in [Step::Token, Step::Roles, Step::Keys] {
        let before = service.steps().len();
        service.trouble(step, 4, unavailable());
        let (error, time) = timed(|| asking.assert_fails(&["EC2 instance metadata (http://127.0.0.1:", "status 503"]));
        assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
        assert_eq!(service.steps()[before..].iter().filter(|asked| **asked == step).count(), 4);
        assert!(time >= Duration::from_millis(350), "without a pause between them: {time:?}");
        assert_within(time, Duration::from_millis(700));
    }
    asking.assert_found(SOURCE);
}

#[test]
fn one_attempt_is_one_attempt_when_the_variable_says_so() {
    let service = Metadata::start(key());
    service.trouble(Step::Token, 1, Trouble::Answer(500, "text/html", String::new()));
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url()), ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    Asking::with(&variables).assert_fails(&["status 500"]);
    assert_eq!(service.steps(), [Step::Token]);
}

#[test]
fn what_a_person_must_mend_is_not_tried_again() {
    let answer = |status| Trouble::Answer(status, "text/html", HTML.into());
    for (step, status, words) in [
        (Step::Token, 400, "status 400"),
        (Step::Roles, 403, "status 403"),
        (Step::Roles, 400, "status 400"),
        (Step::Keys, 400, "role kinegraf-edge"),
        (Step::Keys, 403, "status 403"),
        (Step::Keys, 404, "status 404"),
    ] {
        let (service, mut asking) = service();
        service.trouble(step, 1, answer(status));
        let error = asking.assert_fails(&[words]);
        assert!(!error.is_not_found());
        assert_eq!((error.to_failure().class, error.to_failure().status), (Class::NoCredentials, Some(status)));
        assert_eq!(service.steps().iter().filter(|asked| **asked == step).count(), 1);
    }
}

#[test]
fn a_machine_that_has_no_role_or_no_such_service_is_passed_over_at_once() {
    for (step, status, words) in [
        (Step::Token, 403, "switched off for this instance (status 403 for a token)"),
        (Step::Token, 404, "gives no tokens (status 404)"),
        (Step::Token, 405, "gives no tokens (status 405)"),
        (Step::Roles, 404, "the instance has no role"),
        (Step::Roles, 200, "the instance has no role (the list is empty)"),
    ] {
        let (service, mut asking) = service();
        service.trouble(step, 1, Trouble::Answer(status, "text/html", " \n".into()));
        let (error, time) = timed(|| asking.assert_fails(&[words]));
        assert!(error.is_not_found());
        assert_within(time, Duration::from_millis(100));
        // Nothing is remembered: the role may be attached a second later.
        asking.assert_found(SOURCE);
    }
}

#[test]
fn it_is_never_asked_when_it_is_switched_off() {
    let service = Metadata::start(key());
    let url = service.url();
    let off = CredentialsConfig { imds_off: true, ..CredentialsConfig::default() };
    Asking::configured(off, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]).assert_fails(&["credentials.imds is \"off\""]);
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "True")];
    Asking::with(&variables).assert_fails(&["AWS_EC2_METADATA_DISABLED is true"]);
    assert!(service.asked().is_empty());
}

#[test]
fn a_role_that_may_not_be_assumed_is_explained() {
    let (service, mut asking) = service();
    service.change(|state| state.code = "AssumeRoleUnauthorizedAccess".into());
    let error = asking.assert_fails(&["may not assume role kinegraf-edge", "what EC2 says of it", "must allow ec2.amazonaws.com"]);
    assert_eq!(error.to_failure().class, Class::NoCredentials);
    service.change(|state| state.code = "InternalHiccup".into());
    let error = asking.assert_fails(&["no keys of role kinegraf-edge: InternalHiccup: what EC2 says of it"]);
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable);
    service.change(|state| state.code = "Success".into());
    asking.assert_found(SOURCE);
}

#[test]
fn an_answer_that_is_not_the_services_is_told_and_tried_again_later() {
    let answer = |text: &str| Trouble::Answer(200, "text/html", text.into());
    let elsewhere = Metadata::start(key());
    for (step, trouble, words) in [
        (Step::Token, answer(HTML), "the answer is no token"),
        (Step::Token, answer(""), "the answer is no token (0 bytes"),
        (Step::Token, answer(&"t".repeat(1025)), "the answer is no token (1025 bytes"),
        (Step::Roles, answer(HTML), "the answer is no list of roles"),
        (Step::Roles, answer("role/../../etc"), "the answer is no list of roles"),
        (Step::Roles, answer("role?x\nsecond"), "the answer is no list of roles"),
        (Step::Roles, answer(&"r".repeat(65)), "the answer is no list of roles"),
        (Step::Keys, answer(HTML), "the answer is not JSON (status 200, text/html, 56 bytes)"),
        (Step::Keys, answer("{\"Code\":\"Success\",\"AccessKeyId\":\"A"), "the answer is cut short"),
        (Step::Keys, answer("[1]"), "not a JSON object"),
        (Step::Keys, answer("{\"Code\":\"Success\"}"), "the answer has no AccessKeyId"),
        (Step::Token, Trouble::Huge, "more than 16384 bytes"),
        (Step::Roles, Trouble::Huge, "more than 16384 bytes"),
        (Step::Keys, Trouble::Huge, "more than 16384 bytes"),
        (Step::Token, Trouble::Redirect(elsewhere.url()), "a redirect (status 302), which is not followed"),
        (Step::Roles, Trouble::Redirect(elsewhere.url()), "a redirect (status 302), which is not followed"),
        (Step::Keys, Trouble::Redirect(elsewhere.url()), "a redirect (status 302), which is not followed"),
        (Step::Token, Trouble::Truncated, "connection"),
        (Step::Keys, Trouble::Truncated, "connection"),
        (Step::Token, Trouble::Close, "connection"),
        (Step::Keys, Trouble::Close, "connection"),
        (Step::Roles, Trouble::Silence, "no progress in time"),
        (Step::Keys, Trouble::Trickle, "no progress in time"),
    ] {
        let (service, mut asking) = service();
        service.trouble(step, 1, trouble.clone());
        // A connection that is kept may be one that the service has closed: another one is tried then.
        service.trouble(step, 1, trouble);
        let (error, time) = timed(|| asking.assert_fails(&["EC2 instance metadata (http://127.0.0.1:", words]));
        assert_eq!(error.to_failure().class, Class::CredentialsUnavailable, "{step:?} {words}");
        assert_within(time, Duration::from_millis(2100));
        service.change(|state| state.troubles.clear());
        asking.assert_found(SOURCE);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_slow_service_has_a_second_for_each_answer() {
    let (service, mut asking) = service();
    for step in [Step::Token, Step::Roles, Step::Keys] {
        service.trouble(step, 1, Trouble::Slow(Duration::from_millis(500)));
    }
    asking.assert_found(SOURCE);
    let patient = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url()), ("AWS_METADATA_SERVICE_TIMEOUT", "3".to_owned())];
    let patient = patient.each_ref().map(|(name, value)| (*name, value.as_str()));
    service.trouble(Step::Keys, 1, Trouble::Slow(Duration::from_millis(1500)));
    Asking::with(&patient).assert_found(SOURCE);
}

#[test]
fn only_the_first_line_of_the_list_is_the_role() {
    let (service, mut asking) = service();
    service.trouble(Step::Roles, 1, Trouble::Answer(200, "text/plain", format!("{ROLE}\nsecond\n")));
    asking.assert_found(SOURCE);
}

/// AWS keeps keys valid that its own service cannot renew: they are used although they have expired.
#[test]
fn keys_that_have_expired_are_handed_on() {
    let (service, mut asking) = service();
    service.change(|state| state.lifetime_s = -3600);
    asking.assert_found(SOURCE);
}

#[test]
fn rotated_keys_are_those_of_the_next_fetch() {
    let (service, mut asking) = service();
    asking.assert_found(SOURCE);
    service.change(|state| {
        state.key.access_key = "ASIAROTATED000000000".into();
        state.forget_tokens();
    });
    assert_eq!(asking.find().unwrap().0, "ASIAROTATED000000000");
}
