//! TLS with a CA of one's own, and every way in which a certificate, a clock or a CA file can be wrong.

#![allow(clippy::unwrap_used)]

mod aws_server;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use aws_server::{HEADERS, Handler, Server, answering, client, ok, options, post, read_request};
use kinegraf::aws::http::{Http, HttpError, HttpErrorKind, HttpOptions, TlsProblem};
use kinegraf::config::CaFile;
use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Skew;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority, a file that names it, and servers with certificates of it.
struct Authority {
    file: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name.trim_end_matches('2'));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let file = std::env::temp_dir().join(format!("kinegraf-ca-{}-{name}.pem", std::process::id()));
        std::fs::write(&file, &pem).unwrap();
        Authority { file, pem, issuer: Issuer::new(params, key) }
    }

    fn server_config(&self, name: &str, from_year: i32, until_year: i32) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from_year, 1, 1), date_time_ymd(until_year, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }

    fn options(&self) -> HttpOptions {
        HttpOptions { ca_files: vec![CaFile { path: self.file.clone(), named_by: "network.ca_file".into() }], ..options() }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

fn tls_url(server: &Server) -> String {
    format!("https://localhost:{}/", server.address.port())
}

#[test]
fn tls_works_with_a_ca_file_and_reuses_its_connection() {
    let authority = Authority::new("reuse");
    let body: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    let expected = body.clone();
    let serving: Handler = Box::new(move |stream| {
        for _ in 0..2 {
            assert!(read_request(stream).unwrap().1 == expected);
            stream.write_all(&ok(&"y".repeat(100_000))).unwrap();
            stream.flush().unwrap();
        }
    });
    let server = Server::listen(vec![serving], Some(authority.server_config("localhost", 2020, 2090)));
    let mut http = Http::new(&authority.options()).unwrap();
    let mut reply = Vec::new();
    for _ in 0..2 {
        let answer = http.post(&tls_url(&server), &HEADERS, &body, &mut reply).unwrap();
        assert_eq!((answer.status, reply.len()), (200, 100_000));
    }
    let counts = http.counts();
    assert_eq!((counts.connects, counts.handshakes, counts.lookups), (1, 1, 1));
    assert!(counts.bytes_out > 600_000 && counts.bytes_out < 610_000, "{counts:?}");
    assert_eq!(server.taken(), 1);
}

#[test]
fn a_reused_tls_connection_that_dies_is_replaced_once() {
    let authority = Authority::new("dies");
    let dying: Handler = Box::new(|stream| {
        read_request(stream).unwrap();
        stream.write_all(&ok("one")).unwrap();
        stream.flush().unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
    });
    let server = Server::listen(vec![dying, answering(ok("two"))], Some(authority.server_config("localhost", 2020, 2090)));
    let mut http = Http::new(&authority.options()).unwrap();
    assert_eq!(post(&mut http, &tls_url(&server)).unwrap().1, "one");
    assert_eq!(post(&mut http, &tls_url(&server)).unwrap().1, "two");
    assert_eq!((http.counts().reused_retries, http.counts().handshakes), (1, 2));
}

/// The error of a handshake with this server.
fn tls_error(http: &mut Http, config: Arc<rustls::ServerConfig>) -> HttpError {
    let server = Server::listen(vec![Box::new(|stream| drop(read_request(stream)))], Some(config));
    let error = post(http, &tls_url(&server)).unwrap_err();
    assert_eq!(error.to_failure().class, Class::Unreachable, "{error}");
    assert_eq!(http.counts().handshakes, 0);
    error
}

#[test]
fn wrong_certificates_are_refused_and_told_apart() {
    // The third has the name of the first, and another key.
    let (authority, other, namesake) = (Authority::new("apart"), Authority::new("other"), Authority::new("apart2"));
    let mut http = Http::new(&authority.options()).unwrap();
    for (config, problem, code, words) in [
        (other.server_config("localhost", 2020, 2090), TlsProblem::UnknownIssuer, "certificate_unknown_issuer", "network.ca_file"),
        (namesake.server_config("localhost", 2020, 2090), TlsProblem::UnknownIssuer, "certificate_unknown_issuer", "network.ca_file"),
        (authority.server_config("localhost", 2020, 2021), TlsProblem::Expired, "certificate_expired", "clock"),
        (authority.server_config("localhost", 2080, 2090), TlsProblem::NotValidYet, "certificate_not_valid_yet", "clock"),
        (authority.server_config("elsewhere.test", 2020, 2090), TlsProblem::WrongName, "certificate_wrong_name", "localhost"),
    ] {
        let error = tls_error(&mut http, config);
        assert_eq!((error.kind, error.code), (HttpErrorKind::Tls(problem), code), "{error}");
        assert!(error.text.contains(words), "{error}");
    }
    // With the built-in roots alone our own authority is a stranger.
    let error = tls_error(&mut client(), authority.server_config("localhost", 2020, 2090));
    assert_eq!(error.code, "certificate_unknown_issuer");
}

#[test]
fn a_corrected_clock_makes_a_certificate_valid_without_a_new_client() {
    let authority = Authority::new("clock");
    let config = authority.server_config("localhost", 2080, 2090);
    let options = authority.options();
    let mut http = Http::new(&options).unwrap();
    assert_eq!(tls_error(&mut http, config.clone()).code, "certificate_not_valid_yet");
    // 2085, as an answer's date would have told.
    let (wall, server_time) = (options.clock.now().wall, Duration::from_secs(3_629_000_000));
    let mut skew = Skew::default();
    assert!(skew.learn(wall, wall, server_time));
    options.tls_clock.set(skew);
    let server = Server::listen(vec![answering(ok("valid"))], Some(config));
    assert_eq!(post(&mut http, &tls_url(&server)).unwrap().1, "valid");
}

#[test]
fn a_server_without_tls_is_told_as_such() {
    for (answer, code) in [("HTTP/1.1 400 Bad Request\r\n\r\n", "tls_failed"), ("", "tls_handshake_broken")] {
        let server = Server::start(vec![Box::new(move |stream| {
            stream.read_exact(&mut [0; 50]).unwrap();
            drop(stream.write_all(answer.as_bytes()));
        })]);
        let error = post(&mut client(), &tls_url(&server)).unwrap_err();
        assert_eq!((error.kind, error.code), (HttpErrorKind::Tls(TlsProblem::Other), code), "{error}");
    }
    let mute: Handler = Box::new(|_| sleep(Duration::from_millis(1000)));
    let server = Server::start(vec![mute]);
    let mut http = Http::new(&HttpOptions { connect_timeout: Duration::from_millis(200), ..options() }).unwrap();
    let error = post(&mut http, &tls_url(&server)).unwrap_err();
    assert_eq!((error.kind, error.to_failure().class), (HttpErrorKind::Connect, Class::Unreachable), "{error}");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named_with_what_named_it() {
    let authority = Authority::new("files");
    let directory = authority.file.with_extension("d");
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let cut = &authority.pem[..authority.pem.len() / 2];
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (path, words) in [
        (directory.join("missing.pem"), "cannot read"),
        (directory.clone(), "cannot read"),
        (file("empty.pem", ""), "no certificate"),
        (file("text.pem", "not a certificate"), "no certificate"),
        (file("cut.pem", cut), "not a PEM file"),
        (file("wrong.pem", not_a_certificate), "no usable certificate"),
        (file("large.pem", &"x".repeat(2 << 20)), "more than"),
    ] {
        let options = HttpOptions { ca_files: vec![CaFile { path: path.clone(), named_by: "AWS_CA_BUNDLE".into() }], ..options() };
        let error = Http::new(&options).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("AWS_CA_BUNDLE") && error.contains(path.to_str().unwrap()), "{error}");
    }
    // One bad certificate in a bundle does not spoil the others.
    let mixed = file("mixed.pem", &format!("# bundle\n{not_a_certificate}{}", authority.pem));
    let server = Server::listen(vec![answering(ok("mixed"))], Some(authority.server_config("localhost", 2020, 2090)));
    let options = HttpOptions { ca_files: vec![CaFile { path: mixed, named_by: "SSL_CERT_FILE".into() }], ..options() };
    assert_eq!(post(&mut Http::new(&options).unwrap(), &tls_url(&server)).unwrap().1, "mixed");
    std::fs::remove_dir_all(&directory).unwrap();
}
