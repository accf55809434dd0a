//! The README's tables of formats and partition methods: each row is run, and gives what it says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::README;
use super::support::Program;

const LINE: &str = "cpu,host=gw-1 usage=12.5 1795305600000000000";

/// Key and data of the one record that a dry run with these arguments prints.
fn record(arguments: &[&str], line: &str) -> (String, String) {
    let program = Program::new(env!("CARGO_BIN_EXE_kinegraf")).args(["--dry-run"]).args(arguments);
    let finished = program.stdin(format!("{line}\n")).run().assert_code(0);
    let record: serde_json::Value = serde_json::from_slice(&finished.stdout).unwrap();
    let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
    (record["PartitionKey"].as_str().unwrap().to_owned(), String::from_utf8(data).unwrap())
}

/// The first cell and what stands between backticks in the second, of each row of the table whose first heading is this.
fn rows(heading: &str) -> Vec<(String, Vec<String>)> {
    let from = README.find(&format!("| {heading} |")).unwrap_or_else(|| panic!("no table of {heading}"));
    let rows = README[from..].lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect::<Vec<String>>());
    cells.map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].split('`').skip(1).step_by(2).map(str::to_owned).collect())).collect()
}

#[test]
fn each_format_gives_the_data_that_the_readme_shows() {
    assert!(README.contains(&format!("of the line `{LINE}`")));
    let rows = rows("`--format`");
    assert_eq!(rows.iter().map(|(format, _)| format.as_str()).collect::<Vec<_>>(), ["influx", "json", "string", "custom"]);
    for (format, shown) in rows {
        let newline = if ["influx", "json"].contains(&format.as_str()) { "\n" } else { "" };
        assert_eq!(record(&["--format", &format], LINE).1, format!("{}{newline}", shown[0]), "{format}");
    }
}

#[test]
fn each_partition_method_gives_the_key_that_the_readme_shows() {
    let rows = rows("`--partition`");
    let methods: Vec<&str> = rows.iter().map(|(method, _)| method.split('=').next().unwrap()).collect();
    assert_eq!(methods, ["random", "series", "measurement", "tag", "template", "static"]);
    for (method, shown) in &rows {
        let key = record(&["--partition", method], LINE).0;
        match shown.first() {
            Some(shown) => assert_eq!(&key, shown, "{method}"),
            None => assert_eq!(key.len(), 36, "{method}"),
        }
    }
    let without = "mem used=1i 5";
    assert_eq!(record(&["--partition", "tag=host"], without).0, "telegraf");
    assert_eq!(record(&["--partition", "tag=host,none"], without).0, "none");
}
