//! The commands of the manual, run by a shell as they stand, but for the place of Telegraf's files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::support::{Program, TempDir};
use super::{MANUAL, snippets};

const SECTION: &str = "[agent]\n\n[[outputs.kinesis]]\n  region = \"eu-central-1\"\n  streamname = \"telemetry\"\n  namepass = [\"cpu\"]\n\
                       \x20 [outputs.kinesis.partition]\n    method = \"tag\"\n    key = \"host\"\n\n[[inputs.cpu]]\n";

fn program() -> PathBuf {
    std::path::absolute(std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into())).unwrap()
}

/// A shell that knows `kinegraf`, in a directory of its own.
fn shell(script: &str, bin: &Path) -> Program {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    Program::exactly("/bin/sh").args(["-e", "-c", script]).env("PATH", path)
}

#[test]
fn the_three_commands_do_what_the_manual_says() {
    let dir = TempDir::new();
    let file = dir.file("telegraf.conf", SECTION);
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program(), bin.join("kinegraf")).unwrap();
    let (_, commands) = snippets(MANUAL, "sh").into_iter().next().unwrap();
    assert_eq!(commands.lines().count(), 3, "{commands}");
    let script = commands.replace("/etc/telegraf", dir.path().to_str().unwrap());
    let finished = shell(&format!("{script}ls -l kinegraf.toml\n"), &bin).run().assert_code(0);
    let said = String::from_utf8(finished.stdout).unwrap();

    // 1: the section is printed and nothing is touched; 2: one record; 3: both files.
    let [first, record, third] =
        [said.find("[[outputs.exec]]"), said.find("{\"PartitionKey\":\"gw-1\","), said.rfind("[[outputs.exec]]")].map(Option::unwrap);
    assert!(first < record && record < third && said.matches("PartitionKey").count() == 1, "{said}");
    assert!(
        finished.stderr.contains("nothing of Telegraf is changed") && finished.stderr.contains("telegraf.conf is changed"),
        "{}",
        finished.stderr
    );
    assert!(said.contains("-rw-------"), "{said}");
    let (changed, backup) = (std::fs::read_to_string(&file).unwrap(), dir.path().join("telegraf.conf.before-kinegraf"));
    assert_eq!(std::fs::read_to_string(&backup).unwrap(), SECTION);
    let made = dir.path().join("kinegraf.toml");
    assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(changed.starts_with("[agent]\n\n# To Kinesis by way of kinegraf") && changed.ends_with("\n\n[[inputs.cpu]]\n"), "{changed}");
    assert!(!changed.contains("\n[[outputs.kinesis]]") && changed.contains("namepass = [\"cpu\"]"), "{changed}");

    // The section of the manual is the one that is written, but for paths and comments.
    let (_, shown) = snippets(MANUAL, "toml").into_iter().next().unwrap();
    let says =
        |text: &str| text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty() && !line.starts_with('#')).collect::<Vec<_>>();
    let shown = shown.replace("/etc/telegraf", dir.path().to_str().unwrap());
    let written = changed.replace(program().canonicalize().unwrap().to_str().unwrap(), "/usr/local/bin/kinegraf");
    for line in says(&shown) {
        assert!(says(&written).contains(&line), "{line:?} is not in\n{written}");
    }
}
