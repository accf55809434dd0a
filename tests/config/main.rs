//! The configuration as a person meets it: files with mistakes and what is said about them, flags, precedence, the sample file.
#![allow(clippy::unwrap_used, reason = "a test crate: a panic is the report")]

mod arguments;
mod files;
mod formats;
mod hostile;
mod keys;
mod precedence;
mod profile;
mod sample;
mod telegraf;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use kinegraf::cli::{self, Command, Options};
use kinegraf::config::{Config, ConfigError, Destination, DirectoryEntry, Environment, Files, load};

pub(crate) const SAMPLE: &str = include_str!("../../packaging/kinegraf.toml");
pub(crate) const MINIMAL: &str = "region = \"eu-central-1\"\nstreamname = \"s\"\n";

pub(crate) fn run(arguments: &[&str]) -> Options {
    match cli::parse(arguments.iter().map(OsString::from)) {
        Ok(Command::Run(options)) => options,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

pub(crate) fn usage(arguments: &[&str]) -> String {
    let error = cli::parse(arguments.iter().map(OsString::from)).map(|command| format!("{command:?}")).expect_err("a usage error");
    assert_eq!(error.to_string().lines().next(), Some(error.first_line()));
    error.first_line().to_owned()
}

/// Loads with a reader for whatever file is named.
pub(crate) fn load_with(options: &Options, environment: &Environment, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Config, ConfigError> {
    load(options, environment, Files { read, list: &|path| panic!("{} is listed", path.display()) })
}

/// Loads from files by path; a path that others begin with is a directory.
pub(crate) fn load_tree(tree: &[(&str, &str)], arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let files: BTreeMap<PathBuf, &str> = tree.iter().map(|(path, text)| (PathBuf::from(path), *text)).collect();
    let read = |path: &Path| match files.get(path) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None if files.keys().any(|file| file.starts_with(path)) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let list = |path: &Path| {
        let mut entries: Vec<DirectoryEntry> = Vec::new();
        for rest in files.keys().filter_map(|file| file.strip_prefix(path).ok()) {
            let entry = DirectoryEntry { path: path.join(rest.iter().next().unwrap()), is_directory: rest.iter().count() > 1 };
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        Ok(entries)
    };
    load(&run(arguments), &Environment::from_pairs(environment), Files { read: &read, list: &list })
}

pub(crate) fn load_all(file: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut arguments = arguments.to_vec();
    arguments.extend(["-c", "f.toml"]);
    load_with(&run(&arguments), &Environment::from_pairs(environment), &|path| {
        assert_eq!(path, Path::new("f.toml"));
        Ok(file.as_bytes().to_vec())
    })
}

pub(crate) fn load_file(file: &str) -> Result<Config, ConfigError> {
    load_all(file, &[], &[])
}

pub(crate) fn without_file(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_with(&run(arguments), &Environment::from_pairs(environment), &|path| panic!("{} is read", path.display()))
}

pub(crate) fn destination() -> Destination {
    Destination { region: "eu-central-1".into(), stream: "s".into(), url: "https://kinesis.eu-central-1.amazonaws.com/".into() }
}
