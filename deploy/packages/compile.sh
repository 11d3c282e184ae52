#!/usr/bin/env bash
# Builds the host with the dist profile: compile.sh TARGET, into TARGET/packaged/toolcrib
#
# The host is built twice: with counters, which count while exercise.py uses it, and then for what they counted
# (profile-guided optimisation). Needs llvm-profdata of rustc's LLVM, openssl and Python; `make dist PROFILE=none` builds once,
# without.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "$1")
triple=$(rustc -vV | sed -n 's/^host: //p')

# The target is named so that build scripts and macros get no counters.
build() {
  CARGO_TARGET_DIR=$1 RUSTFLAGS=$2 cargo build --locked -p toolcrib --profile dist --target "$triple"
}

# Prints the llvm-profdata of an LLVM, if there is one.
profdata_of() {
  local found
  for found in "$(rustc --print target-libdir)/../bin/llvm-profdata" "llvm-profdata-$1" llvm-profdata; do
    if "$found" --version 2>/dev/null | grep -q "LLVM version $1\."; then
      echo "$found"
      return
    fi
  done
}

# Installs Debian's package of an LLVM, where that is possible.
install_llvm() {
  local root=()
  command -v apt-get >/dev/null || return 0
  if ((EUID != 0)); then root=(sudo --non-interactive); fi
  echo "compile.sh: installing llvm-$1"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get -qq update && apt-get -qq install -y -o DPkg::Lock::Timeout=120 --no-remove --no-install-recommends "$1" >/dev/null' \
    sh "llvm-$1" || true
}

flags=
if [[ ${PROFILE:-} != none ]]; then
  for program in openssl python3; do
    if ! command -v $program >/dev/null; then
      echo "compile.sh: $program is missing; install it, or build without a profile: PROFILE=none" >&2
      exit 1
    fi
  done
  llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  if [[ -z $(profdata_of "$llvm") ]]; then install_llvm "$llvm"; fi
  profdata=$(profdata_of "$llvm")
  if [[ -z $profdata ]]; then
    echo "compile.sh: there is no llvm-profdata of LLVM $llvm; install it (rustup component add llvm-tools, or" \
      "apt-get install llvm-$llvm), or build without a profile: PROFILE=none" >&2
    exit 1
  fi
  guest-examples/build.sh rust
  counts=$target/profile/counts
  rm -rf "$counts"
  build "$target/profile" "-Cprofile-generate=$counts"
  deploy/packages/exercise.py "$target/profile/$triple/dist/toolcrib" guest-examples/dist/{echo,handbook,jq}.wasm
  "$profdata" merge -o "$target/profile/merged" "$counts"
  rm -f "$target"/profile/*.profdata
  # Cargo sees a new profile by its name only.
  merged=$target/profile/$(sha256sum "$target/profile/merged" | head -c 16).profdata
  mv "$target/profile/merged" "$merged"
  flags="-Cprofile-use=$merged"
fi
build "$target/packaged" "$flags"
cp "$target/packaged/$triple/dist/toolcrib" "$target/packaged/toolcrib"
