//! Counts the lines in blocks that are given up unread: by their headers, in whichever disk they are, each once.

use crate::spool::block::{Header, Position};
use crate::spool::cold::Cold;
use crate::spool::disk::Disk;
use crate::spool::store::Store;

/// Lines that had to make room.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// Of earlier runs, and of this one.
    pub(super) lines: (u64, u64),
    /// Some of them could not be counted.
    pub(super) miscounted: bool,
}

/// Adds a block's lines to those before `opened`, or to those since.
pub(super) fn add_lines(lines: &mut (u64, u64), header: &Header, opened: Position) {
    if header.position < opened {
        lines.0 += u64::from(header.lines);
    } else {
        lines.1 += u64::from(header.lines);
    }
}

/// Adds the lines in blocks from `from` on and before `until`, in whichever disk they are: those before `opened` and those since. False
/// where some could not be read.
pub(super) fn count_lines<D: Disk>(
    hot: &mut Store<D>,
    cold: Option<&mut Cold<D>>,
    from: Position,
    until: Position,
    opened: Position,
    lines: &mut (u64, u64),
) -> bool {
    let mut all = true;
    if let Some(cold) = cold {
        all &= cold.store.each(from, until, &mut |header| {
            if !hot.contains(header.position) {
                add_lines(lines, header, opened);
            }
        });
    }
    all & hot.each(from, until, &mut |header| add_lines(lines, header, opened))
}
