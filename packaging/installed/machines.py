"""Where packages are installed: a Debian that is booted (amd64), one whose programs an emulator runs (arm64, no systemd), and a root with busybox alone. Each is a
root that stays as it is with a tmpfs over it, and offers the checks the same: to run a command in it, to start and stop the service, to send lines."""

import contextlib
import errno
import fcntl
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(SOURCE / "tests/systemd"))

from machine import PORT, Failed, Machine, expect, run, until  # noqa: E402

CONFIGURATION = "/etc/kinegraf/kinegraf.toml"
SPOOL = "/var/lib/kinegraf/spool"
ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]


class Debian(Machine):
    """What the checks ask of a Debian, booted or not."""

    def __init__(self, debian, packages):
        self.seen = set()
        super().__init__(debian, packages)

    def delivered(self):
        """But for lines of earlier checks: an endpoint that goes away before its answer has arrived gets them twice."""
        return [record for record in super().delivered() if record["data"].rstrip("\n") not in self.seen]

    def expect_delivered(self, lines, more_than_once=False):
        super().expect_delivered(lines, more_than_once)
        self.seen.update(lines)

    def install(self, packages):
        self.packages = pathlib.Path(packages)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.root / "var/log/journal")
        run("chroot", self.root, "useradd", "--system", "telegraf")

    def endpoint_up(self):
        if not self.kinesis:
            super().endpoint_up()

    def dpkg(self, *words, code=0):
        """Runs dpkg as apt does where nobody can be asked; packages are named by their version."""
        (self.path("/var/tmp/packages")).mkdir(exist_ok=True)
        command = ["dpkg"]
        for word in words:
            if not word.startswith("-") and (self.packages / f"{word}.deb").exists():
                shutil.copy(self.packages / f"{word}.deb", self.path(f"/var/tmp/packages/{word}.deb"))
                word = f"/var/tmp/packages/{word}.deb"
            command.append(word)
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", *command, code=code)

    def status(self):
        """As dpkg has it: what is wanted, and the state."""
        return self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Version}", "kinegraf", code=None).strip()

    def configure(self, more="", directory=SPOOL, name="kinegraf"):
        text = f"""
            region = "eu-central-1"
            streamname = "{name}"
            endpoint_url = "http://kinesis.test:{PORT}"
            access_key = "AKIAFIRST"
            secret_key = "secret"
            [network]
            allow_plain_http = true
            [spool]
            directory = "{directory}"
            [packing]
            flush_interval = "500ms"
            {more}
            """
        # As an editor does: owner and mode stay.
        path = self.path(f"/etc/kinegraf/{name}.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def ids(self, user):
        """Of a user inside: number, group, all its groups."""
        users = dict((line.split(":")[0], line.split(":")) for line in self.path("/etc/passwd").read_text().splitlines())
        groups = [line.split(":") for line in self.path("/etc/group").read_text().splitlines()]
        number, group = int(users[user][2]), int(users[user][3])
        return number, group, [int(words[2]) for words in groups if user in words[3].split(",")]

    def has_user(self, user):
        return any(line.startswith(f"{user}:") for line in self.path("/etc/passwd").read_text().splitlines())

    def has_group(self, group):
        return any(line.startswith(f"{group}:") for line in self.path("/etc/group").read_text().splitlines())

    def is_member(self, user):
        return self.group_number() in self.ids(user)[2]

    def group_number(self, name="kinegraf"):
        return next(int(line.split(":")[2]) for line in self.path("/etc/group").read_text().splitlines() if line.startswith(f"{name}:"))

    def expect_mode(self, inside, mode, owner=0, group=None):
        found = self.path(inside).lstat()
        wanted = (mode, owner, self.group_number() if group is None else group)
        expect((found.st_mode & 0o7777, found.st_uid, found.st_gid) == wanted, inside, oct(found.st_mode), found.st_uid, found.st_gid, "not", wanted)

    def exists(self, inside):
        return os.path.lexists(self.path(inside))

    def segments(self, folder=SPOOL):
        """Files in which lines wait, as the package's scripts look for them."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(file.name for file in self.path(folder).rglob("*.segment*") if file.stat().st_size > 0)
        return []

    def send_as(self, user, lines, path="/run/kinegraf.sock"):
        """By a process of that user, with the groups that it has now; 0 or the error's number."""
        number, group, groups = self.ids(user)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 255
            with contextlib.suppress(Exception):
                code = send_from(self.path(path), "".join(line + "\n" for line in lines), number, group, groups)
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def send(self, lines, name="kinegraf"):
        code = self.send_as("telegraf", lines, f"/run/{name}.sock")
        expect(code == 0, "telegraf's user may not write:", errno.errorcode.get(code, code))

    def leave_backlog(self, count):
        """Lines that wait, since nobody answers."""
        self.endpoint_down()
        lines = self.lines(count)
        self.send(lines)
        until(lambda: self.waiting(count), f"{count} lines do not wait: {self.said()}")
        return lines

    def expect_gone(self):
        """Nothing has the name, but what dpkg itself remembers of what was installed; and no file belongs to nobody."""
        found = self.run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/var/lib/dpkg", "-o", "-path", "/var/log", "-o", "-path", "/var/tmp", ")", "-prune", "-o",
                         "(", "-name", "*kinegraf*", "-o", "-nouser", "-o", "-nogroup", ")", "-print")
        found += self.run("find", "/run", "-name", "*kinegraf*", "!", "-path", "/run/systemd/*", "!", "-path", "/run/credentials*")
        expect(found == "", "still there:", found)
        expect(not self.has_user("kinegraf") and not self.has_group("kinegraf"), "the user or its group is still there")
        expect(self.status() in ["", "un"] or "no packages found" in self.status(), self.status())


class Booted(Debian):
    """Its first process is systemd, and the service is started by it."""

    by_systemd = True

    def start(self):
        self.ctl("enable", "--now", "kinegraf.socket", "kinegraf.service")

    def stop(self):
        self.ctl("stop", "kinegraf.service")

    def stop_by_hand(self):
        """dpkg's scripts do."""

    def restart_by_hand(self):
        """dpkg's scripts do."""

    def process(self):
        """The service's, or 0."""
        return int(self.shows("MainPID")) if self.ctl("is-active", "kinegraf.service", code=None) == "active" else 0

    def waiting(self, count):
        return f"{count} lines wait" in self.shows("StatusText")

    def said(self):
        return self.shows("StatusText") + "\n" + "\n".join(self.journal().splitlines()[-10:])


class Emulated(Debian):
    """Nothing is booted in it: the service is what its units say, started by the checks as systemd would."""

    by_systemd = False
    leader = nspawn = kinesis = service = ended = None
    sender = 0

    def __init__(self, debian, packages):
        self.seen = set()
        self.mount_work()
        # userxattr: what an overlay remembers of directories, where only the namespace's root mounts it.
        overlay = f"userxattr,lowerdir={pathlib.Path(debian).resolve()},upperdir={self.work}/above,workdir={self.work}/work"
        run("mount", "-t", "overlay", "overlay", "-o", overlay, self.root)
        self.install(packages)

    def mount_work(self):
        self.work = pathlib.Path(tempfile.mkdtemp())
        run("mount", "-t", "tmpfs", "tmpfs", self.work)
        self.root, self.stored = self.work / "root", self.work / "stored"
        for name in ["above", "work", "root"]:
            (self.work / name).mkdir()

    def boot(self):
        for folder, kind in [("proc", "proc"), ("dev", "tmpfs"), ("run", "tmpfs"), ("tmp", "tmpfs")]:
            run("mount", "-t", kind, kind, self.root / folder)
        for device in ["null", "zero", "full", "random", "urandom"]:
            (self.root / "dev" / device).touch()
            run("mount", "--bind", f"/dev/{device}", self.root / "dev" / device)
        self.log = open(self.work / "log", "wb+")

    def end(self):
        for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
            signal.signal(number, signal.SIG_IGN)
        if self.process():
            os.kill(self.service, signal.SIGKILL)
            os.waitpid(self.service, 0)
        if self.kinesis:
            self.kinesis.kill()
        subprocess.run(["umount", "-R", "-l", self.root], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", self.work], check=False, stderr=subprocess.DEVNULL)
        self.work.rmdir()

    def run(self, *command, code=0):
        return run("chroot", self.root, *ENVIRONMENT, *command, code=code)

    def path(self, inside):
        return pathlib.Path(f"{self.root}{inside}")

    def endpoint_up(self):
        if self.kinesis:
            return
        self.write("/etc/hosts", "127.0.0.1 localhost kinesis.test\n")
        self.kinesis = subprocess.Popen([sys.executable, SOURCE / "tests/systemd/kinesis.py", str(PORT), self.stored])

    def endpoint_down(self):
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        if self.kinesis:
            self.kinesis.kill()
            self.kinesis.wait()
            self.kinesis = None

    def unit(self, kind):
        """Its keys, each with the last value."""
        text = self.path(f"/usr/lib/systemd/system/kinegraf.{kind}").read_text()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

    def start(self):
        if self.process():
            return
        service, sockets = self.unit("service"), self.unit("socket")
        user, group, groups = self.ids(service["User"])
        for above, key in [("/var/lib", "State"), ("/run", "Runtime")]:
            folder = self.path(f"{above}/{service[f'{key}Directory']}")
            folder.mkdir(exist_ok=True)
            folder.chmod(int(service[f"{key}DirectoryMode"], 8))
            os.chown(folder, user, group)
        passed = []
        for key, kind in [("ListenStream", socket.SOCK_STREAM), ("ListenDatagram", socket.SOCK_DGRAM)]:
            path = self.path(sockets[key])
            path.unlink(missing_ok=True)
            end = socket.socket(socket.AF_UNIX, kind)
            end.bind(str(path))
            path.chmod(int(sockets["SocketMode"], 8))
            os.chown(path, self.ids(sockets["SocketUser"])[0], self.group_number(sockets["SocketGroup"]))
            if kind == socket.SOCK_STREAM:
                end.listen(64)
            passed.append(end)
        environment = {"PATH": "/usr/bin:/bin", "STATE_DIRECTORY": "/var/lib/kinegraf", "RUNTIME_DIRECTORY": "/run/kinegraf", "LISTEN_FDS": str(len(passed))}
        self.spawn(shlex.split(service["ExecStart"]), environment, user, group, groups, int(service["UMask"], 8), passed)

    def spawn(self, command, environment, user, group, groups, umask=0o022, passed=()):
        """By hand, since what is passed has to be numbered from 3 on, and the process has to know its own number."""
        sys.stdout.flush()
        self.service = os.fork()
        if self.service == 0:
            with contextlib.suppress(Exception):
                os.dup2(self.log.fileno(), 1)
                os.dup2(self.log.fileno(), 2)
                high = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in passed]
                for at, number in enumerate(high):
                    os.dup2(number, 3 + at)
                os.closerange(3 + len(passed), 1000)
                os.chroot(self.root)
                os.chdir("/")
                os.setgroups(groups)
                os.setgid(group)
                os.setuid(user)
                os.umask(umask)
                os.execve(command[0], command, {**environment, "LISTEN_PID": str(os.getpid())})
            os._exit(127)
        for end in passed:
            end.close()
        time.sleep(1)
        expect(self.process(), "the service ended at once:", self.said())

    def stop(self):
        if self.process():
            os.kill(self.service, signal.SIGTERM)
            until(lambda: not self.process(), "the service does not end")
            expect(self.ended == 0, "the service ended with", self.ended, self.said())

    # Where no systemd is, whoever started the service stops it and starts it again.
    def stop_by_hand(self):
        self.stop()

    def restart_by_hand(self):
        self.stop()
        self.start()

    def process(self):
        if self.service:
            pid, status = os.waitpid(self.service, os.WNOHANG)
            if pid:
                self.service, self.ended = None, os.waitstatus_to_exitcode(status)
        return self.service or 0

    def waiting(self, _):
        return len(self.segments()) > 0

    def said(self):
        return (self.work / "log").read_text(errors="replace")[-1000:]

    def ctl(self, *_, code=0):
        raise Failed("there is no systemd here")


class Small(Emulated):
    """A root with busybox and nothing else: no package manager, no bash, no systemd, no command that makes users."""

    def __init__(self, busybox, procd):
        self.procd, self.seen = procd, set()
        self.mount_work()
        for folder in ["bin", "sbin", "usr/bin", "usr/sbin", "etc", "var/lib", "opt", "dev", "proc", "run", "tmp"]:
            (self.root / folder).mkdir(parents=True)
        shutil.copy(busybox, self.root / "bin/busybox")
        for word in run(busybox, "--list").split():
            with contextlib.suppress(FileExistsError):
                (self.root / "bin" / word).symlink_to("busybox")
        self.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ntelegraf:x:900:900::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n")
        self.write("/etc/group", "root:x:0:\ntelegraf:x:900:\nnogroup:x:65534:\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        self.boot()

def send_from(path, text, number, group, groups):
    # Entered before it is another user, who may not go there by this way.
    os.chdir(path.parent)
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(number)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        try:
            client.connect(path.name)
            client.sendall(text.encode())
        except OSError as error:
            return error.errno or 254
    return 0
