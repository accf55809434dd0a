//! HTTP/1.1 to an AWS service: one request at a time, over one connection that is kept and used again. The only place that knows ureq.
//!
//! It follows no redirect, knows no status (each is an answer) and retries nothing, but for one case: a kept connection that the server had closed meanwhile, seen
//! before any byte of an answer, is replaced and the request sent again at once. An answer that is cut short is an error, never a short answer. Everything is
//! bounded: the answer's head and body before and after decoding, and the time without progress; there is no limit on the whole of a request's sending.

mod agent;
mod client_certificate;
mod counts;
mod date;
mod decode;
mod error;
mod resolver;
mod roots;
mod tls;
mod wire;
mod x509;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::{Agent, Proxy};

pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use counts::{HttpCounts, HttpMeter};
pub use date::parse_http_date;
pub use error::{HttpError, HttpErrorKind, TlsProblem};
pub use roots::HttpSetupError;

use crate::config::CaFile;
use crate::kinesis::classify::Head;
use crate::limits::REPLY_SIZE_MAX;
use crate::time::{Clock, TlsClock};
use counts::{Counts, add};
use decode::{Coding, DecodeError};
use resolver::Names;

/// Bytes of one header's value that are kept.
const VALUE_SIZE_MAX: usize = 200;
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// How requests are sent. [`HttpOptions::new`] has the product's values; tests shorten the times.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Trusted beside the built-in roots.
    pub ca_files: Vec<CaFile>,
    /// Trusted instead of the built-in roots and `ca_files`.
    pub only_roots: Option<CaFile>,
    /// Shown to a server that asks for one. Only for the one service that it is meant for.
    pub client_certificate: Option<ClientCertificate>,
    /// Tells how old a looked-up address is.
    pub clock: Clock,
    /// Tells TLS the time; keep a clone to correct it.
    pub tls_clock: Arc<TlsClock>,
    /// Whether there is a proxy. Never used for loopback.
    pub proxy: ProxyOption,
    /// Until a connection is there, after the name was looked up; the same again for TLS. Default 10 s.
    pub connect_timeout: Duration,
    /// Without a byte moving. Default 20 s.
    pub progress_timeout: Duration,
    /// For the answer's head, and again for its body, however they trickle. Default 4 min.
    pub answer_timeout: Duration,
    /// How long an unused connection is kept. Default 55 s: AWS closes after 60.
    pub idle_max: Duration,
    /// Bytes of an answer, before and after decoding. Default `REPLY_SIZE_MAX`.
    pub reply_size_max: usize,
    /// Which addresses may be connected to: a name that has another one too is refused (`address_not_allowed`). Default any.
    pub allowed: Option<fn(IpAddr) -> bool>,
}

/// Where a proxy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyOption {
    /// `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` (also in lower case) and `NO_PROXY`, read when the client is made.
    Environment,
    /// None, whatever the environment says: for metadata services.
    Never,
    /// This one, `http://host:port`.
    Url(String),
}

impl HttpOptions {
    /// The defaults.
    pub fn new(clock: Clock) -> HttpOptions {
        HttpOptions {
            ca_files: Vec::new(),
            only_roots: None,
            client_certificate: None,
            clock,
            tls_clock: Arc::new(TlsClock::new(clock)),
            proxy: ProxyOption::Environment,
            connect_timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(240),
            idle_max: Duration::from_secs(55),
            reply_size_max: REPLY_SIZE_MAX,
            allowed: None,
        }
    }
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// With a body.
    Put,
    /// With a body.
    Post,
}

/// What of an answer's head matters; its body is in the caller's buffer. Texts are at most 200 bytes of ASCII.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, whatever it is.
    pub status: u16,
    /// `x-amzn-ErrorType`.
    pub error_type: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Date`, since the Unix epoch; nothing for an answer out of a cache (`Age`).
    pub date: Option<Duration>,
    /// `x-amz-retry-after` in milliseconds, else `Retry-After` in seconds; at most 15 minutes.
    pub retry_after: Option<Duration>,
    /// `x-amzn-RequestId`: AWS's support asks for it.
    pub request_id: Option<String>,
}

impl Answer {
    /// For `kinesis::classify`.
    pub fn head(&self) -> Head<'_> {
        Head {
            status: self.status,
            error_type: self.error_type.as_deref(),
            content_type: self.content_type.as_deref(),
            retry_after: self.retry_after,
            date: self.date,
        }
    }

    fn of(status: u16, headers: &HeaderMap) -> Answer {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(|text| text[..text.len().min(VALUE_SIZE_MAX)].to_owned());
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let retry_after = number("x-amz-retry-after").map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs));
        Answer {
            status,
            error_type: text("x-amzn-errortype"),
            content_type: text("content-type"),
            date: text("date").filter(|_| !headers.contains_key("age")).as_deref().and_then(parse_http_date),
            retry_after: retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)),
            request_id: text("x-amzn-requestid"),
        }
    }
}

/// One request, maybe sent twice.
struct Call<'a> {
    method: Method,
    uri: &'a Uri,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

/// The client. Cheap to keep, not to be shared: one request at a time.
pub struct Http {
    direct: Agent,
    proxied: Option<(Agent, Proxy)>,
    counts: Arc<Counts>,
    names: Arc<Names>,
    reply_size_max: usize,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the agents: a proxy's URL may hold a password.
        f.debug_struct("Http").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Http {
    /// Reads the CA files and the proxy's variables; opens no connection.
    pub fn new(options: &HttpOptions) -> Result<Http, HttpSetupError> {
        let roots = roots::load(&options.ca_files, options.only_roots.as_ref())?;
        let tls = tls::config(roots, options.client_certificate.as_ref(), options.tls_clock.clone())
            .map_err(|error| HttpSetupError(format!("cannot set up TLS: {error}")))?;
        let proxy = match &options.proxy {
            ProxyOption::Environment => Proxy::try_from_env(),
            ProxyOption::Never => None,
            // Not the URL in the text: it may hold a password.
            ProxyOption::Url(url) => Some(Proxy::new(url).map_err(|_| HttpSetupError("not a proxy's URL, http://host:port is expected".into()))?),
        };
        let (tls, counts) = (Arc::new(tls), Arc::new(Counts::default()));
        let names = Arc::new(Names::new(options.clock, counts.clone(), options.allowed));
        let agent = |proxy| agent::build(options, proxy, &tls, &names, &counts);
        let direct = agent(None);
        let proxied = proxy.map(|proxy| (agent(Some(proxy.clone())), proxy));
        Ok(Http { direct, proxied, counts, names, reply_size_max: options.reply_size_max })
    }

    /// Posts `body` with `headers` (`host` among them, as it was signed) and reads the answer over `reply`, whose capacity is kept.
    pub fn post(&mut self, url: &str, headers: &[(&str, &str)], body: &[u8], reply: &mut Vec<u8>) -> Result<Answer, HttpError> {
        self.request(Method::Post, url, headers, body, reply)
    }

    /// Any request; the body of a GET is not sent.
    pub fn request(&mut self, method: Method, url: &str, headers: &[(&str, &str)], body: &[u8], reply: &mut Vec<u8>) -> Result<Answer, HttpError> {
        let invalid = || HttpError::new(HttpErrorKind::Unsendable, "invalid_url", "not an absolute http or https URL");
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(invalid());
        }
        let agent = self.agent_for(&uri)?;
        let (connects, answered) = (self.counts().connects, self.answered(&uri));
        let call = Call { method, uri: &uri, headers, body };
        let first = self.attempt(agent, &call, reply);
        let Err(mut error) = first else { return first };
        self.names.forget_all();
        let unconnected = matches!(error.kind, HttpErrorKind::Resolve | HttpErrorKind::Connect | HttpErrorKind::Tls(_) | HttpErrorKind::Unsendable);
        error.reused = !unconnected && self.counts().connects == connects;
        if !error.reused || error.kind != HttpErrorKind::Broken || self.answered(&uri) > answered {
            return Err(error);
        }
        // ureq has let go of the dead one and keeps no other: this one is fresh.
        add(&self.counts.reused_retries, 1);
        self.attempt(agent, &call, reply)
    }

    /// What the network has cost so far.
    pub fn counts(&self) -> HttpCounts {
        self.counts.read()
    }

    /// Tells another thread whether bytes move.
    pub fn meter(&self) -> HttpMeter {
        HttpMeter(self.counts.clone())
    }

    fn agent_for(&self, uri: &Uri) -> Result<&Agent, HttpError> {
        match &self.proxied {
            Some((agent, proxy)) if !is_loopback(uri) && !proxy.is_no_proxy(uri) => match proxy.protocol() {
                ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https => Ok(agent),
                // Going around it in silence would be worse.
                _ => Err(HttpError::new(
                    HttpErrorKind::Connect,
                    "proxy_unsupported",
                    "the proxy is a SOCKS proxy, only HTTP proxies (CONNECT) can be used",
                )),
            },
            _ => Ok(&self.direct),
        }
    }

    /// A count that has risen if a byte of an answer has come.
    fn answered(&self, uri: &Uri) -> u64 {
        let counter = if uri.scheme_str() == Some("https") { &self.counts.decrypted } else { &self.counts.bytes_in };
        counter.load(Ordering::Relaxed)
    }

    fn attempt(&self, agent: &Agent, call: &Call<'_>, reply: &mut Vec<u8>) -> Result<Answer, HttpError> {
        reply.clear();
        let sent = match call.method {
            Method::Get => call.headers.iter().fold(agent.get(call.uri), |request, (name, value)| request.header(*name, *value)).call(),
            Method::Put => call.headers.iter().fold(agent.put(call.uri), |request, (name, value)| request.header(*name, *value)).send(call.body),
            Method::Post => call.headers.iter().fold(agent.post(call.uri), |request, (name, value)| request.header(*name, *value)).send(call.body),
        };
        let (head, mut answer_body) = sent.map_err(HttpError::from_ureq)?.into_parts();
        let answer = Answer::of(head.status.as_u16(), &head.headers);
        let too_large = || {
            let text = format!("the answer (status {}) has more than {} bytes", answer.status, self.reply_size_max);
            HttpError::new(HttpErrorKind::ReplyTooLarge, "reply_too_large", &text)
        };
        if answer_body.content_length().is_some_and(|size| size > self.reply_size_max as u64) {
            return Err(too_large());
        }
        decode::read_bounded(answer_body.as_reader(), reply, self.reply_size_max).map_err(HttpError::from_read)?;
        if reply.len() > self.reply_size_max {
            return Err(too_large());
        }
        let coding = head.headers.get("content-encoding").map(|value| value.to_str().unwrap_or("?"));
        let garbage = |text: &str| HttpError::new(HttpErrorKind::Garbage, "undecodable_reply", text);
        match Coding::of(coding) {
            None => Err(garbage(&format!("the answer is coded as {}, which was not asked for", coding.unwrap_or_default()))),
            Some(coding) => match coding.decode(reply, self.reply_size_max) {
                Ok(()) => Ok(answer),
                Err(DecodeError::TooLarge) => Err(too_large()),
                Err(DecodeError::Garbage(error)) => Err(garbage(&format!("the answer cannot be decoded: {error}"))),
            },
        }
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}
