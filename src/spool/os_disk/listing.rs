//! What lies in a spool's directory, for a person to read: no lock is taken, nothing is written, and a writer may be at work meanwhile.
//!
//! Lines are counted by the headers of blocks; checksums of data are looked at only in files that were set aside, to say why. One window of memory, whatever
//! the files hold.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::spool::block::Position;
use crate::spool::cursor::{Cursor, SLOT_SIZE};
use crate::spool::os_disk::SLOT_STRIDE;
use crate::spool::os_disk::directory::Directory;
use crate::spool::os_disk::error::OpenError;
use crate::spool::os_disk::names::Name;
use crate::spool::segment::{Check, Stop, StreamId, Walk};

/// Bytes of the window that a file is looked at through.
const WINDOW_SIZE: usize = 4 << 10;

/// What lies in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each segment, set aside or not, by stream and then by position.
    pub files: Vec<FileInfo>,
    /// Each valid cursor with the hash of its stream.
    pub cursors: Vec<(u32, Cursor)>,
}

/// A segment's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name in the directory.
    pub name: String,
    /// The position of its first block.
    pub segment: u64,
    /// Hash of its stream, from its name.
    pub hash: u32,
    /// Its stream, from its header, where that could be read.
    pub stream: Option<StreamId>,
    /// Its bytes.
    pub size: u64,
    /// Whole blocks in it.
    pub blocks: u64,
    /// Lines in them.
    pub lines: u64,
    /// Lines of these that the cursor does not call delivered or given up.
    pub waiting: u64,
    /// Every block before it is delivered or given up.
    pub acknowledged: Position,
    /// When the first block of these was accepted, since the Unix epoch, as the system believed it then.
    pub oldest: Option<Duration>,
    /// When the first and the last block were accepted, since the Unix epoch, as the system believed it then.
    pub accepted: Option<(Duration, Duration)>,
    /// What becomes of it.
    pub state: State,
}

/// What becomes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for a run with its stream.
    Waiting,
    /// It waits; behind its whole blocks is something else, which may be a block that is being written.
    Tail(Stop),
    /// A later version of this program wrote it and will deliver it.
    UnknownVersion(u16),
    /// It was set aside, since: (`Stop::End`: nothing is wrong with it any more, a disk error may have been the reason).
    SetAside(Stop),
    /// It cannot be read: the system's words.
    Unreadable(String),
}

/// Looks at a directory.
///
/// # Errors
/// Why it cannot be opened or read; a file that cannot be is listed as such.
pub fn listing(path: &Path) -> Result<Listing, OpenError> {
    listing_from(path, &[])
}

/// The same, where somebody knows better than the cursors here: the hash of a stream, and the position before which its blocks are elsewhere or done with.
///
/// # Errors
/// As [`listing`].
pub fn listing_from(path: &Path, from: &[(u32, Position)]) -> Result<Listing, OpenError> {
    let directory = Directory::open(path, false)?;
    let names = names(&directory)?;
    let mut listing = Listing { files: Vec::new(), cursors: cursors_of(&directory, &names) };
    for (name, kind, size) in names {
        let (segment, hash, aside) = match kind {
            Name::Segment { number, hash } => (number, hash, false),
            Name::SetAside { number, hash } => (number, hash, true),
            _ => continue,
        };
        let cursors = listing.cursors.iter().map(|(of, cursor)| (*of, cursor.acknowledged));
        let acknowledged = cursors.chain(from.iter().copied()).filter(|(of, _)| *of == hash).map(|(_, at)| at).max().unwrap_or_default();
        let mut info = FileInfo::new(name, segment, hash, size, acknowledged);
        match directory.read(&info.name).and_then(|file| look(&file, aside, &mut info)) {
            // A writer has just delivered it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => info.state = State::Unreadable(error.to_string()),
            Ok(()) => {}
        }
        listing.files.push(info);
    }
    listing.files.sort_by(|a, b| (a.hash, a.segment, &a.name).cmp(&(b.hash, b.segment, &b.name)));
    Ok(listing)
}

/// Each valid cursor in a directory with the hash of its stream.
///
/// # Errors
/// As [`listing`].
pub fn cursors(path: &Path) -> Result<Vec<(u32, Cursor)>, OpenError> {
    let directory = Directory::open(path, false)?;
    Ok(cursors_of(&directory, &names(&directory)?))
}

fn names(directory: &Directory) -> Result<Vec<(String, Name, u64)>, OpenError> {
    let mut names = Vec::new();
    let each = directory.each(|name, kind, size| names.extend(size.map(|size| (name.to_owned(), kind, size))));
    each.map_err(|error| OpenError::Failed { directory: directory.path().to_owned(), doing: "list it", error })?;
    Ok(names)
}

fn cursors_of(directory: &Directory, names: &[(String, Name, u64)]) -> Vec<(u32, Cursor)> {
    let of = |(name, kind, _): &(String, Name, u64)| match kind {
        Name::Cursor { hash } => read_cursor(directory, name).map(|cursor| (*hash, cursor)),
        _ => None,
    };
    let mut cursors: Vec<(u32, Cursor)> = names.iter().filter_map(of).collect();
    cursors.sort_by_key(|(hash, _)| *hash);
    cursors
}

impl FileInfo {
    fn new(name: String, segment: u64, hash: u32, size: u64, acknowledged: Position) -> FileInfo {
        let (blocks, lines, waiting) = (0, 0, 0);
        FileInfo {
            name,
            segment,
            hash,
            stream: None,
            size,
            blocks,
            lines,
            waiting,
            acknowledged,
            oldest: None,
            accepted: None,
            state: State::Waiting,
        }
    }
}

/// Opens a segment's file to read it through a [`Walk`]; links are not followed.
pub fn open_segment(path: &Path, name: &str) -> Result<File, OpenError> {
    let directory = Directory::open(path, false)?;
    let ours = matches!(Name::parse(name.as_bytes()), Name::Segment { .. } | Name::SetAside { .. });
    let file = if ours { directory.read(name) } else { Err(io::ErrorKind::NotFound.into()) };
    file.map_err(|error| OpenError::Failed { directory: path.to_owned(), doing: "read a segment in it", error })
}

fn look(file: &File, aside: bool, info: &mut FileInfo) -> io::Result<()> {
    // It may have grown since it was listed, and must not be asked for more than it has.
    info.size = file.metadata()?.len();
    let mut window = [0; WINDOW_SIZE];
    let check = if aside { Check::Data } else { Check::Headers };
    let mut walk = Walk::begin(info.segment, info.size, None, check, &mut window, |offset, out| file.read_exact_at(out, offset))?;
    while let Some(found) = walk.next_block()? {
        let (at, lines) = (found.header.accepted.wall, u64::from(found.header.lines));
        info.blocks += 1;
        info.lines += lines;
        if found.header.position >= info.acknowledged {
            info.waiting += lines;
            info.oldest = info.oldest.or(Some(at));
        }
        info.accepted = Some((info.accepted.map_or(at, |(first, _)| first), at));
    }
    info.stream = walk.stream().cloned();
    info.state = match walk.stop().cloned().unwrap_or(Stop::End) {
        Stop::UnknownVersion(version) => State::UnknownVersion(version),
        stop if aside => State::SetAside(stop),
        Stop::End => State::Waiting,
        stop => State::Tail(stop),
    };
    Ok(())
}

fn read_cursor(directory: &Directory, name: &str) -> Option<Cursor> {
    let file = directory.read(name).ok()?;
    let mut slots = [0; 2 * SLOT_SIZE];
    for (slot, out) in slots.chunks_exact_mut(SLOT_SIZE).enumerate() {
        if file.read_exact_at(out, slot as u64 * SLOT_STRIDE).is_err() {
            out.fill(0);
        }
    }
    Cursor::decode(&slots)
}
