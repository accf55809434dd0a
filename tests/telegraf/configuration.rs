//! Telegraf's own check of sections that drive the program.

use super::support::{Options, STREAM, Server};
use super::telegraf::{Agent, find};

#[test]
fn the_section_that_runs_the_program_passes_telegrafs_own_check() {
    let Some(telegraf) = find() else { return };
    let server = Server::start(Options::default());
    let agent = |more: &str| Agent::new(telegraf, "").input(b"", "data_format = \"influx\"").exec(&server, STREAM, &["--partition", "random"], more);
    assert_eq!(agent("influx_uint_support = true").check(), Ok(()));
    let said = agent("influx_unit_support = true").check().expect_err("a key that no plugin has");
    assert!(said.contains("influx_unit_support"), "{said}");
    let said = agent("use_batch_format = \"perhaps\"").check().expect_err("a value of another kind");
    assert!(said.contains("use_batch_format") || said.contains("line"), "{said}");
}
