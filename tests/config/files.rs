//! Files with mistakes, and what is said about them.

use std::io;
use std::path::{Path, PathBuf};

use kinegraf::config::Environment;
use kinegraf::limits;

use crate::{MINIMAL, load_file, load_with, run};

/// Run with KINEGRAF_BLESS=1 to write what is said now, then read the difference.
#[test]
fn every_mistake_is_said_with_line_column_and_caret_as_in_the_golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(files.len() >= 10);
    for path in files {
        let name = PathBuf::from(path.file_name().unwrap());
        let options = run(&["--config", name.to_str().unwrap()]);
        let error = load_with(&options, &Environment::default(), &|_| std::fs::read(&path)).unwrap_err();
        assert_eq!(error.exit_code(), 78);
        let said = format!("{error}\n");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        for secret in ["wJalrXUtnFEMI", "K7MDENG", "hunter2", "AKIAIOSFODNN7"] {
            assert!(!said.contains(secret) && !format!("{error:?}").contains(secret), "{secret} in\n{said}");
        }
        let golden = path.with_extension("txt");
        if std::env::var_os("KINEGRAF_BLESS").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
    }
}

#[test]
fn five_mistakes_in_a_file_are_five_messages_in_one_go() {
    let error = load_file(include_str!("../golden/config/five_mistakes.toml")).unwrap_err();
    assert_eq!((error.mistakes(), error.exit_code()), (5, 78));
    assert_eq!(error.to_string().lines().filter(|line| line.starts_with("f.toml:")).count(), 5);
    assert_eq!(error.first_line(), "f.toml:6:1: unknown key 'reqest_size' in [delivery], did you mean 'request_size'? (and 4 more)");
}

#[test]
fn nothing_is_called_missing_that_may_stand_in_a_line_which_does_not_parse() {
    let error = load_file("region = eu-central-1\nstreamname = telegraf\n[partition]\nmethod = tag\nkey = \"host\"\n[spool]\nhot_size = 1GiB\nsegment_size = \"8MiB\"\n").unwrap_err();
    assert!(error.mistakes() == 4 && error.to_string().matches("syntax error").count() == 4, "{error}");
}

#[test]
fn what_is_misspelt_or_misplaced_is_not_called_missing_too() {
    for (text, expected) in [
        ("regoin = \"eu-central-1\"\nstreamnme = \"s\"\n", 2),
        ("region = \"eu-central-1\"\n[delivery]\nstreamname = \"s\"\n", 1),
        ("region = \"eu-central-1\"\nstreamname = \"s\"\naccess_key = \"k\"\nsecret_kee = \"hunter2\"\n", 1),
        // It is there as well, and wrong in a way that must be told.
        ("regoin = \"x\"\nregion = \"eu\"\nstreamname = \"s\"\n", 2),
        ("region = \"eu\"\nregoin = \"x\"\nstreamname = \"s\"\n", 2),
    ] {
        let error = load_file(text).unwrap_err();
        assert_eq!(error.mistakes(), expected, "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_gets_a_paragraph() {
    let said = |flags: &[&str], environment: &[(&str, &str)], kind: io::ErrorKind| {
        let error = load_with(&run(flags), &Environment::from_pairs(environment), &|_| Err(kind.into())).unwrap_err();
        assert_eq!((error.mistakes(), error.exit_code()), (1, 78));
        error.to_string()
    };
    let missing = said(&["-c", "/etc/k\u{1b}.toml"], &[], io::ErrorKind::NotFound);
    assert!(missing.starts_with("/etc/k\\u{1b}.toml: there is no such file, --config names it\n") && missing.lines().count() == 3, "{missing}");
    assert!(said(&[], &[("KINEGRAF_CONFIG", "x")], io::ErrorKind::NotFound).starts_with("x: there is no such file, KINEGRAF_CONFIG names it"));
    assert!(said(&["-c", "y"], &[], io::ErrorKind::PermissionDenied).starts_with("y: permission denied"));

    let bytes = |bytes: Vec<u8>| load_with(&run(&["-c", "f"]), &Environment::default(), &|_| Ok(bytes.clone())).unwrap_err().to_string();
    assert_eq!(bytes(vec![b'#'; limits::FILE_SIZE_MAX as usize + 1]), "f: is longer than 1MiB and cannot be a configuration");
    assert_eq!(
        bytes(b"# a\nsecret = \"\xc3\xa9\xff\"\n".to_vec()),
        "f:2:12: the byte 0xff is not UTF-8: save the file again in that encoding\n2 | ***\n  | ^~~"
    );
    assert!(bytes(b"\xff\xfer\0e\0".to_vec()).contains("UTF-16"));
    let one_below = [MINIMAL.as_bytes(), &vec![b'#'; limits::FILE_SIZE_MAX as usize - MINIMAL.len()]].concat();
    assert!(load_with(&run(&["-c", "f"]), &Environment::default(), &|_| Ok(one_below.clone())).is_ok());
}
