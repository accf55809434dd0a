//! Credentials over time: renewed ahead of their expiry, used on, asked for again, and left for the next process in a directory of which only the good is believed.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod believed;
mod kept;
mod renewed;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::HttpOptions;
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, Level};
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

use support::metadata::{CONTAINER_PATH, Metadata};
use support::{Key, secrets};

/// Keys number `n` of a source.
pub(crate) fn key(n: u32) -> Key {
    Key::new(&format!("ASIACACHED{n:010}"), &format!("cached/secret+{n:026}"), Some(&format!("CachedToken{n:010}")))
}

/// A process, as far as its credentials go, and all that it says.
pub(crate) struct Process {
    pub(crate) chain: Chain,
    clock: Clock,
    said: Said,
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Process {
    /// One that has the container endpoint of `service`, and keeps what it finds in `directory`.
    pub(crate) fn of(service: &Metadata, directory: &Path) -> Process {
        let config = CredentialsConfig { cache_directory: Some(directory.to_owned()), ..CredentialsConfig::default() };
        Process::with(config, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}{CONTAINER_PATH}", service.url()))])
    }

    pub(crate) fn with(config: CredentialsConfig, variables: &[(&str, &str)]) -> Process {
        let (clock, said) = (Clock::new(), Said::default());
        let log = Log::new(Level::Debug, Hold::No, Box::new(said.clone()));
        let environment = Environment::from_pairs(variables);
        let options = ChainOptions { config, environment, region: "eu-central-1".into(), http: HttpOptions::new(clock), log };
        Process { chain: Chain::new(options, Random::from_seed(1)), clock, said }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The id of the keys at hand.
    pub(crate) fn id(&mut self) -> Result<String, CredentialsError> {
        let now = self.now();
        self.id_at(now)
    }

    pub(crate) fn id_at(&mut self, now: Now) -> Result<String, CredentialsError> {
        self.chain.credentials(now).map(|found| found.access_key_id().to_owned())
    }

    pub(crate) fn said(&self) -> String {
        let said = self.said.0.lock().unwrap().clone();
        secrets::assert_hidden("the log", &said);
        String::from_utf8(said).unwrap()
    }
}

/// What is kept in a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
