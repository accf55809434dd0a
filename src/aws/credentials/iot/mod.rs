//! The AWS IoT credential provider: the certificate that a device has for MQTT gives it the credentials of a role, over HTTPS with that certificate.
//!
//! `GET https://ENDPOINT/role-aliases/ALIAS/credentials`. Files are read at each call, so a renewed certificate needs no restart. A refusal is told in words
//! that say what to do (`explain`); while the service is busy it is not asked again before its time (`pace`), however often the chain is.
//! Source: AWS IoT Core developer guide, "Authorizing direct calls to AWS services".

mod answer;
mod device;
mod explain;
mod pace;

use zeroize::Zeroizing;

use super::{Context, CredentialsError, Found, expiry};
use crate::aws::http::{HttpOptions, Method};
use crate::config::{CaFile, IotConfig};
use device::Device;
use pace::Pace;

/// The provider, in errors.
const WHO: &str = "AWS IoT credential provider";
/// Bytes of an answer. A session token has about 1 KiB.
const REPLY_SIZE_MAX: usize = 32 << 10;

/// What is remembered between calls, for as long as the chain lives.
#[derive(Debug, Default)]
pub(super) struct State {
    pace: Pace,
    /// Once is enough.
    warned_of_key: bool,
}

/// Asks the credential provider.
pub(super) fn load(context: &mut Context<'_>, config: &IotConfig) -> Result<Found, CredentialsError> {
    context.iot.pace.may_ask_again(context.now)?;
    // Before any wait: a file that is missing is told at once.
    let device = Device::read(context, config)?;
    context.iot.pace.may_start(context.now, config.start_jitter, context.random)?;
    let url = format!("{}role-aliases/{}/credentials", config.url, percent_encoded(&config.role_alias));
    let headers: Vec<(&str, &str)> = device.thing_name.iter().map(|name| ("x-amzn-iot-thingname", name.as_str())).collect();
    let mut http = context.client(
        WHO,
        &HttpOptions {
            only_roots: device.ca.clone().map(|path| CaFile { path, named_by: "credentials.iot.ca".into() }),
            client_certificate: Some(device.certificate.clone()),
            reply_size_max: REPLY_SIZE_MAX,
            ..context.http.clone()
        },
    )?;
    // Reserved for the largest: no copy of a secret stays behind where it has grown out of.
    let mut reply = Zeroizing::new(Vec::with_capacity(REPLY_SIZE_MAX + 1));
    let asked = http.request(Method::Get, &url, &headers, b"", &mut reply);
    let case = explain::Case { config, device: &device, now: context.now };
    let answer = asked.map_err(|error| case.unanswered(&error))?;
    if answer.status != 200 {
        let error = case.refused(&answer, &reply);
        return Err(if case.is_busy(&answer) { context.iot.pace.busy(context.now, error, context.random) } else { error });
    }
    let (keys, expiration) = answer::read(&reply).map_err(|what| CredentialsError::unavailable("unexpected_answer", format!("{WHO}: {what}")))?;
    let expires = expiry::deadline(expiration, answer.date, context.now);
    if expires.passed(context.now) {
        return Err(CredentialsError::unavailable("expired_on_arrival", format!("{WHO}: the credentials that it gave have expired already")));
    }
    context.iot.pace.answered();
    Ok(Found { credentials: keys, expires: Some(expires), outlive: false, cacheable: true })
}

/// What the configuration lets through needs no encoding; anything else must not change the path.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'=' | b',' | b'@' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_alias_cannot_leave_its_place_in_the_path() {
        assert_eq!(super::percent_encoded("kinegraf_alias-1=,@"), "kinegraf_alias-1=,@");
        assert_eq!(super::percent_encoded("a/../b?c#d e\u{e9}"), "a%2F..%2Fb%3Fc%23d%20e%C3%A9");
    }
}
