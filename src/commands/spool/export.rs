//! `kinegraf spool export`: the lines of a spool on standard output, each with a newline, block by block as they were accepted.
//!
//! A block whose checksum is wrong is left out and the next one is tried; where the next one begins is not guessed at. Memory: one block, whatever waits.

use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::{Failure, Inventory, Waiting, count, show_file, show_state};
use crate::config::diagnostic::show_path;
use crate::config::value::escape;
use crate::config::{Config, Environment};
use crate::log::Log;
use crate::spool::block::{self, CODEC_PLAIN, HEADER_SIZE, Position, entries};
use crate::spool::codec::Unpacking;
use crate::spool::os_disk::{FileInfo, OpenError, State, open_segment};
use crate::spool::segment::{Check, Found, Stop, WINDOW_SIZE_MIN, Walk};

/// Bytes that are looked at together while blocks are searched.
const WINDOW_SIZE: usize = 8 << 10;
const _: () = assert!(WINDOW_SIZE >= WINDOW_SIZE_MIN);

/// Which lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportOptions<'a> {
    /// Only these files, by their names; all where there is none.
    pub files: &'a [String],
    /// Only what waits for the stream of this name.
    pub destination: Option<&'a str>,
    /// Delivered lines and files that were set aside, too.
    pub all: bool,
}

/// Prints the lines; a reader who leaves is a good end. What is left out is said in `log`.
///
/// # Errors
/// No directory is configured; nothing is found where something was named; something could not be read, or not be written.
pub fn run(config: &Config, environment: &Environment, options: ExportOptions<'_>, log: &Log, stdout: &mut dyn Write) -> Result<(), Failure> {
    let inventory = Inventory::look(config, environment)?;
    let chosen = choose(&inventory, options)?;
    let mut export = Export { out: stdout, unpacking: Unpacking::new(), stored: Vec::new(), plain: Vec::new(), lines: 0 };
    let mut incomplete = 0u64;
    for (directory, file, from) in &chosen {
        let shown = show_file(inventory.path(*directory), file);
        match export.file(&inventory, *directory, file, *from) {
            Ok(None) => {}
            Ok(Some(why)) => {
                log.warn(format_args!("{shown}: {why}"));
                // What is being written ends within a block, and so does what a power cut left.
                incomplete += u64::from(why != Stop::Torn.to_string());
            }
            Err(Trouble::Unwanted) => return Ok(()),
            Err(Trouble::Writing(error)) => return Err(Failure::io(format!("writing the lines to standard output failed: {error}"))),
        }
    }
    match export.out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::io(format!("writing the lines to standard output failed: {error}")));
        }
        _ => {}
    }
    if incomplete > 0 {
        let (files, lines) = (count(incomplete, "file"), count(export.lines, "line"));
        return Err(Failure::io(format!("{files} of {} could not be read whole; {lines} were printed", chosen.len())));
    }
    Ok(())
}

type Chosen<'a> = Vec<(usize, &'a FileInfo, Position)>;

/// Files in the order in which they are printed, each with the first position that is.
fn choose<'a>(inventory: &'a Inventory, options: ExportOptions<'_>) -> Result<Chosen<'a>, Failure> {
    let is_named = |file: &FileInfo| options.files.is_empty() || options.files.contains(&file.name);
    let is_for = |file: &FileInfo| options.destination.is_none_or(|name| file.stream.as_ref().is_some_and(|stream| stream.stream() == name));
    let waiting = inventory.streams.iter().flat_map(|waiting: &Waiting| &waiting.files);
    // What was set aside was given up, so that no cursor says anything about it; whoever names such a file wants all of it.
    let others = inventory.others.iter().filter(|(_, file)| {
        let set_aside = matches!(file.state, State::SetAside(_));
        !options.files.is_empty() || options.all || !set_aside
    });
    let from = |file: &FileInfo| match file.state {
        State::Waiting | State::Tail(_) if !options.all => file.acknowledged,
        _ => Position(0),
    };
    let chosen: Chosen<'_> =
        waiting.chain(others).filter(|(_, file)| is_named(file) && is_for(file)).map(|(directory, file)| (*directory, file, from(file))).collect();
    if let Some(name) = options.files.iter().find(|name| !chosen.iter().any(|(_, file, _)| file.name == **name)) {
        let place = show_path(inventory.path(0));
        return Err(Failure::io(format!("{place}: there is no segment '{}', spool list shows those that wait", escape(name.chars().take(64)))));
    }
    Ok(chosen)
}

/// Why printing ended.
enum Trouble {
    /// Whoever read has left.
    Unwanted,
    Writing(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        if error.kind() == io::ErrorKind::BrokenPipe { Trouble::Unwanted } else { Trouble::Writing(error) }
    }
}

struct Export<'a> {
    out: &'a mut dyn Write,
    unpacking: Unpacking,
    /// A block as it is stored, and unpacked.
    stored: Vec<u8>,
    plain: Vec<u8>,
    lines: u64,
}

impl Export<'_> {
    /// Prints the blocks of a file from a position on; why it could not print all of it.
    fn file(&mut self, inventory: &Inventory, directory: usize, info: &FileInfo, from: Position) -> Result<Option<String>, Trouble> {
        if matches!(info.state, State::UnknownVersion(_) | State::Unreadable(_)) {
            return Ok(Some(show_state(info)));
        }
        let file = match open_segment(inventory.path(directory), &info.name) {
            Ok(file) => file,
            // It was delivered since it was listed.
            Err(OpenError::Failed { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Ok(Some(error.to_string())),
        };
        let mut window = [0; WINDOW_SIZE];
        let read_at = |offset: u64, out: &mut [u8]| file.read_exact_at(out, offset);
        // Headers only: each block's checksum is looked at here, so that one that is wrong costs one block.
        let size = file.metadata().map_or(info.size, |found| found.len());
        let mut walk = match Walk::begin(info.segment, size, None, Check::Headers, &mut window, read_at) {
            Ok(walk) => walk,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let mut damaged = 0u64;
        loop {
            match walk.next_block() {
                Ok(Some(found)) if found.header.position < from => {}
                Ok(Some(found)) => match self.block(&file, &found) {
                    Ok(()) => self.print(found.header.lines)?,
                    Err(_) => damaged += u64::from(found.header.lines),
                },
                Ok(None) => break,
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        let stop = walk.stop().filter(|stop| **stop != Stop::End).map(Stop::to_string);
        let left_out = (damaged > 0).then(|| format!("{} left out, the checksums of their blocks are wrong", count(damaged, "line")));
        Ok(match (left_out, stop) {
            (Some(left_out), Some(stop)) => Some(format!("{left_out}; {stop}")),
            (left_out, stop) => left_out.or(stop),
        })
    }

    /// Reads a block, checks and unpacks it.
    fn block(&mut self, file: &impl FileExt, found: &Found) -> io::Result<()> {
        let header = &found.header;
        let mut head = [0; HEADER_SIZE];
        file.read_exact_at(&mut head, found.offset)?;
        self.stored.resize(header.size, 0);
        file.read_exact_at(&mut self.stored, found.offset + HEADER_SIZE as u64)?;
        if !block::covers(&head, &self.stored) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.plain.clear();
        if header.codec == CODEC_PLAIN {
            std::mem::swap(&mut self.plain, &mut self.stored);
            return Ok(());
        }
        self.unpacking.unpack(&self.stored, header.plain_size, &mut self.plain).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn print(&mut self, lines: u32) -> io::Result<()> {
        for entry in entries(&self.plain, 0) {
            self.out.write_all(&self.plain[entry.line_start as usize..][..entry.line_size as usize])?;
            self.out.write_all(b"\n")?;
        }
        self.lines += u64::from(lines);
        Ok(())
    }
}
