//! `AssumeRoleWithWebIdentity`: credentials by an OpenID Connect token, which is read anew each time.

use std::path::Path;

use super::assume_role::Role;
use super::sts::{self, Proof};
use super::{Context, CredentialsError, Found, Loaded, secret_file};
use crate::config::environment::find_path;

/// Bytes of a token. Source: STS API reference.
const TOKEN_SIZE_MAX: usize = 20_000;
/// Bytes of its file: blanks around it are no part of it.
const FILE_SIZE_MAX: usize = TOKEN_SIZE_MAX + 1024;

/// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
pub(super) fn load_environment(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    let get = |name| context.environment.get(name).map(|value| value.trim().to_owned());
    let Some(file) = get("AWS_WEB_IDENTITY_TOKEN_FILE") else { return Ok(Loaded::PassedOver("AWS_WEB_IDENTITY_TOKEN_FILE is not set".into())) };
    let missing = "environment: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is missing";
    let arn = get("AWS_ROLE_ARN").ok_or_else(|| CredentialsError::broken(missing))?;
    let role = Role { arn, session_name: get("AWS_ROLE_SESSION_NAME"), external_id: None, duration: None };
    exchange(context, &role, Path::new(&file)).map(Loaded::Found)
}

/// Asks STS, unsigned.
pub(super) fn exchange(context: &mut Context<'_>, role: &Role, token_file: &Path) -> Result<Found, CredentialsError> {
    let path = find_path(token_file, context.environment)
        .map_err(|why| CredentialsError::broken(format!("web identity token file {}: {why}", token_file.display())))?;
    let wrong = |what: String| CredentialsError::broken(format!("web identity token file {}: {what}", path.display()));
    let read = secret_file::read(&path, FILE_SIZE_MAX);
    let (bytes, _) = read.map_err(|error| wrong(format!("cannot be read: {error}; the token must be there, for the user that runs kinegraf")))?;
    let token = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let what = match token.len() {
        _ if bytes.len() > FILE_SIZE_MAX || token.len() > TOKEN_SIZE_MAX => format!("more than {TOKEN_SIZE_MAX} bytes, which no token has"),
        _ if bytes.trim_ascii().is_empty() => "is empty, must hold the token that an identity provider issued".into(),
        _ if !bytes.trim_ascii().iter().all(u8::is_ascii_graphic) => "has a space, a control character or a letter beyond ASCII in it".into(),
        _ => return sts::ask(context, role, &Proof::Token(token, &path)),
    };
    Err(wrong(what))
}
