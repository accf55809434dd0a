//! Arguments become a [`Command`], or the reason why they do not. One table of options for each command makes its parser and its help text.
//!
//! Reads no file and no variable. An option that stands for a key of the configuration is read and checked by that key's row in [`crate::config::keys`].

mod arguments;
mod migrate;
mod run;

use std::ffi::OsString;
use std::fmt;

use crate::config::near;
use crate::config::value::{ascii_line, escape, looks_secret};
use crate::limits;

pub use migrate::{MigrateOptions, Pairing};
pub use run::Options;

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Read lines, write records.
    Run(Options),
    /// Take a section of Telegraf over.
    Migrate(MigrateOptions),
    /// Print [`help`] on stdout.
    Help,
    /// Print [`migrate_help`] on stdout.
    MigrateHelp,
    /// Print [`version`] on stdout.
    Version,
}

/// Every command and what it does, in the order of the help text. The first is meant where none is named.
const COMMANDS: [(&str, &str); 2] = [
    ("run", "read lines, write records; meant where no command is named"),
    ("migrate", "take over Telegraf's [[outputs.kinesis]]; has --help of its own"),
];

/// Arguments that cannot be followed; exit code 64. The first line of its text is the whole reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    reason: String,
    help: &'static str,
}

impl UsageError {
    /// The whole reason: one line of printable ASCII, at most [`limits::FIRST_LINE_SIZE_MAX`] bytes.
    pub fn first_line(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{} lists the options", self.reason, self.help)
    }
}

impl std::error::Error for UsageError {}

/// `kinegraf 0.1.0 (0123456789ab)`.
pub fn version() -> String {
    format!("kinegraf {} ({})", env!("CARGO_PKG_VERSION"), env!("KINEGRAF_COMMIT"))
}

/// The help text; lines of at most 100 characters.
pub fn help() -> String {
    run::help(&COMMANDS)
}

/// The help text of `migrate`; lines of at most 100 characters.
pub fn migrate_help() -> String {
    migrate::help()
}

/// Reads the arguments that follow the program's name: `kinegraf [COMMAND] [OPTIONS]`.
///
/// # Errors
/// The first argument that cannot be followed, and why.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|first| first == "migrate").is_some() {
        return migrate::parse(arguments).map_err(|error| UsageError { help: "kinegraf migrate --help", ..error });
    }
    let named = arguments.next_if(|first| first == "run").is_some();
    run::parse(arguments, named)
}

/// What to say of a word where a command may stand.
fn unknown_command(word: &str) -> UsageError {
    let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
    let hint = match near::nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the commands are {}", names.join(" and ")),
    };
    error(format!("unknown command {}, {hint}", show(word)))
}

fn error(reason: String) -> UsageError {
    UsageError { reason: ascii_line(&reason, limits::FIRST_LINE_SIZE_MAX), help: "kinegraf --help" }
}

/// A word of the command line in a message.
fn show(word: &str) -> String {
    if looks_secret(word) { "***".into() } else { format!("'{}'", escape(word.chars().take(64))) }
}
