//! A file with what is durable of it and what is not yet, and what is left of that after a power cut.

use kinegraf::random::Random;

use crate::swarm::chance;

/// What was done to a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Append(Vec<u8>),
    Truncate(usize),
    Write(usize, Vec<u8>),
    /// Pages that a failed sync dropped.
    Hole(usize),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    /// What can be read.
    pub(crate) content: Vec<u8>,
    /// What a power cut leaves for certain.
    pub(crate) durable: Vec<u8>,
    /// What was done since.
    pub(crate) changes: Vec<Change>,
}

impl File {
    pub(crate) fn change(&mut self, change: Change) {
        apply(&mut self.content, &change);
        self.changes.push(change);
        // What is old enough has been written back.
        if self.changes.len() > 24 {
            let oldest = self.changes.remove(0);
            apply(&mut self.durable, &oldest);
        }
    }

    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            apply(&mut self.durable, &change);
        }
    }

    /// What was not synced never will be.
    pub(crate) fn lose_changes(&mut self) {
        for change in &mut self.changes {
            match change {
                Change::Append(bytes) => *change = Change::Hole(bytes.len()),
                Change::Write(_, bytes) => bytes.clear(),
                Change::Truncate(_) | Change::Hole(_) => {}
            }
        }
    }

    /// What a failed sync dropped cannot be read any more.
    pub(crate) fn evict(&mut self) {
        if self.changes.iter().any(|change| matches!(change, Change::Hole(_))) {
            self.content.clone_from(&self.durable);
            self.changes.iter().for_each(|change| apply(&mut self.content, change));
        }
    }

    pub(crate) fn power_cut(&mut self, random: &mut Random) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.truncate(random.up_to(changes.len() as u64) as usize);
        let last = changes.len().saturating_sub(1);
        for (index, mut change) in changes.into_iter().enumerate() {
            if index == last
                && let Change::Append(bytes) | Change::Write(_, bytes) = &mut change
            {
                tear(bytes, random);
            }
            apply(&mut self.durable, &change);
        }
        self.content.clone_from(&self.durable);
    }
}

/// What is left of a write that the power did not last for.
fn tear(bytes: &mut Vec<u8>, random: &mut Random) {
    match random.up_to(3) {
        // The file's size was written before its data.
        0 => {
            let from = random.up_to(bytes.len() as u64) as usize;
            bytes[from..].fill(0);
        }
        1 => {}
        _ => bytes.truncate(random.up_to(bytes.len() as u64) as usize),
    }
    if !bytes.is_empty() && chance(random, 50) {
        let at = bytes.len() - 1 - random.up_to(bytes.len().min(16) as u64 - 1) as usize;
        bytes[at] ^= 1 << random.up_to(7);
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Append(bytes) => content.extend_from_slice(bytes),
        Change::Truncate(size) => content.truncate(*size),
        Change::Write(at, bytes) => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Hole(size) => content.resize(content.len() + size, 0),
    }
}
