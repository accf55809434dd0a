//! Where keys come from: one chain ([`Chain`]), one file a provider. The rules are those of AWS's own tools; a provider says found, passed over (and why), or broken.
//!
//! Nothing here shows a secret: not an error, not `Debug`. Files are read when credentials are asked for the first time and at each refresh, never in between.

mod asking;
mod assume_role;
mod cache;
mod chain;
mod container;
mod environment;
mod expiry;
mod explicit;
mod imds;
mod iot;
mod metadata;
mod process;
mod profile;
mod refresh;
mod secret_file;
mod sts;
mod trusted;
mod web_identity;

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use zeroize::Zeroizing;

pub use asking::Asking;
pub use chain::{Chain, ChainOptions, Leftovers, PassedOver};

use crate::aws::http::{Http, HttpError, HttpOptions};
use crate::aws::message;
use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::kinesis::outcome::{Class, Failure};
use crate::limits::MESSAGE_SIZE_MAX;
use crate::log::Log;
use crate::random::Random;
use crate::time::{Deadline, Now};

/// What a provider may look at and use.
struct Context<'a> {
    config: &'a CredentialsConfig,
    environment: &'a Environment,
    /// The stream's region, whose STS is asked.
    region: &'a str,
    /// How services of AWS are reached: CA files, proxy, clocks. Metadata services never go through a proxy.
    http: &'a HttpOptions,
    log: &'a Log,
    random: &'a mut Random,
    /// What the IoT provider remembers from call to call.
    iot: &'a mut iot::State,
    /// Is told who is asked.
    asking: &'a Asking,
    /// `wall` is the service's time, as far as it is known.
    now: Now,
}

impl Context<'_> {
    /// A client to ask `who` for one refresh: nothing of it is kept, since the next is an hour away.
    fn client(&self, who: &str, options: &HttpOptions) -> Result<Http, CredentialsError> {
        self.asking.set(Some(who));
        Http::new(options).map_err(|error| CredentialsError::broken(error.to_string()))
    }
}

/// What a provider found.
enum Loaded {
    Found(Found),
    /// It is not configured, in words that complete "environment: …".
    PassedOver(String),
    /// The same, but to learn it cost a call that nobody answered: not to be repeated soon.
    Absent(String),
}

/// Credentials, and how long they may be used.
struct Found {
    credentials: Credentials,
    /// When they expire; none for keys of a user.
    expires: Option<Deadline>,
    /// They are used beyond that while no newer ones can be had: those of EC2 and of containers, which AWS keeps valid then.
    outlive: bool,
    /// They cost a call, which the next process may be spared.
    cacheable: bool,
}

impl Found {
    /// Keys that do not expire and cost nothing to read.
    fn keys(credentials: Credentials) -> Found {
        Found { credentials, expires: None, outlive: false, cacheable: false }
    }
}

/// Why there are no credentials. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsError {
    text: String,
    /// Instead of a text that is too long for a first line on stderr.
    summary: Option<String>,
    code: String,
    class: Class,
    status: Option<u16>,
    /// No provider is asked again before this has passed.
    retry_after: Option<Duration>,
    /// The `Date` of the answer that refused.
    date: Option<Duration>,
}

impl CredentialsError {
    /// A provider is configured and cannot give any: the chain ends here, since going on would use keys that nobody meant.
    fn broken(text: impl Into<String>) -> CredentialsError {
        CredentialsError::of(Class::NoCredentials, "credentials_broken", text)
    }

    /// A provider does not answer, or says that it cannot now. Tried again.
    fn unavailable(code: &str, text: impl Into<String>) -> CredentialsError {
        CredentialsError::of(Class::CredentialsUnavailable, code, text)
    }

    fn not_found(passed_over: &[PassedOver]) -> CredentialsError {
        let steps: Vec<String> = passed_over.iter().map(|step| format!("{}: {}", step.name, step.why)).collect();
        let names: Vec<&str> = passed_over.iter().map(|step| step.name).collect();
        // The last step is the one that may have asked somebody.
        let last = passed_over.last().map_or("", |step| step.why.as_str());
        let summary = format!("configure one of (-vv says why): {} ({last})", names.join(", "));
        let error = CredentialsError::of(Class::NoCredentials, NOT_FOUND, format!("no AWS credentials found ({})", steps.join("; ")));
        CredentialsError { summary: Some(summary), ..error }
    }

    fn of(class: Class, code: &str, text: impl Into<String>) -> CredentialsError {
        CredentialsError { text: text.into(), summary: None, code: code.to_owned(), class, status: None, retry_after: None, date: None }
    }

    /// `who` could not be asked.
    fn unreachable(who: &str, error: &HttpError) -> CredentialsError {
        CredentialsError::unavailable(error.code, format!("{who}: {}", error.text))
    }

    /// `who` answered, and refused; `failure` is what that answer means.
    fn refused(who: &str, failure: Failure) -> CredentialsError {
        // Only a refusal is one that a person can mend; whatever else went wrong is tried again.
        let class = match failure.class {
            Class::Misconfigured => Class::CredentialsMisconfigured,
            class if class.is_refusal() => class,
            _ => Class::CredentialsUnavailable,
        };
        let text = format!("{who}: {}", failure.message);
        CredentialsError {
            text,
            summary: None,
            code: failure.code,
            class,
            status: failure.status,
            retry_after: failure.retry_after,
            date: failure.date,
        }
    }

    fn with_retry_after(self, wait: Duration) -> CredentialsError {
        CredentialsError { retry_after: Some(wait), ..self }
    }

    /// Whether every provider was passed over, as opposed to one that is broken.
    pub fn is_not_found(&self) -> bool {
        self.code == NOT_FOUND
    }

    /// What it means for a request that was to be signed.
    pub fn to_failure(&self) -> Failure {
        let message = message::fit(self.summary.as_ref().unwrap_or(&self.text), MESSAGE_SIZE_MAX);
        Failure { class: self.class, status: self.status, code: self.code.clone(), message, retry_after: self.retry_after, date: self.date }
    }
}

const NOT_FOUND: &str = "credentials_not_found";

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
        // What was read is wiped; what is given on wipes itself.
        let trimmed = |text: Option<String>| text.map(Zeroizing::new).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
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
