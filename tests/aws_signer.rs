//! The signature, against AWS's published POST cases and against a second computation that shares no code with the crate that signs.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aws_credential_types::Credentials;
use kinegraf::aws::signer::{PayloadHash, Signable, Signed, sign};

/// 2015-08-30T12:36:00Z.
const SUITE_TIME: Duration = Duration::from_secs(1_440_938_160);

fn header<'s>(signed: &'s Signed, name: &str) -> Option<&'s str> {
    signed.headers().find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn signature(signed: &Signed) -> &str {
    header(signed, "authorization").unwrap().rsplit_once("Signature=").unwrap().1
}

#[test]
fn awss_published_post_cases_are_signed_as_published() {
    let golden = include_str!("golden/aws/sigv4-post.txt");
    let mut cases = 0;
    for case in golden.split("\n\n").filter(|case| !case.starts_with('#')) {
        let mut lines = case.trim().lines().map(|line| if line == "-" { "" } else { line });
        let mut next = || lines.next().unwrap();
        let (name, path, headers, token, body, expected) = (next(), next(), next(), next(), next(), next());
        let headers: Vec<(&str, &str)> = headers.split('|').filter_map(|header| header.split_once('=')).collect();
        let token = (!token.is_empty()).then(|| token.to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, None, "suite");
        let url = format!("https://example.amazonaws.com{path}");
        let hash = PayloadHash::of(body.as_bytes());
        let request = Signable { region: "us-east-1", service: "service", url: &url, headers: &headers, payload_sha256_hex: hash.as_str() };
        assert_eq!(signature(&sign(&credentials, &request, SUITE_TIME).unwrap()), expected, "{name}");
        cases += 1;
    }
    assert_eq!(cases, 7);
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_kinesis_request_is_signed_as_the_documentation_computes_it() {
    let body = br#"{"StreamName":"metrics","Records":[]}"#;
    let (content_type, target) = ("application/x-amz-json-1.1", "Kinesis_20131202.PutRecords");
    for token in [None, Some("a/token+with==")] {
        let credentials = Credentials::new("AKID", "secret/key+with==", token.map(str::to_owned), None, "test");
        let hash = PayloadHash::of(body);
        let headers = [("content-type", content_type), ("x-amz-target", target)];
        let request = Signable {
            region: "eu-central-1",
            service: "kinesis",
            url: "http://127.0.0.1:4567/",
            headers: &headers,
            payload_sha256_hex: hash.as_str(),
        };
        let signed = sign(&credentials, &request, Duration::from_secs(1_582_934_400) + Duration::from_millis(999)).unwrap();

        let token_line = token.map(|t| format!("x-amz-security-token:{t}\n")).unwrap_or_default();
        let token_name = token.map(|_| "x-amz-security-token;").unwrap_or_default();
        let names = format!("content-type;host;x-amz-date;{token_name}x-amz-target");
        let canonical = format!(
            "POST\n/\n\ncontent-type:{content_type}\nhost:127.0.0.1:4567\nx-amz-date:20200229T000000Z\n{token_line}x-amz-target:{target}\n\n{names}\n{}",
            hash.as_str()
        );
        let scope = "20200229/eu-central-1/kinesis/aws4_request";
        let to_sign = format!("AWS4-HMAC-SHA256\n20200229T000000Z\n{scope}\n{}", PayloadHash::of(canonical.as_bytes()).as_str());
        let key =
            ["20200229", "eu-central-1", "kinesis", "aws4_request"].iter().fold(b"AWS4secret/key+with==".to_vec(), |key, part| hmac(&key, part));
        let expected = format!("AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders={names}, Signature={}", hex(&hmac(&key, &to_sign)));

        assert_eq!(header(&signed, "authorization"), Some(expected.as_str()));
        assert_eq!(header(&signed, "host"), Some("127.0.0.1:4567"));
        assert_eq!(header(&signed, "x-amz-date"), Some("20200229T000000Z"));
        assert_eq!(header(&signed, "x-amz-security-token"), token);
    }
}

#[test]
fn the_configured_region_is_signed_whatever_the_host_says() {
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    let hash = PayloadHash::of(b"");
    for url in ["https://vpce-0123.kinesis.us-east-1.vpce.amazonaws.com/", "https://kinesis.us-west-2.amazonaws.com/", "https://203.0.113.1/"] {
        let request = Signable { region: "eu-north-1", service: "kinesis", url, headers: &[], payload_sha256_hex: hash.as_str() };
        let signed = sign(&credentials, &request, SUITE_TIME).unwrap();
        assert!(header(&signed, "authorization").unwrap().contains("/20150830/eu-north-1/kinesis/aws4_request,"), "{url}");
    }
}
