#!/usr/bin/env bash
# Installs system programs for the complete tests: Redis, and `ip` for network namespaces. Fails if the system has no
# /dev/fuse, which the tests need for a file system that hangs.
set -euo pipefail

if [ ! -c /dev/fuse ] && [ "$(id -u)" -eq 0 ]; then
  # A container may lack the device although its kernel supports FUSE.
  modprobe fuse 2>/dev/null || mknod /dev/fuse c 10 229 || true
fi
if [ ! -c /dev/fuse ]; then
  echo "the complete tests need /dev/fuse, for a disk that hangs (modprobe fuse)" >&2
  exit 1
fi
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
# `ip` may be in a directory that only root has in its PATH.
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
