//! The section as a file of kinegraf's own: each value as it was written, with a comment that says what it is for.
//!
//! The file means what the section meant. What is deprecated becomes its successor where that says the same whatever the variables hold; what Telegraf
//! ignored, and what says nothing, is left out.

use super::section::Section;
use crate::config::keys::Id;
use crate::config::value::{Value, show_duration};

/// A key of the new file.
struct Entry {
    id: Id,
    value: String,
    /// Why it stands there, where its meaning alone does not tell.
    why: Option<&'static str>,
}

/// The keys that say together how partition keys are found.
const PARTITION: [Id; 6] =
    [Id::PartitionMethod, Id::PartitionKey, Id::PartitionDefault, Id::PartitionTemplate, Id::Partitionkey, Id::UseRandomPartitionkey];
/// The keys that say together what record data looks like.
const FORMAT: [Id; 3] = [Id::DataFormat, Id::Format, Id::JsonTimestampUnits];
/// The keys that nothing looks at without `role_arn`: a mistake in a file of ours, where Telegraf says nothing.
const OF_ROLE: [Id; 3] = [Id::RoleSessionName, Id::ExternalId, Id::WebIdentityTokenFile];

const AS_IT_WAS: &str = "Left as it was: what its successor would say depends on a variable.";
const NO_METHOD: &str = "The section named no method, and Kinesis takes no record without a key.";
const WAS_RANDOM: &str = "In place of use_random_partitionkey.";
const WAS_KEY: &str = "In place of partitionkey.";
const NO_SUCCESSOR: &str = "Deprecated, but nothing else gives a random key to the lines without that tag.";
const FIRST_FORMAT: &str = "What Telegraf 1.0 and 1.1 wrote, without a newline at its end. The successor is data_format.";
const EXPOSED: &str = "LOOK AT THIS: endpoint_url is plain http to another host, which Telegraf took without a word. Whoever\n\
                       # stands between can read and change every line. Make it https and take this key out.";
const OMITTED: &str = "The section had influx_omit_timestamp: lines stay without a timestamp instead of getting the time of their arrival.";

/// The text of the new file; `source` is the section's file as it may be shown.
pub(super) fn text(section: &Section<'_>, source: &str) -> String {
    let mut out = format!(
        "# Configuration of kinegraf, made by kinegraf migrate from the [[outputs.kinesis]] of\n# {source}\n#\n\
         # Values stand as they were written there, and \"${{VAR}}\" is filled in here too. Every other key has its\n\
         # default; the README has the table of them all. To look at records without sending them:\n\
         # kinegraf --config THIS_FILE --dry-run < LINES\n"
    );
    let mut entries = entries(section);
    entries.sort_by_key(|entry| entry.id);
    let mut inside = "";
    for entry in &entries {
        let key = entry.id.key();
        if key.section != inside {
            inside = key.section;
            out.push_str(&format!("\n[{inside}]"));
        }
        let doc = entry.why.map_or_else(|| sentence(key.doc), str::to_owned);
        out.push_str(&format!("\n# {doc}\n{} = {}\n", key.name, entry.value));
    }
    if !entries.iter().any(|entry| entry.id == Id::Format) {
        out.push_str(
            "\n# As with Telegraf each metric is a record. Where whoever reads the stream takes several lines from one,\n\
             # this costs far less:\n# [packing]\n# pack = \"lines\"\n",
        );
    }
    out
}

/// Names of the keys that are not taken over since they said nothing.
pub(super) fn left_out(section: &Section<'_>) -> Vec<String> {
    let entries = entries(section);
    let is_gone = |id: &Id| match id {
        // They went into their successors, or asked for nothing.
        Id::Partitionkey => !entries
            .iter()
            .any(|entry| matches!(entry.id, Id::PartitionKey | Id::PartitionDefault) && section.raw(*id).is_some_and(|raw| entry.value == raw)),
        Id::UseRandomPartitionkey => section.boolean(*id) && !entries.iter().any(|entry| entry.why == Some(WAS_RANDOM)),
        _ => true,
    };
    section.given().filter(|id| !entries.iter().any(|entry| entry.id == *id)).filter(is_gone).map(|id| id.key().path()).collect()
}

/// The keys whose value stands in the new file as it was written, if only under another name.
pub(super) fn taken_over(section: &Section<'_>) -> Vec<Id> {
    let entries = entries(section);
    section.given().filter(|id| section.raw(*id).is_some_and(|raw| entries.iter().any(|entry| entry.value == raw))).collect()
}

fn entries(section: &Section<'_>) -> Vec<Entry> {
    let has_role = section.raw(Id::RoleArn).is_some();
    let alone = |id: &Id| !PARTITION.contains(id) && !FORMAT.contains(id) && (has_role || !OF_ROLE.contains(id));
    let mut entries: Vec<Entry> = section.given().filter(alone).filter_map(|id| as_written(section, id)).collect();
    entries.extend(format(section));
    entries.extend(partition(section));
    if section.is_exposed {
        entries.push(Entry { id: Id::AllowPlainHttp, value: "true".into(), why: Some(EXPOSED) });
    }
    if section.kept("influx_omit_timestamp") == Some("true") && section.word(Id::DataFormat) != Some("json") {
        entries.push(Entry { id: Id::Timestamp, value: "\"keep\"".into(), why: Some(OMITTED) });
    }
    entries
}

fn as_written(section: &Section<'_>, id: Id) -> Option<Entry> {
    section.raw(id).map(|raw| Entry { id, value: raw.into_owned(), why: None })
}

fn format(section: &Section<'_>) -> Vec<Entry> {
    let unsure = section.has_variable(Id::DataFormat);
    let mut entries: Vec<Entry> = as_written(section, Id::DataFormat).into_iter().collect();
    if let Some(raw) = section.raw(Id::Format).filter(|_| unsure || entries.is_empty()) {
        // In Telegraf everything but exactly "string" was custom.
        let word = section.word(Id::Format).filter(|_| !section.has_variable(Id::Format));
        let value = word.map_or_else(|| raw.into_owned(), |word| format!("\"{word}\""));
        entries.push(Entry { id: Id::Format, value, why: Some(FIRST_FORMAT) });
    }
    if unsure || section.word(Id::DataFormat) == Some("json") {
        entries.extend(units(section));
    }
    entries
}

/// As it was written, or in our way where Telegraf's way to write a time is another.
fn units(section: &Section<'_>) -> Option<Entry> {
    let id = Id::JsonTimestampUnits;
    let entry = as_written(section, id)?;
    match section.duration(id) {
        Some(found) if !section.has_variable(id) && id.key().kind.read(entry.value.trim_matches(['"', '\''])) != Ok(Value::Duration(found)) => {
            Some(Entry { value: format!("\"{}\"", show_duration(found)), ..entry })
        }
        _ => Some(entry),
    }
}

fn partition(section: &Section<'_>) -> Vec<Entry> {
    let given = |ids: &[Id]| ids.iter().filter_map(|id| as_written(section, *id)).collect::<Vec<Entry>>();
    let as_it_was = |ids: &[Id]| given(ids).into_iter().map(|entry| Entry { why: Some(AS_IT_WAS), ..entry }).collect::<Vec<Entry>>();
    if section.has_variable(Id::PartitionMethod) {
        return as_it_was(&PARTITION);
    }
    let method = match section.word(Id::PartitionMethod) {
        None => return without_method(section, as_it_was(&[Id::Partitionkey, Id::UseRandomPartitionkey])),
        Some(method) => method,
    };
    let mut entries = given(match method {
        "static" => &[Id::PartitionMethod, Id::PartitionKey],
        "tag" => &[Id::PartitionMethod, Id::PartitionKey, Id::PartitionDefault],
        "template" => &[Id::PartitionMethod, Id::PartitionTemplate, Id::PartitionDefault],
        _ => &[Id::PartitionMethod],
    });
    let (default, random) = (section.raw(Id::PartitionDefault), section.boolean(Id::UseRandomPartitionkey));
    match method {
        // A variable that is empty is as if it were not there.
        "tag" if section.has_variable(Id::UseRandomPartitionkey) && default.is_none() || section.has_variable(Id::PartitionDefault) => {
            entries.extend(as_it_was(&[Id::Partitionkey, Id::UseRandomPartitionkey]));
        }
        "tag" if default.is_none() && random => {
            entries.extend(given(&[Id::UseRandomPartitionkey]).into_iter().map(|entry| Entry { why: Some(NO_SUCCESSOR), ..entry }));
        }
        "tag" if default.is_none() => entries.extend(from_old(section, Id::PartitionDefault)),
        _ => {}
    }
    entries
}

/// What the two deprecated keys say alone; `as_it_was` are both as they were written.
fn without_method(section: &Section<'_>, as_it_was: Vec<Entry>) -> Vec<Entry> {
    let method = |word: &str, why| Entry { id: Id::PartitionMethod, value: format!("\"{word}\""), why: Some(why) };
    let has_variable = |id: Id| section.has_variable(id);
    match from_old(section, Id::PartitionKey) {
        _ if has_variable(Id::UseRandomPartitionkey) => as_it_was,
        _ if section.boolean(Id::UseRandomPartitionkey) => vec![method("random", WAS_RANDOM)],
        Some(_) if has_variable(Id::Partitionkey) => as_it_was,
        Some(key) => vec![method("static", WAS_KEY), Entry { why: None, ..key }],
        None => vec![method("random", NO_METHOD)],
    }
}

/// The value of `partitionkey` under another name.
fn from_old(section: &Section<'_>, id: Id) -> Option<Entry> {
    section.raw(Id::Partitionkey).map(|raw| Entry { id, value: raw.into_owned(), why: Some(WAS_KEY) })
}

/// A line of the table of keys as a comment.
fn sentence(doc: &str) -> String {
    let text = doc.replace('`', "").replace("\\|", "|");
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
