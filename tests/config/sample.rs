//! The sample file and the table of the README agree with the table of keys.

use std::collections::BTreeSet;

use kinegraf::config::keys::{self, Id, KEYS, Preset};

use crate::{SAMPLE, load_file};

/// What the sample sets otherwise than its default, for a reason that stands above it.
const SET: [(Id, &str); 1] = [(Id::Imds, "imds = \"off\"")];
/// Its keys belong together: a default alone would be a mistake.
const WHOLE: &str = "credentials.iot";

#[test]
fn the_sample_file_is_right_and_its_commented_defaults_are_those_of_the_table() {
    let config = load_file(SAMPLE).unwrap();
    assert_eq!(config.destination.map(|destination| destination.stream), Some("telegraf".into()));
    assert!(config.credentials.imds_off && config.credentials.iot.is_none());
    let default_of = |line: &str| line.strip_prefix('#').filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned);
    let mut section = String::new();
    let (mut defaults, mut examples, mut active) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        }
        let key = |line: &str| line.split_once(" = ").and_then(|(name, _)| keys::find(&section, name)).map(|key| key.id);
        if let Some(line) = default_of(line) {
            let key = key(&line).unwrap_or_else(|| panic!("{line}: no such key")).key();
            assert!(!matches!(key.preset, Preset::Unset(_)), "{line}: has no default");
            assert_eq!(line.split_once(" = ").map(|(_, value)| value.trim_matches('"').to_owned()), Some(key.default_text()), "{line}");
            assert!(defaults.insert(key.id), "{line}: twice");
            active.push(if section == WHOLE { String::new() } else { line });
        } else if let Some((id, _)) = SET.iter().find(|(_, set)| *set == line) {
            assert!(matches!(id.key().preset, Preset::Word("on")) && defaults.insert(*id), "{line}");
            active.push(line.to_owned());
        } else if let Some(id) = key(line.trim_start_matches("# ")) {
            let is_needed = matches!(id, Id::Region | Id::Streamname);
            assert_eq!(is_needed, !line.starts_with("# "), "{line}: is set");
            examples.insert(id);
            active.push(line.to_owned());
        } else {
            active.push(line.to_owned());
        }
    }
    for key in &KEYS {
        let wanted = if matches!(key.preset, Preset::Unset(_)) { &examples } else { &defaults };
        assert!(wanted.contains(&key.id), "{} is not in the sample", key.path());
    }
    let uncommented = load_file(&active.join("\n")).unwrap();
    assert_eq!(format!("{uncommented:?}"), format!("{:?}", load_file(SAMPLE).unwrap()));
}

#[test]
fn the_section_of_the_sample_for_a_device_of_aws_iot_is_right_when_it_is_taken_whole() {
    let (before, rest) = SAMPLE.split_once(&format!("[{WHOLE}]\n")).unwrap();
    let (section, after) = rest.split_once("\n[").unwrap();
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(name, _)| keys::find(WHOLE, name).is_some());
    let whole: Vec<&str> = section.lines().map(|line| line.trim_start_matches(['#', ' '])).filter(|line| is_key(line)).collect();
    assert_eq!(whole.len(), KEYS.iter().filter(|key| key.section == WHOLE).count());
    let config = load_file(&format!("{before}[{WHOLE}]\n{}\n[{after}", whole.join("\n"))).unwrap();
    let iot = config.credentials.iot.unwrap();
    assert_eq!((iot.role_alias.as_str(), iot.thing_name.as_deref(), iot.start_jitter.is_zero()), ("edge", Some("gw-{serial}"), true));
}

#[test]
fn the_table_of_the_readme_has_a_row_for_every_key() {
    let table = keys::markdown_table();
    assert_eq!(table.lines().count(), KEYS.len() + 2);
    assert!(table.lines().all(|line| line.matches('|').count() == 6), "{table}");
    assert!(table.contains("| `[delivery]` | `request_size` | `256KiB` | 4KiB to 10MiB |"), "{table}");
}
