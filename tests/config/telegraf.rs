//! A file or a directory of Telegraf: its one `[[outputs.kinesis]]`, with every option of any version, and nothing else of it.

use std::time::Duration;

use kinegraf::config::{Config, Environment, Level};
use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};

use crate::{load_all, load_file, load_tree, load_with, run};

const SECTION: &str = "[[outputs.kinesis]]\n  region = \"eu-west-1\"\n  streamname = \"s\"\n";

fn with(options: &str) -> Config {
    load_file(&format!("{SECTION}{options}")).unwrap_or_else(|error| panic!("{options}:\n{error}"))
}

fn refused(options: &str) -> String {
    load_file(&format!("{SECTION}{options}")).unwrap_err().first_line()
}

fn key(text: &str) -> PartitionKey {
    PartitionKey::new(text).unwrap()
}

fn tag(name: &str, default: Option<&str>) -> PartitionMethod {
    PartitionMethod::Tag { key: name.into(), default: default.map(key) }
}

#[test]
fn the_samples_of_four_versions_are_read_as_they_are() {
    for (sample, format, partition, notes) in [
        (include_str!("../golden/telegraf/1.0.conf"), Format::String, PartitionMethod::Static(key("PartitionKey")), 1),
        (include_str!("../golden/telegraf/1.5.conf"), Format::Influx, PartitionMethod::Static(key("PartitionKey")), 1),
        (include_str!("../golden/telegraf/1.21.conf"), Format::Influx, PartitionMethod::Static(key("PartitionKey")), 1),
        (include_str!("../golden/telegraf/1.39.conf"), Format::Influx, PartitionMethod::Random, 0),
    ] {
        let config = load_file(sample).unwrap();
        let destination = config.destination.unwrap();
        assert_eq!((destination.region.as_str(), destination.stream.as_str()), ("ap-southeast-2", "StreamName"));
        assert_eq!((config.format, config.partition, config.notes.len()), (format, partition, notes), "{:?}", config.notes);
    }
}

#[test]
fn every_option_of_any_version_keeps_its_meaning() {
    let config = with(
        "  access_key = \"AKIAIOSFODNN7EXAMPLE\"\n  secret_key = \"hunter2\"\n  token = \"hunter3\"\n  profile = \"edge\"\n  shared_credential_file = \"/c\"\n\
           endpoint_url = \"http://127.0.0.1:4567\"\n  debug = true\n  role_arn = \"arn:aws:iam::123456789012:role/x\"\n\
           web_identity_token_file = \"/t\"\n  role_session_name = \"gw-7\"\n  external_id = \"customer:1\"\n",
    );
    assert_eq!(config.notes, [] as [&str; 0]);
    let credentials = &config.credentials;
    assert_eq!(
        [&credentials.role_arn, &credentials.role_session_name, &credentials.external_id].map(|text| text.as_deref()),
        [Some("arn:aws:iam::123456789012:role/x"), Some("gw-7"), Some("customer:1")]
    );
    assert_eq!(credentials.web_identity_token_file, Some("/t".into()));
    let (id, secret) = config.credentials.keys.unwrap();
    assert_eq!((id.as_str(), secret.reveal(), config.credentials.token.unwrap().reveal()), ("AKIAIOSFODNN7EXAMPLE", "hunter2", "hunter3"));
    assert_eq!((config.credentials.profile.as_deref(), config.credentials.shared_credential_file), (Some("edge"), Some("/c".into())));
    assert_eq!((config.destination.unwrap().url.as_str(), config.log.level), ("http://127.0.0.1:4567/", Level::Debug));
}

#[test]
fn a_name_that_no_stream_can_have_is_a_mistake_before_anything_is_read() {
    for (name, said) in [
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/s", "the name alone, not the ARN"),
        ("a b", "must have only the characters"),
        ("${S}", "needs the variable S, which is not set"),
        (&"x".repeat(129), "has 129 characters, must have 1 to 128"),
    ] {
        let error = load_file(&format!("[[outputs.kinesis]]\nregion = \"eu-west-1\"\nstreamname = \"{name}\"\n")).unwrap_err();
        assert!(error.first_line().starts_with("f.toml:3:14: streamname ") && error.first_line().contains(said), "{error}");
    }
}

#[test]
fn options_that_are_there_and_empty_are_as_if_they_were_not() {
    let empty = "  access_key = \"\"\n  secret_key = \"\"\n  token = \"\"\n  profile = \"\"\n  shared_credential_file = \"\"\n  endpoint_url = \"\"\n\
                   role_arn = \"\"\n  role_session_name = \"\"\n  external_id = \"\"\n  web_identity_token_file = \"\"\n  \
                   data_format = \"\"\n  partitionkey = \"\"\n  [outputs.kinesis.partition]\n    method = \"\"\n    key = \"\"\n    default = \"\"\n";
    assert_eq!(format!("{:?}", with(empty)), format!("{:?}", with("")));
    let from_environment = load_all("[[outputs.kinesis]]\nregion = \"\"\nstreamname = \"s\"\n", &[], &[("AWS_REGION", "us-west-2")]).unwrap();
    assert_eq!(from_environment.destination.unwrap().region, "us-west-2");
}

#[test]
fn the_partition_table_comes_before_the_deprecated_keys_and_what_it_misses_falls_through_to_them() {
    let (random, old) = ("  use_random_partitionkey = true\n", "  partitionkey = \"old\"\n");
    let table = |text: &str| format!("  [outputs.kinesis.partition]\n{text}");
    for (options, expected) in [
        (String::new(), PartitionMethod::Random),
        (random.into(), PartitionMethod::Random),
        (old.into(), PartitionMethod::Static(key("old"))),
        (format!("{old}  use_random_partitionkey = false\n"), PartitionMethod::Static(key("old"))),
        (format!("{random}{old}"), PartitionMethod::Random),
        (table("method = \"static\"\nkey = \"new\"\n"), PartitionMethod::Static(key("new"))),
        (format!("{random}{old}{}", table("method = \"static\"\nkey = \"new\"\n")), PartitionMethod::Static(key("new"))),
        (format!("{random}{old}{}", table("method = \"measurement\"\n")), PartitionMethod::Measurement),
        (format!("{old}{}", table("method = \"random\"\n")), PartitionMethod::Random),
        (table("method = \"tag\"\nkey = \"host\"\n"), tag("host", Some("telegraf"))),
        (table("method = \"tag\"\nkey = \"host\"\ndefault = \"d\"\n"), tag("host", Some("d"))),
        (format!("{old}{}", table("method = \"tag\"\nkey = \"host\"\n")), tag("host", Some("old"))),
        (format!("{random}{old}{}", table("method = \"tag\"\nkey = \"host\"\n")), tag("host", None)),
        (format!("{random}{old}{}", table("method = \"tag\"\nkey = \"host\"\ndefault = \"d\"\n")), tag("host", Some("d"))),
        // A table that names no method finds nothing.
        (format!("{old}{}", table("key = \"host\"\n")), PartitionMethod::Static(key("old"))),
    ] {
        assert_eq!(with(&options).partition, expected, "{options}");
    }
}

#[test]
fn deprecated_options_are_told_once_with_their_successor() {
    let notes = with("  partitionkey = \"old\"\n  use_random_partitionkey = true\n").notes;
    assert_eq!(
        notes,
        [
            "f.toml:4:3: partitionkey is deprecated, its successor is [partition] with method = \"static\" and key",
            "f.toml:5:3: use_random_partitionkey is deprecated, its successor is [partition] with method = \"random\"",
        ]
    );
}

#[test]
fn a_partition_option_that_its_method_ignores_is_told_and_no_mistake_as_in_telegraf() {
    let config = with("  [outputs.kinesis.partition]\n    method = \"random\"\n    key = \"host\"\n");
    assert_eq!(config.partition, PartitionMethod::Random);
    let expected = "f.toml:6:5: partition.key needs partition.method \"static\" or \"tag\", which is \"random\": it is ignored, as Telegraf does";
    assert_eq!(config.notes, [expected]);
    assert!(refused("  [outputs.kinesis.partition]\n    method = \"static\"\n").contains("needs partition.key"));
    assert!(refused("  [outputs.kinesis.partition]\n    method = \"hash\"\n").contains("partition.method is \"hash\""));
}

#[test]
fn what_belongs_to_a_role_is_told_without_one_and_no_mistake_as_in_telegraf() {
    for option in ["role_session_name = \"gw-7\"", "web_identity_token_file = \"/t\""] {
        let (name, role) = (option.split(' ').next().unwrap(), "role_arn = \"arn:aws:iam::123456789012:role/x\"");
        let expected = [format!("f.toml:4:3: {name} counts only with role_arn")];
        assert_eq!(with(&format!("  {option}\n")).notes, expected);
        assert_eq!(with(&format!("  {option}\n  role_arn = \"\"\n")).notes, expected);
        assert_eq!(with(&format!("  {option}\n  {role}\n")).notes, [] as [&str; 0]);
    }
}

#[test]
fn any_format_but_string_is_custom_and_counts_only_without_data_format() {
    for (text, expected) in
        [("string", Format::String), ("custom", Format::Custom), ("String", Format::Custom), ("", Format::Custom), ("x", Format::Custom)]
    {
        assert_eq!(with(&format!("  format = \"{text}\"\n")).format, expected, "{text}");
    }
    assert_eq!(with("  format = \"string\"\n  data_format = \"influx\"\n").format, Format::Influx);
    assert!(matches!(with("  data_format = \"json\"\n  json_timestamp_units = \"1ms\"\n").format, Format::Json(_)));
    assert!(refused("  data_format = \"wavefront\"\n").contains("\"wavefront\", which kinegraf does not write"));
    assert!(refused("  data_format = \"json\"\n  json_timestamp_format = \"2006\"\n").contains("json_timestamp_format is not read"));
}

#[test]
fn json_timestamp_units_are_times_as_telegraf_writes_them() {
    let unit = |nanoseconds| Format::Json(TimestampUnit::from_duration(Duration::from_nanos(nanoseconds)));
    for (text, nanoseconds) in [
        ("\"1\u{b5}s\"", 1_000),
        ("\"1.5s\"", 1_000_000_000),
        ("\"30m1h\"", 1_000_000_000_000),
        ("10", 10_000_000_000),
        ("0.5", 100_000_000),
        ("\"-1s\"", 0),
    ] {
        assert_eq!(with(&format!("  data_format = \"json\"\n  json_timestamp_units = {text}\n")).format, unit(nanoseconds), "{text}");
    }
    for wrong in ["\"1 s\"", "true", "\"1w\"", "[1]"] {
        let said = refused(&format!("  data_format = \"json\"\n  json_timestamp_units = {wrong}\n"));
        assert!(said.contains("json_timestamp_units is "), "{said}");
    }
}

#[test]
fn what_only_telegraf_can_do_is_ignored_with_one_note_or_refused_with_where_to_put_it() {
    let config = with(
        "  alias = \"k\"\n  metric_batch_size = 10\n  flush_interval = \"1s\"\n  influx_sort_fields = true\n  startup_error_behavior = \"retry\"\n",
    );
    assert_eq!(config.notes.len(), 1, "{:?}", config.notes);
    assert!(["alias", "metric_batch_size", "influx_sort_fields"].iter().all(|name| config.notes[0].contains(name)), "{:?}", config.notes);
    for filter in ["namepass = [\"cpu\"]", "tagexclude = [\"host\"]", "name_prefix = \"x_\"", "metricpass = \"true\"", "fielddrop = [\"a\"]"] {
        let said = refused(&format!("  {filter}\n"));
        assert!(said.contains("can only be obeyed by Telegraf: put it into the section that starts kinegraf"), "{said}");
    }
    assert!(refused("  [outputs.kinesis.tagdrop]\n    host = [\"a\"]\n").contains("tagdrop can only be obeyed by Telegraf"));
    assert!(refused("  role_arn = \"arn:aws:iam::123456789012:user/x\"\n").contains("must be like \"arn:aws:iam::123456789012:role/NAME\""));
    assert!(refused("  json_transformation = \"$\"\n").contains("json_transformation is not read: kinegraf writes JSON without it"));
    let said = refused("  endpoint_url = \"http://192.0.2.1\"\n");
    assert!(said.contains("must be https; kinegraf migrate FILE makes a file of kinegraf's own, which can allow it"), "{said}");
    assert!(refused("  [packing]\n").contains("[packing] is not read in a file of Telegraf"));
    assert!(refused("  pack = \"lines\"\n").contains("it belongs to [packing] of a file of kinegraf's own"));
}

#[test]
fn a_variable_without_quotes_is_taken_as_telegraf_takes_it() {
    let environment = [("YES", "true"), ("TEN", "10"), ("METHOD", "measurement")];
    let options = "  debug = ${YES} # c\n  metric_batch_size = $TEN\n  data_format = ${F:-json}\n  json_timestamp_units = ${TEN}\n  [outputs.kinesis.partition]\n\
                   \x20   method=$METHOD\n";
    let config = load_all(&format!("{SECTION}{options}"), &[], &environment).unwrap();
    assert_eq!((config.log.level, config.partition), (Level::Debug, PartitionMethod::Measurement));
    assert_eq!(config.format, Format::Json(TimestampUnit::from_duration(Duration::from_secs(10))));
    assert!(config.notes[0].contains("metric_batch_size"), "{:?}", config.notes);
    let said = refused("  debug = ${NO}\n");
    assert!(said.starts_with("f.toml:4:11: debug needs the variable NO, which is not set"), "{said}");
    // What is no variable alone is no value, whatever Telegraf makes of it.
    for wrong in ["debug = $", "debug = ${YES} no", "debug = ${YES}${YES}", "debug = $$YES", "debug = ${A:-\"true\"}", "debug = ${YES"] {
        assert!(refused(&format!("  {wrong}\n")).contains("syntax error"), "{wrong}");
    }
}

#[test]
fn plain_http_to_another_host_is_refused_with_what_can_be_done_about_it_here() {
    let said = refused("  endpoint_url = \"http://192.0.2.1:4567\"\n");
    assert!(said.contains("must be https; kinegraf migrate FILE makes a file of kinegraf's own, which can allow it"), "{said}");
    assert!(with("  endpoint_url = \"http://127.0.0.1:4567\"\n").destination.is_some());
}

#[test]
fn a_filter_that_is_empty_filters_nothing_and_is_no_mistake() {
    for empty in
        ["namepass = []", "tagexclude = [\n  ]", "name_prefix = \"\"", "tagpass = {}", "json_nested_fields_include = []", "[outputs.kinesis.tags]"]
    {
        assert_eq!(with(&format!("  {empty}\n")).notes, [] as [&str; 0], "{empty}");
    }
}

#[test]
fn other_plugins_may_hold_what_only_telegrafs_parser_takes() {
    let config = load_file(&format!("[agent]\n  interval = ${{UNSET}}\n  debug = yes\n\n[[inputs.exec]]\n  commands = ['''\n[[outputs.kinesis]]\n''']\n  x = \"unclosed\n{SECTION}  [[outputs.other]]\n  region = \n")).unwrap();
    assert_eq!(config.destination.unwrap().region, "eu-west-1");
    let single = load_file(
        "[outputs]\n[outputs.kinesis]\nregion = \"eu-west-1\"\nstreamname = \"s\"\n[outputs.kinesis.partition]\nmethod = \"measurement\"\n",
    )
    .unwrap();
    assert_eq!(single.partition, PartitionMethod::Measurement);
}

#[test]
fn a_file_that_telegraf_loads_too_is_warned_of_loudly() {
    assert_eq!(with("").notes, [] as [&str; 0]);
    let config = load_file(&format!("[agent]\n{SECTION}")).unwrap();
    assert_eq!(config.notes.len(), 1);
    assert!(
        config.notes[0].starts_with("f.toml:2:1: DUPLICATES: a Telegraf that loads this file sends every metric to the stream as well"),
        "{:?}",
        config.notes
    );
}

#[test]
fn a_section_alone_is_warned_of_where_telegraf_looks_for_files_itself() {
    let notes = |path: &str| load_tree(&[(path, SECTION)], &["-c", path], &[]).unwrap().notes;
    for path in ["/etc/telegraf/telegraf.conf", "/etc/telegraf/telegraf.d/kinesis.conf", "/opt/x/telegraf.d/out/kinesis.conf", "telegraf.d/k.conf"] {
        assert!(notes(path)[0].starts_with(&format!("{path}:1:1: DUPLICATES")), "{path}");
    }
    for path in ["/etc/kinegraf/kinesis.conf", "/etc/telegraf/kinegraf.toml", "/etc/telegraf/telegraf.d/kinesis.conf.off", "/x/telegraf.d"] {
        assert_eq!(notes(path), [] as [&str; 0], "{path}");
    }
}

#[test]
fn a_directory_is_searched_for_the_one_section_as_telegraf_searches_it() {
    let tree = [
        ("/etc/telegraf/telegraf.conf", "[agent]\n"),
        ("/etc/telegraf/telegraf.d/out/kinesis.conf", SECTION),
        ("/etc/telegraf/telegraf.d/kinesis.conf.bak", SECTION),
        ("/etc/telegraf/telegraf.d/.conf", SECTION),
        ("/etc/telegraf/telegraf.d/..data/kinesis.conf", SECTION),
    ];
    let config = load_tree(&tree, &["-c", "/etc/telegraf"], &[]).unwrap();
    assert_eq!(config.destination.unwrap().stream, "s");
    assert!(config.notes[0].contains("/etc/telegraf/telegraf.d/out/kinesis.conf:1:1: DUPLICATES"), "{:?}", config.notes);
    let said = load_tree(&tree[..1], &["-c", "/etc/telegraf"], &[]).unwrap_err().first_line();
    assert_eq!(said, "/etc/telegraf: has no [[outputs.kinesis]] in its one file that ends in .conf");
    let said = load_tree(&[("/d/a.toml", SECTION)], &["-c", "/d"], &[]).unwrap_err().first_line();
    assert_eq!(said, "/d: is a directory without a file that ends in .conf: name a file, or a directory of Telegraf's");
}

#[test]
fn two_sections_are_an_error_that_names_both() {
    let said = load_file(&format!("{SECTION}{SECTION}")).unwrap_err().first_line();
    assert!(said.starts_with("f.toml:4:1: a second [[outputs.kinesis]], the first is in line 1; a kinegraf writes to one stream"), "{said}");
    let tree = [("/d/a.conf", SECTION), ("/d/b/b.conf", "# b\n[[outputs.kinesis]]\n")];
    let error = load_tree(&tree, &["-c", "/d"], &[]).unwrap_err();
    assert!(error.first_line().starts_with("/d: [[outputs.kinesis]] stands in /d/a.conf:1 and in /d/b/b.conf:2; "), "{error}");
}

#[test]
fn flags_win_over_the_section() {
    let config =
        load_all(&format!("{SECTION}  partitionkey = \"old\"\n"), &["--stream", "t", "--partition", "measurement", "--format", "json"], &[]).unwrap();
    assert_eq!((config.destination.unwrap().stream.as_str(), config.partition), ("t", PartitionMethod::Measurement));
    assert!(matches!(config.format, Format::Json(_)) && config.notes.is_empty());
}

#[test]
fn a_comment_of_another_plugin_may_be_in_any_encoding_and_the_section_may_not() {
    let load = |bytes: Vec<u8>| load_with(&run(&["-c", "f"]), &Environment::default(), &|_| Ok(bytes.clone()));
    let comment = [b"[agent]\n# K\xfcche \xe2\x82\n".as_slice(), SECTION.as_bytes()].concat();
    assert_eq!(load(comment).unwrap().destination.unwrap().stream, "s");
    let inside = [SECTION.as_bytes(), b"  profile = \"K\xfcche\"\n"].concat();
    assert_eq!(load(inside).unwrap_err().first_line(), "f:4:15: the byte 0xfc is not UTF-8: save the file again in that encoding");
    assert!(load(b"# K\xfcche\nregion = \"eu-west-1\"\n".to_vec()).unwrap_err().first_line().contains("0xfc"));
}
