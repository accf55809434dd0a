//! Which configuration leads to which credentials, and from which files. No secret goes in: a hash of one could be guessed at.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use crate::config::CredentialsConfig;
use crate::config::environment::{Environment, expand_path};
use crate::log::Log;

/// Variables that change which credentials are found. Not those that hold secrets.
const VARIABLES: [&str; 25] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "CREDENTIALS_DIRECTORY",
    "HOME",
];

/// `kinegraf-credentials-` and 16 hexadecimal digits of the SHA-256 over all that leads to them.
pub(super) fn file_name(config: &CredentialsConfig, environment: &Environment, region: &str) -> String {
    let mut hash = Hash::new();
    hash.add("version", env!("CARGO_PKG_VERSION"));
    hash.add("region", region);
    hash.maybe("access_key", config.keys.as_ref().map(|(id, _)| id));
    hash.maybe("profile", config.profile.as_ref());
    hash.maybe("shared_credential_file", config.shared_credential_file.as_ref());
    hash.maybe("role_arn", config.role_arn.as_ref());
    hash.maybe("role_session_name", config.role_session_name.as_ref());
    hash.maybe("external_id", config.external_id.as_ref());
    hash.maybe("web_identity_token_file", config.web_identity_token_file.as_ref());
    hash.maybe("imds", config.imds_off.then_some("off"));
    if let Some(iot) = &config.iot {
        hash.add("iot", &iot.url);
        hash.add("role_alias", &iot.role_alias);
        hash.maybe("thing_name", iot.thing_name.as_ref());
        hash.add("certificate", &iot.certificate);
        hash.add("private_key", &iot.private_key);
        hash.maybe("ca", iot.ca.as_ref());
    }
    for name in VARIABLES {
        hash.maybe(name, environment.get(name).as_ref());
    }
    format!("kinegraf-credentials-{}", hash.hex())
}

/// Size, time of the last change and inode of each file: another key may stand in a file of the same name.
pub(super) fn state(files: &[PathBuf]) -> String {
    let mut hash = Hash::new();
    for path in files {
        let found = std::fs::metadata(path).ok().map(|found| format!("{} {}.{} {}", found.size(), found.mtime(), found.mtime_nsec(), found.ino()));
        hash.maybe("file", found.as_ref());
    }
    hash.hex()
}

/// Files that credentials may be read from, or that are shown for them, whether they exist or not.
pub(super) fn files(config: &CredentialsConfig, environment: &Environment) -> Vec<PathBuf> {
    let named = |name: &str| environment.get(name).map(PathBuf::from);
    let at_home = |name: &str| environment.get("HOME").map(|home| Path::new(&home).join(name));
    let mut files = secret_files(config, environment);
    files.extend(named("AWS_CONFIG_FILE").or_else(|| at_home(".aws/config")).map(|path| expand_path(path, environment)));
    files.extend(config.iot.iter().flat_map(|iot| [&iot.certificate, &iot.private_key]).map(|path| expand_path(path, environment)));
    files
}

/// Those that hold secrets, but for the private key of AWS IoT: `iot` looks after that itself.
fn secret_files(config: &CredentialsConfig, environment: &Environment) -> Vec<PathBuf> {
    let named = |name: &str| environment.get(name).map(PathBuf::from);
    let at_home = |name: &str| environment.get("HOME").map(|home| Path::new(&home).join(name));
    let shared = config.shared_credential_file.clone().or_else(|| named("AWS_SHARED_CREDENTIALS_FILE")).or_else(|| at_home(".aws/credentials"));
    let tokens = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].map(named);
    [shared, config.web_identity_token_file.clone()].into_iter().chain(tokens).flatten().map(|path| expand_path(path, environment)).collect()
}

/// Says which files with secrets every user may read. Nothing where the secrets were not in files.
pub(in crate::aws::credentials) fn warn_of_open_files(config: &CredentialsConfig, environment: &Environment, source: &str, log: &Log) {
    if ["explicit keys", "environment"].contains(&source) {
        return;
    }
    for path in secret_files(config, environment) {
        if let Some(mode) = std::fs::metadata(&path).ok().map(|found| found.mode() & 0o7777).filter(|mode| mode & 0o004 != 0) {
            log.warn(format_args!("credentials: every user may read {} (mode {mode:04o}); chmod 600 it", path.display()));
        }
    }
}

/// Names and values, told apart by their lengths.
struct Hash(Context);

impl Hash {
    fn new() -> Hash {
        Hash(Context::new(&SHA256))
    }

    fn add(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.maybe(name, Some(value));
    }

    fn maybe(&mut self, name: &str, value: Option<impl AsRef<OsStr>>) {
        for bytes in [Some(name.as_bytes()), value.as_ref().map(|value| value.as_ref().as_bytes())] {
            self.0.update(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
            self.0.update(bytes.unwrap_or_default());
        }
    }

    fn hex(self) -> String {
        self.0.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn name(config: &CredentialsConfig, variables: &[(&str, &str)]) -> String {
        file_name(config, &Environment::from_pairs(variables), "eu-central-1")
    }

    #[test]
    fn each_thing_that_leads_to_other_credentials_leads_to_another_file() {
        let none = CredentialsConfig::default();
        let text = |text: &str| Some(text.to_owned());
        let configs = [
            none.clone(),
            CredentialsConfig { role_arn: text("r"), ..none.clone() },
            CredentialsConfig { role_session_name: text("r"), ..none.clone() },
            CredentialsConfig { external_id: text("r"), ..none.clone() },
            CredentialsConfig { external_id: text("s"), ..none.clone() },
            CredentialsConfig { profile: text("r"), ..none.clone() },
            CredentialsConfig { imds_off: true, ..none.clone() },
            CredentialsConfig { keys: Some(("r".into(), Secret::new("x".into()))), ..none.clone() },
        ];
        let mut names: Vec<String> = configs.iter().map(|config| name(config, &[])).collect();
        names.extend(VARIABLES.iter().map(|variable| name(&none, &[(variable, "r")])));
        names.push(file_name(&none, &Environment::default(), "eu-west-1"));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| name.len() == "kinegraf-credentials-".len() + 16));
    }

    #[test]
    fn no_secret_changes_the_name() {
        let keys = |secret: &str| CredentialsConfig {
            keys: Some(("id".into(), Secret::new(secret.into()))),
            token: Some(Secret::new(secret.into())),
            ..CredentialsConfig::default()
        };
        let secrets = ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
        let with = |secret: &str| name(&keys(secret), &secrets.map(|variable| (variable, secret)));
        assert_eq!(with("one"), with("two"));
    }
}
