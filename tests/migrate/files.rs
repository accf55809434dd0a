//! The new file: made once, whole or not at all, and never in place of anything.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::{Migration, SECTION, kinegraf};

#[test]
fn whoever_looked_first_may_write_afterwards_with_the_same_file() {
    let migration = Migration::of(SECTION);
    migration.run(&[]).assert_code(0);
    let written = migration.written();
    migration.run(&["--write"]).assert_code(0);
    assert_eq!(migration.written(), written);
    // What somebody changed, or opened to others, is not taken for it.
    let other = Migration::of(SECTION);
    other.run(&[]).assert_code(0);
    std::fs::set_permissions(&other.output, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(other.run(&["--write"]).assert_code(74).first_line().contains("exists already"));
}

#[test]
fn a_file_that_is_there_is_refused_and_untouched() {
    let migration = Migration::of(SECTION);
    std::fs::write(&migration.output, "mine").unwrap();
    for arguments in [&[][..], &["--write"]] {
        let finished = migration.run(arguments).assert_code(74);
        assert!(finished.first_line().contains("kinegraf.toml: exists already, and nothing is overwritten"), "{}", finished.stderr);
        assert!(finished.stdout.is_empty());
        assert_eq!((migration.written().as_str(), std::fs::read_to_string(&migration.file).unwrap().as_str()), ("mine", SECTION));
    }
    // Telegraf's own file, and a directory.
    for output in ["telegraf.conf", ""] {
        let path = migration.dir.path().join(output);
        let arguments = [std::ffi::OsStr::new("migrate"), migration.file.as_os_str(), std::ffi::OsStr::new("-o"), path.as_os_str()];
        kinegraf().args(arguments).run().assert_code(74);
    }
    assert_eq!(migration.names(), ["kinegraf.toml", "telegraf.conf"]);
}

#[test]
fn a_telegraf_file_that_is_not_there_or_was_migrated_before_is_78_and_told_as_such() {
    let migration = Migration::of(SECTION);
    migration.run(&["--write"]).assert_code(0);
    let again = migration.run(&[]).assert_code(78);
    assert!(
        again
            .first_line()
            .ends_with("without [[outputs.kinesis]], but one with kinegraf: it was migrated before, it seems: name the file that has it"),
        "{}",
        again.stderr
    );
    std::fs::remove_file(&migration.file).unwrap();
    let missing = migration.run(&[]).assert_code(78);
    // What helps a run that finds no file helps nobody here.
    assert_eq!(missing.stderr, format!("kinegraf: {}: there is no such file, the command line names it\n", migration.file.display()));
}

#[test]
fn a_link_is_refused_and_not_followed_even_to_nowhere() {
    let migration = Migration::of(SECTION);
    let target = migration.dir.path().join("elsewhere");
    symlink(&target, &migration.output).unwrap();
    migration.run(&[]).assert_code(74);
    assert!(!target.exists() && migration.output.is_symlink());
}

#[test]
fn a_file_that_cannot_be_made_is_74_and_nothing_is_printed_or_changed() {
    let migration = Migration::of(SECTION);
    for (output, words) in [("missing/k.toml", "there is no such directory"), ("telegraf.conf/k.toml", "cannot be made")] {
        let path = migration.dir.path().join(output);
        let arguments = [std::ffi::OsStr::new("migrate"), migration.file.as_os_str(), std::ffi::OsStr::new("-o"), path.as_os_str()];
        let finished = kinegraf().args(arguments).args(["--write"]).run().assert_code(74);
        assert!(finished.first_line().contains(words) && finished.stdout.is_empty(), "{}", finished.stderr);
    }
    assert_eq!(migration.names(), ["telegraf.conf"]);
    // A full disk, as far as a test has one; the superuser may write where nobody may.
    let closed = migration.dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o500)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_err() {
        let path = closed.join("k.toml");
        let arguments = [std::ffi::OsStr::new("migrate"), migration.file.as_os_str(), std::ffi::OsStr::new("-o"), path.as_os_str()];
        assert!(kinegraf().args(arguments).run().assert_code(74).first_line().contains("cannot be made: Permission denied"));
    }
}

#[test]
fn the_file_is_made_where_one_stands_unless_it_is_said_and_named_from_everywhere() {
    let migration = Migration::of(SECTION);
    let program = kinegraf();
    let home = program.home().to_owned();
    let running = program.args([std::ffi::OsStr::new("migrate"), migration.file.as_os_str()]).start();
    let finished = running.wait().assert_code(0);
    let printed = String::from_utf8(finished.stdout).unwrap();
    assert!(printed.contains(&format!("\"--config\", \"{}\",", home.join("kinegraf.toml").display())), "{printed}");

    let migration = Migration::of(SECTION);
    std::fs::create_dir(migration.dir.path().join("a")).unwrap();
    let roundabout = migration.dir.path().join("a/../kinegraf.toml");
    let arguments = [std::ffi::OsStr::new("migrate"), migration.file.as_os_str(), std::ffi::OsStr::new("-o"), roundabout.as_os_str()];
    let printed = String::from_utf8(kinegraf().args(arguments).run().assert_code(0).stdout).unwrap();
    assert!(printed.contains(&format!("\"{}\"", migration.dir.path().canonicalize().unwrap().join("kinegraf.toml").display())), "{printed}");
}

#[test]
fn a_closed_stdout_is_74_and_says_what_was_made() {
    let migration = Migration::of(SECTION);
    let script = "exec \"$@\" >/dev/full";
    let arguments = ["-c", script, "sh", &crate::program(), "migrate", migration.file.to_str().unwrap(), "--write", "--output"];
    let finished = crate::support::Program::exactly("/bin/sh").args(arguments).args([&migration.output]).run().assert_code(74);
    let made = format!("made: {}; {} is as it was", migration.output.display(), migration.file.display());
    assert!(finished.first_line().contains("the section cannot be printed") && finished.first_line().contains(&made), "{}", finished.stderr);
    assert_eq!((migration.names().len(), std::fs::read_to_string(&migration.file).unwrap().as_str()), (2, SECTION));
}

#[test]
fn the_file_is_0600_whatever_the_umask_is() {
    for umask in ["000", "777"] {
        let migration = Migration::of(SECTION);
        let script = format!("umask {umask}; exec \"$@\"");
        let arguments = ["-c", &script, "sh", &crate::program(), "migrate", migration.file.to_str().unwrap(), "--output"];
        crate::support::Program::exactly("/bin/sh").args(arguments).args([&migration.output]).run().assert_code(0);
        assert_eq!(std::fs::metadata(&migration.output).unwrap().permissions().mode() & 0o7777, 0o600, "{umask}");
    }
}

#[test]
fn the_written_file_runs_as_it_is() {
    for source in
        [include_str!("../golden/migrate/full.conf"), include_str!("../golden/migrate/first.conf"), include_str!("../golden/migrate/json.conf")]
    {
        let migration = Migration::of(source);
        migration.run(&[]).assert_code(0);
        let program = kinegraf().args(["--dry-run", "--config"]).args([&migration.output]);
        let variables = [("SITE", "hh"), ("KINESIS_SECRET", "x"), ("REGION", "eu-west-1")];
        let program = variables.into_iter().fold(program, |program, (name, value)| program.env(name, value));
        let finished = program.stdin("cpu,host=a v=1 1\n").run().assert_code(0);
        assert!(finished.stdout.starts_with(b"{\"PartitionKey\":") && !finished.stderr.contains("error"), "{}", finished.stderr);
    }
}

#[test]
fn a_path_that_is_not_utf_8_is_refused_before_anything_is_made() {
    let migration = Migration::of(SECTION);
    let output: std::ffi::OsString =
        std::os::unix::ffi::OsStringExt::from_vec([migration.dir.path().as_os_str().as_encoded_bytes(), b"/\xff.toml"].concat());
    let arguments = [std::ffi::OsStr::new("migrate"), migration.file.as_os_str(), std::ffi::OsStr::new("-o"), &output];
    assert!(kinegraf().args(arguments).run().assert_code(74).first_line().contains("not UTF-8"));
    assert_eq!(migration.names(), ["telegraf.conf"]);
}
