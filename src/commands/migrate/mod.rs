//! `kinegraf migrate FILE`: what a `[[outputs.kinesis]]` says becomes a file of kinegraf's own, and the section of Telegraf that takes its place is printed.
//!
//! | step | what | fails with |
//! |---|---|---|
//! | 1 | read FILE; every mistake of its section at once | 78 |
//! | 2 | make PATH, readable by its owner alone, who is Telegraf's user where that can be; whatever has that name stays as it is | 74 |
//! | 3 | print the new section | 74 |
//! | 4 | with `--write`: back FILE up, then replace it at once | 74 |
//!
//! No other file is touched. Until the very end of step 4 FILE is as it was, and a failure says what was made before it. A secret goes into PATH alone.

mod files;
mod notes;
mod own_file;
mod pairing;
mod replace;
mod section;

use std::fmt;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::files::Original;
use self::notes::Owners;
use self::section::Section;
use crate::cli::{MigrateOptions, Pairing};
use crate::config::ConfigError;
use crate::config::diagnostic::show_path;
use crate::config::load;
use crate::config::telegraf::Purpose;
use crate::config::{Environment, Files};
use crate::ending;

/// Why nothing, or not everything, was done.
#[derive(Debug)]
pub enum Failure {
    /// The configuration has mistakes.
    Config(ConfigError),
    /// A file cannot be made or changed; the whole reason.
    Io(String),
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(error) => error.exit_code(),
            Failure::Io(_) => ending::IO,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(error) => error.fmt(f),
            Failure::Io(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Config(error)
    }
}

/// Makes the file, prints the section on `stdout`, changes Telegraf's file if that is asked for; gives what else a person must know, one line each.
///
/// # Errors
/// Why the section cannot be taken over, or which file cannot be made or changed, and what was made before that.
pub fn run(options: &MigrateOptions, environment: &Environment, files: Files<'_>, stdout: &mut dyn Write) -> Result<Vec<String>, Failure> {
    let (file, bytes) = load::read_named(&options.file, "the command line", Purpose::Migrate, &files)?;
    let text = &*load::decode(&file, &bytes)?;
    let section = Section::read(&file, text, environment, &files)?;

    // The mistakes of a file are shown under the name that was given, everything else under the one that it has from everywhere.
    let file = files::absolute(&file).map_err(|error| Failure::Io(format!("{}: {error}", show_path(&file))))?;
    let program = program()?;
    let config = files::absolute(&options.output).map_err(|error| cannot_make(&options.output, &error))?;
    let printed = pairing::section(&section, options.pairing, utf8(&program)?, utf8(&config)?);
    let original = match options.write {
        true => Some(Original::open(&file, &bytes).map_err(|error| Failure::Io(format!("{}: {error}", show_path(&file))))?),
        false => None,
    };

    let telegraf = notes::telegraf_user(&files);
    files::create_private(&config, &own_file::text(&section, &show_path(&file)), telegraf).map_err(|error| cannot_make(&config, &error))?;
    let mut made = show_path(&config);
    let unchanged =
        |what: &str, made: &str, error: &io::Error| Failure::Io(format!("{what}: {error}; made: {made}; {} is as it was", show_path(&file)));

    let daemon = if options.pairing == Pairing::Socket { pairing::daemon(utf8(&program)?, utf8(&config)?) } else { String::new() };
    let shown = if daemon.is_empty() { printed.clone() } else { format!("{printed}\n{daemon}") };
    stdout.write_all(shown.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| unchanged("the section cannot be printed", &made, &error))?;

    let owners = Owners { config: files::owner(&config), file: files::owner(&file), telegraf };
    let mut notes = vec![notes::on_owner(&owners, &config, &file)];
    notes.extend(notes::on_section(&section, options.pairing, environment));
    notes.extend(notes::on_paths(&program, &config));
    match original {
        Some(original) => {
            let backup = original.back_up().map_err(|error| unchanged("no backup can be made", &made, &error))?;
            made = format!("{made}, {}", show_path(&backup));
            let (mark, rest) = bytes.split_at(bytes.len() - text.len());
            let changed = [mark, &replace::replaced(rest, text, section.tables(), &printed)].concat();
            original.replace(&changed).map_err(|error| unchanged("the file cannot be replaced", &made, &error))?;
            let (file, backup) = (show_path(&original.path), show_path(&backup));
            notes.push(format!("{file} is changed, {backup} is what it was: reload Telegraf (systemctl reload telegraf)"));
        }
        None => {
            let line = section.tables().first().map_or(0, |table| text[..table.header.start].matches('\n').count() + 1);
            let place = format!("{}:{line}", show_path(&file));
            notes.push(format!(
                "nothing of Telegraf is changed: put the printed section in place of the [[outputs.kinesis]] in {place}, then reload Telegraf; \
                 with both of them every metric is sent twice"
            ));
        }
    }
    Ok(notes)
}

/// The file of kinegraf's own that says what the section in `text` says.
///
/// # Errors
/// Every mistake of the section at once.
pub fn own_file(path: &Path, text: &str, environment: &Environment, files: Files<'_>) -> Result<String, ConfigError> {
    Section::read(path, text, environment, &files).map(|section| own_file::text(&section, &show_path(path)))
}

/// The file of this very program.
fn program() -> Result<PathBuf, Failure> {
    let program = files::program().map_err(|error| Failure::Io(format!("/proc/self/exe: {error}, it tells where kinegraf is")))?;
    // What was replaced while it runs has a name that the kernel added to.
    let name = program.to_str().and_then(|name| name.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(name.unwrap_or(program))
}

/// The section is text, and so is what it names.
fn utf8(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure::Io(format!("{}: a path that is not UTF-8 cannot be named in a file of Telegraf", show_path(path))))
}

fn cannot_make(path: &Path, error: &io::Error) -> Failure {
    let shown = show_path(path);
    Failure::Io(match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{shown}: exists already, and nothing is overwritten: move it away, or name another with --output"),
        io::ErrorKind::NotFound => format!("{shown}: there is no such directory to make it in"),
        _ => format!("{shown}: cannot be made: {error}"),
    })
}
