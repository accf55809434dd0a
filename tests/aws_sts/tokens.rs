//! Roles by a token: by configuration and by the environment, where its file is, and what is wrong with it.

use std::path::PathBuf;

use kinegraf::config::CredentialsConfig;
use kinegraf::kinesis::outcome::Class;

use super::common::{ARN, REGION, assert_says, chain, chain_in, find, find_with, generous, role, session};
use super::support::TempDir;
use super::support::sts::{Asked, Reply, Sts, refusal};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl-_";

fn by(file: impl Into<PathBuf>) -> CredentialsConfig {
    CredentialsConfig { web_identity_token_file: Some(file.into()), ..role() }
}

#[test]
fn a_token_is_sent_unsigned_and_read_anew_each_time() {
    let (sts, dir) = (generous(), TempDir::new());
    let file = dir.file("token", format!("\n{TOKEN}\n"));
    let mut chain = chain(&sts, by(&file));
    assert_eq!((find_with(&mut chain).unwrap(), chain.source()), (session(), Some("web identity")));
    dir.file("token", format!("{TOKEN}.2"));
    chain.refresh(super::common::now()).unwrap();
    let account = sts.account();
    let tokens: Vec<&str> = account.iter().map(|asked| asked.get("WebIdentityToken")).collect();
    assert_eq!(tokens, [TOKEN, &format!("{TOKEN}.2")]);
    for asked in &account {
        assert_eq!((asked.get("Action"), asked.get("RoleArn")), ("AssumeRoleWithWebIdentity", ARN));
        assert_eq!((asked.head.header("authorization"), asked.head.header("x-amz-date")), (None, None));
        assert!(asked.get("RoleSessionName").starts_with("kinegraf") && asked.get("ExternalId").is_empty());
    }
}

#[test]
fn the_environments_token_counts_with_its_role_and_a_role_alone_counts_for_nothing() {
    let (sts, dir) = (generous(), TempDir::new());
    let file = dir.file("token", TOKEN);
    let (url, file) = (sts.url(), file.to_str().unwrap());
    let ask = |variables: &[(&str, &str)]| {
        let config = CredentialsConfig { imds_off: true, ..CredentialsConfig::default() };
        find_with(&mut chain_in(REGION, config, &[&[("AWS_ENDPOINT_URL_STS", url.as_str())], variables].concat()))
    };
    let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", file), ("AWS_ROLE_ARN", ARN), ("AWS_ROLE_SESSION_NAME", "pod-7")];
    assert_eq!(ask(&role).unwrap(), session());
    ask(&role[..2]).unwrap();
    let account = sts.account();
    assert_eq!((account[0].get("RoleSessionName"), account[0].get("RoleArn"), account[0].get("WebIdentityToken")), ("pod-7", ARN, TOKEN));
    assert!(account[1].get("RoleSessionName").starts_with("kinegraf"));
    let error = ask(&role[..1]).unwrap_err();
    assert_says(&error, &["environment: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is missing"]);
    let error = ask(&role[1..]).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    // Keys of the environment come first.
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "SECRET")];
    assert_eq!(ask(&[&keys[..], &role[..]].concat()).unwrap().access_key, "AKID");
    assert_eq!(sts.account().len(), 2);
}

#[test]
fn the_directory_of_systemds_credentials_may_stand_in_front() {
    let (sts, dir) = (generous(), TempDir::new());
    dir.file("token", TOKEN);
    let ask = |variables: &[(&str, &str)]| {
        let url = sts.url();
        find_with(&mut chain_in(REGION, by("$CREDENTIALS_DIRECTORY/token"), &[&[("AWS_ENDPOINT_URL_STS", url.as_str())], variables].concat()))
    };
    assert_eq!(ask(&[("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]).unwrap(), session());
    assert_says(&ask(&[]).unwrap_err(), &["$CREDENTIALS_DIRECTORY/token", "CREDENTIALS_DIRECTORY is not set"]);
}

#[test]
fn a_file_without_a_token_is_named_and_nobody_is_asked() {
    let (sts, dir) = (generous(), TempDir::new());
    let missing = dir.path().join("nowhere");
    for (file, words) in [
        (missing, ["nowhere: cannot be read", "the token must be there"]),
        (dir.path().to_owned(), ["web identity token file", "not a regular file"]),
        (dir.file("empty", " \n"), ["/empty: is empty", "must hold the token"]),
        (dir.file("two", format!("{TOKEN}\n{TOKEN}")), ["/two", "has a space, a control character"]),
        (dir.file("binary", b"\xff\xfe"), ["/binary", "a letter beyond ASCII"]),
        (dir.file("long", "e".repeat(20_001)), ["/long", "more than 20000 bytes"]),
        (dir.file("huge", "e".repeat(200_000)), ["/huge", "more than 20000 bytes"]),
        (dir.file("blanks", " ".repeat(200_000)), ["/blanks", "more than 20000 bytes"]),
    ] {
        let error = find(&sts, by(file)).unwrap_err();
        assert_says(&error, &words);
        assert_eq!(error.to_failure().class, Class::NoCredentials);
    }
    assert_eq!(find(&sts, by(dir.file("longest", "e".repeat(20_000)))).unwrap(), session());
    assert_eq!(sts.account().len(), 1);
}

#[test]
fn a_refusal_of_a_token_says_which_file_and_what_to_do() {
    let dir = TempDir::new();
    let file = dir.file("token", TOKEN);
    for (status, code, class, words) in [
        (400, "ExpiredTokenException", Class::Credentials, "has expired: who writes it must renew it"),
        (400, "InvalidIdentityToken", Class::Credentials, "needs an identity provider in IAM with its issuer and audience"),
        (403, "IDPRejectedClaim", Class::Denied, "is refused by who issued it"),
        (403, "AccessDenied", Class::Denied, "trust policy must allow the issuer and claims of"),
        (400, "IDPCommunicationError", Class::CredentialsUnavailable, "STS cannot reach the identity provider"),
    ] {
        let sts = Sts::start(move |_: &Asked| Reply::Answer(refusal(status, code, "Words of the service")));
        let error = find(&sts, by(&file)).unwrap_err();
        let named = if code == "IDPCommunicationError" { "STS" } else { "/token" };
        assert_says(&error, &["AssumeRoleWithWebIdentity of arn:aws:iam::123456789012:role/edge/device", named, words, "Words of the service"]);
        let failure = error.to_failure();
        assert_eq!((failure.class, failure.code.as_str(), failure.status), (class, code, Some(status)));
        assert_eq!(sts.account().len(), if code == "IDPCommunicationError" { 3 } else { 1 });
    }
}
