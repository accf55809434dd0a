"""The release binary against kinesis-local (kinesis-mock): a few thousand records, since it is slow; plain, over TLS with a certificate of ours, and
refused with its own self-signed one. Its answers carry null error codes, which mean success.

Usage: check_kinesis_local.py PLAIN_URL TLS_URL CA_FILE SELF_SIGNED_URL
"""

import sys

from common import (
    client, create_stream, expect_code, expect_same_lines, expect_words, first_line, main, nasty_lines, read_stream, run, split, tag_of, telegraf_lines,
)

PLAIN, TLS, CA_FILE, SELF_SIGNED = sys.argv[1:]
KINESIS = client("kinesis", PLAIN)


def three_thousand_records_arrive_byte_for_byte():
    create_stream(KINESIS, "plain")
    lines = telegraf_lines(3_000) + nasty_lines()
    expect_code(run(PLAIN, "plain", "--partition", "tag=host,nowhere", lines=lines), 0)
    records = read_stream(KINESIS, "plain")
    expect_same_lines(lines, records)
    for record in records:
        (line,) = split(record.data)
        assert record.key == (tag_of(line, "host") or "nowhere"), f"{line[:80]!r} lies under {record.key}"


def over_tls_with_our_root_all_arrives():
    create_stream(KINESIS, "tls")
    lines = telegraf_lines(20_000)
    finished = run(TLS, "tls", "--pack", "lines", lines=lines, config=f'[network]\nca_file = "{CA_FILE}"\n')
    expect_code(finished, 0)
    expect_same_lines(lines, read_stream(KINESIS, "tls"))


def the_environments_root_is_trusted_as_well():
    create_stream(KINESIS, "bundle")
    lines = telegraf_lines(100)
    expect_code(run(TLS, "bundle", lines=lines, env={"AWS_CA_BUNDLE": CA_FILE}), 0)
    expect_same_lines(lines, read_stream(KINESIS, "bundle"))


def a_certificate_of_an_unknown_root_is_refused():
    finished = expect_code(run(TLS, "tls", "--deadline", "2s", stdin=b"cpu value=1 1\n", limit=30), 75)
    expect_words(first_line(finished), "certificate")
    assert finished.seconds < 2.5, f"took {finished.seconds:.2f} s of 2 s"


def a_self_signed_certificate_is_refused():
    finished = expect_code(run(SELF_SIGNED, "tls", "--deadline", "2s", stdin=b"cpu value=1 1\n", limit=30), 75)
    expect_words(first_line(finished), "certificate")


main(
    "kinesis-local",
    [
        three_thousand_records_arrive_byte_for_byte,
        over_tls_with_our_root_all_arrives,
        the_environments_root_is_trusted_as_well,
        a_certificate_of_an_unknown_root_is_refused,
        a_self_signed_certificate_is_refused,
    ],
)
