//! Eight clients that write as fast as Telegraf ever will, while one after another dies in the middle of a line.
//!
//! `KINEGRAF_FULL=1` runs it for a minute, else for three seconds. Only a release binary is held to 8 MiB.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::common::{is_emulated, is_full, summed, to};
use super::sockets_common::Place;
use super::support::{Certificate, Options, STREAM, Server, mix};

const CLIENTS: usize = 8;
/// Lines that one client writes in one second.
const RATE: u64 = 5000;
/// Lines that it writes at once.
const AT_ONCE: u64 = 50;
const RESIDENT_MAX: u64 = 8 << 20;

/// What a connection has written: whole lines.
type Written = Mutex<BTreeMap<u64, u64>>;

/// One client after another, each with a name of its own, until it is over; a client that is to die leaves in the middle of a line.
fn clients(place: &Place, names: &AtomicU64, die: &AtomicBool, over: &AtomicBool, written: &Written) {
    while !over.load(Ordering::SeqCst) {
        let (name, mut socket, mut lines) = (names.fetch_add(1, Ordering::SeqCst), place.connect(), 0);
        socket.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        let began = Instant::now();
        loop {
            let text: String = (lines..lines + AT_ONCE)
                .map(|n| format!("stress,host=c{name} n={n}i,text=\"of client {name}\",noise={}i 18000000000{n:08}\n", mix(n) >> 32))
                .collect();
            if die.swap(false, Ordering::SeqCst) {
                let cut = usize::try_from(mix(name + lines)).unwrap_or_default() % text.len();
                socket.write_all(&text.as_bytes()[..cut]).unwrap();
                lines += text.as_bytes()[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
                break;
            }
            socket.write_all(text.as_bytes()).unwrap();
            lines += AT_ONCE;
            if over.load(Ordering::SeqCst) {
                break;
            }
            let due = began + Duration::from_micros(lines * 1_000_000 / RATE);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        written.lock().unwrap().insert(name, lines);
    }
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

fn files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[test]
fn every_whole_line_of_eight_busy_clients_arrives_though_one_dies_every_second() {
    let seconds = if is_full() { 60 } else { 3 };
    let (place, server) = (Place::new(), Server::start(Options::tls(Certificate::Good)));
    let program = place.with(to(&server), "").args(["--pack", "lines", "--flush-interval", "1s", "--shutdown-timeout", "60s", "-v"]);
    let mut running = program.limit(Duration::from_secs(seconds + 240)).start();
    place.wait_until_it_listens(&running);
    let (names, over, written) = (AtomicU64::new(0), AtomicBool::new(false), Written::default());
    let dying: Vec<AtomicBool> = (0..CLIENTS).map(|_| AtomicBool::new(false)).collect();
    let (mut seen, mut most_files) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        for die in &dying {
            scope.spawn(|| clients(&place, &names, die, &over, &written));
        }
        for second in 0..seconds {
            std::thread::sleep(Duration::from_secs(1));
            dying[mix(second) as usize % CLIENTS].store(true, Ordering::SeqCst);
            seen.push(threads(running.pid()));
            most_files = files(running.pid()).max(most_files);
            running.peak_rss();
        }
        over.store(true, Ordering::SeqCst);
    });
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for record in server.records(STREAM) {
        let lines = record.data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for line in lines {
            let text = std::str::from_utf8(line).unwrap();
            let next = found.entry(record.key.to_string()).or_default();
            assert!(text.starts_with(&format!("stress,host={} n={next}i,", record.key)), "line {next} of {}: {text}", record.key);
            *next += 1;
        }
    }
    let written = written.into_inner().unwrap();
    let sent: u64 = written.values().sum();
    for (name, lines) in &written {
        assert_eq!(found.remove(&format!("c{name}")).unwrap_or_default(), *lines, "lines of client {name}: {}", finished.stderr);
    }
    assert!(found.is_empty());
    assert_eq!(summed(&finished, "lines accepted"), sent);
    println!("{sent} lines of {} clients, {} KiB, {} threads, {most_files} files", written.len(), finished.peak_rss >> 10, seen[0]);
    assert!(seen.iter().all(|threads| *threads == seen[0] && *threads <= 5), "threads: {seen:?}");
    assert!(most_files <= 40, "{most_files} files");
    if !is_emulated() && (std::env::var_os("KINEGRAF_BIN").is_some() || !cfg!(debug_assertions)) {
        assert!(finished.peak_rss <= RESIDENT_MAX, "{} bytes", finished.peak_rss);
        assert!(sent >= seconds * RATE * CLIENTS as u64 * 9 / 10, "only {sent} lines were taken in {seconds} s");
    }
}
