#!/bin/sh
# Collects the root directory of the container image: rootfs.sh BINARY DIRECTORY
#
# These are the server, the shared libraries that it is linked with, the certificates of public authorities and the server's
# directories. deploy/Containerfile runs this where it builds the server.
set -eu

binary=$1
root=$2
certificates=/etc/ssl/certs/ca-certificates.crt
if [ ! -f "$certificates" ]; then
  echo "rootfs.sh: $certificates is missing; install ca-certificates" >&2
  exit 1
fi

install -D -m 0755 "$binary" "$root/usr/bin/toolcrib"
# Lines of ldd: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
  install -D -m 0755 "$library" "$root$library"
done
install -D -m 0644 "$certificates" "$root$certificates"
install -D -m 0644 "$(dirname "$0")/../LICENSE" "$root/usr/share/doc/toolcrib/LICENSE"
install -d "$root/etc/toolcrib" "$root/tools" "$root/var/cache" "$root/var/lib"
