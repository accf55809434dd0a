//! What STS is asked, byte for byte, and how long what it grants is used.

use std::time::Duration;

use kinegraf::config::CredentialsConfig;
use kinegraf::time::Now;

use super::common::{ARN, REGION, chain, find, find_with, generous, now, role, session, user};
use super::support::signature::Key;
use super::support::sts::{Asked, Reply, Sts};

#[test]
fn a_role_is_asked_for_with_a_signature_of_the_keys_that_were_found() {
    let sts = generous();
    let config = CredentialsConfig { role_session_name: Some("pump@7".into()), external_id: Some("fleet/7:a".into()), ..role() };
    assert_eq!(find(&sts, config).unwrap(), session());
    let [asked] = <[Asked; 1]>::try_from(sts.account()).unwrap();
    assert_eq!((asked.head.method.as_str(), asked.head.target.as_str()), ("POST", "/"));
    assert_eq!(asked.head.header("content-type"), Some("application/x-www-form-urlencoded; charset=utf-8"));
    assert!(asked.is_signed_by(&user(), REGION) && !asked.is_signed_by(&user(), "us-east-1") && !asked.is_signed_by(&session(), REGION));
    assert_eq!(
        std::str::from_utf8(&asked.body).unwrap(),
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fedge%2Fdevice&RoleSessionName=pump%407&ExternalId=fleet%2F7%3Aa"
    );
}

#[test]
fn keys_with_a_session_token_send_and_sign_it() {
    let sts = generous();
    let chained = CredentialsConfig { token: Some(kinegraf::config::Secret::new("user//token".into())), ..role() };
    find(&sts, chained).unwrap();
    let key = Key { token: Some("user//token".into()), ..user() };
    assert!(sts.account()[0].is_signed_by(&key, REGION));
}

#[test]
fn without_a_name_the_session_is_named_after_the_device() {
    let sts = generous();
    find(&sts, role()).unwrap();
    let account = sts.account();
    let name = account[0].get("RoleSessionName");
    assert!(name.starts_with("kinegraf") && name.len() <= 64, "{name}");
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)), "{name}");
    assert_eq!((account[0].get("RoleArn"), account[0].get("DurationSeconds"), account[0].get("ExternalId")), (ARN, "", ""));
}

#[test]
fn what_was_granted_is_used_until_it_expires_and_asked_for_again_then() {
    let sts = generous();
    let mut chain = chain(&sts, role());
    let start = now();
    let at = |seconds: u64| Now { mono: start.mono + Duration::from_secs(seconds), wall: start.wall + Duration::from_secs(seconds) };
    for seconds in [0, 1, 1800, 3590] {
        chain.credentials(at(seconds)).unwrap();
    }
    assert_eq!((sts.account().len(), chain.source()), (1, Some("assumed role")));
    chain.credentials(at(3602)).unwrap();
    assert_eq!(sts.account().len(), 2);
    chain.refresh(at(3603)).unwrap();
    assert_eq!(sts.account().len(), 3);
}

#[test]
fn a_lifetime_holds_however_wrong_our_clock_and_that_of_the_service_are() {
    for (ahead_s, ours) in [(86_400 * 3650, now().wall), (0, Duration::ZERO), (0, now().wall * 2)] {
        let sts = Sts::start(move |asked: &Asked| Reply::Answer(asked.granted(&session(), 900, ahead_s)));
        let mut chain = chain(&sts, role());
        for (seconds, calls) in [(0, 1), (890, 1), (902, 2)] {
            chain.credentials(Now { mono: Duration::from_secs(seconds), wall: ours }).unwrap();
            assert_eq!(sts.account().len(), calls, "after {seconds} s");
        }
    }
}

#[test]
fn identity_providers_that_cannot_be_reached_are_asked_for_again_within_the_call() {
    let sts = Sts::start(|asked: &Asked| match asked.number {
        0 | 1 => Reply::Answer(super::support::sts::refusal(400, "IDPCommunicationError", "An error occurred")),
        _ => Reply::Answer(asked.granted(&session(), 3600, 0)),
    });
    assert_eq!(find_with(&mut chain(&sts, role())).unwrap(), session());
    assert_eq!(sts.account().len(), 3);
}
