//! Who wins, who is blamed, and what keys need of each other.

use std::path::PathBuf;
use std::time::Duration;

use kinegraf::config::{Destination, Level, Listen, Pack};
use kinegraf::line::partition_key::PartitionMethod;

use crate::{MINIMAL, load_all, load_file, without_file};

#[test]
fn every_sort_of_partition_can_be_said_by_flag_and_by_file() {
    let by_flag = |text: &str| {
        load_all(&format!("{MINIMAL}[partition]\nmethod = \"static\"\nkey = \"file\"\n"), &["--partition", text], &[]).unwrap().partition
    };
    let by_file = |text: &str| load_file(&format!("{MINIMAL}[partition]\n{text}\n")).unwrap().partition;
    assert_eq!(by_flag("random"), PartitionMethod::Random);
    assert_eq!(by_flag("measurement"), by_file("method = \"measurement\""));
    assert_eq!(by_flag("static=a=b,c"), by_file("method = \"static\"\nkey = \"a=b,c\""));
    assert_eq!(by_flag("tag=host,a,b=c"), by_file("method = \"tag\"\nkey = \"host\"\ndefault = \"a,b=c\""));
    assert_eq!(by_flag("tag=host"), by_file("method = \"tag\"\nkey = \"host\"\ndefault = \"telegraf\""));
}

#[test]
fn a_partition_key_without_a_method_that_takes_one_is_a_mistake() {
    let said = |text: &str| load_file(&format!("{MINIMAL}[partition]\n{text}\n")).unwrap_err().first_line();
    assert_eq!(said("key = \"a\""), "f.toml:4:1: partition.key needs partition.method \"static\" or \"tag\", which is not set");
    assert_eq!(
        said("method = \"random\"\nkey = \"a\""),
        "f.toml:5:1: partition.key needs partition.method \"static\" or \"tag\", which is \"random\""
    );
    assert_eq!(
        said("method = \"static\"\nkey = \"a\"\ndefault = \"b\""),
        "f.toml:6:1: partition.default needs partition.method \"tag\" or \"template\", which is \"static\""
    );
    assert_eq!(said("method = \"tag\""), "f.toml:4:10: partition.method is \"tag\", which needs partition.key, the tag whose value is the key");
    assert!(said(&format!("method = \"static\"\nkey = \"{}\"", "x".repeat(257))).contains("has 257 UTF-16 units"));
    assert!(load_file(&format!("{MINIMAL}[partition]\nmethod = \"static\"\nkey = \"{}\"\n", "é".repeat(256))).is_ok());
    assert!(load_file(&format!("{MINIMAL}[partition]\nmethod = \"static\"\nkey = \"{}\"\n", "𝄞".repeat(129))).is_err());
}

#[test]
fn a_flag_wins_over_the_file_and_the_environment_fills_only_what_is_empty() {
    let environment = [
        ("AWS_REGION", "eu-north-1"),
        ("AWS_DEFAULT_REGION", "eu-south-1"),
        ("AWS_ENDPOINT_URL", "https://general.example"),
        ("AWS_ENDPOINT_URL_KINESIS", "https://kinesis.example/k"),
    ];
    let at = |file: &str, flags: &[&str], environment: &[(&str, &str)]| {
        let Destination { region, url, .. } = load_all(file, flags, environment).unwrap().destination.unwrap();
        (region, url)
    };
    let pair = |region: &str, url: &str| (region.to_owned(), url.to_owned());
    let file = format!("{MINIMAL}endpoint_url = \"https://file.example\"\n");
    assert_eq!(at(&file, &["--region=us-east-1", "--endpoint-url=https://flag.example"], &environment), pair("us-east-1", "https://flag.example/"));
    assert_eq!(at(&file, &[], &environment), pair("eu-central-1", "https://file.example/"));
    let named = "streamname = \"s\"\nregion = \"\"\n";
    assert_eq!(at(named, &[], &environment), pair("eu-north-1", "https://kinesis.example/k/"));
    assert_eq!(at(named, &[], &environment[1..3]), pair("eu-south-1", "https://general.example/"));
    assert_eq!(at(named, &[], &[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", " eu-south-1\n")]).0, "eu-south-1");
    let ignored = [environment.as_slice(), &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")]].concat();
    assert_eq!(at(named, &[], &ignored), pair("eu-north-1", "https://kinesis.eu-north-1.amazonaws.com/"));

    let bundles = [("AWS_CA_BUNDLE", "/a"), ("SSL_CERT_FILE", "/b")];
    assert_eq!(
        load_all(&format!("{MINIMAL}[network]\nca_file = \"/c\"\n"), &[], &bundles)
            .unwrap()
            .network
            .ca_files
            .into_iter()
            .map(|file| file.path)
            .collect::<Vec<_>>(),
        ["/c", "/a", "/b"].map(PathBuf::from)
    );
    assert_eq!(
        load_all(&format!("{MINIMAL}[network]\nca_file = \"/a\"\n"), &[], &bundles)
            .unwrap()
            .network
            .ca_files
            .into_iter()
            .map(|file| file.path)
            .collect::<Vec<_>>(),
        ["/a", "/b"].map(PathBuf::from)
    );

    let file = format!("{MINIMAL}[delivery]\ndeadline = \"9s\"\n[packing]\npack = \"lines\"\n");
    let config =
        load_all(&file, &["--deadline", "4s", "--pack=metric", "--shutdown-timeout=0s", "--flush-interval", "500ms", "--profile=p"], &[]).unwrap();
    assert_eq!(
        (config.delivery.deadline, config.packing.pack, config.delivery.shutdown_timeout),
        (Some(Duration::from_secs(4)), Pack::Metric, Duration::ZERO)
    );
    assert_eq!((config.packing.flush_interval, config.credentials.profile.as_deref()), (Duration::from_millis(500), Some("p")));
}

#[test]
fn listen_is_repeated_on_the_command_line_and_wins_as_a_whole_over_the_file() {
    let unix = |path: &str| Listen::Unix(path.into());
    let file = format!("{MINIMAL}[input]\nlisten = [\"unix:///file\", \"stdin\"]\n");
    let listen = |file: &str, flags: &[&str]| load_all(file, flags, &[]).unwrap().input.listen;
    assert_eq!(listen(MINIMAL, &[]), [Listen::Stdin]);
    assert_eq!(listen(&file, &[]), [unix("/file"), Listen::Stdin]);
    let flags = ["--listen", "unix:///a", "--role-arn=arn:aws:iam::123456789012:role/edge", "--listen=unixgram:///b"];
    for file in [MINIMAL, &file] {
        assert_eq!(listen(file, &flags), [unix("/a"), Listen::Unixgram("/b".into())]);
    }
}

#[test]
fn what_belongs_to_a_role_is_a_mistake_without_one_unless_the_role_is_an_empty_variable() {
    for key in ["role_session_name = \"gw-7\"", "external_id = \"customer:1\"", "web_identity_token_file = \"/t\""] {
        let name = key.split(' ').next().unwrap();
        let said = load_file(&format!("{MINIMAL}{key}\n")).unwrap_err();
        assert_eq!((said.first_line(), said.exit_code()), (format!("f.toml:3:1: {name} is given without role_arn"), 78));
        let by_variable = format!("{MINIMAL}role_arn = \"${{ROLE:-}}\"\n{key}\n");
        let config = load_file(&by_variable).unwrap();
        assert_eq!(config.notes, [format!("f.toml:4:1: {name} counts only with role_arn")]);
        assert_eq!(format!("{:?}", config.credentials), format!("{:?}", load_file(MINIMAL).unwrap().credentials));
        for (flags, variables) in
            [(&[][..], &[("ROLE", "arn:aws:iam::123456789012:role/a")][..]), (&["--role-arn=arn:aws:iam::123456789012:role/a"], &[])]
        {
            let config = load_all(&by_variable, flags, variables).unwrap();
            assert_eq!((config.credentials.role_arn.as_deref(), config.notes.len()), (Some("arn:aws:iam::123456789012:role/a"), 0));
        }
    }
}

#[test]
fn the_loudest_of_the_file_holds_and_a_flag_wins_over_it() {
    let level = |file: &str, flags: &[&str]| load_all(&format!("{MINIMAL}{file}"), flags, &[]).unwrap().log.level;
    assert_eq!(level("", &[]), Level::Warn);
    assert_eq!(level("debug = true\n[log]\nlevel = \"error\"\n", &[]), Level::Debug);
    assert_eq!(level("debug = false\n[log]\nlevel = \"error\"\n", &[]), Level::Error);
    assert_eq!(level("debug = true\n", &["-q"]), Level::Error);
    assert_eq!(level("debug = true\n", &["-v"]), Level::Info);
    assert_eq!([level("", &["-vv"]), level("", &["-v", "-v"]), level("", &["-vvv"])], [Level::Debug; 3]);
}

#[test]
fn a_wrong_value_is_blamed_on_whoever_gave_it() {
    let error = without_file(&["--stream", "s"], &[("AWS_REGION", "Frankfurt")]).unwrap_err();
    assert_eq!(
        (error.first_line(), error.exit_code()),
        ("AWS_REGION is \"Frankfurt\", must be a region such as \"eu-central-1\" (1 to 64 of a-z, 0-9, '-')".into(), 78)
    );
    let error = without_file(&["--stream", "s"], &[("AWS_REGION", "local")]).unwrap_err();
    assert!(error.first_line().starts_with("AWS_REGION is \"local\", must be a region of AWS") && error.exit_code() == 78, "{error}");
    let error = without_file(&["--stream", "s", "--region", "eu-central-1b"], &[]).unwrap_err();
    assert!(
        error.first_line().starts_with("--region is \"eu-central-1b\"") && error.first_line().ends_with("did you mean \"eu-central-1\"?"),
        "{error}"
    );
    assert_eq!((error.mistakes(), error.exit_code()), (1, 64));
    assert!(without_file(&["--stream", "s", "--region", "local", "--endpoint-url", "http://localhost:4567"], &[]).is_ok());
    let error = without_file(&["--stream", "s", "--region", "local", "--endpoint-url", "http://10.0.0.1"], &[]).unwrap_err();
    assert_eq!(
        (error.first_line(), error.exit_code()),
        ("--endpoint-url is plain http to another host, must be https unless network.allow_plain_http is true".into(), 64)
    );
    let error = without_file(&["--stream", "s", "--region", "eu-west-1"], &[("AWS_ENDPOINT_URL", "https://user:hunter2@h/")]).unwrap_err();
    assert!(error.first_line().starts_with("AWS_ENDPOINT_URL has a user or password") && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_missing_stream_or_region_says_what_to_write_and_a_dry_run_needs_neither() {
    let error = without_file(&[], &[]).unwrap_err();
    assert_eq!((error.mistakes(), error.exit_code()), (2, 78));
    assert_eq!(
        error.to_string(),
        "no stream is named: give --stream NAME, or write streamname = \"NAME\" in a file that --config names\n\
         no region is named: give --region REGION, write region = \"REGION\" in a file that --config names, or set AWS_REGION"
    );
    let config = without_file(&["--dry-run"], &[("AWS_REGION", "Nonsense")]).unwrap();
    assert!(config.dry_run && config.destination.is_none());
    assert!(load_all("region = \"A B\"\n", &["--dry-run"], &[]).is_err(), "a mistake is one in a dry run too");
}
