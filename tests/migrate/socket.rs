//! The daemon that `--pairing socket` names: what is written to its socket is delivered.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::{ACCESS_KEY, Options, Program, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};
use crate::{Migration, program, says};

#[test]
fn the_daemon_with_the_made_file_delivers_what_is_written_to_its_socket_to_the_last_whole_line() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let section = format!(
        "[[outputs.kinesis]]\n  region = \"{REGION}\"\n  streamname = \"{STREAM}\"\n  endpoint_url = \"{}\"\n  access_key = \"{ACCESS_KEY}\"\n  secret_key = \"{SECRET_KEY}\"\n",
        server.url()
    );
    let migration = Migration::of(section);
    let printed = migration.anywhere(&migration.printed(&["--pairing", "socket"]));
    let path = dir.path().join("kinegraf.sock");
    let printed = printed.replace(" \\\n#    ", "");
    let shown = "/usr/bin/kinegraf --config /etc/telegraf/kinegraf.toml --listen unix:///run/kinegraf.sock";
    assert!(printed.contains(&format!("\n#   {shown}\n")), "{printed}");
    let command = shown.replace("/usr/bin/kinegraf", &program()).replace("/etc/telegraf/kinegraf.toml", migration.output.to_str().unwrap());
    let command = command.replace("/run/kinegraf.sock", path.to_str().unwrap());
    let daemon = Program::exactly("/bin/sh").args(["-c", &format!("exec {command}")]).start();

    let start = Instant::now();
    let mut telegraf = loop {
        match UnixStream::connect(&path) {
            Ok(telegraf) => break telegraf,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(30), "{error}: {}", daemon.stderr()),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let sent = lines::telegraf(3, 2000);
    telegraf.write_all(&lines::joined(&sent)).unwrap();
    telegraf.write_all(b"cut,off v=1 15190").unwrap();
    drop(telegraf);
    daemon.signal("TERM");
    let finished = daemon.wait().assert_code(0);
    assert!(finished.stderr.contains("unterminated"), "{}", finished.stderr);
    assert_eq!(server.records(STREAM).len(), sent.len());
}

#[test]
fn the_steps_say_what_the_section_needs() {
    let migration = Migration::of(crate::SECTION);
    let printed = migration.anywhere(&migration.printed(&["--pairing", "socket", "--write"])).replace(" \\\n#    ", "");
    let (section, steps) = printed.split_once("\n# A daemon serves that socket").unwrap();
    assert_eq!(says(section)[1], "address = \"unix:///run/kinegraf.sock\"");
    for line in [
        "install -D -m 0640 -g kinegraf /etc/telegraf/kinegraf.toml /etc/kinegraf/kinegraf.toml",
        "usermod -a -G kinegraf telegraf",
        "systemctl enable --now kinegraf.socket kinegraf.service",
        "systemctl restart telegraf",
    ] {
        assert!(steps.contains(&format!("\n#   {line}\n")), "{line} is not in {steps}");
    }
    // They are no part of Telegraf's file.
    let changed = std::fs::read_to_string(&migration.file).unwrap();
    assert!(changed.contains("[[outputs.socket_writer]]") && !changed.contains("systemctl"), "{changed}");
}
