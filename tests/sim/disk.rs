//! A disk that forgets what disks forget. A [`Platter`] is what survives a process; a [`SimDisk`] is how one process sees the part of one stream.
//!
//! | kind | kill | power cut |
//! |---|---|---|
//! | `Ram` | nothing stays | nothing stays |
//! | `Tmpfs` | everything stays | nothing stays |
//! | `Card` | everything stays | of each file a part of what was not synced, with a bit that flipped at the tear; of each name that was not synced what it was before or after |
//!
//! After a failed sync what was not synced is gone for good, though this process can still read it, and the next sync says that all is well: as Linux does.
//! (Where the next process could read it too, nobody could tell. Here it reads zeros, as it does once the pages were evicted.)

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinegraf::random::Random;
use kinegraf::spool::cursor::{Cursor, SLOT_SIZE};
use kinegraf::spool::disk::{Disk, Found, Free, PendingSync};

use crate::faults::DiskFaults;
use crate::file::{Change, File};
use crate::swarm::chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ram,
    Tmpfs,
    Card,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Segment { stream: u32, number: u64 },
    Aside { stream: u32, number: u64, copy: u64 },
    Cursor { stream: u32 },
}

/// What a process is unwound with when it dies within an operation.
pub(crate) struct Died;

/// What a disk holds, and what will go wrong with it.
#[derive(Debug)]
pub(crate) struct Platter {
    pub(crate) kind: Kind,
    /// Bytes of the file system.
    pub(crate) capacity: u64,
    pub(crate) faults: DiskFaults,
    /// The process dies at this operation, counted down.
    pub(crate) dies_in: Option<u32>,
    /// Operations that failed, and of these, reads.
    pub(crate) errors: u64,
    pub(crate) read_errors: u64,
    /// The largest number of bytes that files had since it was last looked at.
    pub(crate) peak: u64,
    random: Random,
    names: BTreeMap<Name, u64>,
    durable_names: BTreeMap<Name, u64>,
    files: BTreeMap<u64, File>,
    made: u64,
}

pub(crate) type Shared = Arc<Mutex<Platter>>;

/// One stream's part of a platter, as one process has it open.
pub(crate) struct SimDisk {
    platter: Shared,
    stream: u32,
    /// The directory was synced by this process.
    synced: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(crate) struct SimSync {
    platter: Shared,
    name: Name,
    file: u64,
    synced: Arc<AtomicBool>,
}

pub(crate) fn lock(platter: &Shared) -> MutexGuard<'_, Platter> {
    platter.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Platter {
    pub(crate) fn new(kind: Kind, capacity: u64, faults: DiskFaults, seed: u64) -> Platter {
        Platter {
            kind,
            capacity,
            faults,
            dies_in: None,
            errors: 0,
            read_errors: 0,
            peak: 0,
            random: Random::from_seed(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            files: BTreeMap::new(),
            made: 0,
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.names.iter().filter(|(name, _)| !matches!(name, Name::Cursor { .. })).map(|(_, file)| self.files[file].content.len() as u64).sum()
    }

    /// A process is gone; the disk is not.
    pub(crate) fn kill(&mut self) {
        self.dies_in = None;
        if self.kind == Kind::Ram {
            self.forget_all();
        }
        self.files.values_mut().for_each(File::evict);
    }

    pub(crate) fn power_cut(&mut self) {
        self.dies_in = None;
        if self.kind != Kind::Card {
            return self.forget_all();
        }
        for file in self.files.values_mut() {
            file.power_cut(&mut self.random);
        }
        let all: Vec<Name> = self.names.keys().chain(self.durable_names.keys()).copied().collect();
        for name in all {
            if self.names.get(&name) == self.durable_names.get(&name) || chance(&mut self.random, 50) {
                continue;
            }
            match self.names.get(&name).copied() {
                Some(file) => {
                    // A rename is one thing.
                    self.durable_names.retain(|_, other| *other != file);
                    self.durable_names.insert(name, file);
                }
                None => {
                    let file = self.durable_names[&name];
                    if !self.names.values().any(|other| *other == file) {
                        self.durable_names.remove(&name);
                    }
                }
            }
        }
        self.names.clone_from(&self.durable_names);
        self.sweep();
    }

    fn forget_all(&mut self) {
        self.names.clear();
        self.durable_names.clear();
        self.files.clear();
    }

    fn sweep(&mut self) {
        let (names, durable) = (&self.names, &self.durable_names);
        self.files.retain(|file, _| names.values().chain(durable.values()).any(|named| named == file));
    }

    /// Bytes of the segments of a stream that can be read now.
    pub(crate) fn contents(&self, stream: u32) -> Vec<(u64, &[u8])> {
        let wanted = self.names.iter().filter_map(|(name, file)| match name {
            Name::Segment { stream: of, number } if *of == stream => Some((*number, *file)),
            _ => None,
        });
        wanted.map(|(number, file)| (number, self.files[&file].content.as_slice())).collect()
    }

    /// Bytes of those that were set aside.
    pub(crate) fn set_aside(&self, stream: u32) -> Vec<&[u8]> {
        let wanted = self.names.iter().filter(|(name, _)| matches!(name, Name::Aside { stream: of, .. } if *of == stream));
        wanted.map(|(_, file)| self.files[file].content.as_slice()).collect()
    }

    /// Bytes of the segments of a stream that a power cut now would leave for certain.
    pub(crate) fn durable(&self, stream: u32) -> Vec<(u64, &[u8])> {
        let mut contents = Vec::new();
        for (name, file) in &self.durable_names {
            if let Name::Segment { stream: of, number } = name
                && *of == stream
                && self.kind == Kind::Card
                && self.names.get(name) == Some(file)
            {
                let file = &self.files[file];
                let cut = file.changes.iter().filter_map(|change| if let Change::Truncate(size) = change { Some(*size) } else { None }).min();
                contents.push((*number, &file.durable[..cut.unwrap_or(usize::MAX).min(file.durable.len())]));
            }
        }
        contents
    }

    /// Flips a bit of a segment; gives its stream, its number, its content as it was, and where it flipped.
    pub(crate) fn flip(&mut self) -> Option<(u32, u64, Vec<u8>, usize)> {
        let segments: Vec<(u32, u64, u64)> = self
            .names
            .iter()
            .filter_map(|(name, file)| match name {
                Name::Segment { stream, number } => Some((*stream, *number, *file)),
                _ => None,
            })
            .collect();
        let (stream, number, file) = *segments.get(self.random.up_to(segments.len().checked_sub(1)? as u64) as usize)?;
        let file = self.files.get_mut(&file).expect("what has a name is there");
        let before = file.content.clone();
        let (at, bit) = (self.random.up_to((before.len() as u64).checked_sub(1)?) as usize, 1 << self.random.up_to(7));
        file.content[at] ^= bit;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= bit;
        }
        Some((stream, number, before, at))
    }

    /// What the cursor of a stream calls acknowledged.
    pub(crate) fn acknowledged(&self, stream: u32) -> u64 {
        let file = self.names.get(&Name::Cursor { stream }).map(|file| &self.files[file].content);
        let mut slots = [0; 2 * SLOT_SIZE];
        if let Some(content) = file {
            let size = content.len().min(slots.len());
            slots[..size].copy_from_slice(&content[..size]);
        }
        Cursor::decode(&slots).map_or(0, |cursor| cursor.acknowledged.0)
    }

    fn step(&mut self) {
        if let Some(left) = &mut self.dies_in {
            if *left == 0 {
                std::panic::resume_unwind(Box::new(Died));
            }
            *left -= 1;
        }
    }

    /// Whether an operation fails, and how. `rate`: in a thousand.
    fn fails(&mut self, rate: u64, full: bool) -> io::Result<()> {
        if !self.faults.on || self.random.up_to(999) >= rate {
            return Ok(());
        }
        self.errors += 1;
        Err(if full && chance(&mut self.random, 40) { full_error(&mut self.random) } else { io::Error::from_raw_os_error(5) })
    }

    fn file(&mut self, name: Name) -> io::Result<&mut File> {
        let file = self.names.get(&name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(self.files.get_mut(file).expect("what has a name is there"))
    }

    fn make(&mut self, name: Name) -> &mut File {
        let number = *self.names.entry(name).or_insert(self.made);
        self.made += 1;
        self.files.entry(number).or_default()
    }
}

fn full_error(random: &mut Random) -> io::Error {
    io::Error::from_raw_os_error(if chance(random, 50) { 28 } else { 30 })
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl SimDisk {
    pub(crate) fn open(platter: &Shared, stream: u32) -> SimDisk {
        SimDisk { platter: platter.clone(), stream, synced: Arc::default() }
    }

    fn name(&self, number: u64) -> Name {
        Name::Segment { stream: self.stream, number }
    }
}

impl Disk for SimDisk {
    type Sync = SimSync;

    fn list(&mut self) -> io::Result<Vec<Found>> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.list;
        platter.fails(rate, false)?;
        Ok(platter.contents(self.stream).into_iter().map(|(segment, content)| Found { segment, size: content.len() as u64 }).collect())
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        let name = self.name(segment);
        let mut platter = lock(&self.platter);
        platter.step();
        let (rate, free) = (platter.faults.append, platter.capacity.saturating_sub(platter.used()));
        platter.fails(rate / 2, true)?;
        // It fails, or the process dies, in the middle.
        let (failed, room) = (platter.fails(rate / 2, true), free.min(bytes.len() as u64) as usize);
        let dies = platter.dies_in == Some(0);
        let part = if failed.is_err() || dies { platter.random.up_to(room as u64) as usize } else { room };
        platter.make(name).change(Change::Append(bytes[..part].to_vec()));
        platter.peak = platter.peak.max(platter.used());
        if dies {
            platter.step();
        }
        failed?;
        if part < bytes.len() {
            platter.errors += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn read_at(&self, segment: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.read;
        if let Err(error) = platter.fails(rate, false) {
            platter.read_errors += 1;
            return Err(error);
        }
        let content = &platter.file(self.name(segment))?.content;
        let offset = usize::try_from(offset).expect("a simulated segment is small");
        let wanted = content.get(offset..offset + out.len()).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(wanted);
        Ok(())
    }

    fn truncate(&mut self, segment: u64, size: u64) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.truncate;
        platter.fails(rate, true)?;
        let file = platter.file(self.name(segment))?;
        let size = usize::try_from(size).expect("a simulated segment is small");
        if file.content.len() > size {
            file.change(Change::Truncate(size));
        }
        Ok(())
    }

    fn begin_sync(&mut self, segment: u64) -> io::Result<SimSync> {
        let name = self.name(segment);
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.sync / 4;
        platter.fails(rate, false)?;
        let file = *platter.names.get(&name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(SimSync { platter: self.platter.clone(), name, file, synced: self.synced.clone() })
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.remove;
        platter.fails(rate, true)?;
        platter.names.remove(&self.name(segment));
        platter.sweep();
        Ok(())
    }

    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.remove;
        platter.fails(rate, true)?;
        let file = platter.names.remove(&self.name(segment)).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let copy = platter.made;
        platter.made += 1;
        platter.names.insert(Name::Aside { stream: self.stream, number: segment, copy }, file);
        Ok(())
    }

    fn read_cursor(&mut self, out: &mut [u8; 2 * SLOT_SIZE]) -> io::Result<()> {
        out.fill(0);
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.cursor;
        platter.fails(rate, false)?;
        if let Ok(file) = platter.file(Name::Cursor { stream: self.stream }) {
            let size = file.content.len().min(out.len());
            out[..size].copy_from_slice(&file.content[..size]);
        }
        Ok(())
    }

    fn write_cursor(&mut self, slot: usize, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.cursor;
        platter.fails(rate, true)?;
        let dies = platter.dies_in == Some(0);
        let size = if dies { platter.random.up_to(SLOT_SIZE as u64) as usize } else { SLOT_SIZE };
        platter.make(Name::Cursor { stream: self.stream }).change(Change::Write(slot * SLOT_SIZE, bytes[..size].to_vec()));
        if dies {
            platter.step();
        }
        Ok(())
    }

    fn begin_sync_cursor(&mut self) -> io::Result<SimSync> {
        let name = Name::Cursor { stream: self.stream };
        let platter = lock(&self.platter);
        let file = *platter.names.get(&name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(SimSync { platter: self.platter.clone(), name, file, synced: self.synced.clone() })
    }

    fn used_elsewhere(&self) -> u64 {
        let platter = lock(&self.platter);
        let own: u64 = platter.contents(self.stream).iter().map(|(_, content)| content.len() as u64).sum();
        platter.used() - own
    }

    fn first_free(&self) -> u64 {
        let platter = lock(&self.platter);
        let numbers = platter.names.keys().filter_map(|name| match name {
            Name::Segment { stream, number } | Name::Aside { stream, number, .. } if *stream == self.stream => Some(number + 1),
            _ => None,
        });
        numbers.max().unwrap_or(0)
    }

    fn free(&self) -> io::Result<Option<Free>> {
        let platter = lock(&self.platter);
        if platter.kind == Kind::Ram {
            return Ok(None);
        }
        Ok(Some(Free { available: platter.capacity.saturating_sub(platter.used()), total: platter.capacity }))
    }
}

impl PendingSync for SimSync {
    fn wait(self) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.step();
        let rate = platter.faults.sync;
        let result = platter.fails(rate, true);
        let Some(file) = platter.files.get_mut(&self.file) else { return result };
        if result.is_err() {
            file.lose_changes();
            return result;
        }
        file.sync();
        // A new name makes the directory durable, and with it every other name. So does the first sync of a process.
        let first = !self.synced.swap(true, Ordering::Relaxed);
        if first || platter.names.get(&self.name) == Some(&self.file) && platter.durable_names.get(&self.name) != Some(&self.file) {
            platter.durable_names = platter.names.clone();
            platter.sweep();
        }
        Ok(())
    }
}
