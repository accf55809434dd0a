//! Signs one request with Signature Version 4 by AWS's own crate, on a payload hash that we compute once with ring's assembly.
//!
//! It reads no clock and guesses nothing: the region signed is the configured one, never one taken from the host (a VPC endpoint's host names none).
//! The `Host` that is signed is among the headers that it returns, so what is sent cannot differ from what was signed. A fixed number of allocations a request.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign as sign_v4};
use aws_sigv4::sign::v4;

/// SHA-256 of a body in lower-case hexadecimal.
#[derive(Clone, Copy)]
pub struct PayloadHash([u8; 64]);

impl PayloadHash {
    /// Hashes `body`.
    pub fn of(body: &[u8]) -> PayloadHash {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest = ring::digest::digest(&ring::digest::SHA256, body);
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest.as_ref()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        PayloadHash(hex)
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

/// What is signed, apart from who signs and when.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// The configured region.
    pub region: &'a str,
    /// The service's signing name, `kinesis`.
    pub service: &'a str,
    /// An absolute URL without user name, as it is requested.
    pub url: &'a str,
    /// All headers to be signed, `Host` and those of the signature excepted. Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// [`PayloadHash::as_str`] of the body.
    pub payload_sha256_hex: &'a str,
}

/// The headers that make a request a signed one.
pub struct Signed {
    host: String,
    instructions: SigningInstructions,
}

impl Signed {
    /// `host`, `x-amz-date`, `authorization` and, for temporary credentials, `x-amz-security-token`: to be sent as they are.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::once(("host", self.host.as_str())).chain(self.instructions.headers())
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed {{ host: {:?}, .. }}", self.host)
    }
}

/// A request that cannot be signed: a URL without host, or a character that no header can carry. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignError(String);

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot sign the request: {}", self.0)
    }
}

impl std::error::Error for SignError {}

/// Signs a POST of `request` as of `time`, in time since the Unix epoch as the service sees it.
pub fn sign(credentials: &Credentials, request: &Signable<'_>, time: Duration) -> Result<Signed, SignError> {
    let host = host_header(request.url)?;
    // The crate panics beyond the year 9999.
    if time.as_secs() > 253_402_300_799 {
        return Err(SignError("the clock is beyond the year 9999".into()));
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(UNIX_EPOCH + time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| SignError(error.to_string()))?
        .into();
    let headers = std::iter::once(("host", host)).chain(request.headers.iter().copied());
    let body = SignableBody::Precomputed(request.payload_sha256_hex.to_owned());
    let signable = SignableRequest::new("POST", request.url, headers, body).map_err(|error| SignError(error.to_string()))?;
    let (instructions, _) = sign_v4(signable, &params).map_err(|error| SignError(error.to_string()))?.into_parts();
    Ok(Signed { host: host.to_owned(), instructions })
}

/// The `Host` of a URL: without the scheme's default port, as every HTTP client sends it.
pub fn host_header(url: &str) -> Result<&str, SignError> {
    let no_host = || SignError(format!("{url:?} is not an absolute http or https URL without user name"));
    let (rest, default_port) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (rest, ":443"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, ":80"),
        _ => return Err(no_host()),
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.strip_suffix(default_port).unwrap_or(authority);
    if host.is_empty() || host.starts_with(':') || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b)) {
        // An authority with a password must not be shown either.
        return Err(if authority.contains('@') { SignError("a URL with a user name".into()) } else { no_host() });
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_is_without_the_default_port_and_with_any_other() {
        for (url, host) in [
            ("https://kinesis.eu-central-1.amazonaws.com/", "kinesis.eu-central-1.amazonaws.com"),
            ("https://kinesis.eu-central-1.amazonaws.com:443/", "kinesis.eu-central-1.amazonaws.com"),
            ("http://localhost:4567/", "localhost:4567"),
            ("http://localhost:443", "localhost:443"),
            ("http://[::1]:80/path?x=1", "[::1]"),
            ("HTTP://h", "h"),
        ] {
            assert_eq!(host_header(url).unwrap(), host, "{url}");
        }
        for url in ["", "kinesis", "ftp://h/", "http://", "http:///path", "http://:80/", "https://user:hunter2@h/"] {
            let error = host_header(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_payload_hash_is_that_of_the_standard() {
        assert_eq!(PayloadHash::of(b"").as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(PayloadHash::of(b"abc").as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_secret_is_in_no_debug_output_and_no_error() {
        let credentials = Credentials::new("AKID", "SECRETKEY", Some("bad\ntoken".into()), None, "test");
        let request = Signable { region: "r", service: "kinesis", url: "http://h/", headers: &[], payload_sha256_hex: "00" };
        let error = sign(&credentials, &request, Duration::ZERO).unwrap_err();
        let shown = format!("{credentials:?} {error:?} {error}");
        assert!(!shown.contains("SECRETKEY") && !shown.contains("token\""), "{shown}");
        let credentials = Credentials::new("AKID", "SECRETKEY", Some("TOKEN".into()), None, "test");
        let signed = sign(&credentials, &request, Duration::from_secs(u64::from(u32::MAX))).unwrap();
        assert!(!format!("{signed:?} {credentials:?}").contains("TOKEN"));
        assert!(sign(&credentials, &request, Duration::MAX).is_err());
    }
}
