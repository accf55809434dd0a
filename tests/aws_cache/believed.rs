//! What is not believed: files that may be somebody else's, or are not whole, and directories in which others could change them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::support::TempDir;
use super::support::metadata::Metadata;
use super::{Process, files, key};

/// What is done to a file that was good.
type Harm = (&'static str, fn(&Path));
/// What is said of a directory, and how it is made below another.
type Case = (&'static str, fn(&Path) -> PathBuf);

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn edit(path: &Path, edit: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let edited = edit(text.clone());
    assert_ne!(text, edited);
    fs::write(path, edited).unwrap();
}

fn elsewhere(path: &Path) -> PathBuf {
    path.with_file_name("elsewhere")
}

#[test]
fn a_file_that_is_wrong_stale_or_open_to_others_is_not_believed_and_is_replaced() {
    let harms: [Harm; 11] = [
        ("every user may read it", |path| mode(path, 0o604)),
        ("its group may write it", |path| mode(path, 0o620)),
        ("a link to a good one", |path| {
            fs::rename(path, elsewhere(path)).unwrap();
            symlink(elsewhere(path), path).unwrap();
        }),
        ("a second name of another file", |path| fs::hard_link(path, elsewhere(path)).unwrap()),
        ("cut short", |path| edit(path, |text| text[..text.len() - 1].to_owned())),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("of another version", |path| edit(path, |text| text.replace("\"version\":1", "\"version\":2"))),
        ("of another boot", |path| edit(path, |text| text.replace("\"boot_id\":\"", "\"boot_id\":\"0"))),
        ("too old", |path| edit(path, |text| text.replace("\"until_ms\":", "\"until_ms\":1,\"was_ms\":"))),
        ("too large", |path| edit(path, |text| text + &" ".repeat(20_000))),
        ("a pipe, which would be waited for", |path| {
            fs::remove_file(path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg("-m600").arg(path).status().unwrap().success());
        }),
    ];
    for (what, harm) in harms {
        let (service, dir) = (Metadata::start(key(1)), TempDir::new());
        Process::of(&service, dir.path()).id().unwrap();
        let file = files(dir.path()).remove(0);
        harm(&file);
        service.change(|state| state.key = key(2));
        let mut next = Process::of(&service, dir.path());
        assert_eq!(next.id().unwrap(), key(2).access_key, "{what}");
        assert!(next.said().contains("none of an earlier process: ") && !next.said().contains("warning"), "{what}: {}", next.said());
        assert_eq!(Process::of(&service, dir.path()).id().unwrap(), key(2).access_key);
        assert_eq!(service.asked().len(), 2, "{what}: replaced by a good one");
        let found = fs::symlink_metadata(&file).unwrap();
        assert!(found.is_file() && found.mode() & 0o7777 == 0o600 && found.nlink() == 1, "{what}");
    }
}

#[test]
fn a_file_of_another_user_is_not_believed() {
    let (service, dir) = (Metadata::start(key(1)), TempDir::new());
    Process::of(&service, dir.path()).id().unwrap();
    let file = files(dir.path()).remove(0);
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_err() {
        println!("SKIPPED, only root can give files away");
        return;
    }
    service.change(|state| state.key = key(2));
    assert_eq!(Process::of(&service, dir.path()).id().unwrap(), key(2).access_key);
    assert_eq!(fs::metadata(&file).unwrap().uid(), fs::metadata(dir.path()).unwrap().uid());
}

#[test]
fn a_directory_in_which_others_may_write_or_that_is_reached_by_a_link_is_refused_with_one_warning() {
    let service = Metadata::start(key(1));
    let cases: [Case; 5] = [
        ("others may write to ", |top| {
            mode(top, 0o777);
            top.to_owned()
        }),
        ("others may write to ", |top| {
            mode(top, 0o770);
            top.to_owned()
        }),
        ("others may write to ", |top| {
            fs::create_dir(top.join("below")).unwrap();
            mode(top, 0o777);
            top.join("below")
        }),
        (" is a link or no directory", |top| {
            fs::create_dir(top.join("real")).unwrap();
            symlink(top.join("real"), top.join("link")).unwrap();
            top.join("link")
        }),
        (" is a link or no directory", |top| {
            fs::create_dir_all(top.join("real/below")).unwrap();
            symlink(top.join("real"), top.join("link")).unwrap();
            top.join("link/below")
        }),
    ];
    for (words, make) in cases {
        let top = TempDir::new();
        let directory = make(top.path());
        let mut process = Process::of(&service, &directory);
        process.id().unwrap();
        let now = process.now();
        process.chain.refresh(now).unwrap();
        let said = process.said();
        assert_eq!((said.matches("warning").count(), said.contains(words)), (1, true), "{said}");
        assert!(files(&directory).is_empty(), "nothing is written there");
    }
}

#[test]
fn a_directory_for_all_in_which_nobody_can_replace_what_is_ours_is_as_good() {
    let (service, top) = (Metadata::start(key(1)), TempDir::new());
    mode(top.path(), 0o1777);
    for _ in 0..2 {
        let mut process = Process::of(&service, top.path());
        process.id().unwrap();
        assert!(!process.said().contains("warning"), "{}", process.said());
    }
    assert_eq!(service.asked().len(), 1);
}
