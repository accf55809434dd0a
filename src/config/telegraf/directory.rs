//! A directory of Telegraf (`/etc/telegraf`, `telegraf.d`): the one file in it that has an `[[outputs.kinesis]]`.
//!
//! Looked at is what Telegraf looks at: files whose names end in `.conf`, in folders below as well, but those that begin with `..`. Everything is bounded.

use std::path::{Path, PathBuf};

use super::section::{ONE_SECTION, has_section};
use crate::config::diagnostic::{ConfigError, show_path};
use crate::config::load::{self, Files};
use crate::config::value::show_size;
use crate::limits::{CONFIG_DEPTH_MAX, CONFIG_FILES_MAX, FILE_SIZE_MAX};

/// Where Telegraf's packages have it look for files of its own accord.
const ETC: &str = "/etc/telegraf";
/// The directory in there whose files it adds to the first one; named so wherever somebody puts it.
const ADDED: &str = "telegraf.d";

/// Whether a Telegraf loads this file of its own accord, as far as its path tells.
pub(crate) fn is_where_telegraf_looks(path: &Path) -> bool {
    let is_added = path.ancestors().skip(1).any(|directory| directory.file_name().is_some_and(|name| name == ADDED));
    is_configuration(path) && (is_added || path.starts_with(ETC))
}

/// Whether Telegraf takes a file of this name from a directory.
fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.len() > ".conf".len() && name.ends_with(b".conf")
}

/// The path and bytes of the file with the section.
pub(crate) fn find(directory: &Path, named_by: &str, files: &Files<'_>) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    let (mut paths, whence) = (Vec::new(), format!("it is in the directory that {named_by} names"));
    collect(directory, files, 0, &whence, &mut paths)?;
    let mut found: Vec<(PathBuf, Vec<u8>, usize)> = Vec::new();
    for path in &paths {
        let bytes = (files.read)(path).map_err(|error| load::unreadable(path, &whence, &error))?;
        if bytes.len() as u64 > FILE_SIZE_MAX {
            let message =
                format!("is longer than {}, so nobody looked for [[outputs.kinesis]] in it: name the file that has it", show_size(FILE_SIZE_MAX));
            return Err(ConfigError::of_file(path, &message));
        }
        // What is no configuration of Telegraf is not told apart: only the section counts.
        let text = String::from_utf8_lossy(&bytes);
        if let Some(header) = has_section(&text) {
            let line = text[..header.start].matches('\n').count() + 1;
            found.push((path.clone(), bytes, line));
        }
    }
    match &found[..] {
        [] => {
            let message = match paths.len() {
                0 => "is a directory without a file that ends in .conf: name a file, or a directory of Telegraf's".to_owned(),
                1 => "has no [[outputs.kinesis]] in its one file that ends in .conf".to_owned(),
                count => format!("has no [[outputs.kinesis]] in its {count} files that end in .conf"),
            };
            Err(ConfigError::of_file(directory, &message))
        }
        [_] => Ok(found.pop().map(|(path, bytes, _)| (path, bytes)).expect("there is one")),
        [(first, _, line), rest @ ..] => {
            let others: Vec<String> = rest.iter().map(|(path, _, line)| format!("{}:{line}", show_path(path))).collect();
            let message = format!("[[outputs.kinesis]] stands in {}:{line} and in {}; {ONE_SECTION}", show_path(first), others.join(", "));
            Err(ConfigError::of_file(directory, &message))
        }
    }
}

fn collect(directory: &Path, files: &Files<'_>, depth: usize, whence: &str, paths: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
    let mut entries = (files.list)(directory).map_err(|error| load::unreadable(directory, whence, &error))?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    for entry in entries {
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        if entry.is_directory && !name.starts_with("..") {
            if depth == CONFIG_DEPTH_MAX {
                return Err(ConfigError::of_file(&entry.path, &format!("stands {CONFIG_DEPTH_MAX} directories deep: name the file itself")));
            }
            collect(&entry.path, files, depth + 1, whence, paths)?;
        } else if !entry.is_directory && is_configuration(&entry.path) {
            if paths.len() == CONFIG_FILES_MAX {
                return Err(ConfigError::of_file(
                    directory,
                    &format!("has more than {CONFIG_FILES_MAX} files that end in .conf: name the file itself"),
                ));
            }
            paths.push(entry.path.clone());
        }
    }
    Ok(())
}
