//! What the tests of sockets share: a run that listens, and senders.

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::common::{kinegraf, to};
use super::spool_common::wait_until;
use super::support::process::Running;
use super::support::{Program, STREAM, Server, TempDir};

/// A directory for sockets, and what is written in a configuration file.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { dir: TempDir::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn stream(&self) -> PathBuf {
        self.path("stream.sock")
    }

    pub(crate) fn datagrams(&self) -> PathBuf {
        self.path("datagrams.sock")
    }

    /// The rejected lines, as they are kept.
    pub(crate) fn rejected(&self) -> String {
        std::fs::read_to_string(self.path("rejected")).unwrap_or_default()
    }

    /// The program as it listens on both sockets, to `server`; `text` is more configuration, `[input]` first.
    pub(crate) fn listening(&self, server: &Server, text: &str) -> Program {
        self.with(to(server), text).args(["--flush-interval", "20ms", "-v"])
    }

    /// Any program of ours.
    pub(crate) fn with(&self, program: Program, text: &str) -> Program {
        let config = self.path("kinegraf.toml");
        std::fs::write(&config, format!("[input]\nrejected = \"{}\"\n{text}", self.path("rejected").display())).unwrap();
        let listen = [format!("unix://{}", self.stream().display()), format!("unixgram://{}", self.datagrams().display())];
        program.args(["--config".as_ref(), config.as_os_str()]).args(["--listen", &listen[0], "--listen", &listen[1]])
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self, server: &Server, text: &str) -> Running {
        let running = self.listening(server, text).start();
        self.wait_until_it_listens(&running);
        running
    }

    pub(crate) fn wait_until_it_listens(&self, running: &Running) {
        assert!(wait_until(|| listens(&self.stream())), "nobody listens: {}", running.stderr());
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(self.stream()).unwrap()
    }

    pub(crate) fn sender(&self) -> UnixDatagram {
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(self.datagrams()).unwrap();
        socket
    }
}

/// A program without a destination that it could reach, for what ends before it sends.
pub(crate) fn alone() -> Program {
    kinegraf().args(["--dry-run"])
}

/// Whether connecting succeeds.
pub(crate) fn listens(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Lines that the server has stored, in their order.
pub(crate) fn stored(server: &Server) -> Vec<String> {
    let records = server.records(STREAM);
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap().trim_end_matches('\n').to_owned()).collect()
}

/// Waits until a line is stored.
pub(crate) fn assert_comes(server: &Server, running: &Running, line: &str) {
    let started = Instant::now();
    let came = wait_until(|| stored(server).iter().any(|found| found == line));
    assert!(came, "{line:?} did not come within {:?}: {}", started.elapsed(), running.stderr());
}

/// Ends it as an operator does.
pub(crate) fn stop(running: Running) -> super::support::process::Finished {
    running.signal("TERM");
    running.wait().assert_code(0)
}

/// Writes without a fear of waiting for ever.
pub(crate) fn send(socket: &mut UnixStream, text: &str) {
    socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
}
