//! Every secret that the tests of a crate use. No program may show one: each output that [`super::process`] collects is looked through.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Shorter ones stand in other words.
const SIZE_MIN: usize = 8;

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From here on no output may show it.
pub fn register(secret: &str) {
    if secret.trim().len() >= SIZE_MIN {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.trim().to_owned());
    }
}

/// Whether a variable of this name holds a secret.
pub fn is_secret(variable: &str) -> bool {
    ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"].contains(&variable)
}

/// Fails the test whose program showed a secret; not even the report does.
pub fn assert_hidden(place: &str, output: &[u8]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    known.insert(super::SECRET_KEY.to_owned());
    let shown = known.iter().find(|secret| memchr::memmem::find(output, secret.as_bytes()).is_some());
    if let Some(secret) = shown {
        panic!("{place} shows a secret that begins with {:?}", &secret[..3.min(secret.len())]);
    }
}
