//! The command line.

use std::ffi::OsString;

use kinegraf::cli::{self, Command, SpoolAction, SpoolCommand};
use kinegraf::limits;

use crate::{run, usage};

#[test]
fn arguments_are_taken_in_every_usual_form() {
    let config = |arguments: &[&str]| run(arguments).config;
    for arguments in [
        &["-c", "a.toml"][..],
        &["-ca.toml"],
        &["-c=a.toml"],
        &["--config", "a.toml"],
        &["--config=a.toml"],
        &["run", "-vca.toml"],
        &["--config=a.toml", "--"],
    ] {
        assert_eq!(config(arguments), Some("a.toml".into()), "{arguments:?}");
    }
    assert_eq!(config(&["-c", "-"]), Some("-".into()));
    let bytes: OsString = std::os::unix::ffi::OsStringExt::from_vec(b"--config=/\xff".to_vec());
    let Ok(Command::Run(options)) = cli::parse([bytes]) else { panic!() };
    assert_eq!(options.config.unwrap().as_os_str().len(), 2);
    for help in [&["--help"][..], &["-h"], &["run", "--stream", "x", "-vh"]] {
        assert!(matches!(cli::parse(help.iter().map(OsString::from)), Ok(Command::Help)), "{help:?}");
    }
    assert!(matches!(cli::parse(["-V".into()]), Ok(Command::Version)));
    assert!(cli::version().starts_with(&format!("kinegraf {} (", env!("CARGO_PKG_VERSION"))) && cli::version().ends_with(')'));
    assert!(run(&["--dry-run"]).dry_run);
}

#[test]
fn arguments_that_cannot_be_followed_say_why_in_one_line() {
    for (arguments, reason) in [
        (&["--regoin", "x"][..], "unknown option '--regoin', did you mean --region?"),
        (&["--streamname=x"], "unknown option '--streamname', did you mean --stream?"),
        (&["--endpoint_url=x"], "unknown option '--endpoint_url', did you mean --endpoint-url?"),
        (&["--secret-key=hunter2"], "unknown option '--secret-key'"),
        (&["--metrics", "/var"], "unknown option '--metrics'"),
        (&["-region", "x"], "unknown option '-region', did you mean --region?"),
        (&["-x"], "unknown option '-x'"),
        (&["-vx"], "unknown option '-x'"),
        (&["check"], "unknown command 'check', the commands are run, migrate and spool"),
        (&["migarte", "x"], "unknown command 'migarte', did you mean migrate?"),
        (&["spol"], "unknown command 'spol', did you mean spool?"),
        (&["spool"], "spool needs a command, the commands are list, drain and export"),
        (&["spool", "lst"], "unknown command 'lst' of spool, did you mean list?"),
        (&["spool", "--spool", "x"], "unknown command '--spool' of spool, the commands are list, drain and export"),
        (&["spool", "list", "x"], "unexpected argument 'x'"),
        (&["spool", "list", "--to-configured"], "unknown option '--to-configured'"),
        (&["spool", "list", "--spool"], "--spool needs a value: --spool DIR"),
        (&["spool", "drain", "--to-configurd"], "unknown option '--to-configurd', did you mean --to-configured?"),
        (&["spool", "drain", "--partition", "random"], "unknown option '--partition'"),
        (&["spool", "drain", "--dry-run"], "unknown option '--dry-run'"),
        (&["spool", "drain", "--give-up-after", "5"], "--give-up-after is \"5\", which has no unit, write \"5s\" for seconds"),
        (&["spool", "drain", "--give-up-after=1ms"], "--give-up-after is 1ms, must be at least 100ms"),
        (&["spool", "drain", "--destination="], "--destination is empty, must be the name of a stream"),
        (&["spool", "drain", "-vq"], "-v and -q contradict each other"),
        (&["spool", "export", "a/b"], "'a/b' is no name of a file in the spool directory"),
        (&["run", "migrate"], "unexpected argument 'migrate'"),
        (&["--dry-run", "run"], "unexpected argument 'run'"),
        (&["--dry-run", "--", "--region"], "unexpected argument '--region'"),
        (&["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"], "unknown command ***, the commands are run, migrate and spool"),
        (&["--region"], "--region needs a value: --region REGION"),
        (&["--region", "--stream", "s"], "--region needs a value: --region REGION"),
        (&["-c"], "--config needs a value: --config PATH"),
        (&["--config="], "--config is empty, must name a file"),
        (&["--region="], "--region is empty, must be a region"),
        (&["--dry-run=yes"], "--dry-run takes no value"),
        (&["--region=eu-west-1", "--region", "eu-west-1"], "--region is given twice"),
        (&["-c", "a", "--config=b"], "--config is given twice"),
        (&["-qq"], "-q is given twice"),
        (&["-vq"], "-v and -q contradict each other"),
        (&["--deadline", "4"], "--deadline is \"4\", which has no unit, write \"4s\" for seconds"),
        (&["--deadline", "25h"], "--deadline is 1d1h, must be at most 1d"),
        (
            &["--deadline", "-4s"],
            "--deadline is \"-4s\", must be whole numbers with the units d, h, m, s, ms, us or ns, larger ones first, such as \"10s\" or \"1h30m\"",
        ),
        (&["--pack", "line"], "--pack is \"line\", must be \"metric\" or \"lines\", did you mean \"lines\"?"),
        (&["--format", "jsn"], "--format is \"jsn\", must be one of \"influx\", \"string\", \"custom\", \"json\", did you mean \"json\"?"),
        (&["--stream", "a b"], "--stream is \"a b\", must have only the characters a-z, A-Z, 0-9, '_', '.', '-'"),
        (
            &["--partition", "tagg=host"],
            "--partition is \"tagg\", must be one of \"random\", \"static\", \"tag\", \"measurement\", \"series\", \"template\", did you mean \"tag\"?",
        ),
        (&["--partition", "static"], "--partition is \"static\" without a key, must be static=KEY"),
        (&["--partition", "tag"], "--partition is \"tag\" without a key, must be tag=KEY or tag=KEY,DEFAULT"),
        (&["--partition", "static="], "the key of --partition is empty, must have 1 to 256 UTF-16 units"),
        (&["--partition", "tag=host,"], "the default of --partition is empty, must have 1 to 256 UTF-16 units"),
        (&["--partition", "random=1"], "--partition random takes no key"),
        (&["--partition", "series=a"], "--partition series takes no key"),
        (&["--partition", "template"], "--partition is \"template\" without a text, must be template=TEXT"),
        (
            &["--endpoint-url", "http://a:hunter2@h"],
            "--endpoint-url has a user or password before the host, must have none: requests are signed with AWS credentials",
        ),
        (&["--listen", "unix:///a", "--listen=stdin", "--listen", "unix:///a"], "--listen has \"unix:///a\" twice, must have it once"),
        (
            &["--listen", "unix:///a", "--listen", "/b"],
            "--listen is \"/b\", must be stdin, unix:///PATH or unixgram:///PATH, did you mean \"unix:///b\"?",
        ),
        (&["--listen="], "--listen is empty, must be an address (stdin, unix:///PATH or unixgram:///PATH)"),
        (&["--role-arn", "edge"], "--role-arn is \"edge\", must be like \"arn:aws:iam::123456789012:role/NAME\""),
        (&["--log", "file"], "--log is \"file\", must be one of \"auto\", \"stderr\", \"journal\", \"telegraf\""),
    ] {
        assert_eq!(usage(arguments), reason, "{arguments:?}");
    }
    let nine: Vec<String> = (0..=limits::LISTENERS_MAX).map(|n| format!("--listen=unix:///{n}")).collect();
    assert_eq!(usage(&nine.iter().map(String::as_str).collect::<Vec<_>>()), "--listen has 9 entries, must have at most 8");
    let long = usage(&[&format!("--{}", "é\u{1b}".repeat(10_000))]);
    assert!(long.len() <= limits::FIRST_LINE_SIZE_MAX && long.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{long}");
}

#[test]
fn the_commands_of_spool_have_help_of_their_own() {
    let parse = |arguments: &[&str]| cli::parse(arguments.iter().map(OsString::from)).unwrap();
    let Command::SpoolHelp(None) = parse(&["spool", "-h"]) else { panic!() };
    for (name, command, option) in [
        ("list", SpoolCommand::List, "--json"),
        ("drain", SpoolCommand::Drain, "--to-configured"),
        ("export", SpoolCommand::Export, "--destination NAME"),
    ] {
        assert!(matches!(parse(&["spool", name, "--spool", "x", "--help"]), Command::SpoolHelp(Some(found)) if found == command), "{name}");
        assert!(matches!(parse(&["spool", name, "-V"]), Command::Version));
        let help = cli::spool_help(Some(command));
        assert!(help.contains(&format!("usage: kinegraf spool {name} ")) && help.contains(option) && help.contains("--spool DIR"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        assert!(cli::spool_help(None).contains(&format!("\n  {name} ")));
    }
    let Command::Spool(options) = parse(&["spool", "drain", "--give-up-after=5s", "--destination", "a", "-vc", "x.toml"]) else { panic!() };
    let give_up_after = std::time::Duration::from_secs(5);
    assert_eq!(options.action, SpoolAction::Drain { destination: Some("a".into()), to_configured: false, give_up_after });
    assert_eq!(options.run.config, Some("x.toml".into()));
    let Command::Spool(options) = parse(&["spool", "export", "--all", "--", "-x"]) else { panic!() };
    assert_eq!(options.action, SpoolAction::Export { files: vec!["-x".into()], destination: None, all: true });
}

#[test]
fn the_help_text_names_every_option_and_the_defaults_of_the_table() {
    let help = cli::help();
    for option in [
        "-c, --config PATH",
        "--stream NAME",
        "--partition METHOD",
        "--role-arn ARN",
        "--listen WHERE",
        "--log WHERE",
        "--dry-run",
        "  -v ",
        "  -q ",
        "-h, --help",
        "-V, --version",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(help.contains("(default: 4s)") && help.contains("(default: influx)") && help.contains("(default: 10s)"), "{help}");
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
}
