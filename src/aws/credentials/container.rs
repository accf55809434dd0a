//! The container endpoint: ECS, EKS pod identity, and the token exchange of AWS IoT Greengrass, which all hand keys to who knows a path or a token.
//!
//! `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` is a path at 169.254.170.2 and wins over `AWS_CONTAINER_CREDENTIALS_FULL_URI`, which is https, or http to this machine
//! and the addresses that AWS set aside ([`is_near`]): every address of a name is checked, and it is that address which is connected to. The token of
//! `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` (read for each fetch; it rotates) or `AWS_CONTAINER_AUTHORIZATION_TOKEN` goes along as it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use zeroize::Zeroizing;

use super::metadata::{Call, Metadata, Patience, fits_header, is_https, is_url, origin};
use super::{Context, CredentialsError, Loaded, secret_file};
use crate::aws::http::{HttpErrorKind, HttpOptions, Method};
use crate::aws::message;
use crate::config::environment::{Environment, expand_path};
use crate::kinesis::outcome::Class;

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const ECS: &str = "http://169.254.170.2";
/// Bytes of a token: a JWT of EKS has about 1 KiB, and 8 KiB is the most that a head can carry.
const TOKEN_SIZE_MAX: usize = 7 << 10;
const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(5), attempts: 3, insistent: true };

/// The keys of the container's role.
pub(super) fn load(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    let Some(endpoint) = Endpoint::read(context.environment)? else {
        return Ok(Loaded::PassedOver("neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set".into()));
    };
    let token = token(context.environment)?;
    let who = format!("container endpoint ({})", origin(&endpoint.url));
    let options = HttpOptions { allowed: (!is_https(&endpoint.url)).then_some(is_near as fn(IpAddr) -> bool), ..context.http.clone() };
    let mut metadata = Metadata::new(context, &who, &options, &endpoint.url, PATIENCE)?;
    let mut headers = vec![("accept", "application/json")];
    headers.extend(token.as_ref().map(|token| ("authorization", token.as_str())));
    let answer = metadata.ask(context.random, &Call { method: Method::Get, url: &endpoint.url, headers: &headers });
    let answer = answer.map_err(|error| match (error.kind, error.code) {
        (HttpErrorKind::Unsendable, "address_not_allowed") => CredentialsError::broken(format!(
            "{}: {}: http is for this machine, 169.254.170.2, 169.254.170.23 and fd00:ec2::23 only; use https",
            endpoint.variable, error.text
        )),
        (HttpErrorKind::Unsendable, _) => CredentialsError::broken(format!("{}: {}", endpoint.variable, error.text)),
        _ => CredentialsError::unreachable(&who, &error),
    })?;
    if answer.status != 200 {
        return Err(metadata.refusal(&who, &answer));
    }
    let document = metadata.document(&who, &answer)?;
    if document.code.as_deref().is_some_and(|code| !code.eq_ignore_ascii_case("Success")) {
        let text = format!("{who}: {}", document.said().unwrap_or_default());
        return Err(CredentialsError::of(Class::CredentialsUnavailable, "metadata_failed", text));
    }
    document.into_found(&who, "EcsContainer", answer.date, context.now).map(Loaded::Found)
}

/// Whom to ask, and which variable says so.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    url: String,
    variable: &'static str,
}

impl Endpoint {
    fn read(environment: &Environment) -> Result<Option<Endpoint>, CredentialsError> {
        let get = |name: &str| environment.get(name).map(|value| value.trim().to_owned());
        let endpoint = match (get(RELATIVE), get(FULL)) {
            (Some(path), _) => {
                // Without the slash the path would go on with the host's name.
                if !path.starts_with('/') {
                    return Err(CredentialsError::broken(format!("{RELATIVE} must be a path that begins with /")));
                }
                Endpoint { url: format!("{ECS}{path}"), variable: RELATIVE }
            }
            (None, Some(url)) => Endpoint { url, variable: FULL },
            (None, None) => return Ok(None),
        };
        match is_url(&endpoint.url) {
            true => Ok(Some(endpoint)),
            false => Err(CredentialsError::broken(format!("{} is no URL of http or https with a host and without blanks", endpoint.variable))),
        }
    }
}

/// Where a token and keys may travel in the clear: this machine, and the link-local addresses of ECS and EKS.
fn is_near(address: IpAddr) -> bool {
    const EKS_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23);
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || [Ipv4Addr::new(169, 254, 170, 2), Ipv4Addr::new(169, 254, 170, 23)].contains(&address),
        IpAddr::V6(address) => address.is_loopback() || address == EKS_IPV6,
    }
}

/// What goes into `Authorization`, if anything.
fn token(environment: &Environment) -> Result<Option<Zeroizing<String>>, CredentialsError> {
    let (token, place) = match (environment.get(TOKEN_FILE), environment.get(TOKEN)) {
        (Some(path), _) => {
            let path = expand_path(path.trim(), environment);
            let place = format!("{} ({TOKEN_FILE})", message::fit(&path.display().to_string(), 200));
            let read = secret_file::read(&path, TOKEN_SIZE_MAX);
            let (token, _) = read.map_err(|error| CredentialsError::broken(format!("{place}: cannot read this file: {error}")))?;
            (token, place)
        }
        (None, Some(token)) => (Zeroizing::new(token.into_bytes()), TOKEN.to_owned()),
        (None, None) => return Ok(None),
    };
    if token.trim_ascii().is_empty() {
        return Err(CredentialsError::broken(format!("{place} is empty, must be a token")));
    }
    // Not the character: it is part of the secret.
    let what = "must be a token of one line of ASCII, without a line break at its end, of at most 7 KiB";
    match std::str::from_utf8(&token) {
        Ok(text) if fits_header(&token) && token.len() <= TOKEN_SIZE_MAX => Ok(Some(Zeroizing::new(text.to_owned()))),
        _ => Err(CredentialsError::broken(format!("{place} {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let endpoint = Endpoint::read(&Environment::from_pairs(variables)).map_err(|error| error.to_string())?;
        Ok(endpoint.map(|endpoint| endpoint.url))
    }

    /// The cases of the SDKs' public table of container endpoints (awslabs/aws-sdk-rust, sdk/aws-config/test-data/ecs-tests.json, Apache-2.0), in our words.
    #[test]
    fn the_endpoint_is_the_one_that_the_sdks_would_ask() {
        assert_eq!(endpoint(&[]), Ok(None));
        for (variables, url) in [
            (&[(RELATIVE, "/credentials")][..], "http://169.254.170.2/credentials"),
            (&[(FULL, "https://mypersonalsite/credentials")], "https://mypersonalsite/credentials"),
            (&[(FULL, "https://mypersonalsite:8080/credentials")], "https://mypersonalsite:8080/credentials"),
            (&[(FULL, "http://localhost:8080/credentials")], "http://localhost:8080/credentials"),
            (&[(FULL, "http://169.254.170.2/credentials")], "http://169.254.170.2/credentials"),
            (&[(FULL, "http://169.254.170.23/v1/credentials")], "http://169.254.170.23/v1/credentials"),
            (&[(FULL, "http://[fd00:ec2::23]/v1/credentials")], "http://[fd00:ec2::23]/v1/credentials"),
            (&[(FULL, "http://localhost:8080/credentials"), (RELATIVE, "/credentials")], "http://169.254.170.2/credentials"),
            (&[(RELATIVE, "/credentials?a=1")], "http://169.254.170.2/credentials?a=1"),
        ] {
            assert_eq!(endpoint(variables), Ok(Some(url.to_owned())), "{variables:?}");
        }
        for (variable, value) in
            [(FULL, "/credentials"), (FULL, "ftp://x/"), (RELATIVE, "credentials"), (RELATIVE, "/a\r\nb"), (RELATIVE, ".evil.test/")]
        {
            let error = endpoint(&[(variable, value)]).unwrap_err();
            assert!(error.contains(variable) && !error.contains(value), "{error}");
        }
    }

    #[test]
    fn near_is_this_machine_and_what_aws_set_aside() {
        for near in ["127.0.0.1", "127.9.9.9", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::ffff:127.0.0.1"] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["0.0.0.0", "169.254.169.254", "169.254.170.3", "192.0.2.1", "fd00:ec2::254", "::", "::ffff:192.0.2.1", "fe80::1"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_without_showing_it() {
        assert!(token(&Environment::default()).unwrap().is_none());
        assert_eq!(token(&Environment::from_pairs(&[(TOKEN, "Bearer x")])).unwrap().unwrap().as_str(), "Bearer x");
        for value in ["hunter2\n", "hunter2\r\nX-Evil: 1", "hunter2\u{e9}", &"hunter2".repeat(2000)] {
            let error = token(&Environment::from_pairs(&[(TOKEN, value)])).unwrap_err().to_string();
            assert!(error.contains(TOKEN) && !error.contains("hunter2"), "{error}");
        }
        let error = token(&Environment::from_pairs(&[(TOKEN_FILE, "/nowhere/token"), (TOKEN, "x")])).unwrap_err().to_string();
        assert!(error.contains("/nowhere/token") && error.contains("No such file"), "{error}");
    }
}
