//! `kinegraf migrate`: a section of Telegraf becomes a file of kinegraf's own and another section of Telegraf, and nothing else is touched.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod golden;
mod meaning;
mod secrets;
mod sections;
mod socket;
mod write;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use support::process::Finished;
use support::{Program, TempDir};

/// A section that needs nothing else.
pub(crate) const SECTION: &str = "[[outputs.kinesis]]\n  region = \"eu-west-1\"\n  streamname = \"s\"\n";

pub(crate) fn kinegraf() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kinegraf"))
}

/// Where the program is, as it sees itself.
pub(crate) fn program() -> String {
    let named = std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_kinegraf")));
    std::fs::canonicalize(named).unwrap().into_os_string().into_string().unwrap()
}

/// A directory with a `telegraf.conf`, and what became of it.
pub(crate) struct Migration {
    pub(crate) dir: TempDir,
    pub(crate) file: PathBuf,
    pub(crate) output: PathBuf,
}

impl Migration {
    pub(crate) fn of(text: impl AsRef<[u8]>) -> Migration {
        let dir = TempDir::new();
        let file = dir.file("telegraf.conf", text);
        let output = dir.path().join("kinegraf.toml");
        Migration { dir, file, output }
    }

    /// The command, to be started.
    pub(crate) fn program(&self, arguments: &[&str]) -> Program {
        let output = [OsString::from("--output"), self.output.clone().into_os_string()];
        kinegraf().args([OsString::from("migrate"), self.file.clone().into_os_string()]).args(output).args(arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.program(arguments).run()
    }

    /// Runs to a good end; the printed section.
    pub(crate) fn printed(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(arguments).assert_code(0).stdout).unwrap()
    }

    /// The new file.
    pub(crate) fn written(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// Every name in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.dir.path())
    }

    /// Text with nothing of this machine in it.
    pub(crate) fn anywhere(&self, text: &str) -> String {
        text.replace(&program(), "/usr/bin/kinegraf").replace(self.dir.path().to_str().unwrap(), "/etc/telegraf")
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The text of a file without comments and blank lines: what it says.
pub(crate) fn says(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
