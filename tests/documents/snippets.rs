//! Every piece of TOML in the documents is read: kinegraf's by kinegraf; Telegraf's, which has `[[…]]`, by Telegraf's own check in `tests/telegraf`, and here
//! for its syntax.

use std::io;
use std::path::Path;

use kinegraf::cli::{self, Command};
use kinegraf::config::{Environment, Files, load};

use super::{GREENGRASS, MANUAL, PI, README, TELEGRAF, snippets};

fn assert_loads(text: &str, place: &str) {
    let Ok(Command::Run(options)) = cli::parse(["--config".into(), "f.toml".into()]) else { panic!("--config is no option") };
    let read = |path: &Path| match path.to_str() {
        Some("f.toml") => Ok(text.as_bytes().to_vec()),
        Some("/proc/sys/kernel/hostname") => Ok(b"gw-1\n".to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let loaded = load(&options, &Environment::default(), Files { read: &read, list: &|_| Ok(Vec::new()) });
    let config = loaded.unwrap_or_else(|error| panic!("{place}\n{error}"));
    assert!(config.notes.is_empty(), "{place}: {:?}", config.notes);
}

#[test]
fn every_piece_of_toml_in_the_documents_is_read_without_a_mistake() {
    let (mut ours, mut theirs) = (0, 0);
    for (page, text) in [("manual", MANUAL), ("README", README), ("raspberry-pi", PI), ("telegraf", TELEGRAF), ("greengrass", GREENGRASS)] {
        for (line, snippet) in snippets(text, "toml") {
            let place = format!("{page}:{line}");
            toml::de::DeTable::parse(&snippet).unwrap_or_else(|error| panic!("{place}: {error}"));
            if snippet.contains("[[") {
                theirs += 1;
                continue;
            }
            ours += 1;
            // A piece of a file stands for itself.
            let needed = ["region = \"eu-central-1\"\n", "streamname = \"telemetry\"\n"];
            let missing: String = needed.into_iter().filter(|key| !snippet.contains(&key[..key.find(' ').unwrap() + 2])).collect();
            assert_loads(&format!("{missing}{snippet}"), &place);
        }
    }
    assert!(ours >= 4 && theirs >= 5, "{ours} and {theirs}");
}
