//! `AssumeRole`: other credentials, by those that are there.

use std::time::Duration;

use aws_credential_types::Credentials;

use super::sts::{self, Proof};
use super::{Context, CredentialsError, Found};

/// A role to assume.
pub(super) struct Role {
    pub(super) arn: String,
    /// Seen in CloudTrail; left out, it names this device.
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    /// How long the session lasts; left out, the service's default of an hour.
    pub(super) duration: Option<Duration>,
}

/// Asks STS, signing with `source`.
pub(super) fn assume(context: &mut Context<'_>, source: &Credentials, role: &Role) -> Result<Found, CredentialsError> {
    sts::ask(context, role, &Proof::Keys(source))
}
