//! `[partition]`, and the two keys of old that stood for it, become a [`PartitionMethod`].
//!
//! The precedence is that of the plugin that knew all of them (Telegraf 1.5 to 1.34): what `[partition]` finds, then `use_random_partitionkey`, then
//! `partitionkey`. It never gives an empty key, for which Kinesis would refuse the whole request.

use std::path::Path;

use super::diagnostic::Report;
use super::document::Document;
use super::keys::Id;
use super::load::Files;
use super::settings::Settings;
use crate::line::partition_key::{PartitionKey, PartitionMethod};
use crate::line::template::{Names, Template};

/// The tag method's key for lines without the tag; Telegraf's.
const TAG_DEFAULT: &str = "telegraf";
/// Where Linux keeps the name of the machine.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// Where systemd and D-Bus keep its identity.
const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// The partition keys that these settings ask for. In a broken file a key that is not there may stand in a line that does not parse.
pub(super) fn method(document: &Document, settings: &Settings, files: &Files<'_>, report: &mut Report<'_>) -> PartitionMethod {
    note_deprecated(settings, report);
    if settings.is_wrong(Id::PartitionMethod) || document.broken && !settings.is_set(Id::PartitionMethod) {
        return PartitionMethod::Random;
    }
    idle_keys(document, settings, report);
    let Some(method) = settings.given_word(Id::PartitionMethod) else { return without_method(settings) };
    let mut needed = |id: Id, what: &str| {
        if !settings.is_set(id) && !document.broken && !settings.is_wrong(id) {
            let message = format!("partition.method is \"{method}\", which needs {}, {what}", id.key().path());
            report.push(settings.place(Id::PartitionMethod), message);
        }
        settings.text(id)
    };
    match method {
        "static" => needed(Id::PartitionKey, "the key of every record").and_then(PartitionKey::new).map(PartitionMethod::Static),
        "tag" => needed(Id::PartitionKey, "the tag whose value is the key")
            .map(|key| PartitionMethod::Tag { key: key.to_owned(), default: default(settings) }),
        "measurement" => Some(PartitionMethod::Measurement),
        "series" => Some(PartitionMethod::Series),
        "template" => needed(Id::PartitionTemplate, "such as \"{measurement}-{tag:host}\"").and_then(|text| template(text, settings, files, report)),
        _ => None,
    }
    .unwrap_or(PartitionMethod::Random)
}

/// What a line without its tag gets; None is a random key.
fn default(settings: &Settings) -> Option<PartitionKey> {
    match (settings.text(Id::PartitionDefault), settings.boolean(Id::UseRandomPartitionkey), settings.text(Id::Partitionkey)) {
        (Some(default), _, _) => PartitionKey::new(default),
        (None, true, _) => None,
        (None, false, partitionkey) => PartitionKey::new(partitionkey.unwrap_or(TAG_DEFAULT)),
    }
}

fn without_method(settings: &Settings) -> PartitionMethod {
    match settings.text(Id::Partitionkey).and_then(PartitionKey::new) {
        Some(key) if !settings.boolean(Id::UseRandomPartitionkey) => PartitionMethod::Static(key),
        _ => PartitionMethod::Random,
    }
}

fn template(text: &str, settings: &Settings, files: &Files<'_>, report: &mut Report<'_>) -> Option<PartitionMethod> {
    let default = PartitionKey::new(settings.text(Id::PartitionDefault).unwrap_or(TAG_DEFAULT)).unwrap_or_default();
    let first_line = |path: &str| {
        let text = String::from_utf8((files.read)(Path::new(path)).ok()?).ok()?;
        let line = text.lines().next()?.trim();
        (!line.is_empty() && line != "uninitialized").then(|| line.to_owned())
    };
    let used = Template::names_used(text);
    let names = Names {
        hostname: used.hostname.then(|| first_line(HOSTNAME)).flatten(),
        machine_id: used.machine_id.then(|| MACHINE_ID.iter().find_map(|path| first_line(path))).flatten(),
    };
    match Template::parse(text, &names, &default) {
        Ok(template) => Some(PartitionMethod::Template(template)),
        Err(reason) => {
            report.push(settings.place(Id::PartitionTemplate), format!("{} {reason}", settings.subject(Id::PartitionTemplate)));
            None
        }
    }
}

/// Keys that the method does not look at. In a file of ours they are mistakes: an ignored key would let somebody believe that lines of one key stay
/// together. Telegraf ignores them, so in its file they are only told.
fn idle_keys(document: &Document, settings: &Settings, report: &mut Report<'_>) {
    let method = settings.given_word(Id::PartitionMethod);
    let wanted: [(Id, &[&str], &str); 3] = [
        (Id::PartitionKey, &["static", "tag"], "\"static\" or \"tag\""),
        (Id::PartitionDefault, &["tag", "template"], "\"tag\" or \"template\""),
        (Id::PartitionTemplate, &["template"], "\"template\""),
    ];
    for (id, methods, shown) in wanted {
        if !settings.is_set(id) || method.is_some_and(|method| methods.contains(&method)) {
            continue;
        }
        let found = method.map_or("is not set".to_owned(), |method| format!("is \"{method}\""));
        let message = format!("{} needs partition.method {shown}, which {found}", settings.subject(id));
        // A method out of a variable is now this one and now that.
        let may_be_idle = document.variables.iter().any(|(id, _)| *id == Id::PartitionMethod);
        match document.telegraf {
            Some(_) => report.note(settings.key_place(id), message + ": it is ignored, as Telegraf does"),
            None if may_be_idle => report.note(settings.key_place(id), message + ": it is ignored"),
            None => report.push(settings.key_place(id), message),
        }
    }
}

fn note_deprecated(settings: &Settings, report: &mut Report<'_>) {
    for (id, successor) in [(Id::Partitionkey, "method = \"static\" and key"), (Id::UseRandomPartitionkey, "method = \"random\"")] {
        // `use_random_partitionkey = false`, as the samples had it, asks for nothing.
        if settings.is_set(id) && (id == Id::Partitionkey || settings.boolean(id)) {
            report.note(settings.key_place(id), format!("{} is deprecated, its successor is [partition] with {successor}", id.key().name));
        }
    }
}
