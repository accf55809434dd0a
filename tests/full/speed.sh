#!/bin/sh
# Throughput of at least 0.6 of the floor, and 5 ms at most from the start of the process to its first byte. About a minute, on a quiet machine.
set -eu
cd "$(dirname "$0")/../.."
BENCH_ASSERT=1 cargo bench --locked --bench throughput
BENCH_ASSERT=1 cargo bench --locked --bench start
