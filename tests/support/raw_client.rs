//! The smallest client that can speak to the loopback Kinesis, for tests of the server itself: it signs with our own second signature and lets every
//! part of a request be spoilt. It never retries.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::signature::{self, Key};
use super::{REGION, STREAM, Server, calendar};

/// A request before it is signed.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub key: Key,
    pub region: &'static str,
    pub service: &'static str,
    /// Seconds since the epoch.
    pub time_s: i64,
    pub content_type: &'static str,
    pub target: &'static str,
    pub body: Vec<u8>,
    /// Put into the head unsigned, after signing.
    pub more_headers: Vec<(&'static str, String)>,
}

impl Request {
    /// A good request with these records.
    pub fn records(records: &[(&str, &[u8])]) -> Request {
        Request::to(STREAM, records)
    }

    pub fn to(stream: &str, records: &[(&str, &[u8])]) -> Request {
        let entry =
            |(key, data): &(&str, &[u8])| format!(r#"{{"Data":"{}","PartitionKey":{}}}"#, STANDARD.encode(data), serde_json::Value::from(*key));
        let entries: Vec<String> = records.iter().map(entry).collect();
        Request::body(format!(r#"{{"StreamName":"{stream}","Records":[{}]}}"#, entries.join(",")))
    }

    pub fn body(body: impl Into<Vec<u8>>) -> Request {
        Request {
            method: "POST",
            key: Key::default(),
            region: REGION,
            service: "kinesis",
            time_s: calendar::now_s(),
            content_type: super::service::JSON,
            target: "Kinesis_20131202.PutRecords",
            body: body.into(),
            more_headers: Vec::new(),
        }
    }

    /// Signs it for a host and spells it.
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let time = calendar::amz(self.time_s);
        let mut headers = vec![("content-type", self.content_type), ("host", host), ("x-amz-date", &time), ("x-amz-target", self.target)];
        if let Some(token) = &self.key.token {
            headers.push(("x-amz-security-token", token));
        }
        let authorization = signature::sign(&self.key, (self.region, self.service), self.method, "/", &headers, &self.body);
        let mut out = format!("{} / HTTP/1.1\r\nAuthorization: {authorization}\r\n", self.method).into_bytes();
        for (name, value) in &headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        for (name, value) in &self.more_headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
        out
    }
}

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `__type` of an error answer.
    pub fn code(&self) -> String {
        self.json()["__type"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One plain connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub fn open(server: &Server) -> Connection {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Connection { stream: BufReader::new(stream), host: server.address().to_string() }
    }

    /// Sends a request and reads its answer.
    pub fn send(&mut self, request: &Request) -> io::Result<Reply> {
        let bytes = request.to_bytes(&self.host);
        self.send_bytes(&bytes)
    }

    /// Sends any bytes and reads an answer.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<Reply> {
        self.stream.get_mut().write_all(bytes)?;
        read_reply(&mut self.stream)
    }

    /// The socket, to be impolite with.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

/// One request on a connection of its own.
pub fn send(server: &Server, request: &Request) -> io::Result<Reply> {
    Connection::open(server).send(request)
}

/// Reads one answer with a length; an early end is an error.
pub fn read_reply(stream: &mut impl BufRead) -> io::Result<Reply> {
    let mut reply = Reply::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => reply.headers.push((name.to_owned(), value.trim().to_owned())),
            None if line.starts_with("HTTP/1.1 ") => reply.status = line[9..12].parse().map_err(io::Error::other)?,
            None => break,
        }
    }
    if reply.header("transfer-encoding") == Some("chunked") {
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            reply.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(reply);
            }
        }
    }
    let size = reply.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    reply.body.resize(size, 0);
    stream.read_exact(&mut reply.body)?;
    Ok(reply)
}
