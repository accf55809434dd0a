//! The sources that are asked over HTTP on the machine itself, EC2's metadata and the container endpoint, against fakes that insist and misbehave.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod absence;
mod container;
mod imds;
mod proxy;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::HttpOptions;
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, Level};
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

use support::Key;

pub(crate) const ID: &str = "ASIAMETADATA00000001";
pub(crate) const SECRET: &str = "metadata/secret+key/of/forty/characters/";
pub(crate) const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQ";

/// The keys that the fakes give.
pub(crate) fn key() -> Key {
    Key::new(ID, SECRET, Some(TOKEN))
}

/// A chain that has nothing but these variables, and all that it said.
pub(crate) struct Asking {
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

impl Asking {
    pub(crate) fn with(variables: &[(&str, &str)]) -> Asking {
        Asking::configured(CredentialsConfig::default(), variables)
    }

    pub(crate) fn configured(config: CredentialsConfig, variables: &[(&str, &str)]) -> Asking {
        let (clock, said) = (Clock::new(), Said::default());
        let log = Log::new(Level::Debug, Hold::No, Box::new(said.clone()));
        let environment = Environment::from_pairs(variables);
        let options = ChainOptions { config, environment, region: "eu-central-1".into(), http: HttpOptions::new(clock), log };
        Asking { chain: Chain::new(options, Random::from_seed(1)), clock, said }
    }

    /// Id, secret, token.
    pub(crate) fn find(&mut self) -> Result<(String, String, Option<String>), CredentialsError> {
        let now = self.clock.now();
        self.find_at(now)
    }

    pub(crate) fn find_at(&mut self, now: Now) -> Result<(String, String, Option<String>), CredentialsError> {
        let result = self
            .chain
            .refresh(now)
            .map(|found| (found.access_key_id().to_owned(), found.secret_access_key().to_owned(), found.session_token().map(str::to_owned)));
        // Whatever happens, no secret is in what is said.
        let said = String::from_utf8_lossy(&self.said.0.lock().unwrap()).into_owned();
        let error = result.as_ref().err().map(|error| format!("{error} {error:?} {:?}", error.to_failure())).unwrap_or_default();
        assert!(![SECRET, TOKEN].iter().any(|secret| said.contains(secret) || error.contains(secret)), "{said} {error}");
        result
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The fake's keys, and from which source.
    pub(crate) fn assert_found(&mut self, source: &str) {
        assert_eq!(self.find().unwrap(), (ID.to_owned(), SECRET.to_owned(), Some(TOKEN.to_owned())));
        assert_eq!(self.chain.source(), Some(source));
    }

    /// The error, which has each of these words.
    pub(crate) fn assert_fails(&mut self, words: &[&str]) -> CredentialsError {
        let error = self.find().unwrap_err();
        let text = format!("{error} {:?}", error.to_failure().class);
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        error
    }
}

/// How long it takes.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = what();
    (result, start.elapsed())
}

/// Within `limit` and half a second; where nobody measures (`KINEGRAF_FULL=1` does), the machine may be building something else.
pub(crate) fn assert_within(time: Duration, limit: Duration) {
    let slack_ms = if std::env::var_os("KINEGRAF_FULL").is_some_and(|value| value == "1") { 500 } else { 5000 };
    assert!(time <= limit + Duration::from_millis(slack_ms), "it took {time:?}, the limit was {limit:?}");
}
