//! A Telegraf, kinegraf beside it in one of the ways that `docs/telegraf.md` shows, a loopback Kinesis, and a witness: Telegraf's own `outputs.file`, which says
//! independently what was produced. Numbered lines come in through `inputs.socket_listener`, which waits for no output.

use std::collections::BTreeSet;
use std::io::{PipeReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::document;
use super::support::process::{Finished, Running};
use super::support::{Options, Program, STREAM, Server};
use super::telegraf::{Agent, binary, quoted};

/// How lines come from Telegraf into the stream. The words are those of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pairing {
    /// Telegraf's own output, for comparison.
    Kinesis,
    Exec,
    ExecSpool,
    HandOff,
    Execd,
    Stream,
    Datagrams,
}

impl Pairing {
    pub(crate) const ALL: [Pairing; 7] =
        [Pairing::Kinesis, Pairing::Exec, Pairing::ExecSpool, Pairing::HandOff, Pairing::Execd, Pairing::Stream, Pairing::Datagrams];
    pub(crate) const OURS: [Pairing; 6] = [Pairing::Exec, Pairing::ExecSpool, Pairing::HandOff, Pairing::Execd, Pairing::Stream, Pairing::Datagrams];

    /// In the tables, and as a heading of `docs/telegraf.md`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pairing::Kinesis => "Telegraf's outputs.kinesis",
            Pairing::Exec => "exec",
            Pairing::ExecSpool => "exec with a spool",
            Pairing::HandOff => "exec with hand-off",
            Pairing::Execd => "execd",
            Pairing::Stream => "socket",
            Pairing::Datagrams => "datagrams",
        }
    }

    /// Whether a daemon runs beside Telegraf.
    pub(crate) fn has_daemon(self) -> bool {
        matches!(self, Pairing::HandOff | Pairing::Stream | Pairing::Datagrams)
    }
}

/// All of it. What runs ends with it.
pub(crate) struct Rig {
    pub(crate) server: Server,
    agent: Agent,
    /// The daemon's socket, kept as systemd keeps it.
    kept: Option<OwnedFd>,
    pub(crate) daemon: Option<Running>,
    pub(crate) telegraf: Option<Running>,
    /// Lines of numbers that were written to Telegraf so far.
    pub(crate) sent: usize,
}

impl Rig {
    /// Nothing runs yet but the server. `agent` are keys of Telegraf's own section, `output` of the pairing's.
    pub(crate) fn new(telegraf: &'static Path, pairing: Pairing, agent: &str, output: &str) -> Rig {
        Rig::with_inputs(telegraf, pairing, agent, output, "")
    }

    /// The same with more sections.
    pub(crate) fn with_inputs(telegraf: &'static Path, pairing: Pairing, agent: &str, output: &str, inputs: &str) -> Rig {
        let server = Server::start(Options::default());
        let mut agent = Agent::new(telegraf, agent);
        let dir = agent.dir.path().to_owned();
        agent = agent.section(&format!(
            "[[inputs.socket_listener]]\nservice_address = {}\ndata_format = \"influx\"\n{inputs}\n\
             [[outputs.file]]\nfiles = [{}]\ndata_format = \"influx\"",
            quoted(format!("unix://{}", dir.join("in.sock").display())),
            quoted(dir.join("produced"))
        ));
        [document::SHORT, document::DAEMON].iter().for_each(|name| document::make(name, &dir, &server.url(), |text| text));
        if pairing == Pairing::Kinesis {
            agent = agent.kinesis(&server, STREAM, &format!("{output}\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\""));
        } else {
            agent = agent.section(&format!("{}{output}", document::here(document::snippet(pairing.name()), &dir)));
        }
        let kept = match pairing {
            Pairing::HandOff | Pairing::Stream => Some(UnixListener::bind(dir.join("kinegraf.sock")).unwrap().into()),
            Pairing::Datagrams => Some(UnixDatagram::bind(dir.join("kinegraf.dgram")).unwrap().into()),
            _ => None,
        };
        Rig { server, agent, kept, daemon: None, telegraf: None, sent: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.agent.dir.path().join(name)
    }

    /// The daemon first, then Telegraf.
    pub(crate) fn start(&mut self) {
        self.start_daemon();
        self.start_telegraf();
    }

    /// Where the pairing has one, with its socket as systemd passes it; listens when this returns.
    pub(crate) fn start_daemon(&mut self) {
        let Some(kept) = &self.kept else { return };
        let hot = self.path("run-daemon");
        std::fs::create_dir_all(&hot).unwrap();
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        let (binary, config) = (binary(), self.path("daemon.toml"));
        let program = Program::exactly("/bin/sh").args(["-c".as_ref(), script.as_ref(), binary.as_os_str(), "--config".as_ref(), config.as_os_str()]);
        let program = program.args(["-v"]).env("RUNTIME_DIRECTORY", &hot).stdin_pipe(PipeReader::from(kept.try_clone().unwrap()));
        let mut running = program.limit(Duration::from_secs(600)).start();
        until(|| running.stderr().contains("listening on") || running.has_ended(), "the daemon listens");
        assert!(!running.has_ended(), "{}", running.stderr());
        self.daemon = Some(running);
    }

    pub(crate) fn start_telegraf(&mut self) {
        // What Telegraf's own unit gives to a program that it starts.
        let hot = self.path("run-telegraf");
        std::fs::create_dir_all(&hot).unwrap();
        self.telegraf = Some(self.agent.start_with(&[("RUNTIME_DIRECTORY", hot.to_str().unwrap())]));
    }

    /// Waits for Telegraf's inputs.
    pub(crate) fn wait_for_telegraf(&mut self) {
        let path = self.path("in.sock");
        let telegraf = self.telegraf.as_mut().expect("Telegraf was started");
        until(|| UnixStream::connect(&path).is_ok() || telegraf.has_ended(), "Telegraf listens");
        assert!(!telegraf.has_ended(), "{}", telegraf.stderr());
    }

    /// Writes numbered lines to Telegraf for so long.
    pub(crate) fn produce(&mut self, lines_per_s: u32, time: Duration) {
        self.wait_for_telegraf();
        let mut socket = UnixStream::connect(self.path("in.sock")).unwrap();
        let (start, first) = (Instant::now(), self.sent);
        loop {
            let elapsed = start.elapsed().min(time);
            let due = first + (elapsed.as_secs_f64() * f64::from(lines_per_s)).ceil() as usize;
            while self.sent < due {
                socket.write_all(&joined(&[line(self.sent)])).unwrap();
                self.sent += 1;
            }
            if elapsed == time {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until Telegraf has gathered all that was sent, as its witness says.
    pub(crate) fn wait_until_gathered(&self) {
        let sent = self.sent;
        until(|| self.produced().len() >= sent, "Telegraf has gathered everything");
    }

    /// What the witness has, over all lives of Telegraf.
    pub(crate) fn produced(&self) -> BTreeSet<Vec<u8>> {
        let text = std::fs::read(self.path("produced")).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        super::support::lines::split(&text[..whole]).into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Different lines in the stream, and how many beyond them.
    pub(crate) fn delivered(&self) -> (BTreeSet<Vec<u8>>, u64) {
        let counts = self.server.line_counts(STREAM);
        let all: u64 = counts.values().sum();
        let duplicates = all - counts.len() as u64;
        (counts.into_keys().collect(), duplicates)
    }

    /// A line now and then, as a Telegraf that goes on produces, until all that was produced before is delivered, or nothing more of it has come for `patience`.
    pub(crate) fn settle(&mut self, patience: Duration) {
        let wanted = self.produced();
        let (mut last, mut since) = (wanted.len(), Instant::now());
        while since.elapsed() < patience {
            let missing = wanted.difference(&self.delivered().0).count();
            if missing == 0 {
                return;
            }
            if missing != last {
                (last, since) = (missing, Instant::now());
            }
            self.produce(1, Duration::from_millis(10));
            std::thread::sleep(Duration::from_millis(1000));
        }
    }

    /// Sends a signal to kinegraf, however it runs; false when there is none at this moment.
    pub(crate) fn signal_kinegraf(&self, name: &str) -> bool {
        if let Some(daemon) = &self.daemon {
            daemon.signal(name);
            return true;
        }
        let telegraf = self.telegraf.as_ref().expect("Telegraf was started");
        let Some(pid) = child_of(telegraf.pid()) else { return false };
        // It may have ended by now.
        std::process::Command::new("/bin/kill").arg(format!("-{name}")).arg(pid.to_string()).output().unwrap().status.success()
    }

    /// The daemon ends by this signal and is started again.
    pub(crate) fn restart_daemon(&mut self, signal: &str) {
        if let Some(daemon) = self.daemon.take() {
            daemon.signal(signal);
            daemon.wait();
            self.start_daemon();
        }
    }

    /// Telegraf ends by this signal.
    pub(crate) fn end_telegraf(&mut self, signal: &str) -> Finished {
        let telegraf = self.telegraf.take().expect("Telegraf was started");
        telegraf.signal(signal);
        telegraf.wait()
    }

    /// Ends everything in order; what Telegraf said.
    pub(crate) fn end(&mut self) -> String {
        let finished = self.end_telegraf("TERM");
        if let Some(daemon) = self.daemon.take() {
            daemon.signal("TERM");
            let daemon = daemon.wait().assert_code(0);
            return format!("{}{}", finished.stderr, daemon.stderr);
        }
        finished.stderr
    }
}

/// A line of its own.
pub(crate) fn line(number: usize) -> Vec<u8> {
    format!("numbered,host=edge-{:02} n={number}i {}", number % 20, 1_795_305_600_000_000_000 + number as u64 * 1000).into_bytes()
}

pub(crate) fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    super::support::lines::joined(lines)
}

/// Waits a minute at most.
pub(crate) fn until(mut condition: impl FnMut() -> bool, words: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {words}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process whose parent is this one.
pub(crate) fn child_of(parent: u32) -> Option<u32> {
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name in brackets: state, parent.
        let ppid: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (ppid == parent).then_some(pid)
    })
}
