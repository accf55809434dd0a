//! TLS over a socket, by rustls with a clock of ours: a board without a battery-backed clock can be told the time and connect again, without a new agent.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, Stream};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter};

use super::client_certificate::ClientCertificate;
use super::counts::{Counts, add};
use super::error::{HttpErrorKind, TlsProblem, Unconnected, client_refused};
use super::wire::has_room;
use crate::time::TlsClock;

/// Bytes of the output buffer below TLS, which hands over one record at a time.
pub(super) const TLS_OUTPUT_BUFFER_SIZE: usize = 16 << 10;
/// Bytes that TLS adds to a record at most (29 with the suites of rustls): a full output buffer must fit the socket's, or each one costs a second, tiny packet.
const RECORD_OVERHEAD: usize = 64;
/// Sessions that may be resumed; one endpoint is all there is.
const SESSIONS: usize = 4;

/// rustls's view of [`TlsClock`].
#[derive(Debug)]
struct Time(Arc<TlsClock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.wall()))
    }
}

/// The client's side of every handshake; `certificate` is for servers that ask for one.
pub(super) fn config(roots: RootCertStore, certificate: Option<&ClientCertificate>, clock: Arc<TlsClock>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Time(clock))).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match certificate {
        Some(certificate) => builder.with_client_cert_resolver(certificate.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// Wraps a socket, or a tunnel through a proxy, when the URL says https.
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) counts: Arc<Counts>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(socket) = chained else { return Ok(None) };
        if !details.needs_tls() || socket.is_tls() {
            return Ok(Some(Either::A(socket)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let invalid =
            |_| Unconnected::new(HttpErrorKind::Unsendable, "invalid_url", &format!("{host:?} is no name that a certificate can have")).into_ureq();
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let mut conn = ClientConnection::new(self.config.clone(), name).map_err(|error| told_apart(host, io::Error::other(error)))?;
        let mut socket = TransportAdapter::new(socket.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        conn.complete_io(&mut socket).map_err(|error| told_apart(host, error))?;
        add(&self.counts.handshakes, 1);
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), TLS_OUTPUT_BUFFER_SIZE - RECORD_OVERHEAD);
        Ok(Some(Either::B(TlsTransport { buffers, conn, socket, counts: self.counts.clone() })))
    }
}

/// A TLS connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    conn: ClientConnection,
    socket: TransportAdapter,
    counts: Arc<Counts>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.socket.set_timeout(timeout);
        self.conn.writer().write_all(&self.buffers.output()[..amount])?;
        // Not through `Stream::write`, which hides the socket's error until the next call.
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        has_room(self.buffers())?;
        self.socket.set_timeout(timeout);
        let read = Stream::new(&mut self.conn, &mut self.socket).read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        add(&self.counts.decrypted, read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.socket.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// The error of a handshake, with the word for what a person can do about it.
fn told_apart(host: &str, error: io::Error) -> ureq::Error {
    use rustls::Error::InvalidCertificate;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        // The socket's error, or a timeout that travels inside.
        return match ureq::Error::from(error) {
            ureq::Error::Io(error) => {
                let text = format!("no TLS with {host}: the connection ended during the handshake: {error}");
                Unconnected::new(HttpErrorKind::Tls(TlsProblem::Other), "tls_handshake_broken", &text).into_ureq()
            }
            ureq::Error::Timeout(_) => {
                let text = format!("no TLS with {host}: the handshake was not answered in time");
                Unconnected::new(HttpErrorKind::Connect, "tls_handshake_timed_out", &text).into_ureq()
            }
            error => error,
        };
    };
    let (problem, code, hint) = match tls {
        // A bad signature: somebody's who has the name of a CA that we trust, but not its key; usually a CA that was made anew.
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => (
            TlsProblem::UnknownIssuer,
            "certificate_unknown_issuer",
            " (a proxy or captive portal in between, or a CA that network.ca_file must name)",
        ),
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            (TlsProblem::NotValidYet, "certificate_not_valid_yet", " (the clock here may be behind)")
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            (TlsProblem::Expired, "certificate_expired", " (or the clock here is ahead)")
        }
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            (TlsProblem::WrongName, "certificate_wrong_name", "")
        }
        InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity") => (
            TlsProblem::Other,
            "certificate_is_a_ca",
            " (the server shows a CA's certificate as its own, as `openssl req -x509` makes it: make it with basicConstraints=CA:FALSE, or let the CA sign another)",
        ),
        InvalidCertificate(_) => (TlsProblem::Other, "certificate_invalid", ""),
        tls if let Some(code) = client_refused(tls) => (TlsProblem::ClientRefused, code, ""),
        _ => (TlsProblem::Other, "tls_failed", ""),
    };
    Unconnected::new(HttpErrorKind::Tls(problem), code, &format!("no TLS with {host}: {tls}{hint}")).into_ureq()
}
