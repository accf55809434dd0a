//! One sender's bytes on their way to lines: its splitter, and what undoes its compression, if it uses one.
//!
//! ```text
//! space, filled ─▶ (Unpacker ─▶) LineReader ─▶ drain ─▶ Composer
//! ```
//!
//! It reads nothing itself. What always holds: bytes that were `filled` become lines or are counted by the reason for which they did not.

use crate::counters::RejectReason;
use crate::input::composer::{Composer, Rejection};
use crate::input::line_reader::{LineReader, Tail};
use crate::time::Now;

use super::unpacker::{Corrupt, Packed, Unpacker};

/// One sender's bytes.
#[derive(Debug)]
pub(super) struct Feed {
    reader: LineReader,
    packed: Option<Packed>,
    unpacker: Option<Box<Unpacker>>,
    /// Room for packed bytes, allocated when some come.
    packed_size: usize,
    /// Bytes that are read or unpacked at once.
    at_once: usize,
    /// No more bytes come, and a last line without a newline becomes this.
    tail: Option<Tail>,
    /// The reader was told.
    ended: bool,
    /// What comes is no lines yet.
    holds: bool,
}

/// Why `drain` returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The block is full; there may be more.
    BlockFull,
    /// There is more; others have waited long enough.
    More,
    /// Every whole line was taken.
    Done,
    /// What comes cannot be understood any longer.
    Corrupt(Corrupt),
}

impl Feed {
    /// Splits with `reader`; takes `packed_size` packed bytes at once, which is at least as many as the reader does. A call of `drain` unpacks `at_once`
    /// bytes at most: a few packed bytes may be megabytes, and others wait for their turn.
    pub(super) fn new(reader: LineReader, packed_size: usize, at_once: usize) -> Feed {
        Feed { reader, packed: None, unpacker: None, packed_size, at_once, tail: None, ended: false, holds: false }
    }

    /// What comes now is looked at by somebody else, until `release`.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    /// What is held, and what comes from here on, is lines.
    pub(super) fn release(&mut self) {
        self.holds = false;
        if !self.reader.held().is_empty() {
            self.detect();
        }
    }

    /// The splitter.
    pub(super) fn reader(&mut self) -> &mut LineReader {
        &mut self.reader
    }

    /// Where the next bytes go. Empty while what came before is not drained, or the line that has begun needs a larger buffer.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let unpacks = self.is_unpacking();
        let space = match &mut self.unpacker {
            Some(unpacker) if unpacks => unpacker.space(),
            _ => self.reader.space(),
        };
        let size = space.len().min(self.at_once);
        &mut space[..size]
    }

    /// `n` bytes were written to the start of `space`.
    pub(super) fn filled(&mut self, n: usize) {
        match (self.packed, &mut self.unpacker) {
            (Some(Packed::Gzip | Packed::Zlib), Some(unpacker)) => return unpacker.filled(n),
            _ => self.reader.filled(n),
        }
        if self.packed.is_none() && !self.holds {
            self.detect();
        }
    }

    /// No more bytes come.
    pub(super) fn end(&mut self, tail: Tail) {
        self.holds = false;
        self.tail = Some(tail);
        // Too short to be packed.
        self.packed = self.packed.or(Some(Packed::No));
    }

    /// Whether the end has come and everything before it was drained.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.reader.held().is_empty()
    }

    /// What comes now is another sender's.
    pub(super) fn restart(&mut self) {
        self.reader.restart();
        (self.packed, self.tail, self.ended) = (None, None, false);
    }

    /// The first bytes tell how the rest is packed.
    fn detect(&mut self) {
        let Some(packed) = Packed::detect(self.reader.held()) else { return };
        self.packed = Some(packed);
        if packed != Packed::No {
            let unpacker = self.unpacker.get_or_insert_with(|| Box::new(Unpacker::new(self.packed_size)));
            unpacker.begin(packed, self.reader.held());
            self.reader.restart();
        }
    }

    /// Brings lines into the block.
    pub(super) fn drain(&mut self, composer: &mut Composer, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) -> Drained {
        let mut unpacked = 0;
        loop {
            if self.packed.is_none() {
                return Drained::Done;
            }
            composer.fill(&mut self.reader, now, reject);
            if composer.block().is_full() {
                return Drained::BlockFull;
            }
            if unpacked >= self.at_once {
                return Drained::More;
            }
            match self.unpack(self.at_once - unpacked) {
                Ok(0) => {}
                Ok(n) => {
                    unpacked += n;
                    continue;
                }
                Err(corrupt) => {
                    composer.reject(RejectReason::Corrupt, self.reader.held(), reject);
                    self.reader.restart();
                    (self.tail, self.ended) = (Some(Tail::Reject), true);
                    return Drained::Corrupt(corrupt);
                }
            }
            // A packed line that needs a larger buffer may go on in what was not unpacked.
            let cramped = self.is_unpacking() && self.reader.is_cramped();
            let Some(tail) = self.tail.filter(|_| !self.ended && !cramped) else { return Drained::Done };
            self.ended = true;
            let cut = self.is_unpacking() && self.unpacker.as_ref().is_some_and(|unpacker| !unpacker.is_between());
            if cut && self.reader.held().is_empty() {
                // Nothing of its line can be shown.
                composer.reject(RejectReason::Unterminated, b"", reject);
            }
            self.reader.end(if cut { Tail::Reject } else { tail });
        }
    }

    fn is_unpacking(&self) -> bool {
        matches!(self.packed, Some(Packed::Gzip | Packed::Zlib))
    }

    fn unpack(&mut self, size: usize) -> Result<usize, Corrupt> {
        if !self.is_unpacking() {
            return Ok(0);
        }
        let (Some(unpacker), space) = (&mut self.unpacker, self.reader.space()) else { return Ok(0) };
        if space.is_empty() {
            return Ok(0);
        }
        let size = size.min(space.len());
        let n = unpacker.unpack(&mut space[..size])?;
        self.reader.filled(n);
        Ok(n)
    }
}
