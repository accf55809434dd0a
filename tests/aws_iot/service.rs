//! A credential provider on loopback that asks for the device's certificate, and the devices that show one.
//!
//! It answers what it is told to, one connection after the other, keeps what it was asked, and ends when it is dropped. Certificates are made when a test starts.

#![allow(dead_code, reason = "each test crate uses its own part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::support::TempDir;

/// The keys of the files beside this one, for whoever needs no other.
pub(crate) const P256: &str = include_str!("keys/p256.pkcs8.pem");

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A device's certificate for this key (PKCS#8), valid in these years.
    pub(crate) fn device(&self, key_pkcs8: &str, name: &str, years: (i32, i32)) -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        params.signed_by(&KeyPair::from_pem(key_pkcs8).unwrap(), &self.0).unwrap().pem()
    }

    fn server(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

/// Files of a device: what `[credentials.iot]` names.
pub(crate) struct Files {
    pub(crate) dir: TempDir,
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Files {
    pub(crate) fn new(certificate: &str, private_key: &str, ca: &str) -> Files {
        let dir = TempDir::new();
        let (certificate, private_key, ca) =
            (dir.file("device.pem", certificate), dir.file("device.key", private_key), dir.file("AmazonRootCA1.pem", ca));
        std::fs::set_permissions(&private_key, PermissionsExt::from_mode(0o600)).unwrap();
        Files { dir, certificate, private_key, ca }
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /role-aliases/… HTTP/1.1`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// An answer of the service's kind.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// A refusal in the service's form.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Vec<u8> {
    let headers = format!("x-amzn-ErrorType: {code}:http://internal.amazon.com/coral/\r\nContent-Type: application/json\r\n");
    answer(status, &headers, &format!("{{\"message\":\"{message}\"}}"))
}

/// Credentials, with the time of the answer.
pub(crate) fn credentials(id: &str, secret: &str, token: &str, date: &str, expiration: &str) -> Vec<u8> {
    let body = format!(
        "{{\"credentials\":{{\"accessKeyId\":\"{id}\",\"secretAccessKey\":\"{secret}\",\"sessionToken\":\"{token}\",\"expiration\":\"{expiration}\"}}}}"
    );
    answer(200, &format!("Date: {date}\r\nContent-Type: application/json\r\n"), &body)
}

pub(crate) type Answers = Box<dyn FnMut(&Request) -> Vec<u8> + Send>;

/// What a service demands, and how it answers.
pub(crate) struct Options<'a> {
    /// Vouches for the service.
    pub(crate) authority: &'a Authority,
    /// Vouches for the devices.
    pub(crate) of_devices: &'a Authority,
    /// Whether a device without a certificate is let in.
    pub(crate) optional: bool,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    pub(crate) answers: Answers,
}

/// Listens on 127.0.0.1, called localhost.
pub(crate) struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    shown: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// In TLS 1.2 or 1.3, with a certificate of `authority`, which vouches for the devices too.
    pub(crate) fn start(authority: &Authority, answers: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Service {
        let answers: Answers = Box::new(answers);
        Service::with(Options { authority, of_devices: authority, optional: false, versions: rustls::ALL_VERSIONS, answers })
    }

    pub(crate) fn with(options: Options<'_>) -> Service {
        let shown = Arc::new(AtomicUsize::new(0));
        let config = config(&options, shown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let thread = spawn({
            let (requests, stop, mut answers) = (requests.clone(), stop.clone(), options.answers);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((socket, _)) => serve(&config, socket, &requests, &mut answers),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(2)),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        Service { address, requests, shown, stop, thread: Some(thread) }
    }

    /// `https://localhost:PORT/`.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Certificates that were shown to it, good or not.
    pub(crate) fn shown(&self) -> usize {
        self.shown.load(Ordering::Relaxed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().unwrap().join());
    }
}

fn config(options: &Options<'_>, shown: Arc<AtomicUsize>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(options.of_devices.0.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = if options.optional { verifier.allow_unauthenticated() } else { verifier }.build().unwrap();
    let (certificate, key) = options.authority.server();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(options.versions).unwrap();
    let config = builder.with_client_cert_verifier(Arc::new(Counting { inner: verifier, shown })).with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

fn serve(config: &Arc<ServerConfig>, socket: TcpStream, requests: &Mutex<Vec<Request>>, answers: &mut Answers) {
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            // The device was refused, or has gone.
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let request = Request { line, headers };
    let answer = answers(&request);
    requests.lock().unwrap().push(request);
    drop(stream.write_all(&answer));
    stream.conn.send_close_notify();
    drop(stream.flush());
}

/// Counts what it is shown.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn ClientCertVerifier>,
    shown: Arc<AtomicUsize>,
}

impl ClientCertVerifier for Counting {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.shown.fetch_add(1, Ordering::Relaxed);
        self.inner.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
