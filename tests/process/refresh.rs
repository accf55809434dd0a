//! Credentials that run out while lines flow, and those that one process leaves for the next. The keys come from an endpoint on loopback that makes new ones each
//! time it is asked and tells the Kinesis how long each is good.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::common::{input, is_full, kinegraf};
use super::support::calendar;
use super::support::http::{Answer, Wire};
use super::support::signature::Standing;
use super::support::{Key, Options, Program, REGION, STREAM, Server, TempDir};

/// A container endpoint whose keys live for `life`.
struct Mint {
    url: String,
    asked: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mint {
    fn start(server: &Arc<Server>, life: Duration) -> Mint {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::<Mutex<Vec<Instant>>>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (server, asked, stop) = (server.clone(), asked.clone(), stop.clone());
            move || {
                for socket in listener.incoming().flatten() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    // One request a connection is enough for whoever comes each second.
                    let mut wire = Wire::plain(socket);
                    if let Ok(Some(_)) = wire.read_head() {
                        let number = asked.lock().unwrap().len();
                        asked.lock().unwrap().push(Instant::now());
                        let answer = mint(&server, number, life).with("Connection", "close");
                        drop(wire.write(&answer.to_bytes()));
                    }
                    wire.close();
                }
            }
        });
        Mint { url: format!("http://{address}/keys"), asked, stop, thread: Some(thread) }
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Mint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/keys")));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A new key, known to the Kinesis, as the container endpoint gives it.
fn mint(server: &Server, number: usize, life: Duration) -> Answer {
    let (id, secret, token) = (format!("ASIAMINTED{number:010}"), format!("minted/secret+{number:026}"), format!("MintedToken{number:020}"));
    let until = SystemTime::now() + life;
    server.change(|service| service.keys.push((Key::new(&id, &secret, Some(&token)), Standing::Until(until))));
    let since = until.duration_since(UNIX_EPOCH).unwrap();
    let amz = calendar::amz(i64::try_from(since.as_secs()).unwrap());
    let (year, month, day, hour, minute, second) = (&amz[..4], &amz[4..6], &amz[6..8], &amz[9..11], &amz[11..13], &amz[13..15]);
    let expiration = format!("{year}-{month}-{day}T{hour}:{minute}:{second}.{:03}Z", since.subsec_millis());
    let body = format!(r#"{{"AccessKeyId":"{id}","SecretAccessKey":"{secret}","Token":"{token}","Expiration":"{expiration}"}}"#);
    Answer::new(200, "application/json", body).with("Date", calendar::http(calendar::now_s()))
}

fn server() -> Arc<Server> {
    Arc::new(Server::start(Options { keys: Vec::new(), ..Options::default() }))
}

fn program(server: &Server, mint: &Mint) -> Program {
    let program = kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", &server.url()]);
    program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &mint.url)
}

/// The issue's own words: no line lost, none late by more than a second, no burst.
#[test]
fn tokens_that_expire_every_two_seconds_hold_no_line_back() {
    let (lasts, room) = if is_full() { (Duration::from_secs(30), Duration::ZERO) } else { (Duration::from_secs(8), Duration::from_secs(2)) };
    let start = Instant::now();
    let server = server();
    let mint = Mint::start(&server, Duration::from_secs(2));
    let mut running = program(&server, &mint).args(["--flush-interval", "100ms", "-v"]).stdin_open().start();
    let mut written = BTreeMap::new();
    while start.elapsed() < lasts {
        let line = format!("m,host=a v={}i {}", written.len(), 1_800_000_000_000_000_000 + written.len());
        written.insert(line.clone().into_bytes(), start.elapsed());
        running.write(format!("{line}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    let finished = running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &written.keys().collect::<Vec<_>>()), 0);
    let mut latest = Duration::ZERO;
    for exchange in server.exchanges().iter().filter(|exchange| exchange.acknowledged) {
        for record in &exchange.records {
            let line = record.data.strip_suffix(b"\n").unwrap_or(&record.data);
            latest = latest.max(exchange.arrived.saturating_sub(written[line]));
        }
    }
    assert!(latest <= Duration::from_secs(1) + room, "{latest:?}\n{}", finished.stderr);
    let asked = mint.asked();
    let closest = asked.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(closest >= Duration::from_millis(700) && asked.len() as u64 <= lasts.as_secs() + 1, "{} times, {closest:?} apart", asked.len());
    assert!(asked.len() as u64 >= lasts.as_secs() / 2 && finished.stderr.contains("credentials: container endpoint, until "), "{}", finished.stderr);
    if is_full() {
        assert!(server.counts().refused.is_empty(), "none was used after its time: {:?}", server.counts().refused);
    }
}

/// A process a batch, as Telegraf's `outputs.exec` starts them.
#[test]
fn the_next_process_finds_what_the_first_one_asked_for_also_when_both_come_at_once() {
    let (server, dir, home) = (server(), TempDir::new(), TempDir::new());
    let mint = Mint::start(&server, Duration::from_secs(3600));
    let run = || program(&server, &mint).env("RUNTIME_DIRECTORY", dir.path()).env("HOME", home.path()).args(["--deadline", "20s"]);
    // At once: nobody knows of the other, nothing breaks.
    let together: Vec<_> = (0..6).map(|_| run().stdin(input(3).1).start()).collect();
    together.into_iter().for_each(|running| drop(running.wait().assert_code(0)));
    let asked = mint.asked().len();
    assert!((1..=6).contains(&asked), "{asked}");
    for _ in 0..3 {
        run().stdin(input(3).1).run().assert_code(0);
    }
    assert_eq!(mint.asked().len(), asked, "those after them ask nobody");
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<String> = names.filter(|name| name.contains("credentials")).collect();
    assert!(files.len() == 1 && files[0].starts_with("kinegraf-credentials-") && files[0].len() == 37, "{files:?}");
    // What the service refuses is replaced, for the next one too.
    server.change(|service| service.keys.clear());
    run().stdin(input(3).1).run().assert_code(0);
    run().stdin(input(3).1).run().assert_code(0);
    assert_eq!(mint.asked().len(), asked + 1);
}
