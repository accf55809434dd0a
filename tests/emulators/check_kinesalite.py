"""The release binary against kinesalite, which validates in the service's words: volume, keys, packing, nasty lines, refusals.

Usage: check_kinesalite.py URL
"""

import sys
import time

from common import (
    BAD_LINES, REGION, UUID_V4, client, create_stream, expect_code, expect_same_lines, expect_words, first_line, main, measurement_of, nasty_lines,
    read_stream, run, split, tag_of, telegraf_lines,
)

URL = sys.argv[1]
KINESIS = client("kinesis", URL)


def ship(stream, *args, **how):
    """A new stream, a run that must succeed, and what is in the stream then."""
    create_stream(KINESIS, stream)
    expect_code(run(URL, stream, *args, **how), 0)
    return read_stream(KINESIS, stream)


def one_line_each(records):
    return [(record, split(record.data)[0]) for record in records if len(split(record.data)) == 1]


def a_hundred_thousand_lines_arrive_byte_for_byte_under_fresh_uuids():
    lines = telegraf_lines(100_000)
    records = ship("volume", "--partition", "random", lines=lines)
    expect_same_lines(lines, records)
    assert len(records) == len(lines), f"{len(records)} records for {len(lines)} lines, though each line is a record"
    keys = {record.key for record in records}
    assert len(keys) == len(lines) and all(UUID_V4.match(key) for key in keys), f"{len(keys)} keys, one: {next(iter(keys))}"
    assert len({record.shard for record in records}) == 4


def the_lines_of_a_key_share_records_and_keep_their_order():
    lines = telegraf_lines(100_000)
    records = ship("tag-lines", "--partition", "tag=host,nowhere", "--pack", "lines", lines=lines)
    expect_same_lines(lines, records)
    assert len(records) < len(lines) / 20, f"{len(records)} records for {len(lines)} lines"
    place = {line: i for i, line in enumerate(lines)}
    for record in records:
        inside = split(record.data)
        assert {tag_of(line, "host") or "nowhere" for line in inside} == {record.key}, f"wrong lines under {record.key}"
        order = [place[line] for line in inside]
        assert order == sorted(order), f"the lines of a record of {record.key} are not in the order of the input"


def with_a_tag_each_line_lies_under_its_value_or_the_default():
    lines = telegraf_lines(10_000)
    records = ship("tag", "--partition", "tag=host", lines=lines)
    expect_same_lines(lines, records)
    for record, line in one_line_each(records):
        assert record.key == (tag_of(line, "host") or "telegraf"), f"{line!r} lies under {record.key}"


def with_measurement_each_line_lies_under_its_measurement():
    lines = telegraf_lines(10_000)
    records = ship("measurement", "--partition", "measurement", lines=lines)
    expect_same_lines(lines, records)
    for record, line in one_line_each(records):
        assert record.key == measurement_of(line), f"{line!r} lies under {record.key}"


def with_a_static_key_all_lines_lie_under_it_in_their_order():
    lines = telegraf_lines(20_000)
    records = ship("static", "--partition", "static=gateway 7", "--pack", "lines", lines=lines)
    assert {record.key for record in records} == {"gateway 7"} and len({record.shard for record in records}) == 1
    assert [line for record in records for line in split(record.data)] == lines, "one key, one shard, nothing failed, yet another order"


def random_keys_with_lines_fill_records():
    lines = telegraf_lines(20_000)
    records = ship("random-lines", "--pack", "lines", lines=lines)
    expect_same_lines(lines, records)
    assert len(records) < 100 and all(UUID_V4.match(record.key) for record in records)


def lines_through_a_pipe_arrive_too():
    lines = telegraf_lines(5_000)
    records = ship("pipe", "--shutdown-timeout", "60s", stdin=b"".join(line + b"\n" for line in lines))
    expect_same_lines(lines, records)


def nasty_lines_arrive_byte_for_byte_and_bad_ones_do_not_stop_them():
    good = nasty_lines()
    mixed = [line for pair in zip(good, BAD_LINES + [b"# a comment"] * len(good)) for line in pair]
    for pack in ("metric", "lines"):
        records = ship(f"nasty-{pack}", "--partition", "tag=host,none", "--pack", pack, lines=mixed)
        expect_same_lines(good, records)
        for record in records:
            for line in split(record.data):
                assert record.key == (tag_of(line, "host") or "none"), f"{line[:80]!r} lies under {record.key}"


def lines_without_a_time_get_the_time_of_their_arrival():
    lines = [b"cpu,host=a value=%di" % i for i in range(1000)]
    before = time.time_ns()
    records = ship("stamped", lines=lines)
    after = time.time_ns()
    stored = [split(record.data)[0].rpartition(b" ") for record in records]
    assert sorted(line for line, _, _ in stored) == sorted(lines), f"other lines than sent, one: {stored[0]}"
    assert all(before <= int(stamp) <= after for _, _, stamp in stored), f"a stamp outside {before}..{after}"


def a_missing_stream_ends_with_1_and_is_named_with_its_region():
    finished = expect_code(run(URL, "nowhere", stdin=b"cpu value=1 1\n", limit=60), 1)
    expect_words(first_line(finished), "nowhere", REGION)


LARGE = """
[input]
line_size = "1MiB"
[packing]
pack = "lines"
buffer = "4MiB"
[delivery]
record_size = "2MiB"
request_size = "4MiB"
[spool]
hot_size = "8MiB"
[partition]
method = "static"
key = "k"
"""


def a_record_that_is_larger_than_the_stream_takes_is_stored_in_parts():
    create_stream(KINESIS, "parts")
    lines = [b'text,host=a words="%s" %d' % (b"0123456789" * 300, i) for i in range(1, 1200)]
    expect_code(run(URL, "parts", "--deadline", "30s", config=LARGE, lines=lines, limit=60), 0)
    records = read_stream(KINESIS, "parts")
    expect_same_lines(lines, records)
    assert 4 <= len(records) < 40, f"{len(records)} records"


def what_the_service_calls_invalid_is_told_in_its_words():
    """A line over 1 MiB is more than this server takes; nothing else can be stored, so the configuration is at fault and the line is not given up."""
    create_stream(KINESIS, "invalid")
    frame = b'text,host=a words="%s" 1'
    finished = run(URL, "invalid", "--deadline", "5s", config=LARGE, lines=[frame % (b"x" * ((1 << 20) - len(frame) + 2))], limit=60)
    expect_code(finished, 78)
    expect_words(first_line(finished), "ValidationException", "less than or equal to 1048576", "1 line handed back")
    assert read_stream(KINESIS, "invalid") == []


main(
    "kinesalite",
    [
        a_hundred_thousand_lines_arrive_byte_for_byte_under_fresh_uuids,
        the_lines_of_a_key_share_records_and_keep_their_order,
        with_a_tag_each_line_lies_under_its_value_or_the_default,
        with_measurement_each_line_lies_under_its_measurement,
        with_a_static_key_all_lines_lie_under_it_in_their_order,
        random_keys_with_lines_fill_records,
        lines_through_a_pipe_arrive_too,
        nasty_lines_arrive_byte_for_byte_and_bad_ones_do_not_stop_them,
        lines_without_a_time_get_the_time_of_their_arrival,
        a_missing_stream_ends_with_1_and_is_named_with_its_region,
        a_record_that_is_larger_than_the_stream_takes_is_stored_in_parts,
        what_the_service_calls_invalid_is_told_in_its_words,
    ],
)
