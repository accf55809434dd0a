//! What a person must know beside the two texts: one line each, without any value of the section.

use std::path::Path;

use super::own_file;
use super::section::Section;
use crate::cli::Pairing;
use crate::config::diagnostic::show_path;
use crate::config::keys::Id;
use crate::config::value::looks_secret;
use crate::config::{Environment, Files};

/// Who owns what.
pub(super) struct Owners {
    /// The new file's.
    pub(super) config: Option<u32>,
    /// Telegraf's file's.
    pub(super) file: Option<u32>,
    /// The user `telegraf`, where there is one.
    pub(super) telegraf: Option<u32>,
}

/// The number of the user `telegraf` of this machine.
pub(super) fn telegraf_user(files: &Files<'_>) -> Option<u32> {
    let users = (files.read)(Path::new("/etc/passwd")).ok()?;
    String::from_utf8_lossy(&users).lines().find_map(|line| line.strip_prefix("telegraf:")?.split(':').nth(1)?.parse().ok())
}

/// Who must be given the new file.
pub(super) fn on_owner(owners: &Owners, config: &Path, file: &Path) -> String {
    let shown = show_path(config);
    let made = format!("{shown} is made, readable by its owner alone");
    match (owners.telegraf, owners.config, owners.file) {
        (Some(telegraf), Some(config), _) if telegraf == config => format!("{shown} is made, readable by Telegraf's user alone"),
        (Some(_), _, _) => format!("{made}: Telegraf's user must be able to read it, chown telegraf {shown}"),
        (None, Some(config), Some(owner)) if config != owner => {
            format!("{made}: Telegraf's user must be able to read it, chown --reference={} {shown}", show_path(file))
        }
        _ => format!("{made}: whoever runs kinegraf must be able to read it, so give it to the user of Telegraf"),
    }
}

/// What the section does not say itself, or says in a way that is gone.
pub(super) fn on_section(section: &Section<'_>, pairing: Pairing, environment: &Environment) -> Vec<String> {
    let mut notes = Vec::new();
    let variables = variables(section, environment);
    if !variables.is_empty() {
        let unset = |name: &String| environment.raw(name).is_none();
        let shown: Vec<String> = variables.iter().map(|name| if unset(name) { format!("{name} (not set here)") } else { name.clone() }).collect();
        let from = match pairing {
            Pairing::Exec | Pairing::Execd => "which kinegraf gets from Telegraf with all of its environment",
            Pairing::Socket => "which must stand in /etc/default/telegraf or in another file that kinegraf@.service reads",
        };
        notes.push(format!("the file takes the variables {}, {from}", shown.join(", ")));
    }
    if section.raw(Id::Region).is_none() {
        notes.push("the section names no region: kinegraf takes AWS_REGION or AWS_DEFAULT_REGION, one of which it needs".to_owned());
    }
    let has_token = section.raw(Id::WebIdentityTokenFile).is_some() && section.raw(Id::RoleArn).is_some();
    if !has_token && [Id::AccessKey, Id::Profile, Id::SharedCredentialFile].into_iter().all(|id| section.raw(id).is_none()) {
        let message = "the section names no credentials: kinegraf takes AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the shared files of the user that it \
                       runs as, or asks the container's or the instance's service";
        notes.push(message.to_owned());
    }
    let left_out = own_file::left_out(section);
    if !left_out.is_empty() {
        notes.push(format!("left out, since nothing looked at it: {}", left_out.join(", ")));
    }
    if section.has_variable(Id::DataFormat) {
        let message = "data_format is a variable: if it is json, give the printed section influx_uint_support = true and no other influx_* option";
        notes.push(message.to_owned());
    }
    if section.is_exposed {
        notes.push("endpoint_url is plain http to another host: the file allows that, as Telegraf did, and says so".to_owned());
    }
    notes
}

/// What looks wrong about a place, and works.
pub(super) fn on_paths(program: &Path, config: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    if program.components().any(|part| part.as_os_str() == "target") {
        notes.push(format!("the section names {}, which the next build replaces: install kinegraf, and name it there", show_path(program)));
    }
    if config.extension().is_some_and(|extension| extension == "conf") {
        notes.push(format!("{} ends in .conf: a Telegraf that loads its directory would take it for its own", show_path(config)));
    }
    notes
}

/// Names of variables in the values that are taken over, sorted. What only looks like one in the value of a secret may be a piece of it.
fn variables(section: &Section<'_>, environment: &Environment) -> Vec<String> {
    let mut found = Vec::new();
    for id in own_file::taken_over(section).into_iter().filter(|id| section.has_variable(*id)) {
        let raw = section.raw(id).unwrap_or_default();
        let is_certain = |name: &String| {
            let alone = raw.trim_matches(['"', '\'', '$', '{', '}']) == name.as_str();
            !looks_secret(name) && (!id.key().secret || alone || environment.raw(name).is_some())
        };
        found.extend(names(&raw).into_iter().filter(is_certain));
    }
    found.sort();
    found.dedup();
    found
}

/// Names behind a `$` that is not doubled.
fn names(text: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some(dollar) = rest.find('$') {
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let behind = rest.strip_prefix('{').unwrap_or(rest);
        let size = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
        if size > 0 && !behind.starts_with(|c: char| c.is_ascii_digit()) {
            names.push(behind[..size].to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_once_and_dollars_are_not() {
        assert_eq!(names("\"${A:-${B}}$C $$D $1 ${} x$\""), ["A", "B", "C"]);
    }

    #[test]
    fn whoever_cannot_read_the_file_is_named() {
        let said = |telegraf, config, file| on_owner(&Owners { config, file, telegraf }, Path::new("/k.toml"), Path::new("/t.conf"));
        assert!(!said(Some(7), Some(7), Some(0)).contains("chown"));
        assert!(said(Some(7), Some(0), Some(0)).ends_with("chown telegraf /k.toml"));
        assert!(said(None, Some(0), Some(8)).ends_with("chown --reference=/t.conf /k.toml"));
        assert!(said(None, Some(0), Some(0)).contains("whoever runs kinegraf"));
    }
}
