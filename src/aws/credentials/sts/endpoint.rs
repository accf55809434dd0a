//! Which STS is asked, and for which region the request is signed.
//!
//! `endpoint_url` of the configuration is Kinesis's and says nothing about STS.

use crate::aws::credentials::{Context, CredentialsError, profile};
use crate::aws::partition;
use crate::kinesis::endpoint;

/// Stands for "wherever", in AWS's own tools.
const GLOBAL: &str = "aws-global";
const GLOBAL_URL: &str = "https://sts.amazonaws.com/";
const GLOBAL_REGION: &str = "us-east-1";

/// Regions whose STS `AWS_STS_REGIONAL_ENDPOINTS=legacy` does not use. Source: botocore, `LEGACY_GLOBAL_STS_REGIONS`.
const LEGACY_REGIONS: [&str; 15] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Where, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Checked, with a slash at its end.
    pub(super) url: String,
    /// The region that is signed.
    pub(super) region: String,
}

/// The address that somebody configured, else that of the stream's region.
pub(super) fn of(context: &Context<'_>) -> Result<Endpoint, CredentialsError> {
    let global = context.region == GLOBAL;
    let region = if global { GLOBAL_REGION } else { context.region };
    let endpoint = |url: String, region: &str| Ok(Endpoint { url, region: region.to_owned() });
    if let Some((url, named_by)) = profile::sts_endpoint(context) {
        let wrong = |what: &dyn std::fmt::Display| CredentialsError::broken(format!("{named_by} {what}"));
        let url = endpoint::check_url(url.trim()).map_err(|error| wrong(&error))?;
        if endpoint::is_exposed(&url) && !context.config.allow_plain_http {
            return Err(wrong(&"is plain http to another host, must be https unless network.allow_plain_http is true"));
        }
        return endpoint(url, region);
    }
    if global || (is_legacy(context)? && LEGACY_REGIONS.contains(&region)) {
        return endpoint(GLOBAL_URL.to_owned(), GLOBAL_REGION);
    }
    if !endpoint::is_aws_region(region) {
        return Err(CredentialsError::broken(format!("the region is \"{region}\", where AWS has no STS: set AWS_ENDPOINT_URL_STS")));
    }
    endpoint(partition::url_of("sts", region), region)
}

fn is_legacy(context: &Context<'_>) -> Result<bool, CredentialsError> {
    match context.environment.get("AWS_STS_REGIONAL_ENDPOINTS").map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None | Some("regional") => Ok(false),
        Some("legacy") => Ok(true),
        Some(_) => Err(CredentialsError::broken("AWS_STS_REGIONAL_ENDPOINTS must be regional or legacy")),
    }
}
