//! The configuration: flags, one file and the environment become a [`Config`], or every mistake at once ([`load`]).
//!
//! A flag wins over the file; variables fill only what is empty. What a key may hold and its default stand once, in [`keys`].

mod check;
pub(crate) mod diagnostic;
pub(crate) mod document;
pub mod environment;
pub mod keys;
mod listen;
pub(crate) mod load;
pub(crate) mod near;
mod partition;
mod profile;
pub mod reload;
pub(crate) mod settings;
pub(crate) mod telegraf;
pub(crate) mod value;
pub(crate) mod variables;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

pub use diagnostic::ConfigError;
pub use environment::Environment;
pub use listen::Listen;
pub use load::{DirectoryEntry, Files, load};
pub use value::Kind;

use crate::kinesis::endpoint;
use crate::line::format::Format;
use crate::line::partition_key::PartitionMethod;
use crate::spool::segment::{BadStreamId, StreamId};
use settings::Settings;

/// A text that must not be seen: `Debug` shows only that it is there, and its memory is wiped before it is given back.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The text itself; for the signer only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything a run needs to know, checked: what is in here is possible.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where records go; `None` only with `dry_run`, and for commands that look into a spool.
    pub destination: Option<Destination>,
    /// Where credentials come from.
    pub credentials: CredentialsConfig,
    /// How partition keys are found.
    pub partition: PartitionMethod,
    /// What record data looks like.
    pub format: Format,
    /// `[input]`.
    pub input: InputConfig,
    /// `[spool]`.
    pub spool: SpoolConfig,
    /// `[packing]`.
    pub packing: PackingConfig,
    /// `[delivery]`.
    pub delivery: DeliveryConfig,
    /// `[network]`.
    pub network: NetworkConfig,
    /// `[log]`, `-v`, `-q`.
    pub log: LogConfig,
    /// Records go to stdout as JSON instead of to Kinesis.
    pub dry_run: bool,
    /// What each key was given, to be compared with another reading.
    pub(crate) given: reload::Given,
    /// The file, where a secret stands in it.
    pub secret_file: Option<PathBuf>,
    /// What is no mistake and should be known: deprecated keys, what is ignored, what would send twice. One line each.
    pub notes: Vec<String>,
}

impl Config {
    /// What holds for this destination when nothing else is said: the defaults of [`keys::KEYS`].
    pub fn defaults(destination: Destination) -> Config {
        let given = check::Given {
            destination: Some(destination),
            partition: PartitionMethod::Random,
            format: Format::Influx,
            ca_files: Vec::new(),
            dry_run: false,
            notes: Vec::new(),
        };
        check::assemble(&Settings::new(), given)
    }
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Also the region that is signed, whatever the endpoint.
    pub region: String,
    /// The stream's name.
    pub stream: String,
    /// `https://kinesis.eu-central-1.amazonaws.com/` or the configured `endpoint_url`; checked, with a path, ready for a request.
    pub url: String,
}

impl Destination {
    /// What the spool's segments say of where their lines belong.
    ///
    /// # Errors
    /// The names are too long together.
    pub fn stream_id(&self) -> Result<StreamId, BadStreamId> {
        let own = self.url != endpoint::url_of_region(&self.region);
        StreamId::new(&self.region, &self.stream, own.then_some(self.url.as_str()))
    }
}

/// What the credential chain is told.
#[derive(Clone, Debug, Default)]
pub struct CredentialsConfig {
    /// Explicit keys: id and secret.
    pub keys: Option<(String, Secret)>,
    /// Session token of the explicit keys.
    pub token: Option<Secret>,
    /// A profile named by flag or file (never by `AWS_PROFILE`).
    pub profile: Option<String>,
    /// Replaces `AWS_SHARED_CREDENTIALS_FILE` and `~/.aws/credentials`.
    pub shared_credential_file: Option<PathBuf>,
    /// The role to assume with what the rest of the chain finds, or with the web identity.
    pub role_arn: Option<String>,
    /// The name of that session; never without `role_arn`, as the two that follow.
    pub role_session_name: Option<String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// An OpenID Connect token that assumes `role_arn`.
    pub web_identity_token_file: Option<PathBuf>,
    /// STS may be asked over `http://` on another host than this one (`network.allow_plain_http`).
    pub allow_plain_http: bool,
    /// EC2's instance metadata are never asked.
    pub imds_off: bool,
    /// Where credentials that cost a call are kept for the next process.
    pub cache_directory: Option<PathBuf>,
    /// The AWS IoT credential provider, which is the source then.
    pub iot: Option<IotConfig>,
}

/// `[credentials.iot]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IotConfig {
    /// `https://HOST/`, checked.
    pub url: String,
    /// What stands for the role.
    pub role_alias: String,
    /// Sent as `x-amzn-iot-thingname`; may hold `{serial}` and `{cn}`.
    pub thing_name: Option<String>,
    /// PEM file of the device's certificate.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub private_key: PathBuf,
    /// PEM file of the only roots that are trusted for it.
    pub ca: Option<PathBuf>,
    /// The first call of a process waits a random part of this.
    pub start_jitter: Duration,
}

/// What a line without a timestamp becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamp {
    /// It gets the time of its arrival.
    Stamp,
    /// It stays as it is.
    Keep,
}

/// `[input]`.
#[derive(Clone, Debug)]
pub struct InputConfig {
    /// Where lines come from; never empty.
    pub listen: Vec<Listen>,
    /// Nobody said where lines come from, so that it is standard input.
    pub listen_is_default: bool,
    /// Connections that are served at once.
    pub clients: usize,
    /// The sockets' mode.
    pub socket_mode: u32,
    /// The sockets' group, a name or a number.
    pub socket_group: Option<String>,
    /// Longest line in bytes.
    pub line_size: usize,
    /// `stamp` or `keep`.
    pub timestamp: Timestamp,
    /// The file that keeps bad lines.
    pub rejected: Option<PathBuf>,
    /// Bytes before it is rotated, once.
    pub rejected_size: u64,
}

/// What becomes of lines for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in the input.
    Block,
    /// The oldest that are not on their way make room.
    DropOldest,
    /// They are given up themselves.
    DropNewest,
}

/// `[spool]`.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The cold disk's directory.
    pub directory: Option<PathBuf>,
    /// The hot disk's directory; else lines wait in memory.
    pub hot: Option<PathBuf>,
    /// Bytes of lines that wait in hot.
    pub hot_size: usize,
    /// Bytes of all that is in `directory`.
    pub size: u64,
    /// Per cent of its file system that are left free.
    pub min_free: u8,
    /// Bytes of a segment; at most a quarter of `hot_size`.
    pub segment_size: usize,
    /// `always`: each line is durable before the next is read.
    pub sync_always: bool,
    /// How long a line may be in hot alone beyond its flush.
    pub sync_after: Duration,
    /// What becomes of lines for which there is no room.
    pub when_full: WhenFull,
}

/// How lines become records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pack {
    /// One line a record.
    Metric,
    /// The lines of one key, joined.
    Lines,
}

/// `[packing]`.
#[derive(Clone, Debug)]
pub struct PackingConfig {
    /// `metric` or `lines`.
    pub pack: Pack,
    /// Bytes of lines that are grouped at once.
    pub buffer: usize,
    /// How long a line may wait for others; not waited for at the end of the input.
    pub flush_interval: Duration,
}

/// Which records lead a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// Failed ones lead, newer ones fill.
    Request,
    /// Failed ones alone, until they are stored.
    Strict,
}

/// What a daemon does about a stream that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStream {
    /// Keeps accepting and tries again.
    Wait,
    /// Ends with exit code 1.
    Exit,
}

/// `[delivery]`.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// Bytes of one request: data before base64 plus keys.
    pub request_size: usize,
    /// Bytes of one record: data before base64 plus key.
    pub record_size: usize,
    /// The whole run's limit, from process start.
    pub deadline: Option<Duration>,
    /// What remains after the end of a pipe has this long.
    pub shutdown_timeout: Duration,
    /// `request` or `strict`.
    pub ordering: Ordering,
    /// `wait` or `exit`.
    pub missing_stream: MissingStream,
}

/// A PEM file whose certificates are trusted beside the built-in roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    /// Where it is.
    pub path: PathBuf,
    /// What named it: `network.ca_file`, `AWS_CA_BUNDLE` or `SSL_CERT_FILE`.
    pub named_by: String,
}

/// `[network]`.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// PEM files whose certificates are trusted beside the embedded roots (`network.ca_file`, `AWS_CA_BUNDLE`, `SSL_CERT_FILE`).
    pub ca_files: Vec<CaFile>,
    /// `http://` to another host than this one may be used.
    pub allow_plain_http: bool,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `-q`: errors.
    Error,
    /// Errors and warnings.
    #[default]
    Warn,
    /// `-v`: a summary and what is done.
    Info,
    /// `-vv`: every request.
    Debug,
}

/// Where diagnostics go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTo {
    /// The journal where systemd reads stderr, else stderr.
    #[default]
    Auto,
    /// stderr.
    Stderr,
    /// stderr, each line with its priority, as systemd's journal takes it.
    Journal,
    /// Errors and warnings on stderr, the rest on stdout: so Telegraf's `outputs.execd` logs each at its level.
    Telegraf,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogConfig {
    /// Where to.
    pub to: LogTo,
    /// How much is said.
    pub level: Level,
}
