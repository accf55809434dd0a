//! Keys written in the configuration: `access_key`, `secret_key`, `token`.

use super::{Context, CredentialsError, Found, Loaded, StaticKeys};

pub(super) fn load(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    let Some((id, secret)) = &context.config.keys else { return Ok(Loaded::PassedOver("access_key and secret_key are not set".into())) };
    let keys = StaticKeys {
        place: "configuration",
        names: ("access_key", "secret_key"),
        id: Some(id.clone()),
        secret: Some(secret.reveal().to_owned()),
        token: context.config.token.as_ref().map(|token| token.reveal().to_owned()),
    };
    let found = keys.complete("configuration")?;
    Ok(found.map_or_else(|| Loaded::PassedOver("access_key and secret_key are blank".into()), |keys| Loaded::Found(Found::keys(keys))))
}
