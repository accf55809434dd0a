//! The options of a run.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::PathBuf;

use super::arguments::{Argument, Arguments, Flag, flag};
use super::forward;
use super::{Command, UsageError, error, show, unknown_command};
use crate::config::keys::Id;
use crate::config::value::{Kind, Value};

/// The options of a run. What stands for a key of the configuration is in here checked, and given to [`crate::config::load`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file to read.
    pub config: Option<PathBuf>,
    /// Records go to stdout as JSON.
    pub dry_run: bool,
    /// A stream need not be named: a command that looks into the spool finds streams there.
    pub(crate) destination_optional: bool,
    /// Key, value, and the option that gave it.
    pub(crate) settings: Vec<(Id, Value, &'static str)>,
}

/// What an option does.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Config,
    Key(Id),
    Format,
    Partition,
    Forward,
    DryRun,
    Verbose,
    Quiet,
    Help,
    Version,
}

/// Every option, in the order of the help text.
#[rustfmt::skip]
pub(super) const FLAGS: [Flag<Action>; 22] = [
    flag("--config", Some('c'), "PATH", Action::Config, "a file of ours, or Telegraf's; else KINEGRAF_CONFIG, else none"),
    flag("--stream", None, "NAME", Action::Key(Id::Streamname), "name of the Kinesis data stream"),
    flag("--region", None, "REGION", Action::Key(Id::Region), "its region; else AWS_REGION"),
    flag("--endpoint-url", None, "URL", Action::Key(Id::EndpointUrl), "another address of Kinesis"),
    flag("--profile", None, "NAME", Action::Key(Id::Profile), "profile of the shared credential files"),
    flag("--role-arn", None, "ARN", Action::Key(Id::RoleArn), "role that is assumed with the credentials found"),
    flag("--partition", None, "METHOD", Action::Partition, "random|series|measurement|static=K|tag=K[,DEFAULT]|template=TEXT"),
    flag("--format", None, "FORMAT", Action::Format, "record data: influx|json|string|custom"),
    flag("--pack", None, "HOW", Action::Key(Id::Pack), "lines a record: metric (one), lines (of one key)"),
    flag("--content-encoding", None, "HOW", Action::Key(Id::ContentEncoding), "encoding of record data: identity"),
    flag("--listen", None, "WHERE", Action::Key(Id::Listen), "source of lines: stdin, unix:///PATH, unixgram:///PATH; repeatable"),
    flag("--forward", None, "WHERE", Action::Forward, "give the lines to the daemon that listens on unix:///PATH"),
    flag("--deadline", None, "TIME", Action::Key(Id::Deadline), "limit of the whole run; the sender keeps its lines until it ends"),
    flag("--spool", None, "DIR", Action::Key(Id::SpoolDirectory), "keep here what cannot be delivered yet"),
    flag("--shutdown-timeout", None, "TIME", Action::Key(Id::ShutdownTimeout), "time for what remains at the end of a pipe"),
    flag("--flush-interval", None, "TIME", Action::Key(Id::FlushInterval), "how long a line waits for others"),
    flag("--dry-run", None, "", Action::DryRun, "print records as JSON, send nothing"),
    flag("--log", None, "WHERE", Action::Key(Id::LogTo), "diagnostics: auto, stderr, journal, telegraf"),
    flag("-v", Some('v'), "", Action::Verbose, "say what is done; twice: every request"),
    flag("-q", Some('q'), "", Action::Quiet, "say errors only"),
    flag("--help", Some('h'), "", Action::Help, "print this"),
    flag("--version", Some('V'), "", Action::Version, "print version and commit"),
];

/// The help text of the program, with its commands.
pub(super) fn help(commands: &[(&str, &str)]) -> String {
    let mut out = String::from(
        "kinegraf reads InfluxDB line protocol from stdin and writes it to an Amazon Kinesis data stream\n\n\
         usage: kinegraf [COMMAND] [OPTIONS]\n\ncommands:\n",
    );
    commands.iter().for_each(|(name, doc)| out.push_str(&format!("  {name:<29} {doc}\n")));
    out.push_str("\noptions of run:\n");
    FLAGS.iter().for_each(|flag| out.push_str(&line_of(flag)));
    out.push_str(
        "\nTIME is a number with ms, s, m, h or d: 500ms, 10s, 1h30m. Every other setting is a key of the file.\n\
         exit codes: 0 all lines are stored, 1 no such stream, 64 usage, 74 input or output error,\n\
         75 some lines are not stored, 77 access refused, 78 configuration\n",
    );
    out
}

/// An option's line of a help text.
pub(super) fn line_of(flag: &Flag<Action>) -> String {
    let default = match flag.action {
        Action::Key(id) => id.key().default_value().map(|_| id.key().default_text()),
        Action::Format => Some(Id::DataFormat.key().default_text()),
        _ => None,
    };
    format!("{}{}\n", flag.help(), default.map_or(String::new(), |default| format!(" (default: {default})")))
}

/// Reads what follows `run`; `named` tells whether that word was there.
pub(super) fn parse<I: Iterator<Item = OsString>>(arguments: Peekable<I>, named: bool) -> Result<Command, UsageError> {
    let mut arguments = Arguments::new(arguments, &FLAGS);
    let mut parser = Parser::default();
    let mut first = !named;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Word(word) if first => return Err(unknown_command(&word.to_string_lossy())),
            Argument::Word(word) => return Err(error(format!("unexpected argument {}", show(&word.to_string_lossy())))),
            Argument::Flag(flag, value) => {
                if let Some(command) = parser.apply(&flag, &value)? {
                    return Ok(command);
                }
            }
        }
        first = false;
    }
    parser.finish_command()
}

/// Collects options into [`Options`].
#[derive(Default)]
pub(super) struct Parser {
    options: Options,
    forward: Option<PathBuf>,
    verbose: u8,
    quiet: bool,
}

impl Parser {
    /// Takes an option; the command where it asks for another one than that.
    pub(super) fn apply(&mut self, flag: &Flag<Action>, value: &OsStr) -> Result<Option<Command>, UsageError> {
        match flag.action {
            Action::Help => return Ok(Some(Command::Help)),
            Action::Version => return Ok(Some(Command::Version)),
            Action::DryRun => self.options.dry_run = true,
            Action::Verbose => self.verbose = self.verbose.saturating_add(1),
            Action::Quiet => self.quiet = true,
            Action::Config if value.is_empty() => return Err(error("--config is empty, must name a file".into())),
            Action::Config => self.options.config = Some(PathBuf::from(value)),
            Action::Key(id) => self.set(flag.name, id, text(flag, value)?)?,
            Action::Partition => self.partition(flag.name, text(flag, value)?)?,
            Action::Format => self.format(flag.name, text(flag, value)?)?,
            Action::Forward => self.forward = Some(forward::socket(text(flag, value)?)?),
        }
        Ok(None)
    }

    fn set(&mut self, name: &'static str, id: Id, text: &str) -> Result<(), UsageError> {
        if text.trim().is_empty() {
            let what = id.key().kind.describe();
            let what = what.trim_end_matches(", or an array of them").trim_end_matches(" in quotes");
            return Err(error(format!("{name} is empty, must be {what}")));
        }
        let value = id.key().kind.read(text).map_err(|reason| error(format!("{name} {reason}")))?;
        // A list grows with each option that names it.
        if let Value::List(more) = &value
            && let Some((_, Value::List(list), _)) = self.options.settings.iter_mut().find(|(other, _, _)| *other == id)
        {
            list.extend_from_slice(more);
            return id.key().kind.read_list(list.clone()).map(drop).map_err(|reason| error(format!("{name} {reason}")));
        }
        self.options.settings.push((id, value, name));
        Ok(())
    }

    /// The words of both keys that say it in a file.
    fn format(&mut self, name: &'static str, text: &str) -> Result<(), UsageError> {
        const WORDS: [&str; 4] = ["influx", "string", "custom", "json"];
        let id = if matches!(text, "string" | "custom") { Id::Format } else { Id::DataFormat };
        match id.key().kind.read(text) {
            Ok(value) => {
                self.options.settings.push((id, value, name));
                Ok(())
            }
            Err(_) => {
                let reason = Kind::Word(&WORDS).read(text).err().unwrap_or_default();
                Err(error(format!("{name} {reason}")))
            }
        }
    }

    /// `random`, `measurement`, `series`, `static=KEY`, `template=TEXT`, `tag=KEY` or `tag=KEY,DEFAULT`: the first comma splits.
    fn partition(&mut self, name: &'static str, text: &str) -> Result<(), UsageError> {
        let (method, rest) = text.split_once('=').map_or((text, None), |(method, rest)| (method, Some(rest)));
        self.set(name, Id::PartitionMethod, method)?;
        let part = |id: Id, what: &str, text: &str| match id.key().kind.read(text) {
            Ok(value) => Ok((id, value, name)),
            Err(reason) => Err(error(format!("the {what} of {name} {reason}"))),
        };
        match (method, rest) {
            ("static", Some(key)) => self.options.settings.push(part(Id::PartitionKey, "key", key)?),
            ("tag", Some(tag)) => {
                let (key, default) = tag.split_once(',').map_or((tag, None), |(key, default)| (key, Some(default)));
                self.options.settings.push(part(Id::PartitionKey, "key", key)?);
                if let Some(default) = default {
                    self.options.settings.push(part(Id::PartitionDefault, "default", default)?);
                }
            }
            ("template", Some(template)) => self.options.settings.push(part(Id::PartitionTemplate, "text", template)?),
            ("template", None) => return Err(error(format!("{name} is \"template\" without a text, must be template=TEXT"))),
            ("static", None) => return Err(error(format!("{name} is \"static\" without a key, must be static=KEY"))),
            ("tag", None) => return Err(error(format!("{name} is \"tag\" without a key, must be tag=KEY or tag=KEY,DEFAULT"))),
            (method, Some(_)) => return Err(error(format!("{name} {method} takes no key"))),
            (_, None) => {}
        }
        Ok(())
    }

    /// What was asked for: a run, or lines for one that is running.
    fn finish_command(mut self) -> Result<Command, UsageError> {
        let Some(socket) = self.forward.take() else { return self.finish().map(Command::Run) };
        let options = self.finish()?;
        let others = if options.dry_run { Some("--dry-run") } else { options.config.as_ref().map(|_| "--config") };
        forward::options(socket, &options.settings, others).map(Command::Forward)
    }

    /// All that was taken, checked.
    pub(super) fn finish(mut self) -> Result<Options, UsageError> {
        if self.quiet && self.verbose > 0 {
            return Err(error("-v and -q contradict each other".into()));
        }
        let level = match (self.quiet, self.verbose) {
            (true, _) => Some(("error", "-q")),
            (false, 0) => None,
            (false, 1) => Some(("info", "-v")),
            (false, _) => Some(("debug", "-v")),
        };
        self.options.settings.extend(level.map(|(word, flag)| (Id::LogLevel, Value::Word(word), flag)));
        Ok(self.options)
    }
}

fn text<'a>(flag: &Flag<Action>, value: &'a OsStr) -> Result<&'a str, UsageError> {
    value.to_str().ok_or_else(|| error(format!("{} is not UTF-8", flag.name)))
}
