//! The loopback Kinesis: a listener on 127.0.0.1, a thread a connection (at most 64), and what tests ask of it.
//! It stops when dropped: connections are shut down and every thread is joined.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::fault::{Coming, Conditions, Fault, Plan};
use super::http::{Answer, Wire};
use super::log::{Counts, Exchange, Log, Stored};
use super::service::{self, Entry, Service, ShardRates, Stream};
use super::signature::{Key, Standing};
use super::tls::{Certificate, Tls};
use super::{REGION, STREAM, TempDir, connection, limits, lines};

const CONNECTIONS_MAX: usize = 64;

/// What is kept of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// All of it.
    #[default]
    All,
    /// Only counts; bodies are not even parsed. For memory and speed.
    Counts,
}

/// How a server starts. What is not given is good: plain HTTP, one stream, one key, no faults.
pub struct Options {
    pub tls: Option<Certificate>,
    pub region: &'static str,
    pub keys: Vec<Key>,
    pub streams: Vec<(&'static str, Stream)>,
    /// Bytes of one request, data and keys.
    pub request_size_max: usize,
    pub check_signature: bool,
    pub plan: Plan,
    pub conditions: Conditions,
    pub store: Store,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tls: None,
            region: REGION,
            keys: vec![Key::default()],
            streams: vec![(STREAM, Stream::default())],
            request_size_max: limits::REQUEST_SIZE_MAX,
            check_signature: true,
            plan: Plan::Good,
            conditions: Conditions::default(),
            store: Store::All,
        }
    }
}

impl Options {
    pub fn plan(plan: Plan) -> Options {
        Options { plan, ..Options::default() }
    }

    pub fn tls(certificate: Certificate) -> Options {
        Options { tls: Some(certificate), ..Options::default() }
    }
}

/// A running loopback Kinesis.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
    tls: Option<Tls>,
    _dir: TempDir,
}

impl Server {
    /// Starts on a free port.
    pub fn start(options: Options) -> Server {
        let dir = TempDir::new();
        let tls = options.tls.map(|certificate| Tls::new(certificate, &dir));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service {
            region: options.region.to_owned(),
            keys: options.keys.into_iter().map(|key| (key, Standing::Good)).collect(),
            streams: options.streams.into_iter().map(|(name, stream)| (name.to_owned(), stream)).collect(),
            request_size_max: options.request_size_max,
            check_signature: options.check_signature,
            clock_ahead_s: 0,
            conditions: options.conditions,
        };
        let shared = Arc::new(Shared {
            service: Mutex::new(Arc::new(service)),
            plan: Mutex::new(options.plan),
            log: Mutex::default(),
            rates: Mutex::default(),
            sockets: Mutex::default(),
            store: options.store,
            start: Instant::now(),
            stop: AtomicBool::new(false),
            next_number: AtomicU64::new(0),
            writing: AtomicU64::new(0),
        });
        let config = tls.as_ref().map(|tls| tls.config.clone());
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&shared, &listener, config.as_ref())
        });
        Server { shared, address, accepting: Some(accepting), tls, _dir: dir }
    }

    /// `http://127.0.0.1:PORT` or `https://…`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The PEM file of the root that signed the certificate. Only with TLS.
    pub fn ca_file(&self) -> &Path {
        &self.tls.as_ref().expect("the server was started with a certificate").ca_file
    }

    /// Plans anew; scripts go on counting from the server's first request.
    pub fn set_plan(&self, plan: Plan) {
        *self.shared.plan.lock().unwrap() = plan;
    }

    /// Changes what the service knows: keys and their standing, streams, clock, conditions.
    pub fn change(&self, change: impl FnOnce(&mut Service)) {
        change(Arc::make_mut(&mut self.shared.service.lock().unwrap()));
    }

    /// Puts the server's clock ahead of this machine's.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.change(|service| service.clock_ahead_s = seconds);
    }

    /// Closes every open connection, as an idle server does; new ones are welcome.
    pub fn drop_connections(&self) {
        self.shared.shut_sockets();
    }

    pub fn counts(&self) -> Counts {
        self.shared.log().counts.clone()
    }

    /// The account so far, by request number, with every exchange whose answer has been read.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut exchanges = self.shared.settled_log().exchanges.clone();
        exchanges.sort_by_key(|exchange| exchange.number);
        exchanges
    }

    /// The stream's records in the order of storing.
    pub fn records(&self, stream: &str) -> Vec<Stored> {
        self.shared.log().streams.get(stream).cloned().unwrap_or_default()
    }

    /// The lines of the stream's records, without their newlines, in the order of storing, duplicates too.
    pub fn stored_lines(&self, stream: &str) -> Vec<Vec<u8>> {
        self.records(stream).iter().flat_map(|record| lines::split(&record.data).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
    }

    /// How often each line was stored.
    pub fn line_counts(&self, stream: &str) -> BTreeMap<Vec<u8>, u64> {
        let mut counts = BTreeMap::new();
        for line in self.stored_lines(stream) {
            *counts.entry(line).or_default() += 1;
        }
        counts
    }

    /// Asserts that every one of `sent` is stored at least once and nothing else is; answers how many were stored more than once.
    pub fn assert_stored<L: AsRef<[u8]>>(&self, stream: &str, sent: &[L]) -> usize {
        let mut stored = self.line_counts(stream);
        let mut duplicates = 0;
        let mut missing = Vec::new();
        for line in sent {
            match stored.remove(line.as_ref()) {
                Some(count) => duplicates += usize::from(count > 1),
                None => missing.push(String::from_utf8_lossy(line.as_ref()).into_owned()),
            }
        }
        assert!(missing.is_empty(), "{} of {} lines are not stored, the first: {}", missing.len(), sent.len(), missing[0]);
        let strange: Vec<_> = stored.keys().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        assert!(strange.is_empty(), "{} stored lines were never sent, the first: {}", strange.len(), strange[0]);
        duplicates
    }

    /// Asserts that no record was sent again after an acknowledgement of it reached the client, records being told apart by their data.
    pub fn assert_no_resend_after_ack(&self) {
        self.assert_no_part_resent_after_ack(|data| vec![data]);
    }

    /// The same for lines, however they are packed.
    pub fn assert_no_line_resent_after_ack(&self) {
        self.assert_no_part_resent_after_ack(lines::split);
    }

    fn assert_no_part_resent_after_ack(&self, parts: impl Fn(&[u8]) -> Vec<&[u8]>) {
        let log = self.shared.settled_log();
        let resent = log.resent_after_ack(parts);
        if let Some((first, later, data)) = resent.first() {
            let data = String::from_utf8_lossy(data);
            panic!(
                "{} sent again after their acknowledgement; the first was acknowledged in request {first}, sent again in {later}: {data}",
                resent.len()
            );
        }
    }

    /// Waits until the counts are as wanted; false when that took longer than `limit`.
    pub fn wait_until(&self, limit: Duration, wanted: impl Fn(&Counts) -> bool) -> bool {
        let start = Instant::now();
        while !wanted(&self.counts()) {
            if start.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.shut_sockets();
        // Wakes the listener from its wait.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for (id, socket) in (0..).zip(listener.incoming()) {
        if shared.stopping() {
            break;
        }
        let Ok(socket) = socket else { continue };
        threads.retain(|thread| !thread.is_finished());
        if threads.len() >= CONNECTIONS_MAX {
            shared.log().counts.turned_away += 1;
            continue;
        }
        shared.log().counts.connections += 1;
        let _ = socket.set_nodelay(true);
        let Ok(twin) = socket.try_clone() else { continue };
        shared.sockets.lock().unwrap().insert(id, twin);
        let (shared, tls) = (shared.clone(), tls.cloned());
        threads.push(std::thread::spawn(move || {
            let wire = match tls {
                None => Wire::plain(socket),
                Some(config) => Wire::Tls(Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), socket))),
            };
            // A socket closes when the last of its twins does: this one must not outlive the connection.
            let _forget = Forget { shared: &shared, id };
            connection::serve(&shared, id, wire);
        }));
    }
    shared.shut_sockets();
    for thread in threads {
        let _ = thread.join();
    }
}

struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.sockets.lock().unwrap().remove(&self.id);
    }
}

/// What the connections share.
pub struct Shared {
    service: Mutex<Arc<Service>>,
    plan: Mutex<Plan>,
    log: Mutex<Log>,
    rates: Mutex<ShardRates>,
    sockets: Mutex<BTreeMap<u64, TcpStream>>,
    pub store: Store,
    start: Instant,
    stop: AtomicBool,
    next_number: AtomicU64,
    writing: AtomicU64,
}

/// An answer is on its way; see [`Shared::writing`].
pub struct Writing<'a>(&'a AtomicU64);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    pub fn service(&self) -> Arc<Service> {
        self.service.lock().unwrap().clone()
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        // A test that failed inside the lock has said so already.
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Held from before an answer's first byte until its exchange is in the account.
    pub fn writing(&self) -> Writing<'_> {
        self.writing.fetch_add(1, Ordering::SeqCst);
        Writing(&self.writing)
    }

    /// The account when no answer is half told; waits a second for that at most, since an answer may be slow on purpose.
    fn settled_log(&self) -> MutexGuard<'_, Log> {
        let start = Instant::now();
        while self.writing.load(Ordering::SeqCst) > 0 && start.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.log()
    }

    pub fn decide(&self, coming: &Coming) -> Fault {
        let plan = self.plan.lock().unwrap().clone();
        plan.decide(coming)
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// A request's first byte has come: its number, time and place in the order of events.
    pub fn arrive(&self) -> (u64, Duration, u64) {
        let order = {
            let mut log = self.log();
            log.counts.requests += 1;
            log.next_order()
        };
        (self.next_number.fetch_add(1, Ordering::SeqCst), self.start.elapsed(), order)
    }

    /// The next place in the order of events.
    pub fn next_order(&self) -> u64 {
        self.log().next_order()
    }

    /// Writes an exchange into the account, with the place of its end when that was taken before.
    pub fn finish(&self, mut exchange: Exchange, order: Option<u64>) {
        exchange.finished = self.start.elapsed();
        let mut log = self.log();
        exchange.finished_order = order.unwrap_or_else(|| log.next_order());
        if self.store == Store::All {
            log.exchanges.push(exchange);
        }
    }

    pub fn count_body(&self, size: usize) {
        let mut log = self.log();
        log.counts.body_size_max = log.counts.body_size_max.max(size);
        log.counts.body_bytes += size as u64;
    }

    pub fn count_records(&self, count: usize) {
        let mut log = self.log();
        log.counts.records += count as u64;
        log.counts.records_max = log.counts.records_max.max(count);
    }

    pub fn count_refusal(&self, code: &str) {
        *self.log().counts.refused.entry(code.to_owned()).or_default() += 1;
    }

    /// Counts records as stored without keeping them.
    pub fn count_stored(&self, count: usize) -> Answer {
        self.log().counts.stored += count as u64;
        let entries: Vec<Entry> = (0..count).map(|i| Entry::Stored { shard: 0, sequence: i as u64 }).collect();
        service::answer(&entries, false)
    }

    pub fn take_token(&self, stream: &str, shard: usize, per_s: u32) -> bool {
        self.rates.lock().unwrap().take(stream, shard, per_s, self.start.elapsed())
    }

    /// Sleeps, but not beyond the server's end.
    pub fn pause(&self, duration: Duration) {
        let start = Instant::now();
        while start.elapsed() < duration && !self.stopping() {
            std::thread::sleep((duration - start.elapsed().min(duration)).min(Duration::from_millis(10)));
        }
    }

    /// Keeps a connection open without a word until the client goes or the server ends.
    pub fn hold(&self, wire: &Wire) {
        while !self.stopping() && !wire.client_left() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn shut_sockets(&self) {
        for socket in self.sockets.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
