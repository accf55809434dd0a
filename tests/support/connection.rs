//! One connection of the loopback Kinesis, in its own thread: read a request, choose its fault, judge it, store it, answer it, write it down.

use std::io::{self, Write};
use std::time::Duration;

use super::calendar;
use super::describe;
use super::fault::{Coming, Fault, Garbage, Shape, Throttle};
use super::http::{Answer, Head, Wire};
use super::limits::{PutRecords, Refusal};
use super::log::{Exchange, Received};
use super::server::{Shared, Store};
use super::service::{self, Entry, JSON, Service};
use super::signature;

/// How the answer goes out.
enum Out {
    Whole,
    Half,
    After(Duration),
    Trickle(Duration),
    /// Nothing, for as long as the client waits.
    Never,
    /// Nothing, and no waiting either.
    Nothing,
}

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Keep,
    Close,
    Reset,
}

/// What one request leads to.
struct Reply {
    answer: Answer,
    out: Out,
    next: Next,
    /// The answer tells the truth about each record, so that it acknowledges.
    truthful: bool,
    /// The answer comes from the service, not from something between.
    from_service: bool,
}

impl Reply {
    fn truth(answer: Answer) -> Reply {
        Reply { answer, out: Out::Whole, next: Next::Keep, truthful: true, from_service: true }
    }

    fn error(answer: Answer) -> Reply {
        Reply { truthful: false, ..Reply::truth(answer) }
    }

    fn between(answer: Answer) -> Reply {
        Reply { from_service: false, ..Reply::error(answer) }
    }
}

/// Serves one connection until either side ends it.
pub fn serve(shared: &Shared, connection: u64, mut wire: Wire) {
    let mut body = Vec::new();
    for on_connection in 0.. {
        let conditions = shared.service().conditions.clone();
        if conditions.silent {
            shared.hold(&wire);
            return;
        }
        let _ = wire.socket().set_read_timeout(conditions.idle_close);
        match wire.wait() {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return wire.close(),
        }
        let _ = wire.socket().set_read_timeout(None);
        match exchange(shared, connection, on_connection, &mut wire, &mut body) {
            Ok(Next::Keep) if !shared.stopping() => {}
            Ok(Next::Keep | Next::Close) => return wire.close(),
            Ok(Next::Reset) | Err(_) => return wire.reset(),
        }
    }
}

fn exchange(shared: &Shared, connection: u64, on_connection: u64, wire: &mut Wire, body: &mut Vec<u8>) -> io::Result<Next> {
    let (number, arrived, arrived_order) = shared.arrive();
    let Some(head) = wire.read_head()? else { return Ok(Next::Close) };
    let size = head.content_length().unwrap_or(0);
    let service = shared.service();
    let mut fault = shared.decide(&Coming { number, connection, on_connection, body_size: size, at: arrived });
    if service.conditions.request_bytes_max.is_some_and(|max| size > max) {
        fault = Fault::ResetBeforeRead;
    }
    let mut exchange = Exchange {
        number,
        connection,
        arrived,
        arrived_order,
        finished: arrived,
        finished_order: arrived_order,
        fault: format!("{fault:?}"),
        stream: String::new(),
        body_size: size,
        records: Vec::new(),
        status: 0,
        code: String::new(),
        acknowledged: false,
    };
    if unread(&fault) {
        shared.finish(exchange, None);
        if matches!(fault, Fault::SilentBlackHole { .. }) {
            shared.hold(wire);
        }
        return Ok(Next::Reset);
    }
    if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    read_body(wire, body, size, &fault)?;
    shared.count_body(size);
    let mut reply = if describe::is_asked(&head) {
        describe::answer(&service, &head, body).map_or_else(|refusal| refuse(shared, &refusal, &mut exchange), Reply::error)
    } else if shared.store == Store::Counts {
        count(shared, &service, &head, body, &fault)
    } else {
        take(shared, &service, &head, body, &fault, &mut exchange)
    };
    reply.answer = finish_head(reply.answer, &service, &fault, number, reply.from_service);
    if head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) && reply.next == Next::Keep {
        reply.next = Next::Close;
    }
    if reply.from_service && matches!(reply.out, Out::Whole) && !service.conditions.latency.is_zero() {
        reply.out = Out::After(service.conditions.latency);
    }
    // Whoever has read this answer and looks at the account waits until it is in there.
    let _writing = shared.writing();
    let written = write(shared, wire, &reply);
    if !matches!(reply.out, Out::Never | Out::Nothing) {
        exchange.status = reply.answer.status;
    }
    let order = written.as_ref().ok().copied().flatten();
    exchange.acknowledged = reply.truthful && order.is_some();
    shared.finish(exchange, order);
    written.map(|_| reply.next)
}

fn unread(fault: &Fault) -> bool {
    matches!(fault, Fault::ResetBeforeRead | Fault::SilentBlackHole { read_body: false, .. })
}

fn read_body(wire: &mut Wire, body: &mut Vec<u8>, size: usize, fault: &Fault) -> io::Result<()> {
    let rate = if let Fault::SlowRead { bytes_per_s } = fault { Some(*bytes_per_s) } else { None };
    // A socket closed with a byte unread resets its connection.
    if matches!(fault, Fault::ResetAfterRead | Fault::StoreThenReset) && matches!(wire, Wire::Plain { .. }) && size > 0 {
        wire.read_body(body, size - 1, rate)?;
        return wire.peek_last_byte(body);
    }
    wire.read_body(body, size, rate)
}

/// Judges, stores and answers a request as the plan wants it.
fn take(shared: &Shared, service: &Service, head: &Head, body: &[u8], fault: &Fault, exchange: &mut Exchange) -> Reply {
    let request = match service.judge(head, body, fault) {
        Ok(request) => request,
        Err(refusal) => {
            // What could be read of it belongs in the account all the same.
            if let Ok(request) = super::limits::parse(body) {
                exchange.records = service::ignored(&request);
                exchange.stream = request.stream;
            }
            return refuse(shared, &refusal, exchange);
        }
    };
    exchange.stream.clone_from(&request.stream);
    let reply = reply_to(shared, service, &request, fault, exchange);
    if exchange.records.is_empty() {
        exchange.records = service::ignored(&request);
    }
    shared.count_records(request.records.len());
    reply
}

fn refuse(shared: &Shared, refusal: &Refusal, exchange: &mut Exchange) -> Reply {
    shared.count_refusal(&refusal.code);
    exchange.code.clone_from(&refusal.code);
    let next = if refusal.status == 411 { Next::Close } else { Next::Keep };
    Reply { next, ..Reply::error(service::refusal(refusal, Shape::Plain)) }
}

fn reply_to(shared: &Shared, service: &Service, request: &PutRecords, fault: &Fault, exchange: &mut Exchange) -> Reply {
    let mut store = |said: bool| -> Answer {
        let (received, entries) = store(shared, service, request, fault, said, exchange.number);
        exchange.records = received;
        service::answer(&entries, service.conditions.null_error_codes)
    };
    match fault {
        Fault::StoreThenReset => Reply { out: Out::Nothing, next: Next::Reset, ..Reply::error(store(false)) },
        Fault::ResetAfterRead => Reply { out: Out::Nothing, next: Next::Reset, ..Reply::error(invented(0)) },
        Fault::Slow(delay) => Reply { out: Out::After(*delay), ..Reply::truth(store(true)) },
        Fault::Trickle(pause) => Reply { out: Out::Trickle(*pause), ..Reply::truth(store(true)) },
        Fault::CloseIdle => Reply { next: Next::Close, ..Reply::truth(store(true)) },
        Fault::CompressAnswer => Reply::truth(gzip(store(true))),
        Fault::ChunkAnswer => Reply::truth(store(true).with("Transfer-Encoding", "chunked")),
        Fault::TruncateAnswer { stored } => {
            let answer = if *stored { store(false) } else { invented(request.records.len()) };
            Reply { out: Out::Half, next: Next::Close, ..Reply::error(answer) }
        }
        Fault::SilentBlackHole { stored, .. } => {
            let answer = if *stored { store(false) } else { invented(request.records.len()) };
            Reply { out: Out::Never, next: Next::Reset, ..Reply::error(answer) }
        }
        Fault::Garbage { kind, stored } => {
            if *stored {
                store(false);
            }
            garbage(*kind, request.records.len())
        }
        Fault::None | Fault::FailRecords(..) | Fault::SkewedClock(_) | Fault::SlowRead { .. } => Reply::truth(store(true)),
        _ => error_reply(service, &request.stream, fault, exchange),
    }
}

fn store(shared: &Shared, service: &Service, request: &PutRecords, fault: &Fault, said: bool, number: u64) -> (Vec<Received>, Vec<Entry>) {
    let shards = service.streams.get(&request.stream).map_or(1, |stream| stream.shards);
    let mut failures = service::failures_of(fault, number, request);
    if let Some(per_s) = service.conditions.shard_records_per_s {
        for (i, record) in request.records.iter().enumerate() {
            if !failures.contains_key(&i) && !shared.take_token(&request.stream, service::shard_of(record, shards), per_s) {
                failures.insert(i, super::fault::RecordError::Throughput);
            }
        }
    }
    service::store(&mut shared.log(), request, shards, &failures, said, number)
}

/// A true-looking answer about records that are not stored.
fn invented(count: usize) -> Answer {
    let entries: Vec<Entry> = (0..count).map(|i| Entry::Stored { shard: 0, sequence: i as u64 }).collect();
    service::answer(&entries, false)
}

/// Faults that are error answers; nothing is stored.
fn error_reply(service: &Service, stream: &str, fault: &Fault, exchange: &mut Exchange) -> Reply {
    let (status, code, message) = match fault {
        Fault::Error { status, code, message, .. } => (*status, *code, (*message).to_owned()),
        Fault::ServiceUnavailable => (503, "ServiceUnavailable", "Service is temporarily unavailable.".to_owned()),
        Fault::InternalFailure => (500, "InternalFailure", String::new()),
        Fault::ExpiredToken => (400, "ExpiredTokenException", "The security token included in the request is expired".to_owned()),
        Fault::UnrecognizedClient => (400, "UnrecognizedClientException", "The security token included in the request is invalid.".to_owned()),
        Fault::AccessDenied => (400, "AccessDeniedException", signature::denied(&service.region, stream).message),
        Fault::Throttle(how) => match how {
            Throttle::Provisioned => (400, "ProvisionedThroughputExceededException", format!("Rate exceeded for stream {stream}.")),
            Throttle::LimitExceeded => (400, "LimitExceededException", "Rate exceeded".to_owned()),
            Throttle::Throttling | Throttle::RetryAfter(_) => (400, "ThrottlingException", "Rate exceeded".to_owned()),
            Throttle::TooManyRequests => return Reply::between(Answer::new(429, "text/plain", "")),
        },
        Fault::Redirect => {
            return Reply::between(Answer::new(302, "text/html", "").with("Location", "http://127.0.0.1:9/portal?come=from"));
        }
        Fault::XmlError => {
            let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature \
                        we calculated does not match the signature you provided.</Message></Error></Errors><RequestID>7a62c49f</RequestID></Response>";
            return Reply::between(Answer::new(403, "text/xml", body));
        }
        Fault::HtmlError => {
            let body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<h1>502 Bad Gateway</h1>\r\n</body>\r\n</html>\r\n";
            return Reply::between(Answer::new(502, "text/html", body));
        }
        Fault::Status { status, content_type, body } => return Reply::between(Answer::new(*status, content_type, body.as_bytes())),
        other => unreachable!("{other:?} is no error answer"),
    };
    code.clone_into(&mut exchange.code);
    let shape = if let Fault::Error { shape, .. } = fault { *shape } else { Shape::Plain };
    let answer = service::refusal(&Refusal { status, code: code.to_owned(), message }, shape);
    let answer = if let Fault::Throttle(Throttle::RetryAfter(ms)) = fault { answer.with("x-amz-retry-after", ms.to_string()) } else { answer };
    Reply::error(answer)
}

fn garbage(kind: Garbage, count: usize) -> Reply {
    match kind {
        Garbage::Noise => Reply::between(Answer::new(200, JSON, b"\x00\xff{\"FailedRecordCount\":0,\"Records\":[\xfe".as_slice())),
        Garbage::Html => Reply::between(Answer::new(200, "text/html", "<html><body><h1>Welcome!</h1>Log in to use this network.</body></html>")),
        Garbage::OneEntryLess => Reply::error(invented(count.saturating_sub(1))),
        Garbage::OneEntryMore => Reply::error(invented(count + 1)),
        Garbage::Empty => Reply::error(Answer::new(200, JSON, "")),
        Garbage::NoRecords => Reply::error(Answer::new(200, JSON, "{}")),
        Garbage::EmptyEntries => {
            let entries = vec!["{}"; count].join(",");
            Reply::error(Answer::new(200, JSON, format!(r#"{{"FailedRecordCount":0,"Records":[{entries}]}}"#)))
        }
    }
}

/// Counts a request without keeping or reading its records: for measuring memory and speed. Of the faults, those that need no record work.
fn count(shared: &Shared, service: &Service, head: &Head, body: &[u8], fault: &Fault) -> Reply {
    if let Err(refusal) = service.check_form(head, body) {
        shared.count_refusal(&refusal.code);
        return Reply::error(service::refusal(&refusal, Shape::Plain));
    }
    if service.check_signature {
        let expected = signature::Expected { keys: &service.keys, region: &service.region, now_s: service.now_s(), stream: super::STREAM };
        if let Err(refusal) = signature::verify(head, body, expected) {
            shared.count_refusal(&refusal.code);
            return Reply::error(service::refusal(&refusal, Shape::Plain));
        }
    }
    let records = memchr::memmem::find_iter(body, b"\"PartitionKey\":").count();
    shared.count_records(records);
    match fault {
        Fault::Slow(delay) => Reply { out: Out::After(*delay), ..Reply::truth(shared.count_stored(records)) },
        Fault::CloseIdle => Reply { next: Next::Close, ..Reply::truth(shared.count_stored(records)) },
        Fault::Throttle(_) | Fault::ServiceUnavailable | Fault::InternalFailure => {
            Reply::error(service::refusal(&Refusal::new(503, "ServiceUnavailable", ""), Shape::Plain))
        }
        _ => Reply::truth(shared.count_stored(records)),
    }
}

fn finish_head(answer: Answer, service: &Service, fault: &Fault, number: u64, from_service: bool) -> Answer {
    let skew_s = if let Fault::SkewedClock(seconds) = fault { *seconds } else { 0 };
    let answer = answer.with("Date", calendar::http(service.now_s() + skew_s));
    if !from_service {
        return answer;
    }
    let id = super::mix(number);
    answer.with("x-amzn-RequestId", format!("{:08x}-0000-4000-8000-{:012x}", id >> 32, number)).with("x-amz-id-2", format!("{id:064x}"))
}

fn gzip(mut answer: Answer) -> Answer {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&answer.body).and_then(|()| encoder.try_finish()).unwrap();
    answer.body = encoder.finish().unwrap();
    answer.with("Content-Encoding", "gzip")
}

/// Writes the answer. When all of it went to a client that was still there: the place of its last part in the order of events, taken before that part
/// is written, since whoever has read it may send the next request before we come to look at the order.
fn write(shared: &Shared, wire: &mut Wire, reply: &Reply) -> io::Result<Option<u64>> {
    let bytes = reply.answer.to_bytes();
    let order;
    match reply.out {
        Out::Whole => {
            order = shared.next_order();
            wire.write(&bytes)?;
        }
        Out::Half => {
            // Somewhere inside the body, so that the head is believed.
            let cut = bytes.len() - reply.answer.body.len() / 2 - 1;
            wire.write(&bytes[..cut])?;
            return Ok(None);
        }
        Out::After(delay) => {
            shared.pause(delay);
            if wire.client_left() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            order = shared.next_order();
            wire.write(&bytes)?;
        }
        Out::Trickle(pause) => {
            let (most, last) = bytes.split_at(bytes.len() - 1);
            for piece in most.chunks(bytes.len().div_ceil(20)) {
                wire.write(piece)?;
                shared.pause(pause);
            }
            order = shared.next_order();
            wire.write(last)?;
        }
        Out::Never => {
            shared.hold(wire);
            return Ok(None);
        }
        Out::Nothing => return Ok(None),
    }
    Ok(Some(order))
}
