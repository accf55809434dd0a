//! HTTP/1.1 as far as one client at a time on one connection needs it: a head, a body of a known length, an answer.
//! Nothing is read ahead: a plain socket is peeked at, so that bytes can be left in it on purpose (closing a socket with unread bytes is how TCP
//! resets a connection). Heads are at most 32 KiB, bodies at most what the caller allows.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

const HEAD_SIZE_MAX: usize = 32 << 10;
const WINDOW_SIZE: usize = 16 << 10;

/// One connection, plain or TLS.
pub enum Wire {
    Plain { socket: TcpStream, window: Vec<u8> },
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub fn plain(socket: TcpStream) -> Wire {
        Wire::Plain { socket, window: vec![0; WINDOW_SIZE] }
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain { socket, .. } => socket,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    /// What has arrived, without taking it; waits for the first byte; empty at the end.
    fn look(&mut self) -> io::Result<&[u8]> {
        match self {
            Wire::Plain { socket, window } => {
                let seen = socket.peek(window)?;
                Ok(&window[..seen])
            }
            Wire::Tls(stream) => stream.fill_buf(),
        }
    }

    fn take(&mut self, size: usize) -> io::Result<()> {
        match self {
            Wire::Plain { socket, window } => socket.read_exact(&mut window[..size]),
            Wire::Tls(stream) => {
                stream.consume(size);
                Ok(())
            }
        }
    }

    /// Waits until something of the next request has come; false when the client has closed.
    pub fn wait(&mut self) -> io::Result<bool> {
        Ok(!self.look()?.is_empty())
    }

    /// The next head; none when the client has closed.
    pub fn read_head(&mut self) -> io::Result<Option<Head>> {
        let mut head = Vec::new();
        loop {
            let before = head.len();
            let seen = self.look()?;
            if seen.is_empty() {
                return if before == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            head.extend_from_slice(seen);
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                head.truncate(end + 4);
                self.take(head.len() - before)?;
                return Head::parse(&head).map(Some);
            }
            if head.len() > HEAD_SIZE_MAX {
                return Err(io::Error::other("the head is over 32 KiB"));
            }
            self.take(head.len() - before)?;
        }
    }

    /// Reads exactly `size` bytes into `body`, at `bytes_per_s` at most when given.
    pub fn read_body(&mut self, body: &mut Vec<u8>, size: usize, bytes_per_s: Option<usize>) -> io::Result<()> {
        body.clear();
        body.resize(size, 0);
        let step = bytes_per_s.map_or(size.max(1), |rate| (rate / 20).max(1));
        for part in body.chunks_mut(step) {
            match self {
                Wire::Plain { socket, .. } => socket.read_exact(part)?,
                Wire::Tls(stream) => stream.read_exact(part)?,
            }
            if bytes_per_s.is_some() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Adds the last byte of a body without taking it off a plain socket, which [`Wire::reset`] needs.
    pub fn peek_last_byte(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        let last = *self.look()?.first().ok_or(io::ErrorKind::UnexpectedEof)?;
        body.push(last);
        Ok(())
    }

    /// Writes all of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Wire::Plain { socket, .. } => socket.write_all(bytes),
            Wire::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Whether the client has gone while we thought. It sends nothing before our answer; so on TLS anything that comes is its goodbye.
    pub fn client_left(&self) -> bool {
        let socket = self.socket();
        let mut byte = [0];
        let _ = socket.set_nonblocking(true);
        let seen = socket.peek(&mut byte);
        let _ = socket.set_nonblocking(false);
        match seen {
            Ok(size) => size == 0 || matches!(self, Wire::Tls(stream) if !stream.conn.is_handshaking()),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Ends the connection as a server in order does.
    pub fn close(mut self) {
        if let Wire::Tls(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Ends the connection rudely: a reset where bytes were left unread on a plain socket, an end without `close_notify` on TLS.
    pub fn reset(self) {
        drop(self);
    }
}

/// The head of a request. Header names are lower-case.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Head> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| bad("the head is not UTF-8"))?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let &[method, target, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>().as_slice() else { return Err(bad("no HTTP/1.1 request line")) };
        let mut headers = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Head { method: method.to_owned(), target: target.to_owned(), headers })
    }

    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The length of the body; none when the head names none or no number.
    pub fn content_length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }
}

/// An answer before it is written.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 512);
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if !self.headers.iter().any(|(name, value)| *name == "Transfer-Encoding" && value == "chunked") {
            let _ = write!(out, "Content-Length: {}\r\n\r\n", self.body.len());
            out.extend_from_slice(&self.body);
            return out;
        }
        out.extend_from_slice(b"\r\n");
        for chunk in self.body.chunks(100) {
            let _ = write!(out, "{:x}\r\n", chunk.len());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        411 => "Length Required",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unnamed",
    }
}
