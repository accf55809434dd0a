//! The manual says of every option that any version of Telegraf's output had what becomes of it.

use kinegraf::config::keys::KEYS;

use super::{MANUAL, quoted, read, snippets};

/// Options of `outputs.kinesis` from 0.2.5 to 1.39, of its serializers and of every output, as far as they stand in a sample or in its source.
const OLD: &[&str] = &[
    "region",
    "access_key",
    "secret_key",
    "token",
    "role_arn",
    "role_session_name",
    "web_identity_token_file",
    "profile",
    "shared_credential_file",
    "endpoint_url",
    "streamname",
    "partitionkey",
    "use_random_partitionkey",
    "format",
    "debug",
    "data_format",
    "partition.method",
    "partition.key",
    "partition.default",
    "influx_max_line_bytes",
    "influx_sort_fields",
    "influx_uint_support",
    "influx_omit_timestamp",
    "json_timestamp_units",
    "json_timestamp_format",
    "json_transformation",
    "json_nested_fields_include",
    "json_nested_fields_exclude",
    "alias",
    "log_level",
    "startup_error_behavior",
    "metric_batch_size",
    "metric_buffer_limit",
    "flush_interval",
    "flush_jitter",
];

/// Words in quotes in a constant of the table of Telegraf's names.
fn words<'a>(source: &'a str, constant: &str) -> Vec<&'a str> {
    let from = source.find(&format!("const {constant}:")).unwrap_or_else(|| panic!("{constant} is gone"));
    let body = source[from..].split_once("= [").unwrap().1.split_once("];").unwrap().0;
    body.split('"').skip(1).step_by(2).collect()
}

fn missing<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mentioned = quoted(MANUAL);
    let is_there = |name: &str| mentioned.iter().any(|(_, text)| text.split(' ').next() == Some(name));
    names.into_iter().filter(|name| !is_there(name)).collect()
}

#[test]
fn every_option_of_any_version_stands_in_the_manual() {
    assert_eq!(missing(OLD.iter().copied()), [] as [&str; 0]);
}

#[test]
fn every_name_that_the_program_knows_of_telegrafs_stands_in_the_manual() {
    let source = read("src/config/telegraf/names.rs");
    for constant in ["FILTERS", "AGENT", "AGENT_PREFIXES"] {
        let words = words(&source, constant);
        assert!(words.len() >= 4, "{constant}");
        assert_eq!(missing(words), [] as [&str; 0], "{constant}");
    }
    let formats = words(&source, "SERIALIZERS");
    assert!(formats.len() >= 10 && missing(formats.iter().copied()).is_empty(), "{:?}", missing(formats.iter().copied()));
    // What is refused stands between the quotes of the arms that refuse it.
    let refused = source.lines().filter(|line| line.contains("=> Some(Class::Refused(")).flat_map(|line| line.split('"').skip(1).step_by(2));
    let refused: Vec<&str> = refused.collect();
    assert!(refused.len() >= 4 && refused.iter().all(|name| OLD.contains(name)), "{refused:?}");
    assert_eq!(missing(refused), [] as [&str; 0]);
}

#[test]
fn every_key_that_a_section_of_telegraf_shares_with_ours_stands_in_the_manual() {
    let shared = KEYS.iter().filter(|key| key.section.is_empty()).map(|key| key.name);
    assert_eq!(missing(shared), [] as [&str; 0]);
}

#[test]
fn the_policy_in_the_manual_allows_put_records_and_nothing_else() {
    let policies: Vec<serde_json::Value> = snippets(MANUAL, "json").iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    let [policy, for_kms] = &policies[..] else { panic!("{} policies", policies.len()) };
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!((policy["Version"].as_str(), statements.len()), (Some("2012-10-17"), 1));
    assert_eq!((statements[0]["Effect"].as_str(), statements[0]["Action"].as_str()), (Some("Allow"), Some("kinesis:PutRecords")));
    assert_eq!(for_kms["Action"].as_str(), Some("kms:GenerateDataKey"));
}
