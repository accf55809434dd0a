//! The one `[[outputs.kinesis]]` of a file: where it stands, and the way through its options.
//!
//! Says once what of it is Telegraf's business. Never looks at what other plugins' tables hold.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Purpose;
use super::names::{self, Class};
use super::tables::{self, Table, tables};
use crate::config::diagnostic::{Place, Report};
use crate::config::document::Walk;
use crate::config::keys::{self, HIDDEN, show_name};
use crate::config::variables;

/// The tables at the top of a file of Telegraf.
const TOP: [&str; 7] = ["agent", "global_tags", "inputs", "outputs", "processors", "aggregators", "secretstores"];
/// Options that one note names.
const NAMED_MAX: usize = 12;
/// The section's name.
const KINESIS: [&str; 2] = ["outputs", "kinesis"];

/// An option that stays Telegraf's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its name.
    pub(crate) name: String,
    /// Its class.
    pub(crate) class: Class,
    /// The bytes of its name.
    pub(crate) key: Range<usize>,
    /// The bytes of its value; of a table those below its header are among `Section::tables`.
    pub(crate) value: Range<usize>,
    /// Written as a table of its own.
    pub(crate) table: bool,
}

/// The section in its file.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its tables, itself first and then what belongs to it. None when the file has no such section, or two.
    pub(crate) tables: Vec<Table>,
    /// Options that stay Telegraf's, in their order.
    pub(crate) kept: Vec<Kept>,
    /// A Telegraf loads this file, as far as can be told: it has other tables of Telegraf as well.
    pub(crate) is_loaded: bool,
}

impl Section {
    /// The file with all but this section as spaces, and with variables that stand without quotes, which Telegraf takes, as strings: each byte keeps its
    /// place, and of such a string only the place counts.
    pub(crate) fn alone(&self, text: &str) -> String {
        let mut alone: Vec<u8> = text.bytes().map(|byte| if byte == b'\n' { b'\n' } else { b' ' }).collect();
        for table in &self.tables {
            alone[table.extent.clone()].copy_from_slice(&text.as_bytes()[table.extent.clone()]);
            for bare in tables::statements(text, table).iter().filter_map(|statement| bare_variable(text, statement)) {
                let last = bare.end - 1;
                alone[bare.start + 1..last].fill(b'_');
                (alone[bare.start], alone[last]) = (b'"', b'"');
            }
        }
        String::from_utf8(alone).expect("whole lines of text and spaces are text")
    }
}

/// Where the value of this statement stands, if it is a variable without quotes.
fn bare_variable(text: &str, statement: &tables::Statement) -> Option<Range<usize>> {
    let rest = text[statement.value..statement.extent.end].trim_start_matches([' ', '\t']);
    let (variable, behind) = rest.split_at(variables::size(rest)?);
    let start = statement.extent.end - rest.len();
    let is_whole = behind.trim_start().is_empty() || behind.trim_start().starts_with('#');
    (is_whole && !variable.contains(['"', '\'', '\\', '\n'])).then(|| start..start + variable.len())
}

/// The section of this file, with the mistakes that concern the file as a whole; None when the file is none of Telegraf's.
pub(crate) fn section(text: &str, purpose: Purpose, report: &mut Report<'_>) -> Option<Section> {
    let (top, all) = tables(text);
    if !all.iter().any(is_telegrafs) {
        return None;
    }
    let line = |table: &Table| report.line_of(table.header.start) + 1;
    let heads: Vec<&Table> = all.iter().filter(|table| table.is(&KINESIS)).collect();
    let mut mistakes = Vec::new();
    match heads[..] {
        [_] => {}
        [] => mistakes.push((Place::File, missing(text, purpose))),
        [first, ..] => mistakes.extend(heads[1..].iter().map(|other| {
            let message = format!("a second [[outputs.kinesis]], the first is in line {}; {ONE_SECTION}", line(first));
            (Place::Span(other.header.clone()), message)
        })),
    }
    // What is ours would be ignored here without a word: Telegraf's file is read for its section alone.
    let own = all.iter().filter(|table| table.names.first().is_some_and(|name| keys::sections().any(|section| section == name)));
    mistakes.extend(own.map(|table| {
        let message = format!("[{}] is not read in a file of Telegraf: {MIGRATE}", table.names[0]);
        (Place::Span(table.header.clone()), message)
    }));
    if let Some(name) = own_key(&text[top]) {
        let message = format!("{} stands above the first section and is not read in a file of Telegraf: {MIGRATE}", &text[name.clone()]);
        report.token(name.clone());
        mistakes.push((Place::Span(name), message));
    }
    for table in all.iter() {
        if table.names.iter().all(|name| show_name(name) != HIDDEN) {
            report.token(table.header.clone());
        }
    }
    mistakes.into_iter().for_each(|(place, message)| report.push(place, message));
    let one = heads.len() == 1;
    let is_loaded = all.iter().any(|table| is_telegrafs(table) && !table.is_in(&KINESIS));
    let tables = all.into_iter().filter(|table| one && table.is_in(&KINESIS)).collect();
    Some(Section { tables, kept: Vec::new(), is_loaded })
}

/// What to do about two sections.
pub(crate) const ONE_SECTION: &str = "a kinegraf writes to one stream: give each section a file of its own, and each file a kinegraf";
const MIGRATE: &str = "kinegraf migrate FILE makes a file of kinegraf's own";

/// Where the first name of a key of ours stands in the lines above the first section.
fn own_key(top: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in top.split_inclusive('\n') {
        let name = line.split_once('=').map_or("", |(name, _)| name).trim();
        if keys::find("", name).is_some() {
            let start = start + line.len() - line.trim_start().len();
            return Some(start..start + name.len());
        }
        start += line.len();
    }
    None
}

fn is_telegrafs(table: &Table) -> bool {
    table.names.first().is_some_and(|name| TOP.contains(&name.as_str()))
}

/// A file with bytes that are no UTF-8, each as a question mark; None when one of them stands in the section, or there is none.
pub(crate) fn readable(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut replaced = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            replaced.push(text.len());
            text.push('?');
        }
    }
    let tables = tables(&text).1;
    let section: Vec<&Table> = tables.iter().filter(|table| table.is_in(&KINESIS)).collect();
    let whole = section.iter().all(|table| !replaced.iter().any(|at| table.extent.contains(at)));
    (whole && !section.is_empty()).then_some(text)
}

/// Whether `text` has the section.
pub(crate) fn has_section(text: &str) -> Option<Range<usize>> {
    tables(text).1.into_iter().find(|table| table.is(&KINESIS)).map(|table| table.header)
}

fn missing(text: &str, purpose: Purpose) -> String {
    let is_header = |line: &str| line.trim_start().strip_prefix('#').is_some_and(|line| line.replace(' ', "").starts_with("[[outputs.kinesis]]"));
    let hint = match text.lines().position(is_header) {
        Some(line) => format!(", the one in line {} is commented out", line + 1),
        None if text.contains("kinegraf") => ", but one with kinegraf: it was migrated before, it seems".to_owned(),
        None => String::new(),
    };
    let otherwise = match purpose {
        Purpose::Run => ", or give --stream and --region without a file",
        Purpose::Migrate => "",
    };
    format!("is a configuration of Telegraf without [[outputs.kinesis]]{hint}: name the file that has it{otherwise}")
}

/// Every option of the section, from the root of its file.
pub(in crate::config) fn walk(walk: &mut Walk<'_, '_, '_>, root: &DeTable<'_>) {
    let kinesis = root.get("outputs").and_then(|outputs| outputs.get_ref().get("kinesis"));
    let first = kinesis.and_then(|kinesis| match kinesis.get_ref() {
        DeValue::Array(sections) => sections.first().map(Spanned::get_ref),
        one => Some(one),
    });
    let Some(DeValue::Table(section)) = first else { return };
    for (name, value) in section {
        walk.report.token(name.span());
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("partition", DeValue::Table(partition)) => {
                walk.report.token(value.span());
                for (name, value) in partition {
                    walk.entry("partition", name, value);
                }
            }
            (text, _) => match (keys::find("", text), names::class(text)) {
                (Some(key), _) => walk.known(key, name.span(), value),
                (None, Some(class)) => foreign(walk, class, name.get_ref(), name.span(), value),
                (None, None) => walk.unknown_key("", name, value),
            },
        }
    }
    note_kept(walk);
}

fn foreign(walk: &mut Walk<'_, '_, '_>, class: Class, text: &str, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
    let shown = show_name(text);
    if shown == HIDDEN {
        walk.report.mask(name.clone());
    }
    let shown = shown.trim_matches('\'');
    walk.hide(value, false);
    if says_nothing(value.get_ref()) {
        return;
    }
    match (class, walk.purpose) {
        (Class::Refused(why), _) => walk.mistake(name.clone(), format!("{shown} is not read: {why}")),
        (Class::Filter, Purpose::Run) => {
            let message = format!(
                "{shown} can only be obeyed by Telegraf: put it into the section that starts kinegraf ([[outputs.exec]], for example), as kinegraf migrate does"
            );
            walk.mistake(name.clone(), message);
        }
        (Class::Filter | Class::Agent, _) => {}
    }
    let table = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) && !walk.is_inline(value);
    if let Some(section) = &mut walk.document.telegraf {
        section.kept.push(Kept { name: text.to_owned(), class, key: name, value: value.span(), table });
    }
}

/// To Telegraf an empty option of these is one that is not there.
fn says_nothing(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => text.trim().is_empty(),
        DeValue::Array(array) => array.is_empty(),
        DeValue::Table(table) => table.is_empty(),
        _ => false,
    }
}

/// One note for all that only Telegraf can do, however much it is.
fn note_kept(walk: &mut Walk<'_, '_, '_>) {
    let Some(section) = &walk.document.telegraf else { return };
    let kept: Vec<&Kept> = section.kept.iter().filter(|kept| kept.class == Class::Agent).collect();
    let Some(first) = kept.first() else { return };
    let names: Vec<String> = kept.iter().take(NAMED_MAX).map(|kept| show_name(&kept.name)).collect();
    let more = if kept.len() > NAMED_MAX { format!(" and {} more", kept.len() - NAMED_MAX) } else { String::new() };
    let message = format!("ignored, since only Telegraf can do it: {}{more}; it belongs in the section that starts kinegraf", names.join(", "));
    walk.report.note(Place::Span(first.key.clone()), message);
}

/// The commonest way to pay twice.
pub(crate) fn note_loaded(section: &Section, report: &mut Report<'_>) {
    let Some(head) = section.tables.first() else { return };
    let message = "DUPLICATES: a Telegraf that loads this file sends every metric to the stream as well: take this [[outputs.kinesis]] out of what Telegraf \
                   loads (kinegraf migrate FILE shows how)";
    report.note(Place::Span(head.header.clone()), message.to_owned());
}
