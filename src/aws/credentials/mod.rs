//! Where keys come from: one chain ([`Chain`]), one file a provider. The rules are those of AWS's own tools; a provider says found, passed over (and why), or broken.
//!
//! Nothing here shows a secret: not an error, not `Debug`. Files are read when credentials are asked for the first time and at each refresh, never in between.

mod chain;
mod environment;
mod explicit;
mod profile;
mod shared_file;

use std::fmt;

use aws_credential_types::Credentials;

pub use chain::{Chain, PassedOver};

use crate::aws::message;
use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::kinesis::outcome::{Class, Failure};
use crate::limits::MESSAGE_SIZE_MAX;

/// What a provider may look at.
struct Context<'a> {
    config: &'a CredentialsConfig,
    environment: &'a Environment,
}

/// What a provider found.
enum Loaded {
    Found(Credentials),
    /// It is not configured, in words that complete "environment: …".
    PassedOver(String),
}

/// Why there are no credentials. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsError {
    text: String,
    not_found: bool,
}

impl CredentialsError {
    /// A provider is configured and cannot give any: the chain ends here, since going on would use keys that nobody meant.
    fn broken(text: impl Into<String>) -> CredentialsError {
        CredentialsError { text: text.into(), not_found: false }
    }

    fn not_found(passed_over: &[PassedOver]) -> CredentialsError {
        let steps: Vec<String> = passed_over.iter().map(|step| format!("{}: {}", step.name, step.why)).collect();
        CredentialsError { text: format!("no AWS credentials found ({})", steps.join("; ")), not_found: true }
    }

    /// Whether every provider was passed over, as opposed to one that is broken.
    pub fn is_not_found(&self) -> bool {
        self.not_found
    }

    /// What it means for a request that was to be signed.
    pub fn to_failure(&self) -> Failure {
        let code = if self.not_found { "credentials_not_found" } else { "credentials_broken" };
        let message = message::fit(&self.text, MESSAGE_SIZE_MAX);
        Failure { class: Class::NoCredentials, status: None, code: code.to_owned(), message, retry_after: None, date: None }
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CredentialsError {}

/// A key pair as it was written somewhere; blank is unset.
struct StaticKeys<'a> {
    /// Where, for errors.
    place: &'a str,
    /// The names of id and secret there.
    names: (&'a str, &'a str),
    id: Option<String>,
    secret: Option<String>,
    token: Option<String>,
}

impl StaticKeys<'_> {
    /// The credentials, or nothing when neither half is set. A token alone is nothing.
    fn complete(self, provider: &'static str) -> Result<Option<Credentials>, CredentialsError> {
        let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (place, names) = (self.place, self.names);
        let half = |set: &str, missing: &str| CredentialsError::broken(format!("{place}: {set} is set but {missing} is missing"));
        let (id, secret) = match (trimmed(self.id), trimmed(self.secret)) {
            (Some(id), Some(secret)) => (id, secret),
            (Some(_), None) => return Err(half(names.0, names.1)),
            (None, Some(_)) => return Err(half(names.1, names.0)),
            (None, None) => return Ok(None),
        };
        let token = trimmed(self.token);
        for (name, text) in [(names.0, Some(&id)), (names.1, Some(&secret)), ("the session token", token.as_ref())] {
            // Not the character: it is part of the secret.
            if text.is_some_and(|text| !text.bytes().all(|b| (b'!'..=b'~').contains(&b))) {
                return Err(CredentialsError::broken(format!("{place}: {name} has a space, a control character or a letter beyond ASCII in it")));
            }
        }
        Ok(Some(Credentials::new(id, secret, token, None, provider)))
    }
}
