//! The socket: opened at addresses that are looked up here, counted in both directions.
//!
//! A server that will not read the rest of a request (413, a proxy's refusal) answers and closes. So a write that meets a closed connection is not yet the end:
//! what follows of the request is let go, and the answer is read if there is one; if there is none, the error of the write is the error.

use std::io;
use std::sync::Arc;

use ureq::config::Config;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport};

use super::counts::{Counts, add};
use super::error::Unconnected;
use super::resolver::{AskedLater, Names};

/// Opens sockets.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) names: Arc<Names>,
    pub(super) counts: Arc<Counts>,
    pub(super) tcp: TcpConnector,
    /// Sizes of the buffers of a socket that carries TLS.
    pub(super) below_tls: Config,
}

impl<In: Transport> Connector<In> for Wire {
    type Out = Either<In, WireTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let addresses = self.names.addresses(details.uri).map_err(Unconnected::into_ureq)?;
        let mut addrs = AskedLater.empty();
        addresses.iter().for_each(|address| addrs.push(*address));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: if details.needs_tls() { &self.below_tls } else { details.config },
            request_level: details.request_level,
            resolver: details.resolver,
            // The time to connect begins after the lookup.
            now: (details.current_time)(),
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        match Connector::<()>::connect(&self.tcp, &details, None) {
            Ok(Some(socket)) => {
                self.names.connected(details.uri);
                add(&self.counts.connects, 1);
                Ok(Some(Either::B(WireTransport { socket, counts: self.counts.clone(), write_error: None, half_dead: false })))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.names.forget(details.uri);
                let mut error = Unconnected::from_ureq(error);
                let (first, more) = (addresses[0], addresses.len() - 1);
                let more = if more > 0 { format!(" and {more} other addresses") } else { String::new() };
                error.text = format!("cannot connect to {}: {} ({first}{more})", details.uri.host().unwrap_or_default(), error.text);
                Err(error.into_ureq())
            }
        }
    }
}

/// A socket with its counters.
#[derive(Debug)]
pub(super) struct WireTransport {
    socket: <TcpConnector as Connector<()>>::Out,
    counts: Arc<Counts>,
    /// Of the write that met a closed connection, until a read has told whether there is an answer.
    write_error: Option<io::Error>,
    /// A request was let go on it: never to be used again.
    half_dead: bool,
}

impl Transport for WireTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.socket.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.half_dead {
            return Ok(());
        }
        match self.socket.transmit_output(amount, timeout) {
            Ok(()) => {
                add(&self.counts.bytes_out, amount);
                Ok(())
            }
            Err(ureq::Error::Io(error)) if is_closed(&error) => {
                self.write_error = Some(error);
                self.half_dead = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        has_room(self.buffers())?;
        let before = self.socket.buffers().input().len();
        let read = self.socket.await_input(timeout);
        add(&self.counts.bytes_in, self.socket.buffers().input().len().saturating_sub(before));
        match (read, self.write_error.take()) {
            (Ok(true), _) => Ok(true),
            (_, Some(error)) => Err(error.into()),
            (read, None) => read,
        }
    }

    fn is_open(&mut self) -> bool {
        !self.half_dead && self.socket.is_open()
    }
}

/// More is asked for while nothing of a full buffer could be used: a head (or the head of a chunk) that is larger than the buffer.
pub(super) fn has_room(buffers: &mut dyn Buffers) -> Result<(), ureq::Error> {
    let size = buffers.input().len();
    if buffers.input_append_buf().is_empty() { Err(ureq::Error::LargeResponseHeader(size, size)) } else { Ok(()) }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted)
}
