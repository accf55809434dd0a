//! A profile of the shared files: reads them, follows the plan that `shared_config` makes of the profile, and asks the providers that it names.
//!
//! What both files say of one profile is merged, the credentials file wins. A profile that cannot be followed is an error, never passed over: going on would use
//! keys that nobody meant.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::assume_role::{self, Role};
use super::{Context, CredentialsError, Found, Loaded, StaticKeys, container, environment, imds, process, web_identity};
use crate::aws::message;
use crate::aws::shared_config::{self, Base, FileKind, Origin, Plan, PlanError, RoleStep, Service, SharedConfig};
use crate::config::environment::expand_path;
use crate::limits::FILE_SIZE_MAX;

/// Bytes of a profile's name in an error.
const NAME_SHOWN_MAX: usize = 100;

/// The profile that a flag or the configuration names.
pub(super) fn load_named(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    match context.config.profile.clone() {
        Some(name) if !name.trim().is_empty() => load(context, name.trim(), Some("profile")),
        _ => Ok(Loaded::PassedOver("profile is not set".into())),
    }
}

/// The profile that `AWS_PROFILE` names, or `default`.
pub(super) fn load_default(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    match context.environment.get("AWS_PROFILE") {
        Some(name) => load(context, name.trim(), Some("AWS_PROFILE")),
        None => load(context, "default", None),
    }
}

/// The address of STS, when a variable or the profile says one, and who says it. A shared file that cannot be read says nothing: what needs it will tell.
pub(super) fn sts_endpoint(context: &Context<'_>) -> Option<(String, Origin)> {
    let mut shared = SharedConfig::default();
    for file in shared_config::locate(context.config.shared_credential_file.as_deref(), context.environment) {
        drop(file.path.map(|path| add(&mut shared, file.kind, &path)));
    }
    let profile = shared_config::profile_name(context.config.profile.as_deref(), context.environment);
    shared_config::endpoint_url(Service::Sts, context.environment, &shared, &profile)
}

/// `named_by`: what asked for just this one, so that its absence is an error.
fn load(context: &mut Context<'_>, name: &str, named_by: Option<&str>) -> Result<Loaded, CredentialsError> {
    let (mut shared, mut searched) = (SharedConfig::default(), Vec::new());
    for file in shared_config::locate(context.config.shared_credential_file.as_deref(), context.environment) {
        searched.push(match &file.path {
            Ok(path) if add(&mut shared, file.kind, path)? => format!("not in {}", path.display()),
            Ok(path) => format!("{} does not exist", path.display()),
            Err(why) => format!("no {} ({why})", file.what),
        });
    }
    let (searched, shown) = (searched.join(", "), message::fit(name, NAME_SHOWN_MAX));
    match (shared_config::plan(&shared, name), named_by) {
        (Ok(plan), _) => follow(context, &shared, plan).map(Loaded::Found),
        (Err(PlanError::NotFound), None) => Ok(Loaded::PassedOver(format!("not found: {searched}"))),
        (Err(PlanError::NotFound), Some(by)) => Err(CredentialsError::broken(format!("profile '{shown}' (named by {by}) not found: {searched}"))),
        (Err(PlanError::NothingSaid), None) => Ok(Loaded::PassedOver(PlanError::NothingSaid.to_string())),
        (Err(PlanError::NothingSaid), Some(_)) => Err(CredentialsError::broken(format!("profile '{shown}' {}", PlanError::NothingSaid))),
        (Err(PlanError::Wrong(text)), _) => Err(CredentialsError::broken(text)),
    }
}

/// From the source through the roles; what is found expires as the last of them says.
fn follow(context: &mut Context<'_>, shared: &SharedConfig, plan: Plan<'_>) -> Result<Found, CredentialsError> {
    let named = |loaded: Loaded, source: &str| match loaded {
        Loaded::Found(found) => Ok(found),
        Loaded::PassedOver(why) => Err(CredentialsError::broken(format!("credential_source = {source}: {why}"))),
        // A person has named it: it is asked again.
        Loaded::Absent(why) => Err(CredentialsError::unavailable("no_answer", format!("credential_source = {source}: {why}"))),
    };
    let mut found = match plan.base {
        Base::Keys { profile, id, secret, token } => {
            let place = format!("profile '{}'", message::fit(&profile, NAME_SHOWN_MAX));
            let text = |text: &str| Some(text.to_owned());
            let names = ("aws_access_key_id", "aws_secret_access_key");
            let keys = StaticKeys { place: &place, names, id: text(id), secret: text(secret), token: token.and_then(text) };
            Found::keys(keys.complete("profile")?.ok_or_else(|| CredentialsError::broken(format!("{place} {}", PlanError::NothingSaid)))?)
        }
        Base::Environment => named(environment::load(context)?, "Environment")?,
        Base::Ec2InstanceMetadata => named(imds::load(context)?, "Ec2InstanceMetadata")?,
        Base::EcsContainer => named(container::load(context)?, "EcsContainer")?,
        Base::WebIdentity { role, token_file } => {
            let token_file = expand_path(token_file, context.environment);
            web_identity::exchange(context, &to_assume(role), &token_file)?
        }
        Base::Process { profile, command } => process::load(context, shared, &message::fit(&profile, NAME_SHOWN_MAX), command)?,
    };
    for role in plan.roles {
        context.log.debug(format_args!("credentials: assuming the role of profile '{}'", message::fit(&role.profile, NAME_SHOWN_MAX)));
        found = assume_role::assume(context, &found.credentials, &to_assume(role))?;
    }
    Ok(found)
}

fn to_assume(step: RoleStep) -> Role {
    Role { arn: step.arn, session_name: step.session_name, external_id: step.external_id, duration: step.duration }
}

/// Takes in a file; false when there is none.
fn add(shared: &mut SharedConfig, kind: FileKind, path: &Path) -> Result<bool, CredentialsError> {
    let Some(text) = read(path)? else { return Ok(false) };
    shared.add(kind, path, &text).map_err(|error| CredentialsError::broken(error.to_string()))?;
    Ok(true)
}

/// The text of a file that exists.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, CredentialsError> {
    let wrong = |what: &str| CredentialsError::broken(format!("{}: {what}", path.display()));
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| {
        // All at once, so that no part of a secret stays where a buffer was before it grew.
        bytes.reserve_exact(usize::try_from(file.metadata()?.len().min(FILE_SIZE_MAX)).unwrap_or_default() + 1);
        file.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes)
    });
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot read this file: {error}"))),
        Ok(size) if size as u64 > FILE_SIZE_MAX => return Err(wrong(&format!("more than {FILE_SIZE_MAX} bytes"))),
        Ok(_) => {}
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
        Err(_) => Err(wrong("not UTF-8")),
    }
}
