//! HTTP as a user's network treats it, against servers of a few lines each on loopback: connections that die, answers that are cut, slow, coded, huge or not HTTP,
//! redirects, proxies, and every way in which a certificate can be wrong.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use kinegraf::aws::http::{Answer, CaFile, Http, HttpError, HttpErrorKind, HttpOptions, ProxyOption, TlsProblem};
use kinegraf::kinesis::outcome::Class;
use kinegraf::time::{Clock, Skew};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const HEADERS: [(&str, &str); 1] = [("content-type", "application/x-amz-json-1.1")];

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// What a server does with one connection.
type Handler = Box<dyn FnOnce(&mut dyn Duplex) + Send>;

/// A server that takes one connection for each handler, one after the other, and ends; never waits longer than five seconds.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<usize>,
}

impl Server {
    fn start(handlers: Vec<Handler>) -> Server {
        Server::listen(handlers, None)
    }

    fn listen(handlers: Vec<Handler>, tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = spawn(move || {
            let mut taken = 0;
            for handler in handlers {
                let Some(mut socket) = accept(&listener) else { break };
                taken += 1;
                match &tls {
                    None => handler(&mut socket),
                    Some(config) => {
                        let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), socket);
                        handler(&mut stream);
                        stream.conn.send_close_notify();
                        drop(stream.flush());
                    }
                }
            }
            taken
        });
        Server { address, thread }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Connections taken, once all are served.
    fn taken(self) -> usize {
        self.thread.join().unwrap()
    }
}

fn accept(listener: &TcpListener) -> Option<TcpStream> {
    for _ in 0..1000 {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                return Some(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    }
    None
}

/// Head and body of one request, or nothing when the client is gone.
fn read_request(stream: &mut dyn Duplex) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Reads one request and answers these bytes.
fn answering(answer: impl Into<Vec<u8>>) -> Handler {
    let answer = answer.into();
    Box::new(move |stream| {
        read_request(stream);
        drop(stream.write_all(&answer));
        drop(stream.flush());
    })
}

fn options() -> HttpOptions {
    HttpOptions {
        proxy: ProxyOption::Never,
        connect_timeout: Duration::from_secs(3),
        progress_timeout: Duration::from_millis(400),
        ..HttpOptions::new(Clock::new())
    }
}

fn client() -> Http {
    Http::new(&options()).unwrap()
}

fn post(http: &mut Http, url: &str) -> Result<(Answer, String), HttpError> {
    let mut reply = b"left over".to_vec();
    http.post(url, &HEADERS, b"{\"Records\":[]}", &mut reply).map(|answer| (answer, String::from_utf8(reply).unwrap()))
}

/// The error of one request to a server that answers these bytes and closes.
fn error_of(answer: impl Into<Vec<u8>>) -> HttpError {
    let server = Server::start(vec![answering(answer)]);
    let error = post(&mut client(), &server.url()).unwrap_err();
    assert_eq!(server.taken(), 1);
    error
}

#[test]
fn requests_go_out_as_written_over_one_connection() {
    let server = Server::start(vec![Box::new(|stream| {
        for i in 0..3 {
            let (head, body) = read_request(stream).unwrap();
            let lower = head.to_ascii_lowercase();
            assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
            assert!(lower.contains("\r\nuser-agent: kinegraf/") && lower.contains("\r\naccept-encoding: identity\r\n"), "{head}");
            assert!(lower.contains("\r\ncontent-length: 14\r\n") && lower.matches("content-type:").count() == 1, "{head}");
            assert!(!lower.contains("expect:") && !lower.contains("transfer-encoding") && lower.matches("\nhost:").count() == 1, "{head}");
            assert_eq!(body, b"{\"Records\":[]}");
            stream.write_all(&ok(&format!("answer {i}"))).unwrap();
        }
    })]);
    let (mut http, url) = (client(), server.url());
    for i in 0..3 {
        assert_eq!(post(&mut http, &url).unwrap().1, format!("answer {i}"));
    }
    let counts = http.counts();
    assert_eq!((counts.connects, counts.handshakes, counts.reused_retries, counts.lookups), (1, 0, 0, 0));
    assert!(counts.bytes_out > 3 * 14 && counts.bytes_in == 3 * ok("answer 0").len() as u64, "{counts:?}");
    assert_eq!(server.taken(), 1);
}

#[test]
fn what_an_answer_says_in_its_head_is_told() {
    let answer = "HTTP/1.1 503 Slow\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-amzn-RequestId: 123-abc\r\nx-amzn-ErrorType: ServiceUnavailable:\r\n\
                  x-amz-retry-after: 1500\r\nRetry-After: 7\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let server = Server::start(vec![answering(answer)]);
    let (answer, body) = post(&mut client(), &server.url()).unwrap();
    assert_eq!(body, "{}");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        answer,
        Answer {
            status: 503,
            error_type: text("ServiceUnavailable:"),
            content_type: text("application/json"),
            date: Some(Duration::from_secs(784_111_777)),
            retry_after: Some(Duration::from_millis(1500)),
            request_id: text("123-abc")
        }
    );
    let failure = kinegraf::kinesis::classify::classify(&answer.head(), body.as_bytes());
    assert_eq!((failure.class, failure.retry_after), (Class::Unavailable, answer.retry_after));
    for (headers, wait, date) in
        [("Retry-After: 7\r\n", Some(7), false), ("Retry-After: 99999999999\r\n", Some(900), false), ("Retry-After: soon\r\n", None, false)]
    {
        let server = Server::start(vec![answering(format!(
            "HTTP/1.1 429 No\r\n{headers}Age: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
        ))]);
        let (answer, _) = post(&mut client(), &server.url()).unwrap();
        assert_eq!((answer.retry_after, answer.date.is_some()), (wait.map(Duration::from_secs), date), "{headers}");
    }
}

#[test]
fn a_reused_connection_that_the_server_closed_is_replaced_once_and_the_answer_arrives() {
    // The first connection answers once and resets as soon as the second request begins, so that the client has already taken it for open.
    let dying: Handler = Box::new(|stream| {
        read_request(stream).unwrap();
        stream.write_all(&ok("one")).unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
    });
    let server = Server::start(vec![dying, answering(ok("two"))]);
    let (mut http, url) = (client(), server.url());
    assert_eq!(post(&mut http, &url).unwrap().1, "one");
    assert_eq!(post(&mut http, &url).unwrap().1, "two");
    assert_eq!((http.counts().reused_retries, http.counts().connects), (1, 2));
    assert_eq!(server.taken(), 2);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_noticed_before_the_request() {
    let server = Server::start(vec![answering(ok("one")), answering(ok("two"))]);
    let (mut http, url) = (client(), server.url());
    post(&mut http, &url).unwrap();
    sleep(Duration::from_millis(100));
    assert_eq!(post(&mut http, &url).unwrap().1, "two");
    assert_eq!(http.counts().reused_retries, 0);
    assert_eq!(server.taken(), 2);
}

#[test]
fn a_reused_connection_that_dies_within_its_answer_is_broken_and_not_tried_again() {
    let dying: Handler = Box::new(|stream| {
        read_request(stream).unwrap();
        stream.write_all(&ok("one")).unwrap();
        read_request(stream).unwrap();
        stream.write_all(b"HTTP/1.1 2").unwrap();
    });
    let server = Server::start(vec![dying]);
    let (mut http, url) = (client(), server.url());
    post(&mut http, &url).unwrap();
    let error = post(&mut http, &url).unwrap_err();
    assert_eq!((error.kind, error.reused, http.counts().reused_retries), (HttpErrorKind::Broken, true, 0));
    assert_eq!(server.taken(), 1);
}

#[test]
fn a_fresh_connection_that_dies_is_broken_and_not_tried_again() {
    for cut in ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"] {
        let error = error_of(cut);
        assert_eq!((error.kind, error.reused), (HttpErrorKind::Broken, false), "{cut:?} {error}");
        assert_eq!(error.to_failure().class, Class::Broken);
    }
}

#[test]
fn an_answer_that_is_cut_short_is_an_error_never_a_short_answer() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let error = error_of(cut);
        assert_eq!((error.kind, error.code), (HttpErrorKind::Broken, "connection_closed"), "{cut:?} {error}");
    }
}

#[test]
fn a_chunked_answer_is_put_together() {
    let server = Server::start(vec![answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n3\r\n678\r\n0\r\n\r\n")]);
    assert_eq!(post(&mut client(), &server.url()).unwrap().1, "12345678");
}

#[test]
fn an_answer_that_is_not_http_is_told_as_such() {
    for garbage in
        ["SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x46 padding padding\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"]
    {
        let error = error_of(garbage);
        assert_eq!((error.kind, error.to_failure().class), (HttpErrorKind::Garbage, Class::Unknown), "{garbage:?} {error}");
    }
}

#[test]
fn an_early_refusal_of_a_large_body_is_read_although_the_server_stopped_reading() {
    let refusing: Handler = Box::new(|stream| {
        stream.read_exact(&mut [0; 200]).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    });
    let server = Server::start(vec![refusing]);
    let (mut reply, body) = (Vec::new(), vec![b'x'; 8 << 20]);
    let answer = client().post(&server.url(), &HEADERS, &body, &mut reply).unwrap();
    assert_eq!(answer.status, 413);
}

#[test]
fn a_server_that_says_nothing_times_out() {
    let silent: Handler = Box::new(|stream| {
        read_request(stream);
        sleep(Duration::from_millis(1500));
    });
    let server = Server::start(vec![silent]);
    let error = post(&mut client(), &server.url()).unwrap_err();
    assert_eq!((error.kind, error.to_failure().class), (HttpErrorKind::TimedOut, Class::TimedOut), "{error}");
    assert!(error.text.contains("waiting for the answer"), "{error}");
}

#[test]
fn a_server_that_does_not_read_times_out() {
    let deaf: Handler = Box::new(|_| sleep(Duration::from_millis(1500)));
    let server = Server::start(vec![deaf]);
    let error = client().post(&server.url(), &HEADERS, &vec![b'x'; 32 << 20], &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TimedOut, "{error}");
    assert!(error.text.contains("sending"), "{error}");
}

#[test]
fn an_answer_that_trickles_without_end_is_given_up() {
    let dripping: Handler = Box::new(|stream| {
        read_request(stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
        for _ in 0..40 {
            sleep(Duration::from_millis(50));
            if stream.write_all(b"x").is_err() {
                return;
            }
        }
    });
    let server = Server::start(vec![dripping]);
    let mut http = Http::new(&HttpOptions { answer_timeout: Duration::from_millis(700), ..options() }).unwrap();
    assert_eq!(post(&mut http, &server.url()).unwrap_err().kind, HttpErrorKind::TimedOut);
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[test]
fn a_coded_answer_is_decoded_although_it_was_not_asked_for() {
    use flate2::Compression;
    let plain = r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1"}]}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain.as_bytes()).unwrap();
    zlib.write_all(plain.as_bytes()).unwrap();
    raw.write_all(plain.as_bytes()).unwrap();
    let (gzip, zlib, raw) = (gzip.finish().unwrap(), zlib.finish().unwrap(), raw.finish().unwrap());
    for (coding, body) in [("gzip", &gzip), ("X-GZIP", &gzip), ("deflate", &zlib), ("deflate", &raw), ("identity", &plain.as_bytes().to_vec())] {
        let server = Server::start(vec![answering(coded(coding, body))]);
        assert_eq!(post(&mut client(), &server.url()).unwrap().1, plain, "{coding}");
    }
    for (coding, body) in [("br", &gzip), ("gzip", &zlib), ("gzip", &gzip[..gzip.len() - 5].to_vec()), ("deflate", &gzip)] {
        assert_eq!(error_of(coded(coding, body)).kind, HttpErrorKind::Garbage, "{coding}");
    }
}

#[test]
fn an_answer_is_bounded_before_and_after_decoding() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let endless = || -> Handler {
        Box::new(|stream| {
            read_request(stream);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        })
    };
    let huge_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    for handler in [answering(coded("gzip", &bomb)), endless(), answering("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"), answering(huge_head)]
    {
        let server = Server::start(vec![handler]);
        let mut reply = Vec::new();
        let error = client().post(&server.url(), &HEADERS, b"", &mut reply).unwrap_err();
        assert_eq!((error.kind, error.to_failure().class), (HttpErrorKind::ReplyTooLarge, Class::Unknown), "{error}");
        assert!(reply.capacity() <= 4 << 20, "{}", reply.capacity());
    }
    let server = Server::start(vec![answering(ok(&"x".repeat(1 << 20)))]);
    assert_eq!(post(&mut client(), &server.url()).unwrap().1.len(), 1 << 20);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        target.set_nonblocking(true).unwrap();
        let to = target.local_addr().unwrap();
        for body in ["", "<html>Log in</html>"] {
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: http://{to}/\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let server = Server::start(vec![answering(answer)]);
            let (answer, read) = post(&mut client(), &server.url()).unwrap();
            assert_eq!((answer.status, read.as_str()), (status, body));
            assert_eq!(kinegraf::kinesis::classify::classify(&answer.head(), read.as_bytes()).class, Class::Unknown);
        }
        assert_eq!(target.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn every_status_is_an_answer() {
    for status in [204, 400, 401, 403, 404, 407, 413, 429, 500, 503, 511] {
        let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
        let server = Server::start(vec![answering(format!("HTTP/1.1 {status} X\r\n{length}\r\n"))]);
        assert_eq!(post(&mut client(), &server.url()).unwrap().0.status, status);
    }
}

#[test]
fn a_refused_connection_names_the_address() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = post(&mut client(), &format!("http://{address}/")).unwrap_err();
    assert_eq!((error.kind, error.code, error.reused), (HttpErrorKind::Connect, "connection_refused", false));
    assert!(error.text.contains(&address.to_string()), "{error}");
    assert_eq!(error.to_failure().class, Class::Unreachable);
}

#[test]
fn a_url_that_cannot_be_requested_is_told_without_sending() {
    for url in ["", "kinesis", "ftp://127.0.0.1/", "http:///", "/path"] {
        assert_eq!(post(&mut client(), url).unwrap_err().kind, HttpErrorKind::Unsendable, "{url}");
    }
    let error = client().post("http://127.0.0.1:1/", &[("x-amz-security-token", "se\ncret")], b"", &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Unsendable);
    assert!(!error.text.contains("cret"), "{error}");
}

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

fn with_proxy(proxy: &Server) -> Http {
    Http::new(&HttpOptions { proxy: ProxyOption::Url(format!("http://user:hunter2@{}", proxy.address)), ..options() }).unwrap()
}

#[test]
fn a_proxy_is_asked_to_connect_and_does_the_lookup() {
    let proxy = Server::start(vec![Box::new(|stream| {
        let (head, _) = read_request(stream).unwrap();
        assert!(head.starts_with("CONNECT kinesis.test:80 HTTP/1.1\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        for i in 0..2 {
            let (head, _) = read_request(stream).unwrap();
            assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
            stream.write_all(&ok(&format!("tunnelled {i}"))).unwrap();
        }
    })]);
    let mut http = with_proxy(&proxy);
    for i in 0..2 {
        assert_eq!(post(&mut http, "http://kinesis.test/").unwrap().1, format!("tunnelled {i}"));
    }
    assert_eq!((http.counts().connects, http.counts().lookups), (1, 0));
    assert!(!format!("{http:?}").contains("hunter2"));
    proxy.thread.join().unwrap();
}

#[test]
fn a_proxy_that_will_not_connect_is_told_apart() {
    for (answer, code) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "proxy_authentication_required"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy_failed"),
        ("", "proxy_failed"),
    ] {
        let proxy = Server::start(vec![answering(answer)]);
        let error = post(&mut with_proxy(&proxy), "https://kinesis.test/").unwrap_err();
        assert_eq!((error.kind, error.code, error.to_failure().class), (HttpErrorKind::Connect, code, Class::Unreachable), "{error}");
        assert!(!error.text.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_proxy_is_never_used_for_loopback() {
    let server = Server::start(vec![answering(ok("direct"))]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = ProxyOption::Url(format!("http://{}", nobody.local_addr().unwrap()));
    let mut http = Http::new(&HttpOptions { proxy, ..options() }).unwrap();
    assert_eq!(post(&mut http, &format!("http://localhost:{}/", server.address.port())).unwrap().1, "direct");
}
