//! `AssumeRoleWithWebIdentity`: credentials by an OpenID Connect token, which is read anew each time.

use std::path::Path;

use super::assume_role::Role;
use super::{Context, CredentialsError, Found, Loaded};

/// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
pub(super) fn load_environment(_context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    Ok(Loaded::PassedOver("AWS_WEB_IDENTITY_TOKEN_FILE is not set".into()))
}

/// Asks STS, unsigned.
pub(super) fn exchange(_context: &mut Context<'_>, _role: &Role, _token_file: &Path) -> Result<Found, CredentialsError> {
    Err(CredentialsError::broken("web_identity_token_file is not built yet"))
}
