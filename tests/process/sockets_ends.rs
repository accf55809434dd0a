//! How a run on sockets ends: a stop takes what was written and leaves on disk what cannot be delivered; a kill loses nothing that was accepted.

use std::io::Write;
use std::time::{Duration, Instant};

use super::common::summed;
use super::sockets_common::{Place, send, stored};
use super::spool_common::{Gate, Spool, wait_until};
use super::support::process::Running;
use super::support::{Options, Program, Server, TempDir, mix};

/// Whatever else fills this machine's disk.
const ROOMY: &str = "[spool]\nmin_free = \"0%\"\n";

fn lines(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name},host=h{} v={n}i {n}", n % 5)).collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A run that listens and has a spool.
fn listening(place: &Place, spool: &Spool, url: &str) -> Program {
    let listen = format!("unix://{}", place.stream().display());
    spool.run(url).args(["--listen", &listen, "--flush-interval", "20ms", "--shutdown-timeout", "1s", "-v"])
}

fn started(place: &Place, program: Program) -> Running {
    let running = program.start();
    place.wait_until_it_listens(&running);
    running
}

fn assert_all_stored(server: &Server, sent: &[String]) {
    let mut found = stored(server);
    found.sort();
    found.dedup();
    let mut sent = sent.to_vec();
    sent.sort();
    assert_eq!(found, sent);
}

#[test]
fn a_stop_takes_what_was_written_before_it_and_delivers_it() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    for signal in ["TERM", "INT"] {
        let running = place.start(&server, "clients = 2\n");
        let sent = lines(signal, 3000);
        // Two are connected; the third has written and waits to be accepted.
        let mut clients = [place.connect(), place.connect(), place.connect()];
        for (client, sent) in clients.iter_mut().zip(sent.chunks(1000)) {
            send(client, &joined(sent));
        }
        running.signal(signal);
        let finished = running.wait().assert_code(0);
        let found = stored(&server);
        assert!(sent.iter().all(|line| found.contains(line)), "{} of {}: {}", found.len(), sent.len(), finished.stderr);
        assert!(!finished.stderr.contains("the end of the input"), "{}", finished.stderr);
        assert!(clients[0].write_all(b"late v=1i 1\n").is_err(), "a sender learns that nobody reads");
    }
}

#[test]
fn a_stop_with_the_endpoint_down_leaves_the_lines_on_disk_and_the_next_run_delivers_them() {
    let (place, server, mut gate) = (Place::new(), Server::start(Options::default()), Gate::new());
    let spool = Spool::new(ROOMY);
    let sent = lines("m", 5000);
    let running = started(&place, listening(&place, &spool, &gate.url()));
    send(&mut place.connect(), &joined(&sent));
    let asked = Instant::now();
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(summed(&finished, "kept in the spool"), 5000, "{}", finished.stderr);
    gate.open(server.address());
    let running = started(&place, listening(&place, &spool, &gate.url()));
    assert!(wait_until(|| stored(&server).len() >= sent.len()), "{}", running.stderr());
    running.signal("TERM");
    running.wait().assert_code(0);
    assert_all_stored(&server, &sent);
    spool.assert_empty();
}

#[test]
fn a_stop_without_a_spool_and_with_the_endpoint_down_is_75_and_says_how_many_lines() {
    let (place, gate) = (Place::new(), Gate::new());
    let server = Server::start(Options::default());
    let program = place.listening(&server, "").args(["--shutdown-timeout", "300ms"]);
    drop(gate);
    server.change(|service| service.conditions.latency = Duration::from_secs(30));
    let running = program.start();
    place.wait_until_it_listens(&running);
    send(&mut place.connect(), "m,host=a v=1i 1\nm,host=a v=2i 2\n");
    assert!(wait_until(|| !server.exchanges().is_empty() || running.stderr().contains("client left")));
    running.signal("TERM");
    let finished = running.wait().assert_code(75);
    assert!(finished.stderr.contains("kinegraf: not delivered in time: 2 lines not delivered"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("the end of the input"), "{}", finished.stderr);
}

#[test]
fn with_sync_always_lines_are_on_disk_while_the_first_request_still_waits_for_its_answer() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let spool = Spool::new("[spool]\nsync = \"always\"\nmin_free = \"0%\"\n");
    server.change(|service| service.conditions.latency = Duration::from_secs(60));
    let running = started(&place, listening(&place, &spool, &server.url()));
    let sent = lines("m", 3000);
    send(&mut place.connect(), &joined(&sent));
    assert!(wait_until(|| running.stderr().contains("; 3000 lines, ")), "{}", running.stderr());
    // The last of them is being written.
    std::thread::sleep(Duration::from_millis(500));
    running.signal("KILL");
    assert_eq!(running.wait().signal, Some(9));
    server.change(|service| service.conditions.latency = Duration::ZERO);
    let running = started(&place, listening(&place, &spool, &server.url()));
    assert!(wait_until(|| stored(&server).len() >= 3000), "{}", running.stderr());
    running.signal("TERM");
    running.wait().assert_code(0);
    assert_all_stored(&server, &sent);
}

#[test]
fn a_second_signal_ends_a_stop_at_once() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    server.change(|service| service.conditions.latency = Duration::from_secs(30));
    let running = place.listening(&server, "").args(["--shutdown-timeout", "60s"]).start();
    place.wait_until_it_listens(&running);
    send(&mut place.connect(), "m,host=a v=1i 1\n");
    std::thread::sleep(Duration::from_millis(100));
    running.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    running.signal("TERM");
    running.wait().assert_code(75);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn sigkill_loses_nothing_that_was_accepted_when_hot_is_a_directory_in_memory() {
    let Some(memory) = TempDir::in_memory() else { return println!("SKIPPED: no /dev/shm here") };
    let (place, server, mut gate) = (Place::new(), Server::start(Options::default()), Gate::new());
    let spool = Spool::new(&format!("[spool]\nhot = \"{}\"\nmin_free = \"0%\"\n", memory.path().join("hot").display()));
    let mut sent = Vec::new();
    for round in 0..5 {
        let running = started(&place, listening(&place, &spool, &gate.url()));
        let own = lines(&format!("m{round}"), 2000);
        let mut clients = [place.connect(), place.connect()];
        for (client, own) in clients.iter_mut().zip(own.chunks(1000)) {
            send(client, &joined(own));
        }
        drop(clients);
        let both = |text: &str| text.matches("; 1000 lines, ").count() == 2;
        assert!(wait_until(|| both(&running.stderr())), "not taken: {}", running.stderr());
        running.signal("KILL");
        assert_eq!(running.wait().signal, Some(9));
        sent.extend(own);
    }
    gate.open(server.address());
    let running = started(&place, listening(&place, &spool, &gate.url()));
    assert!(wait_until(|| stored(&server).len() >= sent.len()), "{} of {}: {}", stored(&server).len(), sent.len(), running.stderr());
    running.signal("TERM");
    running.wait().assert_code(0);
    assert_all_stored(&server, &sent);
}

#[test]
fn while_the_spool_is_full_clients_wait_and_a_stop_is_heard() {
    let (place, server, mut gate) = (Place::new(), Server::start(Options::default()), Gate::new());
    let spool = Spool::new("[spool]\nhot_size = \"512KiB\"\nsize = \"2MiB\"\nwhen_full = \"block\"\nmin_free = \"0%\"\n");
    let packed = |url: &str| listening(&place, &spool, url).args(["--pack", "lines"]);
    let running = started(&place, packed(&gate.url()));
    // Numbers that no compression makes fit.
    let sent: Vec<String> = (0..300_000).map(|n| format!("m,host=h v={}i {n}", mix(n) >> 1)).collect();
    let mut client = place.connect();
    let text = joined(&sent);
    let sender = std::thread::spawn(move || client.write_all(text.as_bytes()).is_ok());
    assert!(wait_until(|| running.stderr().contains("the directory is full")), "{}", running.stderr());
    assert!(!sender.is_finished(), "it has to wait: {}", running.stderr());
    // Others come and go while nobody is read.
    drop(place.connect());
    assert!(wait_until(|| running.stderr().matches("a client came").count() == 3), "{}", running.stderr());
    let asked = Instant::now();
    running.signal("TERM");
    let finished = running.wait();
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}: {}", asked.elapsed(), finished.stderr);
    assert!(!sender.join().unwrap(), "the sender knows that not everything was read");
    let (accepted, kept) = (summed(&finished, "lines accepted"), summed(&finished, "kept in the spool"));
    assert!(kept > 0 && kept <= accepted && accepted < 300_000, "{}", finished.stderr);
    assert_eq!(finished.code, Some(if kept == accepted { 0 } else { 75 }), "{}", finished.stderr);
    gate.open(server.address());
    let running = started(&place, packed(&gate.url()));
    let found = || -> Vec<String> { stored(&server).iter().flat_map(|record| record.lines().map(str::to_owned).collect::<Vec<_>>()).collect() };
    assert!(wait_until(|| found().len() as u64 >= kept), "{} of {kept}: {}", found().len(), running.stderr());
    running.signal("TERM");
    running.wait().assert_code(0);
    assert!(sent.iter().zip(&found()).all(|(sent, found)| sent == found), "the first lines, in their order");
}
