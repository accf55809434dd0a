//! The configuration as a person meets it: files with mistakes and what is said about them, flags, precedence, the sample file.

mod arguments;
mod files;
mod hostile;
mod keys;
mod precedence;
mod sample;

use std::ffi::OsString;
use std::path::Path;

use kinegraf::cli::{self, Command, Options};
use kinegraf::config::{Config, ConfigError, Destination, Environment, load};

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

pub(crate) fn load_all(file: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut arguments = arguments.to_vec();
    arguments.extend(["-c", "f.toml"]);
    load(&run(&arguments), &Environment::from_pairs(environment), |path| {
        assert_eq!(path, Path::new("f.toml"));
        Ok(file.as_bytes().to_vec())
    })
}

pub(crate) fn load_file(file: &str) -> Result<Config, ConfigError> {
    load_all(file, &[], &[])
}

pub(crate) fn without_file(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&run(arguments), &Environment::from_pairs(environment), |path| panic!("{} is read", path.display()))
}

pub(crate) fn destination() -> Destination {
    Destination { region: "eu-central-1".into(), stream: "s".into(), url: "https://kinesis.eu-central-1.amazonaws.com/".into() }
}
