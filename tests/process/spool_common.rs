//! What the tests of the spool share: a run with a directory, what lies in that directory, and an endpoint that comes and goes while its address stays.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::common::kinegraf;
use super::support::{ACCESS_KEY, Program, REGION, SECRET_KEY, STREAM, TempDir, mix};

/// A spool's directory and a configuration file beside it.
pub(crate) struct Spool {
    dir: TempDir,
    path: PathBuf,
    text: String,
}

impl Spool {
    /// In a directory that the first run makes; `text` is more configuration.
    pub(crate) fn new(text: &str) -> Spool {
        let dir = TempDir::new();
        let path = dir.path().join("spool");
        Spool::at(path, dir, text)
    }

    /// In `path`.
    pub(crate) fn at(path: PathBuf, dir: TempDir, text: &str) -> Spool {
        Spool { dir, path, text: text.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory beside it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with this spool, pointed at `url`; each line's key is its `host`.
    pub(crate) fn run(&self, url: &str) -> Program {
        self.given(kinegraf(), url)
    }

    /// The same for a program that starts ours.
    pub(crate) fn given(&self, program: Program, url: &str) -> Program {
        let program = program.args(["--region", REGION, "--stream", STREAM, "--endpoint-url", url, "--partition", "tag=host"]);
        let program =
            program.args(["--spool".as_ref(), self.path.as_os_str()]).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        if self.text.is_empty() {
            return program;
        }
        let config = self.dir.path().join("kinegraf.toml");
        if !config.exists() {
            std::fs::write(&config, &self.text).unwrap();
        }
        program.args(["--config".as_ref(), config.as_os_str()])
    }

    /// Segments that wait, by name, with their bytes.
    pub(crate) fn segments(&self) -> Vec<(String, u64)> {
        files(&self.path).into_iter().filter(|(name, _)| name.ends_with(".segment")).collect()
    }

    /// Everything in the directory that counts: segments, waiting or set aside.
    pub(crate) fn used(&self) -> u64 {
        files(&self.path).iter().filter(|(name, _)| name.contains(".segment")).map(|(_, size)| size).sum()
    }

    /// Nothing waits, and nothing is there but cursor and locks.
    pub(crate) fn assert_empty(&self) {
        let left: Vec<_> = files(&self.path).into_iter().filter(|(name, _)| !name.starts_with("cursor-") && !name.starts_with("lock")).collect();
        assert!(left.is_empty(), "left in the spool: {left:?}");
    }
}

/// Files of a directory with their bytes, by name.
pub(crate) fn files(path: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let entries = entries.map(Result::unwrap).filter_map(|entry| Some((entry.file_name().into_string().unwrap(), entry.metadata().ok()?.len())));
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

/// An address that stays while what is behind it comes and goes. Down, it refuses connections.
pub(crate) struct Gate {
    address: SocketAddr,
    open: Option<(Arc<Opened>, JoinHandle<()>)>,
}

#[derive(Default)]
struct Opened {
    stop: AtomicBool,
    connections: AtomicU64,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// Down. Its port is below those that the system gives to connections, since one that has it for a moment would keep the gate from opening.
    pub(crate) fn new() -> Gate {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut ports = std::iter::repeat_with(|| mix(u64::from(std::process::id()) << 32 | NEXT.fetch_add(1, Ordering::SeqCst)) % 10_000 + 20_000);
        let address = ports.find_map(|port| TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).ok()?.local_addr().ok());
        Gate { address: address.unwrap(), open: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads to `to` from now on.
    pub(crate) fn open(&mut self, to: SocketAddr) {
        let listener = TcpListener::bind(self.address).unwrap();
        let opened = Arc::<Opened>::default();
        let shared = opened.clone();
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (Ok(from), Ok(to)) = (socket, TcpStream::connect(to)) else { continue };
                let _ = (from.set_nodelay(true), to.set_nodelay(true));
                let twins = [from.try_clone().unwrap(), to.try_clone().unwrap()];
                shared.sockets.lock().unwrap().extend([from.try_clone().unwrap(), to.try_clone().unwrap()]);
                let [from_twin, to_twin] = twins;
                std::thread::spawn(move || carry(from, to));
                std::thread::spawn(move || carry(to_twin, from_twin));
            }
        });
        self.open = Some((opened, thread));
    }

    /// Refuses from now on; what is open breaks.
    pub(crate) fn close(&mut self) {
        let Some((opened, thread)) = self.open.take() else { return };
        opened.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        thread.join().unwrap();
        for socket in opened.sockets.lock().unwrap().iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 << 10];
    while let Ok(size @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..size]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Waits until it is true; false when that took longer than 20 s.
pub(crate) fn wait_until(mut what: impl FnMut() -> bool) -> bool {
    let started = std::time::Instant::now();
    while !what() {
        if started.elapsed().as_secs() >= 20 {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    true
}
