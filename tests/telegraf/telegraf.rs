//! Finding Telegraf, writing its configuration, running it. Everything is on loopback, has a limit of time, and ends with the test, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::support::process::{Finished, Running};
use super::support::{ACCESS_KEY, Program, REGION, SECRET_KEY, Server, TempDir};

/// How long a Telegraf may run: a machine may be building something else.
const LIMIT: Duration = Duration::from_secs(120);
/// The same where it is a fault that takes its time.
const LONG_LIMIT: Duration = Duration::from_secs(600);

/// The Telegraf of this run, or none, which is said aloud once.
///
/// # Panics
/// When `KINEGRAF_TELEGRAF` names one that does not run or has no `outputs.kinesis`.
pub(crate) fn find() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        if let Some(named) = std::env::var_os("KINEGRAF_TELEGRAF") {
            let path = std::path::absolute(named).unwrap();
            assert!(can_write_kinesis(&path), "KINEGRAF_TELEGRAF: {} is no Telegraf with outputs.kinesis", path.display());
            return Some(path);
        }
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools/telegraf");
        let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).map(|folder| folder.join("telegraf")).collect::<Vec<_>>();
        let found = std::iter::once(built).chain(on_path).find(|path| path.is_file() && can_write_kinesis(path));
        if found.is_none() {
            let words = "telegraf: none found, its tests are skipped; tests/telegraf/setup builds one\n";
            // Not `eprintln!`, which a test that passes keeps to itself.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
        }
        found
    });
    found.as_deref()
}

fn can_write_kinesis(path: &Path) -> bool {
    let listed = Command::new(path).args(["plugins", "outputs"]).stdin(Stdio::null()).output();
    listed.is_ok_and(|listed| listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("outputs.kinesis"))
}

/// kinegraf: the one that `KINEGRAF_BIN` names, else as it was built.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("KINEGRAF_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_kinegraf")), PathBuf::from);
    std::path::absolute(named).unwrap()
}

/// `text` as a string of TOML.
pub(crate) fn quoted(text: impl AsRef<Path>) -> String {
    serde_json::Value::from(text.as_ref().to_str().unwrap()).to_string()
}

/// A configuration in the making, in a directory of its own.
pub(crate) struct Agent {
    telegraf: &'static Path,
    pub(crate) dir: TempDir,
    text: String,
}

impl Agent {
    /// An agent that keeps every nanosecond of a timestamp and adds no tag. `more` are keys of its section.
    pub(crate) fn new(telegraf: &'static Path, more: &str) -> Agent {
        let head = "[agent]\nomit_hostname = true\nprecision = \"1ns\"\nmetric_buffer_limit = 20000\nskip_processors_after_aggregators = true\n";
        Agent { telegraf, dir: TempDir::new(), text: format!("{head}{more}\n") }
    }

    /// Any section.
    pub(crate) fn section(mut self, text: &str) -> Agent {
        self.text.push_str(text);
        self.text.push('\n');
        self
    }

    /// `inputs.file` over these lines, read once: the next time would be in an hour. `more` says how they are to be read.
    pub(crate) fn input(self, lines: &[u8], more: &str) -> Agent {
        let path = quoted(self.dir.file("metrics", lines));
        self.section(&format!("[[inputs.file]]\nfiles = [{path}]\ninterval = \"1h\"\n{more}"))
    }

    /// `outputs.kinesis` into a stream of the server. `more` are its further keys, a partition table among them.
    pub(crate) fn kinesis(self, server: &Server, stream: &str, more: &str) -> Agent {
        let url = server.url();
        self.section(&format!(
            "[[outputs.kinesis]]\nregion = \"{REGION}\"\nstreamname = \"{stream}\"\nendpoint_url = \"{url}\"\n\
             access_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n{more}"
        ))
    }

    /// `outputs.exec` with kinegraf into a stream of the server, as the manual says. `arguments` are kinegraf's, `more` the section's.
    pub(crate) fn exec(self, server: &Server, stream: &str, arguments: &[&str], more: &str) -> Agent {
        let arguments = [&["--deadline", "4s"], arguments].concat();
        self.program_output("exec", server, stream, &arguments, &format!("timeout = \"5s\"\n{more}"))
    }

    /// The same for `outputs.execd`.
    pub(crate) fn execd(self, server: &Server, stream: &str, arguments: &[&str], more: &str) -> Agent {
        self.program_output("execd", server, stream, arguments, &format!("restart_delay = \"1s\"\n{more}"))
    }

    fn program_output(self, plugin: &str, server: &Server, stream: &str, arguments: &[&str], more: &str) -> Agent {
        let (binary, url) = (binary(), server.url());
        let fixed = [binary.to_str().unwrap(), "--region", REGION, "--stream", stream, "--endpoint-url", &url];
        let command: Vec<String> = fixed.iter().chain(arguments).map(quoted).collect();
        self.section(&format!(
            "[[outputs.{plugin}]]\ncommand = [{}]\nenvironment = [\"AWS_ACCESS_KEY_ID={ACCESS_KEY}\", \"AWS_SECRET_ACCESS_KEY={SECRET_KEY}\"]\n\
             data_format = \"influx\"\n{more}",
            command.join(", ")
        ))
    }

    /// The whole text with another section behind it, for a file that somebody else names.
    pub(crate) fn text_with(&self, section: &str) -> String {
        format!("{}{section}", self.text)
    }

    fn program(&self, arguments: &[&str]) -> Program {
        let path = self.dir.file("telegraf.conf", &self.text);
        let config = ["--config", path.to_str().unwrap()];
        // A section without credentials of its own must not find an account of this machine's.
        Program::exactly(self.telegraf).args(arguments).args(config).env("AWS_EC2_METADATA_DISABLED", "true").limit(LIMIT)
    }

    /// Gathers once, writes once, and ends well.
    pub(crate) fn once(&self) -> Finished {
        self.program(&["--once"]).run().assert_code(0)
    }

    /// The same, however it ends.
    pub(crate) fn once_anyhow(&self) -> Finished {
        self.program(&["--once"]).run()
    }

    /// Runs until it is told to end.
    pub(crate) fn start(&self) -> Running {
        self.program(&[]).start()
    }

    /// The same with variables in its environment, which the programs that it starts see too, and more patience.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Running {
        let program = variables.iter().fold(self.program(&[]), |program, (name, value)| program.env(name, value));
        program.limit(LONG_LIMIT).start()
    }

    /// Telegraf's own check of the configuration: what is wrong with it, or nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        let finished = self.program(&["config", "check"]).run();
        let said = format!("{}{}", finished.stderr, String::from_utf8_lossy(&finished.stdout));
        // Unknown keys and plugins end it with 1; what it only complains about is no better.
        if finished.code == Some(0) && !said.contains("E! ") { Ok(()) } else { Err(said) }
    }
}
