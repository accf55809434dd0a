//! Region and endpoint of the profile in the files that AWS's tools share; they fill only what flags, our own file and variables leave empty.
//!
//! A file that is missing is fine. One that cannot be read or understood is a mistake only where the region had to come from it: a run that says everything
//! itself does not need it.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::diagnostic::{Place, Report, show_path};
use super::keys::Id;
use super::load::Files;
use super::settings::{Origin, Settings};
use super::value::{escape, show_size};
use crate::aws::shared_config::{self, Service, SharedConfig, SharedFile};
use crate::config::Environment;
use crate::limits::FILE_SIZE_MAX;

/// Fills region (which the variables have had their turn for) and endpoint. `nowhere`: it is right not to know them.
pub(super) fn apply(environment: &Environment, nowhere: bool, settings: &mut Settings, files: &Files<'_>, report: &mut Report<'_>) {
    let is_open = |settings: &Settings, id| !settings.is_set(id) && !settings.is_wrong(id);
    if ![Id::Region, Id::EndpointUrl].into_iter().any(|id| is_open(settings, id)) {
        return;
    }
    let (mut shared, mut problems) = (SharedConfig::default(), Vec::new());
    for file in shared_config::locate(settings.text(Id::SharedCredentialFile).map(Path::new), environment) {
        problems.extend(add(&mut shared, &file, files).err());
    }
    let profile = shared_config::profile_name(settings.text(Id::Profile), environment);
    let url = shared_config::endpoint_url(Service::Kinesis, environment, &shared, &profile);
    let url = url.map(|(url, origin)| (url, Origin::Shared(origin.to_string())));
    let region = shared.region(&profile).map(|(region, subject)| (region, Origin::Shared(subject)));
    for (id, found) in [(Id::Region, region), (Id::EndpointUrl, url)] {
        let Some((text, origin)) = found.filter(|_| is_open(settings, id)) else { continue };
        match id.key().kind.read(&text) {
            Ok(value) => settings.set(id, value, origin),
            Err(reason) => {
                settings.set_wrong(id);
                if let Origin::Shared(subject) = origin {
                    report.push(Place::Elsewhere, format!("{subject} {reason}"));
                }
            }
        }
    }
    let lacks_region = is_open(settings, Id::Region) && !nowhere;
    for problem in problems {
        if lacks_region {
            settings.set_wrong(Id::Region);
            report.push(Place::Elsewhere, format!("{}, and no region is named elsewhere", problem.text));
        } else if problem.is_worth_a_note {
            report.note(Place::Elsewhere, format!("{}; so it cannot say endpoint_url or region", problem.text));
        }
    }
}

/// Why a file says nothing.
struct Problem {
    text: String,
    /// Somebody named the file, or wrote it: a home directory that we may not look into is an everyday thing.
    is_worth_a_note: bool,
}

fn add(shared: &mut SharedConfig, file: &SharedFile, files: &Files<'_>) -> Result<(), Problem> {
    let Ok(path) = &file.path else { return Ok(()) };
    let of_text = |text: String| Problem { text, is_worth_a_note: true };
    let bytes = match (files.read)(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => {
            let text = format!("{}: cannot be read: {}", show_path(path), escape(error.to_string().chars()));
            return Err(Problem { text, is_worth_a_note: file.is_named });
        }
    };
    if bytes.len() as u64 > FILE_SIZE_MAX {
        return Err(of_text(format!("{}: is longer than {}", show_path(path), show_size(FILE_SIZE_MAX))));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| of_text(format!("{}: is not UTF-8", show_path(path))))?;
    shared.add(file.kind, path, text).map_err(|error| of_text(escape(error.to_string().chars())))
}
