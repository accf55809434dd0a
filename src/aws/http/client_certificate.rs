//! Who we are, to a server that wants to know: a certificate, what is between it and its CA, and its private key, all out of PEM files.
//!
//! Whether the two belong together is found out here, before anything is sent. Whether the certificate is one that the server knows, and still valid, is the
//! server's to say. The key's bytes are overwritten when it has been read; what ring made of it lives as long as the client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

use super::x509;
use crate::aws::message;

/// Bytes of a PEM label in an error.
const LABEL_SHOWN_MAX: usize = 40;

/// A certificate with its key. Cheap to clone.
#[derive(Clone)]
pub struct ClientCertificate {
    resolver: Arc<SingleCertAndKey>,
    common_name: Option<String>,
    valid: Option<(Duration, Duration)>,
}

/// Why a certificate and a key cannot be used, in words without a secret, to stand after the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificateError {
    /// The file of the certificate.
    Certificate(String),
    /// The file of the key.
    Key(String),
    /// The key is not the certificate's.
    Mismatch(&'static str),
}

impl ClientCertificate {
    /// Reads both; the device's own certificate comes first, and the first key counts. RSA (2048 to 4096 bits; PKCS#8, PKCS#1) and EC (P-256, P-384;
    /// PKCS#8, SEC1).
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<ClientCertificate, ClientCertificateError> {
        let chain = certificates(certificate).map_err(ClientCertificateError::Certificate)?;
        let key = private_key(key).map_err(ClientCertificateError::Key)?;
        let unusable =
            |error| ClientCertificateError::Key(format!("not a key that can be used (RSA of 2048 to 4096 bits, or EC P-256 or P-384): {error}"));
        let key = any_supported_type(&key).map_err(unusable)?;
        let facts = x509::read(&chain[0]).ok_or_else(|| ClientCertificateError::Certificate("its first certificate is not an X.509 one".into()))?;
        let is_of_key = |public_key: &[u8]| key.public_key().is_none_or(|of_key| of_key.as_ref() == public_key);
        if !is_of_key(facts.public_key) {
            let later = chain[1..].iter().filter_map(|other| x509::read(other)).any(|other| is_of_key(other.public_key));
            let what = if later { "it is that of a later one in that file: the device's own must come first" } else { "it belongs to another one" };
            return Err(ClientCertificateError::Mismatch(what));
        }
        let (common_name, valid) = (facts.common_name, facts.valid);
        Ok(ClientCertificate { resolver: Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))), common_name, valid })
    }

    /// The subject's common name.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// From when until when it says that it is valid, since the Unix epoch.
    pub fn valid(&self) -> Option<(Duration, Duration)> {
        self.valid
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        self.resolver.clone()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("common_name", &self.common_name).finish_non_exhaustive()
    }
}

/// At least one.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|error| not_pem(&error))?;
    match chain.is_empty() {
        false => Ok(chain),
        true => Err(format!("no certificate (-----BEGIN CERTIFICATE-----) in it, but {}", labels(text))),
    }
}

fn private_key(text: &[u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, String> {
    let says = |words: &[u8]| memchr::memmem::find(text, words).is_some();
    if says(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err("encrypted, and nobody is there to give its passphrase; `openssl pkey -in THIS -out NEW` writes it without".into());
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(Error::NoItemsFound) => Err(format!("no private key (-----BEGIN PRIVATE KEY-----) in it, but {}", labels(text))),
        Err(error) => Err(not_pem(&error)),
    }
}

/// Not the error's own text: it may show a line of the file.
fn not_pem(error: &Error) -> String {
    let what = match error {
        Error::MissingSectionEnd { .. } => "a -----BEGIN without its -----END: it is cut short",
        Error::IllegalSectionStart { .. } => "a -----BEGIN line that is not whole",
        Error::Base64Decode(_) => "something in it is not base64",
        _ => "it cannot be read",
    };
    format!("not PEM: {what}")
}

/// What the file holds instead.
fn labels(text: &[u8]) -> String {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let label = |at: usize| {
        let rest = &text[at + BEGIN.len()..];
        let end = rest.iter().position(|byte| b"-\r\n".contains(byte)).unwrap_or(rest.len());
        message::fit_bytes(&rest[..end], LABEL_SHOWN_MAX)
    };
    let labels: Vec<String> = memchr::memmem::find_iter(text, BEGIN).take(3).map(label).collect();
    match (labels.is_empty(), text.first()) {
        (false, _) => labels.join(", "),
        (true, None) => "nothing".into(),
        (true, Some(0x30)) => "DER; `openssl x509` and `openssl pkey` write it as PEM with `-inform DER`".into(),
        (true, Some(_)) => "no PEM at all".into(),
    }
}
