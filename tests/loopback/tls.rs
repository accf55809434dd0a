//! TLS with certificates made at the start, good ones and bad ones.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::support::raw_client::{Reply, Request, read_reply};
use super::support::{Certificate, Fault, Options, Plan, Server};
use super::{TWO, stored};

/// One good request over TLS by a client that trusts `ca_file` only.
fn send_tls(server: &Server) -> std::io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca_file()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(server.address())?);
    stream.write_all(&Request::records(&TWO).to_bytes(&server.address().to_string()))?;
    read_reply(&mut BufReader::new(stream))
}

#[test]
fn a_good_certificate_is_accepted_and_each_bad_one_refused_for_its_reason() {
    let server = Server::start(Options::tls(Certificate::Good));
    assert_eq!((send_tls(&server).unwrap().status, stored(&server), &server.url()[..8]), (200, 2, "https://"));
    for (certificate, reason) in [
        (Certificate::Expired, "Expired"),
        (Certificate::NotYetValid, "NotValidYet"),
        (Certificate::WrongHost, "NotValidForName"),
        (Certificate::UnknownIssuer, "UnknownIssuer"),
    ] {
        let server = Server::start(Options::tls(certificate));
        let error = format!("{:?}", send_tls(&server).unwrap_err());
        assert!(error.contains(reason), "{certificate:?}: {error}");
        assert_eq!(stored(&server), 0);
    }
}

#[test]
fn faults_happen_over_tls_as_well() {
    let script = vec![Fault::StoreThenReset, Fault::ResetBeforeRead, Fault::TruncateAnswer { stored: true }, Fault::CompressAnswer];
    let server = Server::start(Options { tls: Some(Certificate::Good), plan: Plan::Script(script), ..Options::default() });
    assert!((0..3).all(|_| send_tls(&server).is_err()));
    assert_eq!((send_tls(&server).unwrap().status, stored(&server)), (200, 6));
}
