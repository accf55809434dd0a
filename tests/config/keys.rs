//! Every key of the table: types, ranges, typos, defaults, and that its value arrives.

use std::path::PathBuf;
use std::time::Duration;

use kinegraf::config::keys::{self, Id, KEYS};
use kinegraf::config::{Config, Destination, Kind, Level, Listen, LogTo, MissingStream, Ordering, Pack, Timestamp};
use kinegraf::limits;
use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::PartitionMethod;

use crate::{MINIMAL, destination, load_file};

/// A file that gives `key` the TOML text `value` and is right otherwise.
fn file_with(key: &keys::Key, value: &str) -> String {
    let rest: String = ["region = \"eu-central-1\"", "streamname = \"s\""]
        .into_iter()
        .filter(|line| !line.starts_with(key.name))
        .map(|line| format!("{line}\n"))
        .collect();
    if key.section.is_empty() { format!("{} = {value}\n{rest}", key.name) } else { format!("{rest}[{}]\n{} = {value}\n", key.section, key.name) }
}

fn first_line_with(key: &keys::Key, value: &str) -> Option<String> {
    load_file(&file_with(key, value)).err().map(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn every_key_refuses_a_value_of_another_type_and_names_itself() {
    for key in &KEYS {
        let wrong: &[&str] = match key.kind {
            Kind::Percent { .. } => &["10", "true", "[]", "{}", "1.5", "2026-11-22"],
            Kind::Boolean => &["1", "\"true\"", "[]", "{}", "1.5", "2026-11-22"],
            Kind::Size { .. } => &["true", "\"\"", "\"big\"", "[]", "{}", "1.5", "-5", "\"1.5MiB\""],
            Kind::Duration { .. } => &["true", "\"\"", "\"4\"", "4", "4.5", "[]", "{}"],
            Kind::Count { .. } => &["true", "\"many\"", "[]", "{}", "1.5", "-5", "2026-11-22"],
            Kind::List { .. } => &["true", "4", "4.5", "[]", "[1]", "[\"nowhere\"]", "{}", "2026-11-22"],
            Kind::Text { .. } | Kind::Word(_) => &["true", "4", "4.5", "[]", "{}", "2026-11-22"],
        };
        for value in wrong {
            let said = first_line_with(key, value).unwrap_or_else(|| panic!("{} = {value} is taken", key.path()));
            assert!(said.contains(&format!(": {} ", key.path())) && said.contains("must be") || said.contains("write \""), "{said}");
        }
    }
}

#[test]
fn every_range_includes_its_ends_and_nothing_beyond() {
    for key in &KEYS {
        match key.kind {
            Kind::Size { min, max } => {
                let refused = |value: u64| first_line_with(key, &value.to_string()).filter(|said| said.contains("must be at"));
                assert!(refused(min - 1).is_some_and(|said| said.contains("must be at least")), "{}", key.path());
                assert!(refused(max + 1).is_some_and(|said| said.contains("must be at most")), "{}", key.path());
                // Sizes that must fit each other have their own test.
                if !matches!(key.id, Id::HotSize | Id::SegmentSize | Id::Buffer | Id::LineSize) {
                    assert_eq!((refused(min), refused(max)), (None, None), "{}", key.path());
                }
            }
            Kind::Duration { min, max } => {
                // Keys that need each other have their own test.
                let said = |ms: u128| first_line_with(key, &format!("\"{ms}ms\"")).filter(|said| !said.contains(" is given without "));
                assert_eq!((said(min.as_millis()), said(max.as_millis())), (None, None), "{}", key.path());
                assert!(said(max.as_millis() + 1).is_some_and(|said| said.contains("must be at most")), "{}", key.path());
                if !min.is_zero() {
                    assert!(said(min.as_millis() - 1).is_some_and(|said| said.contains("must be at least")), "{}", key.path());
                }
            }
            Kind::Word(words) => {
                for word in words {
                    let said = first_line_with(key, &format!("\"{word}\""))
                        .filter(|said| !said.contains("needs partition.") && !said.contains("needs spool."));
                    assert_eq!(said, None, "{}", key.path());
                }
                let said = first_line_with(key, "\"nonsense\"").unwrap();
                assert!(words.iter().all(|word| said.contains(&format!("\"{word}\""))), "{said}");
            }
            Kind::Percent { max } => {
                let said = |percent: u8| first_line_with(key, &format!("\"{percent}%\"")).filter(|said| said.contains("must be"));
                assert_eq!((said(0), said(max)), (None, None), "{}", key.path());
                assert!(said(max + 1).is_some_and(|said| said.contains("must be at most")), "{}", key.path());
            }
            Kind::Boolean => assert_eq!((first_line_with(key, "true"), first_line_with(key, "false")), (None, None), "{}", key.path()),
            Kind::Count { min, max } => {
                let said = |count: u32| first_line_with(key, &count.to_string());
                assert_eq!((said(min), said(max)), (None, None), "{}", key.path());
                assert!(said(max + 1).is_some_and(|said| said.contains("must be at most")), "{}", key.path());
                assert!(said(min - 1).is_some_and(|said| said.contains("must be at least")), "{}", key.path());
            }
            Kind::Text { .. } | Kind::List { .. } => {}
        }
    }
}

#[test]
fn a_key_with_one_letter_missing_is_unknown_and_its_name_is_suggested() {
    for key in &KEYS {
        let mut typo = key.name.to_owned();
        typo.remove(1);
        let said = first_line_with(&keys::Key { name: Box::leak(typo.clone().into_boxed_str()), ..*key }, "1").unwrap();
        assert!(said.contains(&format!("unknown key '{typo}'")) && said.contains(&format!("did you mean '{}'", key.name)), "{said}");
    }
}

#[test]
fn defaults_are_those_of_the_table_and_of_limits() {
    let from_file = load_file(MINIMAL).unwrap();
    let config = Config::defaults(destination());
    assert_eq!(format!("{config:?}"), format!("{from_file:?}"));
    assert_eq!(config.destination, Some(destination()));
    assert_eq!(
        (config.input.line_size, config.input.timestamp, config.input.rejected_size),
        (limits::LINE_SIZE, Timestamp::Stamp, limits::REJECTED_SIZE)
    );
    assert_eq!((config.spool.hot_size, config.spool.segment_size), (limits::HOT_SIZE, limits::SEGMENT_SIZE));
    assert_eq!(
        (config.packing.pack, config.packing.buffer, config.packing.flush_interval),
        (Pack::Metric, limits::PACKING_BUFFER, Duration::from_secs(10))
    );
    assert_eq!((config.delivery.request_size, config.delivery.record_size), (limits::REQUEST_SIZE, limits::RECORD_SIZE));
    assert_eq!((config.delivery.deadline, config.delivery.shutdown_timeout), (None, Duration::from_secs(4)));
    assert_eq!((config.delivery.ordering, config.delivery.missing_stream), (Ordering::Request, MissingStream::Wait));
    assert_eq!((config.partition, config.log.level, config.dry_run), (PartitionMethod::Random, Level::Warn, false));
}

#[test]
fn every_key_reaches_the_configuration() {
    let all = r#"
region = "us-gov-west-1"
streamname = "S_1.x-y"
access_key = "AKIAIOSFODNN7EXAMPLE"
secret_key = "hunter2hunter2"
token = "hunter3hunter3"
profile = "edge"
shared_credential_file = "/a"
role_arn = "arn:aws:iam::123456789012:role/edge"
role_session_name = "gateway-7"
external_id = "customer:1"
web_identity_token_file = "/t"
endpoint_url = "http://10.0.0.1:4567/x"
data_format = "json"
format = "string"
json_timestamp_units = "1ms"
partitionkey = "old"
use_random_partitionkey = true
debug = true
[partition]
method = "tag"
key = "host"
default = "none"
[input]
listen = ["unix:///run/k.sock", "unixgram:///run/k.dgram"]
clients = 9
socket_mode = "0666"
socket_group = "telegraf"
line_size = 65536
timestamp = "keep"
rejected = "/b"
rejected_size = "64kB"
[spool]
directory = "/s"
hot = "/h"
hot_size = "2MiB"
size = "1GiB"
min_free = "5%"
segment_size = "128KiB"
sync = "always"
sync_after = "1m"
when_full = "drop_newest"
[packing]
pack = "lines"
content_encoding = "identity"
buffer = 0x80000
flush_interval = "1h"
[delivery]
request_size = "5MiB"
record_size = "10MiB"
deadline = "4s"
shutdown_timeout = "1m30s"
ordering = "strict"
missing_stream = "exit"
[network]
ca_file = "/c"
allow_plain_http = true
[credentials]
imds = "off"
cache_directory = "/run/k"
[log]
to = "journal"
level = "info"
"#;
    for key in &KEYS {
        // Two methods in one file cannot be.
        assert!(key.id == Id::PartitionTemplate || key.section == "credentials.iot" || all.contains(&format!("\n{} = ", key.name)), "{}", key.path());
    }
    let config = load_file(all).unwrap();
    let Destination { region, stream, url } = config.destination.unwrap();
    assert_eq!((region.as_str(), stream.as_str(), url.as_str()), ("us-gov-west-1", "S_1.x-y", "http://10.0.0.1:4567/x/"));
    let (id, secret) = config.credentials.keys.clone().unwrap();
    assert_eq!(
        (id.as_str(), secret.reveal(), config.credentials.token.as_ref().unwrap().reveal()),
        ("AKIAIOSFODNN7EXAMPLE", "hunter2hunter2", "hunter3hunter3")
    );
    assert_eq!((config.credentials.profile.as_deref(), &config.credentials.shared_credential_file), (Some("edge"), &Some("/a".into())));
    let credentials = &config.credentials;
    assert_eq!(
        [&credentials.role_arn, &credentials.role_session_name, &credentials.external_id].map(|text| text.as_deref()),
        [Some("arn:aws:iam::123456789012:role/edge"), Some("gateway-7"), Some("customer:1")]
    );
    assert_eq!((&credentials.web_identity_token_file, &credentials.cache_directory), (&Some("/t".into()), &Some("/run/k".into())));
    assert!(credentials.imds_off && credentials.iot.is_none());
    assert_eq!(config.input.listen, [Listen::Unix("/run/k.sock".into()), Listen::Unixgram("/run/k.dgram".into())]);
    assert_eq!((config.input.clients, config.input.socket_mode, config.input.socket_group.as_deref()), (9, 0o666, Some("telegraf")));
    assert!(matches!(config.partition, PartitionMethod::Tag { key, default: Some(default) } if key == "host" && default.as_str() == "none"));
    assert_eq!(config.format, Format::Json(TimestampUnit::from_duration(Duration::from_millis(1))));
    assert_eq!(config.notes.len(), 3, "{:?}", config.notes);
    assert_eq!((config.input.line_size, config.input.timestamp, config.input.rejected), (65_536, Timestamp::Keep, Some("/b".into())));
    assert_eq!((config.input.rejected_size, config.spool.hot_size, config.spool.segment_size), (64_000, 2 << 20, 128 << 10));
    assert_eq!((config.packing.pack, config.packing.buffer, config.packing.flush_interval), (Pack::Lines, 512 << 10, Duration::from_secs(3600)));
    assert_eq!((config.delivery.request_size, config.delivery.record_size), (5 << 20, 10 << 20));
    assert_eq!((config.delivery.deadline, config.delivery.shutdown_timeout), (Some(Duration::from_secs(4)), Duration::from_secs(90)));
    assert_eq!((config.delivery.ordering, config.delivery.missing_stream), (Ordering::Strict, MissingStream::Exit));
    assert_eq!((&config.network.ca_files[0].path, config.log.level, config.log.to), (&PathBuf::from("/c"), Level::Debug, LogTo::Journal));
}

#[test]
fn the_iot_credential_provider_is_configured_whole_or_not_at_all() {
    let whole = "[credentials.iot]\nendpoint = \"c1.credentials.iot.eu-central-1.amazonaws.com\"\nrole_alias = \"edge\"\nthing_name = \"pi-{serial}\"\n\
                 certificate = \"/c.pem\"\nprivate_key = \"/k.pem\"\nca = \"/ca.pem\"\nstart_jitter = \"5m\"\n";
    let iot = load_file(&format!("{MINIMAL}{whole}")).unwrap().credentials.iot.unwrap();
    assert_eq!((iot.url.as_str(), iot.role_alias.as_str()), ("https://c1.credentials.iot.eu-central-1.amazonaws.com/", "edge"));
    assert_eq!((iot.thing_name.as_deref(), iot.start_jitter), (Some("pi-{serial}"), Duration::from_secs(300)));
    assert_eq!((iot.certificate, iot.private_key, iot.ca), ("/c.pem".into(), "/k.pem".into(), Some("/ca.pem".into())));
    for key in ["endpoint", "role_alias", "certificate", "private_key"] {
        let part: String = whole.split_inclusive('\n').filter(|line| !line.starts_with(key)).collect();
        let said = load_file(&format!("{MINIMAL}{part}")).unwrap_err().to_string();
        assert!(said.contains(&format!("is given without credentials.iot.{key}")), "{said}");
    }
    let said = load_file(&format!("{MINIMAL}[credentials.iot]\nendpoint = \"http://h/\"\n")).unwrap_err().to_string();
    assert!(said.contains("is plain http"), "{said}");
}

#[test]
fn a_wrong_address_to_listen_on_is_told_with_the_right_one() {
    for (text, words) in [
        ("/run/k.sock", "did you mean \"unix:///run/k.sock\"?"),
        ("unx:///run/k.sock", "did you mean \"unix://\"?"),
        ("unix://k.sock", "absolute path"),
        ("unix:///run/", "absolute path"),
        ("tcp://:8094", "must be stdin, unix:///PATH or unixgram:///PATH"),
    ] {
        let said = load_file(&format!("{MINIMAL}[input]\nlisten = \"{text}\"\n")).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    let said = load_file(&format!("{MINIMAL}[input]\nlisten = [\"stdin\", \"stdin\"]\n")).unwrap_err().to_string();
    assert!(said.contains("twice"), "{said}");
    for mode in ["660", "0660", "0o660"] {
        assert_eq!(load_file(&format!("{MINIMAL}[input]\nsocket_mode = \"{mode}\"\n")).unwrap().input.socket_mode, 0o660);
    }
    for mode in ["rw", "0888", "01777", "66", "-660"] {
        assert!(load_file(&format!("{MINIMAL}[input]\nsocket_mode = \"{mode}\"\n")).is_err(), "{mode}");
    }
}

#[test]
fn a_default_gives_way_where_what_was_said_needs_it() {
    let config = load_file(&format!("{MINIMAL}[input]\nline_size = \"256\"\n[spool]\nhot_size = \"128KiB\"\n")).unwrap();
    assert_eq!((config.spool.hot_size, config.spool.segment_size), (128 << 10, 32 << 10));
    let config = load_file(&format!("{MINIMAL}[input]\nline_size = \"1MiB\"\n[spool]\nhot_size = \"4MiB\"\n")).unwrap();
    assert_eq!(config.packing.buffer, limits::block_size_max(1 << 20));
    let said = load_file(&format!("{MINIMAL}[spool]\nhot_size = \"128KiB\"\n")).unwrap_err().first_line();
    assert!(said.starts_with("f.toml:4:12: spool.hot_size is 128KiB, must be at least ") && said.contains("input.line_size (128KiB)"), "{said}");
    let said = load_file(&format!("{MINIMAL}[input]\nline_size = \"1MiB\"\n")).unwrap_err().first_line();
    assert!(said.starts_with("f.toml:4:13: input.line_size is 1MiB") && said.contains("spool.hot_size (1MiB)"), "{said}");
}
