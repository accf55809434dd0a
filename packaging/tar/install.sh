#!/bin/sh
# Installs kinegraf from the folder that this script lies in, where there is no package manager for it: OpenWrt, Buildroot, any Linux.
#
#     ./install.sh             as root; what is configured already stays
#     ./install.sh --remove    the program and what starts it; configuration and spool stay
#
# DESTDIR=/somewhere installs below that, and makes no user.
set -eu
cd "$(dirname "$0")"
to=${DESTDIR:-}

# Which of the ways to start a service this system has.
if [ -e "$to/etc/openwrt_release" ] || [ -e "$to/sbin/procd" ]; then
    init=procd
elif [ -d "$to/run/systemd/system" ] || [ -d "$to/lib/systemd/system" ] || [ -d "$to/usr/lib/systemd/system" ]; then
    init=systemd
else
    init=none
fi

if [ "${1:-}" = --remove ]; then
    case $init in
    procd)
        [ -n "$to" ] || ! [ -x /etc/init.d/kinegraf ] || { /etc/init.d/kinegraf stop; /etc/init.d/kinegraf disable; } || true
        rm -f "$to/etc/init.d/kinegraf"
        ;;
    systemd)
        [ -n "$to" ] || systemctl disable --now kinegraf.socket kinegraf.service || true
        for unit in systemd/*.service systemd/*.socket; do
            rm -f "$to/etc/systemd/system/$(basename "$unit")"
        done
        ;;
    esac
    rm -f "$to/usr/bin/kinegraf"
    echo "removed; configuration in /etc/kinegraf and what waits in /var/lib/kinegraf are still there"
    exit 0
fi

# place MODE FILE PATH
place() {
    mkdir -p "$(dirname "$to$3")"
    # Beside it first: a program that runs cannot be written to, but replaced.
    cp "$2" "$to$3.new"
    chmod "$1" "$to$3.new"
    mv "$to$3.new" "$to$3"
}

if [ -z "$to" ] && ! grep -q '^kinegraf:' /etc/passwd; then
    if command -v useradd >/dev/null; then
        useradd --system --user-group --home-dir /var/lib/kinegraf --no-create-home --shell /bin/false kinegraf
    elif command -v adduser >/dev/null; then
        adduser -S -D -H -h /var/lib/kinegraf kinegraf
    else
        # OpenWrt has neither; a number that its packages do not use.
        echo 'kinegraf:x:7465:' >>/etc/group
        echo 'kinegraf:x:7465:7465:kinegraf:/var/lib/kinegraf:/bin/false' >>/etc/passwd
    fi
fi

place 0755 kinegraf /usr/bin/kinegraf
"$to/usr/bin/kinegraf" --version >/dev/null || { echo "this program is not for this processor: $(uname -m)" >&2; exit 1; }
mkdir -p "$to/etc/kinegraf" "$to/var/lib/kinegraf"
[ -e "$to/etc/kinegraf/kinegraf.toml" ] || place 0640 kinegraf.toml /etc/kinegraf/kinegraf.toml
if [ -z "$to" ]; then
    chown root:kinegraf /etc/kinegraf /etc/kinegraf/kinegraf.toml
    chown kinegraf:kinegraf /var/lib/kinegraf
    chmod 0750 /etc/kinegraf
    chmod 0700 /var/lib/kinegraf
fi

case $init in
procd)
    place 0755 openwrt/kinegraf.init /etc/init.d/kinegraf
    echo "name region and stream in /etc/kinegraf/kinegraf.toml, then: /etc/init.d/kinegraf enable && /etc/init.d/kinegraf start"
    ;;
systemd)
    for unit in systemd/*.service systemd/*.socket; do
        [ ! -e "$unit" ] || place 0644 "$unit" "/etc/systemd/system/$(basename "$unit")"
    done
    [ -n "$to" ] || systemctl daemon-reload
    echo "name region and stream in /etc/kinegraf/kinegraf.toml, then: systemctl enable --now kinegraf.socket kinegraf.service"
    ;;
none)
    echo "installed; no init system that this script knows: start kinegraf --config /etc/kinegraf/kinegraf.toml --listen unix:///run/kinegraf.sock"
    ;;
esac
