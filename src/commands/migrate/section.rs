//! The `[[outputs.kinesis]]` that is migrated: what each key says, as it was written and as it is understood here and now.
//!
//! What a variable holds here may be something else where Telegraf runs: it decides nothing but what must be looked at now.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::Environment;
use crate::config::Files;
use crate::config::diagnostic::{Place, Report};
use crate::config::document::{self, Document};
use crate::config::keys::{Id, KEYS};
use crate::config::load;
use crate::config::settings::{Origin, Settings};
use crate::config::telegraf::Purpose;
use crate::config::telegraf::tables::Table;
use crate::config::value::Value;
use crate::kinesis::endpoint;

/// A section without mistakes.
pub(super) struct Section<'a> {
    /// Its whole file.
    pub(super) text: &'a str,
    /// Its endpoint is plain http to another host.
    pub(super) is_exposed: bool,
    document: Document,
    settings: Settings,
}

impl<'a> Section<'a> {
    /// The one section of `text`, which stands in `path`.
    ///
    /// # Errors
    /// Every mistake, as a run with this file would show it; but neither variables that are not set nor what only Telegraf can do are mistakes.
    pub(super) fn read(path: &Path, text: &'a str, environment: &Environment, files: &Files<'_>) -> Result<Section<'a>, ConfigError> {
        let mut report = Report::new(Some(path), text);
        let mut document = document::read(text, environment, Purpose::Migrate, &mut report);
        let Some(telegraf) = &document.telegraf else {
            return Err(ConfigError::of_file(path, "is no configuration of Telegraf, which has sections such as [agent] and [[outputs.kinesis]]"));
        };
        let header = telegraf.tables.first().map(|table| Place::Span(table.header.clone()));
        let mut settings = std::mem::replace(&mut document.settings, Settings::new());
        let url = settings.text(Id::EndpointUrl).and_then(|url| endpoint::check_url(url).ok());
        let is_exposed = url.as_deref().is_some_and(endpoint::is_exposed);
        if is_exposed {
            settings.set(Id::AllowPlainHttp, Value::Boolean(true), Origin::Flag("migrate"));
        }
        // Region and credentials may come from the environment that the run will have, as with --dry-run; the stream is named here or nowhere.
        load::check_all(&document, &settings, true, files, &mut report);
        let section = Section { text, is_exposed, document, settings };
        if section.span(Id::Streamname).is_none() && !section.settings.is_wrong(Id::Streamname) && !section.document.broken {
            let blank = section.document.blank.iter().find(|(id, _)| *id == Id::Streamname).map(|(_, key)| Place::Span(key.clone()));
            report.push(blank.or(header).unwrap_or(Place::File), "no stream is named: write streamname = \"NAME\"".into());
        }
        report.finish().map(|_| section)
    }

    /// The value as it was written, a variable in quotes at any rate; None where the section does not give one.
    pub(super) fn raw(&self, id: Id) -> Option<Cow<'a, str>> {
        let raw = &self.text[self.span(id)?];
        Some(if raw.starts_with('$') { Cow::Owned(format!("\"{raw}\"")) } else { Cow::Borrowed(raw) })
    }

    /// Whether the value is text with a `$` in it.
    pub(super) fn has_variable(&self, id: Id) -> bool {
        self.document.variables.iter().any(|(with, _)| *with == id)
    }

    /// The word that was given, as it is understood here and now.
    pub(super) fn word(&self, id: Id) -> Option<&'static str> {
        self.settings.given_word(id)
    }

    /// A boolean, as it is understood here and now.
    pub(super) fn boolean(&self, id: Id) -> bool {
        self.settings.boolean(id)
    }

    /// A time, as it is understood here and now.
    pub(super) fn duration(&self, id: Id) -> Option<Duration> {
        self.settings.duration(id)
    }

    /// Every key that was given, in the order of the table of keys.
    pub(super) fn given(&self) -> impl Iterator<Item = Id> {
        KEYS.iter().map(|key| key.id).filter(|id| self.span(*id).is_some())
    }

    /// Its tables, itself first.
    pub(super) fn tables(&self) -> &[Table] {
        self.document.telegraf.as_ref().map_or(&[], |section| &section.tables)
    }

    /// The value of an option that stays Telegraf's, as it was written; None for every other.
    pub(super) fn kept(&self, name: &str) -> Option<&'a str> {
        let kept = self.document.telegraf.iter().flat_map(|section| &section.kept).find(|kept| kept.name == name);
        kept.map(|kept| self.text.get(kept.value.clone()).unwrap_or_default())
    }

    fn span(&self, id: Id) -> Option<Range<usize>> {
        match self.settings.place(id) {
            Place::Span(span) => Some(span),
            _ => self.document.variables.iter().find(|(with, _)| *with == id).map(|(_, span)| span.clone()),
        }
    }
}
