//! What record data looks like: two keys of the file, one flag over both.

use std::time::Duration;

use kinegraf::line::format::{Format, TimestampUnit};

use crate::{MINIMAL, load_all, load_file};

fn of(file: &str, flags: &[&str]) -> Format {
    load_all(&format!("{MINIMAL}{file}"), flags, &[]).unwrap().format
}

fn said(file: &str, flags: &[&str]) -> String {
    load_all(&format!("{MINIMAL}{file}"), flags, &[]).unwrap_err().first_line()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn format_counts_only_without_data_format() {
    assert_eq!(of("", &[]), Format::Influx);
    assert_eq!(of("format = \"string\"\n", &[]), Format::String);
    assert_eq!(of("format = \"custom\"\n", &[]), Format::Custom);
    assert_eq!(of("format = \"custom\"\ndata_format = \"influx\"\n", &[]), Format::Influx);
    let notes = load_file(&format!("{MINIMAL}format = \"custom\"\ndata_format = \"json\"\n")).unwrap().notes;
    assert_eq!(notes, ["f.toml:3:1: format counts only without data_format, which is \"json\""]);
}

#[test]
fn the_flag_is_the_last_word_over_both_keys() {
    for file in ["", "data_format = \"json\"\n", "format = \"custom\"\n", "data_format = \"influx\"\nformat = \"string\"\n"] {
        assert_eq!(of(file, &["--format", "influx"]), Format::Influx);
        assert_eq!(of(file, &["--format", "string"]), Format::String);
        assert_eq!(of(file, &["--format", "custom"]), Format::Custom);
        assert_eq!(of(file, &["--format", "json"]), Format::Json(TimestampUnit::from_duration(SECOND)));
    }
}

#[test]
fn the_unit_of_the_timestamp_is_telegrafs() {
    for (text, unit) in [("1s", SECOND), ("1ms", Duration::from_millis(1)), ("1us", Duration::from_micros(1)), ("1ns", Duration::from_nanos(1))] {
        let file = format!("data_format = \"json\"\njson_timestamp_units = \"{text}\"\n");
        assert_eq!(of(&file, &[]), Format::Json(TimestampUnit::from_duration(unit)), "{text}");
    }
    assert!(said("json_timestamp_units = \"1\"\n", &[]).contains("has no unit"));
}

#[test]
fn a_format_that_is_not_ours_is_said_by_its_name() {
    assert_eq!(
        said("format = \"influx\"\n", &[]),
        "f.toml:3:10: format is \"influx\", must be \"string\" or \"custom\"; \"influx\" and \"json\" are values of data_format"
    );
    assert!(said("data_format = \"string\"\n", &[]).contains("\"string\" is a value of format"));
    for serializer in ["graphite", "carbon2", "csv", "msgpack", "prometheus", "splunkmetric", "template", "wavefront"] {
        let said = said(&format!("data_format = \"{serializer}\"\n"), &[]);
        assert!(said.contains(&format!("is \"{serializer}\", which kinegraf does not write, must be \"influx\" or \"json\"")), "{said}");
    }
    assert!(said("data_format = \"jsn\"\n", &[]).contains("did you mean \"json\"?"));
}

#[test]
fn lines_are_joined_only_where_each_ends_in_a_newline() {
    assert!(load_file(&format!("{MINIMAL}data_format = \"json\"\n[packing]\npack = \"lines\"\n")).is_ok());
    for format in ["string", "custom"] {
        let said = said(&format!("format = \"{format}\"\n[packing]\npack = \"lines\"\n"), &[]);
        assert!(said.starts_with("f.toml:5:8: packing.pack is \"lines\", which needs lines that end in a newline"), "{said}");
        assert!(load_all(&format!("{MINIMAL}[packing]\npack = \"lines\"\n"), &["--format", format], &[]).is_err());
    }
}
