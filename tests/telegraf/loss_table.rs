//! The loss table: every pairing, and Telegraf's own `outputs.kinesis`, under every fault. Each cell is a Telegraf of its own with a loopback Kinesis of its own:
//! produced (as Telegraf's `outputs.file` has it), delivered, and stored twice.
//!
//! `cargo test --test telegraf -- --nocapture loss_table` prints it as the README has it; `KINEGRAF_FULL=1` takes its time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::document;
use super::pairing::{Pairing, Rig};
use super::support::fault::RecordError;
use super::support::{Fault, Pick, Plan, mix};
use super::telegraf::find;

/// Telegrafs at once; they mostly wait.
const AT_ONCE: usize = 12;
const RATE: u32 = 200;
const AGENT: &str = "flush_interval = \"1s\"\nround_interval = false";

/// The words are those of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Records,
    Unavailable,
    Resets,
    Restart,
    StoppedOffline,
    KilledOffline,
    Stopped,
    Killed,
    Stuck,
}

impl Trouble {
    const ALL: [Trouble; 9] = [
        Trouble::Records,
        Trouble::Unavailable,
        Trouble::Resets,
        Trouble::Restart,
        Trouble::StoppedOffline,
        Trouble::KilledOffline,
        Trouble::Stopped,
        Trouble::Killed,
        Trouble::Stuck,
    ];

    fn name(self) -> &'static str {
        match self {
            Trouble::Records => "one record in three fails",
            Trouble::Unavailable => "503 for a while",
            Trouble::Resets => "connections reset for a while",
            Trouble::Restart => "Telegraf restarted",
            Trouble::StoppedOffline => "Telegraf stopped while Kinesis is away",
            Trouble::KilledOffline => "Telegraf killed while Kinesis is away",
            Trouble::Stopped => "kinegraf stopped and started",
            Trouble::Killed => "kinegraf killed again and again",
            Trouble::Stuck => "kinegraf stuck, then killed",
        }
    }

    /// Faults of a process that Telegraf's own output does not have.
    fn is_of_kinegraf(self) -> bool {
        matches!(self, Trouble::Stopped | Trouble::Killed | Trouble::Stuck)
    }
}

/// What this pairing may lose to it, as `docs/telegraf.md` says too; everything else is lost by none.
fn may_lose(pairing: Pairing, trouble: Trouble) -> bool {
    match pairing {
        Pairing::Kinesis => true,
        Pairing::Exec => matches!(trouble, Trouble::StoppedOffline | Trouble::KilledOffline),
        Pairing::ExecSpool | Pairing::HandOff => false,
        Pairing::Execd => trouble.is_of_kinegraf(),
        Pairing::Stream | Pairing::Datagrams => matches!(trouble, Trouble::Killed | Trouble::Stuck),
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    produced: usize,
    delivered: usize,
    twice: u64,
}

/// Seconds of a fault, or its rounds.
fn long(short: u64, full: u64) -> Duration {
    Duration::from_secs(if std::env::var_os("KINEGRAF_FULL").is_some() { full } else { short })
}

fn run(telegraf: &'static Path, pairing: Pairing, trouble: Trouble) -> Cell {
    let mut rig = Rig::new(telegraf, pairing, AGENT, "");
    if trouble == Trouble::Records {
        rig.server.set_plan(Plan::Always(Fault::FailRecords(Pick::Random { per_mille: 333, seed: 5 }, RecordError::Throughput)));
    }
    rig.start();
    rig.produce(RATE, Duration::from_secs(3));
    match trouble {
        Trouble::Records => rig.produce(RATE, long(3, 30)),
        Trouble::Unavailable | Trouble::Resets => {
            let fault = if trouble == Trouble::Resets { Fault::ResetBeforeRead } else { Fault::ServiceUnavailable };
            rig.server.set_plan(Plan::Always(fault));
            rig.produce(RATE, long(8, 60));
            rig.server.set_plan(Plan::Good);
            rig.produce(RATE, Duration::from_secs(3));
        }
        Trouble::Restart => {
            for _ in 0..long(2, 10).as_secs() {
                // In the midst of its work; what it was given it has gathered, or the witness would not know of it.
                rig.wait_until_gathered();
                rig.end_telegraf("TERM");
                rig.start_telegraf();
                rig.produce(RATE, Duration::from_secs(2));
            }
        }
        Trouble::StoppedOffline | Trouble::KilledOffline => {
            rig.server.set_plan(Plan::Always(Fault::ServiceUnavailable));
            rig.produce(RATE, long(5, 30));
            rig.wait_until_gathered();
            if trouble == Trouble::KilledOffline {
                // What is gathered is flushed, and whoever could keep it has had its deadline.
                std::thread::sleep(Duration::from_secs(10));
            }
            rig.end_telegraf(if trouble == Trouble::KilledOffline { "KILL" } else { "TERM" });
            // Programs that outlive Telegraf have what time they take; then all goes well.
            std::thread::sleep(Duration::from_secs(5));
            rig.server.set_plan(Plan::Good);
            rig.start_telegraf();
            rig.produce(RATE, Duration::from_secs(2));
        }
        Trouble::Stopped | Trouble::Killed | Trouble::Stuck => {
            for round in 0..long(4, 30).as_secs() {
                // Long enough for Telegraf to have started another, and for that to work.
                rig.produce(RATE, Duration::from_millis(1800 + mix(round) % 700));
                strike(&mut rig, trouble);
            }
            rig.produce(RATE, Duration::from_secs(2));
        }
    }
    rig.wait_until_gathered();
    rig.settle(Duration::from_secs(if may_lose(pairing, trouble) { 10 } else { 60 }));
    let said = rig.end();
    let (produced, (delivered, twice)) = (rig.produced(), rig.delivered());
    let cell = Cell { produced: produced.len(), delivered: produced.intersection(&delivered).count(), twice };
    assert!(
        may_lose(pairing, trouble) || cell.delivered == cell.produced,
        "{} under {:?}: {cell:?}; missing {:?}\n{said}",
        pairing.name(),
        trouble.name(),
        produced.difference(&delivered).next().map(|line| String::from_utf8_lossy(line).into_owned())
    );
    cell
}

fn strike(rig: &mut Rig, trouble: Trouble) {
    match trouble {
        Trouble::Stuck => {
            // A process of a batch lives for milliseconds: it is caught if it can be.
            for _ in 0..200 {
                if rig.signal_kinegraf("STOP") {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            rig.produce(RATE, Duration::from_secs(2));
            kill(rig);
        }
        Trouble::Stopped => {
            if rig.daemon.is_some() {
                rig.restart_daemon("TERM");
            } else {
                rig.signal_kinegraf("TERM");
            }
        }
        _ => kill(rig),
    }
}

fn kill(rig: &mut Rig) {
    if rig.daemon.is_some() {
        rig.restart_daemon("KILL");
    } else {
        rig.signal_kinegraf("KILL");
    }
}

fn table(cells: &BTreeMap<(Pairing, Trouble), Cell>) -> String {
    let mut out = String::from("| |");
    Trouble::ALL.iter().for_each(|trouble| _ = write!(out, " {} |", trouble.name()));
    out.push_str("\n|---|");
    Trouble::ALL.iter().for_each(|_| out.push_str("---|"));
    for pairing in Pairing::ALL {
        _ = write!(out, "\n| {} |", pairing.name());
        for trouble in Trouble::ALL {
            _ = match cells.get(&(pairing, trouble)) {
                Some(Cell { produced, delivered, twice }) => write!(out, " {produced} / {delivered} / {twice} |"),
                None => write!(out, " |"),
            };
        }
    }
    out + "\n"
}

#[test]
fn every_pairing_under_every_fault() {
    let Some(telegraf) = find() else { return };
    let mut wanted: Vec<(Pairing, Trouble)> = Trouble::ALL.into_iter().flat_map(|trouble| Pairing::ALL.map(|pairing| (pairing, trouble))).collect();
    wanted.retain(|(pairing, trouble)| *pairing != Pairing::Kinesis || !trouble.is_of_kinegraf());
    // One cell alone, for whoever looks for a reason: `KINEGRAF_CELL='execd/stuck'`.
    if let Ok(cell) = std::env::var("KINEGRAF_CELL") {
        wanted.retain(|(pairing, trouble)| cell.split_once('/').is_some_and(|(a, b)| pairing.name().ends_with(a) && trouble.name().contains(b)));
    }
    let (wanted, cells) = (Mutex::new(wanted), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((pairing, trouble)) = wanted.lock().unwrap().pop() else { return };
                    let cell = run(telegraf, pairing, trouble);
                    println!("{} under {:?}: {cell:?}", pairing.name(), trouble.name());
                    cells.lock().unwrap().insert((pairing, trouble), cell);
                }
            });
        }
    });
    let cells = cells.into_inner().unwrap();
    println!("\n{}", table(&cells));
    if cells.len() == Trouble::ALL.len() * Pairing::ALL.len() - 3 {
        // What Telegraf's own output loses is the reason for all this.
        for trouble in [Trouble::Records, Trouble::Unavailable, Trouble::Resets] {
            let cell = cells[&(Pairing::Kinesis, trouble)];
            assert!(cell.delivered < cell.produced, "{trouble:?}: {cell:?}");
        }
    }
}

fn names() -> (Vec<&'static str>, Vec<&'static str>) {
    (Trouble::ALL.map(Trouble::name).to_vec(), Pairing::ALL.map(Pairing::name).to_vec())
}

#[test]
fn the_readme_has_the_table_that_is_printed_and_ours_loses_nothing_but_what_the_document_says() {
    let readme = include_str!("../../README.md");
    let begin = readme.find(&format!("| | {} |", Trouble::ALL[0].name())).expect("the README has the table");
    let found = document::cells(&readme[begin..]);
    let (troubles, pairings) = names();
    assert_eq!(found[0][1..], troubles);
    assert_eq!(found[1..].iter().map(|row| row[0]).collect::<Vec<_>>(), pairings);
    for (row, pairing) in found[1..].iter().zip(Pairing::ALL) {
        for (cell, trouble) in row[1..].iter().zip(Trouble::ALL) {
            if pairing == Pairing::Kinesis && trouble.is_of_kinegraf() {
                assert_eq!(*cell, "", "{pairing:?} {trouble:?}");
                continue;
            }
            let numbers: Vec<usize> = cell.split(" / ").map(|number| number.parse().unwrap()).collect();
            let [produced, delivered, _] = numbers[..] else { panic!("{cell}") };
            assert!(produced > 500 && delivered <= produced, "{pairing:?} {trouble:?}: {cell}");
            assert!(may_lose(pairing, trouble) || delivered == produced, "{pairing:?} {trouble:?}: {cell}");
        }
    }
}

#[test]
fn the_document_says_of_each_pairing_and_fault_what_is_asserted() {
    let found = document::table("What each can lose");
    let (troubles, pairings) = names();
    assert_eq!(found[0][1..], troubles);
    assert_eq!(found[1..].iter().map(|row| row[0]).collect::<Vec<_>>(), pairings[1..]);
    for (row, pairing) in found[1..].iter().zip(Pairing::OURS) {
        for (cell, trouble) in row[1..].iter().zip(Trouble::ALL) {
            assert_eq!(*cell != "nothing", may_lose(pairing, trouble), "{pairing:?} {trouble:?}: {cell}");
        }
    }
}
