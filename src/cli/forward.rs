//! What of a run's options `--forward` goes with: its limit and how much is said. Everything else is the daemon's business.

use std::path::PathBuf;
use std::time::Duration;

use super::{UsageError, error};
use crate::config::keys::Id;
use crate::config::value::Value;
use crate::config::{Level, Listen};

/// The limit of a hand-off where none is given: less than the 5 s after which Telegraf's `outputs.exec` ends a program.
const DEADLINE: Duration = Duration::from_secs(4);

/// Lines for a running daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardOptions {
    /// The daemon's stream socket.
    pub socket: PathBuf,
    /// The limit of the whole run, from the start of the process.
    pub deadline: Duration,
    /// How much is said.
    pub level: Level,
}

/// Reads the address.
pub(super) fn socket(text: &str) -> Result<PathBuf, UsageError> {
    match Listen::parse(text) {
        Ok(Listen::Unix(path)) => Ok(path),
        Ok(_) => Err(error("--forward needs the daemon's stream socket, unix:///PATH".into())),
        Err(_) => Err(error("--forward must be unix:///PATH, one of the addresses in the daemon's 'listen'".into())),
    }
}

/// What the other options say of it.
pub(super) fn options(socket: PathBuf, settings: &[(Id, Value, &'static str)], others: Option<&str>) -> Result<ForwardOptions, UsageError> {
    let refuse = |name: &str| Err(error(format!("{name} does not go with --forward: the daemon's own configuration says it")));
    let mut options = ForwardOptions { socket, deadline: DEADLINE, level: Level::Warn };
    for (id, value, name) in settings {
        match (id, value) {
            (Id::Deadline, Value::Duration(deadline)) => options.deadline = *deadline,
            (Id::LogLevel, Value::Word("error")) => options.level = Level::Error,
            (Id::LogLevel, Value::Word("info")) => options.level = Level::Info,
            (Id::LogLevel, Value::Word("debug")) => options.level = Level::Debug,
            _ => return refuse(name),
        }
    }
    others.map_or(Ok(options), refuse)
}
