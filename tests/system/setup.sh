#!/usr/bin/env bash
# Installs the system's own programs that the complete tests start: Redis, and `ip` for networks of their own; says so where
# the system has no /dev/fuse for a disk of theirs.
set -euo pipefail

if [ ! -c /dev/fuse ] && [ "$(id -u)" -eq 0 ]; then
  # A container may lack the device of what its kernel has.
  modprobe fuse 2>/dev/null || mknod /dev/fuse c 10 229 || true
fi
if [ ! -c /dev/fuse ]; then
  echo "the complete tests need /dev/fuse, for a disk that hangs (modprobe fuse)" >&2
  exit 1
fi
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
# Where users other than root have it, too.
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null || missing+=(iproute2)
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "the complete tests need ${missing[*]}; install it (Debian: apt-get install ${missing[*]})" >&2
  exit 1
fi
echo "installing Debian's ${missing[*]}, for the tests that need a store or a network of their own"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
