//! What the names in a `[[outputs.kinesis]]` mean that are no keys of ours. Source: Telegraf 1.39.3, `config/config.go` and `plugins/common/aws`, and the
//! samples of 1.0, 1.5 and 1.21.

use crate::config::keys::Id;
use crate::config::value::{Value, quote};

/// Whose business an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Telegraf's: how it buffers, flushes, names and writes lines, whatever the output is.
    Agent,
    /// Telegraf's: which metrics the output gets, and under which names.
    Filter,
    /// Neither ours nor kept: what it asks for is not done; with the reason and what to do.
    Refused(&'static str),
}

const FILTERS: [&str; 20] = [
    "namepass",
    "namepass_separator",
    "namedrop",
    "namedrop_separator",
    "fieldpass",
    "fielddrop",
    "fieldinclude",
    "fieldexclude",
    "pass",
    "drop",
    "tagpass",
    "tagdrop",
    "taginclude",
    "tagexclude",
    "metricpass",
    "name_override",
    "name_prefix",
    "name_suffix",
    "order",
    "tags",
];

const AGENT: [&str; 4] = ["alias", "log_level", "labels", "precision"];
const AGENT_PREFIXES: [&str; 5] = ["metric_", "flush_", "startup_", "buffer_", "influx_"];

const SERIALIZER: &str = "it is of a data_format that kinegraf does not write, so leave it out or keep Telegraf's own output";
const JSON: &str = "kinegraf writes JSON without it, so leave it out or keep Telegraf's own output";

/// Data formats of Telegraf that we do not write. Source: `plugins/serializers` of 1.39.3, and `prettyjson`, which some versions had as a name.
const SERIALIZERS: [&str; 13] = [
    "binary",
    "carbon2",
    "cloudevents",
    "csv",
    "graphite",
    "msgpack",
    "nowmetric",
    "prettyjson",
    "prometheus",
    "prometheusremotewrite",
    "splunkmetric",
    "template",
    "wavefront",
];

/// Their options, of which `template` is left out: it is a key of ours elsewhere.
const OF_SERIALIZERS: [&str; 5] = ["batch_template", "endianness", "entries", "prefix", "templates"];
const OF_SERIALIZERS_PREFIXES: [&str; 7] = ["carbon2_", "cloudevents_", "csv_", "graphite_", "prometheus_", "splunkmetric_", "wavefront_"];

/// The class of an option that is no key of ours.
pub(crate) fn class(name: &str) -> Option<Class> {
    match name {
        "json_timestamp_format" | "json_transformation" | "json_nested_fields_include" | "json_nested_fields_exclude" => Some(Class::Refused(JSON)),
        name if OF_SERIALIZERS.contains(&name) || OF_SERIALIZERS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
            Some(Class::Refused(SERIALIZER))
        }
        name if FILTERS.contains(&name) => Some(Class::Filter),
        name if AGENT.contains(&name) || AGENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Some(Class::Agent),
        _ => None,
    }
}

/// What `format` means in Telegraf 1.0 and 1.1: anything but exactly `string` is custom.
pub(crate) fn format(text: &str) -> Result<Value, String> {
    Ok(Value::Word(if text == "string" { "string" } else { "custom" }))
}

/// What to say of a `data_format` or a `format` that we do not have, where more is known than which words are allowed.
pub(crate) fn of_data_format(id: Id, text: Option<&str>) -> Option<String> {
    let found = text?;
    match id {
        Id::DataFormat if SERIALIZERS.contains(&found) => {
            Some(format!("is \"{found}\", which kinegraf does not write, must be \"influx\" or \"json\"; for others keep Telegraf's own output"))
        }
        Id::DataFormat if matches!(found, "string" | "custom") => {
            Some(format!("is \"{found}\", must be \"influx\" or \"json\"; \"{found}\" is a value of format, which counts only without data_format"))
        }
        Id::Format => Some(format!("is {}, must be \"string\" or \"custom\"; \"influx\" and \"json\" are values of data_format", quote(found))),
        _ => None,
    }
}

/// Whether `text` holds a `@{store:key}`.
pub(crate) fn is_secret_reference(text: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.split("@{").skip(1).any(|rest| {
        let inner = rest.split_once('}').map(|(inner, _)| inner).and_then(|inner| inner.split_once(':'));
        inner.is_some_and(|(store, key)| word(store) && word(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reference_is_told_from_text_that_has_an_at() {
        for text in ["@{store:key}", "a@{s_1:K}b", "@{x} @{s:k}"] {
            assert!(is_secret_reference(text), "{text}");
        }
        for text in ["", "@", "a@b", "@{s}", "@{:k}", "@{s:}", "@{s:k", "${A:-b}", "@{a b:c}"] {
            assert!(!is_secret_reference(text), "{text}");
        }
    }

    #[test]
    fn options_of_telegraf_are_told_apart() {
        assert_eq!(class("metricpass"), Some(Class::Filter));
        assert_eq!(class("metric_batch_size"), Some(Class::Agent));
        assert_eq!(class("influx_sort_fields"), Some(Class::Agent));
        assert_eq!(class("json_transformation"), Some(Class::Refused(JSON)));
        assert_eq!(class("role_arn"), None, "a key of ours");
        assert_eq!(class("graphite_tag_support"), Some(Class::Refused(SERIALIZER)));
        assert_eq!(class("streamnam"), None);
    }
}
