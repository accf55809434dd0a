"""Installs, upgrades, breaks, removes and purges the packages; each check is a sentence that it prints, and begins where the one before has ended.

    python3 check.py amd64|arm64 ROOT BUSYBOX DEB TARBALL
"""

import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import traceback

from machines import CONFIGURATION, PORT, SOURCE, SPOOL, Booted, Emulated, Failed, Small, expect, run, until

THIS, NEWER, BROKEN, TORN, OLDER = "this", "newer", "broken", "torn", "older"


def versions(deb, folder):
    """The package, and others made of it."""

    def remade(name, version, change=lambda tree: None):
        tree = folder / "tree"
        run("dpkg-deb", "-R", deb, tree)
        control = tree / "DEBIAN/control"
        control.write_text("".join(f"Version: {version}\n" if line.startswith("Version:") else line for line in control.read_text().splitlines(True)))
        change(tree)
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / f"{name}.deb")
        shutil.rmtree(tree)

    def other_sample(tree):
        with open(tree / "etc/kinegraf/kinegraf.toml", "a", encoding="utf-8") as file:
            file.write("# Another sample.\n")

    shutil.copy(deb, folder / f"{THIS}.deb")
    remade(NEWER, "9.0", other_sample)
    remade(BROKEN, "9.1", lambda tree: (other_sample(tree), (tree / "DEBIAN/postinst").write_text("#!/bin/sh\nexit 1\n")))
    remade(OLDER, "0.0.1")
    whole = (folder / f"{NEWER}.deb").read_bytes()
    (folder / f"{TORN}.deb").write_bytes(whole[: len(whole) * 6 // 10])
    return folder


# The package.


def installed(m):
    """the package installs without a question: user, group, telegraf's user in it, modes; nothing is enabled or runs"""
    said = m.dpkg("-i", THIS)
    expect("systemctl enable --now kinegraf.socket kinegraf.service" in said, said)
    expect_installed(m)
    expect("may write to the socket" in said and m.is_member("telegraf"), said)
    expect(not m.exists("/run/kinegraf.sock") and not m.exists("/var/lib/kinegraf"), "something was started")
    if m.by_systemd:
        expect(m.ctl("is-enabled", "kinegraf.service", code=None) == "disabled" and m.ctl("is-active", "kinegraf.socket", code=None) == "inactive")


def expect_installed(m):
    expect(m.status().startswith("ii "), m.status())
    m.run("kinegraf", "--version")
    m.expect_mode("/etc/kinegraf", 0o750)
    m.expect_mode(CONFIGURATION, 0o640)
    expect(m.ids("kinegraf")[1] == m.group_number(), "the user's group is another")


def again(m):
    """the script that configures it may run any number of times; what an administrator changed stays"""
    m.configure()
    m.path(CONFIGURATION).chmod(0o600)
    m.run("gpasswd", "-d", "telegraf", "kinegraf")
    version = m.status().split()[1]
    for _ in range(2):
        m.run("/var/lib/dpkg/info/kinegraf.postinst", "configure", version)
    m.expect_mode(CONFIGURATION, 0o600)
    expect(not m.is_member("telegraf"), "telegraf's user is a member again")
    m.path(CONFIGURATION).chmod(0o640)
    m.run("usermod", "-a", "-G", "kinegraf", "telegraf")


def delivered(m):
    """lines that telegraf's user writes to the socket are delivered; who is not in the group may not write"""
    m.endpoint_up()
    m.start()
    lines = m.lines(20)
    m.send(lines)
    m.expect_delivered(lines)
    expect(m.send_as("nobody", lines) == 13, "nobody may write")


def upgraded(m):
    """an upgrade with a backlog keeps the changed configuration; all of the backlog is delivered after, and what came meanwhile"""
    backlog = m.leave_backlog(300)
    process = m.process()
    before = m.path(CONFIGURATION).read_text()
    socket = m.path("/run/kinegraf.sock").stat().st_ino
    meanwhile, done = [], threading.Event()

    def sender():
        while not done.is_set():
            lines = m.lines(1)
            m.send(lines)
            meanwhile.extend(lines)
            time.sleep(0.05)

    thread = threading.Thread(target=sender)
    thread.start()
    try:
        m.dpkg("--force-confold", "-i", NEWER)
    finally:
        done.set()
        thread.join()
    m.restart_by_hand()
    expect("9.0" in m.status() and m.process() not in [0, process], m.status(), "the old process runs on")
    expect(m.path(CONFIGURATION).read_text() == before, "the configuration is another")
    m.expect_mode(CONFIGURATION, 0o640)
    expect("Another sample" in m.path(f"{CONFIGURATION}.dpkg-dist").read_text(), "the new sample is not beside it")
    if m.by_systemd:
        expect(m.path("/run/kinegraf.sock").stat().st_ino == socket, "the socket is another")
    expect(meanwhile and m.delivered() == [])
    m.endpoint_up()
    m.expect_delivered(backlog + meanwhile)


def reinstalled(m):
    """the same version once more: nothing is asked, nothing is lost"""
    backlog = m.leave_backlog(50)
    before = m.path(CONFIGURATION).read_text()
    m.dpkg("-i", NEWER)
    m.restart_by_hand()
    expect(m.path(CONFIGURATION).read_text() == before, "the configuration is another")
    m.endpoint_up()
    m.expect_delivered(backlog)


def torn(m):
    """of a package that is cut off nothing is taken: the version that was there runs on with its lines"""
    backlog = m.leave_backlog(50)
    process = m.process()
    said = m.dpkg("-i", TORN, code=1)
    expect("unexpected end of file" in said or "dpkg-deb" in said, said)
    expect(m.status() == "ii  9.0" and m.process() == process, m.status(), m.process(), process)
    m.run("kinegraf", "--version")
    m.endpoint_up()
    m.expect_delivered(backlog)


def half_installed(m):
    """a version that breaks while it is configured leaves the service running; the next installation mends it, and no line is lost"""
    backlog = m.leave_backlog(50)
    process = m.process()
    m.dpkg("-i", BROKEN, code=1)
    expect(m.status().startswith("iF"), m.status())
    expect(m.process() == process, "the service was stopped")
    more = m.lines(10)
    m.send(more)
    m.dpkg("--configure", "-a", code=1)
    m.dpkg("-i", NEWER)
    m.restart_by_hand()
    expect(m.status() == "ii  9.0" and m.process() not in [0, process], m.status())
    m.endpoint_up()
    m.expect_delivered(backlog + more)


def half_removed(m):
    """a removal that breaks off starts what is enabled again"""
    m.run("/var/lib/dpkg/info/kinegraf.prerm", "remove")
    expect(m.process() == 0, "the service still runs")
    m.run("/var/lib/dpkg/info/kinegraf.postinst", "abort-remove", "in-favour", "other", "1.0")
    expect(m.process() != 0 and m.ctl("is-active", "kinegraf.socket") == "active", "the service does not run")


def policy(m):
    """where policy-rc.d says that nothing is to be started, an upgrade starts nothing"""
    m.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    process = m.process()
    m.dpkg("-i", NEWER)
    expect(m.process() == process, "it was started again")
    m.path("/usr/sbin/policy-rc.d").unlink()
    m.ctl("stop", "kinegraf.service", "kinegraf.socket")
    m.dpkg("-i", NEWER)
    expect(m.process() == 0, "an upgrade started what the administrator had stopped")
    m.start()


def downgraded(m):
    """an older version finds the lines of the newer one, and delivers them"""
    backlog = m.leave_backlog(50)
    before = m.path(CONFIGURATION).read_text()
    m.dpkg("--force-confold", "-i", OLDER)
    m.restart_by_hand()
    expect(m.status() == "ii  0.0.1", m.status())
    expect(m.path(CONFIGURATION).read_text() == before, "the configuration is another")
    m.endpoint_up()
    m.expect_delivered(backlog)


def removed(m):
    """removing stops the service; configuration, user and what waits stay, and it says what waits"""
    m.backlog = m.leave_backlog(200)
    before = m.path(CONFIGURATION).read_text()
    m.stop_by_hand()
    said = m.dpkg("-r", "kinegraf")
    expect(f"wait in {SPOOL.rsplit('/', 1)[0]}" in said, said)
    expect(m.status().startswith("rc"), m.status())
    if m.by_systemd:
        expect(m.process() == 0 and "kinegraf" not in m.ctl("list-units", "--all", "--no-legend"), m.ctl("list-units", "--all", "kinegraf*"))
        expect("kinegraf --config" not in processes(m), "a process runs on")
    links = m.run("find", "/etc/systemd", "-name", "*kinegraf*") if m.exists("/etc/systemd") else ""
    expect(not m.exists("/usr/bin/kinegraf") and not m.exists("/run/kinegraf.sock") and links == "", "something is left:", links)
    expect(m.path(CONFIGURATION).read_text() == before and m.segments() and m.is_member("telegraf"), "something is gone")
    m.expect_mode("/var/lib/kinegraf", 0o700, *m.ids("kinegraf")[:2])


def processes(m):
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.readlink(folder / "ns/mnt") == os.readlink(f"/proc/{m.leader}/ns/mnt"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                pass
    return "\n".join(found)


def back(m):
    """installed again after that, it delivers what waited"""
    m.dpkg("-i", THIS)
    m.start()
    m.endpoint_up()
    m.expect_delivered(m.backlog)


def purged_with_lines(m):
    """purging keeps lines that wait, the user that they belong to and the keys that deliver them, and says where they are and what to do"""
    m.backlog = m.leave_backlog(120)
    m.write("/etc/kinegraf/device.key", "a key", 0o400)
    m.stop_by_hand()
    said = m.dpkg("-P", "kinegraf")
    for words in ["\n    /var/lib/kinegraf\n", "kinegraf spool drain --config", "userdel"]:
        expect(words in said, words, "is not in", said)
    expect(m.segments() and m.has_user("kinegraf") and m.exists("/etc/kinegraf/device.key"), "something is gone")
    expect(not m.exists(CONFIGURATION) and not m.exists("/usr/bin/kinegraf") and not m.exists("/run/kinegraf"), "something is left")


def drained(m):
    """installed and configured again, spool drain delivers them as it said"""
    m.dpkg("-i", THIS)
    m.configure()
    m.endpoint_up()
    m.run("kinegraf", "spool", "drain", "--config", CONFIGURATION)
    m.expect_delivered(m.backlog)
    expect(m.segments() == [], m.segments())


def purged_with_lines_elsewhere(m):
    """a spool that is elsewhere, such as on a stick, is kept and named as well"""
    m.path("/srv/stick").mkdir(parents=True)
    os.chown(m.path("/srv/stick"), *m.ids("kinegraf")[:2])
    m.configure(directory="/srv/stick/spool")
    if m.by_systemd:
        m.drop_in("[Service]\nReadWritePaths=/srv/stick\n")
    m.start()
    m.endpoint_down()
    m.send(m.lines(30))
    until(lambda: m.segments("/srv/stick/spool"), lambda: f"nothing is on the stick: {m.said()}")
    m.stop_by_hand()
    m.stop()
    said = m.dpkg("-r", "kinegraf")
    expect("wait in /srv/stick/spool" in said, said)
    said = m.dpkg("-P", "kinegraf")
    expect("\n    /srv/stick/spool\n" in said, said)
    expect(m.segments("/srv/stick/spool") and m.has_user("kinegraf") and not m.exists("/var/lib/kinegraf"), "something is gone, or left")
    shutil.rmtree(m.path("/srv/stick"))
    if m.by_systemd:
        m.run("rm", "-r", "/run/systemd/system/kinegraf.service.d")


def instances(m):
    """of several streams, each one's lines are kept or go by themselves, and an upgrade starts each again"""
    m.dpkg("-i", THIS)
    for name in ["kinegraf", "b"]:
        m.configure(name=name, directory="${STATE_DIRECTORY}/spool")
    m.endpoint_up()
    m.start()
    m.ctl("enable", "--now", "kinegraf@b.socket", "kinegraf@b.service")
    process = m.shows("MainPID", "kinegraf@b.service")
    m.dpkg("--force-confold", "-i", NEWER)
    expect(m.shows("MainPID", "kinegraf@b.service") not in ["0", process], "the instance was not started again")
    m.endpoint_down()
    m.send(m.lines(10), name="kinegraf-b")
    m.wait_for_status("10 lines wait", "kinegraf@b.service")
    # Somebody else's, with such a name.
    m.path("/var/lib/kinegraf-exporter").mkdir()
    said = m.dpkg("-P", "kinegraf")
    expect("\n    /var/lib/kinegraf-b\n" in said and "    /var/lib/kinegraf\n" not in said, said)
    expect(m.segments("/var/lib/kinegraf-b") and not m.exists("/var/lib/kinegraf"), "something is gone, or left")
    expect("kinegraf --config" not in processes(m), "a process runs on")
    expect(m.exists("/var/lib/kinegraf-exporter"), "somebody else's directory is gone")
    m.run("rm", "-r", "/var/lib/kinegraf-exporter", "/var/lib/kinegraf-b")


def unlucky(m):
    """a first installation that breaks off in the middle is ended by dpkg --configure -a"""
    tool = "systemd-sysusers" if m.by_systemd else "useradd"
    m.write(f"/usr/local/sbin/{tool}", "#!/bin/sh\nexit 1\n", 0o755)
    if m.has_user("kinegraf"):
        m.run("userdel", "kinegraf")
    m.run("env", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "dpkg", "-i", f"/var/tmp/packages/{THIS}.deb", code=1)
    expect(m.status().startswith("iF"), m.status())
    m.path(f"/usr/local/sbin/{tool}").unlink()
    m.dpkg("--configure", "-a")
    expect_installed(m)


def later_telegraf(m):
    """a telegraf that comes later is made a member by hand, as the manual says"""
    m.dpkg("-P", "kinegraf")
    m.run("userdel", "telegraf")
    said = m.dpkg("-i", THIS)
    expect("telegraf" not in said, said)
    m.configure()
    m.endpoint_up()
    m.start()
    m.run("useradd", "--system", "telegraf")
    lines = m.lines(5)
    expect(m.send_as("telegraf", lines) == 13, "it may write")
    m.run("usermod", "-a", "-G", "kinegraf", "telegraf")
    m.send(lines)
    m.expect_delivered(lines)


def purged(m):
    """purging after everything was delivered leaves nothing: no file, no user, no process"""
    m.stop_by_hand()
    said = m.dpkg("-P", "kinegraf")
    expect("kept" not in said and "warning" not in said, said)
    expect(m.process() == 0, "the service runs on")
    m.expect_gone()


def as_the_readme_says(m):
    """every command of the README's section on the Pi does what stands there, with its configuration"""
    section = (SOURCE / "README.md").read_text(encoding="utf-8").split("\n## Install on a Raspberry Pi\n")[1].split("\n## ")[0]
    fences = [fence.split("\n", 1) for fence in section.split("```")[1::2]]
    [_, install, start, telegraf, remove] = [text for kind, text in fences if kind == "sh"]
    [configuration] = [text for kind, text in fences if kind == "toml"]
    # An editor, an endpoint, and the architecture are ours.
    m.write("/usr/local/bin/nano", "#!/bin/sh\ncat /opt/kinegraf.toml >$1\n", 0o755)
    m.write("/usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
    m.write("/usr/lib/systemd/system/telegraf.service", "[Service]\nExecStart=/bin/sleep 1000\n")
    m.write("/opt/kinegraf.toml", f'endpoint_url = "http://kinesis.test:{PORT}"\n{configuration}\n[network]\nallow_plain_http = true\n', 0o600)
    name = install.split()[3]
    shutil.copy(m.packages / f"{THIS}.deb", m.path(f"/opt/{name}"))
    m.endpoint_up()

    def follow(commands):
        return m.run("sh", "-c", f"cd /opt && PATH=/usr/local/bin:$PATH && set -ex\n{commands}")

    follow(install)
    said = follow(start)
    expect("delivered" in said and "active (running)" in said, said)
    until(lambda: [record["data"].split(" ")[0] for record in m.delivered()] == ["hello,host=gw-1"], "the line is not delivered")
    follow(telegraf)
    expect(m.is_member("telegraf"), "telegraf's user is no member")
    follow(f"dpkg -i {name}")
    expect("value=1" in m.delivered()[0]["data"] and m.process(), "the service does not run")
    m.seen.update(record["data"].rstrip("\n") for record in m.delivered())
    follow(remove)
    m.run("rm", "-r", "/usr/local/bin/nano", "/usr/local/bin/sudo", "/opt/kinegraf.toml", f"/opt/{name}")
    m.expect_gone()


def archive_beside(m):
    """the archive's install.sh leaves a Debian with the package alone; without it, it installs, upgrades and removes units as well"""
    shutil.copy(m.packages / "archive.tar.gz", m.path("/opt/kinegraf.tar.gz"))
    m.run("sh", "-c", "mkdir /opt/archive && tar -xzf /opt/kinegraf.tar.gz -C /opt/archive --strip-components 1 && rm /opt/kinegraf.tar.gz")
    m.dpkg("-i", THIS)
    said = m.run("sh", "/opt/archive/install.sh", code=1)
    expect("as a Debian package" in said, said)
    m.dpkg("-P", "kinegraf")
    said = m.run("sh", "/opt/archive/install.sh")
    expect("systemctl enable --now kinegraf.socket kinegraf.service" in said and m.is_member("telegraf"), said)
    m.configure()
    m.start()
    m.endpoint_up()
    lines = m.lines(5)
    m.send(lines)
    m.expect_delivered(lines)
    backlog = m.leave_backlog(40)
    process = m.process()
    said = m.run("sh", "/opt/archive/install.sh")
    expect("runs again" in said and m.process() not in [0, process], said)
    m.endpoint_up()
    m.expect_delivered(backlog)
    m.run("sh", "/opt/archive/install.sh", "--remove")
    links = m.run("find", "/etc/systemd", "-name", "*kinegraf*")
    expect("kinegraf --config" not in processes(m) and links == "" and not m.exists("/usr/bin/kinegraf"), "something is left:", links)
    expect(m.exists(CONFIGURATION) and m.has_user("kinegraf"), "something is gone")


PACKAGE = [installed, again, delivered, upgraded, reinstalled, torn, half_installed, half_removed, policy, downgraded, removed, back, purged_with_lines, drained]
PACKAGE += [purged_with_lines_elsewhere, instances, unlucky, later_telegraf, purged, as_the_readme_says, archive_beside]
SYSTEMD = [half_removed, policy, instances, as_the_readme_says, archive_beside]


# The archive, in a root without a package manager.


def archive_installed(m):
    """install.sh, by busybox alone: user, group, telegraf's user in it, modes"""
    said = m.run("sh", "/opt/kinegraf/install.sh")
    expect("/etc/kinegraf/kinegraf.toml" in said, said)
    m.run("kinegraf", "--version")
    m.expect_mode("/etc/kinegraf", 0o750)
    m.expect_mode(CONFIGURATION, 0o640)
    m.expect_mode("/var/lib/kinegraf", 0o700, *m.ids("kinegraf")[:2])
    expect(m.is_member("telegraf") and m.ids("kinegraf")[1] == m.group_number(), m.path("/etc/group").read_text())
    expect(m.exists("/etc/init.d/kinegraf") == m.procd, "the script for procd")


def archive_delivered(m):
    """started as it says there, lines that telegraf's user writes are delivered"""
    m.configure()
    m.endpoint_up()
    start_archive(m)
    lines = m.lines(20)
    expect(m.send_as("telegraf", lines, "/run/kinegraf/kinegraf.sock") == 0, "telegraf's user may not write")
    m.expect_delivered(lines)


def start_archive(m):
    user, group, groups = m.ids("kinegraf")
    if m.procd:
        m.run("sh", "/etc/rc.common", "/etc/init.d/kinegraf", "start")
        asked = m.path("/tmp/procd").read_text().splitlines()
        command = next(line.split()[1:] for line in asked if line.startswith("command "))
        expect("user kinegraf" in asked, asked)
    else:
        m.run("sh", "-c", "mkdir -p /run/kinegraf && chown kinegraf /run/kinegraf")
        command = ["/usr/bin/kinegraf", "--config", CONFIGURATION, "--listen", "unix:///run/kinegraf/kinegraf.sock"]
    m.spawn(command, {"RUNTIME_DIRECTORY": "/run/kinegraf"}, user, group, groups)


def archive_upgraded(m):
    """install.sh over itself while the old one runs: the changed configuration and the backlog stay, and are the next one's"""
    m.endpoint_down()
    lines = m.lines(100)
    expect(m.send_as("telegraf", lines, "/run/kinegraf/kinegraf.sock") == 0)
    until(lambda: m.segments(), f"nothing waits: {m.said()}")
    before = {path: m.path(path).read_text() for path in [CONFIGURATION, "/etc/passwd", "/etc/group"]}
    program = m.path("/usr/bin/kinegraf").stat().st_ino
    m.path("/etc/kinegraf").chmod(0o700)
    process = m.process()
    m.write("/tmp/running", "")
    said = m.run("sh", "/opt/kinegraf/install.sh")
    expect(m.process() == process and m.path("/usr/bin/kinegraf").stat().st_ino != program, "the program is the old one")
    for path, text in before.items():
        expect(m.path(path).read_text() == text, path, "is another")
    m.expect_mode("/etc/kinegraf", 0o700)
    m.path("/etc/kinegraf").chmod(0o750)
    if m.procd:
        expect("restart" in m.path("/tmp/procd").read_text() and "runs again" in said, said)
    m.stop()
    start_archive(m)
    m.endpoint_up()
    m.expect_delivered(lines)


def archive_refused(m):
    """a program that does not run here takes nobody's place, and a wrong word installs nothing"""
    program = m.path("/usr/bin/kinegraf").read_bytes()
    ours = m.path("/opt/kinegraf/kinegraf").read_bytes()
    m.path("/opt/kinegraf/kinegraf").write_bytes(ours[:500])
    said = m.run("sh", "/opt/kinegraf/install.sh", code=1)
    expect("does not run here" in said, said)
    m.path("/opt/kinegraf/kinegraf").write_bytes(ours)
    expect(m.path("/usr/bin/kinegraf").read_bytes() == program and not m.exists("/usr/bin/kinegraf.new"), "it was replaced")
    m.run("sh", "/opt/kinegraf/install.sh", "--uninstall", code=64)


def archive_full(m):
    """a full disk leaves the program that was there"""
    # Its own file system, as large as what is there and half a program more.
    size = m.path("/usr/bin/kinegraf").stat().st_size
    program = m.path("/usr/bin/kinegraf").read_bytes()
    run("mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2 // 4096 * 4096}", "tmpfs", m.path("/usr/bin"))
    m.path("/usr/bin/kinegraf").write_bytes(program)
    m.path("/usr/bin/kinegraf").chmod(0o755)
    m.run("sh", "/opt/kinegraf/install.sh", code=1)
    expect(m.path("/usr/bin/kinegraf").read_bytes() == program and not m.exists("/usr/bin/kinegraf.new"), "it was replaced")
    run("umount", "-l", m.path("/usr/bin"))


def archive_removed(m):
    """install.sh --remove takes the program and what starts it; configuration and what waits stay, and are found when it is installed again"""
    m.endpoint_down()
    lines = m.lines(10)
    expect(m.send_as("telegraf", lines, "/run/kinegraf/kinegraf.sock") == 0)
    until(lambda: m.segments(), f"nothing waits: {m.said()}")
    m.stop()
    before = m.path(CONFIGURATION).read_text()
    m.run("sh", "/opt/kinegraf/install.sh", "--remove")
    m.run("sh", "/opt/kinegraf/install.sh", "--remove")
    expect(not m.exists("/usr/bin/kinegraf") and not m.exists("/etc/init.d/kinegraf"), "something is left")
    expect(m.path(CONFIGURATION).read_text() == before and m.segments(), "something is gone")
    m.run("sh", "/opt/kinegraf/install.sh")
    m.endpoint_up()
    m.run("kinegraf", "spool", "drain", "--config", CONFIGURATION)
    m.expect_delivered(lines)


def archive_staged(m):
    """DESTDIR= installs below a directory, with a processor of its own, and runs nothing"""
    m.path("/opt/kinegraf/kinegraf").write_bytes(b"for another processor")
    m.run("env", "DESTDIR=/tmp/image", "sh", "/opt/kinegraf/install.sh")
    expect(m.path("/tmp/image/usr/bin/kinegraf").read_bytes() == b"for another processor" and m.exists(f"/tmp/image{CONFIGURATION}"))


ARCHIVE = [archive_installed, archive_delivered, archive_upgraded, archive_refused, archive_full, archive_removed, archive_staged]

# What OpenWrt's does, as far as the script can tell: its words are written down instead.
RC_COMMON = """
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() { echo "$@" >>/tmp/procd; }
. "$1"
case $2 in
start) start_service ;;
running) [ -e /tmp/running ] ;;
*) echo "$2" >>/tmp/procd ;;
esac
"""


def small(busybox, tarball, procd):
    m = Small(busybox, procd)
    if procd:
        m.write("/sbin/procd", "", 0o755)
        # /var is a tmpfs there.
        m.path("/var/run").symlink_to("/run")
        m.write("/etc/rc.common", RC_COMMON)
    shutil.copy(tarball, m.path("/opt/kinegraf.tar.gz"))
    m.run("tar", "-xzf", "/opt/kinegraf.tar.gz", "-C", "/opt")
    next(m.path("/opt").glob("kinegraf-*")).rename(m.path("/opt/kinegraf"))
    return m


def all_pass(m, checks, title):
    print(f"   {title}", flush=True)
    try:
        for check in checks:
            began = time.monotonic()
            try:
                check(m)
                print(f"ok      {time.monotonic() - began:5.1f} s  {check.__doc__}", flush=True)
            except Exception as error:
                trace = "" if isinstance(error, Failed) else traceback.format_exc()
                print(f"FAILED  {time.monotonic() - began:5.1f} s  {check.__doc__}\n  {check.__name__}: {error}\n{trace}", flush=True)
                print("  the service's last words:\n    " + m.said().replace("\n", "\n    "), flush=True)
                # What follows begins where this should have ended.
                return False
    finally:
        m.end()
    return True


def main():
    arch, debian, busybox, deb, tarball = sys.argv[1:]
    # In a namespace of its own: it goes with this, however it ends.
    folder = pathlib.Path("target/ci-tools/installed-work")
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    tempfile.tempdir = str(folder.resolve())
    packages = versions(deb, pathlib.Path(tempfile.mkdtemp()))
    shutil.copy(tarball, packages / "archive.tar.gz")
    kind = Booted if arch == "amd64" else Emulated
    m = kind(debian, packages)
    m.boot()
    checks = [check for check in PACKAGE if kind.by_systemd or check not in SYSTEMD]
    passed = all_pass(m, checks, f"{arch}: the package, {'a booted systemd' if kind.by_systemd else 'emulated'}")
    for procd in [False, True]:
        passed &= all_pass(small(busybox, tarball, procd), ARCHIVE, f"{arch}: the archive, busybox alone{', as OpenWrt' if procd else ''}")
    sys.exit(0 if passed else 1)


main()
