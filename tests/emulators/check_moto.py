"""The release binary against moto with authentication enforced: it recomputes our signatures with botocore, and refuses with XML.

Usage: check_moto.py URL   (moto_server, started with INITIAL_NO_AUTH_ACTION_COUNT=99999)
"""

import sys

from common import (
    client, create_stream, expect_code, expect_same_lines, first_line, main, read_stream, run, telegraf_lines,
)
from moto_account import allow, enforce, make_role, make_user, trust

URL = sys.argv[1]
LINES = telegraf_lines(2_000)
ALLOW = allow("kinesis:*", "sts:*")


def assume_role(user):
    arn = make_role(URL, "writer", ALLOW, trust())
    made = client("sts", URL, **user).assume_role(RoleArn=arn, RoleSessionName="device")["Credentials"]
    return {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"], "token": made["SessionToken"]}


GOOD = make_user(URL, "good", ALLOW)
POWERLESS = make_user(URL, "powerless", None)
SESSION = assume_role(GOOD)
KINESIS = client("kinesis", URL, **GOOD)
for stream in ("keys", "session", "lines"):
    create_stream(KINESIS, stream, shards=2)
enforce(URL, True)


def refused(code, **credentials):
    """The XML need not be understood, only survived: the status or the code must be told."""
    line = first_line(expect_code(run(URL, "keys", stdin=b"cpu value=1 1\n", limit=60, **credentials), 77))
    assert "403" in line or code in line, f"neither 403 nor {code} is in {line!r}"


def with_the_right_key_every_line_arrives():
    expect_code(run(URL, "keys", "--partition", "tag=host", lines=LINES, **GOOD), 0)
    expect_same_lines(LINES, read_stream(KINESIS, "keys"))


def with_odd_bytes_in_body_and_keys_the_signature_holds():
    lines = [f"m,host=h{i}\\ ✓é😀 text=\"a+b/c=%20 &~\" {i}".encode() for i in range(1, 50)]
    expect_code(run(URL, "lines", "--partition", "tag=host", lines=lines, **GOOD), 0)
    expect_same_lines(lines, read_stream(KINESIS, "lines"))


def with_an_assumed_roles_session_token_every_line_arrives():
    expect_code(run(URL, "session", "--pack", "lines", lines=LINES, **SESSION), 0)
    expect_same_lines(LINES, read_stream(KINESIS, "session"))


def a_wrong_secret_ends_with_77():
    refused("SignatureDoesNotMatch", key=GOOD["key"], secret="wrong/" + GOOD["secret"])


def an_unknown_key_ends_with_77():
    refused("InvalidClientTokenId", key="AKIAUNKNOWN000000001", secret="x")


def a_session_token_of_another_session_ends_with_77():
    refused("InvalidClientTokenId", key=SESSION["key"], secret=SESSION["secret"], token=SESSION["token"][:-4] + "0000")


def a_user_whom_no_policy_allows_ends_with_77():
    refused("AccessDenied", **POWERLESS)


def nothing_that_was_refused_is_in_the_stream():
    expect_same_lines(LINES, read_stream(KINESIS, "keys"))


main(
    "moto",
    [
        with_the_right_key_every_line_arrives,
        with_odd_bytes_in_body_and_keys_the_signature_holds,
        with_an_assumed_roles_session_token_every_line_arrives,
        a_wrong_secret_ends_with_77,
        an_unknown_key_ends_with_77,
        a_session_token_of_another_session_ends_with_77,
        a_user_whom_no_policy_allows_ends_with_77,
        nothing_that_was_refused_is_in_the_stream,
    ],
)
