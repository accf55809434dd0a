//! What a run costs in memory at most, as a sum with one term for each buffer. Each term is asked of the thing that allocates it; `tests/memory/` measures
//! that the sum holds. It allocates nothing and bounds nothing itself: the bounds stand in [`crate::limits`].

use crate::config::{Config, Listen};
use crate::input::line_reader::LineReader;
use crate::input::unix::Sockets;
use crate::kinesis::batch::Batch;
use crate::kinesis::put_records::body_size_max;
use crate::limits::{HELD_BACK_SIZE, PARTITION_KEY_SIZE_MAX, REPLY_SIZE_MAX, STAMP_SIZE_MAX};
use crate::record::packer::Packer;
use crate::spool::block::BlockBuilder;
use crate::spool::codec::{Packing, Unpacking};
use crate::spool::disk::RamDisk;

/// Bytes for a connection: the buffers of ureq (72 KiB, or with TLS two times 24), those of rustls while it shakes hands, built-in roots. Measured: 150 KiB.
const HTTP_SIZE: usize = 192 << 10;
/// Bytes for everything small: configuration, environment, credentials, headers, the strings of a failure. Measured: 20 KiB.
const SMALL_SIZE: usize = 64 << 10;
/// Bytes that are known of a segment, in a deque that doubles.
const SEGMENT_SIZE: usize = 2 * 40;
/// Bytes of the three threads' stacks that are touched. Measured: 80 KiB; a line of more than 64 tags or fields takes 48 KiB more in the input and in the
/// delivery thread, where they are sorted.
const STACKS_SIZE: usize = 192 << 10;
/// Bytes of the program and its libraries that are mapped in, and what an allocator needs for itself. Measured with glibc: 4.6 MiB.
const PROGRAM_SIZE: usize = 5 << 20;

/// Bytes of memory that a run holds at most, whatever comes: each buffer at its largest, all at once. Most runs never touch half of it.
/// The configuration file is not in the sum: it is read and forgotten before anything else is there.
pub fn memory_max(config: &Config) -> usize {
    heap_max(config) + STACKS_SIZE + PROGRAM_SIZE
}

/// What a cold disk costs: a block being copied and packed, one being unpacked, both states of the codec, and what is known of each segment.
fn cold_max(config: &Config) -> usize {
    let Some(_) = &config.spool.directory else { return 0 };
    let block = BlockBuilder::memory(config.input.line_size + STAMP_SIZE_MAX);
    let segments = usize::try_from(config.spool.size / config.spool.segment_size as u64).unwrap_or(usize::MAX);
    3 * block + Packing::MEMORY + Unpacking::MEMORY + 2 * segments * SEGMENT_SIZE
}

/// What lines come through before they are whole.
fn input_max(config: &Config) -> usize {
    let (listen, line_size) = (&config.input.listen, config.input.line_size);
    let has = |kind: fn(&Listen) -> bool| listen.iter().any(kind);
    // An unfinished line, and room for a whole read behind it.
    let stdin = if has(|listen| *listen == Listen::Stdin) { LineReader::memory(line_size) } else { 0 };
    // Each client's buffers, and those that all share.
    let stream = if has(|listen| matches!(listen, Listen::Unix(_))) { Sockets::clients_memory(config.input.clients, line_size) } else { 0 };
    // A datagram, and once more where it is packed.
    let datagrams = if has(|listen| matches!(listen, Listen::Unixgram(_))) { Sockets::datagrams_memory(line_size) } else { 0 };
    stdin + stream + datagrams
}

/// The part of [`memory_max`] that is allocated.
pub fn heap_max(config: &Config) -> usize {
    let (line_size, request_size) = (config.input.line_size, config.delivery.request_size);
    [
        input_max(config),
        // The line that gets a timestamp, and the key of a line.
        line_size + STAMP_SIZE_MAX + PARTITION_KEY_SIZE_MAX,
        // The block that is filled.
        BlockBuilder::memory(line_size + STAMP_SIZE_MAX),
        // Lines wait: the segments and a spare one.
        RamDisk::memory(config.spool.hot_size, config.spool.segment_size),
        cold_max(config),
        // Lines that are grouped, and their index.
        Packer::memory(config.packing.buffer),
        // The open records.
        Batch::memory(request_size),
        // The body of a request. No body of ordinary keys touches more than 4/3 of `request_size`.
        body_size_max(request_size),
        // A reply, and once more what it decodes to. Touched as far as a reply is long; 500 stored records have about 60 KiB.
        2 * (REPLY_SIZE_MAX + 1),
        HTTP_SIZE,
        // Diagnostics that are held back, in a buffer that doubles.
        3 * HELD_BACK_SIZE,
        SMALL_SIZE,
    ]
    .iter()
    .sum()
}
