"""EC2's metadata and the container endpoint at the real addresses: boto3 and the binary find the same keys in the same fake.

Usage: check_metadata.py SERVICE   (the example metadata_service, in a network namespace that has the addresses)
       check_metadata.py nobody    (in one from which nothing comes back)
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import botocore.session

from common import client, expect_code, expect_words, first_line, main, run

CONTAINER = "/v2/credentials/6b2f0f5e-8b0a-4c3e-9d55-0e2a7c1d9f11"
EKS_TOKEN = "pod-identity-token"
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
SENT = []


class Service:
    """The fake, until `end`."""

    def __init__(self, program):
        pods = [f"{host}:80={EKS_TOKEN}" for host in ("169.254.170.23", "[fd00:ec2::23]")]
        command = [program, "169.254.169.254:80", "[fd00:ec2::254]:80", "169.254.170.2:80", *pods]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.told = json.loads(self.process.stdout.readline())

    def end(self):
        """What each address was asked, and the lines that were stored."""
        out, _ = self.process.communicate(timeout=30)
        *asked, lines = [json.loads(line) for line in out.splitlines()]
        return asked, lines


def boto3_finds(variables):
    """The keys that botocore's own chain finds with these variables."""
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(variables, AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
        found = botocore.session.Session().get_credentials()
        assert found is not None, "botocore finds no credentials"
        keys = found.get_frozen_credentials()
        return found.method, (keys.access_key, keys.secret_key, keys.token)
    finally:
        os.environ.clear()
        os.environ.update(before)


def both_find(variables, method):
    """boto3 finds the fake's keys, by this method, and delivers with them; so does the binary. Nobody else's would be taken."""
    told = SERVICE.told
    expected = (told["id"], told["secret"], told["token"])
    found = boto3_finds(variables)
    assert found == (method, expected), f"botocore found {found[0]}, {found[1][0]}"
    kinesis = client("kinesis", told["kinesis"], *found[1])
    line = f"m by=\"boto3\",n={len(SENT)}i {len(SENT) + 1}"
    answer = kinesis.put_records(StreamName=told["stream"], Records=[{"Data": line.encode() + b"\n", "PartitionKey": "boto3"}])
    assert answer["FailedRecordCount"] == 0
    SENT.append(line)
    ours(variables)


def ours(variables):
    line = f"m by=\"kinegraf\",n={len(SENT)}i {len(SENT) + 1}"
    finished = run(SERVICE.told["kinesis"], SERVICE.told["stream"], "-vv", lines=[line.encode()], env={**NO_KEYS, **variables}, limit=30)
    expect_code(finished, 0)
    for name in ("secret", "token"):
        assert SERVICE.told[name] not in finished.stderr, f"the {name} is in what was said"
    SENT.append(line)


def the_instance_has_the_same_keys_for_boto3_and_for_us():
    both_find({}, "iam-role")


def the_same_over_ipv6():
    both_find({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "iam-role")


def a_container_of_ecs_has_them():
    both_find({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CONTAINER}, "container-role")


def a_pod_of_eks_has_them_with_its_token_file():
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(EKS_TOKEN)
        for host in ("169.254.170.23", "[fd00:ec2::23]"):
            uri = f"http://{host}{CONTAINER}"
            both_find({"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}, "container-role")


def no_proxy_is_asked_at_these_addresses():
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def count():
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                calls.append(1)
                connection.close()

        threading.Thread(target=count, daemon=True).start()
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = {name: url for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")}
        ours(proxies)
        ours({**proxies, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CONTAINER})
        proxy.shutdown(socket.SHUT_RDWR)
    assert not calls, f"{len(calls)} connections to the proxy"


def everything_that_was_sent_is_stored_once_and_we_ask_what_boto3_asks():
    asked, lines = SERVICE.end()
    assert sorted(lines) == sorted(SENT), f"sent {SENT}, stored {lines}"
    token = "PUT /latest/api/token"
    for of_address in asked[:2]:
        # boto3 is first; the rest, in threes, is ours.
        assert of_address[0] == token and of_address[3:6] == of_address[:3], of_address


def where_nobody_answers_a_run_costs_a_second_and_says_so():
    for variables in ({}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4"}):
        finished = run("http://127.0.0.1:9", "telemetry", lines=[b"m f=1 1"], env={**NO_KEYS, **variables}, limit=30)
        expect_code(finished, 77)
        expect_words(first_line(finished), "EC2 instance metadata (nobody answered at http://169.254.169.254 within 1 s)")
        assert 0.9 < finished.seconds < 2.0, f"it took {finished.seconds:.2f} s"


def switched_off_it_costs_nothing():
    finished = run("http://127.0.0.1:9", "telemetry", lines=[b"m f=1 1"], env=NO_KEYS, config='[credentials]\nimds = "off"\n', limit=30)
    expect_code(finished, 77)
    expect_words(first_line(finished), 'credentials.imds is "off"')
    assert finished.seconds < 0.8, f"it took {finished.seconds:.2f} s"


if sys.argv[1] == "nobody":
    main("metadata", [where_nobody_answers_a_run_costs_a_second_and_says_so, switched_off_it_costs_nothing])
SERVICE = Service(sys.argv[1])
main(
    "metadata",
    [
        the_instance_has_the_same_keys_for_boto3_and_for_us,
        the_same_over_ipv6,
        a_container_of_ecs_has_them,
        a_pod_of_eks_has_them_with_its_token_file,
        no_proxy_is_asked_at_these_addresses,
        everything_that_was_sent_is_stored_once_and_we_ask_what_boto3_asks,
    ],
)
