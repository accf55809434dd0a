//! HTTP as a user's network treats it, against servers of a few lines each on loopback: connections that die, answers that are cut, slow, coded, huge or not HTTP,
//! redirects and proxies.

#![allow(clippy::unwrap_used)]

mod aws_server;

use std::io::{self, Write};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::Duration;

use aws_server::{HEADERS, Handler, Server, answering, client, ok, options, post, read_request};
use kinegraf::aws::http::{Answer, Http, HttpError, HttpErrorKind, HttpOptions, ProxyOption};
use kinegraf::kinesis::outcome::Class;

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
    sleep(Duration::from_millis(300));
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

/// A client that waits 300 ms for progress.
fn impatient() -> Http {
    Http::new(&HttpOptions { progress_timeout: Duration::from_millis(300), ..options() }).unwrap()
}

#[test]
fn a_server_that_says_nothing_times_out() {
    let silent: Handler = Box::new(|stream| {
        read_request(stream);
        sleep(Duration::from_millis(1500));
    });
    let server = Server::start(vec![silent]);
    let error = post(&mut impatient(), &server.url()).unwrap_err();
    assert_eq!((error.kind, error.to_failure().class), (HttpErrorKind::TimedOut, Class::TimedOut), "{error}");
    assert!(error.text.contains("waiting for the answer"), "{error}");
}

#[test]
fn a_server_that_does_not_read_times_out() {
    let deaf: Handler = Box::new(|_| sleep(Duration::from_millis(1500)));
    let server = Server::start(vec![deaf]);
    let error = impatient().post(&server.url(), &HEADERS, &vec![b'x'; 32 << 20], &mut Vec::new()).unwrap_err();
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
fn an_interim_answer_that_comes_with_a_large_final_one_is_passed_over() {
    let body = "x".repeat(100_000);
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let server = Server::start(vec![answering([interim.as_bytes(), &ok(&body)].concat())]);
    let (answer, read) = post(&mut client(), &server.url()).unwrap();
    assert_eq!((answer.status, read.len()), (200, body.len()));
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
