//! Disks of which a part cannot be read for a while: nothing is called durable that may be gone after the next power cut.

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

/// What of a disk fails.
#[derive(Clone, Copy, Default, PartialEq)]
enum Fails {
    #[default]
    Nothing,
    /// Reading the cursor, and writing it.
    Cursor,
    /// Reading segments.
    Reads,
}

/// A disk of which a part fails.
struct Unwell {
    disk: RamDisk,
    fails: Rc<Cell<Fails>>,
}

impl Unwell {
    fn check(&self, what: Fails) -> io::Result<()> {
        if self.fails.get() == what { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Disk for Unwell {
    type Sync = Synced;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        self.disk.list()
    }
    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(segment, bytes)
    }
    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(Fails::Reads)?;
        self.disk.read_at(segment, offset, out)
    }
    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()> {
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
        self.check(Fails::Cursor)?;
        self.disk.read_cursor(out)
    }
    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        self.check(Fails::Cursor)?;
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

/// When a disk that failed is tried again.
const LATER: Now = Now { mono: Duration::from_secs(60), wall: NOW.wall };

fn open(hot: Unwell, cold: Unwell) -> Spool<Unwell> {
    let cold_options = ColdOptions { size: 1 << 20, min_free: 0 };
    let options = SpoolOptions { hot_size: 1 << 20, segment_size: 1 << 16, when_full: WhenFull::Block, cold: cold_options };
    Spool::open(hot, Some(cold), &stream(), options)
}

fn memory() -> Unwell {
    Unwell { disk: RamDisk::new(1 << 16), fails: Rc::default() }
}

fn append(spool: &mut Spool<Unwell>) {
    let mut block = BlockBuilder::new(4096);
    lines(3).iter().for_each(|(key, line)| block.push(key, line.as_bytes()));
    spool.append(&mut block, NOW).unwrap();
}

/// Reads what waits.
fn positions(spool: &mut Spool<Unwell>) -> Vec<u64> {
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
    let fails = card.fails.clone();
    fails.set(Fails::Cursor);

    let mut spool = open(memory(), card);
    append(&mut spool);
    assert!(spool.begin_settle(NOW, false).is_none(), "the cursor that is there calls its position acknowledged");
    assert!(!spool.is_settled());

    fails.set(Fails::Nothing);
    let sync = spool.begin_settle(LATER, false).expect("the card is well again");
    spool.settled(LATER, sync.wait());
    assert!(spool.is_settled());

    // A power cut: nothing stays but the card.
    let (_, card) = spool.into_disks();
    assert_eq!(positions(&mut open(memory(), card.unwrap())), [0, 1]);
}

#[test]
fn lines_that_are_on_their_way_and_can_be_read_no_more_are_not_called_durable_until_they_are_delivered() {
    let hot = memory();
    let fails = hot.fails.clone();
    let mut spool = open(hot, memory());
    append(&mut spool);
    assert_eq!(positions(&mut spool), [0]);
    fails.set(Fails::Reads);
    assert!(spool.begin_settle(NOW, false).is_none(), "there is nothing that could be copied");
    let end = spool.end();
    assert!(!spool.is_settled() && !spool.is_durable(Position(0), end));
    assert_eq!(spool.unsettled(), None, "asking again would not help");
    fails.set(Fails::Nothing);
    append(&mut spool);
    let sync = spool.begin_settle(LATER, false).expect("what came later can settle");
    spool.settled(LATER, sync.wait());
    assert!(spool.is_durable(end, spool.end()), "this one's sender is told so");
    assert!(!spool.is_settled() && !spool.is_durable(Position(0), spool.end()));
    spool.acknowledge(end, LATER);
    assert!(spool.is_settled());
}

#[test]
fn what_the_card_cannot_read_back_while_it_settles_stays_in_memory_and_settles_again() {
    let card = memory();
    let fails = card.fails.clone();
    let mut spool = open(memory(), card);
    append(&mut spool);
    let sync = spool.begin_settle(NOW, false).expect("it can settle");
    fails.set(Fails::Reads);
    assert!(spool.peek().is_some(), "hot has it");
    fails.set(Fails::Nothing);
    spool.settled(NOW, sync.wait());
    assert!(!spool.is_settled(), "the segment that was synced is set aside");
    let sync = spool.begin_settle(LATER, false).expect("it settles in another one");
    spool.settled(LATER, sync.wait());
    assert!(spool.is_settled());
    assert_eq!(positions(&mut spool), [0]);
    assert_eq!(spool.counters().dropped_damaged, 0);
    let (_, card) = spool.into_disks();
    assert_eq!(positions(&mut open(memory(), card.unwrap())), [0]);
}

#[test]
fn a_position_that_the_cards_cursor_calls_acknowledged_is_taken_back_from_it_before_it_settles() {
    // Neither cursor could be read, so that positions began anew; the process died before anything had settled.
    let mut card = memory();
    let cursor = Cursor { sequence: 1, acknowledged: Position(5), ..Cursor::default() };
    card.disk.write_cursor(cursor.slot(), &cursor.encode()).unwrap();
    let mut hot = memory();
    hot.disk.append(0, &segment_of(0, 1)).unwrap();

    let mut spool = open(hot, card);
    let sync = spool.begin_settle(NOW, false).expect("it can settle");
    spool.settled(NOW, sync.wait());
    assert_eq!(spool.unsettled(), None);
    let (_, card) = spool.into_disks();
    assert_eq!(positions(&mut open(memory(), card.unwrap())), [0]);
}
