//! Arguments become a [`Command`], or the reason why they do not. One table of options for each command makes its parser and its help text.
//!
//! Reads no file and no variable. An option that stands for a key of the configuration is read and checked by that key's row in [`crate::config::keys`].

mod arguments;
mod forward;
mod migrate;
mod run;
mod spool;

use std::ffi::OsString;
use std::fmt;

use crate::config::near;
use crate::config::value::{ascii_line, escape, looks_secret};
use crate::limits;

pub use forward::ForwardOptions;
pub use migrate::{MigrateOptions, Pairing};
pub use run::Options;
pub use spool::{SpoolAction, SpoolCommand, SpoolOptions};

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Read lines, write records.
    Run(Options),
    /// Give lines to a running daemon.
    Forward(ForwardOptions),
    /// Take a section of Telegraf over.
    Migrate(MigrateOptions),
    /// Look into a spool, or empty it.
    Spool(SpoolOptions),
    /// Print [`help`] on stdout.
    Help,
    /// Print [`migrate_help`] on stdout.
    MigrateHelp,
    /// Print [`spool_help`] on stdout.
    SpoolHelp(Option<SpoolCommand>),
    /// Print [`version`] on stdout.
    Version,
}

/// Every command and what it does, in the order of the help text. The first is meant where none is named.
const COMMANDS: [(&str, &str); 3] = [
    ("run", "read lines, write records; meant where no command is named"),
    ("migrate", "take over Telegraf's [[outputs.kinesis]]; has --help of its own"),
    ("spool list|drain|export", "what waits in a spool directory; each has --help of its own"),
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

/// The help text of `spool`, or of one of its commands; lines of at most 100 characters.
pub fn spool_help(command: Option<SpoolCommand>) -> String {
    spool::help(command)
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
    if arguments.next_if(|first| first == "spool").is_some() {
        return spool::parse(arguments);
    }
    let named = arguments.next_if(|first| first == "run").is_some();
    run::parse(arguments, named)
}

/// What to say of a word where a command may stand.
fn unknown_command(word: &str) -> UsageError {
    let names: Vec<&str> = COMMANDS.iter().filter_map(|(name, _)| name.split(' ').next()).collect();
    error(format!("unknown command {}, {}", show(word), hint(word, &names)))
}

/// The command that was perhaps meant, or all there are.
fn hint(word: &str, names: &[&str]) -> String {
    match (near::nearest(word, names.iter().copied()), names) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, [first @ .., last]) => format!("the commands are {} and {last}", first.join(", ")),
        (None, []) => String::new(),
    }
}

fn error(reason: String) -> UsageError {
    UsageError { reason: ascii_line(&reason, limits::FIRST_LINE_SIZE_MAX), help: "kinegraf --help" }
}

/// A word of the command line in a message.
fn show(word: &str) -> String {
    if looks_secret(word) { "***".into() } else { format!("'{}'", escape(word.chars().take(64))) }
}
