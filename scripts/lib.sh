# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts share. Source it; it changes nothing by itself.

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# The newest of a tool's versions between two: newest_of clang-tidy 14 21. Plain names come last.
newest_of() {
    local version
    for ((version = $3; version >= $2; version--)); do
        command -v "$1-$version" && return 0
    done
    command -v "$1"
}

cores() { nproc 2>/dev/null || echo 1; }
