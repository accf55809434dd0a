//! Where the records of `outputs.kinesis` and ours differ, one by one, each with its reason. Almost all of it is what Telegraf's line protocol does not say of a
//! metric: kinegraf reads lines, `outputs.kinesis` has the metric itself. Telegraf's parser of line protocol cannot make such metrics, its other parsers can;
//! here it is the one of JSON.

use super::identical::{THEIRS, server, taken};
use super::support::{STREAM, Server};
use super::telegraf::{Agent, find};

/// Telegraf's parser of JSON: every name, key and value as it stands.
pub(crate) const JSON: &str = "data_format = \"json\"\njson_name_key = \"name\"\njson_time_key = \"time\"\njson_time_format = \"unix_ns\"\n\
                               tag_keys = [\"t*\"]\njson_string_fields = [\"v*\"]\n";
const INFLUX: &str = "data_format = \"influx\"";

/// A record: partition key and data.
type Record = (String, String);

/// One metric, and the record that each makes of it.
struct Unlike {
    why: &'static str,
    metric: &'static str,
    /// The tag whose value is the key, or none for the measurement.
    tag: Option<&'static str>,
    theirs: (&'static str, &'static str),
    ours: Option<(&'static str, &'static str)>,
}

/// The data says it all; the key is read from it, and there it stands otherwise than in the metric.
const OTHER_KEYS: [Unlike; 8] = [
    Unlike {
        why: "line protocol has no newline, tab or form feed in a name: Telegraf writes two characters",
        metric: r#"{"name": "a\nb\tc\rd\fe", "time": 5, "v": 1}"#,
        tag: None,
        theirs: ("a\nb\tc\rd\x0ce", "a\\nb\\tc\\rd\\fe v=1 5\n"),
        ours: Some((r"a\nb\tc\rd\fe", "a\\nb\\tc\\rd\\fe v=1 5\n")),
    },
    Unlike {
        why: "nor in the value of a tag",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": "x\ny"}"#,
        tag: Some("t"),
        theirs: ("x\ny", "a,t=x\\ny v=1 5\n"),
        ours: Some((r"x\ny", "a,t=x\\ny v=1 5\n")),
    },
    Unlike {
        why: "Telegraf takes backslashes off the end of a tag's value when it writes it",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": "C:\\"}"#,
        tag: Some("t"),
        theirs: (r"C:\", "a,t=C: v=1 5\n"),
        ours: Some(("C:", "a,t=C: v=1 5\n")),
    },
    Unlike {
        why: "and leaves out the tag when nothing is left of it",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": "\\\\"}"#,
        tag: Some("t"),
        theirs: (r"\\", "a v=1 5\n"),
        ours: Some(("telegraf", "a v=1 5\n")),
    },
    Unlike {
        why: "a backslash at the end of a name escapes the comma behind it",
        metric: r#"{"name": "a\\", "time": 5, "v": 1, "t": "x"}"#,
        tag: None,
        theirs: (r"a\", "a\\,t=x v=1 5\n"),
        ours: Some(("a,t=x", "a\\,t=x v=1 5\n")),
    },
    Unlike {
        why: "a NUL before a line is skipped, as InfluxDB does: files have them after a power cut",
        metric: r#"{"name": "\u0000a", "time": 5, "v": 1}"#,
        tag: None,
        theirs: ("\0a", "\0a v=1 5\n"),
        ours: Some(("a", "\0a v=1 5\n")),
    },
    Unlike {
        why: "a vertical tab before a line is white space",
        metric: r#"{"name": "\u000ba", "time": 5, "v": 1}"#,
        tag: None,
        theirs: ("\x0ba", "\x0ba v=1 5\n"),
        ours: Some(("a", "\x0ba v=1 5\n")),
    },
    Unlike {
        why: "Telegraf leaves an empty tag out; as its key it would be refused, see below",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": ""}"#,
        tag: Some("t"),
        theirs: REFUSED,
        ours: Some(("telegraf", "a v=1 5\n")),
    },
];

/// Telegraf sends it, and the service refuses the request that it is in, whatever else is.
const REFUSED: (&str, &str) = ("", "");

/// What Telegraf writes is no line, and it never hears of that: a batch with a bad line in it is taken all the same.
const NO_LINES: [Unlike; 8] = [
    Unlike {
        why: "the line of a name that begins with # is a comment",
        metric: r##"{"name": "#a", "time": 5, "v": 1}"##,
        tag: None,
        theirs: ("#a", "#a v=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "the line of a name of NULs has no name, since NULs before a line are skipped",
        metric: r#"{"name": "\u0000", "time": 5, "v": 1}"#,
        tag: None,
        theirs: ("\0", "\0 v=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "a vertical tab in a name is white space",
        metric: r#"{"name": "a\u000bb", "time": 5, "v": 1}"#,
        tag: None,
        theirs: ("a\x0bb", "a\x0bb v=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "and in a tag",
        metric: r#"{"name": "a", "time": 5, "v": 1, "t": "x\u000by"}"#,
        tag: None,
        theirs: ("a", "a,t=x\x0by v=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "and in the key of a field",
        metric: r#"{"name": "a", "time": 5, "v\u000b": 1}"#,
        tag: None,
        theirs: ("a", "a v\x0b=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "a backslash at the end of a name escapes the space behind it, and the line has no fields",
        metric: r#"{"name": "a\\", "time": 5, "v": 1}"#,
        tag: None,
        theirs: (r"a\", "a\\ v=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "one at the end of a field's key escapes the equals sign, and the field has no value",
        metric: r#"{"name": "a", "time": 5, "v\\": 1}"#,
        tag: None,
        theirs: ("a", "a v\\=1 5\n"),
        ours: None,
    },
    Unlike {
        why: "and a string behind it never begins",
        metric: r#"{"name": "a", "time": 5, "v\\": "text=", "t": "x"}"#,
        tag: None,
        theirs: ("a", "a,t=x v\\=\"text=\" 5\n"),
        ours: None,
    },
];

/// The records of a stream, in their order.
pub(crate) fn stored(server: &Server, stream: &str) -> Vec<Record> {
    taken(server, stream).into_iter().map(|(key, data)| (key, String::from_utf8_lossy(&data).into_owned())).collect()
}

fn assert_unlike(cases: &[Unlike]) {
    let Some(telegraf) = find() else { return };
    for case in cases {
        let server = server();
        let table = case.tag.map_or("method = \"measurement\"".to_owned(), |tag| format!("method = \"tag\"\nkey = \"{tag}\""));
        let argument = case.tag.map_or("measurement".to_owned(), |tag| format!("tag={tag}"));
        // A second metric in the same batch, which must not suffer.
        let metrics = format!("[{}, {}]", case.metric, r#"{"name": "good", "time": 6, "v": 2, "t": "good"}"#);
        let agent = Agent::new(telegraf, "").input(metrics.as_bytes(), JSON).exec(&server, STREAM, &["--partition", &argument], "").kinesis(
            &server,
            THEIRS,
            &format!("[outputs.kinesis.partition]\n{table}"),
        );
        let finished = agent.once();
        let record = |(key, data): (&str, &str)| (key.to_owned(), data.to_owned());
        let good = record(("good", "good,t=good v=2 6\n"));
        let theirs = if case.theirs == REFUSED { Vec::new() } else { vec![record(case.theirs), good.clone()] };
        assert_eq!(stored(&server, THEIRS), theirs, "{}: {}", case.why, finished.stderr);
        let ours: Vec<Record> = case.ours.map(record).into_iter().chain([good]).collect();
        assert_eq!(stored(&server, STREAM), ours, "{}: {}", case.why, finished.stderr);
    }
}

#[test]
fn a_key_that_the_line_does_not_say_is_read_as_the_line_says_it() {
    assert_unlike(&OTHER_KEYS);
}

#[test]
fn what_is_no_line_protocol_is_rejected_and_the_next_line_does_not_suffer() {
    assert_unlike(&NO_LINES);
}

#[test]
fn an_over_long_key_costs_telegraf_the_request_and_us_its_end() {
    let Some(telegraf) = find() else { return };
    let server = server();
    let host = "h".repeat(300);
    let lines = format!("m,host={host} v=1i 1\nm,host=b v=2i 2\n");
    Agent::new(telegraf, "")
        .input(lines.as_bytes(), INFLUX)
        .exec(&server, STREAM, &["--partition", "tag=host"], "")
        .kinesis(&server, THEIRS, "[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\"")
        .once();
    assert_eq!(stored(&server, THEIRS), []);
    let ours = [("h".repeat(256), format!("m,host={host} v=1i 1\n")), ("b".to_owned(), "m,host=b v=2i 2\n".to_owned())];
    assert_eq!(stored(&server, STREAM), ours);
}

#[test]
fn a_metric_beyond_a_record_costs_telegraf_the_request_and_us_that_metric_and_line_size_says_how_long_a_line_may_be() {
    let Some(telegraf) = find() else { return };
    let server = server();
    // Beyond our line_size of 128 KiB as it comes; beyond a record of 1 MiB.
    let [long, huge] = [200_000, 1_100_000].map(|size| format!("m text=\"{}\" 1\n", "x".repeat(size)));
    let good = "m v=2i 2\n".to_owned();
    let run = |line: &str, config: &str, server: &Server| {
        let agent = Agent::new(telegraf, "").input(format!("{line}{good}").as_bytes(), INFLUX);
        let config = agent.dir.file("kinegraf.toml", config);
        agent
            .exec(server, STREAM, &["--partition", "static=k", "--config", config.to_str().unwrap()], "")
            .kinesis(server, THEIRS, "[outputs.kinesis.partition]\nmethod = \"static\"\nkey = \"k\"")
            .once();
        let data = |stream| stored(server, stream).into_iter().map(|(_, data)| data).collect::<Vec<_>>();
        (data(THEIRS), data(STREAM))
    };
    assert_eq!(run(&huge, "", &server), (vec![], vec![good.clone()]));
    let server = super::identical::server();
    assert_eq!(run(&long, "", &server), (vec![long.clone(), good.clone()], vec![good.clone()]));
    let server = super::identical::server();
    let both = vec![long.clone(), good.clone()];
    assert_eq!(run(&long, "[input]\nline_size = \"256KiB\"\n", &server), (both.clone(), both));
}

#[test]
fn influx_max_line_bytes_makes_lines_of_a_metric_and_each_is_a_record_of_ours() {
    let Some(telegraf) = find() else { return };
    let server = server();
    let option = "influx_max_line_bytes = 20\n";
    Agent::new(telegraf, "")
        .input(b"m,host=a a=1i,b=2i,c=3i 1\n", INFLUX)
        .exec(&server, STREAM, &["--partition", "tag=host"], option)
        .kinesis(&server, THEIRS, &format!("{option}[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\""))
        .once();
    let theirs = stored(&server, THEIRS);
    assert_eq!(theirs.len(), 1);
    let ours = stored(&server, STREAM);
    assert!(ours.len() > 1 && ours.iter().all(|(key, _)| key == "a"), "{ours:?}");
    assert_eq!(theirs[0].1, ours.iter().map(|(_, data)| data.as_str()).collect::<String>());
}

#[test]
fn influx_omit_timestamp_leaves_ours_with_the_time_of_arrival_unless_told_to_keep_it() {
    let Some(telegraf) = find() else { return };
    for (config, stamped) in [("", true), ("[input]\ntimestamp = \"keep\"\n", false)] {
        let server = server();
        let agent = Agent::new(telegraf, "").input(b"m,host=a v=1i 1\n", INFLUX);
        let config = agent.dir.file("kinegraf.toml", config);
        let option = "influx_omit_timestamp = true\n";
        agent
            .exec(&server, STREAM, &["--partition", "tag=host", "--config", config.to_str().unwrap()], option)
            .kinesis(&server, THEIRS, &format!("{option}[outputs.kinesis.partition]\nmethod = \"tag\"\nkey = \"host\""))
            .once();
        assert_eq!(stored(&server, THEIRS), [("a".to_owned(), "m,host=a v=1i\n".to_owned())]);
        let data = stored(&server, STREAM).pop().unwrap().1;
        assert_eq!((data.starts_with("m,host=a v=1i"), data != "m,host=a v=1i\n"), (true, stamped), "{data}");
    }
}
