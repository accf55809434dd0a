//! What an earlier process left on a disk, made good enough to go on with: the last segment is read to its end and cut where it is torn; what is no segment is
//! set aside. Segments before the last are looked at when it is their turn. Nothing that is found here makes opening fail.

use std::collections::VecDeque;
use std::io;

use super::{Repair, Segment, Store};
use crate::planted;
use crate::planted::Bug;
use crate::spool::block::Position;
use crate::spool::cursor::{Cursor, SLOT_SIZE};
use crate::spool::disk::Disk;
use crate::spool::segment::{self, Check, Stop, StreamId, Walk};

/// Bytes of a segment that are looked at together when its end is checked.
const WINDOW_SIZE: usize = 8 << 10;

impl<D: Disk> Store<D> {
    /// What a disk holds. `repaired` is told each segment that had to be cut or set aside.
    pub(in crate::spool) fn open(mut disk: D, stream: &StreamId, segment_size: u64, repaired: &mut dyn FnMut(Repair)) -> Store<D> {
        let (found, listed) = disk.list().map_or((Vec::new(), false), |found| (found, true));
        let segments: VecDeque<Segment> =
            found.iter().map(|found| Segment { number: found.segment, end: None, size: found.size, waste: 0, bad: false }).collect();
        let used = segments.iter().map(|segment| segment.size).sum();
        let mut slots = [0; 2 * SLOT_SIZE];
        // A cursor that cannot be read is none: everything is sent again.
        let cursor_known = disk.read_cursor(&mut slots).is_ok();
        let cursor = Cursor::decode(&slots).filter(|_| cursor_known).unwrap_or_default();
        let head = segment::header(stream);
        let mut store = Store {
            disk,
            cursor,
            stream: stream.clone(),
            head,
            segment_size,
            segments,
            used,
            stranded: 0,
            doomed: Vec::new(),
            sealed: false,
            away: false,
            listed,
            cursor_known,
        };
        store.cut_tail(repaired);
        store
    }

    /// Whose segments these are.
    pub(in crate::spool) fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Reads the last segment and cuts what was torn from it. One of which nothing is left goes, and the one before is last.
    fn cut_tail(&mut self, repaired: &mut dyn FnMut(Repair)) {
        let mut window = vec![0; WINDOW_SIZE];
        while let Some(last) = self.segments.back().copied() {
            let (end, size, stop) = match self.walk_to_end(&last, &mut window) {
                Ok(walked) => walked,
                Err(_) => (Position(last.number), 0, Stop::Damaged),
            };
            match stop {
                Stop::UnknownVersion(_) | Stop::OtherStream => {
                    self.stranded += self.forget(last.number);
                    continue;
                }
                // Whole blocks under another name: nothing that a power cut leaves. For a person to look at,
                Stop::Position { .. } if end == Position(last.number) => {
                    repaired(Repair { segment: last.number, bytes: last.size });
                    self.set_aside(last.number);
                    continue;
                }
                // as a header that is no header, or a disk that cannot be read.
                _ if size == 0 && last.size > self.head.len() as u64 => {
                    repaired(Repair { segment: last.number, bytes: last.size });
                    self.set_aside(last.number);
                    continue;
                }
                _ => {}
            }
            let lost = last.size - size;
            if lost > 0 {
                repaired(Repair { segment: last.number, bytes: lost });
            }
            if end > Position(last.number) {
                // What cannot be cut is not trusted: the next block begins a new segment.
                let cut = lost == 0 || planted::is(Bug::LeavesATornTail) || self.disk.truncate(last.number, size).is_ok();
                self.sealed = !cut;
                return self.resize_last(size, end, cut);
            }
            self.remove(last.number);
        }
    }

    fn walk_to_end(&self, last: &Segment, window: &mut [u8]) -> io::Result<(Position, u64, Stop)> {
        let read_at = |offset: u64, out: &mut [u8]| self.disk.read_at(last.number, offset, out);
        let only = (!planted::is(Bug::SendsToAnotherStream)).then_some(&self.stream);
        let mut walk = Walk::begin(last.number, last.size, only, Check::Data, window, read_at)?;
        while walk.next_block()?.is_some() {}
        Ok((walk.next_position(), walk.valid_size(), walk.stop().cloned().unwrap_or(Stop::End)))
    }
}
