//! Where a profile's credentials come from: one source, then roles, each assumed with the credentials of the step before.
//!
//! | a profile with | is |
//! |---|---|
//! | `role_arn` and `source_profile` | a role, assumed with what that profile gives; its own name there means its own keys |
//! | `role_arn` and `credential_source` | a role, assumed with what `Environment`, `Ec2InstanceMetadata` or `EcsContainer` gives |
//! | `role_arn` and `web_identity_token_file` | the source: a role, by a token |
//! | `credential_process` | the source: a program |
//! | `aws_access_key_id` and `aws_secret_access_key` | the source; as a source profile even with a role beside them |
//!
//! What needs a person (`mfa_serial`, single sign-on, `login_session`) is refused in words that say what to do instead.

use std::fmt;
use std::time::Duration;

use super::{Profile, Property, SharedConfig};
use crate::aws::message;
use crate::limits::ROLES_MAX;

/// Bytes of a name in an error.
const NAME_SHOWN_MAX: usize = 100;
/// Properties of IAM Identity Center.
const SSO: [&str; 4] = ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"];
/// Seconds that a role's session may last. Source: STS API reference, `AssumeRole`.
const DURATION_S: std::ops::RangeInclusive<u64> = 900..=43_200;

/// Where credentials come from.
pub struct Plan<'a> {
    /// The first step.
    pub base: Base<'a>,
    /// The roles to assume, in this order.
    pub roles: Vec<RoleStep>,
}

/// The first step of a [`Plan`].
pub enum Base<'a> {
    /// The keys of this profile, both of them there.
    Keys {
        /// Its name.
        profile: String,
        /// `aws_access_key_id`.
        id: &'a str,
        /// `aws_secret_access_key`.
        secret: &'a str,
        /// `aws_session_token`.
        token: Option<&'a str>,
    },
    /// The keys of the environment.
    Environment,
    /// The role of the EC2 instance.
    Ec2InstanceMetadata,
    /// The role of the container.
    EcsContainer,
    /// A role by a token.
    WebIdentity {
        /// The role.
        role: RoleStep,
        /// The token's file, as written.
        token_file: &'a str,
    },
    /// What a program writes.
    Process {
        /// The profile that names it.
        profile: String,
        /// The command, as written, and where that is.
        command: &'a Property,
    },
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleStep {
    /// The profile that names it.
    pub profile: String,
    /// `role_arn`.
    pub arn: String,
    /// `role_session_name`.
    pub session_name: Option<String>,
    /// `external_id`.
    pub external_id: Option<String>,
    /// `duration_seconds`.
    pub duration: Option<Duration>,
}

/// Why there is no plan. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The profile itself does not exist.
    NotFound,
    /// The profile itself says nothing about credentials; a region, perhaps.
    NothingSaid,
    /// What it says cannot be followed.
    Wrong(String),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::NotFound => f.write_str("not found"),
            PlanError::NothingSaid => f.write_str("has neither keys nor role_arn nor credential_process"),
            PlanError::Wrong(text) => f.write_str(text),
        }
    }
}

/// The plan of the profile `name`.
///
/// # Errors
/// See [`PlanError`].
pub fn plan<'a>(shared: &'a SharedConfig, name: &str) -> Result<Plan<'a>, PlanError> {
    let mut visited = vec![name];
    let mut step = Step { shared, name, profile: shared.profile(name).ok_or(PlanError::NotFound)? };
    let mut roles = Vec::new();
    let base = loop {
        // A source's own keys are meant; a role beside them is for others.
        if visited.len() > 1 && step.has_keys() {
            break step.keys()?;
        }
        let Some(role) = step.role()? else { break step.base(visited.len() == 1)? };
        if roles.len() == ROLES_MAX {
            return Err(step.wrong(step.get("role_arn"), &format!("more than {ROLES_MAX} roles in a row")));
        }
        roles.push(role);
        match step.source()? {
            Source::Itself => break step.own_base()?,
            Source::Base(base) => break base,
            Source::Profile(property) => {
                let name = property.value().trim();
                let Some(profile) = shared.profile(name) else {
                    return Err(step.wrong(Some(property), &format!("source_profile '{}' does not exist", shown(name))));
                };
                if visited.contains(&name) {
                    return Err(step.wrong(Some(property), &format!("source_profile '{}' leads back here, for ever", shown(name))));
                }
                visited.push(name);
                step = Step { shared, name, profile };
            }
        }
    };
    roles.reverse();
    Ok(Plan { base, roles })
}

/// What a role is assumed with.
enum Source<'a> {
    Itself,
    Profile(&'a Property),
    Base(Base<'a>),
}

/// One profile of the chain.
struct Step<'a, 'n> {
    shared: &'a SharedConfig,
    name: &'n str,
    profile: &'a Profile,
}

impl<'a> Step<'a, '_> {
    fn wrong(&self, property: Option<&Property>, what: &str) -> PlanError {
        let place = property.map_or(String::new(), |property| format!("{}: ", self.shared.place_of(property)));
        PlanError::Wrong(format!("{place}profile '{}': {what}", shown(self.name)))
    }

    fn get(&self, name: &str) -> Option<&'a Property> {
        self.profile.get(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|property| property.value().trim().to_owned())
    }

    /// The role to assume; none for a profile that is a source.
    fn role(&self) -> Result<Option<RoleStep>, PlanError> {
        if self.get("web_identity_token_file").is_some() {
            return Ok(None);
        }
        let Some(role) = self.role_step()? else { return Ok(None) };
        match self.get("mfa_serial") {
            Some(property) => Err(self.wrong(
                Some(property),
                "mfa_serial asks for a code that a person types: use a role whose trust policy asks for none, or credential_process",
            )),
            None => Ok(Some(role)),
        }
    }

    fn role_step(&self) -> Result<Option<RoleStep>, PlanError> {
        let Some(arn) = self.text("role_arn") else { return Ok(None) };
        let duration = match self.get("duration_seconds") {
            None => None,
            Some(property) => {
                let seconds = property.value().trim().parse().ok().filter(|seconds| DURATION_S.contains(seconds));
                let wrong = || self.wrong(Some(property), "duration_seconds must be a whole number from 900 to 43200");
                Some(Duration::from_secs(seconds.ok_or_else(wrong)?))
            }
        };
        let (session_name, external_id) = (self.text("role_session_name"), self.text("external_id"));
        Ok(Some(RoleStep { profile: self.name.to_owned(), arn, session_name, external_id, duration }))
    }

    /// What the role is assumed with: exactly one of both.
    fn source(&self) -> Result<Source<'a>, PlanError> {
        match (self.get("source_profile"), self.get("credential_source")) {
            (Some(property), None) if property.value().trim() == self.name => Ok(Source::Itself),
            (Some(property), None) => Ok(Source::Profile(property)),
            (None, Some(property)) => self.credential_source(property).map(Source::Base),
            (Some(_), Some(property)) => Err(self.wrong(Some(property), "source_profile and credential_source exclude each other, give one of them")),
            (None, None) => Err(self.wrong(self.get("role_arn"), "role_arn needs source_profile, credential_source or web_identity_token_file")),
        }
    }

    fn credential_source(&self, property: &'a Property) -> Result<Base<'a>, PlanError> {
        match property.value().trim().to_ascii_lowercase().as_str() {
            "environment" => Ok(Base::Environment),
            "ec2instancemetadata" => Ok(Base::Ec2InstanceMetadata),
            "ecscontainer" => Ok(Base::EcsContainer),
            _ => Err(self.wrong(Some(property), "credential_source must be Environment, Ec2InstanceMetadata or EcsContainer")),
        }
    }

    /// What a profile without a role to assume gives. `is_first`: it is the one that was asked for.
    fn base(&self, is_first: bool) -> Result<Base<'a>, PlanError> {
        if let Some(property) = self.get("credential_source") {
            return self.credential_source(property);
        }
        if let Some(token_file) = self.get("web_identity_token_file") {
            let role = self.role_step()?.ok_or_else(|| self.wrong(Some(token_file), "web_identity_token_file needs role_arn"))?;
            return Ok(Base::WebIdentity { role, token_file: token_file.value().trim() });
        }
        let person = SSO.into_iter().chain(["login_session"]).find_map(|name| Some((name, self.get(name)?)));
        if let Some((name, property)) = person {
            let what = format!(
                "{name} needs a person who signs in: use keys, role_arn or credential_process, which may be \
                 aws configure export-credentials --profile {} where somebody does sign in",
                shown(self.name)
            );
            return Err(self.wrong(Some(property), &what));
        }
        match (self.own_base(), is_first, self.get("source_profile")) {
            (Err(PlanError::NothingSaid), _, Some(property)) => Err(self.wrong(Some(property), "source_profile needs role_arn")),
            (Err(PlanError::NothingSaid), false, None) => Err(self.wrong(None, &format!("{}, and is a source_profile", PlanError::NothingSaid))),
            (found, ..) => found,
        }
    }

    /// What stands in the profile itself.
    fn own_base(&self) -> Result<Base<'a>, PlanError> {
        match self.get("credential_process") {
            Some(command) => Ok(Base::Process { profile: self.name.to_owned(), command }),
            None => self.keys(),
        }
    }

    fn has_keys(&self) -> bool {
        self.get("aws_access_key_id").is_some() || self.get("aws_secret_access_key").is_some()
    }

    fn keys(&self) -> Result<Base<'a>, PlanError> {
        let half = |there, set: &str, missing: &str| Err(self.wrong(Some(there), &format!("{set} is set but {missing} is missing")));
        match (self.get("aws_access_key_id"), self.get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                let token = self.get("aws_session_token").or_else(|| self.get("aws_security_token")).map(Property::value);
                Ok(Base::Keys { profile: self.name.to_owned(), id: id.value(), secret: secret.value(), token })
            }
            (Some(id), None) => half(id, "aws_access_key_id", "aws_secret_access_key"),
            (None, Some(secret)) => half(secret, "aws_secret_access_key", "aws_access_key_id"),
            (None, None) if self.get("role_arn").is_some() => {
                Err(self.wrong(self.get("source_profile"), "source_profile names itself, but has no keys"))
            }
            (None, None) => Err(PlanError::NothingSaid),
        }
    }
}

fn shown(name: &str) -> String {
    message::fit(name, NAME_SHOWN_MAX)
}
