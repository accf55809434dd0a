//! Each test that a document names is there: `crate::module::name` below `tests/`, or below `src/` where it begins with `src`.

use super::{GREENGRASS, MANUAL, PI, README, TELEGRAF, quoted, read, root};

/// Whether this looks like the name of a test: two parts or more, all of it lower case.
fn is_test(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    text.contains("::") && text.split("::").all(part)
}

/// The file that holds the test, and its name.
fn place(test: &str) -> (String, &str) {
    let (path, name) = test.rsplit_once("::").unwrap();
    let path = match path.strip_prefix("src::") {
        Some(module) => format!("src/{}", module.replace("::", "/")),
        None => format!("tests/{}", path.replace("::", "/")),
    };
    let file = [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| root().join(file).is_file());
    (file.unwrap_or_else(|| panic!("{test}: there is no {path}.rs")), name)
}

/// Whether the file has this function, marked as a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| line.strip_prefix("fn ").is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')));
    lines
        .iter()
        .enumerate()
        .any(|(at, line)| is_it(line) && lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]"))
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    let mut count = 0;
    for (page, text) in [("manual", MANUAL), ("README", README), ("raspberry-pi", PI), ("telegraf", TELEGRAF), ("greengrass", GREENGRASS)] {
        for (line, test) in quoted(text).into_iter().filter(|(_, text)| is_test(text)) {
            let (file, name) = place(test);
            count += 1;
            if !has_test(&read(&file), name) {
                missing.push(format!("{page}:{line}: {file} has no test {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    assert!(count > 60, "{count}");
}

#[test]
fn a_test_that_is_not_there_would_be_found() {
    assert!(is_test("config::telegraf::x") && !is_test("kinesis:PutRecords") && !is_test("a b::c") && !is_test("config"));
    assert_eq!(place("src::config::variables::x"), ("src/config/variables.rs".to_owned(), "x"));
    assert_eq!(place("documents::tests_named::x"), ("tests/documents/tests_named.rs".to_owned(), "x"));
    let text = "#[test]\n#[rustfmt::skip]\n    fn one() {\nfn two() {\n";
    assert!(has_test(text, "one") && !has_test(text, "two") && !has_test(text, "on") && !has_test("// fn one(", "one"));
}

#[test]
fn each_row_of_the_manual_that_says_what_kinegraf_does_names_its_test() {
    let (mut inside, mut bare) = (false, Vec::new());
    for (number, line) in (1..).zip(MANUAL.lines()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", .., "shown by", ""] => inside = true,
            ["", .., last, ""] if inside && !last.starts_with("---") => {
                let names: Vec<&str> = last.split(", ").map(|name| name.trim_matches('`')).collect();
                if !names.iter().all(|name| is_test(name)) {
                    bare.push(format!("{number}: {line}"));
                }
            }
            ["", ..] => {}
            _ => inside = false,
        }
    }
    assert!(bare.is_empty(), "\n{}", bare.join("\n"));
}
