//! Which value each key has and who gave it: a flag, the file, a variable, or nobody.

use std::ops::Range;
use std::time::Duration;

use super::diagnostic::Place;
use super::keys::{Id, KEYS};
use super::value::Value;

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    File {
        key: Range<usize>,
        value: Range<usize>,
    },
    Variable(&'static str),
    /// What a variable or a profile of AWS's shared files is called in a message.
    Shared(String),
}

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// One cell a key; an empty cell means the default of the table.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    cells: [Option<Setting>; KEYS.len()],
    /// Given, but not under its name or not with a possible value: its mistake is told, so that nothing else should be said about it.
    wrong: [bool; KEYS.len()],
}

impl Settings {
    /// Defaults only.
    pub(crate) fn new() -> Settings {
        Settings { cells: [const { None }; KEYS.len()], wrong: [false; KEYS.len()] }
    }

    pub(crate) fn set(&mut self, id: Id, value: Value, origin: Origin) {
        self.cells[id as usize] = Some(Setting { value, origin });
        self.wrong[id as usize] = false;
    }

    pub(crate) fn set_wrong(&mut self, id: Id) {
        self.wrong[id as usize] = true;
    }

    pub(crate) fn is_wrong(&self, id: Id) -> bool {
        self.wrong[id as usize]
    }

    pub(crate) fn clear(&mut self, id: Id) {
        self.cells[id as usize] = None;
        self.wrong[id as usize] = false;
    }

    /// Takes what `other` has of this key.
    pub(crate) fn take_from(&mut self, id: Id, other: &Settings) {
        self.cells[id as usize] = other.cells[id as usize].clone();
    }

    /// Whether both have the same value of this key, given or by default.
    pub(crate) fn is_same(&self, id: Id, other: &Settings) -> bool {
        self.value(id) == other.value(id)
    }

    pub(crate) fn is_set(&self, id: Id) -> bool {
        self.get(id).is_some()
    }

    fn get(&self, id: Id) -> Option<&Setting> {
        self.cells[id as usize].as_ref()
    }

    fn value(&self, id: Id) -> Option<Value> {
        self.get(id).map(|setting| setting.value.clone()).or_else(|| id.key().default_value())
    }

    /// The text; None where nobody gave one.
    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id).map(|setting| &setting.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The word; every key of this kind has a default.
    pub(crate) fn word(&self, id: Id) -> &'static str {
        match self.value(id) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    /// Bytes; every key of this kind has a default.
    pub(crate) fn bytes(&self, id: Id) -> u64 {
        match self.value(id) {
            Some(Value::Size(bytes)) => bytes,
            _ => 0,
        }
    }

    /// Bytes of something in memory: every allowed size of it fits 32 bits.
    pub(crate) fn size(&self, id: Id) -> usize {
        usize::try_from(self.bytes(id)).unwrap_or(usize::MAX)
    }

    pub(crate) fn duration(&self, id: Id) -> Option<Duration> {
        match self.value(id) {
            Some(Value::Duration(duration)) => Some(duration),
            _ => None,
        }
    }

    /// Parts of a hundred; every key of this kind has a default.
    pub(crate) fn percent(&self, id: Id) -> u8 {
        match self.value(id) {
            Some(Value::Percent(percent)) => percent,
            _ => 0,
        }
    }

    /// The number; every key of this kind has a default.
    pub(crate) fn count(&self, id: Id) -> u32 {
        match self.value(id) {
            Some(Value::Count(count)) => count,
            _ => 0,
        }
    }

    /// The texts; none where nobody gave any.
    pub(crate) fn list(&self, id: Id) -> &[String] {
        match self.get(id).map(|setting| &setting.value) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    pub(crate) fn boolean(&self, id: Id) -> bool {
        self.value(id) == Some(Value::Boolean(true))
    }

    /// What the person who gave the value calls it.
    pub(crate) fn subject(&self, id: Id) -> String {
        match self.get(id).map(|setting| &setting.origin) {
            Some(Origin::Flag(name) | Origin::Variable(name)) => (*name).to_owned(),
            Some(Origin::Shared(name)) => name.clone(),
            Some(Origin::File { .. }) | None => id.key().path(),
        }
    }

    /// Where the value stands.
    pub(crate) fn place(&self, id: Id) -> Place {
        match self.get(id).map(|setting| &setting.origin) {
            Some(Origin::File { value, .. }) => Place::Span(value.clone()),
            Some(Origin::Flag(_)) => Place::Flag,
            Some(Origin::Variable(_) | Origin::Shared(_)) | None => Place::Elsewhere,
        }
    }

    /// Where its key stands: for a value that is right and a key that is not.
    pub(crate) fn key_place(&self, id: Id) -> Place {
        match self.get(id).map(|setting| &setting.origin) {
            Some(Origin::File { key, .. }) => Place::Span(key.clone()),
            _ => self.place(id),
        }
    }

    /// The word that somebody gave, whatever the default is.
    pub(crate) fn given_word(&self, id: Id) -> Option<&'static str> {
        match self.get(id).map(|setting| &setting.value) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is_from_flag(&self, id: Id) -> bool {
        matches!(self.get(id), Some(Setting { origin: Origin::Flag(_), .. }))
    }
}
