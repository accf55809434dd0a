//! Which STS is asked. Addresses on other hosts cannot be reached from here; the error names the one that was tried.

use std::time::Duration;

use kinegraf::config::CredentialsConfig;
use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Now;

use super::common::{REGION, chain_in, find_with, generous, now, role, user};
use super::support::sts::Sts;

#[test]
fn the_variable_of_sts_wins_over_that_of_all_services_and_kinesis_has_no_say() {
    let (own, all) = (generous(), generous());
    let url = |sts: &Sts| sts.url();
    let nowhere = "http://127.0.0.1:1/";
    let ask = |variables: &[(&str, &str)]| find_with(&mut chain_in(REGION, role(), variables));
    ask(&[("AWS_ENDPOINT_URL_STS", &url(&own)), ("AWS_ENDPOINT_URL", nowhere)]).unwrap();
    ask(&[("AWS_ENDPOINT_URL", &url(&all)), ("AWS_ENDPOINT_URL_KINESIS", nowhere)]).unwrap();
    assert_eq!((own.account().len(), all.account().len()), (1, 1));
    // With a path and without its slash.
    ask(&[("AWS_ENDPOINT_URL_STS", &format!("{}sts/v1", url(&own)))]).unwrap();
    let account = own.account();
    assert_eq!(account[1].head.target, "/sts/v1/");
    assert!(account[1].is_signed_by(&user(), REGION));
    // The pseudo-region is no region to sign for.
    find_with(&mut chain_in("aws-global", role(), &[("AWS_ENDPOINT_URL_STS", &url(&own))])).unwrap();
    assert!(own.account()[2].is_signed_by(&user(), "us-east-1"));
}

#[test]
fn each_region_has_its_own_sts_and_the_old_ones_may_share_the_first() {
    for (region, regional, host) in [
        ("eu-central-1", None, "https://sts.eu-central-1.amazonaws.com/"),
        ("eu-central-1", Some("regional"), "https://sts.eu-central-1.amazonaws.com/"),
        ("eu-central-1", Some(" Legacy "), "https://sts.amazonaws.com/"),
        ("eu-south-1", Some("legacy"), "https://sts.eu-south-1.amazonaws.com/"),
        ("aws-global", None, "https://sts.amazonaws.com/"),
        ("cn-north-1", Some("legacy"), "https://sts.cn-north-1.amazonaws.com.cn/"),
        ("us-gov-west-1", None, "https://sts.us-gov-west-1.amazonaws.com/"),
        ("eusc-de-east-1", None, "https://sts.eusc-de-east-1.amazonaws.eu/"),
    ] {
        let variables: Vec<(&str, &str)> = regional.iter().map(|value| ("AWS_STS_REGIONAL_ENDPOINTS", *value)).collect();
        let variables = [variables, vec![("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")]].concat();
        // In the year 11476 nothing can be signed: the call ends before the first packet, and its error names the address.
        let wall = Duration::from_secs(300_000_000_000);
        let error = chain_in(region, role(), &variables).credentials(Now { wall, ..now() }).unwrap_err();
        assert!(error.to_string().contains(&format!("at {host}: cannot sign the request: the clock")), "{error}");
    }
}

#[test]
fn an_address_that_cannot_be_meant_is_refused_before_anything_is_sent() {
    for (variables, words) in [
        ([("AWS_ENDPOINT_URL_STS", "sts.example")], "AWS_ENDPOINT_URL_STS has no scheme"),
        ([("AWS_ENDPOINT_URL", "http://user:hunter2@h/")], "AWS_ENDPOINT_URL has a user or password"),
        (
            [("AWS_ENDPOINT_URL_STS", "http://sts.example/")],
            "AWS_ENDPOINT_URL_STS is plain http to another host, must be https unless network.allow_plain_http is true",
        ),
        ([("AWS_STS_REGIONAL_ENDPOINTS", "global")], "AWS_STS_REGIONAL_ENDPOINTS must be regional or legacy"),
    ] {
        let error = find_with(&mut chain_in(REGION, role(), &variables)).unwrap_err();
        assert!(error.to_string().starts_with(words), "{error}");
        assert_eq!(error.to_failure().class, Class::NoCredentials);
    }
    let error = find_with(&mut chain_in("local", role(), &[])).unwrap_err();
    assert!(error.to_string().contains("\"local\", where AWS has no STS: set AWS_ENDPOINT_URL_STS"), "{error}");
    // Allowed, it is tried: this name has no address.
    let config = CredentialsConfig { allow_plain_http: true, ..role() };
    let error = find_with(&mut chain_in(REGION, config, &[("AWS_ENDPOINT_URL_STS", "http://sts.invalid")])).unwrap_err();
    assert_eq!(error.to_failure().class, Class::CredentialsUnavailable, "{error}");
}
