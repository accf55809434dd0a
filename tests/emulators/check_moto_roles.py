"""The release binary assumes roles from moto's STS, with authentication enforced: the user may do nothing but assume them, so what is in the stream was
signed by the role. It meets keys that were deleted, wrong secrets, trust policies that want an external ID, and expiries with microseconds.

Usage: check_moto_roles.py URL   (moto_server, started with INITIAL_NO_AUTH_ACTION_COUNT=99999)
"""

import contextlib
import http.client
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from common import (
    BINARY, REGION, client, create_stream, expect_code, expect_same_lines, expect_words, first_line, main, read_stream, run, telegraf_lines,
)
from moto_account import allow, enforce, make_key, make_role, make_user, trust, unenforced

URL = sys.argv[1]
LINES = telegraf_lines(2_000)
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXZpY2UifQ.c2lnbmF0dXJl"

ASSUMER = make_user(URL, "assumer", allow("sts:AssumeRole"))
POWERLESS = make_user(URL, "powerless", None)
WRITER = make_role(URL, "writer", allow("kinesis:*"), trust())
GUARDED = make_role(URL, "guarded", allow("kinesis:*"), trust(StringEquals={"sts:ExternalId": "fleet:7/a"}))
FEDERATED = make_role(URL, "federated", allow("kinesis:*"), trust("sts:AssumeRoleWithWebIdentity"))
IDLE = make_role(URL, "idle", None, trust())
KINESIS = client("kinesis", URL, **make_user(URL, "reader", allow("kinesis:*")))
enforce(URL, True)


class Door(http.server.ThreadingHTTPServer):
    """Stands before moto's STS: keeps what is asked and answered, and lets in a request without a signature, which moto cannot take while it enforces."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.account = []
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = "Authorization" in self.headers
        with contextlib.nullcontext() if signed else unenforced(URL):
            moto = http.client.HTTPConnection(urllib.parse.urlsplit(URL).netloc, timeout=30)
            # The Host that was signed.
            moto.request("POST", "/", body, dict(self.headers))
            answer = moto.getresponse()
            text = answer.read()
        self.server.account.append((dict(urllib.parse.parse_qsl(body.decode())), signed, answer.status, text.decode()))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type"))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def door():
    server = Door()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(code, *words, arn=WRITER, **how):
    args = ["--role-arn", arn, "--deadline", "4s"]
    finished = expect_code(run(URL, stream("refused"), *args, lines=LINES[:10], env={"AWS_ENDPOINT_URL_STS": URL}, **how), 77)
    expect_words(first_line(finished), code, "10 lines handed back", *words)
    assert finished.seconds < 4, f"took {finished.seconds:.1f} s"


def stream(name):
    return name if name in KINESIS.list_streams()["StreamNames"] else create_stream(KINESIS, name, shards=2)


def revoke(user, key):
    with unenforced(URL):
        client("iam", URL).delete_access_key(UserName=user, AccessKeyId=key["key"])


def an_assumed_role_delivers_what_its_user_may_not():
    stream("role")
    with door() as sts:
        finished = run(URL, "role", "--role-arn", WRITER, lines=LINES, env={"AWS_ENDPOINT_URL_STS": sts.url}, **ASSUMER)
    expect_code(finished, 0)
    expect_same_lines(LINES, read_stream(KINESIS, "role"))
    [(form, signed, status, text)] = sts.account
    assert (form["Action"], form["RoleArn"], signed, status) == ("AssumeRole", WRITER, True, 200), form
    assert re.match(r"kinegraf[-\w+=,.@]*\Z", form["RoleSessionName"]), form
    assert re.search(r"<Expiration>[^<]*\.\d{6}Z</Expiration>", text), f"moto no longer writes microseconds: {text}"
    finished = expect_code(run(URL, "role", lines=LINES[:1], **ASSUMER), 77)
    expect_words(first_line(finished), "AccessDenied")


def a_token_delivers_without_any_key_and_without_a_signature():
    stream("token")
    with tempfile.TemporaryDirectory() as directory, door() as sts:
        token = Path(directory, "token")
        token.write_text(TOKEN + "\n")
        config = f'role_arn = "{FEDERATED}"\nrole_session_name = "pump-7"\nweb_identity_token_file = "{token}"\n'
        by_file = {"AWS_ENDPOINT_URL_STS": sts.url}
        expect_code(run(URL, "token", lines=LINES[:1000], config=config, env=by_file, key="", secret=""), 0)
        by_environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": FEDERATED, "AWS_ROLE_SESSION_NAME": "pump-8", **by_file}
        expect_code(run(URL, "token", lines=LINES[1000:], env=by_environment, key="", secret=""), 0)
    expect_same_lines(LINES, read_stream(KINESIS, "token"))
    asked = [(form["Action"], form["WebIdentityToken"], form["RoleSessionName"], signed) for form, signed, _, _ in sts.account]
    assert asked == [("AssumeRoleWithWebIdentity", TOKEN, name, False) for name in ("pump-7", "pump-8")], asked


def an_external_id_opens_the_role_that_asks_for_it():
    stream("external")
    config = f'role_arn = "{GUARDED}"\nexternal_id = "fleet:7/a"\n'
    expect_code(run(URL, "external", lines=LINES, config=config, env={"AWS_ENDPOINT_URL_STS": URL}, **ASSUMER), 0)
    expect_same_lines(LINES, read_stream(KINESIS, "external"))
    # One that is missing moto lets pass, unlike AWS.
    wrong = config.replace("fleet:7", "fleet:8")
    refused("AccessDenied", "AssumeRole", GUARDED, "trust policy", arn=GUARDED, config=wrong, **ASSUMER)


def a_user_who_may_not_assume_the_role_ends_with_77():
    refused("AccessDenied", "AssumeRole", "needs sts:AssumeRole", **POWERLESS)


def a_wrong_secret_ends_with_77_and_sts_says_so():
    refused("SignatureDoesNotMatch", "AssumeRole", key=ASSUMER["key"], secret="wrong/" + ASSUMER["secret"])


def a_role_that_may_not_write_ends_with_77_and_kinesis_says_so():
    refused("AccessDenied", "kinesis:PutRecords", arn=IDLE, **ASSUMER)


def nothing_that_was_refused_is_in_the_stream():
    assert read_stream(KINESIS, "refused") == []


def a_deleted_key_is_77_in_exec_mode_and_nothing_of_that_input_is_kept():
    stream("revoked")
    gone = make_key_of_assumer()
    revoke("assumer", gone)
    with tempfile.TemporaryDirectory() as directory:
        spool = ["--spool", os.path.join(directory, "spool"), "--role-arn", WRITER, "--deadline", "4s"]
        ship = lambda lines, key: run(URL, "revoked", *spool, lines=lines, env={"AWS_ENDPOINT_URL_STS": URL}, **key)  # noqa: E731
        finished = expect_code(ship(LINES[:1000], gone), 77)
        expect_words(first_line(finished), "InvalidClientTokenId", "no such access key", "1000 lines handed back")
        assert finished.seconds < 4, f"took {finished.seconds:.1f} s"
        # What comes next finds a spool without them.
        expect_code(ship(LINES[1000:], ASSUMER), 0)
        expect_same_lines(LINES[1000:], read_stream(KINESIS, "revoked"))
        # The sender offers them again.
        expect_code(ship(LINES[:1000], ASSUMER), 0)
    expect_same_lines(LINES, read_stream(KINESIS, "revoked"))


def make_key_of_assumer():
    with unenforced(URL):
        return make_key(URL, "assumer")


def a_deleted_key_is_waited_for_in_a_daemon_which_recovers_with_a_new_one_and_loses_nothing():
    stream("daemon")
    gone = make_key_of_assumer()
    revoke("assumer", gone)
    with tempfile.TemporaryDirectory() as home, door() as sts:
        shared = Path(home, ".aws", "credentials")
        shared.parent.mkdir()
        write = lambda key: shared.write_text(f"[default]\naws_access_key_id = {key['key']}\naws_secret_access_key = {key['secret']}\n")  # noqa: E731
        write(gone)
        command = [BINARY, "--region", REGION, "--stream", "daemon", "--endpoint-url", URL, "--role-arn", WRITER, "--flush-interval", "0s", "-v"]
        environment = {"PATH": os.environ["PATH"], "HOME": home, "AWS_ENDPOINT_URL_STS": sts.url, "AWS_EC2_METADATA_DISABLED": "true"}
        with open(os.path.join(home, "stderr"), "w+b") as stderr:
            daemon = subprocess.Popen(command, env=environment, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr)
            try:
                feed(daemon, LINES[:1000])
                wait_until(lambda: sum(status == 403 for _, _, status, _ in sts.account) >= 3, 30, "it does not try again")
                assert daemon.poll() is None, "it has ended"
                feed(daemon, LINES[1000:1500])
                write(ASSUMER)
                # Before the end of the input.
                wait_until(lambda: len(read_stream(KINESIS, "daemon")) >= 1500, 60, "it does not recover")
                feed(daemon, LINES[1500:])
                daemon.stdin.close()
                code = daemon.wait(timeout=30)
            finally:
                daemon.kill()
                daemon.wait()
            stderr.seek(0)
            said = stderr.read().decode()
    assert code == 0, f"exit code {code}; it said:\n{said}"
    expect_same_lines(LINES, read_stream(KINESIS, "daemon"))
    expect_words(said, "InvalidClientTokenId")
    refusals = [status for _, _, status, _ in sts.account]
    assert refusals.count(200) == 1 and refusals.count(403) < 12, f"STS was asked {len(refusals)} times: {refusals}"


def feed(daemon, lines):
    daemon.stdin.write(b"".join(line + b"\n" for line in lines))
    daemon.stdin.flush()


def wait_until(wanted, seconds, otherwise):
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, f"{otherwise} within {seconds} s"
        time.sleep(0.1)


main(
    "moto roles",
    [
        an_assumed_role_delivers_what_its_user_may_not,
        a_token_delivers_without_any_key_and_without_a_signature,
        an_external_id_opens_the_role_that_asks_for_it,
        a_user_who_may_not_assume_the_role_ends_with_77,
        a_wrong_secret_ends_with_77_and_sts_says_so,
        a_role_that_may_not_write_ends_with_77_and_kinesis_says_so,
        nothing_that_was_refused_is_in_the_stream,
        a_deleted_key_is_77_in_exec_mode_and_nothing_of_that_input_is_kept,
        a_deleted_key_is_waited_for_in_a_daemon_which_recovers_with_a_new_one_and_loses_nothing,
    ],
)
