//! The section of Telegraf that hands lines to kinegraf: what stays Telegraf's of the old one, and the reason for the pairing.
//!
//! What of the old section is not known to be Telegraf's own is not repeated, since it may be a secret. Of comments only those behind such an option are
//! kept, and of these none that could be a value.

use super::section::Section;
use crate::cli::Pairing;
use crate::config::keys::{Id, KEYS};
use crate::config::telegraf::tables::{self, Table};
use crate::config::value::looks_secret;

/// Where the daemon listens, and systemd on its behalf.
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
# Why outputs.socket_writer: kinegraf runs beside Telegraf as a user of its own, for other senders too, and
# systemd keeps its socket, so that it does not matter which of the two starts first. Its price: to Telegraf
# a metric is written once it is in the socket, so what is there unread is lost when kinegraf is killed.
# With outputs.exec it is not, and `kinegraf --forward` gives its batches to the same daemon.
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
            "  ## Better with a spool: a pipe that nobody reads while Kinesis is away stops Telegraf's flush, and its end. As root:\n  \
             ##   install -d -o telegraf -g telegraf /var/lib/telegraf/kinegraf\n  \
             ## then put \"--spool\", \"/var/lib/telegraf/kinegraf\" into the command.\n  \
             command = [{command}, \"--log\", \"telegraf\"]\n  \
             ## Without it Telegraf starts a program that has ended again at once, for ever.\n  restart_delay = \"10s\"\n"
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

/// How the daemon behind that socket is set up, as comments.
pub(super) fn daemon(program: &str, config: &str) -> String {
    let (program, config) = (shell(program), shell(config));
    let steps = format!(
        "A daemon serves that socket. Its units come with kinegraf, and it reads /etc/kinegraf/kinegraf.toml:\n\
         \n  install -D -m 0640 -g kinegraf {config} \\\n    /etc/kinegraf/kinegraf.toml\n  usermod -a -G kinegraf telegraf\n  \
         systemctl enable --now kinegraf.socket kinegraf.service\n  systemctl restart telegraf\n\
         \nWithout systemd, before Telegraf is started:\n\
         \n  {program} --config {config} \\\n    --listen unix://{SOCKET}\n"
    );
    steps.lines().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
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

/// A path as a word of a shell's, on one line whatever it holds.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | ',' | '@' | '=');
    match text {
        _ if text.chars().all(is_plain) => text.to_owned(),
        _ if text.contains(char::is_control) => format!("$'{}'", text.escape_default()),
        _ => format!("'{}'", text.replace('\'', "'\\''")),
    }
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
    fn a_path_survives_toml_telegraf_and_the_shell() {
        assert_eq!(toml("/a b/\"\\\n$HOME"), "\"/a b/\\\"\\\\\\u000A$$HOME\"");
        assert_eq!(shell("/usr/bin/kinegraf"), "/usr/bin/kinegraf");
        assert_eq!(shell("/a b/it's/$x"), "'/a b/it'\\''s/$x'");
        assert_eq!(shell("/a\nb"), "$'/a\\nb'");
        assert_eq!(key("a.b"), "\"a.b\"");
    }
}
