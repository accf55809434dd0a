//! A fake of the services that give keys for the asking: EC2's instance metadata, version 2, and the container endpoint, on one address. It insists on
//! what the real ones insist on (a token by PUT with a time to live, a token that is still valid, `Authorization`), keeps an account of what it was asked, and
//! misbehaves when told to. Written from the public descriptions; boto3 finds its keys in it too (`tests/emulators/run metadata`).

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::{Answer, Head, Wire};
use super::{Key, calendar};

/// The role of the instance.
pub const ROLE: &str = "kinegraf-edge";
/// Where a container's keys are.
pub const CONTAINER_PATH: &str = "/v2/credentials/6b2f0f5e-8b0a-4c3e-9d55-0e2a7c1d9f11";
/// Where Greengrass's token exchange has them.
pub const GREENGRASS_PATH: &str = "/2016-11-01/credentialprovider/";
const ROLES_PATH: &str = "/latest/meta-data/iam/security-credentials/";
/// The real service's answer for what it does not have.
const NOT_FOUND: &str = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>404 - Not Found</title></head></html>\n";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Token,
    Roles,
    Keys,
    Container,
}

/// What happens instead of a good answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Status, content type, body.
    Answer(u16, &'static str, String),
    /// A good answer, only later.
    Slow(Duration),
    /// A good answer whose bytes trickle, one each 100 ms.
    Trickle,
    /// Nothing, ever.
    Silence,
    /// The connection ends instead.
    Close,
    /// Half of the good answer, and the end of the connection.
    Truncated,
    /// More than anybody wants to read.
    Huge,
    /// A redirect to this URL.
    Redirect(String),
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: Head,
    pub step: Option<Step>,
    /// Since the start.
    pub at: Duration,
}

/// What the service has, and how it behaves.
#[derive(Debug)]
pub struct State {
    pub key: Key,
    /// Seconds until the keys expire, as said in each answer.
    pub lifetime_s: i64,
    /// None: the instance has no role.
    pub role: Option<String>,
    /// `Code` of EC2's document.
    pub code: String,
    /// What the container must say in `Authorization`.
    pub authorization: Option<String>,
    /// Whether a container's answer has its names in lower case, as no AWS service but some replacements have.
    pub lower_case: bool,
    /// The next answers to each step, the first first; good ones when there is none left.
    pub troubles: VecDeque<(Step, Trouble)>,
    /// Tokens that are valid.
    tokens: Vec<String>,
    issued: u64,
    asked: Vec<Asked>,
}

impl State {
    /// From now on none of the tokens that were given is good.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }
}

/// A running fake.
pub struct Metadata {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    sockets: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
    start: Instant,
}

impl Metadata {
    /// On a free port of loopback, with these keys.
    pub fn start(key: Key) -> Metadata {
        Metadata::start_at(TcpListener::bind(("127.0.0.1", 0)).unwrap(), key)
    }

    /// Where somebody else listens already.
    pub fn start_at(listener: TcpListener, key: Key) -> Metadata {
        let state = State {
            key,
            lifetime_s: 6 * 3600,
            role: Some(ROLE.to_owned()),
            code: "Success".to_owned(),
            authorization: None,
            lower_case: false,
            troubles: VecDeque::new(),
            tokens: Vec::new(),
            issued: 0,
            asked: Vec::new(),
        };
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { state: Mutex::new(state), sockets: Mutex::default(), stop: AtomicBool::new(false), start: Instant::now() });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&shared, &listener)
        });
        Metadata { shared, address, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what it has or does.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state());
    }

    /// Answers this step so, that often, before it is good again.
    pub fn trouble(&self, step: Step, times: usize, trouble: Trouble) {
        self.shared.state().troubles.extend(std::iter::repeat_n((step, trouble), times));
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// Which steps were asked, in their order.
    pub fn steps(&self) -> Vec<Step> {
        self.asked().iter().filter_map(|asked| asked.step).collect()
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut threads = Vec::new();
    for socket in listener.incoming() {
        if shared.stopping() {
            break;
        }
        let Ok(socket) = socket else { continue };
        let Ok(twin) = socket.try_clone() else { continue };
        shared.sockets.lock().unwrap().push(twin);
        let shared = shared.clone();
        threads.push(std::thread::spawn(move || drop(serve(&shared, socket))));
    }
    for socket in shared.sockets.lock().unwrap().drain(..) {
        let _ = socket.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn serve(shared: &Shared, socket: TcpStream) -> std::io::Result<()> {
    let mut raw = socket.try_clone()?;
    let mut wire = Wire::plain(socket);
    while let Some(head) = wire.read_head()? {
        wire.read_body(&mut Vec::new(), head.content_length().unwrap_or(0).min(64 << 10), None)?;
        let (answer, trouble) = shared.state().answer(&head, shared.start.elapsed());
        match trouble {
            None => wire.write(&answer.to_bytes())?,
            Some(Trouble::Answer(status, kind, body)) => wire.write(&Answer::new(status, kind, body).to_bytes())?,
            Some(Trouble::Redirect(url)) => wire.write(&Answer::new(302, "text/html", "moved").with("Location", url).to_bytes())?,
            Some(Trouble::Huge) => wire.write(&Answer::new(200, "text/plain", vec![b'x'; 1 << 20]).to_bytes())?,
            Some(Trouble::Slow(time)) => {
                std::thread::sleep(time);
                wire.write(&answer.to_bytes())?;
            }
            Some(Trouble::Trickle) => {
                for byte in answer.to_bytes() {
                    raw.write_all(&[byte])?;
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            Some(Trouble::Silence) => drop(wire.wait()?),
            Some(Trouble::Close) => break,
            Some(Trouble::Truncated) => {
                let bytes = answer.to_bytes();
                let end = bytes.len() - answer.body.len() / 2 - 1;
                wire.write(&bytes[..end])?;
                break;
            }
        }
    }
    wire.socket().shutdown(Shutdown::Both)
}

impl State {
    fn answer(&mut self, head: &Head, at: Duration) -> (Answer, Option<Trouble>) {
        let step = match (head.method.as_str(), head.target.split('?').next().unwrap_or_default()) {
            ("PUT", "/latest/api/token") => Some(Step::Token),
            ("GET", ROLES_PATH) => Some(Step::Roles),
            ("GET", target) if target.starts_with(ROLES_PATH) => Some(Step::Keys),
            ("GET", CONTAINER_PATH | GREENGRASS_PATH) => Some(Step::Container),
            _ => None,
        };
        self.asked.push(Asked { head: head.clone(), step, at });
        let next = self.troubles.iter().position(|(of, _)| Some(*of) == step);
        let trouble = next.and_then(|next| self.troubles.remove(next)).map(|(_, trouble)| trouble);
        let answer = match step {
            Some(Step::Token) => self.token(head),
            Some(Step::Container) => self.container(head),
            _ if !head.header("x-aws-ec2-metadata-token").is_some_and(|token| self.tokens.iter().any(|valid| valid == token)) => {
                Answer::new(401, "text/html", "401 - Unauthorized")
            }
            Some(Step::Roles) => self.role.clone().map_or_else(not_found, |role| Answer::new(200, "text/plain", role)),
            Some(Step::Keys) if self.role.as_deref() == head.target.strip_prefix(ROLES_PATH) => Answer::new(200, "text/plain", self.keys()),
            _ => not_found(),
        };
        (answer.with("Server", "EC2ws").with("Date", calendar::http(calendar::now_s())), trouble)
    }

    fn token(&mut self, head: &Head) -> Answer {
        let ttl = head.header("x-aws-ec2-metadata-token-ttl-seconds").and_then(|ttl| ttl.parse::<u32>().ok());
        // The real one refuses what came through a proxy.
        if head.header("x-forwarded-for").is_some() {
            return Answer::new(403, "text/html", "403 - Forbidden");
        }
        match ttl.filter(|ttl| (1..=21_600).contains(ttl)) {
            None => Answer::new(400, "text/html", "400 - Bad Request"),
            Some(ttl) => {
                self.issued += 1;
                let token = format!("AQAE{:048}-_==", self.issued);
                self.tokens.push(token.clone());
                Answer::new(200, "text/plain", token).with("x-aws-ec2-metadata-token-ttl-seconds", ttl.to_string())
            }
        }
    }

    fn keys(&self) -> String {
        let (expiration, Key { access_key, secret_key, token }) = (self.expiration(), &self.key);
        if self.code != "Success" {
            return format!(r#"{{"Code": "{}", "Message": "what EC2 says of it", "LastUpdated": "{expiration}"}}"#, self.code);
        }
        format!(
            "{{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2026-11-22T03:17:00Z\",\n  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"{access_key}\",\n  \
             \"SecretAccessKey\" : \"{secret_key}\",\n  \"Token\" : \"{}\",\n  \"Expiration\" : \"{expiration}\"\n}}",
            token.as_deref().unwrap_or_default()
        )
    }

    fn container(&self, head: &Head) -> Answer {
        if self.authorization.as_deref() != head.header("authorization") {
            return Answer::new(401, "application/json", r#"{"Code":"AccessDeniedException","Message":"the token is not the container's"}"#);
        }
        let Key { access_key, secret_key, token } = &self.key;
        let names = ["RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
        let role = "arn:aws:iam::123456789012:role/kinegraf-edge";
        let values = [role, access_key, secret_key, token.as_deref().unwrap_or_default(), &self.expiration()];
        let parts: Vec<String> = names
            .iter()
            .zip(values)
            .map(|(name, value)| {
                let name = if self.lower_case { name.to_lowercase() } else { (*name).to_owned() };
                // Escaped slashes, as several JSON writers have them.
                format!("\"{name}\":\"{}\"", value.replace('/', "\\/"))
            })
            .collect();
        Answer::new(200, "application/json", format!("{{{}}}", parts.join(",")))
    }

    /// As RFC 3339.
    fn expiration(&self) -> String {
        let amz = calendar::amz(calendar::now_s() + self.lifetime_s);
        format!("{}-{}-{}T{}:{}:{}Z", &amz[..4], &amz[4..6], &amz[6..8], &amz[9..11], &amz[11..13], &amz[13..15])
    }
}

fn not_found() -> Answer {
    Answer::new(404, "text/html", NOT_FOUND)
}

/// An address that takes no connection and refuses none: the queue of a listener that never accepts is full, so what knocks hears nothing. That is how
/// 169.254.169.254 looks from most networks.
pub struct Blackhole {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    pub fn start() -> Blackhole {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        // 128 fit into the queue of std's listeners, and one more; elsewhere the system has its own bound.
        while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(socket);
            assert!(queue.len() < 10_000, "the queue of a listener has no end here");
        }
        Blackhole { listener, _queue: queue }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}
