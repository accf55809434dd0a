//! The written file means what the section means when it is read as it is.

use std::io;
use std::path::Path;

use kinegraf::cli::{self, Command, Options};
use kinegraf::commands::migrate;
use kinegraf::config::{Config, ConfigError, Environment, Files, load};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

fn options() -> Options {
    match cli::parse(["--config".into(), "f".into()]) {
        Ok(Command::Run(options)) => options,
        other => panic!("{other:?}"),
    }
}

fn load_text(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let read = |path: &Path| if path == Path::new("f") { Ok(text.as_bytes().to_vec()) } else { Err(io::ErrorKind::NotFound.into()) };
    load(&options(), environment, Files { read: &read, list: &|_| Ok(Vec::new()) })
}

fn migrated(text: &str, environment: &Environment) -> Result<String, ConfigError> {
    let files = Files { read: &|_| Err(io::ErrorKind::NotFound.into()), list: &|_| Ok(Vec::new()) };
    migrate::own_file(Path::new("f"), text, environment, files)
}

/// All that a configuration says, secrets too.
fn all_of(mut config: Config) -> String {
    config.notes.clear();
    let secrets = config.credentials.keys.as_ref().map(|(_, secret)| secret.reveal().to_owned());
    let token = config.credentials.token.as_ref().map(|token| token.reveal().to_owned());
    format!("{config:?} {secrets:?} {token:?}")
}

const VARIABLES: [(&str, &str); 9] = [
    ("ROLE", "arn:aws:iam::123456789012:role/edge"),
    ("REGION", "us-east-2"),
    ("STREAM", "from_a_variable"),
    ("SECRET", "hunter2"),
    ("EMPTY", ""),
    ("KEY", "host"),
    ("JSON", "json"),
    ("TRUE", "true"),
    ("AWS_REGION", "eu-north-1"),
];

/// One of these values of an option, or the option not at all.
fn option(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 2 => select(values).prop_map(move |value| format!("  {name} = {value}\n"))]
}

const TEXTS: &[&str] = &["\"X\"", "'X'", "\"\"\"\nX\"\"\"", "\"\"", "\"${KEY}\"", "\"${EMPTY}\"", "\"${NOT_SET:-Y}\"", "\"a$$b\"", "\"\\u00e9\""];

fn partition() -> impl Strategy<Value = String> {
    let method = select(
        &["\"random\"", "\"static\"", "\"tag\"", "'tag'", "\"measurement\"", "\"series\"", "\"template\"", "\"${METHOD}\"", "\"${EMPTY}\"", "\"\""][..],
    );
    let given = (prop::option::weighted(0.8, method), prop::option::of(select(TEXTS)), prop::option::of(select(TEXTS)), any::<bool>(), 0..3u8);
    given.prop_map(|(method, key, default, template, form)| {
        let template = template.then_some("\"{measurement}-{tag:host}\"");
        let keys = [("method", method), ("key", key), ("default", default), ("template", template)];
        let given = || keys.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        match form {
            0 => format!("  [outputs.kinesis.partition]\n{}", given().map(|(name, value)| format!("    {name} = {value}\n")).collect::<String>()),
            1 => given().map(|(name, value)| format!("  partition.{name} = {value}\n")).collect(),
            _ => {
                let inline: Vec<String> =
                    given().filter(|(_, value)| !value.contains('\n')).map(|(name, value)| format!("{name} = {value}")).collect();
                format!("  partition = {{ {} }}\n", inline.join(", "))
            }
        }
    })
}

fn section() -> impl Strategy<Value = String> {
    let place = (
        option("region", &["\"eu-west-1\"", "'eu-west-1'", "\"${REGION}\"", "\"\"", "\"${EMPTY}\""]),
        select(&["\"s\"", "'a.b-c_D'", "\"${STREAM}\"", "\"s-${NOT_SET:-prod}\"", "\"\"\"s\"\"\""][..])
            .prop_map(|name| format!("  streamname = {name} # c\n")),
        option("endpoint_url", &["\"\"", "\"https://example.com\"", "\"http://localhost:4567\"", "'http://127.0.0.1/x/'"]),
    );
    let credentials = (
        prop::option::of(select(&["\"hunter2\"", "\"${SECRET}\"", "'hun\"ter'"][..]))
            .prop_map(|secret| secret.map_or(String::new(), |secret| format!("  access_key = \"AKIAIOSFODNN7EXAMPLE\"\n  secret_key = {secret}\n"))),
        option("profile", &["\"\"", "\"edge\""]),
        option("shared_credential_file", &["\"/etc/c\"", "\"${EMPTY}\""]),
    );
    let role = (
        option("role_arn", &["\"arn:aws:iam::123456789012:role/x\"", "'arn:aws:iam::123456789012:role/x'", "\"${ROLE}\"", "\"\"", "\"${EMPTY}\""]),
        option("role_session_name", &["\"gw-7\"", "\"gw-${KEY}\"", "\"\"", "\"${EMPTY}\""]),
        option("external_id", &["'customer:1'", "\"\""]),
        option("web_identity_token_file", &["\"/t\"", "\"${EMPTY}\"", "\"${NOT_SET:-/t}\""]),
    );
    let format = (
        option("data_format", &["\"influx\"", "\"json\"", "\"\"", "\"${JSON}\"", "\"${EMPTY}\""]),
        option("format", &["\"string\"", "\"custom\"", "\"String\"", "\"\"", "'anything'"]),
        option("json_timestamp_units", &["\"1ms\"", "\"10us\"", "'1.5s'", "10", "\"-1s\"", "\"${SECONDS:-10s}\""]),
        option("debug", &["true", "false", "\"${TRUE}\"", "${TRUE}"]),
    );
    let keys = (option("partitionkey", TEXTS), option("use_random_partitionkey", &["true", "false", "\"${TRUE}\"", "\"${EMPTY}\""]));
    let agent = option("metric_batch_size", &["500"]);
    let parts = (place, credentials, role, format, keys, agent, partition());
    parts.prop_map(|(place, credentials, role, format, keys, agent, partition)| {
        let mut out = String::from("[[outputs.kinesis]]\n") + &role.0 + &role.1 + &role.2 + &role.3;
        for part in [&place.0, &place.1, &place.2, &credentials.0, &credentials.1, &credentials.2, &format.0, &format.1, &format.2, &format.3] {
            out.push_str(part);
        }
        out + &keys.0 + &agent + &keys.1 + &partition
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000.max(ProptestConfig::default().cases), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_written_file_and_the_section_are_the_same_configuration(
        section in section(),
        method in select(&["random", "static", "tag", "measurement", "series", ""][..]),
    ) {
        let mut variables = VARIABLES.to_vec();
        variables.push(("METHOD", method));
        let environment = Environment::from_pairs(&variables);
        match (load_text(&section, &environment), migrated(&section, &environment)) {
            (Ok(before), Ok(file)) => {
                let after = load_text(&file, &environment).map_err(|error| TestCaseError::fail(format!("{error}\n{section}\n{file}")))?;
                prop_assert_eq!(all_of(before), all_of(after), "\n{}\n{}", section, file);
                // Whoever migrates has none of the variables.
                let elsewhere = migrated(&section, &Environment::default()).map_err(|error| TestCaseError::fail(format!("{error}\n{section}")))?;
                let after = load_text(&elsewhere, &environment).map_err(|error| TestCaseError::fail(format!("{error}\n{section}\n{elsewhere}")))?;
                prop_assert_eq!(all_of(load_text(&section, &environment).unwrap()), all_of(after), "\n{}\n{}", section, elsewhere);
            }
            (Err(_), Err(_)) => {}
            (before, after) => prop_assert!(false, "{:?}\n{:?}\n{}", before.err(), after, section),
        }
    }
}

#[test]
fn most_sections_of_the_property_are_good_ones() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let environment = Environment::from_pairs(&VARIABLES);
    let good = (0..500).filter(|_| load_text(&section().new_tree(&mut runner).unwrap().current(), &environment).is_ok()).count();
    assert!(good > 200, "{good} of 500");
}
