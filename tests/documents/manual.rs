//! The manual page and what shells complete are made here, from the help texts and the table of keys, and committed in `packaging`: a package needs no
//! compiler for them, and they cannot say anything else than `--help`.

use kinegraf::cli::{self, SpoolCommand};
use kinegraf::config::keys::{KEYS, Key, Preset};

use super::{read, root};

/// Run with KINEGRAF_BLESS=1 to write what is made now.
#[test]
fn the_manual_page_and_the_completions_say_what_help_says() {
    let pages = pages();
    for (path, made) in [
        ("packaging/man/kinegraf.1", man(&pages)),
        ("packaging/completions/kinegraf.bash", bash(&pages)),
        ("packaging/completions/_kinegraf", zsh(&pages)),
        ("packaging/completions/kinegraf.fish", fish(&pages)),
    ] {
        if std::env::var_os("KINEGRAF_BLESS").is_some() {
            std::fs::write(root().join(path), &made).unwrap();
        }
        assert!(read(path) == made, "{path} is out of step: KINEGRAF_BLESS=1 cargo test --test documents manual");
    }
}

#[test]
fn every_command_of_the_help_text_has_a_page() {
    let pages = pages();
    for (name, _) in section(&cli::help(), "commands:") {
        let (first, rest) = name.split_once(' ').unwrap_or((&name, ""));
        for word in rest.split('|') {
            let command = format!("{first} {word}");
            assert!(pages.iter().any(|page| page.command == command.trim_end()), "{command}: no page");
        }
    }
}

/// A command and its help text, taken apart.
struct Page {
    command: &'static str,
    help: String,
    options: Vec<Switch>,
}

/// An option.
struct Switch {
    short: Option<String>,
    long: Option<String>,
    value: String,
    doc: String,
}

fn pages() -> Vec<Page> {
    let spool = |command| cli::spool_help(Some(command));
    let helps = [
        ("run", cli::help()),
        ("migrate", cli::migrate_help()),
        ("spool list", spool(SpoolCommand::List)),
        ("spool drain", spool(SpoolCommand::Drain)),
        ("spool export", spool(SpoolCommand::Export)),
    ];
    helps
        .into_iter()
        .map(|(command, help)| {
            let heading = if command == "run" { "options of run:" } else { "options:" };
            let options = section(&help, heading).into_iter().map(|(left, doc)| switch(&left, doc)).collect();
            Page { command, help, options }
        })
        .collect()
}

/// The indented lines below a heading: what stands left, and right.
fn section(help: &str, heading: &str) -> Vec<(String, String)> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim_start().split_once("  ").map(|(left, right)| (left.into(), right.trim().into())).unwrap()).collect()
}

fn switch(left: &str, doc: String) -> Switch {
    let (names, value) = match left.rsplit_once(' ') {
        Some((names, value)) if !value.starts_with('-') => (names, value),
        _ => (left, ""),
    };
    let names = || names.split(", ").map(str::to_owned);
    Switch { short: names().find(|name| !name.starts_with("--")), long: names().find(|name| name.starts_with("--")), value: value.into(), doc }
}

impl Switch {
    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.short, &self.long].into_iter().flatten().map(String::as_str)
    }

    /// The words that may follow, as far as they are known: those of its key, or those that its text lists.
    fn words(&self) -> Vec<String> {
        let name = self.long.as_deref().unwrap_or_default().trim_start_matches("--").replace('-', "_");
        let key = |key: &&Key| key.name == name && key.section != "partition" || key.section == name && key.name == "to";
        // Those of a key are the words of its kind, each in backticks.
        let allowed = KEYS.iter().find(key).map(Key::allowed_text).unwrap_or_default();
        if name != "format" && allowed.starts_with('`') {
            return allowed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        }
        let list = self.doc.split(' ').find(|word| word.contains('|')).unwrap_or_default();
        list.split('|').filter(|word| !word.is_empty()).map(|word| word.split_inclusive('=').next().unwrap().into()).collect()
    }

    /// What a shell completes: `file`, `directory`, words, or nothing that is known.
    fn kind(&self) -> &str {
        match &*self.value {
            "PATH" => "file",
            "DIR" => "directory",
            _ => "words",
        }
    }
}

/// Text for troff: nothing in it is an instruction.
fn troff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn man(pages: &[Page]) -> String {
    let mut out = format!(".TH KINEGRAF 1 \"\" \"kinegraf {}\" \"User Commands\"\n", env!("CARGO_PKG_VERSION"));
    out += ".SH NAME\nkinegraf \\- line protocol to Amazon Kinesis Data Streams\n.SH SYNOPSIS\n";
    for page in pages {
        let usage = page.help.lines().find_map(|line| line.strip_prefix("usage: ")).unwrap();
        out += &format!(".B {}\n.br\n", troff(usage));
    }
    out += ".SH DESCRIPTION\n";
    out += "Reads InfluxDB line protocol and writes it to a stream with PutRecords. Each line that was accepted reaches the stream at least once, waits in the\n";
    out += "spool, or is counted by the reason for which it was given up.\n";
    for page in pages {
        out += &format!(".SH \"{}\"\n", if page.command == "run" { "OPTIONS".into() } else { format!("KINEGRAF {}", page.command.to_uppercase()) });
        out += &prose(&page.help);
        for option in &page.options {
            let names: Vec<String> = option.names().map(|name| format!("\\fB{}\\fR", troff(name))).collect();
            let value = if option.value.is_empty() { String::new() } else { format!(" \\fI{}\\fR", troff(&option.value)) };
            out += &format!(".TP\n{}{value}\n{}\n", names.join(", "), troff(&option.doc));
        }
    }
    out += ".SH CONFIGURATION\nA file in TOML, read where \\fB\\-\\-config\\fR or \\fBKINEGRAF_CONFIG\\fR names it. Options win over it.\n";
    let mut last = None;
    for key in &KEYS {
        if last != Some(key.section) {
            out += &format!(".SS \"{}\"\n", if key.section.is_empty() { "At its top".into() } else { format!("[{}]", key.section) });
            last = Some(key.section);
        }
        out += &format!(".TP\n\\fB{}\\fR{}\n{}\n", troff(key.name), default(key), troff(key.doc));
    }
    out += ".SH FILES\n.TP\n/etc/kinegraf/kinegraf.toml\nConfiguration of the service.\n.TP\n/var/lib/kinegraf/spool\nWhere its lines wait.\n";
    out += ".SH SEE ALSO\nThe pages in /usr/share/doc/kinegraf.\n";
    out
}

/// What a help text says beside its lists.
fn prose(help: &str) -> String {
    let mut out = String::new();
    for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.starts_with("usage:")) {
        let lines: Vec<&str> = paragraph.lines().filter(|line| !line.starts_with("  ") && !line.ends_with(':')).collect();
        if !lines.is_empty() {
            out += &format!(".PP\n{}\n", lines.iter().map(|line| troff(line)).collect::<Vec<_>>().join("\n.br\n"));
        }
    }
    out + ".PP\n"
}

fn default(key: &Key) -> String {
    match (key.preset, key.default_text(), key.allowed_text().replace('`', "")) {
        (Preset::Unset(_), _, _) => String::new(),
        (_, default, allowed) => format!(" = {} ({})", troff(&default), troff(&allowed)),
    }
}

/// The text between apostrophes, for any shell.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn bash(pages: &[Page]) -> String {
    let mut out = String::from("# Completes kinegraf in bash; made by tests/documents/manual.rs.\n_kinegraf() {\n");
    out += "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=run\n    COMPREPLY=()\n";
    out += "    if [[ $COMP_CWORD -eq 1 && $word != -* ]]; then\n";
    out += &format!("        mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n        return\n    fi\n", firsts(pages).join(" "));
    out += "    if [[ $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == spool ]]; then\n";
    out += &format!("        mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n        return\n    fi\n", seconds(pages).join(" "));
    out += "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n";
    for page in &pages[1..] {
        out += &format!("    '{}'*) command='{0}' ;;\n", page.command);
    }
    out += "    esac\n    case \"$command $before\" in\n";
    for page in pages {
        for option in page.options.iter().filter(|option| !option.value.is_empty()) {
            let names: Vec<String> = option.names().map(|name| format!("'{} {name}'", page.command)).collect();
            let what = match option.kind() {
                "file" => "-f".to_owned(),
                "directory" => "-d".to_owned(),
                _ => format!("-W '{}'", option.words().join(" ")),
            };
            out += &format!("    {}) mapfile -t COMPREPLY < <(compgen {what} -- \"$word\"); return ;;\n", names.join(" | "));
        }
    }
    out += "    esac\n    case $command in\n";
    for page in pages {
        let names: Vec<&str> = page.options.iter().flat_map(Switch::names).collect();
        out += &format!("    '{}') mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\") ;;\n", page.command, names.join(" "));
    }
    out += "    esac\n    [[ $word == -* ]] || mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$word\")\n}\n";
    out + "complete -o filenames -F _kinegraf kinegraf\n"
}

fn firsts(pages: &[Page]) -> Vec<&str> {
    let mut words: Vec<&str> = pages.iter().filter_map(|page| page.command.split(' ').next()).collect();
    words.dedup();
    words
}

fn seconds(pages: &[Page]) -> Vec<&str> {
    pages.iter().filter_map(|page| page.command.strip_prefix("spool ")).collect()
}

fn zsh(pages: &[Page]) -> String {
    let mut out =
        String::from("#compdef kinegraf\n# Completes kinegraf in zsh; made by tests/documents/manual.rs.\n\n_kinegraf() {\n    local command=run\n");
    out += "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n";
    out += &format!("        _values command {}\n        return\n    fi\n", firsts(pages).join(" "));
    out += "    if (( CURRENT == 3 )) && [[ $words[2] == spool ]]; then\n";
    out += &format!("        _values command {}\n        return\n    fi\n    case \"$words[2] $words[3]\" in\n", seconds(pages).join(" "));
    for page in &pages[1..] {
        out += &format!("    '{}'*) command='{0}' ;;\n", page.command);
    }
    out += "    esac\n    case $command in\n";
    for page in pages {
        out += &format!("    '{}')\n        _arguments \\\n", page.command);
        for option in &page.options {
            let doc = quoted(&option.doc.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:"));
            let value = match (&*option.value, option.kind(), option.words()) {
                ("", _, _) => String::new(),
                (value, "file", _) => format!(":{value}:_files"),
                (value, "directory", _) => format!(":{value}:_files -/"),
                (value, _, words) if words.is_empty() => format!(":{value}: "),
                (value, _, words) => format!(":{value}:({})", words.join(" ")),
            };
            let names: Vec<&str> = option.names().collect();
            out += &match names[..] {
                [short, long] => format!("            '({short} {long})'{{{short},{long}}}'[{doc}]{value}' \\\n"),
                _ => format!("            '{}[{doc}]{value}' \\\n", names[0]),
            };
        }
        out += "            '*:FILE:_files'\n        ;;\n";
    }
    out + "    esac\n}\n\n_kinegraf \"$@\"\n"
}

fn fish(pages: &[Page]) -> String {
    let mut out = String::from("# Completes kinegraf in fish; made by tests/documents/manual.rs.\n");
    let first = "__fish_use_subcommand";
    for word in firsts(pages) {
        out += &format!("complete -c kinegraf -f -n {first} -a {word}\n");
    }
    for word in seconds(pages) {
        out += &format!("complete -c kinegraf -f -n '__fish_seen_subcommand_from spool' -a {word}\n");
    }
    for page in pages {
        let when = match page.command {
            "run" => "not __fish_seen_subcommand_from migrate spool".to_owned(),
            command => format!("__fish_seen_subcommand_from {}", command.rsplit(' ').next().unwrap()),
        };
        for option in &page.options {
            out += &format!("complete -c kinegraf -n '{when}'");
            if let Some(short) = &option.short {
                out += &format!(" -s {}", short.trim_start_matches('-'));
            }
            if let Some(long) = &option.long {
                out += &format!(" -l {}", long.trim_start_matches('-'));
            }
            out += &match (&*option.value, option.kind(), option.words()) {
                ("", _, _) => String::new(),
                (_, "file", _) => " -r -F".into(),
                (_, "directory", _) => " -x -a '(__fish_complete_directories)'".into(),
                (_, _, words) if words.is_empty() => " -x".into(),
                (_, _, words) => format!(" -x -a '{}'", words.join(" ")),
            };
            out += &format!(" -d '{}'\n", option.doc.replace('\\', "\\\\").replace('\'', "\\'"));
        }
    }
    out
}
