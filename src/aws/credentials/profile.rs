//! Static keys of a profile in the shared files `~/.aws/credentials` and `~/.aws/config`; what both say of one profile is merged, the credentials file wins.
//!
//! A profile that needs more than reading (a role, single sign-on, a process) is an error that says so, never passed over: its keys, if any, are not its identity.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::shared_file::{Kind, Profile, read_profile};
use super::{Context, CredentialsError, Found, Loaded, StaticKeys};
use crate::aws::message;
use crate::limits::FILE_SIZE_MAX;

/// Properties that give credentials in ways that are not built yet, of which the first is also an identity of its own beside static keys.
const LATER: [&str; 9] = [
    "role_arn",
    "web_identity_token_file",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "source_profile",
    "credential_source",
    "login_session",
];
/// Bytes of a profile's name in an error.
const NAME_SHOWN_MAX: usize = 100;

/// The profile that a flag or the configuration names.
pub(super) fn load_named(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    match &context.config.profile {
        Some(name) if !name.trim().is_empty() => load(context, name.trim(), Some("profile")),
        _ => Ok(Loaded::PassedOver("profile is not set".into())),
    }
}

/// The profile that `AWS_PROFILE` names, or `default`.
pub(super) fn load_default(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    match context.environment.get("AWS_PROFILE") {
        Some(name) if !name.trim().is_empty() => load(context, name.trim(), Some("AWS_PROFILE")),
        _ => load(context, "default", None),
    }
}

/// `named_by`: what asked for just this one, so that its absence is an error.
fn load(context: &Context<'_>, name: &str, named_by: Option<&str>) -> Result<Loaded, CredentialsError> {
    let shown = message::fit(name, NAME_SHOWN_MAX);
    let (mut profile, mut searched) = (None::<Profile>, Vec::new());
    for file in locate(context) {
        let path = match &file.path {
            Ok(path) => path,
            Err(why) => {
                searched.push(format!("no {} ({why})", file.what));
                continue;
            }
        };
        let Some(text) = read(path)? else {
            searched.push(format!("{} does not exist", path.display()));
            continue;
        };
        let found = read_profile(&text, file.kind, name)
            .map_err(|error| CredentialsError::broken(format!("{}:{}: {}", path.display(), error.line, error.what)))?;
        if found.is_none() {
            searched.push(format!("not in {}", path.display()));
        }
        for (key, value) in found.into_iter().flatten() {
            // The credentials file comes first and wins.
            profile.get_or_insert_default().entry(key).or_insert(value);
        }
    }
    let searched = searched.join(", ");
    match (profile, named_by) {
        (Some(profile), _) => keys_of(profile, &shown, named_by),
        (None, Some(named_by)) => Err(CredentialsError::broken(format!("profile '{shown}' (named by {named_by}) not found: {searched}"))),
        (None, None) => Ok(Loaded::PassedOver(format!("not found: {searched}"))),
    }
}

fn keys_of(mut profile: Profile, shown: &str, named_by: Option<&str>) -> Result<Loaded, CredentialsError> {
    profile.retain(|_, value| !value.is_empty());
    let later = |key: &str| {
        let words = "comes with a later version; name a profile with aws_access_key_id and aws_secret_access_key";
        CredentialsError::broken(format!("profile '{shown}': {key} {words}"))
    };
    // A role beside static keys would be assumed with them: signing with the keys themselves would be somebody else.
    if profile.contains_key("role_arn") {
        return Err(later("role_arn"));
    }
    let place = format!("profile '{shown}'");
    let unsupported = LATER.iter().find(|key| profile.contains_key(**key));
    let keys = StaticKeys {
        place: &place,
        names: ("aws_access_key_id", "aws_secret_access_key"),
        id: profile.remove("aws_access_key_id"),
        secret: profile.remove("aws_secret_access_key"),
        token: profile.remove("aws_session_token").or_else(|| profile.remove("aws_security_token")),
    };
    match (keys.complete("profile")?, unsupported, named_by) {
        (Some(credentials), _, _) => Ok(Loaded::Found(Found::keys(credentials))),
        (None, Some(key), _) => Err(later(key)),
        (None, None, Some(_)) => Err(CredentialsError::broken(format!("{place} has neither aws_access_key_id nor aws_secret_access_key"))),
        (None, None, None) => Ok(Loaded::PassedOver("has neither aws_access_key_id nor aws_secret_access_key".into())),
    }
}

/// One of the two files, or why there is no path to it.
struct SharedFile {
    what: &'static str,
    kind: Kind,
    path: Result<PathBuf, &'static str>,
}

fn locate(context: &Context<'_>) -> [SharedFile; 2] {
    let get = |name: &str| context.environment.get(name).filter(|value| !value.trim().is_empty());
    let home = get("HOME").map(PathBuf::from);
    let at_home = |name: &str| home.as_ref().map(|home| home.join(".aws").join(name)).ok_or("HOME is not set");
    let expanded = |path: String| match (path.strip_prefix("~/"), &home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    let credentials = context.config.shared_credential_file.clone().or_else(|| get("AWS_SHARED_CREDENTIALS_FILE").map(expanded));
    let config = get("AWS_CONFIG_FILE").map(expanded);
    [
        SharedFile { what: "credentials file", kind: Kind::Credentials, path: credentials.map_or_else(|| at_home("credentials"), Ok) },
        SharedFile { what: "config file", kind: Kind::Config, path: config.map_or_else(|| at_home("config"), Ok) },
    ]
}

/// The text of a file that exists.
fn read(path: &Path) -> Result<Option<String>, CredentialsError> {
    let wrong = |what: &str| CredentialsError::broken(format!("{}: {what}", path.display()));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot read this file: {error}"))),
        Ok(size) if size as u64 > FILE_SIZE_MAX => return Err(wrong(&format!("more than {FILE_SIZE_MAX} bytes"))),
        Ok(_) => {}
    }
    String::from_utf8(bytes).map(Some).map_err(|_| wrong("not UTF-8"))
}
