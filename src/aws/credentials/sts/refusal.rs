//! What a refusal of STS means: the class that decides what happens next, and what a person can do.

use super::Proof;
use crate::aws::credentials::CredentialsError;
use crate::aws::message;
use crate::kinesis::outcome::{Class, Failure};

/// Bytes of a path in a hint.
const PATH_SHOWN_MAX: usize = 60;

/// `who` answered with `failure`.
pub(super) fn of(who: &str, proof: &Proof<'_>, failure: Failure) -> CredentialsError {
    let class = class_of(&failure);
    // The hint comes before the service's words: those are cut first.
    let who = hint(&failure.code, proof).map_or_else(|| who.to_owned(), |hint| format!("{who} ({hint})"));
    CredentialsError::refused(&who, Failure { class, ..failure })
}

fn class_of(failure: &Failure) -> Class {
    match failure.code.as_str() {
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => Class::Credentials,
        "IDPRejectedClaim" | "IDPRejectedClaimException" => Class::Denied,
        "MissingParameter" | "InvalidParameterValue" | "InvalidParameterCombination" | "MalformedQueryString" => Class::Misconfigured,
        _ => match failure.class {
            // There is no record to blame here, and no stream.
            Class::Invalid | Class::StreamMissing => Class::Misconfigured,
            class => class,
        },
    }
}

fn hint(code: &str, proof: &Proof<'_>) -> Option<String> {
    let by_keys = matches!(proof, Proof::Keys(_));
    let token = match proof {
        Proof::Keys(_) => String::new(),
        Proof::Token(_, file) => format!("the token in {}", message::fit(&file.display().to_string(), PATH_SHOWN_MAX)),
    };
    Some(match code {
        "AccessDenied" | "AccessDeniedException" if by_keys => "needs sts:AssumeRole, and the role's trust policy must allow who signs".to_owned(),
        "AccessDenied" | "AccessDeniedException" => format!("the role's trust policy must allow the issuer and claims of {token}"),
        "ExpiredToken" | "ExpiredTokenException" if by_keys => "the session that signs has expired".to_owned(),
        "ExpiredToken" | "ExpiredTokenException" => format!("{token} has expired: who writes it must renew it"),
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => format!("{token} needs an identity provider in IAM with its issuer and audience"),
        "IDPRejectedClaim" | "IDPRejectedClaimException" => format!("{token} is refused by who issued it"),
        "IDPCommunicationError" => "STS cannot reach the identity provider".to_owned(),
        "RegionDisabledException" => "STS is off in this region: enable it in IAM's account settings, or set AWS_ENDPOINT_URL_STS".to_owned(),
        "InvalidClientTokenId" | "UnrecognizedClientException" => "no such access key: deleted, disabled or of another partition".to_owned(),
        _ => return None,
    })
}
