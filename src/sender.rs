//! One request from batch to answer: body, credentials, signature, HTTP, and what the answer means. Keeps nothing between requests but buffers, the
//! connection and the credentials; retries nothing but a kept connection that turned out dead (`aws::http`).

use crate::aws::credentials::{Asking, Chain, ChainOptions, Leftovers};
use crate::aws::http::{Http, HttpCounts, HttpMeter, HttpOptions, HttpSetupError};
use crate::aws::signer::{PayloadHash, Signable, sign};
use crate::config::{Config, Destination, Environment};
use crate::kinesis::batch::Batch;
use crate::kinesis::classify::classify;
use crate::kinesis::outcome::{Class, Failure, Reply};
use crate::kinesis::put_records::{body_size_max, read_outcomes, write_body};
use crate::limits::{MESSAGE_SIZE_MAX, REPLY_SIZE_MAX};
use crate::log::Log;
use crate::random::Random;
use crate::time::{Clock, Deadline, Now};

const HEADERS: [(&str, &str); 2] = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Kinesis_20131202.PutRecords")];

/// Sends requests to one stream.
#[derive(Debug)]
pub struct Sender {
    destination: Destination,
    http: Http,
    chain: Chain,
    body: Vec<u8>,
    reply: Vec<u8>,
}

impl Sender {
    /// Reads CA files; opens no connection and looks for no credentials yet.
    pub fn new(config: &Config, destination: Destination, environment: Environment, clock: Clock, log: Log) -> Result<Sender, HttpSetupError> {
        let options = HttpOptions { ca_files: config.network.ca_files.clone(), ..HttpOptions::new(clock) };
        let http = Http::new(&options)?;
        let region = destination.region.clone();
        let now = clock.now();
        let random = Random::from_system(now.wall.as_nanos() as u64 ^ u64::from(std::process::id()));
        let chain = Chain::new(ChainOptions { config: config.credentials.clone(), environment, region, http: options, log }, random);
        // Both are reserved for the worst and never move: what no request reaches is never touched, and costs no memory.
        let (body, reply) = (Vec::with_capacity(body_size_max(config.delivery.request_size)), Vec::with_capacity(REPLY_SIZE_MAX + 1));
        Ok(Sender { destination, http, chain, body, reply })
    }

    /// Sends the batch's window; its outcomes are in the batch when the reply is `Answered`.
    pub fn send(&mut self, batch: &mut Batch, clock: &Clock) -> Reply {
        self.try_send(batch, clock).map_or_else(Reply::Failed, |()| Reply::Answered)
    }

    /// When a spare moment is to be used for [`Sender::maintain`].
    pub fn next_maintenance(&self, now: Now) -> Option<Deadline> {
        self.chain.next_maintenance(now)
    }

    /// Uses a spare moment: renews credentials that will expire. `now.wall` is the service's time, as far as it is known.
    pub fn maintain(&mut self, now: Now) {
        self.chain.maintain(now, true);
    }

    /// Shows who is asked for credentials to whoever ends the run meanwhile.
    pub fn showing(mut self, asking: Asking) -> Sender {
        self.chain.show(asking);
        self
    }

    /// Believes so much of the credentials that an earlier process left.
    pub fn believing(mut self, leftovers: Leftovers) -> Sender {
        self.chain.believe(leftovers);
        self
    }

    /// What the network has cost so far.
    pub fn counts(&self) -> HttpCounts {
        self.http.counts()
    }

    /// Tells another thread whether bytes move.
    pub fn meter(&self) -> HttpMeter {
        self.http.meter()
    }

    fn try_send(&mut self, batch: &mut Batch, clock: &Clock) -> Result<(), Failure> {
        let Sender { destination, http, chain, body, reply } = self;
        let now = Now { wall: batch.sign_at, ..clock.now() };
        let credentials = if batch.fresh_credentials {
            chain.refresh(now)
        } else {
            chain.maintain(now, false);
            chain.credentials(now)
        };
        let credentials = credentials.map_err(|error| error.to_failure())?;
        write_body(body, &destination.stream, batch.records().map(|record| (record.key, record.data)));
        let hash = PayloadHash::of(body);
        let (url, region) = (destination.url.as_str(), destination.region.as_str());
        let signable = Signable { region, service: "kinesis", url, headers: &HEADERS, payload_sha256_hex: hash.as_str() };
        let signed = sign(credentials, &signable, batch.sign_at).map_err(|error| unsignable(&error.to_string()))?;
        let headers: Vec<(&str, &str)> = HEADERS.into_iter().chain(signed.headers()).collect();
        let answer = http.post(url, &headers, body, reply).map_err(|error| error.to_failure())?;
        if answer.status != 200 {
            return Err(classify(&answer.head(), reply));
        }
        let sent = batch.window();
        read_outcomes(reply, sent, &mut batch.outcomes).map_err(|failure| Failure { date: answer.date, retry_after: answer.retry_after, ..failure })
    }
}

fn unsignable(message: &str) -> Failure {
    let message = crate::ending::ascii(message, MESSAGE_SIZE_MAX);
    Failure { class: Class::NoCredentials, status: None, code: "unsignable".into(), message, retry_after: None, date: None }
}
