//! TLS with a root of our own, and servers that must not be believed.

use std::time::Duration;

use super::common::{assert_reason, assert_within, at_pace, input, ms_at_pace, to};
use super::support::{Certificate, Options, Program, STREAM, Server, TempDir};

/// Over TLS, with no word yet about the root.
fn to_unknown(server: &Server) -> Program {
    to(server).without_env("AWS_CA_BUNDLE")
}

#[test]
fn a_root_of_our_own_is_trusted_however_it_is_named() {
    let (server, dir) = (Server::start(Options::tls(Certificate::Good)), TempDir::new());
    let config = dir.file("ca.toml", format!("[network]\nca_file = \"{}\"\n", server.ca_file().display()));
    let named = [
        to_unknown(&server).args(["--config"]).args([&config]),
        to_unknown(&server).env("AWS_CA_BUNDLE", server.ca_file()),
        to_unknown(&server).env("SSL_CERT_FILE", server.ca_file()),
    ];
    for (i, program) in named.into_iter().enumerate() {
        program.stdin(input(700).1).run().assert_code(0);
        assert_eq!(server.counts().connections, i as u64 + 1, "one connection a run");
    }
    server.assert_stored(STREAM, &input(700).0);
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_nothing_and_the_reason_tells_why() {
    for (certificate, words) in [
        (Certificate::UnknownIssuer, ["certificate_unknown_issuer", "network.ca_file"]),
        (Certificate::Expired, ["certificate_expired", "clock here is ahead"]),
        (Certificate::NotYetValid, ["certificate_not_valid_yet", "clock here may be behind"]),
        (Certificate::WrongHost, ["certificate_wrong_name", "127.0.0.1"]),
    ] {
        let server = Server::start(Options::tls(certificate));
        let finished = to(&server).args(["--deadline", &ms_at_pace(400)]).stdin(input(5).1).run().assert_code(75);
        assert_reason(&finished, &[&["5 lines handed back", STREAM], words.as_slice()].concat());
        assert_within(&finished, at_pace(Duration::from_millis(400)));
        assert_eq!(server.counts().requests, 0, "{certificate:?}");
    }
    // No root named at all: nobody signed the loopback's.
    let server = Server::start(Options::tls(Certificate::Good));
    let finished = to_unknown(&server).args(["--deadline", &ms_at_pace(500)]).stdin(input(5).1).run().assert_code(75);
    assert_reason(&finished, &["certificate_unknown_issuer"]);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_a_mistake_of_configuration() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let empty = dir.file("empty.pem", "no certificate here\n");
    let missing = dir.path().join("missing.pem");
    for (path, word) in [(&empty, "no certificate in PEM"), (&missing, "cannot read this CA file")] {
        let finished = to(&server).env("AWS_CA_BUNDLE", path).stdin(input(1).1).run().assert_code(78);
        assert_reason(&finished, &[word, "AWS_CA_BUNDLE"]);
    }
    assert_eq!(server.counts().requests, 0);
}

#[test]
fn https_to_a_plain_server_and_http_to_a_tls_server_end_with_a_reason() {
    let (plain, tls) = (Server::start(Options::default()), Server::start(Options::tls(Certificate::Good)));
    for (server, scheme) in [(&plain, "https"), (&tls, "http")] {
        let url = format!("{scheme}://{}", server.address());
        let program = super::common::kinegraf().args(["--region", "us-east-1", "--stream", STREAM, "--endpoint-url", &url]);
        let program = program.env("AWS_ACCESS_KEY_ID", super::support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", super::support::SECRET_KEY);
        let finished = program.args(["--deadline", &ms_at_pace(400)]).stdin(input(2).1).run().assert_code(75);
        // Neither of the two understands the other; whether it says so or waits for more is its own affair.
        assert_reason(&finished, &["not delivered in time: 2 lines", " answer ", "127.0.0.1"]);
        assert_eq!(server.counts().stored, 0);
    }
}
