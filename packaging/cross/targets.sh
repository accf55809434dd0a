# Sourced by packaging/build and what it calls: what is to be known of each target, in one place.
#
# A target is called as its binary is: aarch64, armv6, x86_64. The others are built only when somebody names them.
# shellcheck shell=bash disable=SC2034

# Where the toolchain lies that packaging/cross/toolchain lays out. Not in target: it is kept when that is removed, and other clones use it too.
TOOLCHAIN=$(realpath -m "${KINEGRAF_TOOLCHAIN:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/kinegraf/toolchain}")

# Where cargo builds; a relative path is one of the repository.
TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")

TARGETS=(aarch64 armv6 x86_64)
TARGETS_TRIED=(armv7 riscv64)

# set_target NAME: sets
#   TRIPLE    what rustc calls it              GNU      the prefix of Debian's tools        GCC      the Debian package of its C compiler
#   CFLAGS    the processor, for C             ASFLAGS  the processor, for the assembler    QEMU     the oldest processor that it claims, emulated
#   DEB       Debian's name of the architecture, empty where another binary has it
#   OPT       opt-level of a release: docs/building.md says what it costs and saves
#   STATIC    rustc's flag for a static program, where rustc would not make one of itself
#   LINK      flags of the linker
set_target() {
    CFLAGS='' ASFLAGS='' DEB='' OPT=s STATIC='' LINK=''
    case $1 in
    aarch64)
        TRIPLE=aarch64-unknown-linux-musl GNU=aarch64-linux-gnu GCC=gcc-aarch64-linux-gnu DEB=arm64
        QEMU="qemu-aarch64-static -cpu cortex-a53"
        ;;
    armv6)
        # VFPv2 and no Thumb-2: the first Raspberry Pi and the Zero. Raspberry Pi OS calls this armhf, so this binary serves every 32-bit Pi.
        TRIPLE=arm-unknown-linux-musleabihf GNU=arm-linux-gnueabihf GCC=gcc-arm-linux-gnueabihf DEB=armhf OPT=z
        CFLAGS="-march=armv6+fp -mfloat-abi=hard -marm" ASFLAGS="-march=armv6 -mfpu=vfp -mfloat-abi=hard"
        QEMU="qemu-arm-static -cpu arm1176"
        ;;
    armv7)
        TRIPLE=armv7-unknown-linux-musleabihf GNU=arm-linux-gnueabihf GCC=gcc-arm-linux-gnueabihf
        CFLAGS="-march=armv7-a+fp -mfloat-abi=hard -mthumb" ASFLAGS="-march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard"
        QEMU="qemu-arm-static -cpu cortex-a7"
        ;;
    x86_64)
        # Loaded anywhere, as the others are not: its relocations are packed, a bit each instead of 24 bytes.
        TRIPLE=x86_64-unknown-linux-musl GNU=x86_64-linux-gnu GCC=gcc DEB=amd64 LINK=-Wl,-z,pack-relative-relocs
        QEMU="qemu-x86_64-static -cpu Opteron_G1"
        ;;
    riscv64)
        TRIPLE=riscv64gc-unknown-linux-musl GNU=riscv64-linux-gnu GCC=gcc-riscv64-linux-gnu
        QEMU="qemu-riscv64-static" STATIC=-Ctarget-feature=+crt-static
        ;;
    *)
        echo "unknown target '$1'; there are: ${TARGETS[*]}, and by name only: ${TARGETS_TRIED[*]}" >&2
        exit 64
        ;;
    esac
    # What cargo and the cc crate read.
    TRIPLE_ENV=${TRIPLE//-/_}
}

# clean [NAME=VALUE…] COMMAND…: becomes COMMAND, with what it is given and what leads to the network, to files and to the terminal, and nothing else: whatever a
# compiler, a linker, git or cargo would read from the environment makes other bytes.
clean() {
    local kept=() name
    for name in $(compgen -e); do
        case $name in
        PATH | HOME | USER | LOGNAME | TERM | TMPDIR | LANG | LC_* | XDG_CACHE_HOME | CI | KINEGRAF_TOOLCHAIN | CARGO_HOME | CARGO_BUILD_JOBS | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTR* | \
            CARGO_SOURCE_* | CARGO_TERM_* | *_proxy | *_PROXY | SSL_CERT_* | APT_CONFIG | GIT_CONFIG_* | SOURCE_DATE_EPOCH)
            kept+=("$name=${!name}")
            ;;
        esac
    done
    exec env -i "${kept[@]}" "$@"
}
