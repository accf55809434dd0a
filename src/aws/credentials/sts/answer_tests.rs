//! Answers as STS and moto write them, and as nobody should.

use super::*;

/// As in the STS API reference, with values of nobody.
const ASSUME_ROLE: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROAEXAMPLE:device</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/edge/device</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalr+XUtn/FEMI</SecretAccessKey>
      <SessionToken>
        AQoDYXdzEPT//////////w==
      </SessionToken>
      <Expiration>2021-08-05T19:58:02Z</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</AssumeRoleResponse>"#;

/// As moto writes it: a declaration, fractions of a second, members in another order, escaped characters.
const WEB_IDENTITY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><Expiration>2026-11-21T23:10:09.963009Z</Expiration><SessionToken>a&amp;b&#61;&#x3d;<![CDATA[<&>]]></SessionToken>
<SecretAccessKey>s</SecretAccessKey><AccessKeyId>k</AccessKeyId><Unknown>x</Unknown></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#;

fn values(action: &'static str, text: &str) -> Result<(String, String, String, u128), String> {
    let Session { credentials, expiration } = read(action, text.as_bytes())?;
    let token = credentials.session_token().unwrap_or_default().to_owned();
    Ok((credentials.access_key_id().to_owned(), credentials.secret_access_key().to_owned(), token, expiration.as_micros()))
}

#[test]
fn the_four_texts_are_found_however_they_are_written() {
    let own = |a: &str, b: &str, c: &str, micros| Ok((a.to_owned(), b.to_owned(), c.to_owned(), micros));
    let found = own("ASIAEXAMPLE", "wJalr+XUtn/FEMI", "AQoDYXdzEPT//////////w==", 1_628_193_482_000_000);
    assert_eq!(values("AssumeRole", ASSUME_ROLE), found);
    assert_eq!(values("AssumeRole", &ASSUME_ROLE.replace('\n', "\r\n")), found);
    assert_eq!(values("AssumeRole", &ASSUME_ROLE.replace("xmlns=", "xmlns:a=").replace("<", "<a:").replace("<a:/", "</a:")), found);
    assert_eq!(values("AssumeRoleWithWebIdentity", WEB_IDENTITY), own("k", "s", "a&b==<&>", 1_795_302_609_963_009));
}

#[test]
fn what_stands_elsewhere_under_the_same_name_is_not_taken() {
    let decoy = "<AssumedRoleUser><AccessKeyId>decoy</AccessKeyId><Credentials><AccessKeyId>decoy</AccessKeyId></Credentials>";
    let text = ASSUME_ROLE.replace("<AssumedRoleUser>", decoy);
    assert_eq!(values("AssumeRole", &text).unwrap().0, "ASIAEXAMPLE");
    let outside = "<AssumeRoleResponse><Credentials><AccessKeyId>decoy</AccessKeyId></Credentials></AssumeRoleResponse>";
    assert_eq!(values("AssumeRole", outside).unwrap_err(), "AccessKeyId is missing");
}

#[test]
fn an_answer_that_is_none_is_told_apart_and_never_shown() {
    for (name, value) in NAMES.iter().zip(["ASIAEXAMPLE", "wJalr+XUtn/FEMI", "\n        AQoDYXdzEPT//////////w==\n      ", "2021-08-05T19:58:02Z"]) {
        let element = format!("<{name}>{value}</{name}>");
        assert!(ASSUME_ROLE.contains(&element));
        for without in ["".to_owned(), format!("<{name}/>"), format!("<{name}>  </{name}>"), format!("<!--{element}-->")] {
            assert_eq!(values("AssumeRole", &ASSUME_ROLE.replace(&element, &without)).unwrap_err(), format!("{name} is missing"));
        }
        assert_eq!(values("AssumeRole", &ASSUME_ROLE.replace(&element, &element.repeat(2))).unwrap_err(), format!("{name} is there twice"));
        let spaced = ASSUME_ROLE.replace(&element, &format!("<{name}>se cret</{name}>"));
        assert_eq!(values("AssumeRole", &spaced).unwrap_err(), format!("{name} has a character that it cannot have"));
    }
    for (text, what) in [
        ("", "not XML"),
        ("secret", "not XML"),
        (r#"{"AccessKeyId":"secret"}"#, "not XML"),
        ("<!DOCTYPE html><html><body>secret<br></body>", "its root is <html>, must be one <AssumeRoleResponse>"),
        ("<!doctype html>\n<HTML lang=en>", "its root is <HTML>, must be one <AssumeRoleResponse>"),
        (&WEB_IDENTITY.replace("Identity", ""), "its root is <AssumeRoleWithWebResponse>, must be one <AssumeRoleResponse>"),
        (&ASSUME_ROLE.repeat(2), "its root is <AssumeRoleResponse>, must be one <AssumeRoleResponse>"),
        (&ASSUME_ROLE.replace("</SecretAccessKey>", "</secret>"), "not well-formed XML"),
        (&ASSUME_ROLE.replace("ASIA", "&secret;"), "not well-formed XML"),
        (&ASSUME_ROLE.replace("2021-08-05T", "secret"), "Expiration is no time"),
        ("</AssumeRoleResponse>", "not well-formed XML"),
    ] {
        assert_eq!(values("AssumeRole", text).unwrap_err(), what, "{text}");
    }
    assert_eq!(read("AssumeRole", b"\xff\xfe<\0").err().unwrap(), "not UTF-8");
}

#[test]
fn an_answer_that_is_cut_short_anywhere_is_never_taken() {
    let whole = ASSUME_ROLE.len();
    for size in 0..whole {
        let error = values("AssumeRole", &ASSUME_ROLE[..size]).unwrap_err();
        assert!(!error.contains("wJalr") && !error.contains("AQoDY"), "{error}");
    }
    assert!(values("AssumeRole", &ASSUME_ROLE[..whole]).is_ok());
}

#[test]
fn neither_depth_nor_entities_cost_more_than_their_bytes() {
    let deep = "<AssumeRoleResponse>".repeat(3_000);
    assert_eq!(values("AssumeRole", &deep).unwrap_err(), "it is cut short");
    let bomb = format!("<!DOCTYPE a [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;\">]>{}", "x".repeat(100), ASSUME_ROLE.replace("ASIA", "&b;"));
    assert_eq!(values("AssumeRole", &bomb).unwrap_err(), "not well-formed XML");
}

proptest::proptest! {
    #[test]
    fn any_answer_is_survived(text in "(<[!?/]?(AssumeRoleRe(sponse|sult)|Credentials|AccessKeyId)?/?>|[&;<>a#x0]){0,40}", bytes: Vec<u8>) {
        drop(read("AssumeRole", text.as_bytes()));
        drop(read("AssumeRole", &bytes));
    }
}
