//! A credential chain with nothing but `[credentials.iot]` in it, and what it logs.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinegraf::aws::credentials::{Chain, ChainOptions, CredentialsError};
use kinegraf::aws::http::{HttpOptions, ProxyOption};
use kinegraf::config::environment::Environment;
use kinegraf::config::{CredentialsConfig, IotConfig, Level};
use kinegraf::log::{Hold, Log};
use kinegraf::random::Random;
use kinegraf::time::{Clock, Now};

use super::service::{Authority, Files, P256, Request, Service, credentials};

/// A moment in 2027.
pub(crate) const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_800_000_000) };
pub(crate) const SECRET: &str = "hunter2/secret+of+the+device";
pub(crate) const TOKEN: &str = "hunter2/token==";

/// So long after [`NOW`], on both clocks.
pub(crate) fn later(seconds: f64) -> Now {
    let by = Duration::from_secs_f64(seconds);
    Now { mono: NOW.mono + by, wall: NOW.wall + by }
}

/// Good for an hour from [`NOW`] on.
pub(crate) fn hour(_: &Request) -> Vec<u8> {
    credentials("ASIADEVICE", SECRET, TOKEN, "Fri, 15 Jan 2027 08:00:00 GMT", "2027-01-15T09:00:00Z")
}

/// A device with a certificate of `authority` for the key P-256, good until 2090.
pub(crate) fn device(authority: &Authority) -> Files {
    Files::new(&authority.device(P256, "sensor-17", (2020, 2090)), P256, &authority.pem())
}

pub(crate) fn config(url: String, files: &Files) -> IotConfig {
    IotConfig {
        url,
        role_alias: "kinegraf-alias".into(),
        thing_name: None,
        certificate: files.certificate.clone(),
        private_key: files.private_key.clone(),
        ca: Some(files.ca.clone()),
        start_jitter: Duration::ZERO,
    }
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn http() -> HttpOptions {
    HttpOptions { proxy: ProxyOption::Never, connect_timeout: Duration::from_secs(5), ..HttpOptions::new(Clock::new()) }
}

pub(crate) fn chain_with(iot: IotConfig, variables: &[(&str, &str)], logged: &Logged) -> Chain {
    let config = CredentialsConfig { iot: Some(iot), ..CredentialsConfig::default() };
    let log = Log::new(Level::Debug, Hold::No, Box::new(logged.clone()));
    let environment = Environment::from_pairs(variables);
    Chain::new(ChainOptions { config, environment, region: "eu-central-1".into(), http: http(), log }, Random::from_seed(1))
}

pub(crate) fn chain(iot: IotConfig) -> Chain {
    chain_with(iot, &[], &Logged::default())
}

/// The error of a device's first call, which shows no secret.
pub(crate) fn error_of(iot: IotConfig) -> CredentialsError {
    let error = chain(iot).credentials(NOW).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    error
}

/// That of a device whose service answers like this.
pub(crate) fn error_by(answer: Vec<u8>) -> CredentialsError {
    let authority = Authority::new("root");
    let service = Service::start(&authority, move |_| answer.clone());
    error_of(config(service.url(), &device(&authority)))
}
