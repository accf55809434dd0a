//! Where Kinesis is: the address of a region, and the check of an address that somebody configured. No network, no DNS.
//!
//! An address that passed has a scheme, a host, perhaps a port and a path that ends in one slash, and nothing else: no user, password, query or fragment.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::aws::partition;

/// Characters of a region.
const REGION_MAX: usize = 64;
/// Bytes of a configured address.
const URL_SIZE_MAX: usize = 1024;

/// `https://kinesis.{region}.{suffix}/`.
pub fn url_of_region(region: &str) -> String {
    partition::url_of("kinesis", region)
}

/// Whether `text` can stand in a signature's scope as a region: 1 to 64 of `[a-z0-9-]`. Enough where an `endpoint_url` is configured.
pub fn can_be_region(text: &str) -> bool {
    (1..=REGION_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether `text` has the shape of AWS's regions, letters then parts then a number: `eu-central-1`, `us-gov-west-1`.
pub fn is_aws_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or_default();
    let mut middle = parts.clone();
    can_be_region(text)
        && first.len() >= 2
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.next().is_some()
        && middle.all(|part| !part.is_empty())
        && !last.is_empty()
        && last.bytes().all(|b| b.is_ascii_digit())
}

/// What is wrong with a configured address. Never holds a part of it: it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// No `http://` or `https://` before the host.
    Scheme,
    /// No host, or one with characters that no host has.
    Host,
    /// A port that is no number from 1 to 65535.
    Port,
    /// A user or password before the host.
    Userinfo,
    /// A query or a fragment.
    Query,
    /// A character outside printable ASCII, or `.` or `..` as a part of the path.
    Path,
    /// Longer than 1024 bytes.
    Size,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::Scheme => "has no scheme, must begin with https:// (or http:// for a loopback host)",
            UrlError::Host => "has no valid host, must be like https://HOST[:PORT]/",
            UrlError::Port => "has no valid port, must be a number from 1 to 65535",
            UrlError::Userinfo => "has a user or password before the host, must have none: requests are signed with AWS credentials",
            UrlError::Query => "has a query or fragment, must end with the path",
            UrlError::Path => "has a path that cannot be sent as it is, must be printable ASCII without '.' and '..' parts",
            UrlError::Size => "is longer than 1024 bytes",
        })
    }
}

/// Checks a configured address; gives it with scheme and host in lower case and exactly one slash at its end.
pub fn check_url(url: &str) -> Result<String, UrlError> {
    if url.len() > URL_SIZE_MAX {
        return Err(UrlError::Size);
    }
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(UrlError::Scheme);
    }
    // A password may itself contain a slash or a question mark, so an @ anywhere is refused before anything else.
    if rest.contains('@') {
        return Err(UrlError::Userinfo);
    }
    if rest.contains(['?', '#']) {
        return Err(UrlError::Query);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = split_port(authority)?;
    let port = match port {
        Some(port) => format!(":{}", check_port(port)?),
        None => String::new(),
    };
    if !is_host(host) {
        return Err(UrlError::Host);
    }
    let path = path.trim_end_matches('/');
    if !path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') || path.split('/').any(|part| part == "." || part == "..") {
        return Err(UrlError::Path);
    }
    let slash = if path.is_empty() { "" } else { "/" };
    Ok(format!("{scheme}://{}{port}/{path}{slash}", host.to_ascii_lowercase()))
}

/// Whether an address that [`check_url`] gave sends record data and signatures readable over a network: plain http to another host than this one.
pub fn is_exposed(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = split_port(authority).map_or("", |(host, _)| host);
    let loopback = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    };
    !loopback
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let host_end = match authority.strip_prefix('[') {
        Some(v6) => v6.find(']').ok_or(UrlError::Host)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(UrlError::Host),
    }
}

fn check_port(port: &str) -> Result<u16, UrlError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port > 0).ok_or(UrlError::Port)
}

fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.strip_suffix(']').is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        let ends = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && ends && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_suffix() {
        for (region, host) in [
            ("eu-central-1", "kinesis.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", "kinesis.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "kinesis.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "kinesis.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "kinesis.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "kinesis.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "kinesis.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "kinesis.us-isof-south-1.csp.hci.ic.gov"),
        ] {
            assert!(is_aws_region(region), "{region}");
            let url = url_of_region(region);
            assert_eq!(url, format!("https://{host}/"));
            assert_eq!(check_url(&url).as_deref(), Ok(url.as_str()));
            assert!(!is_exposed(&url));
        }
    }

    #[test]
    fn a_region_has_letters_parts_and_a_number() {
        for bad in [
            "",
            "local",
            "eu",
            "eu-1",
            "eu-central",
            "eu-central-1a",
            "EU-central-1",
            "e-central-1",
            "eu--1",
            "eu-central-",
            "1u-central-1",
            "eu_central_1",
            "eu-central-1 ",
        ] {
            assert!(!is_aws_region(bad), "{bad}");
        }
        assert!(can_be_region("local") && can_be_region("eu-central-1a"));
        assert!(!can_be_region("") && !can_be_region("a.b") && !can_be_region("Local") && !can_be_region(&"a".repeat(65)));
    }

    #[test]
    fn an_address_is_normalised_and_keeps_its_path() {
        for (given, expected) in [
            ("http://localhost:4567", "http://localhost:4567/"),
            ("HTTPS://Proxy.Example", "https://proxy.example/"),
            ("https://proxy.example/Kinesis", "https://proxy.example/Kinesis/"),
            ("https://proxy.example/a%20b/c///", "https://proxy.example/a%20b/c/"),
            ("http://[::1]:80/", "http://[::1]:80/"),
            ("https://vpce-1.kinesis.eu-central-1.vpce.amazonaws.com", "https://vpce-1.kinesis.eu-central-1.vpce.amazonaws.com/"),
        ] {
            assert_eq!(check_url(given).as_deref(), Ok(expected), "{given}");
            assert_eq!(check_url(expected).as_deref(), Ok(expected), "{expected}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused_with_its_reason() {
        for (given, reason) in [
            ("", UrlError::Scheme),
            ("localhost:4567", UrlError::Scheme),
            ("ftp://localhost", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:///path", UrlError::Host),
            ("https://a b/", UrlError::Host),
            ("https://-a/", UrlError::Host),
            ("https://a..b/", UrlError::Host),
            ("https://[::1/", UrlError::Host),
            ("https://[::g]/", UrlError::Host),
            ("https://[::1]x/", UrlError::Host),
            ("https://münchen/", UrlError::Host),
            ("https://h:/", UrlError::Port),
            ("https://h:0/", UrlError::Port),
            ("https://h:65536/", UrlError::Port),
            ("https://h:+80/", UrlError::Port),
            ("https://user:pw@h/", UrlError::Userinfo),
            ("https://user:p/w@h/", UrlError::Userinfo),
            ("https://h/?a", UrlError::Query),
            ("https://h/#a", UrlError::Query),
            ("https://h?a", UrlError::Query),
            ("https://h/a/../b", UrlError::Path),
            ("https://h/a\r\nX: y", UrlError::Path),
            ("https://h/ä", UrlError::Path),
        ] {
            assert_eq!(check_url(given), Err(reason), "{given}");
        }
        assert_eq!(check_url(&format!("https://h/{}", "a".repeat(1024))), Err(UrlError::Size));
    }

    #[test]
    fn plain_http_is_exposed_except_on_this_host() {
        for here in ["http://localhost/", "http://127.0.0.1:4567/", "http://127.9.9.9/", "http://[::1]:1/", "https://elsewhere/"] {
            assert!(!is_exposed(here), "{here}");
        }
        for there in
            ["http://kinesis/", "http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1.example/", "http://[::2]/", "http://0.0.0.0/"]
        {
            assert!(is_exposed(there), "{there}");
        }
    }
}
