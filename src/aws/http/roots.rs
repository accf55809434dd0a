//! Whom we trust: Mozilla's roots, built in, and the CA files that a person named.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::CaFile;
use crate::limits::FILE_SIZE_MAX;

/// The options cannot be: a CA file that is missing, unreadable, or holds no certificate. Nothing was sent, and trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSetupError(pub(super) String);

impl fmt::Display for HttpSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HttpSetupError {}

/// Those of `only`; without it the built-in roots and those of `files`.
pub(super) fn load(files: &[CaFile], only: Option<&CaFile>) -> Result<RootCertStore, HttpSetupError> {
    let (built_in, files) = match only {
        Some(file) => (Vec::new(), std::slice::from_ref(file)),
        None => (webpki_roots::TLS_SERVER_ROOTS.to_vec(), files),
    };
    let mut roots = RootCertStore { roots: built_in };
    for file in files {
        let wrong = |what: &str| HttpSetupError(format!("{} ({}): {what}", file.path.display(), file.named_by));
        let text = read(&file.path).map_err(|error| wrong(&format!("cannot read this CA file: {error}")))?;
        let (mut added, mut refused) = (0, None);
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(&format!("not a PEM file: {error}")))?;
            // A bundle of the system may hold a root that rustls cannot read; the others still count.
            match roots.add(certificate) {
                Ok(()) => added += 1,
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if added == 0 => return Err(wrong(&format!("no usable certificate: {error}"))),
            None if added == 0 => return Err(wrong("no certificate in PEM (-----BEGIN CERTIFICATE-----) found")),
            _ => {}
        }
    }
    Ok(roots)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_SIZE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_SIZE_MAX {
        return Err(io::Error::other(format!("more than {FILE_SIZE_MAX} bytes")));
    }
    Ok(text)
}
