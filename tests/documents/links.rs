//! Each file that a document links to is there.

use super::{MANUAL, README, read, root};

#[test]
fn every_file_that_a_document_links_to_is_there() {
    for (folder, text) in
        [("docs", MANUAL), ("", README), ("", &read("CHANGELOG.md")), ("docs", &read("docs/design.md")), ("docs", &read("docs/systemd.md"))]
    {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            assert!(link.starts_with("https://") || root().join(folder).join(file).exists(), "{link}");
        }
    }
}
