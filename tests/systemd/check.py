"""What a person who installs the units can rely on, each as a function whose docstring is the sentence."""

import os
import re
import signal
import socket
import sys
import time
import traceback

from machine import SOURCE, Failed, Machine, expect, until

UNITS = ["kinegraf.service", "kinegraf.socket", "kinegraf@one.service", "kinegraf@one.socket"]


def boot_without_network(m):
    """a boot without network ends with a service that runs and keeps lines, which are delivered when the endpoint appears"""
    until(lambda: m.shows("ActiveState") == "active", "it is not active")
    expect(m.shows("SubState") == "running" and m.shows("NRestarts") == "0", "it was restarted")
    lines = m.lines(100)
    m.send(lines)
    m.wait_for_status("100 lines wait, trying again: ")
    m.endpoint_up()
    m.expect_delivered(lines)
    m.wait_for_status("every line is delivered")


def verify(m):
    """systemd-analyze verify is silent for every unit, with each drop-in too, and their exposure is 2.0 at most"""
    for drop_in in ["", "helpers.conf"]:
        if drop_in:
            m.drop_in((SOURCE / "systemd/drop-ins" / drop_in).read_text())
        for unit in UNITS:
            said = m.run("systemd-analyze", "verify", unit)
            expect(said == "", unit, drop_in, said)
    for unit in [unit for unit in UNITS if unit.endswith(".service")]:
        m.drop_in("")
        m.run("systemd-analyze", "security", "--offline=true", "--threshold=20", f"/usr/lib/systemd/system/{unit.replace('one', '')}")


def restart_steps(m):
    """restart-steps.conf has keys of systemd 254 and newer alone, and nothing else is wrong with it"""
    m.drop_in((SOURCE / "systemd/drop-ins/restart-steps.conf").read_text())
    version = int(re.search(r"systemd (\d+)", m.run("systemctl", "--version")).group(1))
    said = m.run("systemd-analyze", "verify", "kinegraf.service")
    unknown = re.findall(r"Unknown key (?:name )?'(\w+)'", said)
    expect(unknown == ([] if version >= 254 else ["RestartSteps", "RestartMaxDelaySec"]), said)
    expect(len(said.splitlines()) == len(unknown), said)


def socket_activation(m):
    """lines that were sent before the service was up are delivered, from both sockets, and the sockets outlive it"""
    m.endpoint_up()
    stream, datagram = m.lines(50), m.lines(3)
    expect(m.shows("ActiveState") == "inactive", "it runs already")
    m.send(stream)
    m.send_datagram(datagram)
    m.expect_delivered(stream + datagram)
    m.ctl("stop", "kinegraf.service")
    expect(m.ctl("is-active", "kinegraf.socket") == "active", "the socket went with the service")
    again = m.lines(5)
    m.send_datagram(again)
    m.expect_delivered(stream + datagram + again)


def a_stop_and_a_start_lose_no_client(m):
    """what clients write while the service is stopped and started again waits on the socket"""
    m.endpoint_up()
    m.start()
    sent = []
    for _ in range(3):
        before, during = m.lines(20), m.lines(20)
        m.send(before)
        m.ctl("stop", "kinegraf.service")
        m.send(during)
        m.start()
        sent += before + during
    m.expect_delivered(sent)


def watchdog(m):
    """the watchdog ends a process that stands still, and its successor delivers"""
    m.drop_in("[Service]\nWatchdogSec=2s\nRestartSec=100ms\n")
    m.endpoint_up()
    m.start()
    time.sleep(5)
    expect(m.shows("NRestarts") == "0", "it is ended though it works")
    m.ctl("kill", "-s", "STOP", "--kill-who=main", "kinegraf.service")
    until(lambda: m.shows("NRestarts") == "1" and m.shows("ActiveState") == "active", "it is not started again")
    expect("watchdog" in m.journal().lower(), m.journal())
    lines = m.lines(10)
    m.send(lines)
    m.expect_delivered(lines)


def killed(m):
    """nothing accepted is lost to SIGKILL: lines wait in the runtime directory"""
    m.drop_in("[Service]\nRestartSec=100ms\n")
    m.configure('[delivery]\nordering = "strict"')
    m.start()
    sent = []
    for round_ in range(3):
        lines = m.lines(500)
        m.send(lines)
        sent += lines
        m.wait_for_status(f"{500 * (round_ + 1)} lines wait")
        m.ctl("kill", "-s", "KILL", "--kill-who=main", "kinegraf.service")
        until(lambda: m.shows("NRestarts") == str(round_ + 1) and m.shows("ActiveState") == "active", "it is not started again")
    m.endpoint_up()
    m.expect_delivered(sent)


def stop_with_a_backlog(m):
    """systemctl stop with the endpoint down is back in time and leaves the backlog on disk, which is delivered after the next start"""
    m.start()
    lines = m.lines(800)
    m.send(lines)
    m.wait_for_status("800 lines wait")
    began = time.monotonic()
    m.ctl("stop", "kinegraf.service")
    took = time.monotonic() - began
    expect(took < 10, f"the stop took {took:.1f} s")
    expect(m.shows("Result") == "success" and m.shows("ExecMainStatus") == "0", m.shows("Result"), m.shows("ExecMainStatus"), m.journal())
    # As after a power cut: only what is on disk.
    m.run("sh", "-c", "rm -r /run/kinegraf")
    kept = m.run("sh", "-c", "cat /var/lib/kinegraf/spool/* | wc -c")
    expect(int(kept) > 1000, "nothing is on disk")
    m.endpoint_up()
    m.start()
    m.expect_delivered(lines)


def a_long_stop(m):
    """a shutdown_timeout beyond TimeoutStopSec is asked for as it goes, and had"""
    m.drop_in("[Service]\nTimeoutStopSec=2s\n")
    m.configure('[delivery]\nshutdown_timeout = "9s"')
    m.start()
    m.send(m.lines(10))
    m.wait_for_status("10 lines wait")
    began = time.monotonic()
    m.ctl("stop", "kinegraf.service")
    took = time.monotonic() - began
    # It may end as soon as everything is on disk and the next attempt lies beyond its time.
    expect(m.shows("Result") == "success", f"after {took:.1f} s:", m.shows("Result"), m.journal())


def reload(m):
    """a reload takes a good configuration and leaves a bad one, with its mistakes in the journal; the service runs on"""
    m.endpoint_up()
    m.start()
    first = m.lines(5)
    m.send(first)
    m.expect_delivered(first)
    pid = m.shows("MainPID")
    m.configure(credentials='access_key = "AKIASECOND"\nsecret_key = "other"', more='[delivery]\nrequest_size = "128KiB"')
    m.ctl("reload", "kinegraf.service")
    until(lambda: "were read again" in m.journal(), "nothing is said of the reload")
    expect("delivery.request_size needs a restart" in m.journal(), m.journal())
    second = m.lines(5)
    m.send(second)
    m.expect_delivered(first + second)
    expect({record["access_key"] for record in m.delivered()[5:]} == {"AKIASECOND"}, m.delivered()[5:])
    m.configure(more="[log]\nlevell = 1")
    m.ctl("reload", "kinegraf.service")
    until(lambda: "the one from before stays" in m.journal(), "nothing is said of the mistake")
    expect("unknown key 'levell'" in m.journal(), m.journal())
    third = m.lines(5)
    m.send(third)
    m.expect_delivered(first + second + third)
    expect(m.shows("ActiveState") == "active" and m.shows("MainPID") == pid and m.shows("NRestarts") == "0", "it did not run on")


def load_credential(m):
    """credentials come out of LoadCredential, from a file that the service's user cannot read"""
    m.write("/etc/kinegraf/credentials", "[default]\naws_access_key_id = AKIALOADED\naws_secret_access_key = secret\n", 0o600)
    m.drop_in("[Service]\nLoadCredential=aws:/etc/kinegraf/credentials\n")
    m.configure(credentials='shared_credential_file = "${CREDENTIALS_DIRECTORY}/aws"')
    m.endpoint_up()
    m.start()
    lines = m.lines(3)
    m.send(lines)
    m.expect_delivered(lines)
    expect({record["access_key"] for record in m.delivered()} == {"AKIALOADED"}, m.delivered())


def permissions(m):
    """a member of the group may write to the sockets, others may not; the spool is the service's alone, and it can write nowhere else"""
    m.run("sh", "-c", "id telegraf >/dev/null 2>&1 || useradd --system -G kinegraf telegraf; id stranger >/dev/null 2>&1 || useradd --system stranger")
    m.endpoint_up()
    m.start()
    lines = m.lines(2)
    groups = [int(group) for group in m.run("id", "-G", "telegraf").split()]
    expect(as_user(m, m.id_of("telegraf"), groups, lines) == 0, "a member of the group may not write")
    strangers = [int(group) for group in m.run("id", "-G", "stranger").split()]
    expect(as_user(m, m.id_of("stranger"), strangers, m.lines(1)) == 13, "a stranger may write")
    m.expect_delivered(lines)
    for directory in ["/var/lib/kinegraf", "/run/kinegraf"]:
        found = m.run("stat", "-c", "%a %U %G", directory).strip()
        expect(found == "700 kinegraf kinegraf", directory, found)
    mounts = m.run("sh", "-c", f"cat /proc/{m.shows('MainPID')}/mountinfo")
    root = next(line for line in mounts.splitlines() if line.split()[4] == "/")
    expect("ro" in root.split()[5].split(","), root)


def as_user(m, user, groups, lines):
    """One line through each socket as this user; 0, or the number of the error."""
    run = os.open(m.path("/run"), os.O_PATH | os.O_DIRECTORY)
    child = os.fork()
    if child == 0:
        try:
            os.fchdir(run)
            os.setgroups(groups)
            os.setgid(groups[0])
            os.setuid(user)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.connect("kinegraf.sock")
                stream.sendall(lines[0].encode() + b"\n")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
                datagram.sendto(lines[1].encode(), "kinegraf.dgram")
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    os.close(run)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def repaired(m):
    """a configuration that is mended while clients wait on the socket: it is tried until then, nothing has failed for good, and their lines are delivered"""
    m.drop_in("[Service]\nRestartSec=200ms\n")
    m.endpoint_up()
    m.configure(more="[spoool]")
    client = m.connect()
    first, second = m.lines(20), m.lines(20)
    client.sendall("".join(line + "\n" for line in first).encode())
    until(lambda: int(m.shows("NRestarts")) >= 12, "it is not tried again and again")
    expect(m.ctl("is-active", "kinegraf.socket") == "active", "the socket failed")
    expect("unknown section [spoool]" in m.journal() and "status=78/CONFIG" in m.journal(), m.journal())
    m.configure()
    client.sendall("".join(line + "\n" for line in second).encode())
    m.expect_delivered(first + second)
    client.close()


def several_streams(m):
    """several streams are several services with sockets, spools and configurations of their own"""
    m.endpoint_up()
    sent = []
    for name in ["one", "two"]:
        m.configure(name=name)
        m.ctl("start", f"kinegraf@{name}.socket")
        lines = m.lines(5)
        m.send(lines, f"kinegraf-{name}")
        sent += lines
    m.expect_delivered(sent)
    for name in ["one", "two"]:
        expect(m.shows("ActiveState", f"kinegraf@{name}.service") == "active")
        m.run("test", "-d", f"/var/lib/kinegraf-{name}/spool")


def child_on_stdin(m):
    """a child on standard input says nothing to the manager of its parent's unit, whatever that unit lets it say"""
    m.configure(name="child")
    m.write("/etc/host.sh", "mkdir -p /tmp/child; systemd-notify --ready --status=mine\n"
            "echo 'm n=1i 1' | STATE_DIRECTORY=/tmp/child kinegraf --config /etc/kinegraf/child.toml --deadline 2s; echo ended with $?\n"
            "sleep 3\nsystemd-notify --status=theirs; exec sleep 60\n")
    m.write("/run/systemd/system/host.service", "[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=30s\nExecStart=/bin/sh /etc/host.sh\n")
    m.ctl("daemon-reload")
    m.endpoint_up()
    m.ctl("start", "host.service")
    until(lambda: "ended with" in m.journal("host.service"), "the child does not end")
    expect("ended with 0" in m.journal("host.service"), m.journal("host.service"))
    expect(m.shows("ActiveState", "host.service") == "active", "it said that the unit ends")
    expect(m.shows("StatusText", "host.service") == "mine", m.shows("StatusText", "host.service"))
    # What such a child says would have been heard.
    m.wait_for_status("theirs", "host.service")
    m.ctl("stop", "host.service")


def a_service_for_each_connection(m):
    """a socket unit with Accept=yes gives a connection as standard input, for who wants a process a connection"""
    m.write("/run/systemd/system/each.socket", "[Socket]\nListenStream=/run/kinegraf-each.sock\nAccept=yes\nMaxConnections=4\n")
    m.write("/run/systemd/system/each@.service", "[Unit]\nCollectMode=inactive-or-failed\n[Service]\nEnvironment=STATE_DIRECTORY=/run\nStandardInput=socket\n"
            "StandardOutput=journal\nStandardError=journal\nExecStart=/usr/bin/kinegraf --config /etc/kinegraf/kinegraf.toml\n")
    m.ctl("daemon-reload")
    m.endpoint_up()
    m.ctl("start", "each.socket")
    lines = m.lines(4)
    m.send(lines[:2], "kinegraf-each")
    m.send(lines[2:], "kinegraf-each")
    m.expect_delivered(lines)
    m.ctl("stop", "each.socket")


def helpers(m):
    """helpers.conf lets a helper be what kinegraf itself may not be, and its credentials are used"""
    # Which processor it runs on is a resource; a runtime of some language would have it too.
    credentials = '{"Version": 1, "AccessKeyId": "AKIAHELPER", "SecretAccessKey": "secret"}'
    m.write("/etc/kinegraf/helper", f"#!/bin/sh\ntaskset -c 0 true || exit 1\necho '{credentials}'\n", 0o755)
    first = "ExecStartPre=/etc/kinegraf/helper\nRestart=no\n"
    m.drop_in(f"[Service]\n{first}")
    m.ctl("start", "kinegraf.service", code=None)
    expect(m.shows("ActiveState") == "failed" and "taskset" in m.journal(), "the service may do it without the drop-in")
    m.ctl("reset-failed")
    m.drop_in((SOURCE / "systemd/drop-ins/helpers.conf").read_text() + first)
    m.write("/etc/kinegraf/aws", "[default]\ncredential_process = /etc/kinegraf/helper\n")
    m.configure(credentials='shared_credential_file = "/etc/kinegraf/aws"')
    m.endpoint_up()
    m.start()
    lines = m.lines(3)
    m.send(lines)
    m.expect_delivered(lines)
    expect({record["access_key"] for record in m.delivered()} == {"AKIAHELPER"}, m.delivered())


CHECKS = [
    boot_without_network, verify, restart_steps, socket_activation, a_stop_and_a_start_lose_no_client, watchdog, killed, stop_with_a_backlog, a_long_stop, reload,
    load_credential, permissions, repaired, several_streams, child_on_stdin,
    a_service_for_each_connection, helpers,
]


def main():
    debian, binary, *words = sys.argv[1:]
    # Whoever ends this ends the machine too.
    for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    checks = [check for check in CHECKS if not words or any(word in check.__doc__ or word == check.__name__ for word in words)]
    failed = 0
    machine = Machine(debian, binary)
    try:
        # There before the system starts, and no endpoint: this is what the first check is about.
        text = '[spool]\ndirectory = "${STATE_DIRECTORY}/spool"\n[packing]\nflush_interval = "500ms"\n[network]\nallow_plain_http = true\n'
        keys = 'region = "eu-central-1"\nstreamname = "kinegraf"\nendpoint_url = "http://kinesis.test:4568"\naccess_key = "AKIAFIRST"\nsecret_key = "secret"\n'
        (machine.root / "etc/kinegraf/kinegraf.toml").write_text(keys + text)
        machine.boot()
        for check in checks:
            began = time.monotonic()
            try:
                if check is not boot_without_network:
                    machine.fresh()
                check(machine)
                print(f"ok      {time.monotonic() - began:5.1f} s  {check.__doc__}", flush=True)
            except Exception as error:
                failed += 1
                trace = "" if isinstance(error, Failed) else traceback.format_exc()
                print(f"FAILED  {time.monotonic() - began:5.1f} s  {check.__doc__}\n  {check.__name__}: {error}\n{trace}", flush=True)
                print("  the journal's end:\n" + "\n".join("    " + line for line in machine.journal().splitlines()[-25:]), flush=True)
    except Failed as error:
        print(f"systemd: {error}", file=sys.stderr)
        sys.exit(2)
    finally:
        machine.end()
    print(f"{len(checks) - failed} of {len(checks)} checks passed")
    sys.exit(1 if failed else 0)


main()
