//! The section of Telegraf that hands lines to kinegraf: what stays Telegraf's of the old one, and the reason for the pairing.
//!
//! What of the old section is not known to be Telegraf's own is not repeated, since it may be a secret. Of comments only those behind such an option are
//! kept, and of these none that could be a value.

use super::section::Section;
use crate::cli::Pairing;
use crate::config::keys::{Id, KEYS};
use crate::config::telegraf::tables::{self, Table};
use crate::config::value::looks_secret;

/// Where kinegraf's process listens on behalf of systemd.
const SOCKET: &str = "/run/kinegraf.sock";

const EXEC: &str = "\
# To Kinesis by way of kinegraf, in place of [[outputs.kinesis]].
# Why outputs.exec: Telegraf keeps a batch until kinegraf has stored every line of it, so that nothing
# is lost between the two; and nothing runs between two flushes. What could not be stored within the
# deadline is offered again with the next flush.
";
const EXECD: &str = "\
# To Kinesis by way of kinegraf, in place of [[outputs.kinesis]].
# Why outputs.execd: one process as long as Telegraf runs, none to be started for each batch. Its price:
# to Telegraf a metric is written once it is in the pipe, so what is in the pipe or in kinegraf is lost
# when one of the two is killed. With outputs.exec it is not.
";
const SOCKET_WRITER: &str = "\
# To Kinesis by way of kinegraf, in place of [[outputs.kinesis]].
# Why outputs.socket_writer: kinegraf can be another user than Telegraf, and systemd starts it for
# Telegraf's connection. Its price: to Telegraf a metric is written once it is in the socket, so what is
# there or in kinegraf is lost when one of the two is killed. With outputs.exec it is not.
";

/// The section, ending in a newline. `program` and `config` are absolute paths.
pub(super) fn section(section: &Section<'_>, pairing: Pairing, program: &str, config: &str) -> String {
    let (plugin, reason) = match pairing {
        Pairing::Exec => ("exec", EXEC),
        Pairing::Execd => ("execd", EXECD),
        Pairing::Socket => ("socket_writer", SOCKET_WRITER),
    };
    let mut out = format!("{reason}[[outputs.{plugin}]]\n");
    let command = format!("{}, \"--config\", {}", toml(program), toml(config));
    match pairing {
        Pairing::Exec => out.push_str(&format!(
            "  command = [{command}, \"--deadline\", \"4s\"]\n  ## Longer than the deadline, so that kinegraf has answered before Telegraf would kill it.\n  \
             timeout = \"5s\"\n"
        )),
        Pairing::Execd => out.push_str(&format!(
            "  command = [{command}]\n  ## Without it Telegraf starts a program that has ended again at once, for ever.\n  restart_delay = \"10s\"\n"
        )),
        Pairing::Socket => out.push_str(&format!("  address = {}\n", toml(&format!("unix://{SOCKET}")))),
    }
    out.push_str("  ## kinegraf reads line protocol, whatever the records look like.\n  data_format = \"influx\"\n");
    let json = section.word(Id::DataFormat) == Some("json");
    if json {
        out.push_str("  ## JSON had unsigned integers as they are; line protocol has them only with this.\n");
        out.push_str("  influx_uint_support = true\n");
    }
    // What the influx serializer was told did not reach JSON, and must not reach it now.
    let stays = |name: &str| section.kept(name).is_some() && !(json && name.starts_with("influx_"));
    let Some((main, below)) = section.tables().split_first() else { return out };
    let mut dotted: Vec<(Vec<String>, String)> = Vec::new();
    for statement in tables::statements(section.text, main) {
        match &statement.names[..] {
            [name] if stays(name) => out.push_str(&format!("  {}\n", harmless(section, section.text[statement.extent].trim_end()))),
            // Telegraf knows no dotted keys: they become tables, which must stand behind all that is none.
            [path @ .., name] if path.first().is_some_and(|name| stays(name)) => {
                let line = format!("    {} = {}\n", key(name), harmless(section, section.text[statement.value..statement.extent.end].trim()));
                match dotted.iter_mut().find(|(other, _)| other == path) {
                    Some((_, lines)) => lines.push_str(&line),
                    None => dotted.push((path.to_vec(), line)),
                }
            }
            _ => {}
        }
    }
    for (path, lines) in dotted {
        out.push_str(&format!("  [outputs.{plugin}.{}]\n{lines}", keys(&path)));
    }
    for table in below.iter().filter(|table| table.names.get(2).is_some_and(|name| stays(name))) {
        let (open, close) = if section.text[table.header.clone()].starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
        out.push_str(&format!("  {open}outputs.{plugin}.{}{close}\n", keys(&table.names[2..])));
        out.push_str(&body(section, table));
    }
    out.replace("\r\n", "\n")
}

/// What stands below the header of a table.
fn body(section: &Section<'_>, table: &Table) -> String {
    let lines = tables::statements(section.text, table).into_iter();
    lines.map(|statement| format!("    {}\n", harmless(section, section.text[statement.extent].trim_end()))).collect()
}

/// A statement without the comments that may hold what nobody must see.
fn harmless(section: &Section<'_>, statement: &str) -> String {
    let secrets: Vec<_> = KEYS.iter().filter(|key| key.secret).filter_map(|key| section.raw(key.id)).collect();
    let is_harmless = |comment: &str| {
        let comment_lower = comment.to_ascii_lowercase();
        let named = ["secret", "token", "passw", "access", "credential", "="].iter().any(|word| comment_lower.contains(word));
        !named && !looks_secret(comment) && !secrets.iter().any(|secret| comment.contains(secret.trim_matches(['"', '\''])))
    };
    let (mut out, mut at) = (String::new(), 0);
    for comment in tables::comments(statement) {
        if !is_harmless(&statement[comment.clone()]) {
            out.push_str(statement[at..comment.start].trim_end_matches([' ', '\t']));
            at = comment.end;
        }
    }
    out.push_str(&statement[at..]);
    out
}

/// Two unit files by which systemd starts a kinegraf for Telegraf's connection, as comments.
pub(super) fn units(program: &str, config: &str) -> String {
    let units = format!(
        "Two files of systemd serve that socket; start with: systemctl enable --now kinegraf.socket\n\
         \n/etc/systemd/system/kinegraf.socket:\n\n\
         [Unit]\nDescription=Lines for kinegraf\n\n\
         [Socket]\nListenStream={SOCKET}\nAccept=yes\nSocketUser=telegraf\nSocketMode=0600\nMaxConnections=4\n\n\
         [Install]\nWantedBy=sockets.target\n\
         \n/etc/systemd/system/kinegraf@.service, whose user must be able to read the file that is named here:\n\n\
         [Unit]\nDescription=kinegraf for one connection\nCollectMode=inactive-or-failed\n\n\
         [Service]\nUser=telegraf\nEnvironmentFile=-/etc/default/telegraf\nExecStart={} --config {}\n\
         StandardInput=socket\nStandardOutput=journal\nStandardError=journal\n",
        systemd(program),
        systemd(config)
    );
    units.lines().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
}

/// A path as a TOML string that Telegraf reads: it takes `$` for the beginning of a variable.
fn toml(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '$' => out.push_str("$$"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A path as systemd reads it in `ExecStart`.
fn systemd(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$").replace('\n', "\\n");
    if escaped.contains([' ', '\t', '\'', '"', '\\', ';']) { format!("\"{escaped}\"") } else { escaped }
}

/// Names in a header.
fn keys(names: &[String]) -> String {
    names.iter().map(|name| key(name)).collect::<Vec<_>>().join(".")
}

/// A name as TOML has it.
fn key(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { toml(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_toml_telegraf_and_systemd() {
        assert_eq!(toml("/a b/\"\\\n$HOME"), "\"/a b/\\\"\\\\\\u000A$$HOME\"");
        assert_eq!(systemd("/usr/bin/kinegraf"), "/usr/bin/kinegraf");
        assert_eq!(systemd("/a b/100%/$x"), "\"/a b/100%%/$$x\"");
        assert_eq!(key("a.b"), "\"a.b\"");
    }
}
