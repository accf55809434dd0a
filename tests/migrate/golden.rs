//! Both texts in full, as a person reads them.

use std::path::Path;

use crate::Migration;

/// Run with KINEGRAF_BLESS=1 to write what is made now, then read the difference.
fn assert_golden(name: &str, text: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/migrate").join(name);
    if std::env::var_os("KINEGRAF_BLESS").is_some() {
        std::fs::write(&golden, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
}

#[test]
fn the_printed_section_and_the_written_file_are_as_in_the_golden_files() {
    for (name, source) in [
        ("full", include_str!("../golden/migrate/full.conf")),
        ("first", include_str!("../golden/migrate/first.conf")),
        ("json", include_str!("../golden/migrate/json.conf")),
    ] {
        for pairing in ["exec", "execd", "socket"] {
            let migration = Migration::of(source);
            let printed = migration.printed(&["--pairing", pairing]);
            assert_golden(&format!("{name}.{pairing}.conf"), &migration.anywhere(&printed));
            // The file does not depend on who hands lines over.
            assert_golden(&format!("{name}.toml"), &migration.anywhere(&migration.written()));
            assert!(printed.lines().chain(migration.written().lines()).all(|line| !line.starts_with('#') || line.len() <= 110));
        }
    }
}

#[test]
fn exec_is_the_pairing_where_none_is_named() {
    let text = include_str!("../golden/migrate/full.conf");
    let (named, unnamed) = (Migration::of(text), Migration::of(text));
    assert_eq!(named.anywhere(&named.printed(&["--pairing=exec"])), unnamed.anywhere(&unnamed.printed(&[])));
}
