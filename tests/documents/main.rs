//! What the documents say, held against the program: names of tests, options, snippets, commands. A page of which nothing is run stops being true.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod links;
mod manual;
mod options;
mod policies;
mod records;
mod snippets;
mod tests_named;
mod units;

use std::path::{Path, PathBuf};

/// The manual for whoever comes from Telegraf.
pub(crate) const MANUAL: &str = include_str!("../../docs/migrating-from-telegraf.md");
pub(crate) const README: &str = include_str!("../../README.md");
/// For a board whose identity is a certificate of AWS IoT.
pub(crate) const PI: &str = include_str!("../../docs/raspberry-pi.md");
/// The ways from Telegraf to kinegraf.
pub(crate) const TELEGRAF: &str = include_str!("../../docs/telegraf.md");
pub(crate) const GREENGRASS: &str = include_str!("../../docs/greengrass.md");

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// What stands between fences of this language, with the number of the line that it begins in.
pub(crate) fn snippets(page: &str, language: &str) -> Vec<(usize, String)> {
    let (mut snippets, mut inside) = (Vec::<(usize, String)>::new(), None);
    for (number, line) in (1..).zip(page.lines()) {
        match (line.strip_prefix("```"), inside) {
            (Some(found), None) => {
                inside = Some(found == language);
                if found == language {
                    snippets.push((number + 1, String::new()));
                }
            }
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => snippets.last_mut().unwrap().1.push_str(&format!("{line}\n")),
            (None, _) => {}
        }
    }
    assert!(inside.is_none(), "a fence is not closed");
    snippets
}

/// What stands between backticks outside of fences, with its line.
pub(crate) fn quoted(page: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut quoted = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            quoted.extend(line.split('`').skip(1).step_by(2).map(|text| (number, text)));
        }
    }
    quoted
}
