//! What happens when the configuration is read again: which keys apply at once and which need a restart, and what differs between two readings.

use std::fmt;

use super::Config;
use super::keys::{Id, KEYS, Key};
use super::settings::Settings;

/// Whether a new value of this key applies at once. What decides where lines wait, where they go and how much memory there is needs a restart; so does what
/// makes sense only with one of these.
pub fn applies_at_once(id: Id) -> bool {
    use Id::*;
    match id {
        AccessKey | SecretKey | Token | Profile | SharedCredentialFile | RoleArn | RoleSessionName | ExternalId | WebIdentityTokenFile => true,
        Imds | CacheDirectory | IotEndpoint | IotRoleAlias | IotThingName | IotCertificate | IotPrivateKey | IotCa | IotStartJitter => true,
        Partitionkey | UseRandomPartitionkey | PartitionMethod | PartitionKey | PartitionDefault | PartitionTemplate => true,
        SyncAfter | FlushInterval | ShutdownTimeout | Ordering | MissingStream => true,
        CaFile | AllowPlainHttp | Debug | LogLevel => true,
        Region | Streamname | EndpointUrl | DataFormat | Format | JsonTimestampUnits => false,
        Listen | Clients | SocketMode | SocketGroup | LineSize | Timestamp | Rejected | RejectedSize => false,
        SpoolDirectory | Hot | HotSize | SpoolSize | MinFree | SegmentSize | WhenFull | Sync => false,
        Pack | ContentEncoding | Buffer | RequestSize | RecordSize | Deadline | LogTo => false,
    }
}

/// The list of the manual: the keys that apply at once.
pub fn markdown_list() -> String {
    let keys: Vec<String> = KEYS.iter().filter(|key| applies_at_once(key.id)).map(|key| format!("`{}`", key.path())).collect();
    keys.join(", ")
}

/// What each key was given. `Debug` shows nothing of it: some are secrets.
#[derive(Clone)]
pub(crate) struct Given(Box<Settings>);

impl Given {
    pub(super) fn new(settings: &Settings) -> Given {
        Given(Box::new(settings.clone()))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

impl Config {
    /// The keys whose values differ in `newer`.
    pub fn differences(&self, newer: &Config) -> Vec<&'static Key> {
        KEYS.iter().filter(|key| !self.given.0.is_same(key.id, &newer.given.0)).collect()
    }

    /// Takes from `newer` what applies at once, and leaves the rest as it is.
    pub fn adopt(&mut self, newer: Config) {
        for key in KEYS.iter().filter(|key| applies_at_once(key.id)) {
            self.given.0.take_from(key.id, &newer.given.0);
        }
        self.credentials = newer.credentials;
        self.partition = newer.partition;
        self.network = newer.network;
        self.spool.sync_after = newer.spool.sync_after;
        self.packing.flush_interval = newer.packing.flush_interval;
        self.delivery.shutdown_timeout = newer.delivery.shutdown_timeout;
        (self.delivery.ordering, self.delivery.missing_stream) = (newer.delivery.ordering, newer.delivery.missing_stream);
        self.log.level = newer.log.level;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};
    use crate::config::{Environment, Files, load};

    fn read(text: &'static str) -> Config {
        let Command::Run(options) = cli::parse(["--config", "/k.toml"].map(Into::into)).unwrap() else { panic!("no run") };
        let files = Files { read: &|_| Ok(text.as_bytes().to_vec()), list: &|_| Ok(Vec::new()) };
        load(&options, &Environment::from_pairs(&[]), files).unwrap()
    }

    fn paths(keys: &[&'static Key]) -> Vec<String> {
        keys.iter().map(|key| key.path()).collect()
    }

    const BASE: &str = "region = \"eu-west-1\"\nstreamname = \"s\"\n";

    #[test]
    fn what_differs_is_named_and_a_default_that_is_written_out_does_not_differ() {
        let (old, same) = (read(BASE), read("region = \"eu-west-1\"\nstreamname = \"s\"\n[spool]\nsize = \"256MiB\"\n"));
        assert!(old.differences(&same).is_empty());
        let new = read("region = \"eu-west-1\"\nstreamname = \"t\"\nsecret_key = \"b\"\naccess_key = \"a\"\n[spool]\ndirectory = \"/d\"\n");
        assert_eq!(paths(&old.differences(&new)), ["streamname", "access_key", "secret_key", "spool.directory"]);
        assert!(!format!("{new:?}").contains("secret_key"));
    }

    #[test]
    fn what_applies_at_once_is_taken_and_the_rest_stays_and_is_named_again() {
        let mut old = read(BASE);
        let newer = "region = \"eu-west-1\"\nstreamname = \"t\"\naccess_key = \"a\"\nsecret_key = \"b\"\n[packing]\nflush_interval = \"1s\"\n\
                     [delivery]\nordering = \"strict\"\nmissing_stream = \"exit\"\nshutdown_timeout = \"1s\"\n[log]\nlevel = \"info\"\n\
                     [partition]\nmethod = \"measurement\"\n[spool]\nsync_after = \"1s\"\nsize = \"8MiB\"\n[network]\nallow_plain_http = true\n";
        let new = read(newer);
        old.adopt(new.clone());
        assert_eq!(paths(&old.differences(&new)), ["streamname", "spool.size"]);
        let shown = |config: &Config| {
            let Config { credentials, partition, spool, packing, delivery, network, log, .. } = config;
            format!("{credentials:?} {partition:?} {:?} {packing:?} {delivery:?} {network:?} {log:?}", spool.sync_after)
        };
        assert_eq!(shown(&old), shown(&new));
        assert_eq!(old.destination.map(|destination| destination.stream), Some("s".to_owned()));
    }
}
