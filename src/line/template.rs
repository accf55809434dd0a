//! A partition key put together from parts of a line: `{measurement}-{tag:host|none}`.
//!
//! | in the text | in the key |
//! |---|---|
//! | `{measurement}` | the measurement |
//! | `{tag:KEY}` | the value of that tag; for a line without it the partition's default |
//! | `{hostname}`, `{machine_id}` | those of this machine, put in when the text is parsed |
//! | `{…\|TEXT}` | TEXT where there is no such tag or name; may be empty |
//! | `{{`, `}}` | a brace |
//!
//! It finds no names itself, and cannot name a tag whose key has a brace or a bar. A key that would come out empty is the partition's default instead.

use crate::config::near::nearest;
use crate::limits::PARTITION_KEY_UNITS_MAX;
use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES};
use crate::line::partition_key::{PartitionKey, push, push_unescaped};
use crate::line::point::Point;

/// What a text of a template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    default: PartitionKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Measurement,
    Tag {
        key: String,
        /// For lines without it; the template's default where there is none.
        default: Option<String>,
    },
}

/// What this machine is called; `None` where that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// For `{hostname}`.
    pub hostname: Option<String>,
    /// For `{machine_id}`.
    pub machine_id: Option<String>,
}

/// Which [`Names`] a text needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamesUsed {
    /// `{hostname}` stands in it.
    pub hostname: bool,
    /// `{machine_id}` stands in it.
    pub machine_id: bool,
}

const ALLOWED: &str = "allowed are {measurement}, {tag:KEY}, {hostname} and {machine_id}, each also with |DEFAULT, and {{ or }} for a brace";

impl Template {
    /// Reads `text`. `default` stands in for a tag that a line lacks, and for a key that would be empty.
    ///
    /// # Errors
    /// What `text` has that it must not have, as the second half of a sentence: what, at which character, what is allowed.
    pub fn parse(text: &str, names: &Names, default: &PartitionKey) -> Result<Template, String> {
        let (mut parts, mut constant) = (Vec::new(), true);
        for token in (Tokens { text, at: 0 }) {
            let part = match token? {
                Token::Text(text) => Part::Text(text.to_owned()),
                Token::Placeholder { at, inner } => {
                    constant = false;
                    part(inner, names).map_err(|error| format!("has {{{inner}}} at character {}, {error}", character(text, at)))?
                }
            };
            match (parts.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => parts.push(part),
            }
        }
        if constant {
            return Err(format!("has no placeholder, so that every line would get the same key (the method \"static\" says that); {ALLOWED}"));
        }
        Ok(Template { parts, default: default.clone() })
    }

    /// Which names `text` uses; to be found before it is parsed. What is wrong with `text` is for `parse` to say.
    pub fn names_used(text: &str) -> NamesUsed {
        let mut used = NamesUsed::default();
        for token in (Tokens { text, at: 0 }) {
            let Ok(Token::Placeholder { inner, .. }) = token else { continue };
            match inner.split('|').next() {
                Some("hostname") => used.hostname = true,
                Some("machine_id") => used.machine_id = true,
                _ => {}
            }
        }
        used
    }

    /// Appends the key of `point` to the empty `out`; true when it had to be cut.
    pub(super) fn key_of(&self, point: &Point<'_>, out: &mut String) -> bool {
        let mut units = PARTITION_KEY_UNITS_MAX;
        for part in &self.parts {
            let whole = match part {
                Part::Text(text) => push(text, &mut units, out),
                Part::Measurement => push_unescaped(point.measurement(), MEASUREMENT_ESCAPES, &mut units, out),
                Part::Tag { key, default } => match point.tag(key) {
                    Some(value) => push_unescaped(value, NAME_ESCAPES, &mut units, out),
                    None => push(default.as_deref().unwrap_or(self.default.as_str()), &mut units, out),
                },
            };
            if !whole {
                return true;
            }
        }
        if out.is_empty() {
            out.push_str(self.default.as_str());
        }
        false
    }
}

/// What stands between two braces.
fn part(inner: &str, names: &Names) -> Result<Part, String> {
    let (name, default) = match inner.split_once('|') {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inner, None),
    };
    let known = |found: &Option<String>, what: &str| match found.clone().filter(|found| !found.is_empty()).or_else(|| default.clone()) {
        Some(text) => Ok(Part::Text(text)),
        None => Err(format!("but {what} of this machine is not known; give it a default, as in {{{name}|unknown}}")),
    };
    match (name, name.split_once(':')) {
        ("measurement", _) => Ok(Part::Measurement),
        ("hostname", _) => known(&names.hostname, "the host name"),
        ("machine_id", _) => known(&names.machine_id, "the machine id"),
        ("tag", _) | (_, Some(("tag", ""))) => Err("which names no tag; write {tag:KEY}, such as {tag:host}".to_owned()),
        (_, Some(("tag", key))) => Ok(Part::Tag { key: key.to_owned(), default }),
        (_, Some((word, key))) => match nearest(word, ["tag"]) {
            Some(_) => Err(format!("which is unknown, did you mean {{tag:{key}}}? {ALLOWED}")),
            None => Err(format!("which is unknown; {ALLOWED}")),
        },
        ("", None) => Err(format!("which names nothing; {ALLOWED}")),
        (_, None) => match nearest(name, ["measurement", "hostname", "machine_id"]) {
            Some(near) => Err(format!("which is unknown, did you mean {{{near}}} or {{tag:{name}}}? {ALLOWED}")),
            None => Err(format!("which is unknown, did you mean {{tag:{name}}}? {ALLOWED}")),
        },
    }
}

/// The text in front of and between the placeholders, and those, in their order.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

enum Token<'a> {
    Text(&'a str),
    /// Its brace is the byte at `at`.
    Placeholder {
        at: usize,
        inner: &'a str,
    },
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, at) = (self.text, self.at);
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let plain = rest.find(['{', '}']).unwrap_or(rest.len());
        if plain > 0 {
            self.at += plain;
            return Some(Ok(Token::Text(&rest[..plain])));
        }
        if rest.starts_with("{{") || rest.starts_with("}}") {
            self.at += 2;
            return Some(Ok(Token::Text(&rest[..1])));
        }
        // After a mistake there is nothing more.
        self.at = text.len();
        if rest.starts_with('}') {
            return Some(Err(format!("has a }} at character {} that closes nothing; write }}}} for a brace", character(text, at))));
        }
        let Some(inner) = rest[1..].split_once('}').map(|(inner, _)| inner).filter(|inner| !inner.contains('{')) else {
            return Some(Err(format!("has a {{ at character {} that is not closed; {ALLOWED}", character(text, at))));
        };
        self.at = at + inner.len() + 2;
        Some(Ok(Token::Placeholder { at, inner }))
    }
}

/// The character at the byte `at`, counted from 1.
fn character(text: &str, at: usize) -> usize {
    text[..at].chars().count() + 1
}
