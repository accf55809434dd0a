//! Each file that a document links to is there.

use super::{GREENGRASS, MANUAL, PI, README, TELEGRAF, read, root};

#[test]
fn every_file_that_a_document_links_to_is_there() {
    let pages = [
        ("docs", MANUAL),
        ("", README),
        ("docs", PI),
        ("docs", TELEGRAF),
        ("docs", GREENGRASS),
        ("", &read("CHANGELOG.md")),
        ("docs", &read("docs/design.md")),
    ];
    for (folder, text) in pages.into_iter().chain([("docs", read("docs/systemd.md").as_str())]) {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            assert!(link.starts_with("https://") || root().join(folder).join(file).exists(), "{link}");
        }
    }
}
