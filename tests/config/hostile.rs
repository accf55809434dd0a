//! Files that nobody meant: no panic, no terminal code, no secret.

use kinegraf::config::Environment;
use kinegraf::limits;
use proptest::prelude::*;

use crate::{SAMPLE, load_with, run};

const SECRETS: [&str; 3] =
    ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AKIAIOSFODNN7EXAMPLE", "IQoJb3JpZ2luX2VjEXAMPLETOKEN//////////0123456789abcdef"];

/// What is said about a hostile file holds no control character and no twelve characters in a row of a secret.
fn says_no_secret(bytes: &[u8]) -> Result<(), TestCaseError> {
    let result = load_with(&run(&["-c", "f"]), &Environment::default(), &|_| Ok(bytes.to_vec()));
    let said = match &result {
        Ok(config) => config.notes.join("\n"),
        Err(error) => format!("{error}\n{error:?}\n{}", error.first_line()),
    };
    prop_assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    for secret in SECRETS {
        for start in 0..=secret.len() - 12 {
            prop_assert!(!said.contains(&secret[start..start + 12]), "{} in\n{said}", &secret[start..start + 12]);
        }
    }
    let Err(error) = result else { return Ok(()) };
    prop_assert!(error.mistakes() > 0 && error.first_line().len() <= limits::FIRST_LINE_SIZE_MAX);
    Ok(())
}

#[test]
fn the_largest_file_of_nothing_but_mistakes_is_answered_and_shown_in_part() {
    let size = limits::FILE_SIZE_MAX as usize;
    let keys: String = (0..size / 12).map(|i| format!("reqion_{:04x}\n", i).replace('\n', "=1\n")).collect();
    let lines = [&keys[..size], &"x\n".repeat(size / 2), &"\n".repeat(size), &"'''\n".repeat(size / 4)].map(str::to_owned);
    let one_line = ["[".repeat(size), "a=[".repeat(size / 3), format!("a={}", "1".repeat(size - 2))];
    for text in lines.into_iter().chain(one_line) {
        let error = load_with(&run(&["-c", "f"]), &Environment::default(), &|_| Ok(text.clone().into_bytes())).unwrap_err();
        assert!(error.to_string().len() < limits::MISTAKES_MAX * 1_000, "{}", error.to_string().len());
    }
}

/// The sample with secrets in every form; `broken`, with its prose uncommented as well.
fn sample_with_secrets(broken: bool) -> String {
    let [secret, id, token] = SECRETS;
    let keys = format!("access_key = \"{id}\" # {secret}\nsecret_key = '{secret}'\ntoken = \"\"\"\n{token}\"\"\"\n");
    let sample = SAMPLE.replace("\n[partition]", &format!("\n{keys}\n[partition]"));
    if broken { sample.replace("\n#", "\n") } else { sample }
}

/// A file of Telegraf with secrets in its section, in its options and in other plugins.
fn telegraf_with_secrets() -> String {
    let [secret, id, token] = SECRETS;
    format!(
        "[agent]\n  interval = ${{INTERVAL}}\n[[inputs.http]]\n  password = \"{secret}\" # {secret}\n[[outputs.kinesis]]\n  alias = \"{secret}\"\n\
         region = \"eu-west-1\"\n  streamname = \"s\"\n  access_key = \"{id}\"\n  secret_key = '{secret}'\n  token = \"\"\"\n{token}\"\"\"\n  metric_batch_size = 5\n\
         namepass = [\"{secret}\",\n \"{secret}\"]\n  format = \"{secret}\"\n  [outputs.kinesis.partition]\n    method = \"tag\"\n    key = \"host\"\n\
         [outputs.kinesis.tagpass]\n    \"{secret}\" = [\"{secret}\"]\n[[outputs.influxdb_v2]]\n  token = \"{token}\"\n"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        says_no_secret(&bytes)?;
    }

    #[test]
    fn random_pieces_of_toml_never_panic(pieces in proptest::collection::vec(prop::sample::select(vec![
        "[", "]", "[[", "]]", "{", "}", "\"", "'", "\"\"\"", "'''", "=", " = ", ",", ".", "\n", "\r\n", "\r", "#", "\\", "\\u12", "\t", "region", "secret_key", "[[outputs.kinesis]]\n", "tagpass", "${A", ":-", "$$", "partition", "method",
        "delivery", "deadline", "1", "-1", "0x", "1e9", "true", "2026-11-22", "é", "緑", "\u{feff}", "\0", "\"4s\"", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ]), 0..60)) {
        // A secret outside every string and key is masked with its line, or as a name that no key could have.
        says_no_secret(pieces.concat().as_bytes())?;
    }

    #[test]
    fn a_mutated_file_never_shows_a_secret(
        sample in 0..3,
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), 0..16u8, prop::sample::select(b"\"'=[]{}.#\n\\ a_1,\x1b\xff".to_vec())), 1..6)
    ) {
        let mut bytes = if sample == 2 { telegraf_with_secrets() } else { sample_with_secrets(sample == 1) }.into_bytes();
        for (index, action, byte) in mutations {
            let at = index.index(bytes.len());
            match action {
                0..=5 => bytes[at] = byte,
                6..=10 => bytes.insert(at, byte),
                11..=14 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
            // What is left is never empty.
            bytes.push(b'\n');
        }
        says_no_secret(&bytes)?;
    }
}
