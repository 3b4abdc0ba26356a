#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# image-root.sh DIR: lay out in DIR all that the container image holds (the Dockerfile runs it on Debian 13): the program, the
# libraries that it is linked with or loads when it crashes, certificates, the country database, licences, and for scanners the
# list of the packages that the libraries come from. Beside it, DIR/../state becomes the empty state directory.
set -euo pipefail
root=$1
umask 022
mkdir -p "$root"/{etc/ssl/certs,usr/bin,usr/lib/ssl,usr/share/doc/sextant,usr/share/sextant,var/lib/dpkg/status.d,proc,sys,dev,tmp} "$root/../state"
for link in bin lib lib64 sbin; do # as Debian has it
    mkdir -p "$root/usr/$link"
    ln -s "usr/$link" "$root/$link"
done
chmod 1777 "$root/tmp"

install -m 755 build/sextant "$root/usr/bin/sextant"
strip --strip-debug "$root/usr/bin/sextant" # names of functions stay, for traces
install -m 644 build/country.mmdb "$root/usr/share/sextant/country.mmdb"
install -m 644 LICENSE NOTICE "$root/usr/share/doc/sextant/"

# What the loader finds, and what the C library loads by itself to walk a stack.
mapfile -t libraries < <(
    ldd build/sextant | sed -n 's/^.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'
    ldconfig -p | sed -n 's/^[[:space:]]*libgcc_s.so.1 .*=> //p' | head -1
)
packages=()
for library in "${libraries[@]}"; do
    real=$(readlink -f "$(dirname "$library")")/$(basename "$library") # by the name that it is asked for, beyond links of folders
    install -D -m 755 "$(readlink -f "$library")" "$root$real"
    package=$(dpkg-query -S "$(readlink -f "$library")" 2>/dev/null || dpkg-query -S "*${real#/usr}" | head -1)
    packages+=("${package%%:*}")
done
[ -x "$root$(ldd build/sextant | sed -n 's/^[[:space:]]*\(\/lib[^ ]*\) (.*/\1/p')" ] # the loader, by the path that the kernel takes

for package in $(printf '%s\n' "${packages[@]}" ca-certificates | sort -u); do
    dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
    install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
cp -L /etc/os-release "$root/etc/os-release"
cp -L /etc/ssl/openssl.cnf "$root/etc/ssl/openssl.cnf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
echo 'sextant:x:65532:65532:Sextant:/var/lib/sextant:/nonexistent' >"$root/etc/passwd"
echo 'sextant:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
du -sb "$root" | sed 's/^\([0-9]*\).*/image-root.sh: \1 bytes/'
