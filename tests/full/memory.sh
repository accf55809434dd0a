#!/bin/sh
# Resident memory of the release binary: after five million lines that of two hundred thousand within 256 KiB, below 8 MiB. About a minute.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --locked
KINEGRAF_FULL=1 KINEGRAF_BIN="$PWD/target/release/kinegraf" cargo test --locked --test memory -- --nocapture
