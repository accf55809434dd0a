//! `kinegraf spool list`, `drain` and `export`: what waits in a spool's directories, by the stream that it waits for.
//!
//! Here: looking. No lock is taken and nothing is written, so that a running kinegraf is not disturbed, and a card that turned read-only can be read. What
//! is seen may be delivered a moment later. Names and addresses out of headers are written so that no terminal obeys them.

pub mod drain;
pub mod export;
pub mod list;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::diagnostic::show_path;
use crate::config::value::escape;
use crate::config::{Config, Environment};
use crate::daemon::disks;
use crate::ending;
use crate::kinesis::endpoint;
use crate::spool::block::Position;
use crate::spool::cursor::Cursor;
use crate::spool::os_disk::{FileInfo, Listing, OpenError, Refusal, State, cursors, listing_from};
use crate::spool::segment::{Stop, StreamId};

/// Why a command ends with another code than 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// The whole reason.
    pub reason: String,
}

impl Failure {
    fn io(reason: impl fmt::Display) -> Failure {
        Failure { code: ending::IO, reason: reason.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// Both directories of a spool, as they were when they were looked at.
#[derive(Debug)]
struct Inventory {
    /// `spool.directory` first, then the one in memory where there is one.
    directories: Vec<PathBuf>,
    /// What waits, the configured stream first, then by region and name.
    streams: Vec<Waiting>,
    /// Files that no run delivers as they are.
    others: Vec<(usize, FileInfo)>,
    /// Bytes of all that is ours in the first directory.
    size: u64,
}

/// What waits for a stream.
#[derive(Debug)]
struct Waiting {
    stream: StreamId,
    is_configured: bool,
    /// Segments, with the directory that each is in, by position.
    files: Vec<(usize, FileInfo)>,
    /// The first directory's cursor, or the second's.
    cursor: Option<Cursor>,
}

impl Inventory {
    /// Looks at the directories that the configuration names.
    fn look(config: &Config, environment: &Environment) -> Result<Inventory, Failure> {
        let configured = config.destination.as_ref().and_then(|destination| destination.stream_id().ok());
        let hot = configured.as_ref().map_or(config.spool.hot.clone(), |stream| disks::hot_path(config, environment, stream));
        let cold = config.spool.directory.clone();
        if cold.is_none() && hot.is_none() {
            let reason = "no spool directory is named: give --spool DIR, or write directory = \"DIR\" in [spool] of a file that --config names";
            return Err(Failure { code: ending::CONFIG, reason: reason.into() });
        }
        // A directory in memory is made by the run that needs it; after a reboot there is none.
        let has_cold = cold.is_some();
        let there = |path: &PathBuf| !matches!(cursors(path), Err(OpenError::Refused { reason: Refusal::Missing, .. }));
        let directories: Vec<PathBuf> = cold.into_iter().chain(hot.filter(|path| !has_cold || there(path))).collect();

        let listings = look_at(&directories)?;
        let mut inventory = Inventory { directories, streams: Vec::new(), others: Vec::new(), size: 0 };
        inventory.size = listings[0].files.iter().map(|file| file.size).sum();
        for (directory, listing) in listings.into_iter().enumerate() {
            for file in listing.files {
                inventory.add(directory, file, &listing.cursors, configured.as_ref());
            }
        }
        inventory.streams.iter_mut().for_each(|waiting| waiting.files.sort_by_key(|(directory, file)| (file.segment, *directory)));
        inventory.streams.sort_by(|a, b| (b.is_configured, &a.stream).cmp(&(a.is_configured, &b.stream)));
        Ok(inventory)
    }

    fn add(&mut self, directory: usize, file: FileInfo, cursors: &[(u32, Cursor)], configured: Option<&StreamId>) {
        let is_segment = matches!(file.state, State::Waiting | State::Tail(_));
        let Some(stream) = file.stream.clone().filter(|_| is_segment) else {
            return self.others.push((directory, file));
        };
        let at = self.streams.iter().position(|waiting| waiting.stream == stream).unwrap_or_else(|| {
            let is_configured = configured == Some(&stream);
            self.streams.push(Waiting { stream, is_configured, files: Vec::new(), cursor: None });
            self.streams.len() - 1
        });
        let waiting = &mut self.streams[at];
        waiting.cursor = waiting.cursor.or(cursors.iter().find(|(hash, _)| *hash == file.hash).map(|(_, cursor)| *cursor));
        waiting.files.push((directory, file));
    }

    fn path(&self, directory: usize) -> &Path {
        &self.directories[directory]
    }
}

/// Each directory with what the others know of it: a cursor may be newer elsewhere, and a segment that has settled may not have gone from memory yet.
fn look_at(directories: &[PathBuf]) -> Result<Vec<Listing>, Failure> {
    let mut from: Vec<(u32, Position)> = Vec::new();
    for path in directories {
        from.extend(cursors(path).map_err(Failure::io)?.into_iter().map(|(hash, cursor)| (hash, cursor.acknowledged)));
    }
    let mut listings: Vec<Listing> = Vec::new();
    for path in directories {
        let listing = listing_from(path, &from).map_err(Failure::io)?;
        let segments = listing.files.iter().filter(|file| matches!(file.state, State::Waiting | State::Tail(_)));
        from.extend(segments.map(|file| (file.hash, end(file))));
        listings.push(listing);
    }
    Ok(listings)
}

/// Behind the last whole block.
fn end(file: &FileInfo) -> Position {
    Position(file.segment.saturating_add(file.blocks))
}

impl Waiting {
    fn lines(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.waiting).sum()
    }

    fn is_named(&self, name: Option<&str>) -> bool {
        name.is_none_or(|name| self.stream.stream() == name)
    }
}

/// A stream for a person. An address that cannot be one of ours may hold a password, and is not shown.
fn show_stream(stream: &StreamId) -> String {
    let name = format!("{} in {}", escape(stream.stream().chars()), escape(stream.region().chars()));
    match stream.endpoint_url() {
        None => name,
        Some(url) => match endpoint::check_url(url) {
            Ok(url) => format!("{name} at {}", escape(url.chars())),
            Err(_) => format!("{name} at ***"),
        },
    }
}

/// Why a file is not delivered, or is not whole.
fn show_state(file: &FileInfo) -> String {
    match &file.state {
        State::Waiting => "whole".into(),
        State::SetAside(Stop::End) => "nothing is wrong with it now".into(),
        State::Tail(stop) | State::SetAside(stop) => stop.to_string(),
        State::UnknownVersion(version) => Stop::UnknownVersion(*version).to_string(),
        State::Unreadable(error) => escape(error.chars()),
    }
}

/// Where a file is.
fn show_file(directory: &Path, file: &FileInfo) -> String {
    show_path(&directory.join(&file.name))
}

/// `1 line`, `2 lines`.
fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
