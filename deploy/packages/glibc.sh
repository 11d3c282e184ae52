#!/usr/bin/env bash
# Makes a directory with a C compiler that links with the C library of Debian 11 (glibc 2.31): glibc.sh DIRECTORY
#
# A binary that is linked on a newer system needs its newer glibc, mostly for symbols that only moved. With DIRECTORY/bin first
# in PATH, cargo compiles and links C with the headers and libraries of DIRECTORY/root, and the binary runs on each glibc from
# 2.31 on. `make dist` uses it.
set -euo pipefail

directory=$(realpath -m "$1")
if [[ -x $directory/bin/cc ]]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "glibc.sh: this is not Debian; leave out \`make dist\`'s old glibc with GLIBC=host" >&2
  exit 1
fi

apt=$(mktemp -d)
trap 'rm -r "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
touch "$apt/status" # without the versions of this system
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages' | head -1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
CONF
(
  cd "$apt"
  export APT_CONFIG=$apt/apt.conf
  apt-get update -qq
  apt-get download -qq libc6 libc6-dev libcrypt1 libgcc-s1 linux-libc-dev
)
rm -rf "$directory"
mkdir -p "$directory/bin"
for package in "$apt"/*.deb; do
  dpkg -x "$package" "$directory/root"
done
# Absolute links would lead to the libraries of this system.
find "$directory/root" -type l -lname '/*' -printf '%p %l\n' | while read -r link to; do
  ln -sfn "$directory/root$to" "$link"
done
# gcc searches its own directories before those of --sysroot, unless -B names them.
usr=$directory/root/usr/lib/x86_64-linux-gnu lib=$directory/root/lib/x86_64-linux-gnu
for name in cc gcc; do
  printf '#!/bin/sh\nexec %q --sysroot=%q -B%q -B%q "$@"\n' \
    "$(command -v $name)" "$directory/root" "$usr" "$lib" >"$directory/bin/$name"
  chmod +x "$directory/bin/$name"
done
