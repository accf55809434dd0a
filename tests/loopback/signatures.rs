//! What is not well signed is refused, in the service's words.

use super::support::raw_client::{Connection, Request, send};
use super::support::signature::{self, Standing};
use super::support::{ACCESS_KEY, Key, Options, REGION, SECRET_KEY, Server, calendar};
use super::{TWO, stored};

/// Two cases of AWS's published suite: `post-vanilla` and `post-x-www-form-urlencoded`.
#[test]
fn our_signatures_are_those_of_awss_test_suite() {
    let key = Key::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None);
    let scope = ("us-east-1", "service");
    let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
    let signed = signature::sign(&key, scope, "POST", "/", &headers, b"");
    assert!(
        signed.ends_with("SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        "{signed}"
    );
    headers.extend([("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")]);
    headers.push(("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"));
    let signed = signature::sign(&key, scope, "POST", "/", &headers, b"Param1=value1");
    assert!(signed.ends_with("Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"), "{signed}");
}

#[test]
fn a_spoilt_signature_is_refused_in_the_services_words() {
    let now = calendar::now_s();
    let good = || Request::records(&TWO);
    let cases: [(&str, Request, &str); 8] = [
        ("InvalidSignatureException", Request { region: "us-west-2", ..good() }, "Credential should be scoped to a valid region, not 'us-west-2'."),
        ("InvalidSignatureException", Request { service: "s3", ..good() }, "Credential should be scoped to correct service: 'kinesis'."),
        ("InvalidSignatureException", Request { time_s: now - 310, ..good() }, "Signature expired: "),
        ("InvalidSignatureException", Request { time_s: now + 310, ..good() }, "Signature not yet current: "),
        ("InvalidSignatureException", Request { key: Key::new(ACCESS_KEY, "another secret", None), ..good() }, "The request signature we calculated"),
        ("UnrecognizedClientException", Request { key: Key::new("AKIAUNKNOWN", SECRET_KEY, None), ..good() }, "The security token included in"),
        ("UnrecognizedClientException", Request { key: Key::new(ACCESS_KEY, SECRET_KEY, Some("token")), ..good() }, "The security token included in"),
        ("SerializationException", Request::body("{"), ""),
    ];
    let server = Server::start(Options::default());
    for (code, request, words) in cases {
        let reply = send(&server, &request).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{request:?}");
        assert!(reply.json()["message"].as_str().unwrap_or_default().starts_with(words), "{}", reply.text());
    }
    assert_eq!(stored(&server), 0);
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let server = Server::start(Options::default());
    let bytes = String::from_utf8(Request::records(&TWO).to_bytes(&server.address().to_string())).unwrap();
    let changes = [
        ("b25l", "b25m", "InvalidSignatureException"),
        ("x-amz-json-1.1", "x-amz-json-1.1 ;charset=utf-8", "InvalidSignatureException"),
        (";x-amz-target", "", "InvalidSignatureException"),
        ("host;", "", "InvalidSignatureException"),
        ("Signature=", "Signatur=", "IncompleteSignatureException"),
        ("/aws4_request", "", "IncompleteSignatureException"),
        ("Authorization:", "Authorisation:", "MissingAuthenticationTokenException"),
    ];
    for (old, new, code) in changes {
        let changed = bytes.replacen(old, new, 1);
        assert_ne!(changed, bytes);
        let reply = Connection::open(&server).send_bytes(changed.as_bytes()).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{old}: {}", reply.text());
    }
    assert_eq!((stored(&server), Connection::open(&server).send_bytes(bytes.as_bytes()).unwrap().status), (0, 200));
}

#[test]
fn the_servers_clock_judges_signatures_and_dates_answers() {
    let server = Server::start(Options::default());
    server.set_clock_ahead(-86_400);
    let reply = send(&server, &Request::records(&TWO)).unwrap();
    let yesterday = calendar::amz(calendar::now_s() - 86_400);
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Signature not yet current: ") && message.ends_with(" + 5 min.)") && message.contains(&yesterday[..11]), "{message}");
    assert_eq!(reply.header("Date").unwrap()[..16], calendar::http(calendar::now_s() - 86_400)[..16]);
    assert_eq!(send(&server, &Request { time_s: calendar::now_s() - 86_400, ..Request::records(&TWO) }).unwrap().status, 200);
}

#[test]
fn temporary_credentials_need_their_token_and_may_expire_or_be_denied() {
    let key = Key::new("ASIATEMPORARY", "secret", Some("a/long+token=="));
    let server = Server::start(Options { keys: vec![key.clone()], ..Options::default() });
    let request = Request { key: key.clone(), ..Request::records(&TWO) };
    assert_eq!(send(&server, &request).unwrap().status, 200);
    let without = Request { key: Key { token: None, ..key }, ..Request::records(&TWO) };
    assert_eq!(send(&server, &without).unwrap().code(), "UnrecognizedClientException");
    server.change(|service| service.keys[0].1 = Standing::Expired);
    assert_eq!(send(&server, &request).unwrap().code(), "ExpiredTokenException");
    server.change(|service| service.keys[0].1 = Standing::Denied);
    let reply = send(&server, &request).unwrap();
    assert_eq!(reply.code(), "AccessDeniedException");
    assert!(
        reply
            .text()
            .contains("is not authorized to perform: kinesis:PutRecords on resource: arn:aws:kinesis:us-east-1:123456789012:stream/telemetry")
    );
}

#[test]
fn the_region_is_the_servers_own() {
    let server = Server::start(Options { region: "eu-central-1", ..Options::default() });
    assert_eq!(send(&server, &Request { region: REGION, ..Request::records(&TWO) }).unwrap().status, 400);
    assert_eq!(send(&server, &Request { region: "eu-central-1", ..Request::records(&TWO) }).unwrap().status, 200);
}

#[test]
fn moments_are_spelled_as_the_protocol_spells_them() {
    assert_eq!(calendar::amz(1_440_938_160), "20150830T123600Z");
    assert_eq!(calendar::http(1_440_938_160), "Sun, 30 Aug 2015 12:36:00 GMT");
    assert_eq!(calendar::http(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    for time_s in [0, 951_782_399, 951_868_800, 4_102_444_800, 1_795_305_600] {
        assert_eq!(calendar::parse_amz(&calendar::amz(time_s)), Some(time_s));
    }
    assert_eq!(calendar::parse_amz("20150830T12360Z0"), None);
}
