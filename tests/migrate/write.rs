//! `--write`: Telegraf's file is changed where its section stood, and nowhere else.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::{Migration, SECTION};

const FULL: &str = include_str!("../golden/migrate/full.conf");

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_byte_but_those_of_the_section_stays() {
    let migration = Migration::of(FULL);
    let printed = migration.printed(&["--write"]);
    let start = FULL.find("[[outputs.kinesis]]\n  ## Amazon").unwrap();
    let end = FULL.find("\n# Publishes metrics to a local broker").unwrap();
    assert_eq!(read(&migration.file), format!("{}{printed}{}", &FULL[..start], &FULL[end..]));
    assert_eq!(migration.names(), ["kinegraf.toml", "telegraf.conf", "telegraf.conf.before-kinegraf"]);
    assert_eq!(read(&migration.dir.path().join("telegraf.conf.before-kinegraf")), FULL);
}

#[test]
fn the_second_time_there_is_no_section_any_more() {
    let migration = Migration::of(FULL);
    let finished = migration.run(&["--write"]).assert_code(0);
    assert!(finished.stderr.contains("telegraf.conf is changed, ") && finished.stderr.contains("reload Telegraf"), "{}", finished.stderr);
    std::fs::remove_file(&migration.output).unwrap();
    let changed = read(&migration.file);
    let finished = migration.run(&["--write"]).assert_code(78);
    assert!(finished.first_line().contains("without [[outputs.kinesis]]"), "{}", finished.stderr);
    assert_eq!((read(&migration.file), migration.names().len()), (changed, 2));
}

#[test]
fn mode_and_owner_stay_and_the_backup_has_them_too() {
    for mode in [0o600, 0o640, 0o664, 0o444] {
        let migration = Migration::of(SECTION);
        std::fs::set_permissions(&migration.file, PermissionsExt::from_mode(mode)).unwrap();
        // Only the superuser can give a file away.
        let given = std::os::unix::fs::chown(&migration.file, Some(4321), Some(8765)).is_ok();
        let before = std::fs::metadata(&migration.file).unwrap();
        migration.run(&["--write"]).assert_code(0);
        for name in ["telegraf.conf", "telegraf.conf.before-kinegraf"] {
            let after = std::fs::metadata(migration.dir.path().join(name)).unwrap();
            assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()), "{name} {given}");
        }
    }
}

#[test]
fn an_earlier_backup_is_kept_and_the_next_gets_a_number() {
    let migration = Migration::of(SECTION);
    migration.dir.file("telegraf.conf.before-kinegraf", "first");
    symlink("nowhere", migration.dir.path().join("telegraf.conf.before-kinegraf.1")).unwrap();
    let finished = migration.run(&["--write"]).assert_code(0);
    assert!(finished.stderr.contains("telegraf.conf.before-kinegraf.2 is what it was"), "{}", finished.stderr);
    assert_eq!(read(&migration.dir.path().join("telegraf.conf.before-kinegraf")), "first");
    assert_eq!(read(&migration.dir.path().join("telegraf.conf.before-kinegraf.2")), SECTION);
    assert!(!migration.dir.path().join("nowhere").exists());
}

#[test]
fn a_link_to_the_file_stays_one() {
    let migration = Migration::of("");
    let real = migration.dir.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("k.conf"), SECTION).unwrap();
    std::fs::remove_file(&migration.file).unwrap();
    symlink("real/k.conf", &migration.file).unwrap();
    migration.run(&["--write"]).assert_code(0);
    assert!(migration.file.is_symlink() && read(&migration.file).contains("[[outputs.exec]]"));
    assert_eq!(crate::names(&real), ["k.conf", "k.conf.before-kinegraf"]);
}

#[test]
fn line_ends_and_a_byte_order_mark_stay_what_they_are() {
    let text = format!("\u{feff}# a\n[agent]\n\n{SECTION}  namepass = [\n    \"a\",\n  ]\n\n# b\n[[inputs.cpu]]\n").replace('\n', "\r\n");
    let migration = Migration::of(&text);
    let printed = migration.printed(&["--write"]);
    let changed = read(&migration.file);
    assert_eq!(changed, format!("\u{feff}# a\n[agent]\n\n{printed}\n# b\n[[inputs.cpu]]\n").replace('\n', "\r\n"));
    assert!(!printed.contains('\r') && printed.contains("  namepass = [\n    \"a\",\n  ]\n"), "{printed:?}");
    assert!(!migration.written().contains('\r'));
    assert_eq!(read(&migration.dir.path().join("telegraf.conf.before-kinegraf")), text);
}

#[test]
fn bytes_of_other_plugins_that_are_no_text_stay_what_they_are() {
    let (before, after) = (b"# gr\xfcn\n".as_slice(), b"[[inputs.cpu]]\n  # \xff\xfe\xe9\n".as_slice());
    let migration = Migration::of([before, SECTION.as_bytes(), after].concat());
    let printed = migration.printed(&["--write"]);
    assert_eq!(std::fs::read(&migration.file).unwrap(), [before, printed.as_bytes(), after].concat());
    assert_eq!(std::fs::read(migration.dir.path().join("telegraf.conf.before-kinegraf")).unwrap(), [before, SECTION.as_bytes(), after].concat());
}

#[test]
fn tables_of_the_section_that_stand_apart_go_too() {
    let migration = Migration::of(format!("{SECTION}[[inputs.cpu]]\n[outputs.kinesis.partition]\n  method = \"random\"\n[[inputs.mem]]\n"));
    let printed = migration.printed(&["--write"]);
    assert_eq!(read(&migration.file), format!("{printed}[[inputs.cpu]]\n[[inputs.mem]]\n"));
}

#[test]
fn what_is_no_file_of_its_own_is_not_changed() {
    let migration = Migration::of(SECTION);
    let script = "cat \"$0\" | exec \"$@\"";
    let arguments = ["-c", script, migration.file.to_str().unwrap(), &crate::program(), "migrate", "/dev/stdin", "--write", "--output"];
    let finished = crate::support::Program::exactly("/bin/sh").args(arguments).args([&migration.output]).run().assert_code(74);
    assert!(finished.stdout.is_empty() && migration.names() == ["telegraf.conf"], "{}", finished.stderr);
}

#[test]
fn a_file_of_two_names_is_not_changed_under_one_of_them() {
    let migration = Migration::of(SECTION);
    let other = migration.dir.path().join("other.conf");
    std::fs::hard_link(&migration.file, &other).unwrap();
    let finished = migration.run(&["--write"]).assert_code(74);
    assert!(finished.first_line().contains("telegraf.conf: has 2 names, of which --write would change one"), "{}", finished.stderr);
    assert_eq!((read(&migration.file).as_str(), migration.names().len()), (SECTION, 2));
    migration.run(&[]).assert_code(0);
}

#[test]
fn a_file_without_a_backup_is_not_changed_and_what_was_made_is_named() {
    let migration = Migration::of("");
    // A name so long that its backup's is too long: that stops the superuser too.
    let long = migration.dir.path().join(format!("{}.conf", "x".repeat(245)));
    std::fs::write(&long, SECTION).unwrap();
    let arguments = [std::ffi::OsStr::new("migrate"), long.as_os_str(), std::ffi::OsStr::new("-o"), migration.output.as_os_str()];
    let finished = crate::kinegraf().args(arguments).args(["--write"]).run().assert_code(74);
    let line = &finished.stderr;
    assert!(line.contains("no backup can be made") && line.contains(&format!("made: {}; ", migration.output.display())), "{line}");
    assert!(line.contains(" is as it was") && read(&long) == SECTION && migration.output.exists());
}

#[test]
fn a_file_that_cannot_be_replaced_is_as_it_was_and_all_that_was_made_is_named() {
    let migration = Migration::of(SECTION);
    // Somebody has the name of the temporary file: a shell's number is that of what it becomes.
    let script = "echo theirs > \"$0/.telegraf.conf.kinegraf-$$\"; exec \"$@\"";
    let arguments = ["-c", script, migration.dir.path().to_str().unwrap(), &crate::program(), "migrate", migration.file.to_str().unwrap(), "--write"];
    let program = crate::support::Program::exactly("/bin/sh").args(arguments).args(["--output"]).args([&migration.output]);
    let finished = program.run().assert_code(74);
    let (made, backup) = (migration.output.display(), migration.dir.path().join("telegraf.conf.before-kinegraf"));
    let expected = format!("made: {made}, {}; {} is as it was\n", backup.display(), migration.file.display());
    assert!(finished.stderr.starts_with("kinegraf: the file cannot be replaced: ") && finished.stderr.ends_with(&expected), "{}", finished.stderr);
    assert_eq!((read(&migration.file).as_str(), read(&backup).as_str(), migration.names().len()), (SECTION, SECTION, 4));
}
