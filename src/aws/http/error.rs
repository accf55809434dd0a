//! What can go wrong on the way, told apart as far as somebody acts on the difference.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::AlertDescription;

use crate::aws::message;
use crate::kinesis::outcome::{Class, Failure};
use crate::limits::MESSAGE_SIZE_MAX;

/// Where a request failed, which says whether it may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// The name has no address. Nothing was sent.
    Resolve,
    /// No connection: refused, no route, no answer in time, or a proxy that will not. Nothing was sent.
    Connect,
    /// No TLS. Nothing was sent.
    Tls(TlsProblem),
    /// The connection ended before the whole answer was read. The request may have arrived.
    Broken,
    /// Nothing moved for too long. The request may have arrived.
    TimedOut,
    /// The answer is larger than we read. The request has arrived somewhere.
    ReplyTooLarge,
    /// The answer is not HTTP, or coded in a way that cannot be undone.
    Garbage,
    /// Not a request: a URL without host, or a header that no header can be. Nothing was sent.
    Unsendable,
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsProblem {
    /// Nobody that we trust signed the certificate: a missing CA file, or somebody in between.
    UnknownIssuer,
    /// By our clock the certificate is not valid yet: the clock may be behind.
    NotValidYet,
    /// By our clock the certificate is no longer valid: the clock may be ahead.
    Expired,
    /// It is somebody else's.
    WrongName,
    /// The server refuses ours, or asks for one that we do not have. In TLS 1.3 it says so after the request has left; it did not read it.
    ClientRefused,
    /// Anything else.
    Other,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct HttpError {
    /// Where it failed.
    pub kind: HttpErrorKind,
    /// A word for programs, such as `connection_refused`.
    pub code: &'static str,
    /// For a person: printable ASCII, at most `MESSAGE_SIZE_MAX` bytes, no secret.
    pub text: String,
    /// Whether the connection had carried an earlier request.
    pub reused: bool,
}

impl HttpError {
    pub(super) fn new(kind: HttpErrorKind, code: &'static str, text: &str) -> HttpError {
        HttpError { kind, code, text: message::fit(text, MESSAGE_SIZE_MAX), reused: false }
    }

    /// What it means for the records that were in the request.
    pub fn to_failure(&self) -> Failure {
        let class = match self.kind {
            HttpErrorKind::Resolve | HttpErrorKind::Connect | HttpErrorKind::Tls(_) => Class::Unreachable,
            HttpErrorKind::Broken => Class::Broken,
            HttpErrorKind::TimedOut => Class::TimedOut,
            HttpErrorKind::ReplyTooLarge | HttpErrorKind::Garbage => Class::Unknown,
            HttpErrorKind::Unsendable => Class::Misconfigured,
        };
        Failure { class, status: None, code: self.code.to_owned(), message: self.text.clone(), retry_after: None, date: None }
    }

    /// Of an error that came after a connection was there, or that a connector made (then [`Unconnected`] is in it).
    pub(super) fn from_ureq(error: ureq::Error) -> HttpError {
        use HttpErrorKind::{Broken, Garbage, ReplyTooLarge, TimedOut, Unsendable};
        match error {
            ureq::Error::Other(other) => match other.downcast::<Unconnected>() {
                Ok(unconnected) => HttpError::new(unconnected.kind, unconnected.code, &unconnected.text),
                Err(other) => HttpError::new(Broken, "connection_failed", &other.to_string()),
            },
            ureq::Error::Io(error) if let Some((code, alert)) = alert_about_us(&error) => {
                let text = format!("the server refuses the client's certificate: {alert}");
                HttpError::new(HttpErrorKind::Tls(TlsProblem::ClientRefused), code, &text)
            }
            ureq::Error::Io(error) => HttpError::new(Broken, broken_code(&error), &format!("the connection broke: {error}")),
            ureq::Error::Timeout(phase) => HttpError::new(TimedOut, "timed_out", &format!("no progress in time ({})", timeout_words(phase))),
            ureq::Error::Protocol(error) => HttpError::new(Garbage, "not_http", &format!("the answer is not HTTP/1.1: {error}")),
            ureq::Error::LargeResponseHeader(_, max) => {
                HttpError::new(ReplyTooLarge, "reply_too_large", &format!("the answer's head has more than {max} bytes"))
            }
            // The texts of these name no value.
            error @ (ureq::Error::Http(_) | ureq::Error::BadUri(_)) => HttpError::new(Unsendable, "invalid_request", &error.to_string()),
            error => HttpError::new(Broken, "connection_failed", &error.to_string()),
        }
    }

    /// Of an error while the body of the answer was read.
    pub(super) fn from_read(error: io::Error) -> HttpError {
        HttpError::from_ureq(ureq::Error::from(error))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for HttpError {}

/// An error from before there was a connection; travels through ureq as `Error::Other`.
#[derive(Debug)]
pub(super) struct Unconnected {
    pub(super) kind: HttpErrorKind,
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl Unconnected {
    pub(super) fn new(kind: HttpErrorKind, code: &'static str, text: &str) -> Unconnected {
        Unconnected { kind, code, text: text.to_owned() }
    }

    /// Of whatever a connector came back with.
    pub(super) fn from_ureq(error: ureq::Error) -> Unconnected {
        match error {
            ureq::Error::Other(other) => match other.downcast::<Unconnected>() {
                Ok(unconnected) => *unconnected,
                Err(other) => Unconnected::new(HttpErrorKind::Connect, "connection_failed", &other.to_string()),
            },
            ureq::Error::ConnectProxyFailed(reason) if reason.contains("407") => {
                Unconnected::new(HttpErrorKind::Connect, "proxy_authentication_required", "the proxy asks for proxy authentication (407)")
            }
            ureq::Error::ConnectProxyFailed(reason) => {
                Unconnected::new(HttpErrorKind::Connect, "proxy_failed", &format!("the proxy does not connect: {reason}"))
            }
            ureq::Error::Io(error) => Unconnected::new(HttpErrorKind::Connect, connect_code(&error), &error.to_string()),
            ureq::Error::Timeout(_) => Unconnected::new(HttpErrorKind::Connect, "connect_timed_out", "no connection in time"),
            error => Unconnected::new(HttpErrorKind::Connect, "connection_failed", &error.to_string()),
        }
    }

    pub(super) fn into_ureq(self) -> ureq::Error {
        ureq::Error::Other(Box::new(self))
    }
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Unconnected {}

/// The code of an alert with which a server refuses the client's certificate.
pub(super) fn client_refused(error: &rustls::Error) -> Option<&'static str> {
    let rustls::Error::AlertReceived(alert) = error else { return None };
    match alert {
        AlertDescription::CertificateExpired => Some("client_certificate_expired"),
        AlertDescription::CertificateRevoked => Some("client_certificate_revoked"),
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => Some("client_certificate_required"),
        AlertDescription::UnknownCA => Some("client_certificate_unknown_ca"),
        AlertDescription::BadCertificate => Some("client_certificate_bad"),
        AlertDescription::UnsupportedCertificate => Some("client_certificate_unsupported"),
        AlertDescription::CertificateUnknown => Some("client_certificate_unknown"),
        AlertDescription::AccessDenied => Some("client_certificate_denied"),
        _ => None,
    }
}

fn alert_about_us(error: &io::Error) -> Option<(&'static str, String)> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some((client_refused(error)?, error.to_string()))
}

fn connect_code(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::HostUnreachable => "host_unreachable",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => "network_unreachable",
        io::ErrorKind::TimedOut => "connect_timed_out",
        _ => "connection_failed",
    }
}

fn broken_code(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "connection_closed",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "connection_reset",
        _ => "connection_failed",
    }
}

fn timeout_words(phase: ureq::Timeout) -> &'static str {
    match phase {
        ureq::Timeout::PerWrite => "sending",
        ureq::Timeout::PerRead | ureq::Timeout::RecvResponse | ureq::Timeout::RecvBody => "waiting for the answer",
        _ => "waiting",
    }
}
