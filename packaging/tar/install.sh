#!/bin/sh
# Installs kinegraf from the folder that this script lies in, where there is no package manager for it: OpenWrt, Buildroot, any Linux.
#
#     ./install.sh             as root; again for another version: what is configured stays, and what runs is started again
#     ./install.sh --remove    the program and what starts it; configuration, spool and user stay
#
# DESTDIR=/somewhere installs below that, and makes no user, runs nothing and starts nothing. Needs a shell and what busybox has.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")"
to=${DESTDIR:-}

case "$#${1:-}" in
0 | 1--remove) ;;
*)
    echo "usage: $0 [--remove]" >&2
    exit 64
    ;;
esac
if [ -z "$to" ] && [ "$(id -u)" != 0 ]; then
    echo "only root may install" >&2
    exit 77
fi
# Its files would win over those of the package, and stay when that is removed.
if [ -e "$to/var/lib/dpkg/info/kinegraf.list" ]; then
    echo "kinegraf is installed as a Debian package here: use that, or remove it first (dpkg --remove kinegraf keeps configuration and spool)" >&2
    exit 1
fi

# Which of the ways to start a service this system has.
if [ -e "$to/etc/openwrt_release" ] || [ -e "$to/sbin/procd" ]; then
    init=procd
elif [ -d "$to/run/systemd/system" ] || [ -d "$to/lib/systemd/system" ] || [ -d "$to/usr/lib/systemd/system" ]; then
    init=systemd
else
    init=none
fi

# Whether its systemd is what runs, now.
booted() {
    [ -z "$to" ] && [ -d /run/systemd/system ]
}

if [ "${1:-}" = --remove ]; then
    case $init in
    procd)
        if [ -z "$to" ] && [ -x /etc/init.d/kinegraf ]; then
            /etc/init.d/kinegraf stop || true
            /etc/init.d/kinegraf disable || true
        fi
        rm -f "$to/etc/init.d/kinegraf"
        ;;
    systemd)
        if booted; then
            systemctl disable --now kinegraf.socket kinegraf.service || true
            systemctl stop 'kinegraf@*.socket' 'kinegraf@*.service' || true
        fi
        for unit in kinegraf.service kinegraf.socket kinegraf@.service kinegraf@.socket; do
            rm -f "$to/etc/systemd/system/$unit"
        done
        for link in "$to"/etc/systemd/system/*.wants/kinegraf.s* "$to"/etc/systemd/system/*.wants/kinegraf@*; do
            [ ! -L "$link" ] || rm -f "$link"
        done
        ! booted || systemctl daemon-reload
        ;;
    none) echo "no init system that this script knows: what you started yourself still runs" ;;
    esac
    rm -f "$to/usr/bin/kinegraf"
    echo "removed; configuration in /etc/kinegraf, what waits in /var/lib/kinegraf, and the user are still there"
    exit 0
fi

new=
trap '[ -z "$new" ] || rm -f "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# beside MODE FILE PATH: a copy beside PATH, in $new: a program that runs cannot be written to, but replaced; and a full disk leaves the old one.
beside() {
    mkdir -p "$(dirname "$to$3")"
    new=$to$3.new
    cp "$2" "$new"
    chmod "$1" "$new"
}

# place MODE FILE PATH
place() {
    beside "$@"
    mv "$new" "$to$3"
    new=
}

# A number below 1000 that neither a user nor a group has, from one that OpenWrt's packages do not use.
free_number() {
    number=765
    while grep -q "^[^:]*:[^:]*:$number:" /etc/passwd /etc/group; do
        number=$((number + 1))
    done
    echo $number
}

# Busybox or others may have the commands, or nobody: OpenWrt has not.
make_group() {
    if command -v groupadd >/dev/null; then
        groupadd --system kinegraf
    elif command -v addgroup >/dev/null; then
        addgroup -S kinegraf
    else
        echo "kinegraf:x:$(free_number):" >>/etc/group
    fi
}

make_user() {
    if command -v useradd >/dev/null; then
        useradd --system --gid kinegraf --home-dir /var/lib/kinegraf --no-create-home --shell /bin/false kinegraf
    elif command -v adduser >/dev/null; then
        adduser -S -D -H -h /var/lib/kinegraf -s /bin/false -G kinegraf kinegraf
    else
        group=$(sed -n 's/^kinegraf:[^:]*:\([0-9]*\):.*/\1/p' /etc/group)
        echo "kinegraf:x:$group:$group:kinegraf:/var/lib/kinegraf:/bin/false" >>/etc/passwd
        [ ! -e /etc/shadow ] || echo 'kinegraf:*:0:0:99999:7:::' >>/etc/shadow
    fi
}

# Whoever writes to the socket is a member of the group.
telegraf_joins() {
    if command -v usermod >/dev/null; then
        usermod -a -G kinegraf telegraf
    elif command -v addgroup >/dev/null; then
        addgroup telegraf kinegraf
    else
        sed 's/^\(kinegraf:[^:]*:[^:]*:\)$/\1telegraf/; t; s/^\(kinegraf:.*\)$/\1,telegraf/' /etc/group >/etc/group.new
        # Not mv: owner and mode stay.
        cat /etc/group.new >/etc/group
        rm -f /etc/group.new
    fi
}

# Before anything is changed: a program that does not run here must not take the place of one that does.
beside 0755 kinegraf /usr/bin/kinegraf
if [ -z "$to" ]; then
    "$new" --version >/dev/null || {
        echo "this program does not run here; this processor is a $(uname -m)" >&2
        exit 1
    }
    first=
    if ! grep -q '^kinegraf:' /etc/group; then
        make_group
        first=1
    fi
    grep -q '^kinegraf:' /etc/passwd || make_user
    if [ -n "$first" ] && grep -q '^telegraf:' /etc/passwd; then
        telegraf_joins || echo "make telegraf a member of the group kinegraf, so that it may write to the socket" >&2
    fi
fi
mv "$new" "$to/usr/bin/kinegraf"
new=

# What is there already is the administrator's.
if [ ! -d "$to/etc/kinegraf" ]; then
    mkdir -p "$to/etc/kinegraf"
    chmod 0750 "$to/etc/kinegraf"
    [ -n "$to" ] || chown root:kinegraf /etc/kinegraf
fi
if [ ! -e "$to/etc/kinegraf/kinegraf.toml" ]; then
    place 0640 kinegraf.toml /etc/kinegraf/kinegraf.toml
    [ -n "$to" ] || chown root:kinegraf /etc/kinegraf/kinegraf.toml
fi
if [ ! -d "$to/var/lib/kinegraf" ]; then
    mkdir -p "$to/var/lib/kinegraf"
    chmod 0700 "$to/var/lib/kinegraf"
    [ -n "$to" ] || chown kinegraf:kinegraf /var/lib/kinegraf
fi

case $init in
procd)
    place 0755 openwrt/kinegraf.init /etc/init.d/kinegraf
    if [ -z "$to" ] && /etc/init.d/kinegraf running 2>/dev/null; then
        /etc/init.d/kinegraf restart
        next=
    else
        next="/etc/init.d/kinegraf enable && /etc/init.d/kinegraf start"
    fi
    ;;
systemd)
    for unit in systemd/*; do
        place 0644 "$unit" "/etc/systemd/system/${unit##*/}"
    done
    next="systemctl enable --now kinegraf.socket kinegraf.service"
    if booted; then
        systemctl daemon-reload
        ! systemctl --quiet is-active kinegraf.service || next=
        systemctl try-restart kinegraf.service 'kinegraf@*.service'
    fi
    ;;
none)
    # shellcheck disable=SC2016 # it is for the reader's shell
    next='start it as user kinegraf, such as: mkdir -p /run/kinegraf; chown kinegraf /run/kinegraf; RUNTIME_DIRECTORY=/run/kinegraf su -s /bin/sh kinegraf -c "exec kinegraf --config /etc/kinegraf/kinegraf.toml --listen unix:///run/kinegraf/kinegraf.sock"'
    ;;
esac
# The files of a device that loses its power now are whole.
sync
if [ -n "$next" ]; then
    echo "installed; name region and stream in /etc/kinegraf/kinegraf.toml, then: $next"
else
    echo "installed, and what ran before runs again"
fi
