//! The arguments of `kinegraf spool list`, `drain` and `export`. Options that a run has too are rows of its table, with the same meaning.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::time::Duration;

use super::arguments::{Argument, Arguments, Flag, flag};
use super::run::{self, Options, Parser};
use super::{Command, UsageError, error, hint, show};
use crate::config::value::{Kind, Value};

/// One of the commands of `spool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolCommand {
    /// What waits, for a person.
    List,
    /// Deliver it.
    Drain,
    /// Print its lines.
    Export,
}

/// What is to be done, and with which spool.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Names directory and stream as a run's options do.
    pub run: Options,
    /// What is to be done.
    pub action: SpoolAction,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolAction {
    /// Show what lies in the directory.
    List {
        /// As one JSON object.
        json: bool,
    },
    /// Deliver what waits.
    Drain {
        /// Only what waits for this stream, of whatever region.
        destination: Option<String>,
        /// Stranded lines go to the configured stream, not where their header says.
        to_configured: bool,
        /// A stream that has stored nothing for so long is left.
        give_up_after: Duration,
    },
    /// Print lines.
    Export {
        /// Only these files, by their names in the directory; all segments where there is none.
        files: Vec<String>,
        /// Only what waits for this stream, of whatever region.
        destination: Option<String>,
        /// Delivered lines and files that were set aside, too.
        all: bool,
    },
}

const COMMANDS: [(SpoolCommand, &str, &str); 3] = [
    (SpoolCommand::List, "list", "what waits for which stream, what was set aside or given up"),
    (SpoolCommand::Drain, "drain", "deliver what waits, each line to the stream that it was accepted for"),
    (SpoolCommand::Export, "export", "print the lines that wait"),
];

/// A stream that stores nothing for so long is left: longer than any pause between two attempts.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const GIVE_UP_AFTER_KIND: Kind = Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(86_400) };

#[derive(Clone, Copy)]
enum Action {
    OfRun(run::Action),
    Json,
    Destination,
    ToConfigured,
    GiveUpAfter,
    All,
}

const JSON: Flag<Action> = flag("--json", None, "", Action::Json, "print one JSON object");
const DESTINATION: Flag<Action> = flag("--destination", None, "NAME", Action::Destination, "only what waits for the stream of this name");
const TO_CONFIGURED: Flag<Action> = flag("--to-configured", None, "", Action::ToConfigured, "all that waits goes to the configured stream");
const GIVE_UP: Flag<Action> =
    flag("--give-up-after", None, "TIME", Action::GiveUpAfter, "leave a stream that stores nothing for so long (default: 1m)");
const ALL: Flag<Action> = flag("--all", None, "", Action::All, "delivered lines and files set aside, too");

/// What a run's table lends, and what is the command's own.
fn parts(command: SpoolCommand) -> (&'static [&'static str], &'static [Flag<Action>]) {
    match command {
        SpoolCommand::List => (&["--config", "--spool", "--stream", "--region", "--endpoint-url", "--help", "--version"], &[JSON]),
        // Not --partition: lines keep the keys that they were accepted with.
        SpoolCommand::Drain => (
            &[
                "--config",
                "--spool",
                "--stream",
                "--region",
                "--endpoint-url",
                "--profile",
                "--format",
                "--pack",
                "--content-encoding",
                "--deadline",
                "--shutdown-timeout",
                "-v",
                "-q",
                "--help",
                "--version",
            ],
            &[TO_CONFIGURED, DESTINATION, GIVE_UP],
        ),
        SpoolCommand::Export => (&["--config", "--spool", "--help", "--version"], &[DESTINATION, ALL]),
    }
}

fn flags_of_run(command: SpoolCommand) -> impl Iterator<Item = &'static Flag<run::Action>> {
    parts(command).0.iter().filter_map(|name| run::FLAGS.iter().find(|flag| flag.name == *name))
}

/// The help text of a command, or of them all.
pub(super) fn help(command: Option<SpoolCommand>) -> String {
    let Some(command) = command else {
        let mut out = String::from(
            "kinegraf spool looks into the directory where lines wait, and empties it\n\n\
             usage: kinegraf spool COMMAND [OPTIONS]\n\ncommands:\n",
        );
        COMMANDS.iter().for_each(|(_, name, doc)| out.push_str(&format!("  {name:<29} {doc}\n")));
        out.push_str("\neach has --help of its own; the directory is spool.directory of the configuration, or --spool DIR\n");
        return out;
    };
    let (head, foot) = match command {
        SpoolCommand::List => (LIST_HEAD, LIST_FOOT),
        SpoolCommand::Drain => (DRAIN_HEAD, DRAIN_FOOT),
        SpoolCommand::Export => (EXPORT_HEAD, EXPORT_FOOT),
    };
    let mut out = format!("{head}\noptions:\n");
    parts(command).1.iter().for_each(|flag| out.push_str(&format!("{}\n", flag.help())));
    flags_of_run(command).for_each(|flag| out.push_str(&run::line_of(flag)));
    out.push_str(foot);
    out
}

const LIST_HEAD: &str = "\
kinegraf spool list shows what lies in the directory where lines wait

usage: kinegraf spool list [OPTIONS]

Takes no lock and writes nothing: it works beside a running kinegraf, and where nothing can be
written. A stream other than the configured one is stranded: its lines wait for spool drain.
";
const LIST_FOOT: &str = "\nexit codes: 0 done, 64 usage, 74 the directory cannot be read, 78 the configuration has mistakes or\nnames no directory\n";
const DRAIN_HEAD: &str = "\
kinegraf spool drain delivers what waits and ends

usage: kinegraf spool drain [OPTIONS]

First what waits for the configured stream, then what is stranded: to the region, stream and
endpoint that it was accepted for, with the same credentials. A stream that fails does not stop the
next. What another kinegraf is delivering is left to it.
";
const DRAIN_FOOT: &str = "
TIME is a number with ms, s, m, h or d. --deadline limits all of it, --shutdown-timeout what follows
a signal, and how long a kinegraf that ends is waited for.
exit codes: 0 nothing waits but what another kinegraf delivers, 1 no such stream, 64 usage, 74 the
directory cannot be read or written, 75 some lines wait still, 77 access refused, 78 configuration
";
const EXPORT_HEAD: &str = "\
kinegraf spool export prints the lines that wait, as line protocol

usage: kinegraf spool export [FILE…] [OPTIONS]

Takes no lock and changes nothing. FILE is a name from spool list, also of a file that was set
aside; without one it is every segment, by stream and then in the order of arrival. Damaged files
are printed as far as they can be trusted.
";
const EXPORT_FOOT: &str =
    "\nexit codes: 0 done, 64 usage, 74 something could not be read or written, 78 the configuration has\nmistakes or names no directory\n";

/// Reads what follows `spool`.
pub(super) fn parse<I: Iterator<Item = OsString>>(mut arguments: Peekable<I>) -> Result<Command, UsageError> {
    let error = |reason: String| UsageError { help: "kinegraf spool --help", ..error(reason) };
    let names = COMMANDS.map(|(_, name, _)| name);
    let Some(word) = arguments.next() else {
        return Err(error(format!("spool needs a command, {}", hint("", &names))));
    };
    match word.to_str() {
        Some("--help" | "-h") => return Ok(Command::SpoolHelp(None)),
        Some("--version" | "-V") => return Ok(Command::Version),
        _ => {}
    }
    let Some((command, name, _)) = COMMANDS.iter().find(|(_, name, _)| word == *name) else {
        let word = word.to_string_lossy();
        return Err(error(format!("unknown command {} of spool, {}", show(&word), hint(&word, &names))));
    };
    parse_command(arguments, *command).map_err(|error| {
        let help = match *name {
            "list" => "kinegraf spool list --help",
            "drain" => "kinegraf spool drain --help",
            _ => "kinegraf spool export --help",
        };
        UsageError { help, ..error }
    })
}

fn parse_command<I: Iterator<Item = OsString>>(arguments: Peekable<I>, command: SpoolCommand) -> Result<Command, UsageError> {
    let table: Vec<Flag<Action>> = parts(command).1.iter().copied().chain(flags_of_run(command).map(|flag| flag.with(Action::OfRun))).collect();
    let mut arguments = Arguments::new(arguments, &table);
    let mut parser = Parser::default();
    let (mut json, mut destination, mut to_configured, mut give_up_after, mut all) = (false, None, false, GIVE_UP_AFTER, false);
    let mut files = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Word(word) if command == SpoolCommand::Export => files.push(file_name(&word)?),
            Argument::Word(word) => return Err(error(format!("unexpected argument {}", show(&word.to_string_lossy())))),
            Argument::Flag(flag, value) => match flag.action {
                Action::OfRun(run::Action::Help) => return Ok(Command::SpoolHelp(Some(command))),
                Action::OfRun(action) => {
                    if let Some(command) = parser.apply(&flag.with(|_| action), &value)? {
                        return Ok(command);
                    }
                }
                Action::Json => json = true,
                Action::Destination => destination = Some(stream_name(&value)?),
                Action::ToConfigured => to_configured = true,
                Action::GiveUpAfter => give_up_after = duration(flag.name, &value)?,
                Action::All => all = true,
            },
        }
    }
    let mut run = parser.finish()?;
    run.destination_optional = !to_configured;
    let action = match command {
        SpoolCommand::List => SpoolAction::List { json },
        SpoolCommand::Drain => SpoolAction::Drain { destination, to_configured, give_up_after },
        SpoolCommand::Export => SpoolAction::Export { files, destination, all },
    };
    Ok(Command::Spool(SpoolOptions { run, action }))
}

/// A name as `spool list` shows it, without a directory: that is the spool's.
fn file_name(word: &OsStr) -> Result<String, UsageError> {
    let name = word.to_str().filter(|name| !name.is_empty() && !name.contains('/'));
    name.map(str::to_owned).ok_or_else(|| error(format!("{} is no name of a file in the spool directory", show(&word.to_string_lossy()))))
}

/// What a header may hold is not what a configuration may: any name but none.
fn stream_name(value: &OsStr) -> Result<String, UsageError> {
    let name = value.to_str().ok_or_else(|| error("--destination is not UTF-8".into()))?;
    if name.is_empty() { Err(error("--destination is empty, must be the name of a stream".into())) } else { Ok(name.to_owned()) }
}

fn duration(name: &str, value: &OsStr) -> Result<Duration, UsageError> {
    match GIVE_UP_AFTER_KIND.read(value.to_str().unwrap_or("?")) {
        Ok(Value::Duration(duration)) => Ok(duration),
        Ok(_) => Ok(GIVE_UP_AFTER),
        Err(reason) => Err(error(format!("{name} {reason}"))),
    }
}
