//! Arguments become a [`Command`], or the reason why they do not. One table of options makes the parser and the help text.
//!
//! Reads no file and no variable. An option that stands for a key of the configuration is read and checked by that key's row in [`crate::config::keys`].

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::config::keys::Id;
use crate::config::near;
use crate::config::value::{Kind, Value, ascii_line, escape, looks_secret};
use crate::limits;

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Read lines, write records.
    Run(Options),
    /// Print [`help`] on stdout.
    Help,
    /// Print [`version`] on stdout.
    Version,
}

/// The options of a run. What stands for a key of the configuration is in here checked, and given to [`crate::config::load`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file to read.
    pub config: Option<PathBuf>,
    /// Records go to stdout as JSON.
    pub dry_run: bool,
    /// Key, value, and the option that gave it.
    pub(crate) settings: Vec<(Id, Value, &'static str)>,
}

/// Arguments that cannot be followed; exit code 64. The first line of its text is the whole reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    reason: String,
}

impl UsageError {
    /// The whole reason: one line of printable ASCII, at most [`limits::FIRST_LINE_SIZE_MAX`] bytes.
    pub fn first_line(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nkinegraf --help lists the options", self.reason)
    }
}

impl std::error::Error for UsageError {}

/// What an option does.
#[derive(Clone, Copy)]
enum Action {
    Config,
    Key(Id),
    Format,
    Partition,
    DryRun,
    Verbose,
    Quiet,
    Help,
    Version,
}

struct Flag {
    /// As it is written, `-v` where there is no long form.
    name: &'static str,
    /// The other way to write it.
    short: Option<char>,
    /// What follows it, in the help text; empty for nothing.
    value: &'static str,
    action: Action,
    doc: &'static str,
}

const fn flag(name: &'static str, short: Option<char>, value: &'static str, action: Action, doc: &'static str) -> Flag {
    Flag { name, short, value, action, doc }
}

/// Every option, in the order of the help text.
#[rustfmt::skip]
const FLAGS: [Flag; 18] = [
    flag("--config", Some('c'), "PATH", Action::Config, "a file of ours, or Telegraf's; else KINEGRAF_CONFIG, else none"),
    flag("--stream", None, "NAME", Action::Key(Id::Streamname), "name of the Kinesis data stream"),
    flag("--region", None, "REGION", Action::Key(Id::Region), "its region; else AWS_REGION"),
    flag("--endpoint-url", None, "URL", Action::Key(Id::EndpointUrl), "another address of Kinesis"),
    flag("--profile", None, "NAME", Action::Key(Id::Profile), "profile of the shared credential files"),
    flag("--partition", None, "METHOD", Action::Partition, "random|series|measurement|static=K|tag=K[,DEFAULT]|template=TEXT"),
    flag("--format", None, "FORMAT", Action::Format, "record data: influx|json|string|custom"),
    flag("--pack", None, "HOW", Action::Key(Id::Pack), "lines a record: metric (one), lines (of one key)"),
    flag("--content-encoding", None, "HOW", Action::Key(Id::ContentEncoding), "encoding of record data: identity"),
    flag("--listen", None, "WHERE", Action::Key(Id::Listen), "where lines come from: stdin"),
    flag("--deadline", None, "TIME", Action::Key(Id::Deadline), "limit of the whole run; the sender keeps its lines until it ends"),
    flag("--shutdown-timeout", None, "TIME", Action::Key(Id::ShutdownTimeout), "time for what remains at the end of a pipe"),
    flag("--flush-interval", None, "TIME", Action::Key(Id::FlushInterval), "how long a line waits for others"),
    flag("--dry-run", None, "", Action::DryRun, "print records as JSON, send nothing"),
    flag("-v", Some('v'), "", Action::Verbose, "say what is done; twice: every request"),
    flag("-q", Some('q'), "", Action::Quiet, "say errors only"),
    flag("--help", Some('h'), "", Action::Help, "print this"),
    flag("--version", Some('V'), "", Action::Version, "print version and commit"),
];

/// `kinegraf 0.1.0 (0123456789ab)`.
pub fn version() -> String {
    format!("kinegraf {} ({})", env!("CARGO_PKG_VERSION"), env!("KINEGRAF_COMMIT"))
}

/// The help text; lines of at most 100 characters.
pub fn help() -> String {
    let mut out = String::from(
        "kinegraf reads InfluxDB line protocol from stdin and writes it to an Amazon Kinesis data stream\n\n\
         usage: kinegraf [run] [OPTIONS]\n\noptions:\n",
    );
    for flag in &FLAGS {
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let name = if flag.name.starts_with("--") { format!("{short}{}", flag.name) } else { flag.name.to_owned() };
        let default = match flag.action {
            Action::Key(id) => id.key().default_value().map(|_| id.key().default_text()),
            Action::Format => Some(Id::DataFormat.key().default_text()),
            _ => None,
        };
        let default = default.map_or(String::new(), |default| format!(" (default: {default})"));
        let left = format!("{name} {}", flag.value);
        out.push_str(&format!("  {left:<29} {}{default}\n", flag.doc));
    }
    out.push_str(
        "\nTIME is a number with ms, s, m, h or d: 500ms, 10s, 1h30m. Every other setting is a key of the file.\n\
         exit codes: 0 all lines are stored, 1 no such stream, 64 usage, 74 input or output error,\n\
         75 some lines are not stored, 77 access refused, 78 configuration\n",
    );
    out
}

/// Reads the arguments that follow the program's name: `kinegraf [run] [OPTIONS]`, each option as `--name value` or `--name=value`, at most once but `-v`.
///
/// # Errors
/// The first argument that cannot be followed, and why.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments = arguments.into_iter().peekable();
    arguments.next_if(|first| first == "run");
    let mut parser = Parser { options: Options::default(), seen: Vec::new(), verbose: 0, quiet: false, first: true };
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        let command = if bytes == b"--" {
            match arguments.next() {
                Some(left) => return Err(parser.unexpected(&left)),
                None => break,
            }
        } else if bytes.starts_with(b"--") {
            parser.long(bytes, &mut arguments)?
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            parser.short(&argument, &mut arguments)?
        } else {
            return Err(parser.unexpected(&argument));
        };
        if let Some(command) = command {
            return Ok(command);
        }
        parser.first = false;
    }
    parser.finish().map(Command::Run)
}

type Rest<I> = std::iter::Peekable<I>;

struct Parser {
    options: Options,
    seen: Vec<&'static str>,
    verbose: u8,
    quiet: bool,
    first: bool,
}

impl Parser {
    fn long<I: Iterator<Item = OsString>>(&mut self, bytes: &[u8], rest: &mut Rest<I>) -> Result<Option<Command>, UsageError> {
        let (name, value) = match bytes.iter().position(|b| *b == b'=') {
            Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
            None => (bytes, None),
        };
        let Some(flag) = FLAGS.iter().find(|flag| flag.name.as_bytes() == name) else {
            let name = String::from_utf8_lossy(name);
            let near = near::nearest(name.trim_start_matches('-'), FLAGS.iter().filter_map(|flag| flag.name.strip_prefix("--")));
            let hint = near.map_or(String::new(), |near| format!(", did you mean --{near}?"));
            return Err(error(format!("unknown option {}{hint}", show(&name))));
        };
        match (flag.value.is_empty(), value) {
            (true, Some(_)) => Err(error(format!("{} takes no value", flag.name))),
            (true, None) => self.apply(flag, OsStr::new("")),
            (false, Some(value)) => self.apply(flag, value),
            (false, None) => {
                let value = next_value(flag, rest)?;
                self.apply(flag, &value)
            }
        }
    }

    fn short<I: Iterator<Item = OsString>>(&mut self, argument: &OsStr, rest: &mut Rest<I>) -> Result<Option<Command>, UsageError> {
        let bytes = argument.as_bytes();
        for (i, b) in bytes.iter().enumerate().skip(1) {
            let Some(flag) = FLAGS.iter().find(|flag| flag.short == Some(char::from(*b))) else {
                // One dash instead of two is the likely mistake.
                let word = String::from_utf8_lossy(bytes).into_owned();
                let name = word.split('=').next().unwrap_or_default().trim_start_matches('-');
                let near = if name.len() > 2 { near::nearest(name, FLAGS.iter().filter_map(|flag| flag.name.strip_prefix("--"))) } else { None };
                let hint = near.map_or(String::new(), |near| format!(", did you mean --{near}?"));
                let shown = if near.is_some() || i == 1 && bytes.len() == 2 {
                    format!("-{name}")
                } else {
                    format!("-{}", word.chars().nth(i).unwrap_or('?'))
                };
                return Err(error(format!("unknown option {}{hint}", show(&shown))));
            };
            if !flag.value.is_empty() {
                let attached = &bytes[i + 1..];
                let value = match attached {
                    [] => next_value(flag, rest)?,
                    [b'=', value @ ..] => OsStr::from_bytes(value).to_owned(),
                    value => OsStr::from_bytes(value).to_owned(),
                };
                return self.apply(flag, &value);
            }
            if let Some(command) = self.apply(flag, OsStr::new(""))? {
                return Ok(Some(command));
            }
        }
        Ok(None)
    }

    fn apply(&mut self, flag: &'static Flag, value: &OsStr) -> Result<Option<Command>, UsageError> {
        if self.seen.contains(&flag.name) && !matches!(flag.action, Action::Verbose) {
            return Err(error(format!("{} is given twice", flag.name)));
        }
        self.seen.push(flag.name);
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
        }
        Ok(None)
    }

    fn set(&mut self, name: &'static str, id: Id, text: &str) -> Result<(), UsageError> {
        if text.trim().is_empty() {
            return Err(error(format!("{name} is empty, must be {}", id.key().kind.describe().trim_end_matches(" in quotes"))));
        }
        let value = id.key().kind.read(text).map_err(|reason| error(format!("{name} {reason}")))?;
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

    fn finish(mut self) -> Result<Options, UsageError> {
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

    fn unexpected(&self, argument: &OsStr) -> UsageError {
        let text = argument.to_string_lossy();
        let what = if self.first { "unknown command" } else { "unexpected argument" };
        let hint = if self.first { ", only run is built" } else { "" };
        error(format!("{what} {}{hint}", show(&text)))
    }
}

/// The next argument, unless it is an option itself.
fn next_value<I: Iterator<Item = OsString>>(flag: &Flag, rest: &mut Rest<I>) -> Result<OsString, UsageError> {
    let is_option = |argument: &OsString| {
        let name = argument.as_bytes().split(|b| *b == b'=').next().unwrap_or_default();
        name == b"--" || FLAGS.iter().any(|flag| flag.name.as_bytes() == name || flag.short.is_some_and(|short| name == [b'-', short as u8]))
    };
    rest.next_if(|argument| !is_option(argument)).ok_or_else(|| error(format!("{} needs a value: {0} {}", flag.name, flag.value)))
}

fn text<'a>(flag: &Flag, value: &'a OsStr) -> Result<&'a str, UsageError> {
    value.to_str().ok_or_else(|| error(format!("{} is not UTF-8", flag.name)))
}

fn error(reason: String) -> UsageError {
    UsageError { reason: ascii_line(&reason, limits::FIRST_LINE_SIZE_MAX) }
}

/// A word of the command line in a message.
fn show(word: &str) -> String {
    if looks_secret(word) { "***".into() } else { format!("'{}'", escape(word.chars().take(64))) }
}
