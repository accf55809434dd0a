//! Who proves what to whom: the device's certificate and key in every form, and certificates that one side does not accept.

use kinegraf::aws::http::{ClientCertificate, Http, HttpOptions, Method};
use kinegraf::config::{CaFile, IotConfig};
use kinegraf::kinesis::outcome::Class;
use rustls::version::{TLS12, TLS13};

use super::chain::{NOW, SECRET, TOKEN, chain, chain_with, config, device, error_of, hour, http};
use super::service::{Answers, Authority, Files, Options, P256, Service, answer};

const P384: &str = include_str!("keys/p384.pkcs8.pem");
const RSA: &str = include_str!("keys/rsa.pkcs8.pem");
/// Each key in PKCS#8, of which a certificate can be made here, and in the form in which the device has it.
const KEYS: [(&str, &str); 6] = [
    (P256, P256),
    (P256, include_str!("keys/p256.sec1.pem")),
    (P384, P384),
    (P384, include_str!("keys/p384.sec1.pem")),
    (RSA, RSA),
    (RSA, include_str!("keys/rsa.pkcs1.pem")),
];

#[test]
fn every_form_of_key_gives_credentials_over_both_versions_of_tls() {
    let authority = Authority::new("root");
    for version in [&TLS12, &TLS13] {
        let options = Options { authority: &authority, of_devices: &authority, optional: false, versions: &[version], answers: Box::new(hour) };
        let service = Service::with(options);
        for (i, (pkcs8, key)) in KEYS.into_iter().enumerate() {
            let files = Files::new(&authority.device(pkcs8, "sensor-17", (2020, 2090)), key, &authority.pem());
            let mut chain = chain(config(service.url(), &files));
            let found = chain.credentials(NOW).unwrap_or_else(|error| panic!("{version:?} {i}: {error}"));
            assert_eq!((found.access_key_id(), found.secret_access_key(), found.session_token()), ("ASIADEVICE", SECRET, Some(TOKEN)));
            assert_eq!(chain.source(), Some("AWS IoT"));
        }
        assert_eq!(service.requests().len(), KEYS.len());
        assert!(service.requests().iter().all(|request| request.line == "GET /role-aliases/kinegraf-alias/credentials HTTP/1.1"));
    }
}

#[test]
fn a_chain_of_certificates_is_shown_whole_and_the_devices_own_must_come_first() {
    let (authority, other) = (Authority::new("root"), Authority::new("between"));
    let service = Service::start(&authority, hour);
    let own = authority.device(P256, "sensor-17", (2020, 2090));
    let files = Files::new(&format!("{own}\n{}", other.pem()), P256, &authority.pem());
    assert!(chain(config(service.url(), &files)).credentials(NOW).is_ok());
    let files = Files::new(&format!("{}\n{own}", other.pem()), P256, &authority.pem());
    let error = error_of(config(service.url(), &files)).to_string();
    assert!(error.contains("the device's own must come first"), "{error}");
}

#[test]
fn a_certificate_that_the_service_refuses_is_told_with_the_cause() {
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    for version in [&TLS12, &TLS13] {
        for (certificate, code, words) in [
            (authority.device(P256, "x", (2020, 2021)), "client_certificate_expired", "the device's certificate expired at 2021-01-01T00:00:00Z"),
            (authority.device(P256, "x", (2080, 2090)), "client_certificate_expired", "not valid before 2080-01-01T00:00:00Z"),
            (stranger.device(P256, "x", (2020, 2090)), "client_certificate_unknown_ca", "registered and ACTIVE"),
        ] {
            let options = Options { authority: &authority, of_devices: &authority, optional: false, versions: &[version], answers: Box::new(hour) };
            let service = Service::with(options);
            let failure = error_of(config(service.url(), &Files::new(&certificate, P256, &authority.pem()))).to_failure();
            assert_eq!((failure.class, failure.code.as_str()), (Class::Denied, code), "{version:?}: {failure:?}");
            assert!(failure.message.contains(words), "{version:?}: {}", failure.message);
            assert_eq!((service.shown(), service.requests().len()), (1, 0));
        }
    }
}

#[test]
fn a_service_that_nobody_trusted_vouches_for_is_told_nothing() {
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    let service = Service::start(&stranger, hour);
    let files = device(&authority);
    let with_ca = config(service.url(), &files);
    let embedded = IotConfig { ca: None, ..with_ca.clone() };
    for (iot, words) in [(with_ca, "AmazonRootCA1.pem (credentials.iot.ca) is not its CA"), (embedded, "somebody is in between")] {
        let failure = error_of(iot).to_failure();
        assert_eq!((failure.class, failure.code.as_str()), (Class::CredentialsUnavailable, "certificate_unknown_issuer"));
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    assert_eq!((service.shown(), service.requests().len()), (0, 0));
}

#[test]
fn only_the_named_ca_is_trusted_when_one_is_named_and_else_those_of_the_network_too() {
    let (named, of_network) = (Authority::new("named"), Authority::new("network"));
    let files = device(&of_network);
    let options = HttpOptions { ca_files: vec![CaFile { path: files.ca.clone(), named_by: "network.ca_file".into() }], ..http() };
    let only = files.dir.file("only.pem", named.pem());
    let service = Service::start(&of_network, |_| answer(200, "", "in"));
    let (certificate, key) = (std::fs::read(&files.certificate).unwrap(), std::fs::read(&files.private_key).unwrap());
    let options = HttpOptions { client_certificate: Some(ClientCertificate::from_pem(&certificate, &key).unwrap()), ..options };
    let get = |options: &HttpOptions| Http::new(options).unwrap().request(Method::Get, &service.url(), &[], b"", &mut Vec::new());
    assert_eq!(get(&options).unwrap().status, 200);
    let only = HttpOptions { only_roots: Some(CaFile { path: only, named_by: "credentials.iot.ca".into() }), ..options };
    assert_eq!(get(&only).unwrap_err().code, "certificate_unknown_issuer");
}

#[test]
fn a_server_that_would_like_a_certificate_gets_none_unless_it_is_the_credential_provider() {
    let authority = Authority::new("root");
    let service = |answers: Answers| {
        Service::with(Options { authority: &authority, of_devices: &authority, optional: true, versions: rustls::ALL_VERSIONS, answers })
    };
    let (provider, kinesis) = (service(Box::new(hour)), service(Box::new(|_| answer(200, "", "{}"))));
    let files = device(&authority);
    let mut chain = chain_with(config(provider.url(), &files), &[], &super::chain::Logged::default());
    chain.credentials(NOW).unwrap();
    let options = HttpOptions { ca_files: vec![CaFile { path: files.ca.clone(), named_by: "network.ca_file".into() }], ..http() };
    let answer = Http::new(&options).unwrap().request(Method::Get, &kinesis.url(), &[], b"", &mut Vec::new()).unwrap();
    assert_eq!((answer.status, provider.shown(), kinesis.shown()), (200, 1, 0));
}

#[test]
fn a_server_that_demands_a_certificate_which_nobody_has_says_so() {
    let authority = Authority::new("root");
    let files = device(&authority);
    let options = HttpOptions { ca_files: vec![CaFile { path: files.ca.clone(), named_by: "network.ca_file".into() }], ..http() };
    let service = Service::start(&authority, hour);
    let error = Http::new(&options).unwrap().request(Method::Get, &service.url(), &[], b"", &mut Vec::new()).unwrap_err();
    assert_eq!((error.code, error.to_failure().class), ("client_certificate_required", Class::Unreachable), "{error}");
}

#[test]
fn a_certificate_of_version_1_as_openssl_makes_it_is_one_that_the_service_may_know() {
    let read = |key: &str| ClientCertificate::from_pem(include_bytes!("keys/version1.pem"), key.as_bytes());
    assert_eq!(read(P256).unwrap().common_name(), Some("sensor-1"));
    assert!(read(RSA).is_err());
}
