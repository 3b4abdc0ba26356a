#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check-dockerfile.sh [DIR]: prove the Dockerfile without a container engine. Every step of it runs in a Debian 13 root that
# debootstrap makes; then the image is measured, and the program started in it as the image says: its user, its environment, a
# read-only root, no shell. DIR (build/dockerfile) keeps what is worth keeping for the next time: the bare root, and the
# build stage up to where the sources come in. Needs root, debootstrap, unshare and Python. Exit code 77: not possible here.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
keep=${1:-build/dockerfile}

cannot() { say "$1" && exit 77; }
[ "$(id -u)" -eq 0 ] || cannot "check-dockerfile.sh needs root: it makes file systems and changes root"
command -v debootstrap >/dev/null || cannot "debootstrap is missing: apt-get install debootstrap"
unshare --mount --pid --fork --net true 2>/dev/null || cannot "no namespaces may be made here"
tmp=$(mktemp -d)
trap 'rmdir "$tmp"' EXIT
unshare --mount mount -t tmpfs none "$tmp" 2>/dev/null || cannot "nothing may be mounted here"

# The mirror of this system's own apt; only Debian has one that fits.
mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -nE 's/^(trixie|bookworm)\|main\|//p' | head -1
}

if [ ! -e "$keep/base/.complete" ]; then
    from=$(mirror)
    [ -n "$from" ] || cannot "apt has no mirror of Debian here"
    say "debootstrap: Debian 13, for debian:13-slim"
    rm -rf --one-file-system "$keep/base"
    mkdir -p "$keep"
    debootstrap --variant=minbase trixie "$keep/base" "$from" >"$keep/log" 2>&1 || { tail -20 "$keep/log" && die "debootstrap failed"; }
    rm -rf "$keep/base/var/cache/apt/archives"/*.deb
    echo force-unsafe-io >"$keep/base/etc/dpkg/dpkg.cfg.d/docker-apt-speedup" # as the official image has it
    touch "$keep/base/.complete"
fi
# In memory, as a container's file system is written once and thrown away; it goes with the namespace.
# shellcheck disable=SC2016
unshare --mount --kill-child --pid --fork --mount-proc bash -ec '
    mount -t tmpfs -o size=4g,mode=755 none "$2"
    python3 scripts/dockerfile.py build --base "$1/base" --keep "$1" --work "$2"
    unshare --net --mount-proc --pid --fork --kill-child python3 scripts/dockerfile.py try --work "$2"
' - "$keep" "$tmp"
