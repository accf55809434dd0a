//! What goes wrong, and when. A [`Fault`] happens to one request; a [`Plan`] says which request gets which; [`Conditions`] hold for all of them until
//! changed. A request that would be refused anyway (signature, limits) is refused, unless the fault comes before the service would have looked at it.

use std::sync::Arc;
use std::time::Duration;

use super::limits::Record;
use super::mix;

/// What happens to one request. Each says whether its records are stored.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    /// Served as it should be.
    #[default]
    None,
    /// A 200 in which the picked records failed and the others are stored.
    FailRecords(Pick, RecordError),
    /// An error answer in the service's form; nothing is stored.
    Error { status: u16, code: &'static str, message: &'static str, shape: Shape },
    /// An error answer of any other form; nothing is stored.
    Status { status: u16, content_type: &'static str, body: String },
    /// One of the ways to say "slower"; nothing is stored.
    Throttle(Throttle),
    /// 503 `ServiceUnavailable`; nothing is stored.
    ServiceUnavailable,
    /// 500 `InternalFailure`; nothing is stored.
    InternalFailure,
    /// 400 `AccessDeniedException`, as of a key without a policy; nothing is stored.
    AccessDenied,
    /// 400 `ExpiredTokenException`; nothing is stored.
    ExpiredToken,
    /// 400 `UnrecognizedClientException`; nothing is stored.
    UnrecognizedClient,
    /// Judged, and dated, by a clock that is this many seconds ahead (or behind) of the server's: a good signature is refused as expired or not yet current.
    SkewedClock(i64),
    /// The connection is reset with the body unread; nothing is stored.
    ResetBeforeRead,
    /// The connection is reset after the whole body came; nothing is stored.
    ResetAfterRead,
    /// Stored, then reset: the answer is lost.
    StoreThenReset,
    /// Half of the answer is written, then the connection ends.
    TruncateAnswer { stored: bool },
    /// A 200 that is not the service's answer.
    Garbage { kind: Garbage, stored: bool },
    /// 302 to a captive portal; nothing is stored.
    Redirect,
    /// 403 with the XML that other AWS services and emulators use; nothing is stored.
    XmlError,
    /// 502 with a load balancer's HTML; nothing is stored.
    HtmlError,
    /// Stored, and answered only after this long. The answer counts as an acknowledgement only if the client still waited.
    Slow(Duration),
    /// Not a byte of answer until the client gives up. `read_body: false` leaves the body in the socket, so that a large one stalls.
    SilentBlackHole { read_body: bool, stored: bool },
    /// The body is read at this many bytes a second; then served.
    SlowRead { bytes_per_s: usize },
    /// Served, the answer written in twenty pieces with this pause between them.
    Trickle(Duration),
    /// Served; then the connection is closed without having been announced.
    CloseIdle,
    /// Served; the answer is compressed with gzip, which nobody asked for.
    CompressAnswer,
    /// Served; the answer is chunked, as a middlebox would make it.
    ChunkAnswer,
}

/// A question about one record.
pub type Test = Arc<dyn Fn(&Record) -> bool + Send + Sync>;

/// Which records of a request fail.
#[derive(Clone)]
pub enum Pick {
    All,
    /// Every n-th, counted in the request from its first.
    Every(usize),
    /// Each with this probability in thousandths; the same seed, request and index decide the same.
    Random {
        per_mille: u64,
        seed: u64,
    },
    /// These indices.
    At(Vec<usize>),
    /// Those of which it is true.
    If(Test),
}

impl std::fmt::Debug for Pick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pick::All => f.write_str("All"),
            Pick::Every(n) => write!(f, "Every({n})"),
            Pick::Random { per_mille, seed } => write!(f, "Random({per_mille} ‰, seed {seed})"),
            Pick::At(indices) => write!(f, "At({indices:?})"),
            Pick::If(_) => f.write_str("If(…)"),
        }
    }
}

impl Pick {
    /// Whether record `index` of request `number` is picked.
    pub fn picks(&self, number: u64, index: usize, record: &Record) -> bool {
        match self {
            Pick::All => true,
            Pick::Every(n) => index.is_multiple_of(*n),
            Pick::Random { per_mille, seed } => mix(mix(seed ^ (number << 16)) ^ index as u64) % 1000 < *per_mille,
            Pick::At(indices) => indices.contains(&index),
            Pick::If(test) => test(record),
        }
    }
}

/// The two codes that single records fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// `ProvisionedThroughputExceededException`, naming shard, stream and account.
    Throughput,
    /// `InternalFailure`.
    Internal,
    /// A code that no documentation names.
    Other(&'static str),
}

impl RecordError {
    pub fn code(self) -> &'static str {
        match self {
            RecordError::Throughput => "ProvisionedThroughputExceededException",
            RecordError::Internal => "InternalFailure",
            RecordError::Other(code) => code,
        }
    }

    pub fn message(self, shard: usize, stream: &str) -> String {
        match self {
            RecordError::Throughput => {
                format!("Rate exceeded for shard shardId-{shard:012} in stream {stream} under account {}.", super::ACCOUNT)
            }
            RecordError::Internal => "Internal service failure.".to_owned(),
            RecordError::Other(code) => format!("{code}."),
        }
    }
}

/// How an error answer spells itself. All were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `{"__type":"Code","message":"…"}`
    #[default]
    Plain,
    /// `com.amazonaws.kinesis.v20131202#Code`
    Prefixed,
    /// `Code:http://internal.amazon.com/…`
    Suffixed,
    /// `Message` instead of `message`.
    CapitalMessage,
    /// No message at all.
    NoMessage,
    /// The code only in `x-amzn-ErrorType`, the body `{}`.
    InHeader,
}

/// The ways to say "slower" of a whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// 400 `ProvisionedThroughputExceededException`.
    Provisioned,
    /// 400 `ThrottlingException`.
    Throttling,
    /// 400 `LimitExceededException`.
    LimitExceeded,
    /// 429 without a body.
    TooManyRequests,
    /// 400 `ThrottlingException` with `x-amz-retry-after` of so many milliseconds.
    RetryAfter(u64),
}

/// What a 200 may hold that is no acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Bytes that are no JSON.
    Noise,
    /// A captive portal's page.
    Html,
    /// One entry less than records were sent.
    OneEntryLess,
    /// One entry more than records were sent.
    OneEntryMore,
    /// No body.
    Empty,
    /// `{}`.
    NoRecords,
    /// Entries that say neither stored nor failed.
    EmptyEntries,
}

/// What the plan is told before the body is read.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// Of all requests, from 0.
    pub number: u64,
    /// Of all connections, from 0.
    pub connection: u64,
    /// Of this connection's requests, from 0.
    pub on_connection: u64,
    /// Bytes that the head announces.
    pub body_size: usize,
    /// Since the server started.
    pub at: Duration,
}

/// Which request gets which fault.
#[derive(Clone, Default)]
pub enum Plan {
    #[default]
    Good,
    /// The same for all.
    Always(Fault),
    /// One after the other, then good.
    Script(Vec<Fault>),
    /// By weight from a seed; the same seed and number decide the same.
    Mix { seed: u64, weights: Vec<(u32, Fault)> },
    /// As the closure says.
    By(Arc<dyn Fn(&Coming) -> Fault + Send + Sync>),
}

impl Plan {
    pub fn by(decide: impl Fn(&Coming) -> Fault + Send + Sync + 'static) -> Plan {
        Plan::By(Arc::new(decide))
    }

    pub fn mix(seed: u64, weights: impl Into<Vec<(u32, Fault)>>) -> Plan {
        Plan::Mix { seed, weights: weights.into() }
    }

    pub fn decide(&self, coming: &Coming) -> Fault {
        match self {
            Plan::Good => Fault::None,
            Plan::Always(fault) => fault.clone(),
            Plan::Script(faults) => usize::try_from(coming.number).ok().and_then(|i| faults.get(i)).cloned().unwrap_or_default(),
            Plan::Mix { seed, weights } => {
                let sum: u64 = weights.iter().map(|(weight, _)| u64::from(*weight)).sum();
                let mut left = mix(seed.wrapping_add(mix(coming.number))) % sum.max(1);
                for (weight, fault) in weights {
                    match left.checked_sub(u64::from(*weight)) {
                        Some(rest) => left = rest,
                        None => return fault.clone(),
                    }
                }
                Fault::None
            }
            Plan::By(decide) => decide(coming),
        }
    }
}

/// What holds for every request until changed.
#[derive(Clone, Default)]
pub struct Conditions {
    /// A request with a record of which this is true is refused as a whole, as the service refuses what it calls invalid.
    pub invalid_record: Option<Test>,
    /// Bodies over so many bytes are met with a reset, as by a bad middlebox.
    pub request_bytes_max: Option<usize>,
    /// Records a second that a shard takes, with a burst of one second; the rest fails with `ProvisionedThroughputExceededException`.
    pub shard_records_per_s: Option<u32>,
    /// Connections are accepted and left alone, before any TLS.
    pub silent: bool,
    /// An idle connection is closed after so long.
    pub idle_close: Option<Duration>,
    /// Every answer waits so long, as on a slow line.
    pub latency: Duration,
    /// Successful entries carry `"ErrorCode":null,"ErrorMessage":null`, as one emulator's do.
    pub null_error_codes: bool,
}
