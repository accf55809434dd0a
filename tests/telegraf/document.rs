//! The snippets of `docs/telegraf.md`, brought to this machine: what the document shows is what the tests of pairings run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::support::{ACCESS_KEY, REGION, SECRET_KEY, STREAM};
use super::telegraf::binary;

/// The file of the daemon, as it is named here.
pub(crate) const DAEMON: &str = "daemon.toml";
/// The file of a kinegraf that Telegraf starts.
pub(crate) const SHORT: &str = "short.toml";

const PAGE: &str = include_str!("../../docs/telegraf.md");

/// The first piece of TOML below this heading.
///
/// # Panics
/// When there is none.
pub(crate) fn snippet(heading: &str) -> &'static str {
    let (_, below) = PAGE.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("docs/telegraf.md has no heading {heading:?}"));
    let chapter = below.split("\n### ").next().unwrap();
    let (_, fenced) = chapter.split_once("\n```toml\n").unwrap_or_else(|| panic!("no TOML below {heading:?}"));
    fenced.split("```").next().unwrap()
}

/// Paths of the document as they are in `dir`; what waits there for ten seconds waits for one.
pub(crate) fn here(snippet: &str, dir: &Path) -> String {
    let in_dir = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    [
        ("/usr/bin/kinegraf", binary().to_str().unwrap().to_owned()),
        ("/etc/telegraf/kinegraf.toml", in_dir(SHORT)),
        ("/etc/kinegraf/kinegraf.toml", in_dir(DAEMON)),
        ("/var/lib/telegraf/kinegraf", in_dir("spool-telegraf")),
        ("/var/lib/kinegraf/spool", in_dir("spool-daemon")),
        ("/run/kinegraf.sock", in_dir("kinegraf.sock")),
        ("/run/kinegraf.dgram", in_dir("kinegraf.dgram")),
        ("\"10s\"", "\"1s\"".to_owned()),
    ]
    .iter()
    .fold(snippet.to_owned(), |text, (there, here)| text.replace(there, here))
}

/// Makes a file of kinegraf's from the document, to a loopback Kinesis, with what `change` makes of its text.
pub(crate) fn make(name: &str, dir: &Path, url: &str, change: impl Fn(String) -> String) {
    let heading = if name == DAEMON { "The file of the daemon" } else { "The file of a kinegraf that Telegraf starts" };
    let path = dir.join(name);
    std::fs::write(&path, change(file(heading, dir, url))).unwrap();
    // It holds a secret.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn file(heading: &str, dir: &Path, url: &str) -> String {
    let text = here(snippet(heading), dir);
    for there in ["region = \"eu-central-1\"\n", "streamname = \"telemetry\"\n"] {
        assert!(text.contains(there), "{heading}: {there:?} is not in it");
    }
    let text = text.replace("region = \"eu-central-1\"", &format!("region = \"{REGION}\"")).replace("\"telemetry\"", &format!("\"{STREAM}\""));
    format!("endpoint_url = \"{url}\"\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n{text}")
}

/// Cells of the table below a heading of two `#`, without its head.
pub(crate) fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, below) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("docs/telegraf.md has no heading {heading:?}"));
    cells(below.split("\n## ").next().unwrap())
}

/// Cells of the first table in a text, its head first.
pub(crate) fn cells(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.filter(|row| !row.starts_with("|---")).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}
