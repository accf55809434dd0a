//! The order of the sources, first that is configured wins: explicit keys, a profile that was named, the environment, the default profile of the shared files.
//!
//! A source to come gets a line in [`ORDER`] and a file. A source that is configured but broken ends the chain: going on would use keys that nobody meant.

use std::time::UNIX_EPOCH;

use aws_credential_types::Credentials;

use super::{Context, CredentialsError, Loaded, environment, explicit, profile};
use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::time::Now;

#[derive(Clone, Copy, Debug)]
enum Source {
    Explicit,
    NamedProfile,
    Environment,
    DefaultProfile,
}

const ORDER: [Source; 4] = [Source::Explicit, Source::NamedProfile, Source::Environment, Source::DefaultProfile];

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Explicit => "explicit keys",
            Source::NamedProfile => "profile",
            Source::Environment => "environment",
            Source::DefaultProfile => "default profile",
        }
    }

    fn load(self, context: &Context<'_>) -> Result<Loaded, CredentialsError> {
        match self {
            Source::Explicit => explicit::load(context),
            Source::NamedProfile => profile::load_named(context),
            Source::Environment => environment::load(context),
            Source::DefaultProfile => profile::load_default(context),
        }
    }
}

/// A source that was not configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Which.
    pub name: &'static str,
    /// In words without a secret.
    pub why: String,
}

/// Finds credentials and keeps them until they expire or are refreshed.
#[derive(Debug)]
pub struct Chain {
    config: CredentialsConfig,
    environment: Environment,
    current: Option<(Source, Credentials)>,
    passed_over: Vec<PassedOver>,
}

impl Chain {
    /// Looks nothing up yet.
    pub fn new(config: &CredentialsConfig, environment: Environment) -> Chain {
        Chain { config: config.clone(), environment, current: None, passed_over: Vec::new() }
    }

    /// The credentials that were found last, or found now. `now.wall` is the service's time, as far as it is known.
    pub fn credentials(&mut self, now: Now) -> Result<&Credentials, CredentialsError> {
        let expired = |credentials: &Credentials| {
            let expiry = credentials.expiry().and_then(|expiry| expiry.duration_since(UNIX_EPOCH).ok());
            expiry.is_some_and(|expiry| now.wall >= expiry)
        };
        if self.current.as_ref().is_none_or(|(_, credentials)| expired(credentials)) {
            self.current = Some(self.find()?);
        }
        self.found()
    }

    /// Looks again, since the service refused what was found or files may have changed. When that fails, the old ones are kept for the next call of
    /// [`Chain::credentials`].
    pub fn refresh(&mut self, _now: Now) -> Result<&Credentials, CredentialsError> {
        self.current = Some(self.find()?);
        self.found()
    }

    /// Which source the current credentials are from.
    pub fn source(&self) -> Option<&'static str> {
        self.current.as_ref().map(|(source, _)| source.name())
    }

    /// The sources before it, at the last look, with the reason of each.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    fn found(&self) -> Result<&Credentials, CredentialsError> {
        self.current.as_ref().map(|(_, credentials)| credentials).ok_or_else(|| CredentialsError::not_found(&self.passed_over))
    }

    fn find(&mut self) -> Result<(Source, Credentials), CredentialsError> {
        self.passed_over.clear();
        let context = Context { config: &self.config, environment: &self.environment };
        for source in ORDER {
            match source.load(&context)? {
                Loaded::Found(credentials) => return Ok((source, credentials)),
                Loaded::PassedOver(why) => self.passed_over.push(PassedOver { name: source.name(), why }),
            }
        }
        Err(CredentialsError::not_found(&self.passed_over))
    }
}
