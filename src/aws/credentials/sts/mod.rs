//! STS, which gives out the credentials of a role: to whoever signs with keys that may assume it, or shows a token of an identity provider.
//!
//! A call is one form post and one XML answer, each on a connection of its own, since the next is an hour away. Nothing is kept between calls. What goes out
//! and comes in is wiped from memory afterwards, as far as it was in buffers of ours.
//! Sources: STS API reference (version 2011-06-15), botocore's service model.

mod answer;
mod endpoint;
mod form;
mod refusal;

use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use zeroize::Zeroizing;

use super::assume_role::Role;
use super::{Context, CredentialsError, Found, expiry};
use crate::aws::http::{Answer, Http, HttpOptions};
use crate::aws::message;
use crate::aws::signer::{PayloadHash, Signable, sign};
use crate::kinesis::classify::classify;
use endpoint::Endpoint;

/// Bytes of an answer: four values, of which the session token has a few thousand.
const REPLY_SIZE_MAX: usize = 64 << 10;
/// For an answer; deliveries wait for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Calls at most while STS says that it cannot reach the identity provider, which SDKs ask again at once.
const ATTEMPTS_MAX: usize = 3;
/// Bytes of a role's ARN, and of an address, in an error.
const SHOWN_MAX: usize = 80;

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

/// By what a role is asked for.
pub(super) enum Proof<'a> {
    /// Keys that sign the request.
    Keys(&'a Credentials),
    /// An OpenID Connect token, and the file it was read from.
    Token(&'a str, &'a Path),
}

impl Proof<'_> {
    fn action(&self) -> &'static str {
        match self {
            Proof::Keys(_) => "AssumeRole",
            Proof::Token(..) => "AssumeRoleWithWebIdentity",
        }
    }
}

/// The credentials of `role`.
pub(super) fn ask(context: &mut Context<'_>, role: &Role, proof: &Proof<'_>) -> Result<Found, CredentialsError> {
    let endpoint = endpoint::of(context)?;
    let session_name = role.session_name.clone().unwrap_or_else(form::session_name);
    let (arn, url) = (message::fit(&role.arn, SHOWN_MAX), message::fit(&endpoint.url, SHOWN_MAX));
    let who = format!("{} of {arn} at {url}", proof.action());
    context.log.debug(format_args!("credentials: {who}, as {session_name}"));
    let body = form::write(role, &session_name, proof);
    let options =
        HttpOptions { reply_size_max: REPLY_SIZE_MAX, answer_timeout: ANSWER_TIMEOUT.min(context.http.answer_timeout), ..context.http.clone() };
    let mut http = context.client(&who, &options)?;
    // Reserved for the longest, so that it does not move and leave a copy.
    let mut reply = Zeroizing::new(Vec::with_capacity(REPLY_SIZE_MAX + 1));
    let mut attempt = 1;
    loop {
        let answer = post(context, &mut http, &endpoint, proof, &body, &mut reply, &who)?;
        if answer.status == 200 {
            return found(context, proof, &answer, &reply, &who);
        }
        let failure = classify(&answer.head(), &reply);
        if failure.code != "IDPCommunicationError" || attempt == ATTEMPTS_MAX {
            return Err(refusal::of(&who, proof, failure));
        }
        attempt += 1;
    }
}

fn post(
    context: &Context<'_>,
    http: &mut Http,
    endpoint: &Endpoint,
    proof: &Proof<'_>,
    body: &str,
    reply: &mut Vec<u8>,
    who: &str,
) -> Result<Answer, CredentialsError> {
    let Endpoint { url, region } = endpoint;
    let answer = match proof {
        Proof::Token(..) => http.post(url, &[CONTENT_TYPE], body.as_bytes(), reply),
        Proof::Keys(keys) => {
            let hash = PayloadHash::of(body.as_bytes());
            let signable = Signable { region, service: "sts", url, headers: &[CONTENT_TYPE], payload_sha256_hex: hash.as_str() };
            let signed = sign(keys, &signable, context.now.wall).map_err(|error| CredentialsError::broken(format!("{who}: {error}")))?;
            let headers: Vec<(&str, &str)> = [CONTENT_TYPE].into_iter().chain(signed.headers()).collect();
            http.post(url, &headers, body.as_bytes(), reply)
        }
    };
    answer.map_err(|error| CredentialsError::unreachable(who, &error))
}

fn found(context: &Context<'_>, proof: &Proof<'_>, answer: &Answer, reply: &[u8], who: &str) -> Result<Found, CredentialsError> {
    let session = answer::read(proof.action(), reply)
        .map_err(|what| CredentialsError::unavailable("unexpected_answer", format!("{who}: not an answer of STS: {what}")))?;
    let expires = expiry::deadline(session.expiration, answer.date, context.now);
    Ok(Found { credentials: session.credentials, expires: Some(expires), outlive: false, cacheable: true })
}
