//! A server of a few lines on loopback, and a client with short times, for the tests of HTTP and TLS.

#![allow(clippy::unwrap_used, dead_code)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use kinegraf::aws::http::{Answer, Http, HttpError, HttpOptions, ProxyOption};
use kinegraf::time::Clock;

pub(crate) const HEADERS: [(&str, &str); 1] = [("content-type", "application/x-amz-json-1.1")];

pub(crate) trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// What a server does with one connection.
pub(crate) type Handler = Box<dyn FnOnce(&mut dyn Duplex) + Send>;

/// A server that takes one connection for each handler, one after the other, and ends; never waits longer than five seconds.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) thread: JoinHandle<usize>,
}

impl Server {
    pub(crate) fn start(handlers: Vec<Handler>) -> Server {
        Server::listen(handlers, None)
    }

    pub(crate) fn listen(handlers: Vec<Handler>, tls: Option<Arc<rustls::ServerConfig>>) -> Server {
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Connections taken, once all are served.
    pub(crate) fn taken(self) -> usize {
        self.thread.join().unwrap()
    }
}

pub(crate) fn accept(listener: &TcpListener) -> Option<TcpStream> {
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
pub(crate) fn read_request(stream: &mut dyn Duplex) -> Option<(String, Vec<u8>)> {
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

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Reads one request and answers these bytes.
pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Handler {
    let answer = answer.into();
    Box::new(move |stream| {
        read_request(stream);
        drop(stream.write_all(&answer));
        drop(stream.flush());
    })
}

pub(crate) fn options() -> HttpOptions {
    HttpOptions {
        proxy: ProxyOption::Never,
        connect_timeout: Duration::from_secs(10),
        progress_timeout: Duration::from_secs(10),
        ..HttpOptions::new(Clock::new())
    }
}

pub(crate) fn client() -> Http {
    Http::new(&options()).unwrap()
}

pub(crate) fn post(http: &mut Http, url: &str) -> Result<(Answer, String), HttpError> {
    let mut reply = b"left over".to_vec();
    http.post(url, &HEADERS, b"{\"Records\":[]}", &mut reply).map(|answer| (answer, String::from_utf8(reply).unwrap()))
}
