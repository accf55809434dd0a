"""What the emulator checks share: running the program as a person does, reading a stream back with boto3, and comparing.

A check is a function whose name is the sentence it proves. A failed one raises; `main` names it and ends with 1.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("KINEGRAF_BIN", str(ROOT / "target" / "release" / "kinegraf"))
REGION = "us-east-1"
KEY, SECRET = "AKIALOOPBACK00000001", "secret"
UUID_V4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")

Record = collections.namedtuple("Record", "key data shard")
Finished = collections.namedtuple("Finished", "code stdout stderr seconds")


def client(service, url, key=KEY, secret=SECRET, token=None, **more):
    """A boto3 client that knows nothing but what it is given."""
    config = Config(retries={"max_attempts": 3}, read_timeout=60, connect_timeout=5)
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, config=config, **more
    )


def create_stream(kinesis, name, shards=4):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    for _ in range(200):
        if kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamStatus"] == "ACTIVE":
            return name
        time.sleep(0.02)
    raise AssertionError(f"stream {name} did not become active")


def read_stream(kinesis, name):
    """Every record of every shard, in the order of its shard."""
    records = []
    for shard in kinesis.describe_stream(StreamName=name)["StreamDescription"]["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        empty = 0
        while iterator and empty < 2:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=10000)
            records += [Record(r["PartitionKey"], r["Data"], shard["ShardId"]) for r in answer["Records"]]
            empty = 0 if answer["Records"] else empty + 1
            iterator = answer.get("NextShardIterator")
    return records


def run(url, stream, *args, lines=None, stdin=None, key=KEY, secret=SECRET, token=None, env=None, config=None, limit=120):
    """Runs the program with `lines` (each gets its newline) in a regular file as its standard input, or with `stdin` bytes through a pipe."""
    with tempfile.TemporaryDirectory(prefix="kinegraf-") as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        if token:
            environment["AWS_SESSION_TOKEN"] = token
        environment.update(env or {})
        command = [BINARY, "--region", REGION, "--stream", stream, "--endpoint-url", url, *args]
        if config:
            path = os.path.join(home, "kinegraf.toml")
            Path(path).write_text(config)
            command += ["--config", path]
        feed = {"input": stdin}
        if lines is not None:
            file = open(os.path.join(home, "lines"), "w+b")
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            file.seek(0)
            feed = {"stdin": file}
        start = time.monotonic()
        done = subprocess.run(command, **feed, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit)
        return Finished(done.returncode, done.stdout, done.stderr.decode(errors="replace"), time.monotonic() - start)


def expect_code(finished, code):
    assert finished.code == code, f"exit code {finished.code} instead of {code} after {finished.seconds:.1f} s; it said:\n{finished.stderr}"
    return finished


def first_line(finished):
    """The whole reason, in at most 500 bytes of ASCII."""
    line = finished.stderr.split("\n", 1)[0]
    assert 0 < len(line) <= 500 and line.isascii(), f"first line on stderr: {line!r}"
    return line


def expect_words(text, *words):
    for word in words:
        assert word.lower() in text.lower(), f"{word!r} is not in {text!r}"


def expect_same_lines(sent, records):
    """The records hold exactly the sent lines, each with its newline, each exactly once, byte for byte."""
    stored = collections.Counter()
    for record in records:
        stored.update(split(record.data))
    expected = collections.Counter(sent)
    missing, strange = expected - stored, stored - expected
    assert not missing, f"{sum(missing.values())} of {len(sent)} lines are missing, one: {next(iter(missing))[:300]!r}"
    assert not strange, f"{sum(strange.values())} lines too many, one: {next(iter(strange))[:300]!r}"


def split(data):
    """The lines of a record: cut at newlines outside quoted field values; each line must have its newline."""
    assert data.endswith(b"\n"), f"a record without a last newline: {data[-80:]!r}"
    if b'"' not in data:
        return data[:-1].split(b"\n")
    lines, start = [], 0
    for newline in re.finditer(b"\n", data):
        line = data[start : newline.start()]
        if not in_string(line):
            lines.append(line)
            start = newline.end()
    assert start == len(data), f"a record ends inside a string: {data[-80:]!r}"
    return lines


def in_string(line):
    """Whether a string field is open at the end of `line`."""
    unescaped = re.sub(rb"\\.", b"..", line, flags=re.DOTALL)
    _, space, fields = unescaped.partition(b" ")
    inside = False
    for i in range(len(fields)) if space else ():
        if fields[i : i + 1] == b'"' and (inside or fields[i - 1 : i] == b"="):
            inside = not inside
    return inside


def unescape(text):
    return re.sub(rb"\\([, =])", rb"\1", text).decode()


def measurement_of(line):
    return unescape(re.match(rb"(?:\\.|[^\\, ])+", line).group())


def tag_of(line, name):
    """The value of a tag, or None."""
    head = re.match(rb"(?:\\.|[^\\ ])+", line).group()
    for part in re.split(rb"(?<!\\),", head)[1:]:
        key, _, value = re.match(rb"((?:\\.|[^\\=])+)(=)(.*)", part, re.DOTALL).groups()
        if unescape(key) == name:
            return unescape(value)
    return None


FIRST_NS = 1_795_305_600_000_000_000


def telegraf_lines(count, hosts=20):
    """Unique lines as Telegraf writes them on small hosts; every tenth has no `host`."""
    lines = []
    for i in range(count):
        host = b"" if i % 10 == 9 else b",host=edge-%02d" % (i * 7 % hosts)
        now = FIRST_NS + i * 1000
        kind = i % 5
        if kind == 0:
            line = b"cpu,cpu=cpu%d%s usage_idle=%d.%04d,usage_user=%d.25 %d" % (i % 4, host, i % 100, i % 9973, i % 77, now)
        elif kind == 1:
            line = b"mem%s total=1024000000i,used=%di,available_percent=%d.5 %d" % (host, i * 4099, i % 100, now)
        elif kind == 2:
            line = b"disk,device=mmcblk0p2,fstype=ext4%s,path=/ free=%di,used_percent=%d.125 %d" % (host, i * 65537, i % 100, now)
        elif kind == 3:
            line = b'system%s load1=%d.%02d,uptime=%di,uptime_format="%d days, %02d:%02d" %d' % (host, i % 9, i % 100, i, i % 50, i % 24, i % 60, now)
        else:
            line = b"modbus%s,name=Pump\\ %d flow=%d.%03de-3,running=%s %d" % (host, i % 7, i % 1000, i % 997, b"true" if i % 2 else b"f", now)
        lines.append(line)
    return lines


def nasty_lines():
    """Valid lines at the edges of the syntax."""
    lines = [
        b"m f=1i 1",
        b'quoted,host=a text="two\nlines" 2',
        b'quoted,host=a text="three\n\nlines and a \\" quote\n",other="x,y z=1" 3',
        b'quoted,host=b text="# no comment\n# here" 4',
        b"escaped\\ measurement,tag\\ key=tag\\ value,comma=a\\,b,host=c\\=\\ d field\\ key=1 5",
        b'escaped\\,measurement,host=a f="back\\\\slash" 6',
        b'types,host=a float=1.5,neg=-2.25e-10,int=-9223372036854775808i,uint=18446744073709551615u,yes=t,no=FALSE,text="" 7',
        'unicode,host=Zürich,город=Москва text="✓ 温度" 8'.encode(),
        "wide,host=😀 f=1 9".encode(),
        b"negative,host=a f=1 -10",
        b'json,host=a text="{\\"a\\": [1, 2]}" 11',
        b'long,host=a text="' + b"0123456789abcdef" * (71_000 // 16) + b'" 12',
        b"fields,host=a " + b",".join(b"f%d=%di" % (i, i) for i in range(500)) + b" 13",
    ]
    return lines


BAD_LINES = [b"nofields", b"novalue,host=a f=", b"badnumber,host=a f=1x 1", b"badtime,host=a f=1 12:30", b",host=a f=1 1", b"twice f=1 1 2"]


def main(name, checks):
    failed = 0
    for check in checks:
        start = time.monotonic()
        sentence = check.__name__.replace("_", " ")
        try:
            check()
        except Exception as error:  # noqa: BLE001 - every failure is told, and the next check still runs
            failed += 1
            words = f"FAILED {type(error).__name__}: {error}"
        else:
            words = "ok"
        print(f"  {name}: {sentence} ... {words} ({time.monotonic() - start:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)
