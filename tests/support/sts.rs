//! A loopback STS: a listener on 127.0.0.1 that takes one request at a time, tells a judge of the test's what it was asked, and answers what that says.
//! It keeps the account of all that it was asked, computes signatures a second time, and stops when dropped.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::calendar;
use super::http::{Answer, Head, Wire};
use super::signature::{self, Key};

/// Bytes of a form: a token of 20,000 and what is around it.
const BODY_SIZE_MAX: usize = 128 << 10;

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Counted from 0.
    pub number: usize,
    pub head: Head,
    pub body: Vec<u8>,
    /// The form, decoded.
    pub form: BTreeMap<String, String>,
}

/// What becomes of it.
pub enum Reply {
    Answer(Answer),
    /// After so long.
    Late(Duration, Answer),
    /// These bytes, and the connection's end.
    Raw(Vec<u8>),
}

impl Asked {
    fn new(number: usize, head: Head, body: Vec<u8>) -> Asked {
        let text = String::from_utf8_lossy(&body).into_owned();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let form = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
        Asked { number, head, body, form }
    }

    /// A member of the form, empty when it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// Whether exactly this was signed by `key` for STS in `region`.
    pub fn is_signed_by(&self, key: &Key, region: &str) -> bool {
        let Some(given) = self.head.header("authorization") else { return false };
        let names = given.split_once("SignedHeaders=").map_or("", |(_, rest)| rest.split(',').next().unwrap_or_default());
        let headers: Vec<(&str, &str)> = names.split(';').filter_map(|name| Some((name, self.head.header(name)?))).collect();
        let all = ["content-type", "host", "x-amz-date"].iter().all(|must| headers.iter().any(|(name, _)| name == must));
        let token = self.head.header("x-amz-security-token") == key.token.as_deref();
        all && token && signature::sign(key, (region, "sts"), "POST", &self.head.target, &headers, &self.body) == given
    }

    /// The answer that gives `key` for so many seconds, by a clock that is so many ahead of this machine's. An expiry has microseconds, as moto's.
    pub fn granted(&self, key: &Key, lifetime_s: i64, ahead_s: i64) -> Answer {
        let (action, now_s) = (self.get("Action"), calendar::now_s() + ahead_s);
        let amz = calendar::amz(now_s + lifetime_s);
        let (day, time) = (&amz[..8], &amz[9..15]);
        let expiration = format!("{}-{}-{}T{}:{}:{}.963009Z", &day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..]);
        let credentials = format!(
            "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials>",
            key.access_key,
            key.secret_key,
            key.token.as_deref().unwrap_or_default()
        );
        let body = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{credentials}</{action}Result></{action}Response>"
        );
        Answer::new(200, "text/xml", body).with("Date", calendar::http(now_s))
    }
}

/// STS's own words for a refusal.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    \
         <Message>{message}</Message>\n  </Error>\n  <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>\n</ErrorResponse>\n"
    );
    Answer::new(status, "text/xml", body)
}

/// A running STS.
pub struct Sts {
    address: SocketAddr,
    account: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Sts {
    /// Starts on a free port; `judge` is asked for each request.
    pub fn start(judge: impl FnMut(&Asked) -> Reply + Send + 'static) -> Sts {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (account, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let accepting = std::thread::spawn({
            let (account, stop, mut judge) = (account.clone(), stop.clone(), judge);
            move || {
                for socket in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    // A client that leaves in the middle is its own affair.
                    let _ = socket.and_then(|socket| serve(socket, &account, &mut judge));
                }
            }
        });
        Sts { address, account, stop, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// All that was asked so far.
    pub fn account(&self) -> Vec<Asked> {
        self.account.lock().unwrap().clone()
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(socket: TcpStream, account: &Mutex<Vec<Asked>>, judge: &mut dyn FnMut(&Asked) -> Reply) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut wire = Wire::plain(socket);
    let (Some(head), mut body) = (wire.read_head()?, Vec::new()) else { return Ok(()) };
    let size = head.content_length().filter(|size| *size <= BODY_SIZE_MAX).ok_or(std::io::ErrorKind::InvalidData)?;
    wire.read_body(&mut body, size, None)?;
    let asked = {
        let mut account = account.lock().unwrap();
        let asked = Asked::new(account.len(), head, body);
        account.push(asked.clone());
        asked
    };
    let answer = match judge(&asked) {
        Reply::Raw(bytes) => bytes,
        Reply::Answer(answer) => answer.with("Connection", "close").to_bytes(),
        Reply::Late(wait, answer) => {
            std::thread::sleep(wait);
            answer.with("Connection", "close").to_bytes()
        }
    };
    wire.write(&answer)?;
    wire.close();
    Ok(())
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).expect("two digits after a percent sign");
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(bytes.next()) * 16 + digit(bytes.next())).unwrap(),
            byte => byte,
        });
    }
    String::from_utf8(out).unwrap()
}
