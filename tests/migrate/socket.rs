//! A connected socket as standard input, as systemd gives it to the unit that `--pairing socket` shows.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use crate::support::{ACCESS_KEY, Options, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};
use crate::{Migration, program, says};

#[test]
fn what_comes_through_a_connected_socket_is_delivered_to_its_last_whole_line() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let section = format!(
        "[[outputs.kinesis]]\n  region = \"{REGION}\"\n  streamname = \"{STREAM}\"\n  endpoint_url = \"{}\"\n  access_key = \"{ACCESS_KEY}\"\n  secret_key = \"{SECRET_KEY}\"\n",
        server.url()
    );
    let migration = Migration::of(section);
    migration.run(&["--pairing", "socket"]).assert_code(0);
    let path = dir.path().join("kinegraf.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut telegraf = UnixStream::connect(&path).unwrap();
    let accepted: OwnedFd = listener.accept().unwrap().0.into();

    let mut command = Command::new(program());
    command.arg("--config").arg(&migration.output).env_clear().stdin(Stdio::from(accepted)).stdout(Stdio::null()).stderr(Stdio::piped());
    if server.url().starts_with("https") {
        command.env("AWS_CA_BUNDLE", server.ca_file());
    }
    let child = command.spawn().unwrap();
    // What still has the socket open, or Telegraf's going away would not be seen.
    drop(command);
    let sent = lines::telegraf(3, 2000);
    telegraf.write_all(&lines::joined(&sent)).unwrap();
    telegraf.write_all(b"cut,off v=1 15190").unwrap();
    telegraf.shutdown(Shutdown::Write).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("unterminated"), "{said}");
    assert_eq!(server.records(STREAM).len(), sent.len());
}

#[test]
fn the_units_say_what_the_section_needs() {
    let migration = Migration::of(crate::SECTION);
    let printed = migration.anywhere(&migration.printed(&["--pairing", "socket", "--write"]));
    let (section, units) = printed.split_once("\n# Two files of systemd").unwrap();
    assert_eq!(says(section)[1], "address = \"unix:///run/kinegraf.sock\"");
    for line in
        ["ListenStream=/run/kinegraf.sock", "Accept=yes", "StandardInput=socket", "ExecStart=/usr/bin/kinegraf --config /etc/telegraf/kinegraf.toml"]
    {
        assert!(units.contains(&format!("\n# {line}\n")), "{line} is not in {units}");
    }
    // They are no part of Telegraf's file.
    let changed = std::fs::read_to_string(&migration.file).unwrap();
    assert!(changed.contains("[[outputs.socket_writer]]") && !changed.contains("ListenStream"), "{changed}");
}
