//! What became of a request: one [`Outcome`] for each record sent, or one [`Failure`] for all of them. Never a count, so that "some failed" cannot be read as "done".

use std::time::Duration;

/// What became of one record of a request that was answered record by record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the stream.
    Stored,
    /// It is not; send it again.
    Retry(RetryReason),
    /// It is not, for what it is; sending it again gives the same answer.
    Refused,
}

/// Why one record is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// `ProvisionedThroughputExceededException` and its relatives.
    Throttled,
    /// `InternalFailure`, and every code that we do not know.
    Internal,
}

/// What a sent request came back with.
#[derive(Debug)]
pub enum Reply {
    /// `outcomes` holds exactly one outcome for each record sent, in their order.
    Answered,
    /// Nothing is known to be stored.
    Failed(Failure),
}

/// The class of a failed request decides what happens next. Source of the codes: botocore's retry tables and the service model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// No connection: name not found, refused, TLS failed. Nothing was sent.
    Unreachable,
    /// The connection broke after part of the request had left; its records may be stored.
    Broken,
    /// No progress for too long; its records may be stored.
    TimedOut,
    /// An answer that says nothing about each record: 200 with another body, a redirect, HTML of a captive portal.
    Unknown,
    /// Throttled as a whole, 429 included.
    Throttled,
    /// 5xx, `InternalFailure`, `ServiceUnavailable`.
    Unavailable,
    /// The signature was refused; perhaps for its time, which the answer's date tells.
    Signature,
    /// The key, token or session is not (or no longer) valid.
    Credentials,
    /// No source gave credentials; nothing was sent.
    NoCredentials,
    /// A source of credentials does not answer, or answers that it cannot now; nothing was sent.
    CredentialsUnavailable,
    /// A source of credentials cannot be asked like that, which only a person can mend; nothing was sent.
    CredentialsMisconfigured,
    /// Valid credentials without the right to do this, the KMS key included.
    Denied,
    /// The stream does not exist in this region and account.
    StreamMissing,
    /// Another refusal that only a person can mend (KMS key disabled …).
    Misconfigured,
    /// Called invalid for its records (`ValidationException` …).
    Invalid,
    /// 413, or the service's words for too large a request.
    TooLarge,
}

impl Class {
    /// Whether nothing of the request can have arrived.
    pub fn never_left(self) -> bool {
        matches!(self, Class::Unreachable | Class::NoCredentials | Class::CredentialsUnavailable | Class::CredentialsMisconfigured)
    }

    /// Whether only a person can mend it: the stream is missing, access is refused, or the configuration is wrong.
    pub fn is_refusal(self) -> bool {
        let access = matches!(self, Class::Signature | Class::Credentials | Class::NoCredentials | Class::CredentialsMisconfigured | Class::Denied);
        access || matches!(self, Class::StreamMissing | Class::Misconfigured)
    }
}

/// Why a request stored nothing that we know of.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Decides what happens next.
    pub class: Class,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The service's error code (`ResourceNotFoundException`), or ours for what happened on the way. Printable ASCII, bounded.
    pub code: String,
    /// The service's message or the operating system's, escaped and at most `MESSAGE_SIZE_MAX` bytes. Never holds a secret.
    pub message: String,
    /// `x-amz-retry-after` or `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The answer's `Date`, since the Unix epoch.
    pub date: Option<Duration>,
}
