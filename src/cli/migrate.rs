//! The arguments of `kinegraf migrate`.

use std::ffi::OsString;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::arguments::{Argument, Arguments, Flag, flag};
use super::{Command, UsageError, error, show};
use crate::config::value::Kind;

/// Which plugin of Telegraf hands lines to kinegraf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pairing {
    /// `outputs.exec`: a process for each batch, which Telegraf keeps until it has ended well.
    #[default]
    Exec,
    /// `outputs.execd`: one process as long as Telegraf runs.
    Execd,
    /// `outputs.socket_writer`: a daemon beside Telegraf, whose socket systemd keeps.
    Socket,
}

/// What is to be migrated, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateOptions {
    /// A file of Telegraf, or a directory of them.
    pub file: PathBuf,
    /// How the two are paired.
    pub pairing: Pairing,
    /// The file of kinegraf's own that is made.
    pub output: PathBuf,
    /// Whether Telegraf's file is changed.
    pub write: bool,
}

/// Where the file is made unless it is said.
const OUTPUT: &str = "./kinegraf.toml";
const PAIRINGS: [&str; 3] = ["exec", "execd", "socket"];

#[derive(Clone, Copy)]
enum Action {
    Pairing,
    Output,
    Write,
    Help,
    Version,
}

#[rustfmt::skip]
const FLAGS: [Flag<Action>; 5] = [
    flag("--pairing", None, "HOW", Action::Pairing, "what hands lines over: exec|execd|socket (default: exec)"),
    flag("--output", Some('o'), "PATH", Action::Output, "the file to make, which must not exist (default: ./kinegraf.toml)"),
    flag("--write", None, "", Action::Write, "change FILE as well, after a backup as FILE.before-kinegraf"),
    flag("--help", Some('h'), "", Action::Help, "print this"),
    flag("--version", Some('V'), "", Action::Version, "print version and commit"),
];

/// The help text of this command.
pub(super) fn help() -> String {
    let mut out = String::from(
        "kinegraf migrate takes over what the [[outputs.kinesis]] of a Telegraf does\n\n\
         usage: kinegraf migrate FILE [OPTIONS]\n\n\
         FILE is a configuration of Telegraf, or a directory with one. Its section becomes a file of\n\
         kinegraf's own, which only its owner can read, and the section of Telegraf that hands lines to\n\
         kinegraf is printed on stdout. Nothing else is touched, and nothing is sent.\n\noptions:\n",
    );
    FLAGS.iter().for_each(|flag| out.push_str(&format!("{}\n", flag.help())));
    out.push_str(
        "\nexec    Telegraf keeps a batch until kinegraf has stored every line of it; a short process a batch\n\
         execd   one process as long as Telegraf runs; what is between the two is lost with either\n\
         socket  a daemon beside Telegraf, on a socket that systemd keeps; loses what nobody has read there\n\n\
         exit codes: 0 done, 64 usage, 74 a file cannot be written, 78 the configuration has mistakes\n",
    );
    out
}

/// Reads what follows `migrate`.
pub(super) fn parse<I: Iterator<Item = OsString>>(arguments: Peekable<I>) -> Result<Command, UsageError> {
    let mut arguments = Arguments::new(arguments, &FLAGS);
    let (mut file, mut output, mut pairing, mut write) = (None, PathBuf::from(OUTPUT), Pairing::default(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Word(word) if word.is_empty() => return Err(error("the FILE to migrate is empty, must name a file or a directory".into())),
            Argument::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
            Argument::Word(word) => {
                return Err(error(format!("unexpected argument {}, one FILE is migrated at a time", show(&word.to_string_lossy()))));
            }
            Argument::Flag(flag, value) => match flag.action {
                Action::Help => return Ok(Command::MigrateHelp),
                Action::Version => return Ok(Command::Version),
                Action::Write => write = true,
                Action::Pairing => pairing = pairing_of(&value)?,
                Action::Output if value == "-" => {
                    return Err(error("--output is '-', must name a file: it may hold secrets, which are never printed".into()));
                }
                Action::Output if Path::new(&value).file_name().is_none() => return Err(error("--output names no file".into())),
                Action::Output => output = PathBuf::from(value),
            },
        }
    }
    let file = file.ok_or_else(|| error("migrate needs the FILE to migrate, such as /etc/telegraf/telegraf.conf".into()))?;
    Ok(Command::Migrate(MigrateOptions { file, pairing, output, write }))
}

fn pairing_of(value: &OsString) -> Result<Pairing, UsageError> {
    match value.to_str() {
        Some("exec") => Ok(Pairing::Exec),
        Some("execd") => Ok(Pairing::Execd),
        Some("socket") => Ok(Pairing::Socket),
        other => {
            let reason = Kind::Word(&PAIRINGS).read(other.unwrap_or("?")).err().unwrap_or_default();
            Err(error(format!("--pairing {reason}")))
        }
    }
}
