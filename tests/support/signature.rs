//! Signature Version 4 computed a second time, from the published description and with `ring` alone, over the bytes that really arrived.
//! What is refused is refused in the service's words. It never looks at the crate that signs in the product.

use std::time::SystemTime;

use ring::{digest, hmac};

use super::http::Head;
use super::limits::Refusal;
use super::{calendar, secrets};

/// Seconds that a signature may be older or newer than the server's clock.
pub const TOLERANCE_S: i64 = 5 * 60;

/// A key that a client signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub access_key: String,
    pub secret_key: String,
    /// Present for temporary credentials.
    pub token: Option<String>,
}

impl Key {
    /// No program may show its secret and its token from here on.
    pub fn new(access_key: &str, secret_key: &str, token: Option<&str>) -> Key {
        [Some(secret_key), token].into_iter().flatten().for_each(secrets::register);
        Key { access_key: access_key.to_owned(), secret_key: secret_key.to_owned(), token: token.map(str::to_owned) }
    }
}

impl Default for Key {
    fn default() -> Key {
        Key::new(super::ACCESS_KEY, super::SECRET_KEY, None)
    }
}

/// What the server thinks of a key that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May write.
    Good,
    /// Its session token has run out.
    Expired,
    /// Its session token runs out then.
    Until(SystemTime),
    /// Known, but no policy allows it to write.
    Denied,
}

/// What a signature must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub keys: &'a [(Key, Standing)],
    pub region: &'a str,
    /// The server's clock, seconds since the epoch.
    pub now_s: i64,
    /// For the text of a denial.
    pub stream: &'a str,
}

/// The value of `Authorization` for a request. `headers` are all that are signed: lower-case names, any order, `x-amz-date` among them.
pub fn sign(key: &Key, (region, service): (&str, &str), method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let mut headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let time = headers.iter().find(|(name, _)| name == "x-amz-date").map(|(_, value)| value.clone()).expect("the caller gives x-amz-date");
    let scope = format!("{}/{region}/{service}/aws4_request", &time[..8]);
    let canonical = canonical_request(method, target, &names, &headers, body);
    let signature = signature(&key.secret_key, &scope, &string_to_sign(&time, &scope, &canonical));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", key.access_key)
}

/// Whether the request was signed by a key that may write, for this region and this time, over exactly these bytes.
pub fn verify(head: &Head, body: &[u8], expected: Expected<'_>) -> Result<(), Refusal> {
    let given = Given::read(head)?;
    let &[access_key, date, region, service, "aws4_request"] = given.credential.split('/').collect::<Vec<_>>().as_slice() else {
        return Err(incomplete(&format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            given.credential
        )));
    };
    for must in ["host", "x-amz-date", "x-amz-target", "x-amz-security-token"] {
        if head.header(must).is_some() && !given.signed_headers.split(';').any(|name| name == must) {
            return Err(invalid(format!("'{must}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    if !given.signed_headers.split(';').any(|name| name == "host") {
        return Err(invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()));
    }
    let mut wrong = String::new();
    if region != expected.region {
        wrong += &format!("Credential should be scoped to a valid region, not '{region}'. ");
    }
    if service != "kinesis" {
        wrong += "Credential should be scoped to correct service: 'kinesis'. ";
    }
    if Some(date) != given.time.get(..8) {
        let day = given.time.get(..8).unwrap_or_default();
        wrong += &format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != '{day}', from '{}'. ",
            given.time
        );
    }
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    check_time(given.time, expected.now_s)?;
    let unknown = || Refusal::new(400, "UnrecognizedClientException", "The security token included in the request is invalid.");
    let token = head.header("x-amz-security-token");
    let (key, standing) = expected.keys.iter().find(|(key, _)| key.access_key == access_key && key.token.as_deref() == token).ok_or_else(unknown)?;
    let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let canonical = canonical_request(&head.method, &head.target, given.signed_headers, &headers, body);
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = string_to_sign(given.time, &scope, &canonical);
    if signature(&key.secret_key, &scope, &to_sign) != given.signature {
        return Err(invalid(format!(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. \
             Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\n\
             The String-to-Sign should have been\n'{to_sign}'\n"
        )));
    }
    match standing {
        Standing::Good => Ok(()),
        Standing::Until(end) if SystemTime::now() < *end => Ok(()),
        Standing::Expired | Standing::Until(_) => {
            Err(Refusal::new(400, "ExpiredTokenException", "The security token included in the request is expired"))
        }
        Standing::Denied => Err(denied(expected.region, expected.stream)),
    }
}

/// The refusal of a key that no policy allows to write.
pub fn denied(region: &str, stream: &str) -> Refusal {
    let account = super::ACCOUNT;
    Refusal::new(
        400,
        "AccessDeniedException",
        &format!(
            "User: arn:aws:iam::{account}:user/device is not authorized to perform: kinesis:PutRecords on resource: \
             arn:aws:kinesis:{region}:{account}:stream/{stream} because no identity-based policy allows the kinesis:PutRecords action"
        ),
    )
}

/// Refuses what was signed more than five minutes before or after `now_s`.
pub fn check_time(time: &str, now_s: i64) -> Result<(), Refusal> {
    let signed_s = calendar::parse_amz(time).ok_or_else(|| incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{time}'.")))?;
    let (now, earliest, latest) = (calendar::amz(now_s), now_s - TOLERANCE_S, now_s + TOLERANCE_S);
    if signed_s < earliest {
        return Err(invalid(format!("Signature expired: {time} is now earlier than {} ({now} - 5 min.)", calendar::amz(earliest))));
    }
    if signed_s > latest {
        return Err(invalid(format!("Signature not yet current: {time} is still later than {} ({now} + 5 min.)", calendar::amz(latest))));
    }
    Ok(())
}

/// What the request says of its own signature.
struct Given<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    time: &'a str,
}

impl Given<'_> {
    fn read(head: &Head) -> Result<Given<'_>, Refusal> {
        let Some(authorization) = head.header("authorization") else {
            return Err(Refusal::new(400, "MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default();
        let parameter = |name: &str| parameters.split(',').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='));
        let mut missing = String::new();
        for name in ["Credential", "Signature", "SignedHeaders"] {
            if parameter(name).is_none() {
                missing += &format!("Authorization header requires '{name}' parameter. ");
            }
        }
        if head.header("x-amz-date").is_none() {
            missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
        }
        match (parameter("Credential"), parameter("SignedHeaders"), parameter("Signature"), head.header("x-amz-date")) {
            (Some(credential), Some(signed_headers), Some(signature), Some(time)) => Ok(Given { credential, signed_headers, signature, time }),
            _ => Err(incomplete(&format!("{missing}Authorization={authorization}"))),
        }
    }
}

fn canonical_request(method: &str, target: &str, signed_headers: &str, headers: &[(String, String)], body: &[u8]) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    let mut lines = String::new();
    for name in signed_headers.split(';') {
        let values: Vec<String> = headers.iter().filter(|(n, _)| n == name).map(|(_, value)| one_space(value)).collect();
        lines += &format!("{name}:{}\n", values.join(","));
    }
    format!("{method}\n{path}\n{}\n{lines}\n{signed_headers}\n{}", query.join("&"), hex(digest::digest(&digest::SHA256, body).as_ref()))
}

/// Runs of spaces inside a header's value count as one.
fn one_space(value: &str) -> String {
    value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn string_to_sign(time: &str, scope: &str, canonical: &str) -> String {
    format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref()))
}

fn signature(secret_key: &str, scope: &str, to_sign: &str) -> String {
    let step = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{secret_key}").into_bytes(), |key, part| step(&key, part));
    hex(&step(&key, to_sign))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invalid(message: String) -> Refusal {
    Refusal::new(400, "InvalidSignatureException", &message)
}

fn incomplete(message: &str) -> Refusal {
    Refusal::new(400, "IncompleteSignatureException", message)
}
