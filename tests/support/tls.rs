//! Certificates made when a test starts, good ones and those that must be refused, and the server's side of TLS.
//! Every chain is a root of ours (its PEM lies in the test's directory) and one leaf for 127.0.0.1 and localhost.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::temp_dir::TempDir;

/// What is wrong with the leaf, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For 127.0.0.1 and localhost, valid from 1975 to 4096.
    Good,
    /// Ended in the year 2000.
    Expired,
    /// Begins in the year 4000.
    NotYetValid,
    /// For another host, as a hijacked name would show.
    WrongHost,
    /// Signed by a root that is not the one in `ca_file`, as a captive portal would show.
    UnknownIssuer,
}

/// A server's TLS: its configuration and where clients find its root.
pub struct Tls {
    pub config: Arc<ServerConfig>,
    pub ca_file: PathBuf,
    /// PEM of the leaf and of its key, for servers that are not ours.
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Tls {
    /// Makes a chain and writes its root's PEM to `ca.pem` in `dir`.
    pub fn new(certificate: Certificate, dir: &TempDir) -> Tls {
        let root = root("root of a loopback Kinesis");
        let ca_pem = if certificate == Certificate::UnknownIssuer { self::root("root of somebody else").pem() } else { root.pem() };
        let hosts = if certificate == Certificate::WrongHost {
            vec!["other.example".to_owned()]
        } else {
            vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
        };
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, "loopback Kinesis");
        params.use_authority_key_identifier_extension = true;
        match certificate {
            Certificate::Expired => params.not_after = date_time_ymd(2000, 1, 1),
            Certificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &root).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        let ca_file = dir.file("ca.pem", ca_pem);
        Tls { config: Arc::new(config), ca_file, certificate_pem: leaf.pem(), key_pem: key.serialize_pem() }
    }
}

fn root(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
