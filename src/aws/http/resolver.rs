//! Names to addresses, asked only when a connection is really opened.
//!
//! ureq asks its resolver before every request, also for a connection that it then reuses; so the resolver that it is given answers nothing, and the connector
//! asks [`Names`]. A lookup blocks the calling thread (one at a time, never a thread of its own), its answer is remembered for a minute, and when a later lookup
//! fails, the addresses that last took a connection are used instead: TLS still proves who is there. A failed connection forgets the minute, not the address.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::counts::{Counts, add};
use super::error::HttpErrorKind;
use super::error::Unconnected;
use crate::time::Clock;

/// How long an answer is believed.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Names that are remembered: the endpoint, a proxy, and later the sources of credentials.
const NAMES_MAX: usize = 8;
/// Addresses of one name that are tried. ureq takes 16 at most.
const ADDRESSES_MAX: usize = 8;

/// How a name is looked up; another one in tests.
pub(super) type Lookup = dyn Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync;

/// What is known of names.
pub(super) struct Names {
    clock: Clock,
    counts: Arc<Counts>,
    lookup: Box<Lookup>,
    allowed: Option<fn(IpAddr) -> bool>,
    // Held during a lookup: two never run at once.
    known: Mutex<Vec<Known>>,
}

struct Known {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    /// On the monotonic clock; nothing once a connection has failed.
    looked_up: Option<Duration>,
    /// The addresses of the last lookup after which a connection was made.
    good: Vec<SocketAddr>,
}

impl Names {
    pub(super) fn new(clock: Clock, counts: Arc<Counts>, allowed: Option<fn(IpAddr) -> bool>) -> Names {
        let lookup = |host: &str, port| Ok((host, port).to_socket_addrs()?.take(ADDRESSES_MAX).collect());
        Names { allowed, ..Names::with_lookup(clock, counts, Box::new(lookup)) }
    }

    pub(super) fn with_lookup(clock: Clock, counts: Arc<Counts>, lookup: Box<Lookup>) -> Names {
        Names { clock, counts, lookup, allowed: None, known: Mutex::new(Vec::new()) }
    }

    /// At least one address of the URI's host, and none that is not allowed: what is connected to is what was looked at.
    pub(super) fn addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, Unconnected> {
        let addresses = self.look_up(uri)?;
        match addresses.iter().find(|address| self.allowed.is_some_and(|allowed| !allowed(address.ip().to_canonical()))) {
            None => Ok(addresses),
            Some(other) => {
                let text = format!("{} is {}, which may not be connected to", uri.host().unwrap_or_default(), other.ip());
                Err(Unconnected::new(HttpErrorKind::Unsendable, "address_not_allowed", &text))
            }
        }
    }

    fn look_up(&self, uri: &Uri) -> Result<Vec<SocketAddr>, Unconnected> {
        let (host, port) = host_and_port(uri).ok_or_else(|| Unconnected::new(HttpErrorKind::Unsendable, "invalid_url", "the URL has no host"))?;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let now = self.clock.now().mono;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|name| name.host == host && name.port == port);
        if let Some(name) = at.map(|at| &known[at])
            && name.looked_up.is_some_and(|then| now < then + REMEMBERED)
        {
            return Ok(name.addresses.clone());
        }
        add(&self.counts.lookups, 1);
        match (self.lookup)(host, port) {
            Ok(addresses) if !addresses.is_empty() => {
                let good = at.map(|at| known.swap_remove(at).good).unwrap_or_default();
                if known.len() >= NAMES_MAX {
                    known.remove(0);
                }
                known.push(Known { host: host.to_owned(), port, addresses: addresses.clone(), looked_up: Some(now), good });
                Ok(addresses)
            }
            result => match at.map(|at| &known[at].good) {
                Some(good) if !good.is_empty() => Ok(good.clone()),
                _ => Err(not_found(host, result.err())),
            },
        }
    }

    /// A connection to one of them was made.
    pub(super) fn connected(&self, uri: &Uri) {
        self.with(uri, |name| {
            if name.looked_up.is_some() {
                name.good.clone_from(&name.addresses);
            }
        });
    }

    /// A connection could not be made or broke: look the name up again before the next one.
    pub(super) fn forget(&self, uri: &Uri) {
        self.with(uri, |name| name.looked_up = None);
    }

    /// The same for every name.
    pub(super) fn forget_all(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(|name| name.looked_up = None);
    }

    fn with(&self, uri: &Uri, change: impl FnOnce(&mut Known)) {
        let Some((host, port)) = host_and_port(uri) else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.iter_mut().find(|name| name.host == host && name.port == port) {
            change(name);
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// Host without brackets, and the port or the scheme's own.
fn host_and_port(uri: &Uri) -> Option<(&str, u16)> {
    let port = uri.port_u16().or(match uri.scheme_str()? {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    })?;
    Some((uri.host()?.trim_matches(['[', ']']), port))
}

fn not_found(host: &str, error: Option<std::io::Error>) -> Unconnected {
    // The C libraries' words for a name that does not exist, as opposed to a server that does not answer.
    const NOT_FOUND: [&str; 4] = ["not known", "does not resolve", "no usable address", "No address associated"];
    let text = error.map_or_else(|| "no address".to_owned(), |error| error.to_string());
    let code = if NOT_FOUND.iter().any(|words| text.contains(words)) { "name_not_found" } else { "name_lookup_failed" };
    Unconnected::new(HttpErrorKind::Resolve, code, &format!("cannot look up {host}: {text}"))
}

/// The resolver that ureq is given; see the head of this file.
#[derive(Debug)]
pub(super) struct AskedLater;

impl Resolver for AskedLater {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn names(dns_is_up: Arc<AtomicBool>) -> Names {
        let lookup = move |_: &str, port| match dns_is_up.load(Ordering::Relaxed) {
            true => Ok(vec![SocketAddr::from(([127, 0, 0, 7], port))]),
            false => Err(std::io::Error::other("Temporary failure in name resolution")),
        };
        Names::with_lookup(Clock::new(), Arc::new(Counts::default()), Box::new(lookup))
    }

    #[test]
    fn a_literal_address_is_never_looked_up() {
        let names = names(Arc::new(AtomicBool::new(false)));
        assert_eq!(names.addresses(&Uri::from_static("http://[::1]:4567/")).unwrap(), ["[::1]:4567".parse().unwrap()]);
        assert_eq!(names.addresses(&Uri::from_static("https://127.0.0.1/")).unwrap(), ["127.0.0.1:443".parse().unwrap()]);
        assert_eq!(names.counts.read().lookups, 0);
    }

    #[test]
    fn an_answer_is_remembered_until_a_connection_fails_and_the_good_address_beyond_that() {
        let up = Arc::new(AtomicBool::new(true));
        let (names, uri) = (names(up.clone()), Uri::from_static("https://kinesis.test/"));
        let address: SocketAddr = "127.0.0.7:443".parse().unwrap();
        assert_eq!(names.addresses(&uri).unwrap(), [address]);
        names.connected(&uri);
        assert_eq!(names.addresses(&uri).unwrap(), [address]);
        assert_eq!(names.counts.read().lookups, 1);
        names.forget(&uri);
        up.store(false, Ordering::Relaxed);
        assert_eq!(names.addresses(&uri).unwrap(), [address]);
        assert_eq!(names.counts.read().lookups, 2);
        up.store(true, Ordering::Relaxed);
        names.forget_all();
        assert_eq!(names.addresses(&uri).unwrap(), [address]);
        assert_eq!(names.counts.read().lookups, 3);
    }

    #[test]
    fn a_name_with_one_address_that_is_not_allowed_is_refused() {
        let lookup = |host: &str, port| {
            let mut addresses = vec![SocketAddr::from(([127, 0, 0, 7], port))];
            addresses.extend((host == "both.test").then(|| SocketAddr::from(([192, 0, 2, 7], port))));
            Ok(addresses)
        };
        let names = Names::with_lookup(Clock::new(), Arc::new(Counts::default()), Box::new(lookup));
        let names = Names { allowed: Some(|address| address.is_loopback()), ..names };
        for allowed in ["http://loopback.test/", "http://127.0.0.1/", "http://[::1]:80/", "http://[::ffff:127.0.0.1]/"] {
            assert!(names.addresses(&allowed.parse().unwrap()).is_ok(), "{allowed}");
        }
        for refused in ["http://both.test/", "http://192.0.2.7/", "http://[::ffff:192.0.2.7]/"] {
            assert_eq!(names.addresses(&refused.parse().unwrap()).unwrap_err().code, "address_not_allowed", "{refused}");
        }
    }

    #[test]
    fn a_name_that_never_took_a_connection_fails_with_its_lookup() {
        let up = Arc::new(AtomicBool::new(true));
        let (names, uri) = (names(up.clone()), Uri::from_static("https://kinesis.test/"));
        names.addresses(&uri).unwrap();
        names.forget(&uri);
        up.store(false, Ordering::Relaxed);
        let error = names.addresses(&uri).unwrap_err();
        assert_eq!((error.kind, error.code), (HttpErrorKind::Resolve, "name_lookup_failed"));
        assert!(error.text.contains("kinesis.test") && error.text.contains("Temporary failure"), "{}", error.text);
    }

    #[test]
    fn more_names_than_are_remembered_do_no_harm() {
        let names = names(Arc::new(AtomicBool::new(true)));
        for i in 0..50 {
            names.addresses(&format!("https://host-{i}.test/").parse().unwrap()).unwrap();
        }
        assert_eq!(names.known.lock().unwrap().len(), NAMES_MAX);
    }
}
