//! The manual of the service and its units say what the program does, and the units of several streams are those of one.

use super::{read, snippets};

/// The directives of a unit, without comments, with the instance's name taken out.
fn directives(path: &str) -> Vec<String> {
    let text = read(path);
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let plain = |line: &str| line.replace(" (%i)", "").replace("/%i.toml", "/kinegraf.toml").replace("-%i", "").replace("@%i", "");
    lines.map(plain).collect()
}

#[test]
fn the_units_of_several_streams_are_those_of_one_but_for_names() {
    for kind in ["service", "socket"] {
        let one = directives(&format!("systemd/kinegraf.{kind}"));
        assert_eq!(directives(&format!("systemd/kinegraf@.{kind}")), one);
        assert!(one.len() > 8);
    }
}

#[test]
fn the_manual_lists_the_keys_that_a_reload_applies() {
    let list = kinegraf::config::reload::markdown_list();
    assert!(read("docs/systemd.md").lines().any(|line| line == list), "docs/systemd.md lacks this line:\n{list}");
}

#[test]
fn the_manuals_file_is_a_configuration() {
    use kinegraf::cli::{self, Command};
    use kinegraf::config::{Environment, Files, load};
    let page = read("docs/systemd.md");
    let [(_, text)] = &snippets(&page, "toml")[..] else { panic!("one file is expected") };
    let Ok(Command::Run(options)) = cli::parse(["--config", "/k.toml"].map(Into::into)) else { panic!("no run") };
    let environment = Environment::from_pairs(&[("CREDENTIALS_DIRECTORY", "/run/credentials/k"), ("STATE_DIRECTORY", "/var/lib/kinegraf")]);
    let files = Files { read: &|_| Ok(text.as_bytes().to_vec()), list: &|_| Ok(Vec::new()) };
    load(&options, &environment, files).unwrap();
}
