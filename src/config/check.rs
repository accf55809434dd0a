//! What no key can know alone: keys that need each other, sizes that must fit each other, and what must be there at all. Then settings become a [`Config`].

use std::path::PathBuf;

use super::diagnostic::{Place, Report};
use super::document::Document;
use super::keys::Id;
use super::settings::Settings;
use super::value::show_size;
use super::*;
use crate::kinesis::endpoint;
use crate::limits;
use crate::line::format::TimestampUnit;

/// What record data looks like. `format` counts only without `data_format`; a flag for either says both.
pub(super) fn format(document: &Document, settings: &Settings, report: &mut Report<'_>) -> Format {
    let format = match (settings.given_word(Id::DataFormat), settings.given_word(Id::Format)) {
        (Some("json"), _) => {
            Format::Json(TimestampUnit::from_duration(settings.duration(Id::JsonTimestampUnits).unwrap_or(limits::JSON_TIMESTAMP_UNITS)))
        }
        (None, Some("string")) => Format::String,
        (None, Some("custom")) => Format::Custom,
        _ => Format::Influx,
    };
    if settings.is_set(Id::Format) && settings.is_set(Id::DataFormat) {
        report
            .note(settings.key_place(Id::Format), format!("format counts only without data_format, which is \"{}\"", settings.word(Id::DataFormat)));
    }
    if settings.word(Id::Pack) == "lines" && !format.joins() && !document.broken {
        let id = if settings.is_set(Id::Pack) { Id::Pack } else { Id::Format };
        let found = settings.given_word(Id::Format).unwrap_or_default();
        let message = format!(
            "{} is \"lines\", which needs lines that end in a newline; those of the format \"{found}\" do not: use \"metric\"",
            settings.subject(Id::Pack)
        );
        report.push(settings.place(id), message);
    }
    format
}

/// Keys of the credentials that need each other.
pub(super) fn credentials(settings: &Settings, report: &mut Report<'_>) {
    for (given, needed) in [(Id::AccessKey, Id::SecretKey), (Id::SecretKey, Id::AccessKey), (Id::Token, Id::AccessKey)] {
        let told = settings.is_wrong(needed) || given == Id::Token && settings.is_set(Id::SecretKey);
        if settings.is_set(given) && !settings.is_set(needed) && !told {
            report.push(settings.key_place(given), format!("{} is given without {}", settings.subject(given), needed.key().path()));
        }
    }
}

/// Keys of a role and of the IoT credential provider that need others.
pub(super) fn sources(document: &Document, settings: &Settings, report: &mut Report<'_>) {
    const IOT: [Id; 4] = [Id::IotEndpoint, Id::IotRoleAlias, Id::IotCertificate, Id::IotPrivateKey];
    let of_iot = [Id::IotThingName, Id::IotCa, Id::IotStartJitter];
    let missing = |id: &Id| !settings.is_set(*id) && !settings.is_wrong(*id);
    let given = IOT.into_iter().chain(of_iot).find(|id| settings.is_set(*id));
    if let Some((given, needed)) = given.zip(IOT.iter().find(|id| missing(id))) {
        report.push(settings.key_place(given), format!("{} is given without {}", settings.subject(given), needed.key().path()));
    }
    // Telegraf takes no notice of them either; and where the role is an empty variable there is none today.
    let is_harmless = document.telegraf.is_some() || document.blank.iter().any(|(id, _)| *id == Id::RoleArn);
    for id in [Id::RoleSessionName, Id::ExternalId, Id::WebIdentityTokenFile] {
        if settings.is_set(id) && missing(&Id::RoleArn) {
            match is_harmless {
                true => report.note(settings.key_place(id), format!("{} counts only with role_arn", settings.subject(id))),
                false => report.push(settings.key_place(id), format!("{} is given without role_arn", settings.subject(id))),
            }
        }
    }
    if settings.is_set(Id::IotEndpoint) && settings.is_set(Id::WebIdentityTokenFile) {
        let message = "web_identity_token_file and [credentials.iot] are two sources of credentials, give one of them".to_owned();
        report.push(settings.key_place(Id::WebIdentityTokenFile), message);
    }
}

/// Sizes that must fit each other.
pub(super) fn sizes(settings: &Settings, report: &mut Report<'_>) {
    if [Id::LineSize, Id::HotSize].into_iter().any(|id| settings.is_wrong(id)) {
        return;
    }
    let (line, hot) = (settings.size(Id::LineSize), settings.size(Id::HotSize));
    let block = limits::block_size_max(line);
    let shown = |id: Id| format!("{} ({})", settings.subject(id), show_size(settings.size(id) as u64));
    let buffer = settings.size(Id::Buffer);
    if settings.is_set(Id::Buffer) && buffer < block {
        let why = format!("to hold a block with lines of {}", shown(Id::LineSize));
        report.push(settings.place(Id::Buffer), format!("packing.buffer is {}, must be at least {block} bytes {why}", show_size(buffer as u64)));
    }
    let blame = if settings.is_set(Id::HotSize) { Id::HotSize } else { Id::LineSize };
    if 2 * block > hot {
        let (needed, what) = (2 * block, "two blocks with lines");
        let message = match blame {
            Id::HotSize => {
                format!("spool.hot_size is {}, must be at least {needed} bytes to hold {what} of {}", show_size(hot as u64), shown(Id::LineSize))
            }
            _ => {
                format!("input.line_size is {}, {what} of that size need {needed} bytes and must fit {}", show_size(line as u64), shown(Id::HotSize))
            }
        };
        report.push(settings.place(blame), message);
    }
    let segment = settings.size(Id::SegmentSize);
    if settings.is_set(Id::SegmentSize) && segment > hot / 4 {
        let message = format!(
            "spool.segment_size is {}, must be at most {}, a quarter of {}",
            show_size(segment as u64),
            show_size(hot as u64 / 4),
            shown(Id::HotSize)
        );
        report.push(settings.place(Id::SegmentSize), message);
    }
}

/// A promise that needs a directory, and a directory of more segments than memory allows.
pub(super) fn spool(settings: &Settings, report: &mut Report<'_>) {
    if settings.is_wrong(Id::SpoolDirectory) {
        return;
    }
    if !settings.is_set(Id::SpoolDirectory) && settings.word(Id::Sync) == "always" {
        report.push(settings.place(Id::Sync), "spool.sync is \"always\", which needs spool.directory, where lines are to be written".to_owned());
    }
    let (size, segment) = (settings.bytes(Id::SpoolSize), settings.bytes(Id::SegmentSize).max(1));
    if size / segment > limits::SEGMENTS_MAX {
        let least = size.div_ceil(limits::SEGMENTS_MAX);
        let message = format!("spool.size is {}, which needs a spool.segment_size of at least {least} bytes", show_size(size));
        report.push(settings.place(Id::SpoolSize), message);
    }
}

/// Where records go; None with a mistake, or where nothing is named and `nowhere` is right too.
pub(super) fn destination(document: &Document, settings: &Settings, nowhere: bool, report: &mut Report<'_>) -> Option<Destination> {
    let (region, stream) = (settings.text(Id::Region), settings.text(Id::Streamname));
    let url = settings.text(Id::EndpointUrl).and_then(|url| endpoint::check_url(url).ok());
    if let Some(region) =
        region.filter(|region| url.is_none() && !settings.is_wrong(Id::EndpointUrl) && !document.broken && !endpoint::is_aws_region(region))
    {
        let zone = region.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let hint = if endpoint::is_aws_region(zone) { format!(", did you mean \"{zone}\"?") } else { String::new() };
        let message = format!(
            "{} is \"{region}\", must be a region of AWS such as \"eu-central-1\" unless endpoint_url is set{hint}",
            settings.subject(Id::Region)
        );
        report.push(settings.place(Id::Region), message);
    }
    if url.as_deref().is_some_and(endpoint::is_exposed)
        && !settings.boolean(Id::AllowPlainHttp)
        && !settings.is_wrong(Id::AllowPlainHttp)
        && !document.broken
    {
        let message = match document.telegraf {
            Some(_) => "is plain http to another host, must be https; kinegraf migrate FILE makes a file of kinegraf's own, which can allow it",
            None => "is plain http to another host, must be https unless network.allow_plain_http is true",
        };
        report.push(settings.place(Id::EndpointUrl), format!("{} {message}", settings.subject(Id::EndpointUrl)));
    }
    if !nowhere && !document.broken {
        let in_file = if report.has_file() { "in the file" } else { "in a file that --config names" };
        let mut missing = |id: Id, message: String| {
            let blank = document.blank.iter().find(|(blank, _)| *blank == id).map(|(_, span)| Place::Span(span.clone()));
            let nowhere = if report.has_file() { Place::File } else { Place::Elsewhere };
            report.push(blank.unwrap_or(nowhere), message);
        };
        if stream.is_none() && !settings.is_wrong(Id::Streamname) {
            missing(Id::Streamname, format!("no stream is named: give --stream NAME, or write streamname = \"NAME\" {in_file}"));
        }
        if region.is_none() && !settings.is_wrong(Id::Region) {
            missing(Id::Region, format!("no region is named: give --region REGION, write region = \"REGION\" {in_file}, or set AWS_REGION"));
        }
    }
    let (region, stream) = (region?.to_owned(), stream?.to_owned());
    Some(Destination { url: url.unwrap_or_else(|| endpoint::url_of_region(&region)), region, stream })
}

/// What is known beside the settings.
pub(super) struct Given {
    pub(super) destination: Option<Destination>,
    pub(super) partition: PartitionMethod,
    pub(super) format: Format,
    pub(super) ca_files: Vec<CaFile>,
    pub(super) dry_run: bool,
    pub(super) notes: Vec<String>,
}

/// Checked settings as the program wants them.
pub(super) fn assemble(settings: &Settings, given: Given) -> Config {
    let text = |id| settings.text(id).map(str::to_owned);
    let keys = text(Id::AccessKey).zip(text(Id::SecretKey).map(Secret::new));
    // Without the role they were noted as counting for nothing: nobody further on must take them for something.
    let of_role = |id| text(id).filter(|_| settings.is_set(Id::RoleArn));
    let (line_size, hot_size) = (settings.size(Id::LineSize), settings.size(Id::HotSize));
    // A default gives way to what was said; what was said does not, and has been checked.
    let buffer = settings.size(Id::Buffer).max(limits::block_size_max(line_size));
    let segment_size = settings.size(Id::SegmentSize).min(hot_size / 4);
    Config {
        destination: given.destination,
        credentials: CredentialsConfig {
            keys,
            token: text(Id::Token).map(Secret::new),
            profile: text(Id::Profile),
            shared_credential_file: text(Id::SharedCredentialFile).map(PathBuf::from),
            role_arn: text(Id::RoleArn),
            role_session_name: of_role(Id::RoleSessionName),
            external_id: of_role(Id::ExternalId),
            web_identity_token_file: of_role(Id::WebIdentityTokenFile).map(PathBuf::from),
            allow_plain_http: settings.boolean(Id::AllowPlainHttp),
            imds_off: settings.word(Id::Imds) == "off",
            cache_directory: text(Id::CacheDirectory).map(PathBuf::from),
            iot: iot(settings),
        },
        partition: given.partition,
        format: given.format,
        input: InputConfig {
            listen: listen(settings),
            listen_is_default: !settings.is_set(Id::Listen),
            clients: settings.count(Id::Clients) as usize,
            socket_mode: settings.text(Id::SocketMode).and_then(|mode| listen::parse_mode(mode).ok()).unwrap_or(listen::SOCKET_MODE),
            socket_group: text(Id::SocketGroup),
            line_size,
            timestamp: if settings.word(Id::Timestamp) == "keep" { Timestamp::Keep } else { Timestamp::Stamp },
            rejected: text(Id::Rejected)
                .map(PathBuf::from)
                .or_else(|| settings.text(Id::SpoolDirectory).map(|directory| PathBuf::from(directory).join("rejected.lp"))),
            rejected_size: settings.size(Id::RejectedSize) as u64,
        },
        spool: SpoolConfig {
            directory: text(Id::SpoolDirectory).map(PathBuf::from),
            hot: text(Id::Hot).map(PathBuf::from),
            hot_size,
            size: settings.bytes(Id::SpoolSize),
            min_free: settings.percent(Id::MinFree),
            segment_size,
            sync_always: settings.word(Id::Sync) == "always",
            sync_after: settings.duration(Id::SyncAfter).unwrap_or(limits::SYNC_AFTER),
            when_full: when_full(settings),
        },
        packing: PackingConfig {
            pack: if settings.word(Id::Pack) == "lines" { Pack::Lines } else { Pack::Metric },
            buffer,
            flush_interval: settings.duration(Id::FlushInterval).unwrap_or(limits::FLUSH_INTERVAL),
        },
        delivery: DeliveryConfig {
            request_size: settings.size(Id::RequestSize),
            record_size: settings.size(Id::RecordSize),
            deadline: settings.duration(Id::Deadline),
            shutdown_timeout: settings.duration(Id::ShutdownTimeout).unwrap_or(limits::SHUTDOWN_TIMEOUT),
            ordering: if settings.word(Id::Ordering) == "strict" { Ordering::Strict } else { Ordering::Request },
            missing_stream: if settings.word(Id::MissingStream) == "exit" { MissingStream::Exit } else { MissingStream::Wait },
        },
        network: NetworkConfig { ca_files: given.ca_files, allow_plain_http: settings.boolean(Id::AllowPlainHttp) },
        log: LogConfig { to: log_to(settings), level: level(settings) },
        dry_run: given.dry_run,
        given: reload::Given::new(settings),
        secret_file: None,
        notes: given.notes,
    }
}

fn listen(settings: &Settings) -> Vec<Listen> {
    let listen: Vec<Listen> = settings.list(Id::Listen).iter().filter_map(|text| Listen::parse(text).ok()).collect();
    if listen.is_empty() { vec![Listen::Stdin] } else { listen }
}

fn log_to(settings: &Settings) -> LogTo {
    match settings.word(Id::LogTo) {
        "stderr" => LogTo::Stderr,
        "journal" => LogTo::Journal,
        "telegraf" => LogTo::Telegraf,
        _ => LogTo::Auto,
    }
}

/// Without its four keys there is none; `credentials` has said which is missing.
fn iot(settings: &Settings) -> Option<IotConfig> {
    let path = |id| settings.text(id).map(PathBuf::from);
    let endpoint = settings.text(Id::IotEndpoint)?;
    let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}/") };
    Some(IotConfig {
        url: endpoint::check_url(&url).ok()?,
        role_alias: settings.text(Id::IotRoleAlias)?.to_owned(),
        thing_name: settings.text(Id::IotThingName).map(str::to_owned),
        certificate: path(Id::IotCertificate)?,
        private_key: path(Id::IotPrivateKey)?,
        ca: path(Id::IotCa),
        start_jitter: settings.duration(Id::IotStartJitter).unwrap_or_default(),
    })
}

/// With a directory the oldest lines make room, without one the input waits; a sender that offers its lines again is never told that they were taken when
/// they were not.
fn when_full(settings: &Settings) -> WhenFull {
    match settings.given_word(Id::WhenFull) {
        _ if settings.is_set(Id::Deadline) => WhenFull::Block,
        Some("drop_oldest") => WhenFull::DropOldest,
        Some("drop_newest") => WhenFull::DropNewest,
        None if settings.is_set(Id::SpoolDirectory) => WhenFull::DropOldest,
        _ => WhenFull::Block,
    }
}

/// `debug = true` is the file's `-vv`: the louder of the file's two keys holds, and a flag wins over both.
fn level(settings: &Settings) -> Level {
    let level = match settings.word(Id::LogLevel) {
        "error" => Level::Error,
        "info" => Level::Info,
        "debug" => Level::Debug,
        _ => Level::Warn,
    };
    if settings.boolean(Id::Debug) && !settings.is_from_flag(Id::LogLevel) { Level::Debug } else { level }
}
