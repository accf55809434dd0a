//! Runs the program as a person does: a clean environment, bytes on its standard input, a limit to its patience; and tells how it ended, what it said,
//! how long it took and how much memory it held at most.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{ACCESS_KEY, SECRET_KEY, Server, TempDir, secrets};

/// A program about to run. Its home is a directory of its own and its environment has nothing but `PATH`, `HOME`, no EC2 metadata
/// and what is given.
pub struct Program {
    command: Command,
    stdin: Input,
    limit: Duration,
    home: TempDir,
}

type Writer = Box<dyn FnOnce(&mut ChildStdin) -> std::io::Result<()> + Send>;

enum Input {
    Nothing,
    Bytes(Vec<u8>),
    File(PathBuf),
    Writer(Writer),
    /// Left open until [`Running::close_stdin`] or the end.
    Open,
    /// The reading end of a pipe that the test holds too.
    Pipe(PipeReader),
}

impl Program {
    /// `built` is `env!("CARGO_BIN_EXE_kinegraf")`, which only integration tests know; `KINEGRAF_BIN` wins over it. It may be a command with arguments, such
    /// as an emulator and what that runs.
    pub fn new(built: &str) -> Program {
        let named = std::env::var("KINEGRAF_BIN").unwrap_or_else(|_| built.to_owned());
        // It runs in a directory of its own, from which a relative path would be another.
        let absolute = |word: &str| std::path::absolute(word).expect("the working directory is there");
        if Path::new(&named).exists() {
            return Program::exactly(absolute(&named));
        }
        let mut words = named.split(' ').map(|word| if word.contains('/') { absolute(word) } else { PathBuf::from(word) });
        Program::exactly(words.next().unwrap_or_default()).args(words)
    }

    /// This very file.
    pub fn exactly(binary: impl AsRef<std::ffi::OsStr>) -> Program {
        let home = TempDir::new();
        let mut command = Command::new(binary);
        // Nobody on the machine's network is asked for credentials, unless a test says so.
        command.env_clear().env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true").current_dir(home.path());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Program { command, stdin: Input::Nothing, limit: Duration::from_secs(60), home }
    }

    /// Points it at a loopback Kinesis: region, stream, endpoint, root and a good key.
    pub fn to(self, server: &Server, stream: &str) -> Program {
        let program = self
            .args(["--region", super::REGION, "--stream", stream, "--endpoint-url", &server.url()])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        if server.url().starts_with("https") { program.env("AWS_CA_BUNDLE", server.ca_file()) } else { program }
    }

    pub fn args<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(mut self, args: I) -> Program {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Program {
        if secrets::is_secret(name) {
            value.as_ref().to_str().into_iter().for_each(secrets::register);
        }
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Program {
        self.command.env_remove(name);
        self
    }

    /// All of the input at once, through a pipe.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// A regular file as standard input.
    pub fn stdin_file(mut self, path: impl Into<PathBuf>) -> Program {
        self.stdin = Input::File(path.into());
        self
    }

    /// Whatever the closure writes, through a pipe, in a thread.
    pub fn stdin_by(mut self, write: impl FnOnce(&mut ChildStdin) -> std::io::Result<()> + Send + 'static) -> Program {
        self.stdin = Input::Writer(Box::new(write));
        self
    }

    /// A pipe that stays open until [`Running::close_stdin`].
    pub fn stdin_open(mut self) -> Program {
        self.stdin = Input::Open;
        self
    }

    /// A pipe whose both ends the test keeps, so that it can see what was not read.
    pub fn stdin_pipe(mut self, reader: PipeReader) -> Program {
        self.stdin = Input::Pipe(reader);
        self
    }

    /// How long it may run before it is killed and the test fails; a minute unless told otherwise.
    pub fn limit(mut self, limit: Duration) -> Program {
        self.limit = limit;
        self
    }

    /// Its home directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let stdin = match &self.stdin {
            Input::Nothing => Stdio::null(),
            Input::File(path) => Stdio::from(File::open(path).unwrap()),
            Input::Pipe(reader) => Stdio::from(reader.try_clone().unwrap()),
            _ => Stdio::piped(),
        };
        let mut child = self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{}: {error}", self.command.get_program().display());
        });
        let started = Instant::now();
        let output = Arc::<Mutex<Vec<u8>>>::default();
        let errors = Arc::<Mutex<Vec<u8>>>::default();
        let mut threads = vec![collect(child.stdout.take().unwrap(), &output), collect(child.stderr.take().unwrap(), &errors)];
        let mut pipe = child.stdin.take();
        // A program that ends before it has read everything breaks the pipe; its exit code is what tells.
        let writer: Option<Writer> = match self.stdin {
            Input::Bytes(bytes) => Some(Box::new(move |pipe| pipe.write_all(&bytes))),
            Input::Writer(write) => Some(write),
            _ => None,
        };
        if let Some(write) = writer {
            let mut pipe = pipe.take().unwrap();
            threads.push(std::thread::spawn(move || drop(write(&mut pipe))));
        }
        Running { child, pipe, started, limit: self.limit, output, errors, threads, peak_rss: 0, _home: self.home }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Finished {
        self.start().wait()
    }
}

/// A program that runs. Killed when dropped.
pub struct Running {
    child: Child,
    pipe: Option<ChildStdin>,
    started: Instant,
    limit: Duration,
    output: Arc<Mutex<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    threads: Vec<JoinHandle<()>>,
    peak_rss: u64,
    _home: TempDir,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `TERM`, `INT`, `KILL`, `STOP` … to it.
    pub fn signal(&self, name: &str) {
        let status = Command::new("/bin/kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name} {} failed", self.pid());
    }

    /// Writes to the pipe that [`Program::stdin_open`] left open.
    pub fn write(&mut self, bytes: &[u8]) {
        self.pipe.as_mut().expect("the program was started with stdin_open").write_all(bytes).unwrap();
    }

    pub fn close_stdin(&mut self) {
        self.pipe = None;
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock().unwrap()).into_owned()
    }

    /// Resident memory now, in bytes; none when it has ended.
    pub fn rss(&self) -> Option<u64> {
        status_bytes(self.pid(), "VmRSS:")
    }

    /// Resident memory now that no file backs, in bytes; none when it has ended.
    pub fn anonymous(&self) -> Option<u64> {
        status_bytes(self.pid(), "RssAnon:")
    }

    /// Most resident memory so far, in bytes; the last value seen when it has ended.
    pub fn peak_rss(&mut self) -> u64 {
        if let Some(now) = status_bytes(self.pid(), "VmHWM:") {
            self.peak_rss = self.peak_rss.max(now);
        }
        self.peak_rss
    }

    /// Whether everything that was written to the pipe of [`Program::stdin_open`] has been read, and it waits for more.
    pub fn has_taken_everything(&self) -> bool {
        let pipe = self.pipe.as_ref().expect("the program was started with stdin_open");
        rustix::io::ioctl_fionread(pipe).unwrap() == 0 && self.sleeps_in_read()
    }

    /// Whether its input thread sleeps until there is more to read; false where the system does not tell. The program is not dumpable: of another user than root
    /// the system hides what the thread sleeps in, and tells only that it does.
    pub fn sleeps_in_read(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten().map(|task| task.path());
        let input = tasks.into_iter().find(|task| std::fs::read(task.join("comm")).is_ok_and(|name| name == b"input\n"));
        // The number of the system call first: read(2) on x86_64, on aarch64 and riscv64, on 32 bits.
        let Some(input) = input else { return false };
        let call = match std::fs::read_to_string(input.join("syscall")) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return std::fs::read_to_string(input.join("stat")).is_ok_and(|stat| stat.contains(") S "));
            }
            read => read.ok(),
        };
        call.is_some_and(|call| call.split(' ').next().is_some_and(|number| ["0", "63", "3"].contains(&number)))
    }

    /// Whether its input thread has ended: it has seen the end of the input, or takes no more.
    pub fn stdin_is_over(&self) -> bool {
        let mut tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        self.started.elapsed() > Duration::from_secs(1)
            && !tasks.any(|task| std::fs::read(task.path().join("comm")).is_ok_and(|name| name == b"input\n"))
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. Closes an open stdin first. Panics when it takes longer than its limit.
    pub fn wait(mut self) -> Finished {
        self.pipe = None;
        let status = loop {
            self.peak_rss();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > self.limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("the program did not end within {:?}; it said: {}", self.limit, self.stderr());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let time = self.started.elapsed();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let (stdout, stderr) = (std::mem::take(&mut *self.output.lock().unwrap()), self.stderr());
        secrets::assert_hidden("stdout", &stdout);
        secrets::assert_hidden("stderr", stderr.as_bytes());
        Finished { code: status.code(), signal: status.signal(), stdout, stderr, time, peak_rss: self.peak_rss }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How it ended.
#[derive(Debug)]
pub struct Finished {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// From its start to its end, within 2 ms.
    pub time: Duration,
    /// Most resident memory seen, in bytes (the kernel's high-water mark, read every 2 ms).
    pub peak_rss: u64,
}

impl Finished {
    /// Asserts the exit code; what it said is in the report.
    pub fn assert_code(self, code: i32) -> Finished {
        assert_eq!(self.code, Some(code), "signal {:?}, after {:?}, it said:\n{}", self.signal, self.time, self.stderr);
        self
    }

    /// The first line on stderr.
    pub fn first_line(&self) -> &str {
        self.stderr.lines().next().unwrap_or_default()
    }
}

fn collect(mut from: impl Read + Send + 'static, into: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let into = into.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(size @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().extend_from_slice(&chunk[..size]);
        }
    })
}

fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}
