//! The order of the sources, first that is configured wins:
//!
//! | | |
//! |---|---|
//! | `role_arn` and `web_identity_token_file` | the role, by the token |
//! | `role_arn` | the role, by what the rest finds |
//! | `[credentials.iot]` | the AWS IoT credential provider; nothing else is looked at |
//! | [`ORDER`] | explicit keys · a profile that was named · the environment's keys · its web identity · the default profile · container · EC2 |
//!
//! A source that is configured but broken ends the chain: going on would use keys that nobody meant. One that nobody answered is not asked again for an hour.

use std::time::Duration;

use aws_credential_types::Credentials;

use super::assume_role::{self, Role};
use super::{Context, CredentialsError, Found, Loaded, container, environment, explicit, imds, iot, profile, web_identity};
use crate::aws::http::HttpOptions;
use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::log::Log;
use crate::random::Random;
use crate::time::{Deadline, Now};

/// How long a source that nobody answered is passed over without asking.
const ABSENT_FOR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Explicit,
    NamedProfile,
    Environment,
    EnvironmentWebIdentity,
    DefaultProfile,
    Container,
    Imds,
}

const ORDER: [Source; 7] = [
    Source::Explicit,
    Source::NamedProfile,
    Source::Environment,
    Source::EnvironmentWebIdentity,
    Source::DefaultProfile,
    Source::Container,
    Source::Imds,
];

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Explicit => "explicit keys",
            Source::NamedProfile => "profile",
            Source::Environment => "environment",
            Source::EnvironmentWebIdentity => "environment's web identity",
            Source::DefaultProfile => "default profile",
            Source::Container => "container endpoint",
            Source::Imds => "EC2 instance metadata",
        }
    }

    fn load(self, context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
        match self {
            Source::Explicit => explicit::load(context),
            Source::NamedProfile => profile::load_named(context),
            Source::Environment => environment::load(context),
            Source::EnvironmentWebIdentity => web_identity::load_environment(context),
            Source::DefaultProfile => profile::load_default(context),
            Source::Container => container::load(context),
            Source::Imds => imds::load(context),
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

/// What the chain looks for, and with what.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// What was configured.
    pub config: CredentialsConfig,
    /// The process's variables.
    pub environment: Environment,
    /// The stream's region.
    pub region: String,
    /// How services of AWS are reached.
    pub http: HttpOptions,
    /// Takes what was passed over, and why.
    pub log: Log,
}

/// Finds credentials and keeps them until they expire or are refreshed.
pub struct Chain {
    options: ChainOptions,
    random: Random,
    current: Option<Current>,
    passed_over: Vec<PassedOver>,
    absent: Option<Absent>,
    iot: iot::State,
}

/// A source that cost a call which nobody answered.
struct Absent {
    source: Source,
    why: String,
    until: Deadline,
}

/// What was found last.
struct Current {
    source: &'static str,
    found: Found,
}

impl Chain {
    /// Looks nothing up yet.
    pub fn new(options: ChainOptions, random: Random) -> Chain {
        Chain { options, random, current: None, passed_over: Vec::new(), absent: None, iot: iot::State::default() }
    }

    /// The credentials that were found last, or found now. `now.wall` is the service's time, as far as it is known.
    pub fn credentials(&mut self, now: Now) -> Result<&Credentials, CredentialsError> {
        let usable = |current: &Current| current.found.expires.is_none_or(|expires| !expires.passed(now));
        if !self.current.as_ref().is_some_and(usable) {
            self.current = Some(self.find(now)?);
        }
        self.found()
    }

    /// Looks again, since the service refused what was found or files may have changed. When that fails, the old ones are kept for the next call of
    /// [`Chain::credentials`].
    pub fn refresh(&mut self, now: Now) -> Result<&Credentials, CredentialsError> {
        self.current = Some(self.find(now)?);
        self.found()
    }

    /// Which source the current credentials are from.
    pub fn source(&self) -> Option<&'static str> {
        self.current.as_ref().map(|current| current.source)
    }

    /// The sources before it, at the last look, with the reason of each.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    fn found(&self) -> Result<&Credentials, CredentialsError> {
        self.current.as_ref().map(|current| &current.found.credentials).ok_or_else(|| CredentialsError::not_found(&self.passed_over))
    }

    fn find(&mut self, now: Now) -> Result<Current, CredentialsError> {
        self.passed_over.clear();
        let ChainOptions { config, environment, region, http, log } = &self.options;
        let mut context = Context { config, environment, region, http, log, random: &mut self.random, iot: &mut self.iot, now };
        let Some(arn) = &config.role_arn else { return base(&mut context, &mut self.passed_over, &mut self.absent) };
        let role = Role { arn: arn.clone(), session_name: config.role_session_name.clone(), external_id: config.external_id.clone(), duration: None };
        if let Some(file) = &config.web_identity_token_file {
            let found = web_identity::exchange(&mut context, &role, file)?;
            return Ok(Current { source: "web identity", found });
        }
        let source = base(&mut context, &mut self.passed_over, &mut self.absent)?;
        let found = assume_role::assume(&mut context, &source.found.credentials, &role)?;
        Ok(Current { source: "assumed role", found })
    }
}

/// What holds without a role.
fn base(context: &mut Context<'_>, passed_over: &mut Vec<PassedOver>, absent: &mut Option<Absent>) -> Result<Current, CredentialsError> {
    if let Some(config) = &context.config.iot {
        return Ok(Current { source: "AWS IoT", found: iot::load(context, config)? });
    }
    for source in ORDER {
        let why = match load_unless_absent(source, context, absent)? {
            Loaded::Found(found) => {
                context.log.debug(format_args!("credentials: found by {}", source.name()));
                return Ok(Current { source: source.name(), found });
            }
            Loaded::PassedOver(why) | Loaded::Absent(why) => why,
        };
        context.log.debug(format_args!("credentials: {} passed over: {why}", source.name()));
        passed_over.push(PassedOver { name: source.name(), why });
    }
    Err(CredentialsError::not_found(passed_over))
}

fn load_unless_absent(source: Source, context: &mut Context<'_>, absent: &mut Option<Absent>) -> Result<Loaded, CredentialsError> {
    if let Some(known) = absent.as_ref().filter(|known| known.source == source && !known.until.passed(context.now)) {
        return Ok(Loaded::PassedOver(known.why.clone()));
    }
    let loaded = source.load(context)?;
    if let Loaded::Absent(why) = &loaded {
        *absent = Some(Absent { source, why: why.clone(), until: Deadline(context.now.mono + ABSENT_FOR) });
    }
    Ok(loaded)
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("source", &self.source()).finish_non_exhaustive()
    }
}
