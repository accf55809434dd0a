//! `kinegraf spool list`, `drain` and `export`, run as a person runs them: backlogs are made by runs whose Kinesis answers with 503, and what becomes of
//! their lines is in the account of a loopback Kinesis.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod beside;
mod drain;
mod export;
mod failing;
mod list;
mod made;

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use support::process::Finished;
use support::service::Stream;
use support::{Fault, Options, Plan, Program, Server, TempDir, lines};

/// Streams of the loopback Kinesis; `telemetry` is there too.
pub(crate) const A: &str = "stream-a";
pub(crate) const B: &str = "stream-b";

pub(crate) fn kinegraf() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kinegraf"))
}

/// A Kinesis that answers 503 until it is mended.
pub(crate) fn broken_server() -> Server {
    let streams = [A, B].map(|name| (name, Stream::default())).to_vec();
    Server::start(Options { streams, ..Options::plan(Plan::Always(Fault::ServiceUnavailable)) })
}

/// A spool directory in a directory of its own.
pub(crate) struct SpoolDir {
    _temp: TempDir,
    pub(crate) path: PathBuf,
}

impl SpoolDir {
    /// Not made yet.
    pub(crate) fn new() -> SpoolDir {
        let temp = TempDir::new();
        SpoolDir { path: temp.path().join("spool"), _temp: temp }
    }

    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// `run` with this spool, told to end soon.
    pub(crate) fn run(&self, server: &Server, stream: &str) -> Program {
        kinegraf().to(server, stream).args(["--spool", &self.shown(), "--shutdown-timeout", "300ms"])
    }

    /// Leaves `count` lines for a stream, as a run does that cannot deliver them.
    pub(crate) fn backlog(&self, server: &Server, stream: &str, seed: u64, count: usize) -> Vec<Vec<u8>> {
        let lines = lines::telegraf(seed, count);
        self.run(server, stream).stdin(lines::joined(&lines)).run().assert_code(0);
        lines
    }

    /// `spool COMMAND` with this directory.
    pub(crate) fn command(&self, command: &str) -> Program {
        kinegraf().args(["spool", command, "--spool", &self.shown()])
    }

    /// `spool drain`, configured for a stream.
    pub(crate) fn drain(&self, server: &Server, stream: &str) -> Program {
        self.command("drain").to(server, stream).args(["--shutdown-timeout", "300ms"])
    }

    /// What `spool list` prints without naming a stream.
    pub(crate) fn listed(&self) -> String {
        words(&self.command("list").run().assert_code(0))
    }

    /// What `spool export` prints.
    pub(crate) fn exported(&self) -> Vec<u8> {
        self.command("export").run().assert_code(0).stdout
    }

    /// Files that end so.
    pub(crate) fn files(&self, end: &str) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.to_string_lossy().ends_with(end));
        paths.sort();
        paths
    }

    /// Names, sizes, times and bytes of everything in it, and its own time.
    pub(crate) fn snapshot(&self) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
        let of = |path: PathBuf| (path.clone(), path.metadata().unwrap().modified().unwrap(), fs::read(&path).unwrap_or_default());
        self.files("").into_iter().chain([self.path.clone()]).map(of).collect()
    }
}

pub(crate) fn words(finished: &Finished) -> String {
    String::from_utf8(finished.stdout.clone()).unwrap()
}

/// The row of a stream in what `spool list` prints: its columns, and all after them.
pub(crate) fn row(listed: &str, stream: &str) -> (Vec<String>, String) {
    let line = listed.lines().find(|line| line.contains(&format!(" {stream} in ")) && line.ends_with(')'));
    let line = line.unwrap_or_else(|| panic!("no {stream} in {listed}"));
    let columns: Vec<String> = line.split_whitespace().take(5).map(str::to_owned).collect();
    (columns, line[line.find(stream).unwrap()..].to_owned())
}
