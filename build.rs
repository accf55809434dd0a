//! Tells the program which commit it is and when that commit was made: from git, from a published crate, or from `git archive`.
use std::process::Command;

/// A clock earlier than this cannot be right, whatever the build knows of itself: 2026-11-22, the day the project began.
const FIRST_COMMIT_S: u64 = 1_795_305_600;

fn main() {
    println!("cargo:rerun-if-changed=packaging/commit");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/index");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let (hash, seconds) = from_git().or_else(from_archive).or_else(from_crate).unwrap_or_else(|| ("unknown".into(), None));
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|s| s.parse().ok());
    println!("cargo:rustc-env=KINEGRAF_COMMIT={}", &hash[..hash.len().min(12)]);
    println!("cargo:rustc-env=KINEGRAF_COMMIT_TIME_S={}", seconds.or(epoch).unwrap_or(FIRST_COMMIT_S).max(FIRST_COMMIT_S));
}

fn from_git() -> Option<(String, Option<u64>)> {
    // Only a repository of our own counts: an unpacked archive may lie inside somebody else's.
    if !std::path::Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(["log", "-1", "--format=%H %ct"]).output().ok()?;
    split(std::str::from_utf8(&output.stdout).ok()?)
}

fn from_archive() -> Option<(String, Option<u64>)> {
    split(&std::fs::read_to_string("packaging/commit").ok()?)
}

fn from_crate() -> Option<(String, Option<u64>)> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some((rest.split('"').next()?.to_owned(), None))
}

fn split(text: &str) -> Option<(String, Option<u64>)> {
    let (hash, seconds) = text.trim().split_once(' ')?;
    let is_hash = hash.len() >= 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| (hash.to_owned(), seconds.parse().ok()))
}
