//! The sample file and the table of the README agree with the table of keys.

use std::collections::BTreeSet;

use kinegraf::config::keys::{self, KEYS, Preset};

use crate::{SAMPLE, load_file};

#[test]
fn the_sample_file_is_right_and_its_commented_defaults_are_those_of_the_table() {
    let config = load_file(SAMPLE).unwrap();
    assert_eq!(config.destination.map(|destination| destination.stream), Some("telegraf".into()));
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
            active.push(line);
        } else if let Some(id) = key(line.trim_start_matches("# ")) {
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
fn the_table_of_the_readme_has_a_row_for_every_key() {
    let table = keys::markdown_table();
    assert_eq!(table.lines().count(), KEYS.len() + 2);
    assert!(table.lines().all(|line| line.matches('|').count() == 6), "{table}");
    assert!(table.contains("| `[delivery]` | `request_size` | `256KiB` | 4KiB to 10MiB |"), "{table}");
}
