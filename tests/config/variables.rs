//! `${VAR}` in a file: expanded after parsing, in values only, with an error where Telegraf would send the text itself to AWS.

use crate::load_all;

const FILE: &str = "region = \"${REGION:-eu-central-1}\"\nstreamname = \"$STREAM\"\n";

fn said(extra: &str, environment: &[(&str, &str)]) -> String {
    load_all(&format!("{FILE}{extra}"), &[], environment).unwrap_err().to_string()
}

#[test]
fn variables_in_values_are_replaced_in_a_file_of_ours() {
    let config = load_all(FILE, &[], &[("STREAM", "s-1")]).unwrap();
    let destination = config.destination.unwrap();
    assert_eq!((destination.region.as_str(), destination.stream.as_str()), ("eu-central-1", "s-1"));
    let config = load_all(FILE, &[], &[("STREAM", "s"), ("REGION", "us-gov-west-1")]).unwrap();
    assert_eq!(config.destination.unwrap().region, "us-gov-west-1");
}

#[test]
fn a_value_of_any_kind_may_come_from_a_variable() {
    let extra = "debug = \"${DEBUG}\"\n[delivery]\nrequest_size = \"${SIZE}\"\ndeadline = \"${D}s\"\n[packing]\npack = \"$PACK\"\n";
    let environment = [("STREAM", "s"), ("DEBUG", "true"), ("SIZE", "65536"), ("D", "4"), ("PACK", "lines")];
    let config = load_all(&format!("{FILE}{extra}"), &[], &environment).unwrap();
    assert_eq!((config.delivery.request_size, config.delivery.deadline), (65_536, Some(std::time::Duration::from_secs(4))));
    assert_eq!((config.log.level, config.packing.pack), (kinegraf::config::Level::Debug, kinegraf::config::Pack::Lines));
    assert!(said("debug = \"${DEBUG}\"\n", &[("STREAM", "s"), ("DEBUG", "yes")]).contains("f.toml:3:9: debug is \"yes\", must be true or false"));
}

#[test]
fn variables_are_replaced_inside_an_array_too() {
    use kinegraf::config::Listen;
    let extra = "[input]\nlisten = [\"unix://${RUN}/k.sock\", \"${MORE:-stdin}\"]\n";
    let listen = |environment: &[(&str, &str)]| load_all(&format!("{FILE}{extra}"), &[], environment).unwrap().input.listen;
    assert_eq!(listen(&[("STREAM", "s"), ("RUN", "/run/a")]), [Listen::Unix("/run/a/k.sock".into()), Listen::Stdin]);
    let more = [("STREAM", "s"), ("RUN", "/r"), ("MORE", "unixgram:///d")];
    assert_eq!(listen(&more), [Listen::Unix("/r/k.sock".into()), Listen::Unixgram("/d".into())]);
    let unset = said(extra, &[("STREAM", "s")]);
    assert!(unset.starts_with("f.toml:4:10: input.listen needs the variable RUN, which is not set"), "{unset}");
    let wrong = said(extra, &[("STREAM", "s"), ("RUN", "run")]);
    assert!(wrong.starts_with("f.toml:4:10: input.listen is \"unix://run/k.sock\", must have an absolute path"), "{wrong}");
    // As text too, without an array.
    let one = load_all(&format!("{FILE}[input]\nlisten = \"unix://${{RUN}}\"\n"), &[], &[("STREAM", "s"), ("RUN", "/r")]).unwrap();
    assert_eq!(one.input.listen, [Listen::Unix("/r".into())]);
}

#[test]
fn a_variable_that_nobody_set_is_said_with_its_name_and_where_it_stands() {
    let said = said("", &[]);
    assert!(said.starts_with("f.toml:2:14: streamname needs the variable STREAM, which is not set: set it for kinegraf as well"), "{said}");
    assert!(said.contains("2 | streamname = \"$STREAM\"\n  |              ^~~~~~~~~") && !said.contains("no stream is named"), "{said}");
}

#[test]
fn an_empty_variable_counts_as_a_key_that_is_not_there() {
    let said = said("", &[("STREAM", "")]);
    assert!(said.contains("no stream is named"), "{said}");
}

#[test]
fn a_variable_without_quotes_is_told_how_to_be_written() {
    let said = said("debug = ${DEBUG}\n", &[("STREAM", "s"), ("DEBUG", "true")]);
    assert!(said.contains("a variable must stand inside quotes, as in \"${VAR}\""), "{said}");
}

#[test]
fn a_secret_from_a_variable_is_never_shown() {
    let secret = "wJalrXUtn FEMI/K7MDENG/bPxRfiCYSECRETKEY";
    for key in ["access_key", "secret_key", "token", "streamname", "profile", "debug", "data_format", "endpoint_url"] {
        let file = format!("region = \"eu-central-1\"\n{key} = \"${{SECRET}}\"\n");
        let Err(error) = load_all(&file, &[], &[("SECRET", secret)]) else { continue };
        for part in ["wJalrXUtn", "FEMI", "bPxRfi"] {
            assert!(key == "profile" || !error.to_string().contains(part) && !error.first_line().contains(part), "{key}: {error}");
        }
    }
}

#[test]
fn a_secret_with_a_dollar_sign_is_not_shown_as_the_name_of_a_variable() {
    for secret in ["hunter$two", "$hunter/two", "${hunter}two", "${hunter%two}", "${hunter:two}", "$hunter$two", "x${hunter:?two}", "${hunter"] {
        for key in ["access_key", "secret_key", "token"] {
            let said = said(&format!("{key} = \"{secret}\"\n"), &[("STREAM", "s")]);
            assert!(said.contains(&format!("f.toml:3:{}: {key} has ", key.len() + 4)), "{said}");
            assert!(!said.contains("hunter") && !said.contains("two"), "{secret}: {said}");
        }
    }
    // Where the whole value is a variable, its name must be said.
    for text in ["$KEY_ID", "${KEY_ID}", "${KEY_ID:?set it in the unit}"] {
        let said = said(&format!("secret_key = \"{text}\"\n"), &[("STREAM", "s")]);
        assert!(said.contains("secret_key needs the variable KEY_ID, which is not set") && said.contains("set it"), "{said}");
    }
}

#[test]
fn a_reference_to_telegrafs_secret_store_is_refused_in_any_value() {
    let said = said("secret_key = \"@{store:key}\"\n", &[("STREAM", "s")]);
    assert!(said.contains("secret_key refers to a secret store of Telegraf, which only Telegraf can open: write \"${VAR}\""), "{said}");
}

#[test]
fn a_dollar_sign_is_written_twice() {
    let file = format!("{FILE}[partition]\nmethod = \"static\"\nkey = \"a$$b$1\"\n");
    let config = load_all(&file, &[], &[("STREAM", "s")]).unwrap();
    assert!(format!("{:?}", config.partition).contains("a$b$1"), "{:?}", config.partition);
}
