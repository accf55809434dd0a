//! The buffers for lines that are longer than a client's own buffer: few, shared by all, lent for one line.
//!
//! What always holds: a buffer that is lent comes back, since whoever holds one while another client waits has [`HELD_MAX`] to finish its line.

use std::time::Duration;

use crate::input::line_reader::LineReader;

/// How many there are.
pub(super) const LONG_LINES: usize = 2;
/// How long one client may hold a buffer that another one waits for.
pub(super) const HELD_MAX: Duration = Duration::from_secs(10);

/// The buffers. A place is `None` until it was first needed; while it is lent it keeps the client's own.
#[derive(Debug)]
pub(super) struct LongLines {
    size: usize,
    buffers: [Option<Box<[u8]>>; LONG_LINES],
    lent: [bool; LONG_LINES],
}

impl LongLines {
    /// Bytes of all of them.
    pub(super) const fn memory(line_size: usize) -> usize {
        LONG_LINES * LineReader::window(line_size)
    }

    pub(super) fn new(line_size: usize) -> LongLines {
        LongLines { size: LineReader::window(line_size), buffers: [const { None }; LONG_LINES], lent: [false; LONG_LINES] }
    }

    /// Lends a buffer to `reader`; `None` when all are lent.
    pub(super) fn lend(&mut self, reader: &mut LineReader) -> Option<usize> {
        let free = self.lent.iter().position(|lent| !lent)?;
        let size = self.size;
        reader.exchange(self.buffers[free].get_or_insert_with(|| vec![0; size].into_boxed_slice()));
        self.lent[free] = true;
        Some(free)
    }

    /// Takes buffer `n` back from `reader`, which fits its own again.
    pub(super) fn take_back(&mut self, n: usize, reader: &mut LineReader) {
        if let Some(buffer) = self.buffers[n].as_mut().filter(|_| self.lent[n]) {
            reader.exchange(buffer);
            self.lent[n] = false;
        }
    }
}
