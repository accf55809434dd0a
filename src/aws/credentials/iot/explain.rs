//! What to do about a refusal: the service's own few words, and beside them where to look.
//!
//! Texts of the service as observed by others (awslabs' `aws-iot-core-credential-provider-session-helper`, its notes); an answer that is not worded so is told
//! by its status. A refusal is one only when the service says so in its own form: a web page of whoever is in between must not end a run.

use serde_json::Value;

use super::WHO;
use super::device::Device;
use crate::aws::credentials::CredentialsError;
use crate::aws::http::{Answer, HttpError, HttpErrorKind, TlsProblem};
use crate::aws::message;
use crate::config::IotConfig;
use crate::kinesis::classify::is_throttle;
use crate::kinesis::outcome::Class;
use crate::time::{Now, Utc};

/// Bytes of the service's message that are shown: what to do about it must fit beside it.
const MESSAGE_SHOWN_MAX: usize = 100;
const ACTIVE: &str = "is the certificate registered and ACTIVE in this account and region, and credentials.iot.endpoint theirs?";

/// One call.
pub(super) struct Case<'a> {
    pub(super) config: &'a IotConfig,
    pub(super) device: &'a Device,
    pub(super) now: Now,
}

impl Case<'_> {
    /// Whether the service may do it later.
    pub(super) fn is_busy(&self, answer: &Answer) -> bool {
        matches!(answer.status, 429 | 500..=599) || answer.error_type.as_deref().is_some_and(|code| is_throttle(bare(code)))
    }

    /// An answer other than 200.
    pub(super) fn refused(&self, answer: &Answer, reply: &[u8]) -> CredentialsError {
        let json: Option<Value> = serde_json::from_slice(reply).ok();
        let member = |name: &str| json.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let said = member("message").or_else(|| member("Message"));
        let code = answer.error_type.as_deref().map(|code| message::fit(bare(code), MESSAGE_SHOWN_MAX));
        let (status, is_of_service) = (answer.status, said.is_some() || code.is_some());
        let message = message::fit(said.as_deref().unwrap_or_default(), MESSAGE_SHOWN_MAX);
        let mut text = match &code {
            Some(code) => format!("{WHO}: status {status}, {code}"),
            None => format!("{WHO}: status {status}"),
        };
        if !message.is_empty() {
            text.push_str(&format!(", '{message}'"));
        }
        let class = match status {
            _ if self.is_busy(answer) => Class::CredentialsUnavailable,
            400..=499 if is_of_service => Class::Denied,
            _ => Class::CredentialsUnavailable,
        };
        match class {
            Class::Denied => text.push_str(&format!("; {}", self.hint(status, &message))),
            _ if !is_of_service => text.push_str(", which does not come from AWS IoT: a captive portal or a proxy?"),
            _ => {}
        }
        let code = code.unwrap_or_else(|| format!("http_{status}"));
        CredentialsError { status: Some(status), retry_after: answer.retry_after, ..CredentialsError::of(class, &code, text) }
    }

    /// No answer.
    pub(super) fn unanswered(&self, error: &HttpError) -> CredentialsError {
        let host = self.config.url.trim_start_matches("https://").trim_end_matches('/');
        match error.kind {
            HttpErrorKind::Tls(TlsProblem::ClientRefused) => {
                let what = match error.code {
                    "client_certificate_expired" => "it has expired, or is not valid yet",
                    "client_certificate_revoked" => "it was revoked",
                    _ => ACTIVE,
                };
                let (alert, what) = (message::fit(&error.text, MESSAGE_SHOWN_MAX), self.out_of_time().unwrap_or_else(|| what.to_owned()));
                CredentialsError::of(Class::Denied, error.code, format!("{WHO}: {alert}; {what}"))
            }
            HttpErrorKind::Tls(TlsProblem::UnknownIssuer) => {
                let what = match &self.device.ca {
                    Some(ca) => format!(
                        "{} (credentials.iot.ca) is not its CA; AWS's is Amazon Root CA 1, https://www.amazontrust.com/repository/AmazonRootCA1.pem",
                        ca.display()
                    ),
                    None => "Amazon's root is built in, so somebody is in between: a proxy that looks into TLS cannot pass a device's certificate on"
                        .into(),
                };
                CredentialsError::unavailable(error.code, format!("{WHO}: nobody that is trusted vouches for {host}; {what}"))
            }
            HttpErrorKind::Resolve => {
                let hint = "endpoint: `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`";
                CredentialsError::unavailable(error.code, format!("{WHO}: {}; credentials.iot.{hint}", error.text))
            }
            _ => CredentialsError::unreachable(WHO, error),
        }
    }

    /// By the service's words, else by the status.
    fn hint(&self, status: u16, message: &str) -> String {
        let alias = &self.config.role_alias;
        let says = |words: &str| message.to_ascii_lowercase().contains(words);
        match status {
            _ if says("thing name") => {
                let name = self.device.thing_name.as_deref().unwrap_or_default();
                format!("attach the certificate to thing '{name}' (aws iot attach-thing-principal), or correct credentials.iot.thing_name")
            }
            _ if let Some(when) = self.out_of_time() => when,
            _ if says("certificate") => ACTIVE.into(),
            401 | 403 => {
                let named = if self.device.thing_name.is_none() { ", and if its variables are a thing's, credentials.iot.thing_name" } else { "" };
                format!("the certificate needs a policy with iot:AssumeRoleWithCertificate for role alias '{alias}'{named}")
            }
            404 if says("alias") => format!("there is no role alias '{alias}' in this account and region (aws iot list-role-aliases)"),
            404 => "credentials.iot.endpoint must be that of `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`".into(),
            _ if says("assume the role") => format!("the role behind '{alias}' must exist and trust credentials.iot.amazonaws.com"),
            _ if says("duration") => format!("shorten it (aws iot update-role-alias --role-alias {alias} --credential-duration-seconds 3600)"),
            _ => format!("look at role alias '{alias}' and its role"),
        }
    }

    /// The certificate's time is over or has not begun, by the clock here.
    fn out_of_time(&self) -> Option<String> {
        let (from, until) = self.device.certificate.valid()?;
        if self.now.wall_is_wrong() {
            return None;
        }
        match self.now.wall {
            wall if wall > until => Some(format!("the device's certificate expired at {}", Utc(until))),
            wall if wall < from => Some(format!("the device's certificate is not valid before {}, and the clock here says {}", Utc(from), Utc(wall))),
            _ => None,
        }
    }
}

/// `ResourceNotFoundException:http://…` is `ResourceNotFoundException`.
fn bare(code: &str) -> &str {
    code.split(':').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::aws::http::ClientCertificate;

    /// The text of an error of this kind, by the clock of a device whose certificate is good in the years 2020 to 2029.
    fn told(kind: HttpErrorKind, code: &'static str, wall_s: u64) -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let certificate = ClientCertificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let config = IotConfig {
            url: "https://x.credentials.iot.eu-central-1.amazonaws.com/".into(),
            role_alias: "a".into(),
            thing_name: None,
            certificate: "c".into(),
            private_key: "k".into(),
            ca: None,
            start_jitter: Duration::ZERO,
        };
        let device = Device { certificate, ca: None, thing_name: None };
        let now = Now { mono: Duration::ZERO, wall: Duration::from_secs(wall_s) };
        let error = HttpError { kind, code, text: "cannot".into(), reused: false };
        Case { config: &config, device: &device, now }.unanswered(&error).to_string()
    }

    #[test]
    fn a_name_that_is_not_found_says_where_it_comes_from() {
        assert!(
            told(HttpErrorKind::Resolve, "name_not_found", 0)
                .ends_with("cannot; credentials.iot.endpoint: `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`")
        );
    }

    #[test]
    fn a_refused_certificate_is_told_by_its_dates_unless_the_clock_cannot_be_right() {
        let refused = HttpErrorKind::Tls(TlsProblem::ClientRefused);
        for (wall_s, words) in [
            (1_900_000_000, "the device's certificate expired at 2030-01-01T00:00:00Z"),
            (1_800_000_000, "it has expired, or is not valid yet"),
            // 1970: a board without a clock.
            (60, "it has expired, or is not valid yet"),
        ] {
            let text = told(refused, "client_certificate_expired", wall_s);
            assert!(text.ends_with(words), "{text}");
        }
        assert!(told(refused, "client_certificate_unknown_ca", 1_800_000_000).ends_with(ACTIVE));
        assert!(told(refused, "client_certificate_revoked", 1_800_000_000).ends_with("it was revoked"));
    }
}
