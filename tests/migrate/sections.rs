//! What becomes of each option, and what is said of sections that cannot be taken over.

use crate::{Migration, SECTION, says};

/// What the file says for a section with these options, but region and stream.
fn file_of(options: &str) -> Vec<String> {
    let migration = Migration::of(format!("{SECTION}{options}"));
    migration.run(&[]).assert_code(0);
    let written = migration.written();
    says(&written).into_iter().filter(|line| !line.starts_with("region") && !line.starts_with("streamname")).map(str::to_owned).collect()
}

#[test]
fn values_stand_as_they_were_written() {
    let options =
        "  access_key = \"AKIAIOSFODNN7EXAMPLE\" # c\n  secret_key = \"${SECRET:-a}\"\n  token = '''t'''\n  profile = \"\\u0065dge\"\n  debug=true\n";
    assert_eq!(
        file_of(options),
        [
            "access_key = \"AKIAIOSFODNN7EXAMPLE\"",
            "secret_key = \"${SECRET:-a}\"",
            "token = '''t'''",
            "profile = \"\\u0065dge\"",
            "debug = true",
            "[partition]",
            "method = \"random\""
        ]
    );
}

#[test]
fn deprecated_options_become_their_successors() {
    for (options, expected) in [
        ("  partitionkey = 'X'\n", &["[partition]", "method = \"static\"", "key = 'X'"][..]),
        ("  partitionkey = \"X\"\n  use_random_partitionkey = false\n", &["[partition]", "method = \"static\"", "key = \"X\""]),
        ("  partitionkey = \"X\"\n  use_random_partitionkey = true\n", &["[partition]", "method = \"random\""]),
        (
            "  partitionkey = \"X\"\n  partition.method = \"tag\"\n  partition.key = \"h\"\n",
            &["[partition]", "method = \"tag\"", "key = \"h\"", "default = \"X\""],
        ),
        (
            "  partitionkey = \"X\"\n  partition = { method = \"tag\", key = \"h\", default = \"d\" }\n",
            &["[partition]", "method = \"tag\"", "key = \"h\"", "default = \"d\""],
        ),
        ("  partitionkey = \"X\"\n  partition.method = \"measurement\"\n", &["[partition]", "method = \"measurement\""]),
        // Nothing else says it.
        (
            "  partitionkey = \"X\"\n  use_random_partitionkey = true\n  [outputs.kinesis.partition]\n    method = \"tag\"\n    key = \"h\"\n",
            &["use_random_partitionkey = true", "[partition]", "method = \"tag\"", "key = \"h\""],
        ),
        // What it means depends on where it runs.
        (
            "  partitionkey = \"X\"\n  [outputs.kinesis.partition]\n    method = \"${METHOD}\"\n    key = \"h\"\n",
            &["partitionkey = \"X\"", "[partition]", "method = \"${METHOD}\"", "key = \"h\""],
        ),
        ("  partitionkey = \"${KEY}\"\n", &["partitionkey = \"${KEY}\""]),
        ("  partitionkey = \"${KEY}\"\n  use_random_partitionkey = true\n", &["[partition]", "method = \"random\""]),
        ("  format = \"string\"\n", &["format = \"string\"", "[partition]", "method = \"random\""]),
        ("  format = \"String\"\n", &["format = \"custom\"", "[partition]", "method = \"random\""]),
        ("  format = \"string\"\n  data_format = \"influx\"\n", &["data_format = \"influx\"", "[partition]", "method = \"random\""]),
    ] {
        assert_eq!(file_of(options), expected, "{options}");
    }
}

#[test]
fn what_is_empty_or_looked_at_by_nobody_is_left_out_and_said() {
    let options = "  token = \"\"\n  profile = \" \"\n  alias = \"\"\n  role_arn = \"\"\n  format = \"x\"\n  data_format = \"influx\"\n  json_timestamp_units = \"1ms\"\n  \
                   [outputs.kinesis.partition]\n    method = \"random\"\n    key = \"k\"\n";
    assert_eq!(file_of(options), ["data_format = \"influx\"", "[partition]", "method = \"random\""]);
    let migration = Migration::of(format!("{SECTION}{options}"));
    let finished = migration.run(&[]).assert_code(0);
    assert!(finished.stderr.contains("left out, since nothing looked at it: format, json_timestamp_units, partition.key\n"), "{}", finished.stderr);
    assert!(!String::from_utf8(finished.stdout).unwrap().contains("alias"));
}

#[test]
fn a_role_goes_into_the_file_with_all_that_belongs_to_it_and_nowhere_else() {
    let role = "role_arn = \"arn:aws:iam::123456789012:role/${SITE}\"";
    let of_it = ["role_session_name = 'gw-7'", "external_id = \"customer:1\"", "web_identity_token_file = \"/run/token\""];
    let options = format!("  {role}\n  {}\n", of_it.join("\n  "));
    assert_eq!(file_of(&options), [&[role][..], &of_it, &["[partition]", "method = \"random\""]].concat());
    for pairing in ["exec", "execd", "socket"] {
        let migration = Migration::of(format!("{SECTION}{options}"));
        let finished = migration.program(&["--pairing", pairing]).env("SITE", "hh").run().assert_code(0);
        let printed = String::from_utf8(finished.stdout).unwrap();
        assert!(!["role_arn", "gw-7", "customer:1", "/run/token"].iter().any(|text| printed.contains(text)), "{printed}");
        assert!(
            finished.stderr.contains("the file takes the variables SITE,") && !finished.stderr.contains("names no credentials"),
            "{}",
            finished.stderr
        );
        // The file is read as it is, whoever hands lines over.
        let program = crate::kinegraf().args(["--dry-run", "--config"]).args([&migration.output]).env("SITE", "hh");
        assert_eq!(program.stdin("cpu v=1 1\n").run().assert_code(0).stdout.split(|byte| *byte == b'\n').count(), 2);
    }
    // A role alone is assumed with credentials that the section does not name.
    let finished = Migration::of(format!("{SECTION}  role_arn = \"arn:aws:iam::123456789012:role/x\"\n")).run(&[]).assert_code(0);
    assert!(finished.stderr.contains("names no credentials"), "{}", finished.stderr);
}

#[test]
fn what_belongs_to_a_role_is_left_out_without_one_since_nothing_looked_at_it() {
    let options = "  role_arn = \"\"\n  role_session_name = \"gw-7\"\n  web_identity_token_file = \"/t\"\n";
    assert_eq!(file_of(options), ["[partition]", "method = \"random\""]);
    let finished = Migration::of(format!("{SECTION}{options}")).run(&[]).assert_code(0);
    assert!(finished.stderr.contains("left out, since nothing looked at it: role_session_name, web_identity_token_file\n"), "{}", finished.stderr);
    assert!(finished.stderr.contains("names no credentials"), "{}", finished.stderr);
}

#[test]
fn an_empty_variable_is_not_an_empty_option() {
    // Where Telegraf runs it may have a value.
    let migration = Migration::of(format!("{SECTION}  token = \"${{TOKEN:-}}\"\n  access_key = \"$A\"\n  secret_key = \"$S\"\n"));
    migration.program(&[]).env("TOKEN", "").run().assert_code(0);
    assert!(migration.written().contains("\ntoken = \"${TOKEN:-}\"\naccess_key") || migration.written().contains("\ntoken = \"${TOKEN:-}\"\n"));
}

#[test]
fn plain_http_to_another_host_goes_on_loudly() {
    let migration = Migration::of(format!("{SECTION}  endpoint_url = \"http://192.0.2.1\"\n"));
    let finished = migration.run(&[]).assert_code(0);
    assert!(migration.written().contains("# LOOK AT THIS") && migration.written().contains("\nallow_plain_http = true\n"), "{}", migration.written());
    assert!(finished.stderr.contains("plain http"), "{}", finished.stderr);
    assert!(!file_of("  endpoint_url = \"http://localhost:4567\"\n").iter().any(|line| line.contains("allow_plain_http")));
    assert!(!file_of("  endpoint_url = \"https://192.0.2.1\"\n").iter().any(|line| line.contains("allow_plain_http")));
}

#[test]
fn lines_that_had_no_timestamp_get_none() {
    assert_eq!(file_of("  influx_omit_timestamp = true\n")[2..], ["[input]", "timestamp = \"keep\""]);
    assert_eq!(file_of("  influx_omit_timestamp = false\n").len(), 2);
    assert_eq!(file_of("  influx_omit_timestamp = true\n  data_format = \"json\"\n").len(), 3);
}

#[test]
fn unsigned_integers_stay_what_the_old_output_made_of_them() {
    let section = |options: &str| Migration::of(format!("{SECTION}{options}")).printed(&[]);
    // Clamped, as before.
    assert!(!section("").contains("influx_"));
    assert!(
        section("  influx_uint_support = true\n  influx_sort_fields = true\n")
            .contains("  influx_uint_support = true\n  influx_sort_fields = true\n")
    );
    // JSON never clamped, and never looked at what is the influx serializer's.
    let json = section("  data_format = \"json\"\n  influx_uint_support = false\n  influx_omit_timestamp = true\n  influx_max_line_bytes = 7\n");
    assert_eq!(json.matches("influx_").count(), 1, "{json}");
    assert!(json.contains("\n  influx_uint_support = true\n") && json.contains("data_format = \"influx\""), "{json}");
}

#[test]
fn every_filter_and_option_of_telegraf_stays_on_the_new_section() {
    let options = [
        "alias = \"a\"",
        "log_level = \"debug\"",
        "startup_error_behavior = \"retry\"",
        "metric_batch_size = 1",
        "metric_buffer_limit = 2",
        "flush_interval = \"3s\"",
        "flush_jitter = \"4s\"",
        "namepass = [\"a\"]",
        "namepass_separator = \".\"",
        "namedrop = ['b']",
        "fieldinclude = [\"c\"]",
        "fieldexclude = [\"d\"]",
        "tagexclude = [\"e\"]",
        "taginclude = [\"f\"]",
        "metricpass = \"\"\"name == 'x' &&\n    tags.y == '#z'\"\"\"",
        "name_override = \"g\"",
        "name_prefix = \"${H}\"",
        "name_suffix = \"i\"",
        "tagpass = { k = [\"l\"] }",
    ];
    let text = format!("{SECTION}  {}\n  [outputs.kinesis.\"tags\"]\n    m = \"n\"\n    \"o.p\" = 'q'\n", options.join("\n  "));
    for (pairing, plugin) in [("exec", "exec"), ("execd", "execd"), ("socket", "socket_writer")] {
        let printed = Migration::of(&text).printed(&["--pairing", pairing]);
        let kept = format!("  {}\n  [outputs.{plugin}.tags]\n    m = \"n\"\n    \"o.p\" = 'q'\n", options.join("\n  "));
        assert!(printed.contains(&kept), "{printed}\nlacks\n{kept}");
    }
}

#[test]
fn dotted_keys_which_telegraf_does_not_know_become_tables() {
    let options = "  tagdrop.\"a b\" = [\"j\"] # c\n  alias = \"x\"\n  tags.k = 'l'\n  tagdrop . m=[\n  'n',\n ]\n";
    let printed = Migration::of(format!("{SECTION}{options}")).printed(&[]);
    let expected =
        "  alias = \"x\"\n  [outputs.exec.tagdrop]\n    \"a b\" = [\"j\"] # c\n    m = [\n  'n',\n ]\n  [outputs.exec.tags]\n    k = 'l'\n";
    assert!(printed.ends_with(expected), "{printed}");
}

#[test]
fn a_section_far_from_its_tables_is_found_whole() {
    let text = format!("{SECTION}  alias = \"a\"\n[[inputs.cpu]]\n[outputs.kinesis.tagpass]\n  cpu = [\"x\"]\n[[outputs.file]]\n  alias = \"b\"\n");
    let printed = Migration::of(text).printed(&[]);
    assert!(printed.contains("  alias = \"a\"\n  [outputs.exec.tagpass]\n    cpu = [\"x\"]\n") && !printed.contains("\"b\""), "{printed}");
}

#[test]
fn a_directory_of_telegraf_is_searched_as_for_a_run() {
    let migration = Migration::of("[agent]\n[[inputs.cpu]]\n");
    let below = migration.dir.path().join("telegraf.d");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("kinesis.conf"), SECTION).unwrap();
    std::fs::write(below.join("kinesis.conf.old"), SECTION).unwrap();
    let finished = crate::kinegraf().args([std::ffi::OsStr::new("migrate"), migration.dir.path().as_os_str()]).run().assert_code(0);
    assert!(finished.stderr.contains("telegraf.d/kinesis.conf:1,"), "{}", finished.stderr);
    std::fs::write(below.join("other.conf"), SECTION).unwrap();
    let finished = crate::kinegraf().args([std::ffi::OsStr::new("migrate"), migration.dir.path().as_os_str()]).run().assert_code(78);
    assert!(finished.first_line().contains("kinesis.conf:1 and in") && finished.first_line().contains("other.conf:1"), "{}", finished.stderr);
}

#[test]
fn sections_that_cannot_be_taken_over_are_78_with_their_places_and_make_nothing() {
    for (text, reason) in [
        ("[agent]\n[[inputs.cpu]]\n", ": is a configuration of Telegraf without [[outputs.kinesis]]"),
        ("region = \"eu-west-1\"\nstreamname = \"s\"\n", ": is no configuration of Telegraf"),
        ("", ": is no configuration of Telegraf"),
        (&format!("{SECTION}\n{SECTION}"), ":5:1: a second [[outputs.kinesis]], the first is in line 1"),
        (&format!("{SECTION}  rgion = \"x\"\n"), ":4:3: unknown key 'rgion'"),
        (
            &format!("{SECTION}  role_arn = \"arn:aws:iam::123456789012:user/x\"\n"),
            ":4:14: role_arn is \"arn:aws:iam::123456789012:user/x\", must be like",
        ),
        (&format!("{SECTION}  json_transformation = \"$\"\n"), ":4:3: json_transformation is not read"),
        (&format!("{SECTION}  token = \"@{{store:token}}\"\n"), ":4:11: token refers to a secret store"),
        (&format!("{SECTION}  [outputs.kinesis.partition]\n    method = \"tag\"\n"), ":5:14: partition.method is \"tag\", which needs partition.key"),
        ("[[outputs.kinesis]]\n  region = \"eu-west-1\"\n  streamname = \"\"\n", ":3:3: no stream is named"),
        ("[[outputs.kinesis]]\n  region = \"eu-west-1\"\n", ":1:1: no stream is named"),
        (&format!("{SECTION}  access_key = \"AKIAIOSFODNN7EXAMPLE\"\n"), ":4:3: access_key is given without secret_key"),
    ] {
        let migration = Migration::of(text);
        for arguments in [&[][..], &["--write"]] {
            let finished = migration.run(arguments).assert_code(78);
            assert!(finished.first_line().contains(reason), "{reason}\n{}", finished.stderr);
            assert!(finished.stdout.is_empty());
        }
        assert_eq!((migration.names(), std::fs::read_to_string(&migration.file).unwrap()), (vec!["telegraf.conf".to_owned()], text.to_owned()));
    }
    let finished = crate::kinegraf().args(["migrate", "nowhere.conf"]).run().assert_code(78);
    assert!(finished.stderr.starts_with("kinegraf: nowhere.conf: there is no such file, the command line names it\n"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("--stream"), "that is a run's: {}", finished.stderr);
    let migration = Migration::of(format!("{SECTION}  rgion = \"x\"\n  debug = 7\n  data_format = \"csv\"\n"));
    let finished = migration.run(&[]).assert_code(78);
    assert_eq!(finished.stderr.matches('^').count(), 3, "{}", finished.stderr);
}

#[test]
fn variables_that_are_not_set_here_are_no_mistake_and_are_named() {
    let text = "[[outputs.kinesis]]\n  region = \"$REGION\"\n  streamname = \"${STREAM:?which}\"\n  access_key = \"${ID}\"\n  secret_key = \"${SECRET}\"\n  \
                data_format = \"${FORMAT}\"\n  debug = \"${DEBUG}\"\n";
    let migration = Migration::of(text);
    let finished = migration.program(&[]).env("STREAM", "s").run().assert_code(0);
    let names = "DEBUG (not set here), FORMAT (not set here), ID (not set here), REGION (not set here), SECRET (not set here), STREAM,";
    assert!(finished.stderr.contains(names), "{}", finished.stderr);
    assert!(finished.stderr.contains("data_format is a variable"), "{}", finished.stderr);
    let expected = [
        "region = \"$REGION\"",
        "streamname = \"${STREAM:?which}\"",
        "access_key = \"${ID}\"",
        "secret_key = \"${SECRET}\"",
        "data_format = \"${FORMAT}\"",
    ];
    assert_eq!(says(&migration.written())[..5], expected);
    // What is wrong whatever the variables hold is wrong here too.
    Migration::of("[[outputs.kinesis]]\n  streamname = \"${S\"\n").run(&[]).assert_code(78);
}

#[test]
fn a_variable_without_quotes_gets_them_where_it_needs_them() {
    let options = "  debug = ${DEBUG} # c\n  metric_batch_size = ${SIZE}\n  partitionkey = $KEY\n";
    let migration = Migration::of(format!("{SECTION}{options}"));
    let printed = migration.printed(&[]);
    assert!(printed.contains("\n  metric_batch_size = ${SIZE}\n"), "{printed}");
    let written = migration.written();
    assert_eq!(says(&written)[2..], ["debug = \"${DEBUG}\"", "partitionkey = \"$KEY\""][..]);
}

#[test]
fn a_variable_that_is_not_taken_over_is_not_asked_for_and_what_one_holds_here_decides_nothing() {
    let options = "  partitionkey = \"${OLD}\"\n  use_random_partitionkey = true\n";
    let finished = Migration::of(format!("{SECTION}{options}")).program(&[]).env("OLD", "x").run().assert_code(0);
    assert!(
        !finished.stderr.contains("OLD") && finished.stderr.contains("left out, since nothing looked at it: partitionkey"),
        "{}",
        finished.stderr
    );
    let migration = Migration::of(format!("{SECTION}  format = \"${{FORMAT}}\"\n"));
    migration.program(&[]).env("FORMAT", "string").run().assert_code(0);
    assert!(migration.written().contains("\nformat = \"${FORMAT}\"\n"), "{}", migration.written());
}

#[test]
fn what_the_section_left_to_its_surroundings_is_said() {
    let finished = Migration::of("[[outputs.kinesis]]\n  streamname = \"s\"\n").run(&[]).assert_code(0);
    assert!(
        finished.stderr.contains("names no region: kinegraf takes AWS_REGION") && finished.stderr.contains("names no credentials"),
        "{}",
        finished.stderr
    );
    let finished = Migration::of(format!("{SECTION}  profile = \"edge\"\n")).run(&[]).assert_code(0);
    assert!(!finished.stderr.contains("names no"), "{}", finished.stderr);
}

#[test]
fn arguments_that_cannot_be_followed_are_64_and_make_nothing() {
    for (arguments, reason) in [
        (&["migrate"][..], "migrate needs the FILE to migrate"),
        (&["migrate", "a", "b"], "unexpected argument 'b', one FILE is migrated at a time"),
        (
            &["migrate", "a", "--pairing", "sockets"],
            "--pairing is \"sockets\", must be one of \"exec\", \"execd\", \"socket\", did you mean \"socket\"?",
        ),
        (&["migrate", "a", "--ouput", "b"], "unknown option '--ouput', did you mean --output?"),
        (&["migrate", "a", "--output"], "--output needs a value: --output PATH"),
        (&["migrate", "a", "--output=x/.."], "--output names no file"),
        (&["migrate", "a", "--output", "-"], "--output is '-', must name a file"),
        (&["migrate", "a", "--write=yes"], "--write takes no value"),
        (&["migrate", "a", "--write", "--write"], "--write is given twice"),
        (&["migrate", ""], "the FILE to migrate is empty"),
        (&["migrate", "a", "--stream", "s"], "unknown option '--stream'"),
    ] {
        let finished = crate::kinegraf().args(arguments).run().assert_code(64);
        assert!(finished.first_line().starts_with(&format!("kinegraf: {reason}")), "{}", finished.stderr);
        assert!(finished.stderr.ends_with("\nkinegraf migrate --help lists the options\n") && finished.stdout.is_empty(), "{}", finished.stderr);
    }
    let help = String::from_utf8(crate::kinegraf().args(["migrate", "--help"]).run().assert_code(0).stdout).unwrap();
    assert!(help.contains("--pairing HOW") && help.contains("--write") && help.lines().all(|line| line.len() <= 100), "{help}");
    let help = String::from_utf8(crate::kinegraf().args(["--help"]).run().assert_code(0).stdout).unwrap();
    assert!(help.contains("\n  migrate ") && help.contains("\n  run "), "{help}");
}

#[test]
fn a_file_that_begins_with_a_dash_can_be_named() {
    let dir = crate::support::TempDir::new();
    dir.file("-x.conf", SECTION);
    let finished = crate::kinegraf().args(["-C"]).run().assert_code(64);
    assert!(finished.first_line().contains("'-C'"), "{}", finished.stderr);
    let program = crate::kinegraf();
    std::fs::write(program.home().join("-x.conf"), SECTION).unwrap();
    let finished = program.args(["migrate", "--", "-x.conf"]).run().assert_code(0);
    assert!(finished.stderr.contains("/-x.conf:1,"), "{}", finished.stderr);
}
