//! The AWS IoT credential provider: the certificate that a device has for MQTT gives it the credentials of a role.

use super::{Context, CredentialsError, Found};
use crate::config::IotConfig;

/// Asks the credential provider.
pub(super) fn load(_context: &mut Context<'_>, _config: &IotConfig) -> Result<Found, CredentialsError> {
    Err(CredentialsError::broken("[credentials.iot] is not built yet"))
}
