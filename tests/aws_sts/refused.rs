//! What is made of each refusal of STS, and of everything in its place that is none: only a refusal is one, the rest is tried again.

use std::time::{Duration, Instant};

use kinegraf::kinesis::outcome::Class;

use super::common::{REGION, assert_says, chain, chain_in, find, find_with, generous, now, role, session};
use super::support::calendar;
use super::support::http::Answer;
use super::support::sts::{Asked, Reply, Sts, refusal};

const WHO: &str = "AssumeRole of arn:aws:iam::123456789012:role/edge/device at http://127.0.0.1:";

fn answering(answer: impl Fn() -> Answer + Send + 'static) -> Sts {
    Sts::start(move |_: &Asked| Reply::Answer(answer()))
}

#[test]
fn every_refusal_has_its_class_its_code_and_what_to_do() {
    use Class::{CredentialsMisconfigured as Misconfigured, CredentialsUnavailable as Unavailable, Denied, Signature};
    for (status, code, class, words) in [
        (403, "AccessDenied", Denied, "needs sts:AssumeRole, and the role's trust policy must allow who signs"),
        (403, "ExpiredToken", Class::Credentials, "the session that signs has expired"),
        (400, "ExpiredTokenException", Class::Credentials, "the session that signs has expired"),
        (403, "InvalidClientTokenId", Class::Credentials, "no such access key"),
        (403, "SignatureDoesNotMatch", Signature, "Words of"),
        (403, "MissingAuthenticationToken", Class::Credentials, "Words of"),
        (403, "RegionDisabledException", Misconfigured, "enable it in IAM's account settings, or set AWS_ENDPOINT_URL_STS"),
        (400, "ValidationError", Misconfigured, "Words of"),
        (400, "MissingParameter", Misconfigured, "Words of"),
        (400, "InvalidAction", Misconfigured, "Words of"),
        (404, "ResourceNotFoundException", Misconfigured, "Words of"),
        (400, "Throttling", Unavailable, "Words of"),
        (503, "ServiceUnavailable", Unavailable, "Words of"),
        (500, "InternalFailure", Unavailable, "Words of"),
        (400, "NobodyKnowsThisOne", Unavailable, "Words of"),
        (400, "RequestEntityTooLarge", Unavailable, "Words of"),
    ] {
        let sts = answering(move || refusal(status, code, "Words of the service for arn:aws:iam::123456789012:user/device &amp; others"));
        let error = find(&sts, role()).unwrap_err();
        assert_says(&error, &[WHO, words, "Words of the service for arn:aws:iam::123456789012:user/device & others"]);
        let failure = error.to_failure();
        assert_eq!((failure.class, failure.code.as_str(), failure.status), (class, code, Some(status)));
        // What is cut to is still the role and what to do.
        assert!(failure.message.contains("role/edge/device") && failure.message.contains(words) && failure.message.len() <= 300, "{failure:?}");
        assert_eq!(sts.account().len(), 1, "{code}: asked once");
    }
}

#[test]
fn a_refusal_for_the_time_carries_the_answers_date_and_throttling_its_wait() {
    let words = "Signature expired: 20260101T000000Z is now earlier than 20360101T000000Z (20360101T000500Z - 5 min.)";
    let sts = answering(move || refusal(403, "SignatureDoesNotMatch", words).with("Date", calendar::http(2_082_758_700)));
    let failure = find(&sts, role()).unwrap_err().to_failure();
    assert_eq!((failure.class, failure.date), (Class::Signature, Some(Duration::from_secs(2_082_758_700))));
    let sts = answering(|| refusal(400, "Throttling", "Rate exceeded").with("Retry-After", "7"));
    let failure = find(&sts, role()).unwrap_err().to_failure();
    // The call itself takes a moment too.
    assert_eq!((failure.class, failure.retry_after.map(|wait| wait.as_secs())), (Class::CredentialsUnavailable, Some(7)));
}

#[test]
fn what_no_sts_wrote_is_never_a_refusal_and_never_credentials() {
    let granted = |change: fn(Answer) -> Answer| Sts::start(move |asked: &Asked| Reply::Answer(change(asked.granted(&session(), 3600, 0))));
    let html = "<html><head><title>Log in</title></head><body>Wi-Fi</body></html>";
    let untouched = generous();
    let location = untouched.url();
    for (sts, code, words) in [
        (answering(move || Answer::new(200, "text/html", html)), "unexpected_answer", "not an answer of STS: its root is <html>"),
        (answering(move || Answer::new(403, "text/html", html)), "http_403", "\"Log in\""),
        (answering(|| Answer::new(403, "text/plain", "")), "http_403", "no answer of AWS"),
        (answering(move || Answer::new(302, "text/html", "").with("Location", location.clone())), "http_302", "redirect"),
        (answering(|| Answer::new(500, "text/plain", "")), "http_500", "status 500"),
        (answering(|| Answer::new(204, "text/plain", "")), "http_204", "status 204"),
        (answering(|| Answer::new(200, "text/xml", "")), "unexpected_answer", "not XML"),
        (answering(|| Answer::new(200, "text/xml", vec![b' '; 70_000])), "reply_too_large", "more than 65536 bytes"),
        (granted(|answer| Answer { body: answer.body[..300].to_vec(), ..answer }), "unexpected_answer", "not an answer of STS"),
        (granted(|answer| Answer { status: 400, ..answer }), "http_400", "no answer of AWS"),
        (Sts::start(|_: &Asked| Reply::Raw(Vec::new())), "connection_closed", "127.0.0.1"),
        (Sts::start(|_: &Asked| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<Assume".to_vec())), "connection_closed", "127.0.0.1"),
        (Sts::start(|_: &Asked| Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec())), "", "127.0.0.1"),
    ] {
        let error = find(&sts, role()).unwrap_err();
        assert_says(&error, &[WHO, words]);
        let failure = error.to_failure();
        assert_eq!(failure.class, Class::CredentialsUnavailable, "{error}");
        assert!(code.is_empty() || failure.code == code, "{failure:?}");
        assert!(sts.account().len() <= 1, "nothing is asked twice");
    }
    assert_eq!(untouched.account().len(), 0, "no redirect is followed");
}

#[test]
fn the_answer_to_another_question_is_no_answer() {
    let sts = Sts::start(|asked: &Asked| {
        let answer = asked.granted(&session(), 3600, 0);
        let body = String::from_utf8(answer.body.clone()).unwrap().replace("AssumeRole", "AssumeRoleWithSAML");
        Reply::Answer(Answer { body: body.into(), ..answer })
    });
    assert_says(&find(&sts, role()).unwrap_err(), &["its root is <AssumeRoleWithSAMLResponse>, must be one <AssumeRoleResponse>"]);
}

#[test]
fn an_sts_that_is_not_there_or_says_nothing_is_waited_for_no_longer_than_the_limits() {
    let error = chain_in(REGION, role(), &[("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")]).credentials(now()).unwrap_err();
    assert_eq!((error.to_failure().class, error.to_failure().code.as_str()), (Class::CredentialsUnavailable, "connection_refused"));
    assert_says(&error, &["http://127.0.0.1:1/", "refused"]);
    let sts = Sts::start(|asked: &Asked| Reply::Late(Duration::from_secs(2), asked.granted(&session(), 3600, 0)));
    let start = Instant::now();
    let failure = find(&sts, role()).unwrap_err().to_failure();
    assert_eq!(failure.class, Class::CredentialsUnavailable);
    assert!(start.elapsed() < Duration::from_millis(1800), "{:?}", start.elapsed());
}

#[test]
fn a_failed_refresh_leaves_what_was_there() {
    let sts = Sts::start(|asked: &Asked| match asked.number {
        0 => Reply::Answer(asked.granted(&session(), 3600, 0)),
        _ => Reply::Answer(refusal(500, "InternalFailure", "")),
    });
    let mut chain = chain(&sts, role());
    find_with(&mut chain).unwrap();
    assert!(chain.refresh(now()).is_err());
    assert_eq!(find_with(&mut chain).unwrap(), session());
}
