//! The way through arguments, the same for every command: each option as `--name value`, `--name=value`, `-nvalue` or among others as `-abn value`; what
//! follows `--` is no option. Each option at most once but those that may repeat. Knows nothing of what the options mean.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;

use super::{UsageError, error, show};
use crate::config::near;

/// A row of a command's table of options.
#[derive(Clone, Copy)]
pub(super) struct Flag<A> {
    /// As it is written, `-v` where there is no long form.
    pub(super) name: &'static str,
    /// The other way to write it.
    pub(super) short: Option<char>,
    /// What follows it, in the help text; empty for nothing.
    pub(super) value: &'static str,
    /// What it does.
    pub(super) action: A,
    /// What the help text says.
    pub(super) doc: &'static str,
    repeats: bool,
}

pub(super) const fn flag<A>(name: &'static str, short: Option<char>, value: &'static str, action: A, doc: &'static str) -> Flag<A> {
    Flag { name, short, value, action, doc, repeats: matches!(name.as_bytes(), b"-v" | b"--listen") }
}

impl<A> Flag<A> {
    /// The same option in the table of another command.
    pub(super) fn with<B>(self, action: impl FnOnce(A) -> B) -> Flag<B> {
        Flag { name: self.name, short: self.short, value: self.value, action: action(self.action), doc: self.doc, repeats: self.repeats }
    }

    /// Its line of the help text, without a default.
    pub(super) fn help(&self) -> String {
        let short = self.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let name = if self.name.starts_with("--") { format!("{short}{}", self.name) } else { self.name.to_owned() };
        let left = format!("{name} {}", self.value);
        format!("  {left:<29} {}", self.doc)
    }
}

/// What stands next.
pub(super) enum Argument<A> {
    /// An option with its value, which is empty where it takes none.
    Flag(Flag<A>, OsString),
    /// No option.
    Word(OsString),
}

/// The arguments that are left.
pub(super) struct Arguments<I: Iterator<Item = OsString>, A> {
    rest: Peekable<I>,
    flags: Vec<Flag<A>>,
    seen: Vec<&'static str>,
    /// What is left of `-abc`, and how many of its options were taken.
    cluster: Option<(OsString, usize)>,
    words_only: bool,
}

impl<I: Iterator<Item = OsString>, A: Copy> Arguments<I, A> {
    pub(super) fn new(rest: Peekable<I>, flags: &[Flag<A>]) -> Arguments<I, A> {
        Arguments { rest, flags: flags.to_vec(), seen: Vec::new(), cluster: None, words_only: false }
    }

    /// The next option or word; None at the end.
    pub(super) fn next(&mut self) -> Result<Option<Argument<A>>, UsageError> {
        let found = match self.cluster.take() {
            Some((cluster, taken)) => Some(self.short(cluster, taken)?),
            None => match self.rest.next() {
                Some(argument) => self.argument(argument)?,
                None => None,
            },
        };
        if let Some(Argument::Flag(flag, _)) = &found {
            if self.seen.contains(&flag.name) && !flag.repeats {
                return Err(error(format!("{} is given twice", flag.name)));
            }
            self.seen.push(flag.name);
        }
        Ok(found)
    }

    fn argument(&mut self, argument: OsString) -> Result<Option<Argument<A>>, UsageError> {
        match argument.as_bytes() {
            b"--" if !self.words_only => {
                self.words_only = true;
                Ok(self.rest.next().map(Argument::Word))
            }
            [b'-', b'-', ..] if !self.words_only => self.long(argument.as_bytes()).map(Some),
            [b'-', _, ..] if !self.words_only => self.short(argument, 1).map(Some),
            _ => Ok(Some(Argument::Word(argument))),
        }
    }

    fn long(&mut self, bytes: &[u8]) -> Result<Argument<A>, UsageError> {
        let (name, value) = match bytes.iter().position(|b| *b == b'=') {
            Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
            None => (bytes, None),
        };
        let Some(flag) = self.flags.iter().copied().find(|flag| flag.name.as_bytes() == name) else {
            let name = String::from_utf8_lossy(name);
            let hint = self.near(name.trim_start_matches('-')).map_or(String::new(), |near| format!(", did you mean --{near}?"));
            return Err(error(format!("unknown option {}{hint}", show(&name))));
        };
        match (flag.value.is_empty(), value) {
            (true, Some(_)) => Err(error(format!("{} takes no value", flag.name))),
            (true, None) => Ok(Argument::Flag(flag, OsString::new())),
            (false, Some(value)) => Ok(Argument::Flag(flag, value.to_owned())),
            (false, None) => self.value(&flag).map(|value| Argument::Flag(flag, value)),
        }
    }

    /// The option at `at` of a cluster.
    fn short(&mut self, cluster: OsString, at: usize) -> Result<Argument<A>, UsageError> {
        let bytes = cluster.as_bytes();
        let Some(flag) = self.flags.iter().copied().find(|flag| flag.short == Some(char::from(bytes[at]))) else {
            // One dash instead of two is the likely mistake.
            let word = String::from_utf8_lossy(bytes).into_owned();
            let name = word.split('=').next().unwrap_or_default().trim_start_matches('-');
            let near = if name.len() > 2 { self.near(name) } else { None };
            let hint = near.map_or(String::new(), |near| format!(", did you mean --{near}?"));
            let shown =
                if near.is_some() || at == 1 && bytes.len() == 2 { format!("-{name}") } else { format!("-{}", word.chars().nth(at).unwrap_or('?')) };
            return Err(error(format!("unknown option {}{hint}", show(&shown))));
        };
        let attached = &bytes[at + 1..];
        if flag.value.is_empty() {
            if !attached.is_empty() {
                self.cluster = Some((cluster.clone(), at + 1));
            }
            return Ok(Argument::Flag(flag, OsString::new()));
        }
        let value = match attached {
            [] => self.value(&flag)?,
            [b'=', value @ ..] => OsStr::from_bytes(value).to_owned(),
            value => OsStr::from_bytes(value).to_owned(),
        };
        Ok(Argument::Flag(flag, value))
    }

    /// The next argument, unless it is an option itself.
    fn value(&mut self, flag: &Flag<A>) -> Result<OsString, UsageError> {
        let flags = &self.flags;
        let is_option = |argument: &OsString| {
            let name = argument.as_bytes().split(|b| *b == b'=').next().unwrap_or_default();
            name == b"--" || flags.iter().any(|flag| flag.name.as_bytes() == name || flag.short.is_some_and(|short| name == [b'-', short as u8]))
        };
        let value = self.rest.next_if(|argument| !is_option(argument));
        value.ok_or_else(|| error(format!("{} needs a value: {0} {}", flag.name, flag.value)))
    }

    fn near(&self, name: &str) -> Option<&'static str> {
        near::nearest(name, self.flags.iter().filter_map(|flag| flag.name.strip_prefix("--")))
    }
}
