//! The one table of keys. It finds unknown keys and their suggestions, checks types and ranges, fills `--help`, the README and the man page.
//!
//! Only keys that are built stand here: a key of a later version is unknown, never ignored.

use std::time::Duration;

use super::value::{Kind, Value, looks_secret, quote, show_duration, show_size};
use crate::kinesis::endpoint;
use crate::limits;

/// Names a row of [`KEYS`]; the number is its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Id {
    Region,
    Streamname,
    AccessKey,
    SecretKey,
    Token,
    Profile,
    SharedCredentialFile,
    RoleArn,
    RoleSessionName,
    ExternalId,
    WebIdentityTokenFile,
    EndpointUrl,
    DataFormat,
    Format,
    JsonTimestampUnits,
    Debug,
    Partitionkey,
    UseRandomPartitionkey,
    PartitionMethod,
    PartitionKey,
    PartitionDefault,
    PartitionTemplate,
    Listen,
    Clients,
    SocketMode,
    SocketGroup,
    LineSize,
    Timestamp,
    Rejected,
    RejectedSize,
    SpoolDirectory,
    Hot,
    HotSize,
    SpoolSize,
    MinFree,
    SegmentSize,
    Sync,
    SyncAfter,
    WhenFull,
    Pack,
    ContentEncoding,
    Buffer,
    FlushInterval,
    RequestSize,
    RecordSize,
    Deadline,
    ShutdownTimeout,
    Ordering,
    MissingStream,
    CaFile,
    AllowPlainHttp,
    Imds,
    CacheDirectory,
    IotEndpoint,
    IotRoleAlias,
    IotThingName,
    IotCertificate,
    IotPrivateKey,
    IotCa,
    IotStartJitter,
    LogTo,
    LogLevel,
}

/// What holds where nobody says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// Nothing; the text says what that means, and may be empty.
    Unset(&'static str),
    /// One of the words.
    Word(&'static str),
    /// A whole number.
    Count(u32),
    /// Bytes.
    Size(usize),
    /// A time.
    Duration(Duration),
    /// `true` or `false`.
    Boolean(bool),
    /// Parts of a hundred.
    Percent(u8),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its place in [`KEYS`].
    pub id: Id,
    /// Without brackets; empty at the top of the file.
    pub section: &'static str,
    /// As it is written.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Its default.
    pub preset: Preset,
    /// One line that says what it is for.
    pub doc: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

impl Key {
    /// `delivery.request_size`, `region`.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// The default as it would be written in a file, without quotes; or what holds without one.
    pub fn default_text(&self) -> String {
        match self.preset {
            Preset::Unset(text) => text.to_owned(),
            Preset::Word(word) => word.to_owned(),
            Preset::Size(bytes) => show_size(bytes as u64),
            Preset::Duration(duration) => show_duration(duration),
            Preset::Boolean(value) => value.to_string(),
            Preset::Percent(value) => format!("{value}%"),
            Preset::Count(value) => value.to_string(),
        }
    }

    /// The default as a value; none where there is none.
    pub(crate) fn default_value(&self) -> Option<Value> {
        match self.preset {
            Preset::Unset(_) => None,
            Preset::Word(word) => Some(Value::Word(word)),
            Preset::Size(bytes) => Some(Value::Size(bytes as u64)),
            Preset::Duration(duration) => Some(Value::Duration(duration)),
            Preset::Boolean(value) => Some(Value::Boolean(value)),
            Preset::Percent(value) => Some(Value::Percent(value)),
            Preset::Count(value) => Some(Value::Count(value)),
        }
    }

    /// The values that are allowed, for the README: `4KiB to 10MiB`.
    pub fn allowed_text(&self) -> String {
        match self.kind {
            Kind::Text { .. } | Kind::List { .. } => String::new(),
            Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Kind::Size { min, max } => format!("{} to {}", show_size(min), show_size(max)),
            Kind::Duration { min, max } => format!("{} to {}", show_duration(min), show_duration(max)),
            Kind::Boolean => "`true`, `false`".into(),
            Kind::Percent { max } => format!("0% to {max}%"),
            Kind::Count { min, max } => format!("{min} to {max}"),
        }
    }
}

impl Id {
    /// The row of this key.
    pub fn key(self) -> &'static Key {
        &KEYS[self as usize]
    }
}

/// The key of this section and name.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// Every section but the top, in the order of the table.
pub fn sections() -> impl Iterator<Item = &'static str> {
    let first = |(index, key): &(usize, &Key)| !key.section.is_empty() && KEYS[..*index].iter().all(|earlier| earlier.section != key.section);
    KEYS.iter().enumerate().filter(first).map(|(_, key)| key.section)
}

/// The table of the README.
pub fn markdown_table() -> String {
    let mut out = String::from("| section | key | default | allowed | meaning |\n|---|---|---|---|---|\n");
    for key in &KEYS {
        let section = if key.section.is_empty() { String::new() } else { format!("`[{}]`", key.section) };
        let default = match key.preset {
            Preset::Unset(text) => text.to_owned(),
            _ => format!("`{}`", key.default_text()),
        };
        out.push_str(&format!("| {section} | `{}` | {default} | {} | {} |\n", key.name, key.allowed_text(), key.doc));
    }
    out
}

const fn text(what: &'static str, check: fn(&str) -> Result<(), String>) -> Kind {
    Kind::Text { what, check }
}

const fn size(min: usize, max: usize) -> Kind {
    Kind::Size { min: min as u64, max: max as u64 }
}

const fn key(id: Id, section: &'static str, name: &'static str, kind: Kind, preset: Preset, doc: &'static str) -> Key {
    Key { id, section, name, kind, preset, doc, secret: matches!(id, Id::AccessKey | Id::SecretKey | Id::Token) }
}

const FILE: Kind = text("the path of a file", check_path);
const KEY_TEXT: Kind = text("text", check_partition_text);

/// Every key, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: [Key; 62] = [
    key(Id::Region, "", "region", text("a region", check_region), Preset::Unset("`AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's"), "region of the stream, also the one that is signed"),
    key(Id::Streamname, "", "streamname", text("a stream name", check_stream), Preset::Unset(""), "name of the Kinesis data stream"),
    key(Id::AccessKey, "", "access_key", text("an access key", check_secret), Preset::Unset(""), "explicit credentials, with `secret_key`; before a profile and the environment"),
    key(Id::SecretKey, "", "secret_key", text("a secret key", check_secret), Preset::Unset(""), "secret of `access_key`"),
    key(Id::Token, "", "token", text("a session token", check_secret), Preset::Unset(""), "session token of `access_key`"),
    key(Id::Profile, "", "profile", text("a profile name", check_line), Preset::Unset(""), "profile of the shared files, before the environment"),
    key(Id::SharedCredentialFile, "", "shared_credential_file", FILE, Preset::Unset("`AWS_SHARED_CREDENTIALS_FILE`, `~/.aws/credentials`"), "file with profiles"),
    key(Id::RoleArn, "", "role_arn", text("the ARN of a role", check_role_arn), Preset::Unset(""), "role that is assumed with the credentials found otherwise, or with `web_identity_token_file`"),
    key(Id::RoleSessionName, "", "role_session_name", text("a session name", check_session_name), Preset::Unset("`kinegraf-` and this host's name"), "name of that session, seen in CloudTrail"),
    key(Id::ExternalId, "", "external_id", text("an external ID", check_external_id), Preset::Unset(""), "what the role's trust policy may ask for"),
    key(Id::WebIdentityTokenFile, "", "web_identity_token_file", FILE, Preset::Unset(""), "OpenID Connect token that assumes `role_arn`; read anew each time"),
    key(Id::EndpointUrl, "", "endpoint_url", text("an address", check_url), Preset::Unset("`AWS_ENDPOINT_URL_KINESIS`, `AWS_ENDPOINT_URL`, the profile's, the region's"), "address of Kinesis"),
    key(Id::DataFormat, "", "data_format", Kind::Word(&["influx", "json"]), Preset::Word("influx"), "what record data looks like"),
    key(Id::Format, "", "format", Kind::Word(&["string", "custom"]), Preset::Unset(""), "what it looked like in Telegraf 1.0 and 1.1; counts only without `data_format`"),
    key(Id::JsonTimestampUnits, "", "json_timestamp_units", Kind::Duration { min: Duration::ZERO, max: limits::JSON_TIMESTAMP_UNITS_MAX }, Preset::Duration(limits::JSON_TIMESTAMP_UNITS), "unit of `timestamp` in `json`; the power of ten below it"),
    key(Id::Debug, "", "debug", Kind::Boolean, Preset::Boolean(false), "says everything, as `-vv`"),
    key(Id::Partitionkey, "", "partitionkey", KEY_TEXT, Preset::Unset(""), "deprecated: key of lines that `[partition]` finds none for"),
    key(Id::UseRandomPartitionkey, "", "use_random_partitionkey", Kind::Boolean, Preset::Boolean(false), "deprecated: a random key for them, before `partitionkey`"),
    key(Id::PartitionMethod, "partition", "method", Kind::Word(&["random", "static", "tag", "measurement", "series", "template"]), Preset::Word("random"), "how the partition key of a line is found"),
    key(Id::PartitionKey, "partition", "key", KEY_TEXT, Preset::Unset(""), "the key (`static`) or the tag whose value is the key (`tag`)"),
    key(Id::PartitionDefault, "partition", "default", KEY_TEXT, Preset::Unset("`telegraf`"), "key, or part of a key, of lines without that tag (`tag`, `template`)"),
    key(Id::PartitionTemplate, "partition", "template", text("text with placeholders", check_template), Preset::Unset(""), "`{measurement}`, `{tag:KEY}`, `{hostname}`, `{machine_id}` and text around them (`template`)"),
    key(Id::Listen, "input", "listen", Kind::List { what: "an address (stdin, unix:///PATH or unixgram:///PATH)", check: check_listen, max: limits::LISTENERS_MAX }, Preset::Unset("`stdin`"), "where lines come from: `stdin`, `unix:///PATH`, `unixgram:///PATH`; one, or an array"),
    key(Id::Clients, "input", "clients", Kind::Count { min: 1, max: limits::CLIENTS_MAX }, Preset::Count(limits::CLIENTS), "connections that are served at once; more wait"),
    key(Id::SocketMode, "input", "socket_mode", text("a mode such as \"0660\"", check_mode), Preset::Unset("`0660`"), "who may write to the sockets, as chmod has it"),
    key(Id::SocketGroup, "input", "socket_group", text("a group", check_line), Preset::Unset("the process's"), "group of the sockets, a name or a number"),
    key(Id::LineSize, "input", "line_size", size(limits::LINE_SIZE_MIN, limits::LINE_SIZE_MAX), Preset::Size(limits::LINE_SIZE), "longest line; a longer one is rejected"),
    key(Id::Timestamp, "input", "timestamp", Kind::Word(&["stamp", "keep"]), Preset::Word("stamp"), "a line without timestamp gets the time of its arrival, or stays as it is"),
    key(Id::Rejected, "input", "rejected", FILE, Preset::Unset(""), "file that keeps bad lines"),
    key(Id::RejectedSize, "input", "rejected_size", Kind::Size { min: limits::REJECTED_SIZE_MIN, max: limits::REJECTED_SIZE_MAX }, Preset::Size(limits::REJECTED_SIZE as usize), "size at which it is rotated, once"),
    key(Id::SpoolDirectory, "spool", "directory", text("the path of a directory", check_path), Preset::Unset("none: lines wait in memory alone"), "where lines are kept while they cannot be delivered; also for `rejected`"),
    key(Id::Hot, "spool", "hot", text("the path of a directory", check_path), Preset::Unset("`$RUNTIME_DIRECTORY/spool-` and a hash of stream and `directory`, else memory"), "directory on a tmpfs where lines wait while all is well; outlives a killed process"),
    key(Id::HotSize, "spool", "hot_size", size(limits::HOT_SIZE_MIN, limits::HOT_SIZE_MAX), Preset::Size(limits::HOT_SIZE), "lines that wait there"),
    key(Id::SpoolSize, "spool", "size", Kind::Size { min: limits::SPOOL_SIZE_MIN, max: limits::SPOOL_SIZE_MAX }, Preset::Size(limits::SPOOL_SIZE), "all that `directory` may hold"),
    key(Id::MinFree, "spool", "min_free", Kind::Percent { max: 90 }, Preset::Percent(limits::MIN_FREE), "part of its file system that is left free"),
    key(Id::SegmentSize, "spool", "segment_size", size(limits::SEGMENT_SIZE_MIN, limits::HOT_SIZE_MAX / 4), Preset::Size(limits::SEGMENT_SIZE), "piece in which room is given back; at most a quarter of `hot_size`"),
    key(Id::Sync, "spool", "sync", Kind::Word(&["behind", "always"]), Preset::Word("behind"), "write to `directory` only while delivery is behind, or each line before the next is read"),
    key(Id::SyncAfter, "spool", "sync_after", Kind::Duration { min: Duration::from_secs(1), max: limits::SYNC_AFTER_MAX }, Preset::Duration(limits::SYNC_AFTER), "a line that waits so long beyond its flush goes to `directory`"),
    key(Id::WhenFull, "spool", "when_full", Kind::Word(&["block", "drop_oldest", "drop_newest"]), Preset::Unset("`block`; with `directory` `drop_oldest`"), "the input waits, or lines are given up; with `deadline` it always waits"),
    key(Id::Pack, "packing", "pack", Kind::Word(&["metric", "lines"]), Preset::Word("metric"), "one line a record, or the lines of one key joined"),
    key(Id::ContentEncoding, "packing", "content_encoding", Kind::Word(&["identity"]), Preset::Word("identity"), "how record data is encoded"),
    key(Id::Buffer, "packing", "buffer", size(limits::PACKING_BUFFER_MIN, limits::PACKING_BUFFER_MAX), Preset::Size(limits::PACKING_BUFFER), "lines that are grouped by key at once; grows to hold one line of `line_size`"),
    key(Id::FlushInterval, "packing", "flush_interval", Kind::Duration { min: Duration::ZERO, max: limits::FLUSH_INTERVAL_MAX }, Preset::Duration(limits::FLUSH_INTERVAL), "how long a line waits for others; not at the end of the input"),
    key(Id::RequestSize, "delivery", "request_size", size(limits::REQUEST_SIZE_MIN, limits::REQUEST_SIZE_MAX), Preset::Size(limits::REQUEST_SIZE), "one request, data before base64 and keys"),
    key(Id::RecordSize, "delivery", "record_size", size(limits::RECORD_SIZE_MIN, limits::RECORD_SIZE_MAX), Preset::Size(limits::RECORD_SIZE), "one record, data before base64 and key; no more than the stream takes"),
    key(Id::Deadline, "delivery", "deadline", Kind::Duration { min: limits::DEADLINE_MIN, max: limits::DEADLINE_MAX }, Preset::Unset("none"), "limit of the whole run, whose sender keeps its lines until it ends"),
    key(Id::ShutdownTimeout, "delivery", "shutdown_timeout", Kind::Duration { min: Duration::ZERO, max: limits::SHUTDOWN_TIMEOUT_MAX }, Preset::Duration(limits::SHUTDOWN_TIMEOUT), "time for what remains at the end of a pipe"),
    key(Id::Ordering, "delivery", "ordering", Kind::Word(&["request", "strict"]), Preset::Word("request"), "failed records lead the next request, or are alone in it"),
    key(Id::MissingStream, "delivery", "missing_stream", Kind::Word(&["wait", "exit"]), Preset::Word("wait"), "before the end of the input, wait for a stream that does not exist, or exit"),
    key(Id::CaFile, "network", "ca_file", FILE, Preset::Unset("`AWS_CA_BUNDLE`, `SSL_CERT_FILE` are used as well"), "PEM certificates trusted beside the embedded roots"),
    key(Id::AllowPlainHttp, "network", "allow_plain_http", Kind::Boolean, Preset::Boolean(false), "allow `http://` to another host than this one"),
    key(Id::Imds, "credentials", "imds", Kind::Word(&["on", "off"]), Preset::Word("on"), "ask EC2's instance metadata, or never: on a LAN anyone can answer in its place"),
    key(Id::CacheDirectory, "credentials", "cache_directory", text("the path of a directory", check_path), Preset::Unset("`$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR`, else none"), "where credentials that cost a call are kept for the next process; on a tmpfs"),
    key(Id::IotEndpoint, "credentials.iot", "endpoint", text("a host name", check_host), Preset::Unset(""), "AWS IoT credential provider, `PREFIX.credentials.iot.REGION.amazonaws.com`; the source of credentials then"),
    key(Id::IotRoleAlias, "credentials.iot", "role_alias", text("a role alias", check_role_alias), Preset::Unset(""), "what stands for the role there"),
    key(Id::IotThingName, "credentials.iot", "thing_name", text("a thing name", check_thing_name), Preset::Unset(""), "the device's thing, with `{serial}` (of the board) and `{cn}` (of the certificate) filled in"),
    key(Id::IotCertificate, "credentials.iot", "certificate", FILE, Preset::Unset(""), "PEM: the device's certificate, and what is between it and its CA"),
    key(Id::IotPrivateKey, "credentials.iot", "private_key", FILE, Preset::Unset(""), "PEM: its key, RSA or EC (PKCS#8, PKCS#1, SEC1)"),
    key(Id::IotCa, "credentials.iot", "ca", FILE, Preset::Unset("the embedded roots"), "PEM certificates trusted for it instead"),
    key(Id::IotStartJitter, "credentials.iot", "start_jitter", Kind::Duration { min: Duration::ZERO, max: limits::START_JITTER_MAX }, Preset::Duration(Duration::ZERO), "the first call of a process waits a random part of this"),
    key(Id::LogTo, "log", "to", Kind::Word(&["auto", "stderr", "journal", "telegraf"]), Preset::Word("auto"), "`stderr`; `journal` with priorities; `telegraf`: information on stdout; `auto`: the journal where systemd reads stderr"),
    key(Id::LogLevel, "log", "level", Kind::Word(&["error", "warn", "info", "debug"]), Preset::Word("warn"), "how much is said on stderr"),
];

fn check_region(text: &str) -> Result<(), String> {
    if endpoint::can_be_region(text) {
        Ok(())
    } else {
        Err(format!("is {}, must be a region such as \"eu-central-1\" (1 to 64 of a-z, 0-9, '-')", quote(text)))
    }
}

fn check_stream(text: &str) -> Result<(), String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        let arn = if text.starts_with("arn:") { " (the name alone, not the ARN)" } else { "" };
        return Err(format!("is {}, must have only the characters a-z, A-Z, 0-9, '_', '.', '-'{arn}", quote(text)));
    }
    match text.len() {
        1..=limits::STREAM_NAME_MAX => Ok(()),
        length => Err(format!("has {length} characters, must have 1 to {}", limits::STREAM_NAME_MAX)),
    }
}

/// Must not show the text.
fn check_secret(text: &str) -> Result<(), String> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("has a character that no AWS key has (a space, a line end or one outside ASCII)".into())
    }
}

fn check_line(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) { Err(format!("is {}, must be one line of text", quote(text))) } else { Ok(()) }
}

/// Source: STS API reference, `AssumeRole`: 20 to 2048 characters.
fn check_role_arn(text: &str) -> Result<(), String> {
    let is_role = text.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("role/") && resource.len() > 5);
    let plain = (20..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if plain && is_role && text.starts_with("arn:") && text.split(':').nth(2) == Some("iam") {
        Ok(())
    } else {
        Err(format!("is {}, must be like \"arn:aws:iam::123456789012:role/NAME\"", quote(text)))
    }
}

/// Source: STS API reference, `AssumeRole`: `[\w+=,.@-]{2,64}`.
fn check_session_name(text: &str) -> Result<(), String> {
    match (2..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        true => Ok(()),
        false => Err(format!("is {}, must have 2 to 64 of a-z, A-Z, 0-9, '_', '+', '=', ',', '.', '@', '-'", quote(text))),
    }
}

/// Source: STS API reference, `AssumeRole`: `[\w+=,.@:\/-]{2,1224}`.
fn check_external_id(text: &str) -> Result<(), String> {
    match (2..=1224).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b)) {
        true => Ok(()),
        false => Err(format!("is {}, must have 2 to 1224 of a-z, A-Z, 0-9, '_', '+', '=', ',', '.', '@', ':', '/', '-'", quote(text))),
    }
}

/// Source: AWS IoT API reference, `CreateRoleAlias`: `[\w=,@-]{1,128}`.
fn check_role_alias(text: &str) -> Result<(), String> {
    match (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_=,@-".contains(&b)) {
        true => Ok(()),
        false => Err(format!("is {}, must have 1 to 128 of a-z, A-Z, 0-9, '_', '=', ',', '@', '-'", quote(text))),
    }
}

/// Source: AWS IoT API reference, `CreateThing`: `[a-zA-Z0-9:_-]{1,128}`; beside that the two placeholders.
fn check_thing_name(text: &str) -> Result<(), String> {
    let rest = text.replace("{serial}", "0").replace("{cn}", "0");
    match (1..=128).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b)) {
        true => Ok(()),
        false => Err(format!("is {}, must have 1 to 128 of a-z, A-Z, 0-9, ':', '_', '-' and the placeholders {{serial}} and {{cn}}", quote(text))),
    }
}

/// A host with or without a port. Tests and proxies of a lab give `https://host:port`, which is taken too.
fn check_host(text: &str) -> Result<(), String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}/") };
    match endpoint::check_url(&url) {
        Ok(url) if url.starts_with("https://") => Ok(()),
        Ok(_) => Err("is plain http, must be a host that is reached by https".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn check_listen(text: &str) -> Result<(), String> {
    super::Listen::parse(text).map(drop)
}

fn check_mode(text: &str) -> Result<(), String> {
    super::listen::parse_mode(text).map(drop)
}

fn check_path(text: &str) -> Result<(), String> {
    if text.is_empty() || text.contains('\0') { Err("is no path of a file".into()) } else { Ok(()) }
}

fn check_url(text: &str) -> Result<(), String> {
    endpoint::check_url(text).map(drop).map_err(|error| error.to_string())
}

fn check_partition_text(text: &str) -> Result<(), String> {
    match text.encode_utf16().count() {
        0 => Err("is empty, must have 1 to 256 UTF-16 units".into()),
        1..=limits::PARTITION_KEY_UNITS_MAX => Ok(()),
        units => Err(format!("has {units} UTF-16 units, must have 1 to {}", limits::PARTITION_KEY_UNITS_MAX)),
    }
}

/// Placeholders are looked at where the names that they stand for are known.
fn check_template(text: &str) -> Result<(), String> {
    match text.len() {
        0 => Err("is empty, must have text or placeholders such as \"{measurement}-{tag:host}\"".into()),
        1..=limits::TEMPLATE_SIZE_MAX => Ok(()),
        size => Err(format!("has {size} bytes, must have at most {}", limits::TEMPLATE_SIZE_MAX)),
    }
}

/// What [`show_name`] makes of a name that may be a secret.
pub(crate) const HIDDEN: &str = "'***'";

/// A name of unknown origin for a message. A name that no key could have is hidden: it may be a secret in the wrong place.
pub(crate) fn show_name(name: &str) -> String {
    let has = |class: fn(&u8) -> bool| name.as_bytes().iter().any(class);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain && !mixed && !looks_secret(name) { format!("'{name}'") } else { HIDDEN.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_at_its_own_number_and_only_once() {
        for (i, key) in KEYS.iter().enumerate() {
            assert_eq!(key.id as usize, i, "{}", key.path());
            assert!(KEYS[i + 1..].iter().all(|other| other.path() != key.path()), "{}", key.path());
            assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.path());
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in &KEYS {
            match key.default_value() {
                Some(Value::Boolean(value)) => assert_eq!(key.kind.read(&value.to_string()), Ok(Value::Boolean(value))),
                Some(value) => assert_eq!(key.kind.read(&key.default_text()), Ok(value), "{}", key.path()),
                None => assert!(matches!(key.preset, Preset::Unset(_))),
            }
        }
    }

    #[test]
    fn a_name_that_no_key_could_have_is_hidden() {
        assert_eq!(show_name("reqest_size"), "'reqest_size'");
        for hidden in ["lrXUtnFEMI/K7", "lrXUt7", "a\u{1b}[2J", "", "x y"].into_iter().filter(|name| !name.is_empty()) {
            assert_eq!(show_name(hidden), HIDDEN);
        }
    }
}
