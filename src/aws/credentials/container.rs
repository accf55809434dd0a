//! The container endpoint: ECS, EKS pod identity, Greengrass's token exchange.

use super::{Context, CredentialsError, Loaded};

/// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
pub(super) fn load(_context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    Ok(Loaded::PassedOver("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set".into()))
}
