//! Flags, file and environment become a [`Config`]. Reads nothing itself: the file comes through a function, the variables as an argument.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnostic::{Place, Report};
use super::document::{self, Document};
use super::keys::Id;
use super::settings::{Origin, Settings};
use super::telegraf::{self, Purpose};
use super::{CaFile, Config, ConfigError, Environment, check, partition, profile};
use crate::cli::Options;
use crate::limits;
use crate::line::format::Format;
use crate::line::partition_key::PartitionMethod;

/// How files are reached: `main` gives those of the machine, tests their own.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// The bytes of a file; may stop after [`limits::FILE_SIZE_MAX`] + 1 of them.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// What stands in a directory, in any order.
    pub list: &'a dyn Fn(&Path) -> io::Result<Vec<DirectoryEntry>>,
}

impl fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The directory's path and the name.
    pub path: PathBuf,
    /// Whether it is a directory itself (not a link to one).
    pub is_directory: bool,
}

/// The configuration of a run. A flag wins over the file; `AWS_*` variables fill only what is empty.
///
/// The file is the one that `--config` names, else the one that `KINEGRAF_CONFIG` names, else none. Of a directory it is the one file of Telegraf that has
/// an `[[outputs.kinesis]]`.
///
/// # Errors
/// Every mistake of file, flags and variables at once, or why the file cannot be read.
pub fn load(options: &Options, environment: &Environment, files: Files<'_>) -> Result<Config, ConfigError> {
    let from_environment = || environment.get("KINEGRAF_CONFIG").map(|path| (PathBuf::from(path), "KINEGRAF_CONFIG"));
    let named = options.config.clone().map(|path| (path, "--config")).or_else(from_environment);
    let (found, bytes) = match &named {
        Some((path, by)) => read_named(path, by, Purpose::Run, &files).map(|(path, bytes)| (Some(path), bytes))?,
        None => (None, Vec::new()),
    };
    let path = found.as_deref();
    let text = &*decode(path.unwrap_or(Path::new("")), &bytes)?;

    let mut report = Report::new(path, text);
    let mut document = document::read(text, environment, Purpose::Run, &mut report);
    // Whoever names a directory names what Telegraf loads.
    let in_directory = named.is_some_and(|(named, _)| Some(named.as_path()) != path);
    let is_loaded = in_directory || path.is_some_and(telegraf::directory::is_where_telegraf_looks);
    if let Some(section) = document.telegraf.as_ref().filter(|section| is_loaded || section.is_loaded) {
        telegraf::section::note_loaded(section, &mut report);
    }
    let mut settings = std::mem::replace(&mut document.settings, Settings::new());
    apply_flags(options, &mut settings);
    let ca_files = apply_environment(environment, options.dry_run, &mut settings, &mut report);
    let nowhere = options.dry_run || options.destination_optional;
    // A dry run goes nowhere: what its environment says of places is not its business.
    if !options.dry_run && !document.broken {
        profile::apply(environment, nowhere, &mut settings, &files, &mut report);
    }
    let (partition, format, destination) = check_all(&document, &settings, nowhere, &files, &mut report);
    let notes = report.finish()?;
    let given = check::Given { destination, partition, format, ca_files, dry_run: options.dry_run, notes };
    let config = check::assemble(&settings, given);
    // One that came by a variable stands elsewhere.
    let secrets = [config.credentials.keys.as_ref().map(|(_, secret)| secret), config.credentials.token.as_ref()];
    let in_file = secrets.into_iter().flatten().any(|secret| text.contains(secret.reveal()));
    Ok(Config { secret_file: found.filter(|_| in_file), ..config })
}

/// The bytes of a file that was named, or of the one file with our section in a directory.
pub(crate) fn read_named(path: &Path, named_by: &str, purpose: Purpose, files: &Files<'_>) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    match (files.read)(path) {
        Ok(bytes) => Ok((path.to_owned(), bytes)),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => telegraf::directory::find(path, named_by, files),
        Err(error) if error.kind() == io::ErrorKind::NotFound && purpose == Purpose::Run => {
            let message = format!(
                "there is no such file, {named_by} names it\n\
                 a relative path begins in the directory that kinegraf was started in; packaging/kinegraf.toml of the source is a file to begin with\n\
                 a file is not needed: kinegraf --region REGION --stream NAME runs without one"
            );
            Err(ConfigError::of_file(path, &message))
        }
        Err(error) => Err(unreadable(path, &format!("{named_by} names it"), &error)),
    }
}

/// What is checked of several keys at once.
pub(crate) type Checked = (PartitionMethod, Format, Option<super::Destination>);

/// Reports every mistake that no key shows alone.
pub(crate) fn check_all(document: &Document, settings: &Settings, nowhere: bool, files: &Files<'_>, report: &mut Report<'_>) -> Checked {
    let partition = partition::method(document, settings, files, report);
    let format = check::format(document, settings, report);
    if !document.broken {
        check::credentials(settings, report);
        check::sources(document, settings, report);
        check::sizes(settings, report);
        check::spool(settings, report);
    }
    (partition, format, check::destination(document, settings, nowhere, report))
}

fn apply_flags(options: &Options, settings: &mut Settings) {
    // --partition says all of [partition] and of what stood for it before, --format all of the format.
    let all_of: [(&[Id], &[Id]); 2] = [
        (&[Id::PartitionMethod], &[Id::PartitionKey, Id::PartitionDefault, Id::PartitionTemplate, Id::Partitionkey, Id::UseRandomPartitionkey]),
        (&[Id::DataFormat, Id::Format], &[Id::DataFormat, Id::Format]),
    ];
    for (flags, said) in all_of {
        if options.settings.iter().any(|(id, _, _)| flags.contains(id)) {
            said.iter().for_each(|id| settings.clear(*id));
        }
    }
    for (id, value, flag) in &options.settings {
        settings.set(*id, value.clone(), Origin::Flag(flag));
    }
}

/// Fills the region where it is empty; gives every file of certificates.
fn apply_environment(environment: &Environment, dry_run: bool, settings: &mut Settings, report: &mut Report<'_>) -> Vec<CaFile> {
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| Some((name, environment.get(name)?)));
    if let Some((name, text)) = region.filter(|_| !dry_run && !settings.is_set(Id::Region) && !settings.is_wrong(Id::Region)) {
        match Id::Region.key().kind.read(text.trim()) {
            Ok(value) => settings.set(Id::Region, value, Origin::Variable(name)),
            Err(reason) => {
                settings.set_wrong(Id::Region);
                report.push(Place::Elsewhere, format!("{name} {reason}"));
            }
        }
    }
    let configured = settings.text(Id::CaFile).map(|path| ("network.ca_file", path.to_owned()));
    let variables = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].into_iter().filter_map(|name| Some((name, environment.get(name)?)));
    let mut files: Vec<CaFile> = Vec::new();
    for (named_by, path) in configured.into_iter().chain(variables) {
        let path = PathBuf::from(path);
        if !files.iter().any(|file| file.path == path) {
            files.push(CaFile { path, named_by: named_by.into() });
        }
    }
    files
}

/// Why this file or directory cannot be read; `whence` says who named it.
pub(crate) fn unreadable(path: &Path, whence: &str, error: &io::Error) -> ConfigError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no such file, {whence}"),
        io::ErrorKind::PermissionDenied => {
            format!("permission denied, {whence}\nthe user that kinegraf runs as must be able to read the file and to enter the directories above it")
        }
        _ => format!("cannot be read, {whence}: {}", super::value::escape(error.to_string().chars())),
    };
    ConfigError::of_file(path, &message)
}

/// UTF-8 without a byte order mark. In a file of Telegraf only its section need be UTF-8: a comment of another plugin may be in any encoding.
pub(crate) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<Cow<'a, str>, ConfigError> {
    if bytes.len() as u64 > limits::FILE_SIZE_MAX {
        let message = format!("is longer than {} and cannot be a configuration", super::value::show_size(limits::FILE_SIZE_MAX));
        return Err(ConfigError::of_file(path, &message));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ConfigError::of_file(path, "is UTF-16, must be UTF-8: save it again in that encoding"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map(Cow::Borrowed).or_else(|error| {
        if let Some(text) = telegraf::section::readable(bytes) {
            return Ok(Cow::Owned(text));
        }
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let byte = bytes[error.valid_up_to()];
        Err(ConfigError::at(path, line + 1, column + 1, &format!("the byte 0x{byte:02x} is not UTF-8: save the file again in that encoding")))
    })
}
