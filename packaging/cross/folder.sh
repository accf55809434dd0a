# Sourced by packaging/build and packaging/check: where the toolchain lies that packaging/cross/toolchain lays out.
# shellcheck shell=bash disable=SC2034
folder=$(realpath -m "${KINEGRAF_TOOLCHAIN:-${XDG_CACHE_HOME:-${HOME:-$PWD/target}/.cache}/kinegraf/toolchain}")
