//! What the tests of this crate share: a chain that wants a role, and what it found.

use std::time::Duration;

use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::{HttpOptions, ProxyOption};
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, Level, Secret};
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

use super::support::signature::Key;
use super::support::sts::{Asked, Reply, Sts};

pub(crate) const ARN: &str = "arn:aws:iam::123456789012:role/edge/device";
pub(crate) const REGION: &str = "eu-central-1";

/// The keys that may assume the role.
pub(crate) fn user() -> Key {
    Key::new("AKIAUSER000000000001", "user/secret+key", None)
}

/// What the role's session has.
pub(crate) fn session() -> Key {
    Key::new("ASIASESSION000000001", "session/secret+key", Some("session//token=="))
}

/// A role over explicit keys.
pub(crate) fn role() -> CredentialsConfig {
    let keys = user();
    CredentialsConfig {
        keys: Some((keys.access_key, Secret::new(keys.secret_key))),
        role_arn: Some(ARN.into()),
        imds_off: true,
        ..CredentialsConfig::default()
    }
}

/// Grants everybody everything.
pub(crate) fn generous() -> Sts {
    Sts::start(|asked: &Asked| Reply::Answer(asked.granted(&session(), 3600, 0)))
}

pub(crate) fn chain_in(region: &str, config: CredentialsConfig, variables: &[(&str, &str)]) -> Chain {
    let clock = Clock::new();
    let times = (Duration::from_secs(2), Duration::from_millis(500));
    let http = HttpOptions { proxy: ProxyOption::Never, connect_timeout: times.0, progress_timeout: times.1, ..HttpOptions::new(clock) };
    let log = Log::new(Level::Error, Hold::No, Box::new(std::io::sink()));
    let options = ChainOptions { config, environment: Environment::from_pairs(variables), region: region.into(), http, log };
    Chain::new(options, Random::from_seed(1))
}

/// A chain that asks `sts`.
pub(crate) fn chain(sts: &Sts, config: CredentialsConfig) -> Chain {
    chain_in(REGION, config, &[("AWS_ENDPOINT_URL_STS", &sts.url())])
}

/// This machine's time, at the moment zero of the process.
pub(crate) fn now() -> Now {
    Now { mono: Duration::ZERO, ..Clock::new().now() }
}

/// What the role gives by `sts`.
pub(crate) fn find(sts: &Sts, config: CredentialsConfig) -> Result<Key, CredentialsError> {
    find_with(&mut chain(sts, config))
}

pub(crate) fn find_with(chain: &mut Chain) -> Result<Key, CredentialsError> {
    let found = chain.credentials(now())?;
    Ok(Key::new(found.access_key_id(), found.secret_access_key(), found.session_token()))
}

/// Asserts that an error has these words and no secret of this crate.
pub(crate) fn assert_says(error: &CredentialsError, words: &[&str]) {
    let text = format!("{error} {error:?} {:?}", error.to_failure());
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
    for secret in [user().secret_key, session().secret_key, session().token.unwrap(), "eyJ".into()] {
        assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
    }
}
