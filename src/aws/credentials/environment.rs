//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; as older SDKs do, also `SECRET_ACCESS_KEY` and `AWS_SECURITY_TOKEN`.

use super::{Context, CredentialsError, Found, Loaded, StaticKeys};

pub(super) fn load(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    let get = |name: &str| context.environment.get(name).filter(|value| !value.trim().is_empty());
    let id = get("AWS_ACCESS_KEY_ID");
    // The old name counts only beside an id: by itself it may be anybody's.
    let secret = get("AWS_SECRET_ACCESS_KEY").or_else(|| id.as_ref().and_then(|_| get("SECRET_ACCESS_KEY")));
    let token = get("AWS_SESSION_TOKEN").or_else(|| get("AWS_SECURITY_TOKEN"));
    let keys = StaticKeys { place: "environment", names: ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), id, secret, token };
    let found = keys.complete("environment")?;
    Ok(found.map_or_else(|| Loaded::PassedOver("AWS_ACCESS_KEY_ID is not set".into()), |keys| Loaded::Found(Found::keys(keys))))
}
