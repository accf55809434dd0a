//! Every bound of the program in one place, each with its unit last and its source above it, and the relations between them proved when it is compiled.

use std::time::Duration;

/// Records in one `PutRecords` request. Source: Kinesis API reference, `PutRecords`.
pub const RECORDS_MAX: usize = 500;
/// Bytes of one request, data before base64 plus partition keys. Source: Kinesis API reference (10 MiB since late 2025).
pub const REQUEST_SIZE_MAX: usize = 10 << 20;
/// Default of `delivery.request_size`: small enough for a slow uplink, large enough for 500 ordinary lines.
pub const REQUEST_SIZE: usize = 256 << 10;
/// Smallest `delivery.record_size`.
pub const RECORD_SIZE_MIN: usize = 1 << 10;
/// Smallest `delivery.request_size`; also where halving after a timeout ends.
pub const REQUEST_SIZE_MIN: usize = 4 << 10;
/// Bytes of one record, data before base64 plus partition key. Source: Kinesis API reference, `UpdateMaxRecordSize`.
pub const RECORD_SIZE_MAX: usize = 10 << 20;
/// Default of `delivery.record_size`: what a stream takes until `UpdateMaxRecordSize` is called.
pub const RECORD_SIZE: usize = 1 << 20;
/// UTF-16 units of a partition key. The service says "Unicode characters"; the emulators count UTF-16 units, which is never more lenient.
pub const PARTITION_KEY_UNITS_MAX: usize = 256;
/// Bytes of a partition key in UTF-8: three a unit at most.
pub const PARTITION_KEY_SIZE_MAX: usize = PARTITION_KEY_UNITS_MAX * 3;
/// Characters of a stream name, `[a-zA-Z0-9_.-]`. Source: Kinesis API reference.
pub const STREAM_NAME_MAX: usize = 128;

/// Default of `input.line_size`, in bytes without the newline.
pub const LINE_SIZE: usize = 128 << 10;
/// Largest `input.line_size`.
pub const LINE_SIZE_MAX: usize = 1 << 20;
/// Smallest `input.line_size`.
pub const LINE_SIZE_MIN: usize = 256;
/// Addresses that one process may listen on.
pub const LISTENERS_MAX: usize = 8;
/// Default of `input.clients`.
pub const CLIENTS: u32 = 8;
/// Largest `input.clients`.
pub const CLIENTS_MAX: u32 = 64;
/// Longest `credentials.iot.start_jitter`.
pub const START_JITTER_MAX: Duration = Duration::from_secs(5 * 60);
/// Bytes asked of the input at once.
pub const READ_SIZE: usize = 64 << 10;
/// Bytes of a bad line shown in a diagnostic, before escaping.
pub const SAMPLE_SIZE: usize = 200;
/// Default of `input.rejected_size`: bytes of the `rejected` file before it is rotated (once).
pub const REJECTED_SIZE: u64 = 1 << 20;
/// Smallest `input.rejected_size`.
pub const REJECTED_SIZE_MIN: u64 = 4 << 10;
/// Largest `input.rejected_size`.
pub const REJECTED_SIZE_MAX: u64 = 1 << 30;
/// Bytes that stamping adds to a line: a space and at most 19 digits and a sign.
pub const STAMP_SIZE_MAX: usize = 21;

/// Bytes of the lines in one block, unless one line alone is larger.
pub const BLOCK_SIZE: usize = 32 << 10;
/// Default of `spool.hot_size`: bytes of lines that wait in memory.
pub const HOT_SIZE: usize = 1 << 20;
/// Default of `spool.size`: a day of a busy board.
pub const SPOOL_SIZE: usize = 256 << 20;
/// Smallest `spool.size`: a few segments.
pub const SPOOL_SIZE_MIN: u64 = 1 << 20;
/// Largest `spool.size`.
pub const SPOOL_SIZE_MAX: u64 = 64 << 30;
/// Segments that a spool may have when it is full: what is known of them is in memory.
pub const SEGMENTS_MAX: u64 = 16_384;
/// Default of `spool.min_free`, in per cent.
pub const MIN_FREE: u8 = 10;
/// Default of `spool.sync_after`.
pub const SYNC_AFTER: Duration = Duration::from_secs(15);
/// Longest `spool.sync_after`.
pub const SYNC_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Smallest `spool.hot_size`: two blocks of short lines.
pub const HOT_SIZE_MIN: usize = 128 << 10;
/// Largest `spool.hot_size`.
pub const HOT_SIZE_MAX: usize = 1 << 30;
/// Smallest `spool.segment_size`; a quarter of the smallest `hot_size`.
pub const SEGMENT_SIZE_MIN: usize = HOT_SIZE_MIN / 4;
/// Default of `spool.segment_size`.
pub const SEGMENT_SIZE: usize = 256 << 10;

/// Default of `packing.buffer`: bytes of lines that are grouped by key at once.
pub const PACKING_BUFFER: usize = 256 << 10;
/// Smallest `packing.buffer`.
pub const PACKING_BUFFER_MIN: usize = 64 << 10;
/// Largest `packing.buffer`.
pub const PACKING_BUFFER_MAX: usize = 16 << 20;

/// Default of `packing.flush_interval`.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// Longest `packing.flush_interval`.
pub const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// Shortest `delivery.deadline`: a TLS handshake over a slow link needs more.
pub const DEADLINE_MIN: Duration = Duration::from_millis(100);
/// Longest `delivery.deadline`.
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Default of `delivery.shutdown_timeout`: less than the 5 s after which Telegraf kills a program.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest `delivery.shutdown_timeout`.
pub const SHUTDOWN_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Default of `json_timestamp_units`; Telegraf's.
pub const JSON_TIMESTAMP_UNITS: Duration = Duration::from_secs(1);
/// Longest `json_timestamp_units`.
pub const JSON_TIMESTAMP_UNITS_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes of `partition.template`.
pub const TEMPLATE_SIZE_MAX: usize = 4 << 10;

/// Bytes of a reply that are read, before and after decoding. 500 failed records with long messages need about 200 KiB.
pub const REPLY_SIZE_MAX: usize = 1 << 20;
/// Bytes of a service's message that reach a diagnostic.
pub const MESSAGE_SIZE_MAX: usize = 300;
/// Bytes of the first stderr line. Telegraf's `outputs.exec` shows 512 of it.
pub const FIRST_LINE_SIZE_MAX: usize = 500;
/// Bytes of one diagnostic. Telegraf's `outputs.execd` reads no further after a line of 64 KiB.
pub const DIAGNOSTIC_SIZE_MAX: usize = 4 << 10;
/// Bytes of diagnostics held back behind the first stderr line.
pub const HELD_BACK_SIZE: usize = 16 << 10;
/// Mistakes of one configuration that are shown; more are only counted.
pub const MISTAKES_MAX: usize = 40;
/// Characters of a line of a configuration that are shown around a mistake.
pub const SHOWN_LINE_MAX: usize = 160;
/// Bytes of a configuration or shared credentials file.
pub const FILE_SIZE_MAX: u64 = 1 << 20;
/// Profiles in one of the files that AWS's tools share.
pub const SHARED_PROFILES_MAX: usize = 1_000;
/// Properties in one of them, over all profiles; each further line of a value counts as one.
pub const SHARED_PROPERTIES_MAX: usize = 10_000;
/// Roles that a profile may go through, each assumed with the credentials of the one before.
pub const ROLES_MAX: usize = 8;
/// How long a `credential_process` may take.
pub const PROCESS_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes that a `credential_process` may write: a session token has a few KiB.
pub const PROCESS_OUTPUT_SIZE_MAX: usize = 64 << 10;
/// Files that are looked at where `--config` names a directory.
pub const CONFIG_FILES_MAX: usize = 1000;
/// How deep directories are looked into.
pub const CONFIG_DEPTH_MAX: usize = 8;

/// Bytes of a block before its lines. The format stands at the head of `spool/block.rs`.
pub const BLOCK_HEADER_SIZE: usize = 48;
/// Lines in one block, so that an index of them has a bound however short they are.
pub const BLOCK_LINES_MAX: u32 = 1024;
/// Bytes of a line's entry in a block before its key.
pub const BLOCK_ENTRY_HEADER_SIZE: usize = 6;

/// Bytes of the largest block when lines have at most `line_size` bytes before they are stamped: one may still go in just below `BLOCK_SIZE`.
pub const fn block_size_max(line_size: usize) -> usize {
    BLOCK_SIZE + BLOCK_ENTRY_HEADER_SIZE + PARTITION_KEY_SIZE_MAX + line_size + STAMP_SIZE_MAX
}

/// Bytes of a destination (region, stream, endpoint) in a segment's header: a stream's name, a region and a long URL.
pub const STREAM_ID_SIZE_MAX: usize = 2 << 10;

// A default line must fit a default record, and a default record's lines a default request.
const _: () = assert!(LINE_SIZE + STAMP_SIZE_MAX + 1 + PARTITION_KEY_SIZE_MAX <= REQUEST_SIZE);
// The packer takes whole blocks: the largest must fit its buffer.
const _: () = assert!(block_size_max(LINE_SIZE) <= PACKING_BUFFER && block_size_max(LINE_SIZE_MAX) <= PACKING_BUFFER_MAX);
// The spool takes a block while another one leaves.
const _: () = assert!(2 * block_size_max(LINE_SIZE_MIN) <= HOT_SIZE_MIN && 2 * block_size_max(LINE_SIZE) <= HOT_SIZE);
const _: () = assert!(4 * SEGMENT_SIZE <= HOT_SIZE && 4 * SEGMENT_SIZE_MIN <= HOT_SIZE_MIN);
const _: () = assert!(BLOCK_SIZE < HOT_SIZE_MIN);
const _: () = assert!(RECORD_SIZE <= RECORD_SIZE_MAX && REQUEST_SIZE <= REQUEST_SIZE_MAX && RECORD_SIZE_MAX <= REQUEST_SIZE_MAX);
