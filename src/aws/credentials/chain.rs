//! The order of the sources, first that is configured wins:
//!
//! | | |
//! |---|---|
//! | `role_arn` and `web_identity_token_file` | the role, by the token |
//! | `role_arn` | the role, by what the rest finds |
//! | `[credentials.iot]` | the AWS IoT credential provider; nothing else is looked at |
//! | [`ORDER`] | explicit keys · a profile that was named · the environment's keys · its web identity · the default profile · container · EC2 |
//!
//! Below that: how what was found is kept. When it is renewed is decided in [`Refresh`], what other processes leave is in [`Cache`].
//!
//! A source that is configured but broken ends the chain: going on would use keys that nobody meant. One that nobody answered is not asked again for an hour,
//! unless keys were found before: then somebody is there, who is silent for a moment.

use std::time::Duration;

use aws_credential_types::Credentials;

use super::asking::Asking;
use super::assume_role::{self, Role};
use super::cache::{self, Cache, Cached, Entry};
use super::refresh::{Left, Refresh};
use super::{Context, CredentialsError, Found, Loaded, container, environment, explicit, imds, iot, profile, web_identity};
use crate::aws::http::HttpOptions;
use crate::config::CredentialsConfig;
use crate::config::environment::Environment;
use crate::kinesis::outcome::Class;
use crate::log::Log;
use crate::random::Random;
use crate::time::{Deadline, Now, Utc};

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

/// Names of what is not in [`ORDER`].
const NAMES: [&str; 3] = [WEB_IDENTITY, ASSUMED_ROLE, IOT];
const WEB_IDENTITY: &str = "web identity";
const ASSUMED_ROLE: &str = "assumed role";
const IOT: &str = "AWS IoT";

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

/// Finds credentials, keeps them, and renews them before they expire.
pub struct Chain {
    options: ChainOptions,
    random: Random,
    current: Option<Current>,
    refresh: Refresh,
    /// Why the last look failed, where somebody was asked in vain.
    error: Option<CredentialsError>,
    /// It was said that those at hand cannot be renewed.
    failing: bool,
    passed_over: Vec<PassedOver>,
    iot: iot::State,
    asking: Asking,
    absent: Option<Absent>,
    cache: Option<Cache>,
    leftovers: Leftovers,
    /// What an earlier process left was looked at.
    began: bool,
}

/// What an earlier process left that is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// Its keys, and that nobody answered it: for a process that has a batch to deliver and no second to lose.
    #[default]
    All,
    /// Its keys: for a daemon, which can ask whether anybody answers by now.
    Keys,
    /// Nothing: somebody asked for credentials to be looked for again.
    Nothing,
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
        let cache = Cache::new(&options.config, &options.environment, &options.region);
        Chain {
            options,
            random,
            current: None,
            refresh: Refresh::default(),
            error: None,
            failing: false,
            passed_over: Vec::new(),
            iot: iot::State::default(),
            asking: Asking::default(),
            absent: None,
            cache,
            leftovers: Leftovers::default(),
            began: false,
        }
    }

    /// The credentials at hand until they expire; then, and the first time, those that are found now. `now.wall` is the service's time, as far as it is known.
    ///
    /// # Errors
    /// None are found. A source that asked to be left alone is, and the error says for how long; else the caller paces himself.
    pub fn credentials(&mut self, now: Now) -> Result<&Credentials, CredentialsError> {
        self.begin(now);
        if !self.is_good(now) {
            if let Some(error) = self.held_back(now) {
                return Err(error);
            }
            let looked = self.look(now);
            if !self.is_good(now) {
                looked.map_err(|error| self.held_back(now).unwrap_or(error))?;
            }
        }
        self.current()
    }

    /// Looks again, since the service refused what was found. When that fails, the old ones are kept for the next call of [`Chain::credentials`].
    ///
    /// # Errors
    /// None are found.
    pub fn refresh(&mut self, now: Now) -> Result<&Credentials, CredentialsError> {
        self.began = true;
        self.look(now)?;
        self.current()
    }

    /// Renews credentials that will expire, where it is time: in a spare moment, or between two requests when there was none for long. A failure is logged, no
    /// more: those at hand are good.
    pub fn maintain(&mut self, now: Now, spare: bool) {
        if self.current.is_some() && self.refresh.is_due(now, spare) {
            // What is to be said of it was said.
            drop(self.look(now));
        }
    }

    /// When a spare moment is to be used for [`Chain::maintain`].
    pub fn next_maintenance(&self, now: Now) -> Option<Deadline> {
        self.current.as_ref()?;
        self.refresh.next(now)
    }

    /// Which source the current credentials are from.
    pub fn source(&self) -> Option<&'static str> {
        self.current.as_ref().map(|current| current.source)
    }

    /// The sources before it, at the last look, with the reason of each.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Says from now on there who is asked.
    pub fn show(&mut self, asking: Asking) {
        self.asking = asking;
    }

    /// How much of what an earlier process left is believed; all of it otherwise.
    pub fn believe(&mut self, leftovers: Leftovers) {
        self.leftovers = leftovers;
    }

    fn current(&self) -> Result<&Credentials, CredentialsError> {
        self.current.as_ref().map(|current| &current.found.credentials).ok_or_else(|| CredentialsError::not_found(&self.passed_over))
    }

    fn is_good(&self, now: Now) -> bool {
        self.current.is_some() && self.refresh.is_good(now)
    }

    /// Why the last look failed, while nobody is asked again, and for how long that is.
    fn held_back(&self, now: Now) -> Option<CredentialsError> {
        let (wait, error) = self.refresh.wait(now).zip(self.error.as_ref())?;
        Some(error.clone().with_retry_after(wait))
    }

    /// Once: takes what an earlier process left.
    fn begin(&mut self, now: Now) {
        if std::mem::replace(&mut self.began, true) {
            return;
        }
        let Some(cache) = self.cache.as_ref().filter(|_| self.leftovers != Leftovers::Nothing) else { return };
        match cache.read(&self.options.http.clock) {
            Ok(Some(Entry { left, source, what: Cached::Credentials { credentials, outlive } })) => {
                let Some(source) = NAMES.into_iter().chain(ORDER.map(Source::name)).find(|name| *name == source) else { return };
                let expires = Some(Deadline(now.mono + left));
                self.options.log.debug(format_args!("credentials: those of an earlier process are good"));
                self.take(now, Current { source, found: Found { credentials, expires, outlive, cacheable: false } });
            }
            Ok(Some(Entry { what: Cached::Absent { .. }, .. })) if self.leftovers == Leftovers::Keys => {}
            Ok(Some(Entry { left, source, what: Cached::Absent { why } })) => {
                let source = ORDER.into_iter().find(|known| known.name() == source);
                self.absent = source.map(|source| Absent { source, why, until: Deadline(now.mono + left) });
            }
            Ok(None) => {}
            Err(why) => self.options.log.debug(format_args!("credentials: none of an earlier process: {why}")),
        }
    }

    /// Asks, and keeps what that gives.
    fn look(&mut self, now: Now) -> Result<(), CredentialsError> {
        let clock = self.options.http.clock;
        let (began, absent_until) = (clock.now().mono, self.absent.as_ref().map(|absent| absent.until));
        let looked = self.find(now);
        self.asking.set(None);
        let took = clock.now().mono.saturating_sub(began);
        let now = Now { mono: now.mono + took, wall: now.wall + took };
        match looked {
            Ok(current) => {
                if current.found.cacheable
                    && let Some(expires) = current.found.expires
                {
                    let what = Cached::Credentials { credentials: current.found.credentials.clone(), outlive: current.found.outlive };
                    self.remember(&Entry { left: expires.left(now), source: current.source.into(), what });
                }
                self.take(now, current);
                Ok(())
            }
            Err(error) => {
                if let Some(absent) = self.absent.as_ref().filter(|absent| Some(absent.until) != absent_until) {
                    let what = Cached::Absent { why: absent.why.clone() };
                    self.remember(&Entry { left: absent.until.left(now), source: absent.source.name().into(), what });
                }
                self.note_failure(now, &error);
                Err(error)
            }
        }
    }

    fn take(&mut self, now: Now, current: Current) {
        let log = &self.options.log;
        self.refresh.found(now, current.found.expires, current.found.outlive, &mut self.random);
        self.error = None;
        if std::mem::take(&mut self.failing) {
            log.info(format_args!("credentials: renewed again by {}", current.source));
        }
        let id = |current: &Current| (current.source, current.found.credentials.access_key_id().to_owned());
        if self.current.as_ref().map(id) != Some(id(&current)) {
            match self.refresh.expires() {
                Some(expires) => log.info(format_args!("credentials: {}, until {}", current.source, Utc(now.wall + expires.left(now)))),
                None => log.info(format_args!("credentials: {}, which do not expire", current.source)),
            }
            if self.current.is_none() {
                cache::warn_of_open_files(&self.options.config, &self.options.environment, current.source, log);
            }
        }
        self.current = Some(current);
    }

    fn note_failure(&mut self, now: Now, error: &CredentialsError) {
        let left = self.refresh.failed(now, self.current.is_some(), error.retry_after, &mut self.random);
        // To look into files costs nothing: what is missing there is seen as soon as it is there.
        self.error = Some(error).filter(|error| error.class != Class::NoCredentials).cloned();
        let until = self.refresh.expires().map_or(String::new(), |expires| format!(" until {}", Utc(now.wall + expires.left(now))));
        let kept = match left {
            Left::Good => format!("those at hand are used{until}"),
            Left::Extended => format!("those at hand have expired and are used on{until}, which their source allows"),
            // Whoever asked for them says it.
            Left::Nothing => return,
        };
        let log = &self.options.log;
        if std::mem::replace(&mut self.failing, true) {
            log.debug(format_args!("credentials cannot be renewed: {error}; {kept}"));
        } else {
            log.warn(format_args!("credentials cannot be renewed: {error}; {kept}, trying again"));
        }
    }

    /// Leaves it for the next process.
    fn remember(&mut self, entry: &Entry) {
        let Some(cache) = &self.cache else { return };
        if let Err(why) = cache.write(entry, &self.options.http.clock) {
            self.options.log.warn(format_args!("credentials are not kept for the next process: {why}"));
            // Once is enough.
            self.cache = None;
        }
    }

    fn find(&mut self, now: Now) -> Result<Current, CredentialsError> {
        self.passed_over.clear();
        let ChainOptions { config, environment, region, http, log } = &self.options;
        let mut context = Context { config, environment, region, http, log, random: &mut self.random, iot: &mut self.iot, asking: &self.asking, now };
        let mut steps = Steps { passed_over: &mut self.passed_over, absent: &mut self.absent, at_hand: self.current.is_some() };
        let Some(arn) = &config.role_arn else { return steps.base(&mut context) };
        let role = Role { arn: arn.clone(), session_name: config.role_session_name.clone(), external_id: config.external_id.clone(), duration: None };
        if let Some(file) = &config.web_identity_token_file {
            let found = web_identity::exchange(&mut context, &role, file)?;
            return Ok(Current { source: WEB_IDENTITY, found });
        }
        let source = steps.base(&mut context)?;
        let found = assume_role::assume(&mut context, &source.found.credentials, &role)?;
        Ok(Current { source: ASSUMED_ROLE, found })
    }
}

/// One walk through the sources.
struct Steps<'a> {
    passed_over: &'a mut Vec<PassedOver>,
    absent: &'a mut Option<Absent>,
    /// There are keys of an earlier walk.
    at_hand: bool,
}

impl Steps<'_> {
    /// What holds without a role.
    fn base(&mut self, context: &mut Context<'_>) -> Result<Current, CredentialsError> {
        if let Some(config) = &context.config.iot {
            return Ok(Current { source: IOT, found: iot::load(context, config)? });
        }
        for source in ORDER {
            let why = match self.load_unless_absent(source, context)? {
                Loaded::Found(found) => {
                    context.log.debug(format_args!("credentials: found by {}", source.name()));
                    return Ok(Current { source: source.name(), found });
                }
                Loaded::PassedOver(why) | Loaded::Absent(why) => why,
            };
            context.log.debug(format_args!("credentials: {} passed over: {why}", source.name()));
            self.passed_over.push(PassedOver { name: source.name(), why });
        }
        Err(CredentialsError::not_found(self.passed_over))
    }

    fn load_unless_absent(&mut self, source: Source, context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
        if let Some(known) = self.absent.as_ref().filter(|known| known.source == source && !known.until.passed(context.now)) {
            return Ok(Loaded::PassedOver(known.why.clone()));
        }
        let loaded = source.load(context)?;
        if let Loaded::Absent(why) = &loaded {
            // The sources before it gave nothing, so that what is at hand is most likely its own.
            if self.at_hand {
                return Err(CredentialsError::unavailable("no_answer", format!("{}: {why}", source.name())));
            }
            *self.absent = Some(Absent { source, why: why.clone(), until: Deadline(context.now.mono + ABSENT_FOR) });
        }
        Ok(loaded)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("source", &self.source()).finish_non_exhaustive()
    }
}
