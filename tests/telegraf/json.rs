//! `data_format = "json"`: Telegraf serialises the metric, kinegraf the line that Telegraf made of it; the records must be the same all the same. The section of
//! `outputs.exec` keeps `data_format = "influx"` and says `influx_uint_support = true`: without it Telegraf cuts unsigned fields down to what fits a signed one.

use super::identical::{Case, THEIRS, assert_identical, server};
use super::support::STREAM;
use super::telegraf::{Agent, find};
use super::unlike::{JSON, stored};

#[test]
fn json_in_seconds_is_what_telegraf_writes() {
    assert_identical(&Case {
        theirs: "data_format = \"json\"\n[outputs.kinesis.partition]\nmethod = \"measurement\"",
        ours: &["--partition", "measurement", "--format", "json"],
        ..Case::default()
    });
}

#[test]
fn json_in_milliseconds_is_what_telegraf_writes() {
    assert_identical(&Case {
        theirs: "data_format = \"json\"\njson_timestamp_units = \"1ms\"\n[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"",
        ours: &["--partition", "tag=host"],
        config: "data_format = \"json\"\njson_timestamp_units = \"1ms\"\n",
        ..Case::default()
    });
}

#[test]
fn json_in_nanoseconds_is_what_telegraf_writes() {
    assert_identical(&Case {
        theirs: "data_format = \"json\"\njson_timestamp_units = \"1ns\"\n[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"k\"",
        ours: &["--partition", "static=k"],
        config: "data_format = \"json\"\njson_timestamp_units = \"1ns\"\n",
        ..Case::default()
    });
}

#[test]
fn json_in_units_that_are_no_power_of_ten_is_rounded_down_as_telegraf_does() {
    assert_identical(&Case {
        theirs: "data_format = \"json\"\njson_timestamp_units = \"25us\"\n[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"k\"",
        ours: &["--partition", "static=k"],
        config: "data_format = \"json\"\njson_timestamp_units = \"25us\"\n",
        ..Case::default()
    });
}

/// One metric, of which the line does not say what JSON would.
struct Unlike {
    why: &'static str,
    metric: &'static str,
    theirs: &'static str,
    ours: &'static str,
    /// What the section of `outputs.exec` says.
    exec: &'static str,
}

const UINT: &str = "influx_uint_support = true";

const UNLIKE: [Unlike; 6] = [
    Unlike {
        why: "line protocol has no newline in a name: Telegraf writes two characters",
        metric: r#"{"name": "a\nb", "time": 5, "v": 1, "t": "x"}"#,
        theirs: r#"{"fields":{"v":1},"name":"a\nb","tags":{"t":"x"},"timestamp":5}"#,
        ours: r#"{"fields":{"v":1},"name":"a\\nb","tags":{"t":"x"},"timestamp":5}"#,
        exec: UINT,
    },
    Unlike {
        why: "nor in keys and in values of tags",
        metric: r#"{"name": "a", "time": 5, "v\t": 1, "t\r": "x\ny"}"#,
        theirs: r#"{"fields":{"v\t":1},"name":"a","tags":{"t\r":"x\ny"},"timestamp":5}"#,
        ours: r#"{"fields":{"v\\t":1},"name":"a","tags":{"t\\r":"x\\ny"},"timestamp":5}"#,
        exec: UINT,
    },
    Unlike {
        why: "Telegraf takes backslashes off the end of a tag's key and value when it writes it",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t\\": "C:\\"}"#,
        theirs: r#"{"fields":{"v":1},"name":"a","tags":{"t\\":"C:\\"},"timestamp":5}"#,
        ours: r#"{"fields":{"v":1},"name":"a","tags":{"t":"C:"},"timestamp":5}"#,
        exec: UINT,
    },
    Unlike {
        why: "and leaves out a tag that is empty",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": ""}"#,
        theirs: r#"{"fields":{"v":1},"name":"a","tags":{"t":""},"timestamp":5}"#,
        ours: r#"{"fields":{"v":1},"name":"a","tags":{},"timestamp":5}"#,
        exec: UINT,
    },
    Unlike {
        why: "a field that is no number is in neither; a line without fields is none",
        metric: r#"{"name": "a", "time": 5, "vnan": "NaN"}"#,
        theirs: r#"{"fields":{},"name":"a","tags":{},"timestamp":5}"#,
        ours: "",
        exec: UINT,
    },
    Unlike {
        why: "without influx_uint_support Telegraf writes an unsigned field that is too large as the largest signed one",
        metric: r#"{"name": "a", "time": 5, "vuint": "18446744073709551615"}"#,
        theirs: r#"{"fields":{"vuint":18446744073709551615},"name":"a","tags":{},"timestamp":5}"#,
        ours: r#"{"fields":{"vuint":9223372036854775807},"name":"a","tags":{},"timestamp":5}"#,
        exec: "",
    },
];

#[test]
fn what_the_line_does_not_say_is_not_in_our_json() {
    let Some(telegraf) = find() else { return };
    for case in &UNLIKE {
        let server = server();
        let units = "json_timestamp_units = \"1ns\"\n";
        let agent = Agent::new(telegraf, "")
            .input(case.metric.as_bytes(), JSON)
            .section("[[processors.converter]]\n[processors.converter.fields]\nfloat = [\"vnan\"]\nunsigned = [\"vuint\"]");
        let config = agent.dir.file("kinegraf.toml", format!("data_format = \"json\"\n{units}"));
        agent
            .exec(&server, STREAM, &["--partition", "static=k", "--config", config.to_str().unwrap()], case.exec)
            .kinesis(&server, THEIRS, &format!("data_format = \"json\"\n{units}[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"k\""))
            .once();
        let data = |stream| stored(&server, stream).into_iter().map(|(_, data)| data).collect::<Vec<_>>();
        let lines = |text: &str| if text.is_empty() { vec![] } else { vec![format!("{text}\n")] };
        assert_eq!(data(THEIRS), lines(case.theirs), "{}", case.why);
        assert_eq!(data(STREAM), lines(case.ours), "{}", case.why);
    }
}
