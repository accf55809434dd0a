//! Region and endpoint of a profile in the files that AWS's tools share.

use std::io;
use std::path::{Path, PathBuf};

use kinegraf::config::{Config, ConfigError, Destination, Environment};

use crate::{load_tree, load_with, run};

const CONFIG: &str = "[default]\nregion = eu-west-1\nendpoint_url = https://default.example\n[profile edge]\nregion = eu-north-1\nservices = local\n\
                      [profile quiet]\nregion = eu-south-1\nignore_configured_endpoint_urls = true\nendpoint_url = https://quiet.example\n\
                      [services local]\nkinesis =\n  endpoint_url = https://kinesis.example/k\n";
const HOME: (&str, &str) = ("HOME", "/h");

fn load(config: &str, credentials: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--stream", "s"]);
    let variables = [&[HOME], variables].concat();
    load_tree(&[("/h/.aws/config", config), ("/h/.aws/credentials", credentials)], &arguments, &variables)
}

fn destination(loaded: Result<Config, ConfigError>) -> Destination {
    loaded.unwrap().destination.unwrap()
}

fn found(arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let destination = destination(load(CONFIG, "", arguments, variables));
    (destination.region, destination.url)
}

fn is(region: &str, url: &str) -> (String, String) {
    (region.to_owned(), url.to_owned())
}

#[test]
fn the_profiles_region_and_endpoint_come_after_flag_and_variable() {
    assert_eq!(found(&[], &[]), is("eu-west-1", "https://default.example/"));
    assert_eq!(found(&[], &[("AWS_PROFILE", "edge")]), is("eu-north-1", "https://kinesis.example/k/"));
    assert_eq!(found(&["--profile", "edge"], &[("AWS_PROFILE", "quiet")]), is("eu-north-1", "https://kinesis.example/k/"));
    assert_eq!(found(&[], &[("AWS_PROFILE", "quiet")]), is("eu-south-1", "https://kinesis.eu-south-1.amazonaws.com/"));
    assert_eq!(found(&[], &[("AWS_DEFAULT_REGION", "us-east-1")]), is("us-east-1", "https://default.example/"));
    assert_eq!(found(&["--region", "us-west-2"], &[("AWS_REGION", "us-east-1")]), is("us-west-2", "https://default.example/"));
    assert_eq!(found(&["--profile", "edge"], &[("AWS_ENDPOINT_URL", "https://all.example")]), is("eu-north-1", "https://all.example/"));
    assert_eq!(found(&["--endpoint-url", "https://flag.example"], &[]), is("eu-west-1", "https://flag.example/"));
    let ignored = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_PROFILE", "edge"), ("AWS_ENDPOINT_URL", "https://all.example")];
    assert_eq!(found(&[], &ignored), is("eu-north-1", "https://kinesis.eu-north-1.amazonaws.com/"));
    let merged = destination(load(CONFIG, "[default]\nregion = ap-south-1", &[], &[]));
    assert_eq!(merged.region, "ap-south-1");
}

#[test]
fn a_wrong_value_in_a_profile_is_told_with_file_and_line() {
    let error = load("[default]\nregion = Frankfurt\nendpoint_url = ftp://x", "", &[], &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/h/.aws/config:2: region is \"Frankfurt\", must be a region"), "{text}");
    assert!(text.contains("/h/.aws/config:3: endpoint_url "), "{text}");
    assert_eq!((error.mistakes(), error.exit_code()), (2, 78));
    let unknown = load("[default]\nregion = eu-central-1a", "", &[], &[]).unwrap_err().to_string();
    assert!(unknown.contains("/h/.aws/config:2: region is \"eu-central-1a\"") && unknown.contains("did you mean \"eu-central-1\""), "{unknown}");
    let plain = load("[default]\nregion = eu-west-1\nendpoint_url = http://far.example", "", &[], &[]).unwrap_err().to_string();
    assert!(plain.contains("/h/.aws/config:3: endpoint_url is plain http"), "{plain}");
    let secret = load("[default]\nregion = wJalrXUtnFEMI7MDENGbPxRfiCYKEY\n", "", &[], &[]).unwrap_err().to_string();
    assert!(!secret.contains("wJalr"), "{secret}");
}

#[test]
fn a_broken_shared_file_breaks_only_the_run_that_needs_its_region() {
    let broken = "[default]\nhunter2\nregion = eu-west-1";
    let error = load(broken, "", &[], &[]).unwrap_err().to_string();
    assert_eq!(error, "/h/.aws/config:2: neither a section nor a property (key = value), and no region is named elsewhere");
    let config = load(broken, "", &["--region", "eu-central-1"], &[]).unwrap();
    assert_eq!(config.notes, ["/h/.aws/config:2: neither a section nor a property (key = value); so it cannot say endpoint_url or region"]);
    assert_eq!(destination(load("", broken, &[], &[("AWS_REGION", "eu-central-1")])).region, "eu-central-1");
    // The other file says it.
    assert_eq!(destination(load(broken, "[default]\nregion = eu-west-2", &[], &[])).region, "eu-west-2");
    // Nothing is needed of it, so nothing is said.
    let all = ["--region", "eu-central-1", "--endpoint-url", "https://x.example"];
    assert_eq!(load(broken, "", &all, &[]).unwrap().notes, [""; 0]);
}

#[test]
fn a_shared_file_that_cannot_be_read_is_a_matter_of_whoever_named_it() {
    let read = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
    let load = |arguments: &[&str], variables| {
        let environment = Environment::from_pairs(variables);
        load_with(&run(&[arguments, &["--stream", "s"]].concat()), &environment, &read)
    };
    assert_eq!(load(&["--region", "eu-west-1"], &[HOME]).unwrap().notes, [""; 0]);
    let notes = load(&["--region", "eu-west-1"], &[HOME, ("AWS_CONFIG_FILE", "/c")]).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].starts_with("/c: cannot be read: permission denied"), "{notes:?}");
    let error = load(&[], &[HOME]).unwrap_err();
    assert!(error.mistakes() == 2 && error.to_string().contains("/h/.aws/config: cannot be read: permission denied, and no region"), "{error}");
}

#[test]
fn the_files_are_not_read_by_a_dry_run_and_not_where_nobody_has_a_home() {
    let read = |path: &Path| -> io::Result<Vec<u8>> { panic!("{} is read", PathBuf::from(path).display()) };
    load_with(&run(&["--dry-run"]), &Environment::from_pairs(&[HOME]), &read).unwrap();
    assert!(load_with(&run(&["--stream", "s"]), &Environment::default(), &read).unwrap_err().to_string().contains("no region is named"));
}
