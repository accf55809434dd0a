//! A secret is copied into the new file and stands nowhere else.

use std::os::unix::fs::MetadataExt;

use crate::{Migration, SECTION};

const HIDDEN: [&str; 7] = ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI", "hunter2", "hunter3", "AKIAOLDOLDOLDOLDOLD1", "correct horse", "DEF7"];

fn assert_nothing_is_shown(migration: &Migration, arguments: &[&str], code: i32) {
    let finished = migration.run(arguments).assert_code(code);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    for secret in HIDDEN {
        assert!(!stdout.contains(secret) && !finished.stderr.contains(secret), "{secret} in\n{stdout}\n{}", finished.stderr);
    }
}

fn text() -> String {
    format!(
        "# correct horse\n{SECTION}  # access_key = \"AKIAOLDOLDOLDOLDOLD1\"\n  access_key = \"AKIAIOSFODNN7EXAMPLE\"\n  secret_key = \"wJalrXUtnFEMI/K7MDENG\"\n  \
         token = \"hunter2\" # token\n  alias = \"a\" # password: correct horse\n  # secret_key correct horse\n  namepass = [ # hunter2\n    \"cpu\", # AKIAIOSFODNN7EXAMPLE\n  ]\n  \
         flush_interval = \"1s\" # the cpu's\n  [outputs.kinesis.tagpass] # hunter2\n    # wJalrXUtnFEMI/K7MDENG\n    a = [\"b\"] # secret_key = wJalrXUtnFEMI/K7MDENG\n"
    )
}

#[test]
fn a_secret_is_copied_into_the_new_file_alone() {
    for pairing in ["exec", "execd", "socket"] {
        for write in [false, true] {
            let migration = Migration::of(text());
            let arguments: Vec<&str> = ["--pairing", pairing].into_iter().chain(write.then_some("--write")).collect();
            assert_nothing_is_shown(&migration, &arguments, 0);
            for secret in ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "hunter2"] {
                assert_eq!(migration.written().matches(secret).count(), 1, "{secret}");
            }
            if write {
                let changed = std::fs::read_to_string(&migration.file).unwrap();
                assert!(
                    changed.starts_with("# correct horse\n# To Kinesis") && !changed.contains("wJalr") && !changed.contains("hunter2"),
                    "{changed}"
                );
            }
        }
    }
}

#[test]
fn harmless_comments_of_what_is_kept_stay() {
    let printed = Migration::of(text()).printed(&[]);
    assert!(printed.contains("  flush_interval = \"1s\" # the cpu's\n") && printed.contains("  alias = \"a\"\n"), "{printed}");
    assert!(printed.contains("  namepass = [\n    \"cpu\",\n  ]\n"), "{printed}");
}

#[test]
fn a_secret_in_a_section_with_mistakes_is_not_shown() {
    let migration = Migration::of(text().replace("region =", "regoin =").replace("streamname", "secret_kee"));
    assert_nothing_is_shown(&migration, &[], 78);
    // A second run, whose file is there and is another one by now.
    let migration = Migration::of(text());
    migration.run(&[]).assert_code(0);
    std::fs::write(&migration.output, "mine").unwrap();
    assert_nothing_is_shown(&migration, &[], 74);
}

#[test]
fn a_piece_of_a_secret_is_not_taken_for_the_name_of_a_variable() {
    let migration = Migration::of(format!(
        "{SECTION}  access_key = \"${{ID}}\"\n  secret_key = \"${{SECRET:-hunter3$DEF7}}abc$DEF7\"\n  token = \"${{MY_TOKEN}}\"\n"
    ));
    assert_nothing_is_shown(&migration, &[], 0);
    assert!(migration.written().contains("secret_key = \"${SECRET:-hunter3$DEF7}abc$DEF7\"\n"));
}

#[test]
fn the_new_file_is_readable_by_its_owner_alone_whatever_the_mask() {
    for mask in ["000", "022", "777"] {
        let migration = Migration::of(text());
        let script = format!("umask {mask}; exec \"$@\"");
        let arguments =
            ["-c", &script, "sh", &crate::program(), "migrate", migration.file.to_str().unwrap(), "--output", migration.output.to_str().unwrap()];
        crate::support::Program::exactly("/bin/sh").args(arguments).run().assert_code(0);
        let mode = std::fs::metadata(&migration.output).unwrap().mode() & 0o7777;
        assert!(mode == 0o600 || mask == "777" && mode == 0, "{mask}: {mode:o}");
    }
}
