//! What each build for a board has to show, run by an emulator that `KINEGRAF_BIN` names, with the oldest processor that the build claims: all lines over TLS
//! from standard input, and all through sockets as a service, with a spool, an endpoint that refuses, and two kills. Prints what it held in memory; under an
//! emulator most of that is the emulator's, so what is anonymous tells more.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::common::{input, to};
use super::hand_off::forward;
use super::notify::Manager;
use super::sockets_common::{Place, listens};
use super::spool_common::{Gate, Spool};
use super::support::process::Running;
use super::support::{Certificate, Fault, Options, Plan, Program, STREAM, Server, TempDir, lines};

/// An emulated handshake takes a second on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// Lines of one batch.
const BATCH: usize = 1_000;

#[test]
fn ten_thousand_lines_arrive_over_tls_and_the_program_says_what_it_held() {
    let (server, directory) = (Server::start(Options::tls(Certificate::Good)), TempDir::new());
    let (lines, bytes) = input(10_001);
    let (first, rest) = bytes.split_at(lines[0].len() + 1);
    let program = to(&server).args(["--flush-interval", "0s", "--spool"]).args([directory.path()]).limit(LONG);
    let mut running = program.stdin_open().start();
    running.write(first);
    wait_for(|| server.counts().stored == 1);
    let idle = Held::now(&running);
    running.write(rest);
    let most = Held::until(&mut running, || server.counts().stored > 10_000);
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
    tell("standard input, TLS", idle, most);
}

/// A service of systemd with both sockets and both disks, whose endpoint is first nowhere, then refuses, then is good.
struct Service {
    place: Place,
    spool: Spool,
    hot: TempDir,
    server: Server,
    gate: Gate,
    manager: Manager,
}

impl Service {
    fn new() -> Option<Service> {
        let place = Place::new();
        let manager = Manager::new(&place.path("."));
        let plan = Plan::Script(vec![Fault::ServiceUnavailable; 5]);
        let server = Server::start(Options { plan, ..Options::tls(Certificate::Good) });
        Some(Service { place, spool: Spool::new(""), hot: TempDir::in_memory()?, server, gate: Gate::new(), manager })
    }

    fn program(&self) -> Program {
        let url = format!("https://{}", self.gate.address());
        let text = format!("[spool]\nhot = \"{}\"\nmin_free = \"0%\"\n", self.hot.path().join("hot").display());
        let program = self.place.with(self.spool.run(&url), &text).args(["--flush-interval", "20ms", "-v"]).limit(LONG * 2);
        program.env("AWS_CA_BUNDLE", self.server.ca_file()).env("NOTIFY_SOCKET", &self.manager.path).env("WATCHDOG_USEC", "60000000")
    }

    fn start(&mut self) -> Running {
        let heard = self.manager.heard().len();
        let running = self.program().start();
        wait_for(|| self.manager.heard()[heard..].contains("READY=1\n"));
        assert!(listens(&self.place.stream()), "ready means that senders can come: {}", running.stderr());
        running
    }

    /// What `kinegraf --forward` offers, which keeps its batch until it is answered.
    fn offer(&self, batch: &[Vec<u8>]) -> Running {
        forward(&self.place.stream()).args(["--deadline", "100s"]).limit(LONG).stdin(lines::joined(batch)).start()
    }

    /// A connection that writes and leaves; waits until the daemon has taken all of it.
    fn write(&self, running: &Running, batch: &[Vec<u8>]) {
        let mut client = self.place.connect();
        client.set_write_timeout(Some(LONG)).unwrap();
        client.write_all(&lines::joined(batch)).unwrap();
        drop(client);
        wait_for(|| running.stderr().contains(&format!("; {} lines, ", batch.len())));
    }

    fn datagrams(&self, batch: &[Vec<u8>]) {
        let socket: UnixDatagram = self.place.sender();
        socket.set_write_timeout(Some(LONG)).unwrap();
        batch.iter().for_each(|line| assert_eq!(socket.send(line).unwrap(), line.len()));
    }
}

#[test]
fn ten_thousand_lines_through_sockets_outlive_an_endpoint_that_refuses_and_two_kills() {
    let Some(mut service) = Service::new() else { return println!("SKIPPED: no /dev/shm here") };
    let sent = lines::telegraf(83, 10 * BATCH);
    let batches: Vec<&[Vec<u8>]> = sent.chunks(BATCH).collect();

    // Nobody listens at the endpoint.
    let mut running = service.start();
    let idle = Held::now(&running);
    service.write(&running, &sent[..3 * BATCH]);
    for batch in &batches[3..5] {
        service.offer(batch).wait().assert_code(0);
    }
    // Now somebody does, and refuses.
    service.gate.open(service.server.address());
    let most = Held::until(&mut running, || service.server.counts().requests > 0);
    // Lines that were taken and are on the disk in memory alone outlive the process.
    service.write(&running, &batches[5][..BATCH / 2]);
    kill(running);
    let running = service.start();
    // A batch is on its way: whoever brings it was not answered and keeps it.
    let came = running.stderr().matches("a client came").count();
    let offered = service.offer(batches[6]);
    wait_for(|| running.stderr().matches("a client came").count() > came);
    kill(running);
    let answer = offered.wait();
    assert!(matches!(answer.code, Some(0 | 75)), "{:?}: {}", answer.code, answer.stderr);

    // Both disks are as it left them.
    let waits = service.spool.segments().len();
    let mut running = service.start();
    if answer.code == Some(75) {
        service.offer(batches[6]).wait().assert_code(0);
    }
    service.write(&running, &batches[5][BATCH / 2..]);
    service.write(&running, batches[7]);
    service.datagrams(batches[8]);
    let last = service.offer(batches[9]);
    let most = most.or(Held::until(&mut running, || service.server.line_counts(STREAM).len() >= sent.len()));
    last.wait().assert_code(0);
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    let twice = service.server.assert_stored(STREAM, &sent);
    service.spool.assert_empty();
    assert!(service.manager.heard().contains("STOPPING=1"), "{}", finished.stderr);
    tell("sockets, spool, TLS", idle, most);
    println!("killed twice, with {waits} segments on the card; none of {} lines is missing, {twice} were stored twice", sent.len());
}

fn kill(running: Running) {
    running.signal("KILL");
    assert_eq!(running.wait().signal, Some(9));
}

/// What a process holds, in bytes.
#[derive(Clone, Copy)]
struct Held {
    resident: u64,
    /// What no file backs.
    anonymous: u64,
}

impl Held {
    fn now(running: &Running) -> Held {
        Held { resident: running.rss().unwrap_or(0), anonymous: running.anonymous().unwrap_or(0) }
    }

    /// The most until `done`.
    fn until(running: &mut Running, mut done: impl FnMut() -> bool) -> Held {
        let mut most = Held::now(running);
        wait_for(|| {
            most = most.or(Held::now(running));
            done()
        });
        Held { resident: running.peak_rss(), ..most }
    }

    fn or(self, other: Held) -> Held {
        Held { resident: self.resident.max(other.resident), anonymous: self.anonymous.max(other.anonymous) }
    }
}

fn tell(what: &str, idle: Held, most: Held) {
    let (kib, Held { resident, anonymous }) = (|bytes: u64| bytes >> 10, most);
    println!(
        "resident memory, {what}: idle {} KiB ({} KiB anonymous), under load at most {} KiB ({} KiB anonymous)",
        kib(idle.resident),
        kib(idle.anonymous),
        kib(resident),
        kib(anonymous)
    );
}

fn wait_for(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
