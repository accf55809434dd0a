//! No proxy ever sees a request for keys, whatever the variables say.

use std::process::Command;

use super::support::metadata::Metadata;
use super::{Asking, key};

const CHILD: &str = "KINEGRAF_TEST_BEHIND_A_PROXY";

/// The client reads the variables of its process, so the question is asked in one of its own: this test again, with the variables set. A proxy is never asked
/// for 127.0.0.1; so the address is 0.0.0.0, which is not loopback's but leads there. `tests/emulators/run metadata` does it at the real addresses.
#[test]
fn keys_are_never_asked_for_through_a_proxy() {
    if std::env::var_os(CHILD).is_none() {
        let proxy = Metadata::start(key());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "proxy::keys_are_never_asked_for_through_a_proxy"]).env(CHILD, "1");
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            child.env(name, proxy.url());
        }
        let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
        assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let service = Metadata::start(key());
    Asking::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url().replace("127.0.0.1", "0.0.0.0"))]).assert_found("EC2 instance metadata");
}
