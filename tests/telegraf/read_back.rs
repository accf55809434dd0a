//! Into an emulator that nobody here wrote, and back by Telegraf's own `inputs.kinesis_consumer`.
//!
//! kinesalite comes with `tests/emulators/setup`; without it the test says so and passes, unless `CI` and
//! `KINEGRAF_TELEGRAF` are set.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::document;
use super::pairing::{joined, line, until};
use super::support::{ACCESS_KEY, Program, REGION, SECRET_KEY, STREAM};
use super::telegraf::{Agent, binary, find, quoted};

/// kinesalite on a port of its own; ends with the value.
struct Kinesalite {
    process: Child,
    url: String,
}

impl Drop for Kinesalite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tools() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = root.join("target/ci-tools");
    let is_there = found.join("npm/node_modules/kinesalite").is_dir() && found.join("venv/bin/python").exists();
    if !is_there {
        let asked_for = ["CI", "KINEGRAF_TELEGRAF"].iter().all(|name| std::env::var_os(name).is_some());
        assert!(!asked_for, "tests/emulators/setup has not run");
        let words = "telegraf: no kinesalite, its test is skipped; tests/emulators/setup installs it\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
    }
    is_there.then_some(found)
}

fn kinesalite(tools: &Path) -> Kinesalite {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulators/kinesalite_server.js");
    let mut command = Command::new("node");
    command.arg(server).arg(tools.join("npm/node_modules/kinesalite")).arg(port.to_string());
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let kinesalite = Kinesalite { process, url: format!("http://127.0.0.1:{port}") };
    until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "kinesalite listens");
    let script = "import sys, boto3\n\
                  k = boto3.client('kinesis', endpoint_url=sys.argv[1], region_name=sys.argv[2], aws_access_key_id='k', aws_secret_access_key='s')\n\
                  k.create_stream(StreamName=sys.argv[3], ShardCount=2)\n\
                  k.get_waiter('stream_exists').wait(StreamName=sys.argv[3], WaiterConfig={'Delay': 1})\n";
    let python = Program::exactly(tools.join("venv/bin/python")).args(["-c", script, &kinesalite.url, REGION, STREAM]);
    python.run().assert_code(0);
    kinesalite
}

/// Through every pairing of the document, one after the other, and back by a second Telegraf.
#[test]
fn what_came_through_every_pairing_is_read_back_by_telegrafs_own_consumer() {
    const PAIRINGS: [&str; 6] = ["exec", "exec with a spool", "exec with hand-off", "execd", "socket", "datagrams"];
    let Some(telegraf) = find() else { return };
    let Some(tools) = tools() else { return };
    let kinesalite = kinesalite(&tools);
    let lines: Vec<Vec<u8>> = (0..3000).map(line).collect();
    for (heading, part) in PAIRINGS.into_iter().zip(lines.chunks(lines.len() / PAIRINGS.len())) {
        let agent = Agent::new(telegraf, "flush_interval = \"1s\"").input(&joined(part), "data_format = \"influx\"");
        let dir = agent.dir.path().to_owned();
        document::make(document::SHORT, &dir, &kinesalite.url, |text| text);
        document::make(document::DAEMON, &dir, &kinesalite.url, |text| text);
        let sockets =
            [("unix", "kinegraf.sock"), ("unixgram", "kinegraf.dgram")].map(|(scheme, name)| format!("{scheme}://{}", dir.join(name).display()));
        let daemon = ["exec with hand-off", "socket", "datagrams"].contains(&heading).then(|| {
            let program = Program::exactly(binary()).args(["--config"]).args([dir.join(document::DAEMON)]);
            let running = program.args(["--listen", &sockets[0], "--listen", &sockets[1]]).start();
            until(|| dir.join("kinegraf.sock").exists() && dir.join("kinegraf.dgram").exists(), "the daemon listens");
            running
        });
        agent.section(&document::here(document::snippet(heading), &dir)).once();
        if let Some(daemon) = daemon {
            daemon.signal("TERM");
            daemon.wait().assert_code(0);
        }
    }
    let reader = Agent::new(telegraf, "flush_interval = \"1s\"");
    let out = reader.dir.path().join("read");
    let reader = reader.section(&format!(
        "[[inputs.kinesis_consumer]]\nregion = \"{REGION}\"\nendpoint_url = \"{}\"\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n\
         streamname = \"{STREAM}\"\nshard_iterator_type = \"TRIM_HORIZON\"\ndata_format = \"influx\"\n\
         [[outputs.file]]\nfiles = [{}]\ndata_format = \"influx\"",
        kinesalite.url,
        quoted(&out)
    ));
    let running = reader.start();
    let read = || -> Vec<Vec<u8>> {
        let mut read: Vec<Vec<u8>> = std::fs::read(&out).unwrap_or_default().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        read.retain(|line| !line.is_empty());
        read.sort();
        read
    };
    until(|| read().len() >= lines.len(), "all is read");
    std::thread::sleep(Duration::from_millis(1500));
    running.signal("TERM");
    let finished = running.wait().assert_code(0);
    let mut sent = lines;
    sent.sort();
    assert!(read() == sent, "{} of {}: {}", read().len(), sent.len(), finished.stderr);
}
