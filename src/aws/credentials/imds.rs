//! EC2's instance metadata service, version 2 only: a token first, then the name of the instance's role, then its keys.
//!
//! ```text
//! PUT /latest/api/token                                   x-aws-ec2-metadata-token-ttl-seconds: 21600
//! GET /latest/meta-data/iam/security-credentials/         x-aws-ec2-metadata-token: …      the role's name, first line
//! GET /latest/meta-data/iam/security-credentials/{role}   x-aws-ec2-metadata-token: …      JSON
//! ```
//!
//! Most machines are no instance of EC2: what happens there costs one second at most and is [`Loaded::Absent`]. A token is used for one fetch and not kept. Keys
//! that have expired are handed on: the service gives them while AWS cannot make newer ones, and keeps them valid.

use std::time::Duration;

use zeroize::Zeroizing;

use super::metadata::{Call, Metadata, Patience, fits_header, garbage, is_url, origin};
use super::{Context, CredentialsError, Loaded};
use crate::aws::http::{Answer, HttpError, HttpErrorKind, Method};
use crate::aws::message;
use crate::config::environment::Environment;

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";
const TOKEN_PATH: &str = "/latest/api/token";
const ROLES_PATH: &str = "/latest/meta-data/iam/security-credentials/";
const TTL_HEADER: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
/// Bytes; the service's own have 56.
const TOKEN_SIZE_MAX: usize = 1024;
/// Bytes of a role's name, as IAM bounds it.
const ROLE_SIZE_MAX: usize = 64;
/// What to do about somebody who is not EC2.
const ELSEWHERE: &str = "; where there is no EC2, set credentials.imds = \"off\"";
const ATTEMPTS: u32 = 4;
const ATTEMPTS_MAX: u32 = 10;
const TIMEOUT_S: f64 = 1.0;
const TIMEOUT_S_MAX: f64 = 60.0;

/// The keys of the instance's role.
pub(super) fn load(context: &mut Context<'_>) -> Result<Loaded, CredentialsError> {
    if context.config.imds_off {
        return Ok(Loaded::PassedOver("credentials.imds is \"off\"".into()));
    }
    let Some(settings) = Settings::read(context.environment)? else {
        return Ok(Loaded::PassedOver("AWS_EC2_METADATA_DISABLED is true".into()));
    };
    let who = format!("EC2 instance metadata ({})", origin(&settings.url));
    let metadata = Metadata::new(context, &who, context.http, &settings.url, settings.patience())?;
    Service { context, settings, metadata, who }.load()
}

/// What the SDKs' variables say.
#[derive(Debug, PartialEq)]
struct Settings {
    /// Without a slash at its end.
    url: String,
    /// Somebody wrote it down: then it is meant to be there.
    named: bool,
    timeout: Duration,
    attempts: u32,
}

impl Settings {
    /// Nothing when the variables switch the service off.
    fn read(environment: &Environment) -> Result<Option<Settings>, CredentialsError> {
        let get = |name: &str| environment.get(name).map(|value| value.trim().to_owned());
        let wrong = |name: &str, value: &str, must: &str| {
            CredentialsError::broken(format!("{name} is \"{}\", must be {must}", message::fit(value, ROLE_SIZE_MAX)))
        };
        if get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let number = |name: &str, default: f64, max: f64, must: &str| match get(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|value| *value > 0.0 && *value <= max).ok_or_else(|| wrong(name, &text, must)),
        };
        let timeout_s = number("AWS_METADATA_SERVICE_TIMEOUT", TIMEOUT_S, TIMEOUT_S_MAX, "a number of seconds, at most 60")?;
        let attempts = match get("AWS_METADATA_SERVICE_NUM_ATTEMPTS") {
            None => ATTEMPTS,
            Some(text) => {
                let read = text.parse().ok().filter(|attempts| (1..=ATTEMPTS_MAX).contains(attempts));
                read.ok_or_else(|| wrong("AWS_METADATA_SERVICE_NUM_ATTEMPTS", &text, "a whole number from 1 to 10"))?
            }
        };
        let named = get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let url = match (&named, get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")) {
            (Some(url), _) if is_url(url) => url.trim_end_matches('/').to_owned(),
            (Some(url), _) => return Err(wrong("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, "a URL such as http://169.254.169.254")),
            (None, Some(mode)) if mode.eq_ignore_ascii_case("IPv6") => IPV6.to_owned(),
            (None, Some(mode)) if !mode.eq_ignore_ascii_case("IPv4") => {
                return Err(wrong("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", &mode, "IPv4 or IPv6"));
            }
            (None, _) => IPV4.to_owned(),
        };
        Ok(Some(Settings { url, named: named.is_some(), timeout: Duration::from_secs_f64(timeout_s), attempts }))
    }

    fn patience(&self) -> Patience {
        Patience { connect: self.timeout, answer: self.timeout, attempts: self.attempts, insistent: false }
    }
}

/// One fetch.
struct Service<'a, 'b> {
    context: &'a mut Context<'b>,
    settings: Settings,
    metadata: Metadata,
    who: String,
}

/// A token, or why there will be none.
enum Access {
    Token(Zeroizing<String>),
    No(Loaded),
}

impl Service<'_, '_> {
    fn load(mut self) -> Result<Loaded, CredentialsError> {
        let mut token = match self.token()? {
            Access::Token(token) => token,
            Access::No(loaded) => return Ok(loaded),
        };
        let answer = self.get(ROLES_PATH, &mut token)?;
        if answer.status == 404 {
            return Ok(Loaded::PassedOver("the instance has no role".into()));
        }
        let Some(role) = self.role(&answer)? else {
            return Ok(Loaded::PassedOver("the instance has no role (the list is empty)".into()));
        };
        let answer = self.get(&format!("{ROLES_PATH}{role}"), &mut token)?;
        if answer.status != 200 {
            return Err(self.metadata.refusal(&format!("{}, role {role}", self.who), &answer));
        }
        let document = self.metadata.document(&self.who, &answer)?;
        match document.code.as_deref().map(|code| code.trim()) {
            None | Some("Success") => document.into_found(&self.who, "Imds", answer.date, self.context.now).map(Loaded::Found),
            Some("AssumeRoleUnauthorizedAccess") => Err(CredentialsError::broken(format!(
                "{}: the instance may not assume role {role} ({}): its trust policy must allow ec2.amazonaws.com",
                self.who,
                document.said().unwrap_or_default()
            ))),
            Some(_) => Err(CredentialsError::unavailable(
                "metadata_failed",
                format!("{}: no keys of role {role}: {}", self.who, document.said().unwrap_or_default()),
            )),
        }
    }

    /// The service renews no token: each is a new one.
    fn token(&mut self) -> Result<Access, CredentialsError> {
        let url = format!("{}{TOKEN_PATH}", self.settings.url);
        let call = Call { method: Method::Put, url: &url, headers: &[TTL_HEADER] };
        let answer = match self.metadata.ask(self.context.random, &call) {
            Ok(answer) => answer,
            Err(error) => return self.nobody(&error).map(Access::No),
        };
        match answer.status {
            200 => {}
            403 => return Ok(Access::No(Loaded::PassedOver("switched off for this instance (status 403 for a token)".into()))),
            status @ (404 | 405) => {
                let why = format!("who answers at {} gives no tokens (status {status}): not EC2's service, or without its version 2", origin(&url));
                return Ok(Access::No(Loaded::PassedOver(why)));
            }
            _ => return Err(self.metadata.refusal(&self.who, &answer)),
        }
        let body = self.metadata.body().trim_ascii();
        match std::str::from_utf8(body) {
            Ok(token) if (1..=TOKEN_SIZE_MAX).contains(&token.len()) && fits_header(body) && !token.contains(' ') => {
                Ok(Access::Token(Zeroizing::new(token.to_owned())))
            }
            _ => Err(garbage(&self.who, &format!("the answer is no token ({} bytes{}){ELSEWHERE}", body.len(), kind_of(&answer)))),
        }
    }

    /// What it means that no token came, nor any other answer.
    fn nobody(&self, error: &HttpError) -> Result<Loaded, CredentialsError> {
        let (origin, timeout_s) = (origin(&self.settings.url), self.settings.timeout.as_secs_f64());
        match error.kind {
            HttpErrorKind::TimedOut => Ok(Loaded::Absent(format!(
                "{origin} takes connections but gave no token within {timeout_s} s; in a container the instance needs http-put-response-hop-limit 2"
            ))),
            HttpErrorKind::Connect if error.code == "connect_timed_out" => {
                Ok(Loaded::Absent(format!("nobody answered at {origin} within {timeout_s} s")))
            }
            // At once, so asking again costs nothing: at boot the network may still be down.
            HttpErrorKind::Connect if !self.settings.named => Ok(Loaded::PassedOver(error.text.clone())),
            HttpErrorKind::Unsendable => {
                Err(CredentialsError::broken(format!("AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL that can be asked: {}", error.text)))
            }
            _ => Err(CredentialsError::unreachable(&self.who, error)),
        }
    }

    /// Asks with the token; when it is refused, once more with a new one.
    fn get(&mut self, path: &str, token: &mut Zeroizing<String>) -> Result<Answer, CredentialsError> {
        let url = format!("{}{path}", self.settings.url);
        let mut renewed = false;
        loop {
            let call = Call { method: Method::Get, url: &url, headers: &[(TOKEN_HEADER, token.as_str())] };
            let answer = self.metadata.ask(self.context.random, &call).map_err(|error| CredentialsError::unreachable(&self.who, &error))?;
            if answer.status != 401 {
                return Ok(answer);
            }
            if renewed {
                return Err(CredentialsError::unavailable(
                    "metadata_refused",
                    format!("{}: refuses the token that it just gave (status 401)", self.who),
                ));
            }
            renewed = true;
            *token = match self.token()? {
                Access::Token(token) => token,
                Access::No(_) => return Err(CredentialsError::unavailable("metadata_refused", format!("{}: gives no second token", self.who))),
            };
        }
    }

    /// The name in the first line of the list, checked: it becomes part of a URL.
    fn role(&self, answer: &Answer) -> Result<Option<String>, CredentialsError> {
        if answer.status != 200 {
            return Err(self.metadata.refusal(&self.who, answer));
        }
        let body = self.metadata.body().trim_ascii();
        let role = body.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
        if role.is_empty() {
            return Ok(None);
        }
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(b);
        match std::str::from_utf8(role) {
            Ok(name) if name.len() <= ROLE_SIZE_MAX && role.iter().all(is_name) => Ok(Some(name.to_owned())),
            _ => Err(garbage(&self.who, &format!("the answer is no list of roles ({} bytes{}){ELSEWHERE}", body.len(), kind_of(answer)))),
        }
    }
}

fn kind_of(answer: &Answer) -> String {
    answer.content_type.as_deref().map_or_else(String::new, |kind| format!(", {}", message::fit(kind, ROLE_SIZE_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(&Environment::from_pairs(variables)).map_err(|error| error.to_string())
    }

    /// The cases of the SDKs' public table of IMDS endpoints that concern variables (awslabs/aws-sdk-rust, sdk/aws-config/test-data/imds-config/imds-tests.json,
    /// Apache-2.0), in our words.
    #[test]
    fn the_endpoint_is_the_one_that_the_sdks_would_ask() {
        const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
        for (variables, expected) in [
            (&[][..], Ok("http://169.254.169.254")),
            (&[(ENDPOINT, "http://override:456")], Ok("http://override:456")),
            (&[(ENDPOINT, "http://169.254.169.200/"), (MODE, "IPv6")], Ok("http://169.254.169.200")),
            (&[(MODE, "IPv4")], Ok("http://169.254.169.254")),
            (&[(MODE, "IPv6")], Ok("http://[fd00:ec2::254]")),
            (&[(MODE, "ipV6")], Ok("http://[fd00:ec2::254]")),
            (&[(MODE, "error")], Err("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is \"error\", must be IPv4 or IPv6")),
            (&[(ENDPOINT, "not a uri")], Err("AWS_EC2_METADATA_SERVICE_ENDPOINT is \"not a uri\", must be a URL")),
        ] {
            match (settings(variables), expected) {
                (Ok(Some(settings)), Ok(url)) => {
                    assert_eq!((settings.url.as_str(), settings.named), (url, variables.iter().any(|v| v.0 == ENDPOINT)))
                }
                (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
                (other, _) => panic!("{variables:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_variables_switch_it_off_and_set_its_patience() {
        for value in ["true", "TRUE", " true "] {
            assert_eq!(settings(&[("AWS_EC2_METADATA_DISABLED", value)]), Ok(None));
        }
        let default = settings(&[("AWS_EC2_METADATA_DISABLED", "false")]).unwrap().unwrap();
        assert_eq!((default.timeout, default.attempts), (Duration::from_secs(1), 4));
        let set = settings(&[("AWS_METADATA_SERVICE_TIMEOUT", "2.5"), ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")]).unwrap().unwrap();
        assert_eq!((set.timeout, set.attempts), (Duration::from_millis(2500), 1));
        for (name, value) in [
            ("AWS_METADATA_SERVICE_TIMEOUT", "0"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "-1"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "NaN"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "inf"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "1 s"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "11"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1.5"),
        ] {
            assert!(settings(&[(name, value)]).unwrap_err().contains(name), "{name} {value}");
        }
    }
}
