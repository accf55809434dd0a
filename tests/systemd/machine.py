"""A booted system: a Debian root that stays as it is, a tmpfs over it for what is written, and systemd as its first process, in a network of its own that has
loopback only. And what the checks do to it."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parent.parent
PORT = 4568
PATIENCE_S = 40


class Failed(Exception):
    """A check that did not hold."""


def expect(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words) or "it does not hold")


class Machine:
    def __init__(self, debian, binary):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kinegraf-systemd-"))
        self.root = self.work / "root"
        self.stored = self.work / "stored"
        self.nspawn = self.leader = self.kinesis = None
        self.sender = 0
        try:
            run("mount", "-t", "tmpfs", "tmpfs", self.work)
            for name in ["above", "work", "root"]:
                (self.work / name).mkdir()
            overlay = f"lowerdir={pathlib.Path(debian).resolve()},upperdir={self.work}/above,workdir={self.work}/work"
            run("mount", "-t", "overlay", "overlay", "-o", overlay, self.root)
            self.install(binary)
        except BaseException:
            self.end()
            raise

    def install(self, binary):
        """What a package does."""
        shutil.copy(binary, self.root / "usr/bin/kinegraf")
        units = self.root / "usr/lib/systemd/system"
        for unit in [*(SOURCE / "systemd").glob("*.service"), *(SOURCE / "systemd").glob("*.socket")]:
            shutil.copy(unit, units / unit.name)
        for folder in ["sysusers.d", "tmpfiles.d"]:
            shutil.copy(SOURCE / "packaging" / folder / "kinegraf.conf", self.root / "usr/lib" / folder / "kinegraf.conf")
        run("chroot", self.root, "systemd-sysusers", "kinegraf.conf")
        run("systemd-tmpfiles", f"--root={self.root}", "--create", "kinegraf.conf")
        run("systemctl", f"--root={self.root}", "enable", "kinegraf.socket", "kinegraf.service")

    def boot(self):
        console = open(self.work / "console", "wb")
        # Also when whoever runs this is killed: systemd-nspawn is told, and ends the machine in order.
        command = ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "-D", self.root, "--register=no", "--keep-unit", "--console=pipe", "--private-network", "--resolv-conf=off", "-b"]
        self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        until(self.find_leader, "the system does not start")
        until(lambda: self.ctl("is-system-running", code=None) in ["running", "degraded"], "the system is not up")

    def find_leader(self):
        expect(self.nspawn.poll() is None, "systemd-nspawn ended:", (self.work / "console").read_text()[-500:])
        # The first child of systemd-nspawn only makes the second, which becomes the first process of the system.
        for child in pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{child}/status").read_text()
                if re.search(r"^Name:\t(systemd|init)$", status, re.M) and re.search(r"^NSpid:.*\t1$", status, re.M):
                    self.leader = int(child)
        return self.leader is not None

    def end(self):
        # Asked again, it is still this that has to be done.
        for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
            signal.signal(number, signal.SIG_IGN)
        if self.kinesis:
            self.kinesis.kill()
        if self.nspawn:
            if self.leader:
                self.run("systemctl", "poweroff", code=None)
            else:
                self.nspawn.terminate()
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                # The machine outlives a systemd-nspawn that is killed; its first process takes all others with it.
                if self.leader:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.leader, signal.SIGKILL)
                self.nspawn.kill()
                self.nspawn.wait()
        for mounted in [self.root, self.work]:
            subprocess.run(["umount", "-l", mounted], check=False, stderr=subprocess.DEVNULL)
        self.work.rmdir()

    # Inside of it.

    def run(self, *command, code=0):
        """Runs a command in it, and gives what it writes."""
        leader = str(self.leader)
        enter = ["nsenter", "-t", leader, "-m", "-u", "-i", "-p", "-C", "-n", f"--root=/proc/{leader}/root", "--"]
        return run(*enter, "env", "-C", "/", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", *command, code=code)

    def ctl(self, *command, code=0):
        return self.run("systemctl", *command, code=code).strip()

    def shows(self, what, unit="kinegraf.service"):
        return self.ctl("show", "-P", what, unit)

    def journal(self, unit="kinegraf.service"):
        return self.run("journalctl", "-o", "cat", "-q", "-u", unit, code=None)

    def path(self, inside):
        """What is written there is seen inside, a tmpfs of its own such as /run too."""
        return pathlib.Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside, text, mode=0o644, owner=(0, 0)):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, *owner)

    def id_of(self, user):
        return int(self.run("id", "-u", user))

    def configure(self, more="", name="kinegraf", credentials='access_key = "AKIAFIRST"\nsecret_key = "secret"'):
        text = f"""
            region = "eu-central-1"
            streamname = "{name}"
            endpoint_url = "http://kinesis.test:{PORT}"
            {credentials}
            [network]
            allow_plain_http = true
            [spool]
            directory = "${{STATE_DIRECTORY}}/spool"
            [packing]
            flush_interval = "500ms"
            {more}
            """
        self.write(f"/etc/kinegraf/{name}.toml", text, 0o640, (0, self.id_of("kinegraf")))

    def drop_in(self, text, unit="kinegraf.service"):
        self.write(f"/run/systemd/system/{unit}.d/test.conf", text)
        self.ctl("daemon-reload")

    def fresh(self):
        """As after an installation: the sockets listen, the service does not run, nothing waits, there is no endpoint."""
        self.endpoint_down()
        self.ctl("stop", "kinegraf.service", "kinegraf.socket", "kinegraf@*", "host.service", code=None)
        # The directory of units itself is how programs know that systemd runs.
        self.run("sh", "-c", "rm -rf /var/lib/kinegraf* /run/kinegraf /run/kinegraf-* /run/systemd/system/*")
        self.ctl("daemon-reload")
        self.ctl("reset-failed")
        self.run("journalctl", "-q", "--rotate", "--vacuum-time=1s", code=None)
        self.stored.unlink(missing_ok=True)
        self.configure()
        self.ctl("start", "kinegraf.socket")

    def start(self):
        self.ctl("start", "kinegraf.service")

    # The endpoint.

    def endpoint_up(self):
        """The name can be looked up, and somebody answers there."""
        self.write("/etc/hosts", "127.0.0.1 localhost kinesis.test\n")
        self.kinesis = subprocess.Popen(["nsenter", "-t", str(self.leader), "-n", sys.executable, HERE / "kinesis.py", str(PORT), self.stored])

    def endpoint_down(self):
        if self.leader:
            self.write("/etc/hosts", "127.0.0.1 localhost\n")
        if self.kinesis:
            self.kinesis.kill()
            self.kinesis.wait()
            self.kinesis = None

    def delivered(self):
        with contextlib.suppress(FileNotFoundError):
            return [json.loads(line) for line in self.stored.read_text().splitlines()]
        return []

    def expect_delivered(self, lines, more_than_once=False):
        """Each of these lines, and no other, within some seconds."""

        def arrived():
            return {record["data"].rstrip("\n") for record in self.delivered()} >= set(lines)

        until(arrived, "not every line is delivered")
        found = [record["data"].rstrip("\n") for record in self.delivered()]
        expect(set(found) == set(lines), "there are lines that nobody sent:", set(found) - set(lines))
        expect(more_than_once or len(found) == len(lines), f"{len(found) - len(lines)} lines came more than once")

    # Senders.

    def lines(self, count):
        self.sender += 1
        return [f"m,sender=s{self.sender} n={n}i {1_700_000_000_000_000_000 + n}" for n in range(count)]

    def connect(self, name="kinegraf"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect(str(self.path(f"/run/{name}.sock")))
        return client

    def send(self, lines, name="kinegraf"):
        """By a client that is gone at once."""
        with self.connect(name) as client:
            client.sendall("".join(line + "\n" for line in lines).encode())

    def send_datagram(self, lines, name="kinegraf"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto("\n".join(lines).encode(), str(self.path(f"/run/{name}.dgram")))

    def wait_for_status(self, words, unit="kinegraf.service"):
        until(lambda: words in self.shows("StatusText", unit), lambda: f"the status is {self.shows('StatusText', unit)!r}, not {words!r}")


def run(*command, code=0):
    """What a command writes, to both streams."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False)
    text = done.stdout.decode(errors="replace")
    expect(code is None or done.returncode == code, *command[-4:], f"ended with {done.returncode}:", text[-2000:])
    return text


def until(holds, words, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > end:
            raise Failed(words() if callable(words) else words)
        time.sleep(0.1)
