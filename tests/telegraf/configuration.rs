//! Telegraf's own check of sections that drive the program.

use super::support::{ACCESS_KEY, Options, REGION, SECRET_KEY, STREAM, Server, lines};
use super::telegraf::{Agent, binary, find};

#[test]
fn the_section_that_runs_the_program_passes_telegrafs_own_check() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::default());
    let agent = |more: &str| Agent::new(telegraf, "").input(b"", "data_format = \"influx\"").exec(&server, STREAM, &["--partition", "random"], more);
    assert_eq!(agent("influx_uint_support = true").check(), Ok(()));
    let said = agent("influx_unit_support = true").check().expect_err("a key that no plugin has");
    assert!(said.contains("influx_unit_support"), "{said}");
    let said = agent("use_batch_format = \"perhaps\"").check().expect_err("a value of another kind");
    assert!(said.contains("UseBatchFormat"), "{said}");
}

/// Every piece of TOML in a document that is Telegraf's, which has `[[…]]`.
fn sections(page: &str) -> Vec<String> {
    let fenced = page.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
    fenced.filter(|snippet| snippet.contains("[[")).collect()
}

#[test]
fn every_section_in_the_documents_passes_telegrafs_own_check() {
    let Some(telegraf) = find() else { return };
    let sections: Vec<String> =
        [include_str!("../../README.md"), include_str!("../../docs/migrating-from-telegraf.md"), include_str!("../../docs/telegraf.md")]
            .into_iter()
            .flat_map(sections)
            .collect();
    assert!(sections.len() >= 11, "{sections:?}");
    for section in sections {
        assert_eq!(Agent::new(telegraf, "").input(b"", "data_format = \"influx\"").section(&section).check(), Ok(()), "{section}");
    }
}

#[test]
fn the_section_in_the_readme_passes_telegrafs_own_check_and_delivers() {
    let Some(telegraf) = find() else { return };
    let readme = include_str!("../../README.md");
    let begin = readme.find("[[outputs.exec]]").expect("the README shows the section");
    let shown = readme[begin..].split("```").next().unwrap();
    let server = Server::start(Options::default());
    let metrics: Vec<Vec<u8>> = (0..1500).map(|i| format!("m,host=a v={i}i {i}").into_bytes()).collect();
    let agent = Agent::new(telegraf, "").input(&lines::joined(&metrics), "data_format = \"influx\"");
    let config = format!(
        "region = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{}\"\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n",
        server.url()
    );
    let config = agent.dir.file("kinegraf.toml", config);
    let mut section = shown.to_owned();
    for (place, here) in [("/usr/local/bin/kinegraf", binary()), ("/etc/kinegraf.toml", config)] {
        assert!(section.contains(place), "{place} is not in {shown}");
        section = section.replace(place, here.to_str().unwrap());
    }
    let agent = agent.section(&section);
    assert_eq!(agent.check(), Ok(()));
    agent.once();
    assert_eq!(server.assert_stored(STREAM, &metrics), 0);
}
