//! Who is read when: one `poll` over listeners, clients and a waker; each turn reads every ready client once, in an order that rotates.
//!
//! Nothing here waits but [`Sockets::wait`]. While the spool is full the caller passes `may_read = false`: clients go on to come and are not read.

use std::io;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::counters::InputCounters;
use crate::input::composer::{Composer, IntakeOptions, Rejection};
use crate::input::line_reader::Tail;
use crate::limits::{CLIENTS_MAX, LISTENERS_MAX};
use crate::line::partition_key::PartitionMethod;
use crate::log::Log;
use crate::pipeline::Fate;
use crate::spool::block::{BlockBuilder, Position};
use crate::time::{Deadline, Now};

use super::client::{CLIENT_BUFFER_SIZE, Client, LongLine};
use super::datagrams::{Datagrams, Received};
use super::hand_off::{Books, Offers};
use super::listener::{Listener, Refused};
use super::long_lines::{HELD_MAX, LongLines};
use super::peer::Peer;
use super::unpacker::Unpacker;

/// Datagrams that one socket gives in a turn.
const DATAGRAMS_AT_ONCE: u32 = 64;
/// What a turn polls at most: standard input and the waker beside the rest.
const POLLED_MAX: usize = LISTENERS_MAX + CLIENTS_MAX as usize + 2;

/// What sockets are served with.
#[derive(Clone, Debug)]
pub struct SocketsOptions {
    /// Connections that are served at once, at most [`CLIENTS_MAX`]; further ones wait to be accepted.
    pub clients: usize,
    /// How a line becomes part of a block.
    pub intake: IntakeOptions,
}

/// Listeners, clients, and the block that they fill.
#[derive(Debug)]
pub struct Sockets {
    options: SocketsOptions,
    log: Log,
    listeners: Vec<Listener>,
    clients: Vec<Client>,
    composer: Composer,
    long_lines: LongLines,
    datagrams: Option<Datagrams>,
    /// Batches that may be offered again.
    offers: Offers,
    /// Datagrams that the listener at the front of this turn has given.
    received: u32,
    wake: UnixStream,
    waker: UnixStream,
    /// Who is first in this turn, and how many had theirs.
    first: usize,
    visited: usize,
    /// Clients were not to be read in the last turn.
    held_off: bool,
    said_full: bool,
    stopping: bool,
    /// The last turn of a stop found nothing to read.
    found_nothing: bool,
}

impl Sockets {
    /// Bytes that `clients` connections hold at most: each its splitter's buffer, and where it sends packed bytes those and the state that unpacks them; and
    /// the buffers for long lines.
    pub fn clients_memory(clients: usize, line_size: usize) -> usize {
        clients * (size_of::<Client>() + 2 * CLIENT_BUFFER_SIZE + Unpacker::MEMORY) + LongLines::memory(line_size)
    }

    /// Bytes that datagrams need at most.
    pub fn datagrams_memory(line_size: usize) -> usize {
        Datagrams::memory(line_size) + Unpacker::MEMORY
    }

    /// Serves `listeners`, of which there are at most [`LISTENERS_MAX`].
    ///
    /// # Errors
    /// The pair of sockets that wakes it cannot be made.
    pub fn new(mut options: SocketsOptions, mut listeners: Vec<Listener>, log: Log) -> io::Result<Sockets> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        listeners.truncate(LISTENERS_MAX);
        options.clients = options.clients.min(CLIENTS_MAX as usize);
        let line_size = options.intake.line_size;
        let datagrams = listeners.iter().any(Listener::is_datagrams).then(|| Datagrams::new(line_size));
        Ok(Sockets {
            composer: Composer::new(options.intake.clone()),
            clients: Vec::with_capacity(options.clients + 1),
            options,
            log,
            listeners,
            long_lines: LongLines::new(line_size),
            datagrams,
            offers: Offers::default(),
            received: 0,
            wake,
            waker,
            first: 0,
            visited: 0,
            held_off: false,
            said_full: false,
            stopping: false,
            found_nothing: false,
        })
    }

    /// Standard input is one more sender, beside the connections.
    pub fn add_stdin(&mut self, file: OwnedFd, tail: Tail) {
        if self.clients.iter().all(Client::is_connection) {
            self.clients.push(Client::stdin(file, self.options.intake.line_size, tail));
        }
    }

    /// A byte written to this socket ends `wait`. It does not block.
    ///
    /// # Errors
    /// There is no room for another file.
    pub fn waker(&self) -> io::Result<UnixStream> {
        self.waker.try_clone()
    }

    /// The listeners' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().map(Listener::name)
    }

    /// The block that `next_block` filled.
    pub fn block(&mut self) -> &mut BlockBuilder {
        self.composer.block()
    }

    /// The block was accepted.
    pub fn taken(&mut self) {
        self.composer.block().clear();
    }

    /// From here on lines get their keys so.
    pub fn set_partition(&mut self, partition: PartitionMethod) {
        self.composer.set_partition(partition);
    }

    /// What was counted, of all senders.
    pub fn counters(&self) -> &InputCounters {
        self.composer.counters()
    }

    /// Takes no more connections and lets senders write no more. What they have written can still be read, to its end.
    pub fn stop(&mut self, now: Now) {
        self.listeners.iter_mut().for_each(Listener::close_door);
        self.stopping = true;
        self.accept(now);
        self.clients.iter().for_each(Client::close_door);
    }

    /// Whether everything was taken that was written before `stop`; who waits for an answer may still be there.
    pub fn is_over(&self) -> bool {
        self.stopping
            && self.found_nothing
            && self.clients.iter().all(|client| !client.is_undrained && (client.hand_off.waits() || !client.is_connection()))
    }

    /// Sleeps until there is something to do, `timeout` has passed or somebody wakes it; `None`: for as long as it takes. `may_read`: whether what was read
    /// would find room.
    ///
    /// # Errors
    /// `poll` fails, which it does for want of memory only.
    pub fn wait(&mut self, now: Now, timeout: Option<Duration>, may_read: bool) -> io::Result<()> {
        self.let_go();
        self.lend_buffers(now, may_read);
        let undrained = self.clients.iter().any(|client| client.is_undrained) || self.datagrams.as_ref().is_some_and(|d| d.is_undrained);
        let at_once = may_read && (undrained || self.stopping && !self.is_over());
        let timeout = if at_once { Some(Duration::ZERO) } else { [timeout, self.due(now, may_read)].into_iter().flatten().min() };
        let found = self.poll(now, timeout, may_read)?;
        self.found_nothing = may_read && !found && !undrained;
        (self.first, self.visited, self.received) = (self.first.wrapping_add(1), 0, 0);
        self.accept(now);
        Ok(())
    }

    /// Notes who is ready; false when nobody but the waker is.
    fn poll(&mut self, now: Now, timeout: Option<Duration>, may_read: bool) -> io::Result<bool> {
        let room = !self.stopping && self.connections() < self.options.clients;
        let listens = |listener: &Listener| {
            let wanted = if listener.is_datagrams() { may_read } else { room && listener.left_alone(now).is_none() };
            wanted && !listener.is_over
        };
        let mut fds: [PollFd<'_>; POLLED_MAX] = std::array::from_fn(|_| PollFd::new(&self.wake, PollFlags::IN));
        // Behind the waker: whose each of them is, listeners first.
        let (mut whose, mut count) = ([0; POLLED_MAX], 1);
        let listeners = self.listeners.iter().map(|listener| (listener.as_fd(), listens(listener)));
        let clients = self.clients.iter().map(|client| (client.as_fd(), may_read && client.wants_reading()));
        // Whether who waits for an answer is still there is told without being asked for.
        let listeners = listeners.map(|(fd, wanted)| (fd, wanted.then_some(PollFlags::IN)));
        let clients = clients
            .zip(&self.clients)
            .map(|((fd, wanted), client)| (fd, if client.hand_off.waits() { Some(PollFlags::empty()) } else { wanted.then_some(PollFlags::IN) }));
        for (n, (fd, flags)) in listeners.chain(clients).enumerate().filter_map(|(n, (fd, flags))| Some((n, (fd, flags?)))) {
            fds[count] = PollFd::from_borrowed_fd(fd, flags);
            whose[count] = n;
            count += 1;
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds[..count], timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let ready: [bool; POLLED_MAX] = std::array::from_fn(|n| n < count && !fds[n].revents().is_empty());
        self.listeners.iter_mut().for_each(|listener| listener.is_ready = false);
        self.clients.iter_mut().for_each(|client| client.is_ready = false);
        for n in (1..count).filter(|n| ready[*n]) {
            match whose[n].checked_sub(self.listeners.len()) {
                None => self.listeners[whose[n]].is_ready = true,
                Some(client) => self.clients[client].is_ready = true,
            }
        }
        if ready[0] {
            _ = (&self.wake).read(&mut [0; 64]);
        }
        Ok(ready[1..].contains(&true))
    }

    /// When something is to be done though nothing comes.
    fn due(&self, now: Now, may_read: bool) -> Option<Duration> {
        let waiting = self.waiting_since().filter(|_| may_read);
        let held = self.clients.iter().filter_map(|client| match client.long_line {
            LongLine::Holds(_, since) => waiting.map(|waiting| Deadline(since.max(waiting) + HELD_MAX).left(now)),
            _ => None,
        });
        let handed_over = self.clients.iter().filter_map(|client| Some(client.hand_off.due()?.left(now)));
        held.chain(handed_over).chain(self.listeners.iter().filter_map(|listener| Some(listener.left_alone(now)?.left(now)))).min()
    }

    /// Since when somebody waits for a buffer for a long line.
    fn waiting_since(&self) -> Option<Duration> {
        let waiting = self.clients.iter().filter_map(|client| match client.long_line {
            LongLine::Waits(since) => Some(since),
            _ => None,
        });
        waiting.min()
    }

    /// Gives the buffers for long lines to those who have waited longest, and ends a line that others have waited for long enough.
    fn lend_buffers(&mut self, now: Now, may_read: bool) {
        while let Some(waiting) = self.waiting_since() {
            let first = self.clients.iter_mut().find(|client| client.long_line == LongLine::Waits(waiting));
            if !first.is_some_and(|client| client.take_buffer(now, &mut self.long_lines)) {
                self.end_lines(now, waiting, may_read);
                break;
            }
        }
        self.held_off = !may_read;
    }

    fn end_lines(&mut self, now: Now, waiting: Duration, may_read: bool) {
        let held_off = self.held_off;
        for client in &mut self.clients {
            let LongLine::Holds(_, since) = &mut client.long_line else { continue };
            // What it could not be read for is not its fault.
            if held_off || !may_read {
                *since = now.mono;
            } else if Deadline(waiting.max(*since) + HELD_MAX).passed(now) {
                client.abandon_line();
            }
        }
    }

    /// Reads who is ready, and brings lines into the block; false when everybody had his turn and nothing is in it. `reject` is told each bad line.
    pub fn next_block(&mut self, now: Now, reject: &mut dyn FnMut(Rejection<'_>, Peer)) -> bool {
        while self.visited < self.clients.len() {
            let n = (self.first + self.visited) % self.clients.len();
            let client = &mut self.clients[n];
            if client.is_ready && !client.is_undrained && !client.hand_off.waits() {
                let before = client.bytes;
                client.read();
                if client.listen(&mut self.offers) {
                    self.composer.note_offered_again();
                }
                self.composer.note_bytes(usize::try_from(client.bytes - before).unwrap_or_default());
            }
            if client.is_undrained {
                if !client.drain(&mut self.composer, now, reject) {
                    return true;
                }
                client.settle_buffer(now, &mut self.long_lines);
            }
            self.visited += 1;
        }
        self.next_datagrams(now, &mut |rejection| reject(rejection, Peer::Datagram)) || !self.composer.block().is_empty()
    }

    /// Takes datagrams of every socket that has some; true when the block is full.
    fn next_datagrams(&mut self, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) -> bool {
        let Some(datagrams) = &mut self.datagrams else { return false };
        loop {
            if datagrams.is_undrained {
                if !datagrams.drain(&mut self.composer, now, reject) {
                    return true;
                }
                if datagrams.is_undrained {
                    return false;
                }
            }
            let Some(listener) = self.listeners.iter_mut().find(|listener| listener.is_datagrams() && listener.is_ready) else { return false };
            self.received += 1;
            let received = datagrams.receive(listener);
            // A socket that is shut down has empty datagrams for ever.
            let last = received == Received::Nothing || self.stopping && received == Received::Some(0);
            if let Received::Some(size) = received {
                self.composer.note_bytes(size);
            }
            listener.is_over = last && self.stopping;
            if last || self.received >= DATAGRAMS_AT_ONCE {
                (listener.is_ready, self.received) = (false, 0);
            }
        }
    }

    /// Whether somebody waits for an answer, or is to.
    pub fn has_hand_offs(&self) -> bool {
        self.clients.iter().any(|client| client.hand_off.waits() || client.is_handed_over())
    }

    /// Everything that was read is accepted: who has handed all of his lines over waits for his answer from here on. True when somebody does now.
    pub fn begin_hand_offs(&mut self, now: Now, books: &Books) -> bool {
        let mut begun = false;
        for client in self.clients.iter_mut().filter(|client| client.is_handed_over()) {
            begun |= client.hand_off.accepted(now, (client.bytes, client.lines, client.rejected), books);
        }
        begun
    }

    /// Answers those who wait, as far as `fate` has something to say; true when what they handed over is to be made durable.
    pub fn answer_hand_offs(&mut self, now: Now, books: &Books, fate: &dyn Fn(Position) -> Fate) -> bool {
        let mut settle = false;
        for client in self.clients.iter_mut().filter(|client| client.hand_off.waits()) {
            // Only its leaving makes it ready.
            if client.is_ready {
                client.hand_off.leave(&mut self.offers);
                continue;
            }
            let (answer, asks) = client.hand_off.answer(now, books, fate);
            settle |= asks;
            if let Some(answer) = answer {
                client.say(&answer.to_string());
            }
        }
        settle
    }

    fn connections(&self) -> usize {
        self.clients.iter().filter(|client| client.is_connection()).count()
    }

    /// Takes connections that wait, as far as there is room.
    fn accept(&mut self, now: Now) {
        let (stopping, clients) = (self.stopping, self.options.clients);
        for n in 0..self.listeners.len() {
            let listener = &mut self.listeners[n];
            let asked = listener.is_ready || stopping && !listener.is_inherited();
            if listener.is_datagrams() || !asked {
                continue;
            }
            listener.is_ready = false;
            while self.connections() < clients {
                let socket = match self.listeners[n].accept(now) {
                    Ok(Some(socket)) => socket,
                    Ok(None) => break,
                    Err(Refused { error, said }) => {
                        let name = self.listeners[n].name();
                        if !said {
                            self.log.warn(format_args!("{name}: a client cannot be taken: {error}; it is tried again every second"));
                        }
                        break;
                    }
                };
                let client = Client::connected(socket, self.options.intake.line_size);
                if stopping {
                    client.close_door();
                }
                self.clients.push(client);
                let (name, client, count) = (self.listeners[n].name(), &self.clients[self.clients.len() - 1], self.connections());
                self.log.info(format_args!("{name}: a client came: {} ({count} of {clients})", client.peer));
            }
        }
        if self.connections() >= clients && !self.said_full && !stopping {
            self.said_full = true;
            self.log.warn(format_args!("{clients} clients are connected, further ones wait until one leaves; 'input.clients' can be more"));
        }
    }

    /// Forgets clients that have left.
    fn let_go(&mut self) {
        let mut n = 0;
        while n < self.clients.len() {
            if !self.clients[n].is_over() {
                n += 1;
                continue;
            }
            let mut client = self.clients.swap_remove(n);
            client.give_back(&mut self.long_lines);
            let Client { peer, lines, bytes, rejected, trouble, .. } = &client;
            let trouble = trouble.as_ref().map_or(String::new(), |trouble| format!("; {trouble}"));
            self.log.info(format_args!("a client left: {peer}; {lines} lines, {bytes} bytes, {rejected} lines rejected{trouble}"));
        }
    }
}
