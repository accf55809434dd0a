//! The file: TOML walked by hand, so that every key and value keeps its place and one mistake does not hide the next.
//!
//! Decides what of the file may be shown. Masked are the values of secret keys, of keys that look like one, of unknown keys whose likely meaning could hold
//! a secret, and all of a line that does not parse but the name of a known key at its beginning.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::diagnostic::{Place, Report};
use super::keys::{self, HIDDEN, Id, KEYS, Key, show_name};
use super::near;
use super::settings::{Origin, Settings};
use super::telegraf::section::Section;
use super::telegraf::{self, Purpose};
use super::value::{Kind, Value, looks_secret};
use super::variables::{self, VariableError};

/// What the file says.
pub(crate) struct Document {
    /// Its values; wrong ones are left out.
    pub(crate) settings: Settings,
    /// Keys of the top that are there with empty text, which counts as not there.
    pub(crate) blank: Vec<(Id, Range<usize>)>,
    /// Keys whose text has variables, with the bytes of their value, whatever became of it.
    pub(crate) variables: Vec<(Id, Range<usize>)>,
    /// Some line does not parse, so that what seems to be missing may stand there.
    pub(crate) broken: bool,
    /// What only a file of Telegraf has: the file is one.
    pub(crate) telegraf: Option<Section>,
}

/// There is no value, and all is said about it.
struct Told;

/// How often the rest of a file is read again with its broken lines blanked: the TOML library gives up a file at some mistakes.
const ROUNDS_MAX: usize = 4;

/// Reads `text`, a file of ours or one of Telegraf, and reports every mistake that can be seen in one key alone.
pub(crate) fn read(text: &str, environment: &Environment, purpose: Purpose, report: &mut Report<'_>) -> Document {
    let telegraf = telegraf::section(text, purpose, report);
    let source = telegraf.as_ref().map_or_else(|| text.to_owned(), |section| section.alone(text));
    // Without its section, or with two, nobody can say what is missing.
    let broken = telegraf.as_ref().is_some_and(|section| section.tables.is_empty());
    let document = Document { settings: Settings::new(), blank: Vec::new(), variables: Vec::new(), broken, telegraf };
    let mut walk = Walk { text, report, environment, purpose, broken_lines: BTreeSet::new(), document };
    let mut repaired = source.clone();
    for round in 1..=ROUNDS_MAX {
        let (root, errors) = DeTable::parse_recoverable(&repaired);
        let known = walk.broken_lines.len();
        for error in errors {
            walk.syntax_error(error.message(), error.span());
        }
        if !walk.document.broken || walk.broken_lines.len() == known || round == ROUNDS_MAX {
            match walk.document.telegraf {
                Some(_) => telegraf::section::walk(&mut walk, root.get_ref()),
                None => walk.root(root.get_ref()),
            }
            break;
        }
        repaired = walk.blanked(&source);
    }
    walk.document
}

/// The way through one file.
pub(super) struct Walk<'a, 'r, 't> {
    text: &'a str,
    pub(super) report: &'r mut Report<'t>,
    environment: &'a Environment,
    pub(super) purpose: Purpose,
    broken_lines: BTreeSet<usize>,
    pub(super) document: Document,
}

impl Walk<'_, '_, '_> {
    fn syntax_error(&mut self, message: &str, span: Option<Range<usize>>) {
        let duplicate = message == "duplicate key";
        self.document.broken |= !duplicate;
        // At the very end there is nothing to point to: the last line that says something is meant.
        let written = self.text.trim_end().len();
        let span = span.map_or(written..written, |span| span.start.min(written)..span.end.min(written));
        let line = self.report.line_of(span.start);
        if !self.broken_lines.insert(line) {
            return;
        }
        let shown = self.report.line_span(line);
        let content = &self.text[shown.clone()];
        let indent = content.len() - content.trim_start().len();
        let value_at = content.split_once('=').filter(|(name, _)| KEYS.iter().any(|key| key.name == name.trim())).map(|(name, rest)| {
            let blank = rest.len() - rest.trim_start().len();
            name.len() + 1 + blank
        });
        self.report.token(shown.clone());
        self.report.mask(shown.start + value_at.unwrap_or(indent)..shown.end);
        let message = match self.text.get(span.clone()) {
            Some(name) if duplicate => format!("{} is given a second time", show_name(name)),
            _ if self.has_bare_variable(&shown) => "syntax error: a variable must stand inside quotes, as in \"${VAR}\"".to_owned(),
            _ => format!("syntax error: {message}"),
        };
        self.report.push(Place::Span(span), message);
    }

    /// Whether the value in this line begins with a variable: Telegraf takes such a line since it expands before it parses.
    fn has_bare_variable(&self, line: &Range<usize>) -> bool {
        self.text[line.clone()].split_once('=').is_some_and(|(_, value)| value.trim_start().starts_with('$'))
    }

    /// The source with every broken line as spaces, so that all else keeps its place. What follows a broken header belongs nowhere and goes with it.
    fn blanked(&self, source: &str) -> String {
        let mut headless = false;
        let lines = source.split_inclusive('\n').enumerate().map(|(number, line)| {
            let header = line.trim_start().starts_with('[');
            let broken = self.broken_lines.contains(&number);
            headless = if header { broken } else { headless };
            if broken || headless { line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect() } else { line.to_owned() }
        });
        lines.collect()
    }

    fn root(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            if keys::sections().any(|section| section == name.get_ref()) {
                self.report.token(name.span());
                match value.get_ref() {
                    DeValue::Table(section) => {
                        self.report.token(value.span());
                        for (key, value) in section {
                            self.entry_or_section(name.get_ref(), key, value);
                        }
                    }
                    other => {
                        self.hide(value, true);
                        let message = format!("{} is {}, must be a section, written [{0}] on a line of its own", name.get_ref(), describe(other));
                        self.mistake(name.span(), message);
                    }
                }
            } else {
                self.entry("", name, value);
            }
        }
    }

    /// A key of a section, or a section inside it.
    fn entry_or_section(&mut self, section: &str, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let inner = format!("{section}.{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(table) if keys::sections().any(|section| section == inner) => {
                self.report.token(name.span());
                self.report.token(value.span());
                for (key, value) in table {
                    self.entry(&inner, key, value);
                }
            }
            _ => self.entry(section, name, value),
        }
    }

    pub(super) fn entry(&mut self, section: &str, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        self.report.token(name.span());
        match keys::find(section, name.get_ref()) {
            Some(key) => self.known(key, name.span(), value),
            None if section.is_empty() && is_section(self.text, value) => self.unknown_section(name, value),
            None => self.unknown_key(section, name, value),
        }
    }

    pub(super) fn known(&mut self, key: &'static Key, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        // A value that is not there, or that stands in a line that does not parse, was reported with that line.
        if value.span().is_empty() || self.is_broken(&value.span()) {
            self.document.settings.set_wrong(key.id);
            return;
        }
        let value = &self.with_bare_variable(value);
        self.reveal(key, value);
        let has_variable = value.get_ref().as_str().is_some_and(|text| text.contains('$'));
        if has_variable {
            self.document.variables.push((key.id, value.span()));
        }
        let Ok(expanded) = self.text_of(key, value) else { return };
        let blank = expanded.as_deref().is_some_and(|text| text.trim().is_empty());
        if blank && (has_variable || self.may_be_blank(key)) {
            if key.section.is_empty() {
                self.document.blank.push((key.id, name));
            }
            return;
        }
        let telegrafs = self.document.telegraf.as_ref().and_then(|_| telegrafs_value(key, expanded.as_deref(), value.get_ref()));
        let result = telegrafs.or_else(|| self.list_of(key, value.get_ref())).unwrap_or_else(|| match (&expanded, value.get_ref().as_str()) {
            // What comes from a variable is text, whatever it stands for.
            (Some(text), Some(written)) if text != written => key.kind.read(text),
            _ => read_value(key, value.get_ref()),
        });
        let result = result.map_err(|reason| telegraf::names::of_data_format(key.id, expanded.as_deref()).unwrap_or(reason));
        if result.is_err() {
            self.document.settings.set_wrong(key.id);
        }
        match (result, value.get_ref()) {
            (Ok(found), _) => self.document.settings.set(key.id, found, Origin::File { key: name, value: value.span() }),
            (Err(reason), DeValue::Table(_)) => self.mistake(name, format!("{} {reason}", key.path())),
            (Err(reason), _) => self.mistake(value.span(), format!("{} {reason}", key.path())),
        }
    }

    /// The texts of an array with their variables in place, checked; None for every other key and value.
    fn list_of(&self, key: &Key, value: &DeValue<'_>) -> Option<Result<Value, String>> {
        let (DeValue::Array(array), Kind::List { .. }) = (value, &key.kind) else { return None };
        let texts: Option<Vec<&str>> = array.iter().map(|one| one.get_ref().as_str()).collect();
        let expanded = texts?.into_iter().map(|text| self.expanded(text).map_err(|error| error.reason())).collect::<Result<Vec<String>, String>>();
        Some(expanded.and_then(|list| key.kind.read_list(list)))
    }

    /// Lets the value of a known key be seen where it holds no secret.
    fn reveal(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let shown = match value.get_ref() {
            DeValue::Table(_) | DeValue::Array(_) => false,
            DeValue::String(text) if key.id == Id::EndpointUrl => !text.contains(['@', '?', '#']) && !looks_secret(text),
            DeValue::String(text) => !key.secret && !looks_secret(text),
            _ => !key.secret,
        };
        if shown { self.report.token(value.span()) } else { self.hide(value, true) }
    }

    /// The text of a string, its variables in place; none of other values. An error was said, unless only the environment of a migration is to blame.
    fn text_of(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Option<String>, Told> {
        let DeValue::String(text) = value.get_ref() else { return Ok(None) };
        self.expanded(text).map(Some).map_err(|error| {
            self.document.settings.set_wrong(key.id);
            if !(self.purpose == Purpose::Migrate && self.is_of_the_environment(text)) {
                let reason = if key.secret { error.reason_of_secret(text) } else { error.reason() };
                self.mistake(value.span(), format!("{} {reason}", key.path()));
            }
            Told
        })
    }

    /// The value, or the variable that stands without quotes in its place: nothing else in TOML begins with a dollar sign.
    fn with_bare_variable<'v>(&self, value: &Spanned<DeValue<'v>>) -> Spanned<DeValue<'v>> {
        match self.text.get(value.span()).filter(|text| text.starts_with('$')) {
            Some(variable) => Spanned::new(value.span(), DeValue::String(Cow::Owned(variable.to_owned()))),
            None => value.clone(),
        }
    }

    /// Empty text counts as not there: at the top of our file, wherever Telegraf's samples have it, and where a variable is empty.
    fn may_be_blank(&self, key: &Key) -> bool {
        match self.document.telegraf {
            Some(_) => key.id != Id::Format,
            None => key.section.is_empty() && matches!(key.kind, Kind::Text { .. }),
        }
    }

    /// Whether only the environment is to blame for text that cannot be expanded. Whoever migrates need not be in the one that the values come from.
    fn is_of_the_environment(&self, text: &str) -> bool {
        !telegraf::names::is_secret_reference(text) && variables::expand(text, &|_| Some("x".into())).is_ok()
    }

    /// Text with its variables in place.
    fn expanded(&self, text: &str) -> Result<String, VariableError> {
        if telegraf::names::is_secret_reference(text) {
            let what = "refers to a secret store of Telegraf, which only Telegraf can open: write \"${VAR}\", or name a profile of the shared files";
            return Err(VariableError::Wrong(what.into()));
        }
        variables::expand(text, &|name| self.environment.raw(name)).map(|text| text.into_owned())
    }

    pub(super) fn unknown_key(&mut self, section: &str, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let is_telegrafs = self.document.telegraf.is_some();
        let here = match section {
            "" if is_telegrafs => "in [[outputs.kinesis]]".to_owned(),
            "" => "at the top of the file".to_owned(),
            section => format!("in [{section}]"),
        };
        let place = |key: &Key| match key.section {
            "partition" if is_telegrafs => "[outputs.kinesis.partition]".to_owned(),
            "" if is_telegrafs => "[[outputs.kinesis]]".to_owned(),
            "" => "the top of the file".to_owned(),
            section if is_telegrafs => format!("[{section}] of a file of kinegraf's own: kinegraf migrate FILE makes one"),
            section => format!("[{section}]"),
        };
        let (text, wanted) = (name.get_ref(), |key: &&Key| key.section == section);
        let names = |own: bool| KEYS.iter().filter(move |key| wanted(key) == own);
        let similar = |own: bool| near::nearest(text, names(own).map(|key| key.name)).and_then(|near| names(own).find(|key| key.name == near));
        let (likely, hint) = if let Some(key) = names(false).find(|key| key.name == text) {
            (Some(key), format!(", it belongs to {}", place(key)))
        } else if let Some(key) = similar(true) {
            (Some(key), format!(", did you mean '{}'?", key.name))
        } else if let Some(key) = similar(false) {
            (Some(key), format!(", did you mean '{}', which belongs to {}?", key.name, place(key)))
        } else {
            (None, String::new())
        };
        // Meant, only misspelt or misplaced: nobody need be told as well that it is missing.
        if let Some(key) = likely.filter(|key| !self.document.settings.is_set(key.id)) {
            self.document.settings.set_wrong(key.id);
        }
        let harmless = likely.is_some_and(|key| key.kind.is_harmless()) && !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let plain = !value.get_ref().as_str().is_some_and(|text| text.len() > 32 || looks_secret(text));
        if harmless && plain {
            self.report.token(value.span())
        } else {
            self.hide(value, true)
        }
        let shown = show_name(text);
        if shown == HIDDEN {
            self.report.mask(name.span());
        }
        self.mistake(name.span(), format!("unknown key {shown} {here}{hint}"));
    }

    fn unknown_section(&mut self, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let hint = near::nearest(name.get_ref(), keys::sections()).map_or(String::new(), |section| format!(", did you mean [{section}]?"));
        let shown = show_name(name.get_ref());
        self.hide(value, false);
        if shown == HIDDEN {
            self.report.mask(name.span());
        }
        self.mistake(name.span(), format!("unknown section {}{hint}", shown.replacen('\'', "[", 1).replacen('\'', "]", 1)));
    }

    /// A mistake in a line that does not parse may be none once that line is repaired.
    pub(super) fn mistake(&mut self, span: Range<usize>, message: String) {
        if !self.is_broken(&span) {
            self.report.push(Place::Span(span), message);
        }
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        let lines = self.report.line_of(span.start)..=self.report.line_of(span.end.saturating_sub(1).max(span.start));
        self.broken_lines.range(lines).next().is_some()
    }

    /// Masks a value with all that it contains; of a section what stands below its header, with `names` also the names.
    pub(super) fn hide(&mut self, value: &Spanned<DeValue<'_>>, names: bool) {
        if !is_section(self.text, value) {
            return self.report.mask(value.span());
        }
        self.report.token(value.span());
        match value.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    if names || show_name(name.get_ref()) == HIDDEN {
                        self.report.mask(name.span())
                    } else {
                        self.report.token(name.span())
                    }
                    self.hide(value, names);
                }
            }
            DeValue::Array(tables) => tables.iter().for_each(|table| self.hide(table, names)),
            _ => {}
        }
    }
}

impl Walk<'_, '_, '_> {
    /// Whether a table or array was written behind an equals sign.
    pub(super) fn is_inline(&self, value: &Spanned<DeValue<'_>>) -> bool {
        !is_section(self.text, value)
    }
}

/// Whether a table was written as `[name]`, `[[name]]` or `name.key = value`, rather than in braces.
fn is_section(text: &str, value: &Spanned<DeValue<'_>>) -> bool {
    match value.get_ref() {
        DeValue::Table(_) => !text.get(value.span()).is_some_and(|text| text.starts_with('{')),
        DeValue::Array(array) => array.iter().next().is_some_and(|first| first.get_ref().is_table() && is_section(text, first)),
        _ => false,
    }
}

/// The value of a key that Telegraf reads otherwise than we do; `text` is its own, with variables in place. None for every other key.
fn telegrafs_value(key: &Key, text: Option<&str>, value: &DeValue<'_>) -> Option<Result<Value, String>> {
    match (key.id, value) {
        (Id::Format, _) => text.map(telegraf::names::format),
        (Id::JsonTimestampUnits, DeValue::Integer(seconds)) if seconds.radix() == 10 => Some(telegrafs_duration(key, seconds.as_str())),
        (Id::JsonTimestampUnits, DeValue::Float(seconds)) => Some(telegrafs_duration(key, seconds.as_str())),
        (Id::JsonTimestampUnits, _) => text.map(|text| telegrafs_duration(key, text)),
        _ => None,
    }
}

fn telegrafs_duration(key: &Key, text: &str) -> Result<Value, String> {
    telegraf::duration::read(text).and_then(|duration| key.kind.read_duration(duration))
}

/// The value of a known key, or the second half of a sentence.
fn read_value(key: &Key, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = || Err(format!("is {}, must be {}", describe(value), key.kind.describe()));
    match (value, &key.kind) {
        (DeValue::String(_), Kind::Boolean) => wrong(),
        (DeValue::String(text), kind) => kind.read(text),
        (DeValue::Boolean(value), Kind::Boolean) => Ok(Value::Boolean(*value)),
        (DeValue::Integer(integer), Kind::Count { .. }) => match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(negative) if negative < 0 => Err(format!("is negative, must be {}", key.kind.describe())),
            Ok(count) => key.kind.read_count(u64::try_from(count).unwrap_or(u64::MAX)),
            Err(_) => key.kind.read_count(u64::MAX),
        },
        (DeValue::Integer(integer), Kind::Size { .. }) => match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(negative) if negative < 0 => Err(format!("is negative, must be {}", key.kind.describe())),
            Ok(bytes) => key.kind.read_size(u64::try_from(bytes).unwrap_or(u64::MAX)),
            Err(_) => key.kind.read_size(u64::MAX),
        },
        (DeValue::Integer(integer), Kind::Duration { .. })
            if integer.radix() == 10 && integer.as_str().len() <= 10 && !integer.as_str().starts_with('-') =>
        {
            Err(format!("is {0}, which has no unit, write \"{0}s\" for seconds", integer.as_str().trim_start_matches('+')))
        }
        _ => wrong(),
    }
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
