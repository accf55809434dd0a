//! A card whose cursor cannot be read for a while. What the cursor says may come back, and positions that it calls acknowledged are used again.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use kinegraf::config::WhenFull;
use kinegraf::spool::block::{BlockBuilder, Position};
use kinegraf::spool::cold::ColdOptions;
use kinegraf::spool::cursor::{Cursor, SLOT_SIZE};
use kinegraf::spool::disk::{Disk, Found, Free, PendingSync, RamDisk, Synced};
use kinegraf::spool::spool::{Spool, SpoolOptions};
use kinegraf::time::Now;

use crate::{NOW, lines, segment_of, stream};

/// A disk whose cursor can be neither read nor written while it is `broken`.
struct Card {
    disk: RamDisk,
    broken: Rc<Cell<bool>>,
}

impl Card {
    fn cursor(&self) -> io::Result<()> {
        if self.broken.get() { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Disk for Card {
    type Sync = Synced;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        self.disk.list()
    }
    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(segment, bytes)
    }
    fn read_at(&self, segment: u64, offset: usize, out: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(segment, offset, out)
    }
    fn truncate(&mut self, segment: u64, size: usize) -> io::Result<()> {
        self.disk.truncate(segment, size)
    }
    fn begin_sync(&mut self, segment: u64) -> io::Result<Synced> {
        self.disk.begin_sync(segment)
    }
    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.disk.remove(segment)
    }
    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        self.disk.set_aside(segment)
    }
    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()> {
        self.cursor()?;
        self.disk.read_cursor(out)
    }
    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        self.cursor()?;
        self.disk.write_cursor(slot, bytes)
    }
    fn begin_sync_cursor(&mut self) -> io::Result<Synced> {
        self.disk.begin_sync_cursor()
    }
    fn used_elsewhere(&self) -> u64 {
        self.disk.used_elsewhere()
    }
    fn free(&self) -> io::Result<Option<Free>> {
        self.disk.free()
    }
}

fn open(hot: Card, cold: Card) -> Spool<Card> {
    let cold_options = ColdOptions { size: 1 << 20, min_free: 0 };
    let options = SpoolOptions { hot_size: 1 << 20, segment_size: 1 << 16, when_full: WhenFull::Block, cold: cold_options };
    Spool::open(hot, Some(cold), &stream(), options)
}

fn memory() -> Card {
    Card { disk: RamDisk::new(1 << 16), broken: Rc::default() }
}

fn positions(spool: &mut Spool<Card>) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(header) = spool.peek() {
        spool.read(&header, &mut Vec::new()).unwrap();
        found.push(header.position.0);
    }
    found
}

#[test]
fn nothing_is_settled_behind_what_is_there_while_the_cursor_can_be_neither_read_nor_replaced() {
    // Blocks 0 and 1 were delivered; a power cut took the segment of the second one and brought back the first.
    let mut card = memory();
    card.disk.append(0, &segment_of(0, 1)).unwrap();
    let cursor = Cursor { sequence: 1, acknowledged: Position(2), ..Cursor::default() };
    card.disk.write_cursor(cursor.slot(), &cursor.encode()).unwrap();
    let broken = card.broken.clone();
    broken.set(true);

    let mut spool = open(memory(), card);
    let mut block = BlockBuilder::new(4096);
    lines(3).iter().for_each(|(key, line)| block.push(key, line.as_bytes()));
    spool.append(&mut block, NOW).unwrap();
    assert!(spool.begin_settle(NOW, false).is_none(), "the cursor that is there calls its position acknowledged");
    assert!(!spool.is_settled());

    broken.set(false);
    let later = Now { mono: NOW.mono + Duration::from_secs(11), ..NOW };
    let sync = spool.begin_settle(later, false).expect("the card is well again");
    spool.settled(later, sync.wait());
    assert!(spool.is_settled());

    // A power cut: nothing stays but the card.
    let (_, card) = spool.into_disks();
    assert_eq!(positions(&mut open(memory(), card.unwrap())), [0, 1]);
}
