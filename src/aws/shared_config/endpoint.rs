//! Where a service is, when somebody says so: the order of AWS's SDKs over variables and the profile.

use std::fmt;

use super::{Property, SharedConfig};
use crate::config::environment::Environment;

/// A service that may have an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Where records go.
    Kinesis,
    /// Which gives credentials of roles.
    Sts,
}

impl Service {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Service::Kinesis => ("AWS_ENDPOINT_URL_KINESIS", "kinesis.endpoint_url"),
            Service::Sts => ("AWS_ENDPOINT_URL_STS", "sts.endpoint_url"),
        }
    }
}

/// Who said it, as a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This variable.
    Variable(&'static str),
    /// `path:line: endpoint_url`.
    Profile(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Variable(name) => f.write_str(name),
            Origin::Profile(place) => f.write_str(place),
        }
    }
}

/// The address of `service`: its variable, the variable for all services, the `services` section that `profile` names, the profile's `endpoint_url`; none where
/// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, or the profile without that variable, says to ignore them all. Not checked to be an address.
pub fn endpoint_url(service: Service, environment: &Environment, shared: &SharedConfig, profile: &str) -> Option<(String, Origin)> {
    let profile = shared.profile(profile);
    let value = |name: &str| profile.and_then(|profile| profile.get(name));
    let ignore = environment
        .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .or_else(|| value("ignore_configured_endpoint_urls").map(|property| property.value().to_owned()));
    if ignore.is_some_and(|ignore| ignore.trim().eq_ignore_ascii_case("true")) {
        return None;
    }
    let (own_variable, nested) = service.names();
    let variable = [own_variable, "AWS_ENDPOINT_URL"].into_iter().find_map(|name| Some((environment.get(name)?, Origin::Variable(name))));
    let of_profile = || {
        let section = value("services").and_then(|name| shared.services.get(name.value().trim()));
        let property = section.and_then(|section| section.get(nested)).or_else(|| value("endpoint_url"))?;
        Some((property.value().to_owned(), Origin::Profile(subject(shared, property, "endpoint_url"))))
    };
    variable.or_else(of_profile).map(|(url, origin)| (url.trim().to_owned(), origin))
}

/// What a message calls a property.
fn subject(shared: &SharedConfig, property: &Property, name: &str) -> String {
    format!("{}: {name}", shared.place_of(property))
}

impl SharedConfig {
    /// The `region` of a profile, not checked, and what a message calls it.
    pub fn region(&self, profile: &str) -> Option<(String, String)> {
        let property = self.profile(profile)?.get("region")?;
        Some((property.value().trim().to_owned(), subject(self, property, "region")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::aws::shared_config::FileKind;

    const TEXT: &str = "[profile both]\nservices = local\nendpoint_url = http://profile\n[profile all]\nendpoint_url = http://profile\n\
                        [profile off]\nignore_configured_endpoint_urls = TRUE\nendpoint_url = http://profile\n[profile lost]\nservices = nowhere\n\
                        [services local]\nkinesis =\n  endpoint_url = http://kinesis\n";

    #[test]
    fn the_nearest_word_about_an_endpoint_counts() {
        let mut shared = SharedConfig::default();
        shared.add(FileKind::Config, Path::new("f"), TEXT).unwrap();
        let own = ("AWS_ENDPOINT_URL_KINESIS", "http://own");
        let all = ("AWS_ENDPOINT_URL", " http://all ");
        let ignore = |value| ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", value);
        use Service::{Kinesis, Sts};
        for (service, variables, profile, expected) in [
            (Kinesis, &[] as &[(&str, &str)], "both", Some("http://kinesis f:13: endpoint_url")),
            (Sts, &[], "both", Some("http://profile f:3: endpoint_url")),
            (Kinesis, &[], "all", Some("http://profile f:5: endpoint_url")),
            (Kinesis, &[], "lost", None),
            (Kinesis, &[], "none", None),
            (Kinesis, &[own, all], "both", Some("http://own AWS_ENDPOINT_URL_KINESIS")),
            (Sts, &[own, all], "both", Some("http://all AWS_ENDPOINT_URL")),
            (Kinesis, &[own, all, ignore("true")], "both", None),
            (Kinesis, &[own], "off", None),
            (Kinesis, &[own, ignore("false")], "off", Some("http://own AWS_ENDPOINT_URL_KINESIS")),
            (Kinesis, &[ignore("false")], "off", Some("http://profile f:8: endpoint_url")),
        ] {
            let found = endpoint_url(service, &Environment::from_pairs(variables), &shared, profile).map(|(url, origin)| format!("{url} {origin}"));
            assert_eq!(found.as_deref(), expected, "{service:?} {variables:?} {profile}");
        }
    }
}
