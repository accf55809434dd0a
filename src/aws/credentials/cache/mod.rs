//! Credentials that cost a call, and the finding that nobody answered, kept for the next process: Telegraf's `outputs.exec` starts one for each batch.
//!
//! One file a configuration ([`key`]) in a directory that nobody else can write to ([`place`]). What is wrong with the file (another version, boot or set of
//! secret files, cut short, open to others, a link) makes it worth nothing, never an error: the chain asks, and the file is replaced. Expiries are kept on the
//! clock that counts from boot, so that a jump of the wall clock changes nothing. It is never synced: a file lost in a power cut is of another boot anyhow.

mod key;
mod place;

use std::time::Duration;

use aws_credential_types::Credentials;
use serde_json::Value;
use zeroize::Zeroizing;

pub(super) use key::warn_of_open_files;

use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::time::Clock;
use place::Place;

/// Bytes of a file; the longest session token is a quarter of it.
const SIZE_MAX: usize = 16 << 10;
/// What is in a file is used if it is good for this long at least, and kept for this long at most: no session of AWS lasts longer.
const LEFT_MIN: Duration = Duration::from_secs(60);
const LEFT_MAX: Duration = Duration::from_secs(36 * 3600);
const VERSION: u64 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What is kept. Has no `Debug`: it holds secrets.
pub(super) struct Entry {
    /// How long it is good.
    pub(super) left: Duration,
    /// The name of the source that was asked.
    pub(super) source: String,
    pub(super) what: Cached,
}

pub(super) enum Cached {
    Credentials {
        credentials: Credentials,
        outlive: bool,
    },
    /// Nobody answered.
    Absent {
        why: String,
    },
}

/// Where one configuration's entry is.
pub(super) struct Cache {
    place: Place,
    name: String,
    /// What these hold leads to the credentials as well.
    files: Vec<std::path::PathBuf>,
}

/// Which boot this is, and how long ago it was.
struct Boot {
    id: String,
    since: Duration,
}

impl Boot {
    fn read(clock: &Clock) -> Option<Boot> {
        let id = std::fs::read_to_string(BOOT_ID).ok()?;
        Some(Boot { id: id.trim().to_owned(), since: clock.boot() })
    }
}

impl Cache {
    /// None where there is no directory for it.
    pub(super) fn new(config: &CredentialsConfig, environment: &Environment, region: &str) -> Option<Cache> {
        let place = Place::new(config.cache_directory.as_deref(), environment)?;
        Some(Cache { place, name: key::file_name(config, environment, region), files: key::files(config, environment) })
    }

    /// What an earlier process left and is still good.
    pub(super) fn read(&self, clock: &Clock) -> Result<Option<Entry>, String> {
        let Some(bytes) = self.place.read(&self.name, SIZE_MAX)? else { return Ok(None) };
        let boot = Boot::read(clock).ok_or("the boot is not known")?;
        decode(&bytes, &boot, &key::state(&self.files)).map(Some).map_err(|why| format!("the file is {why}"))
    }

    /// Replaces what is there. Nothing is done about what is good for less than a minute.
    pub(super) fn write(&self, entry: &Entry, clock: &Clock) -> Result<(), String> {
        if entry.left < LEFT_MIN {
            return Ok(());
        }
        let boot = Boot::read(clock).ok_or("the boot is not known")?;
        let bytes = encode(entry, &boot, &key::state(&self.files));
        if bytes.len() > SIZE_MAX {
            return Err(format!("they have {} bytes, at most {SIZE_MAX} are kept", bytes.len()));
        }
        self.place.replace(&self.name, &bytes)
    }
}

fn encode(entry: &Entry, boot: &Boot, state: &str) -> Zeroizing<Vec<u8>> {
    // As much as there may be, so that no shorter copy is left behind in memory.
    let mut out = Zeroizing::new(Vec::with_capacity(2 * SIZE_MAX));
    let until = boot.since + entry.left.min(LEFT_MAX);
    let mut member = |name: &str, value: &dyn Fn(&mut Vec<u8>)| {
        let before = if out.is_empty() { b'{' } else { b',' };
        out.push(before);
        text(&mut out, name);
        out.push(b':');
        value(&mut out);
    };
    let number = |value: u64| move |out: &mut Vec<u8>| out.extend_from_slice(value.to_string().as_bytes());
    member("version", &number(VERSION));
    member("boot_id", &|out| text(out, &boot.id));
    member("until_ms", &number(u64::try_from(until.as_millis()).unwrap_or(u64::MAX)));
    member("state", &|out| text(out, state));
    member("source", &|out| text(out, &entry.source));
    match &entry.what {
        Cached::Absent { why } => member("absent", &|out| text(out, why)),
        Cached::Credentials { credentials, outlive } => {
            member("outlive", &|out| out.extend_from_slice(if *outlive { b"true" } else { b"false" }));
            member("access_key_id", &|out| text(out, credentials.access_key_id()));
            member("secret_access_key", &|out| text(out, credentials.secret_access_key()));
            if let Some(token) = credentials.session_token() {
                member("session_token", &|out| text(out, token));
            }
        }
    }
    out.push(b'}');
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing into a vector does not fail.
    drop(serde_json::to_writer(out, text));
}

/// The entry, or what is wrong with it.
fn decode(bytes: &[u8], boot: &Boot, state: &str) -> Result<Entry, &'static str> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|_| "cut short or no JSON")?;
    // Moved out, so that each wipes itself.
    let mut secret = |name: &str| match value.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Some(Zeroizing::new(text)),
        _ => None,
    };
    let (id, key, token) = (secret("access_key_id"), secret("secret_access_key"), secret("session_token"));
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err("of another version");
    }
    if text("boot_id") != Some(&boot.id) {
        return Err("of another boot");
    }
    if text("state") != Some(state) {
        return Err("older than the files that lead to it");
    }
    let until = value.get("until_ms").and_then(Value::as_u64).map(Duration::from_millis).ok_or("without an expiry")?;
    let left = until.saturating_sub(boot.since);
    if left < LEFT_MIN {
        return Err("too old");
    }
    if left > LEFT_MAX {
        return Err("good for longer than any session");
    }
    let source = text("source").ok_or("without a source")?.to_owned();
    let what = match (text("absent"), id, key) {
        (Some(why), None, None) => Cached::Absent { why: why.to_owned() },
        (None, Some(id), Some(key)) => {
            let sound = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !sound(&id) || !sound(&key) || token.as_ref().is_some_and(|token| !sound(token)) {
                return Err("without sound keys");
            }
            let token = token.map(|token| token.to_string());
            let outlive = value.get("outlive").and_then(Value::as_bool).unwrap_or(false);
            Cached::Credentials { credentials: Credentials::new(id.as_str(), key.as_str(), token, None, "cache"), outlive }
        }
        _ => return Err("neither credentials nor a finding"),
    };
    Ok(Entry { left, source, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(since_s: u64) -> Boot {
        Boot { id: "b00t".into(), since: Duration::from_secs(since_s) }
    }

    fn entry(left_s: u64) -> Entry {
        let credentials = Credentials::new("AKID", "sec\"ret/+", Some("to=ken".into()), None, "test");
        Entry { left: Duration::from_secs(left_s), source: "assumed role".into(), what: Cached::Credentials { credentials, outlive: true } }
    }

    #[test]
    fn what_is_kept_comes_back_with_the_time_that_is_left() {
        let back = decode(&encode(&entry(3600), &boot(100), "s"), &boot(700), "s").ok().unwrap();
        assert_eq!((back.left, back.source.as_str()), (Duration::from_secs(3000), "assumed role"));
        let Cached::Credentials { credentials, outlive: true } = back.what else { panic!("other things than were kept") };
        assert_eq!(
            (credentials.access_key_id(), credentials.secret_access_key(), credentials.session_token()),
            ("AKID", "sec\"ret/+", Some("to=ken"))
        );
        let absent = Entry { left: Duration::from_secs(3600), source: "EC2".into(), what: Cached::Absent { why: "no".into() } };
        let back = decode(&encode(&absent, &boot(1), "s"), &boot(2), "s").ok().unwrap();
        assert!(matches!(back.what, Cached::Absent { why } if why == "no"));
    }

    #[test]
    fn what_is_wrong_in_any_way_is_worth_nothing() {
        let good = encode(&entry(3600), &boot(100), "s");
        let why = |bytes: &[u8], boot: &Boot, state: &str| decode(bytes, boot, state).err();
        assert_eq!(why(&good, &boot(100), "s"), None);
        assert_eq!(why(&good, &Boot { id: "other".into(), since: Duration::ZERO }, "s"), Some("of another boot"));
        assert_eq!(why(&good, &boot(100), "t"), Some("older than the files that lead to it"));
        assert_eq!(why(&good, &boot(100 + 3600 - 59), "s"), Some("too old"));
        assert_eq!(
            why(&encode(&entry(1 << 40), &boot(100), "s"), &boot(0), "s"),
            Some("good for longer than any session"),
            "a boot clock that went back"
        );
        for size in 0..good.len() {
            assert!(why(&good[..size], &boot(100), "s").is_some(), "cut at {size}");
        }
        let text = std::str::from_utf8(&good).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"AKID\"", "\"\""),
            ("\"AKID\"", "\"AK ID\""),
            ("\"AKID\"", "7"),
            ("\"to=ken\"", "\"\\n\""),
            ("secret_access_key", "x"),
            ("source", "x"),
            ("until_ms", "x"),
            ("\"outlive\":true", "\"absent\":\"x\""),
        ] {
            assert!(text.contains(from) && why(text.replace(from, to).as_bytes(), &boot(100), "s").is_some(), "{from} as {to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            drop(decode(&bytes, &boot(1), "s"));
        }
    }
}
