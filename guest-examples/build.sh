#!/usr/bin/env bash
# Builds the example components into dist/, next to this script.
#
#   build.sh [--require] [LANGUAGE...]
#   build.sh --crates DIRECTORY NAME...
#   build.sh --project DIRECTORY
#
# The languages are rust, c, python, javascript, typescript and go; the default is all of them. Components that are up to date are not
# rebuilt. If the machine lacks the compiler or interpreter of a language, the script reports that and skips the
# language, or fails with --require. Rust is never skipped, because the host itself needs it.
#
# The second form builds the named crates of the cargo workspace in DIRECTORY into DIRECTORY/dist. DIRECTORY is relative
# to this script.
#
# The third form runs `make` in a project of `toolcrib new`, also on a machine that cannot download a target of Rust.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { echo "guest-examples: $*"; }

fail() {
  echo "guest-examples: $*" >&2
  exit 1
}

usage() {
  echo "usage: build.sh [--require] [rust] [c] [python] [javascript] [typescript] [go]" >&2
  echo "       build.sh --crates DIRECTORY NAME..." >&2
  echo "       build.sh --project DIRECTORY" >&2
  exit 2
}

has() { command -v "$1" >/dev/null; }

# --- Outputs and sources of each language ---

outputs_of() {
  case $1 in
    crates) printf "$crates/dist/%s.wasm " "${names[@]}" ;;
    rust) echo dist/echo.wasm dist/handbook.wasm dist/jq.wasm dist/calendar.wasm ;;
    c) echo dist/qr.wasm ;;
    python) echo dist/table.wasm ;;
    javascript) echo dist/text.wasm ;;
    typescript) echo dist/units.wasm ;;
    go) echo dist/agenda.wasm ;;
  esac
}

sources_of() {
  case $1 in
    crates) echo "$crates" ;;
    c | go) echo "$1" componentize ;;
    rust) echo rust functions ;;
    *) echo "$1" ;;
  esac
  echo ../wit build.sh
}

# Succeeds if each output of the language is newer than all of its sources.
is_up_to_date() {
  local output changed
  for output in $(outputs_of "$1"); do
    [[ -e $output ]] || return 1
    # shellcheck disable=SC2046 # the paths contain no spaces
    changed=$(find $(sources_of "$1") \
      -type d \( -name target -o -name node_modules -o -name .venv -o -name build -o -name dist -o -name __pycache__ \) -prune \
      -o -type f ! -name '*.md' -newer "$output" -print -quit)
    [[ -z $changed ]] || return 1
  done
}

# Copies a component into dist/ or another directory. The last step is an atomic rename, because a host may watch the
# directory.
publish() {
  local dist=${3-dist}
  mkdir -p "$dist"
  cp "$1" "$dist/.$2.$$"
  mv "$dist/.$2.$$" "$dist/$2"
}

# --- Requirements of each language ---

# Prints the tools that the machine lacks, or nothing.

missing_for() {
  case $1 in
    c | python | go)
      if ! has python3 || ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        echo "install Python 3 with its venv module (Debian: python3 and python3-venv)"
      fi
      ;;
    javascript | typescript)
      if ! has node || ! has npm; then echo "install Node.js and npm"; fi
      ;;
  esac
}

# Creates a virtual environment in the folder of the language, with the packages of its requirements.txt.
venv() {
  local done=$1/.venv/.complete
  if [[ ! -e $done || $1/requirements.txt -nt $done ]]; then
    python3 -m venv --clear "$1/.venv"
    "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1/requirements.txt"
    touch "$done"
  fi
}

# --- Rust ---

build_rust() {
  build_crates_of rust dist echo handbook jq
  build_crates_of functions dist calendar
}

build_crates() { build_crates_of "$crates" "$crates/dist" "${names[@]}"; }

# Builds the crates of a workspace and publishes them. All workspaces share one target directory, so that common
# dependencies are compiled once.
build_crates_of() {
  local workspace=$1 dist=$2 target=wasm32-wasip2 name
  shift 2
  has cargo || fail "rust: cargo is missing; install Rust with rustup"
  if has_rust_target; then
    compile_rust "$workspace" --target $target
  else
    target=wasm32-unknown-unknown
    with_std_source compile_rust "$workspace" --target $target "$build_std"
  fi
  for name in "$@"; do
    publish "rust/target/$target/release/${name//-/_}.wasm" "$name.wasm" "$dist"
  done
}

compile_rust() {
  local workspace=$1 out=$PWD/rust/target
  shift
  (cd "$workspace" && cargo build --quiet --locked --release --target-dir "$out" "$@")
}

build_std=-Zbuild-std=std,panic_abort

# Succeeds if the target wasm32-wasip2 is installed or can be.
has_rust_target() {
  local lib
  lib=$(cd rust && rustc --print target-libdir --target wasm32-wasip2 2>/dev/null) || return 1
  compgen -G "$lib/libstd-*" >/dev/null || { has rustup && (cd rust && rustup target add wasm32-wasip2) >/dev/null 2>&1; }
}

build_project() {
  if [[ ! -e $project/Cargo.toml ]] || has_rust_target; then
    make -C "$project"
  else
    with_std_source make -C "$project" TARGET=wasm32-unknown-unknown "CARGOFLAGS=$build_std"
  fi
}

# Runs a command that builds without the wasm32-wasip2 target, for machines that cannot download it. Debian packages a
# compiler together with the source of its standard library; the linker is part of each rustup toolchain, and produces a
# component.
with_std_source() {
  local bin
  bin=$(cd rust && rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
  if [[ ! -x $bin/wasm-component-ld || ! -x $bin/gcc-ld/wasm-ld ]]; then
    fail "rust: the target wasm32-wasip2 is missing; run 'rustup target add wasm32-wasip2'"
  fi
  debian_rust
  (
    # -Zbuild-std is unstable; RUSTC_BOOTSTRAP enables it in a stable compiler.
    export PATH=$bin/gcc-ld:$bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$bin/wasm-component-ld
    "$@"
  )
}

debian_rust() {
  local packages=(rustc-web rust-web-src) root=()
  if dpkg --status "${packages[@]}" >/dev/null 2>&1; then return; fi
  local advice="run 'rustup target add wasm32-wasip2' where it can be downloaded, or install ${packages[*]} of Debian"
  has apt-get || fail "rust: the target wasm32-wasip2 is missing and cannot be downloaded; $advice"
  if ((EUID != 0)); then
    sudo --non-interactive true 2>/dev/null || fail "rust: no right to install packages; $advice"
    root=(sudo --non-interactive)
  fi
  say "rust: the target wasm32-wasip2 cannot be downloaded; installing ${packages[*]} of Debian"
  # Outdated package lists would install an outdated compiler. --no-remove protects another installed Rust.
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get -qq update && apt-get -qq install -y -o DPkg::Lock::Timeout=120 --no-remove --no-install-recommends "$@" >/dev/null' \
    sh "${packages[@]}" || fail "rust: Debian's packages could not be installed; $advice"
}

# --- C ---

build_c() {
  has cargo || fail "c: cargo is missing; install Rust with rustup"
  venv c
  (cd componentize && cargo build --quiet --locked --release --target-dir target)
  local componentize=componentize/target/release/componentize
  $componentize bindings ../wit tool-component c/build
  # The default stack of 16 MiB would enlarge the memory of each instance.
  ZIG_GLOBAL_CACHE_DIR=c/build/cache c/.venv/bin/python -m ziglang cc -target wasm32-wasi -mexec-model=reactor \
    -std=c17 -Oz -s -Wall -Wextra -Werror -Wl,-z,stack-size=65536 \
    -I c/build c/src/*.c c/build/tool_component.c c/build/tool_component_component_type.o -o c/build/qr.core.wasm
  $componentize component c/build/qr.core.wasm c/build/qr.wasm
  publish c/build/qr.wasm qr.wasm
}

# --- Python ---

build_python() {
  venv python
  mkdir -p python/build
  python/.venv/bin/componentize-py --quiet -d ../wit -w tool-component componentize -p python/src -p ../wit/python \
    app -o python/build/table.wasm
  publish python/build/table.wasm table.wasm
}

# --- JavaScript and TypeScript ---

build_javascript() { build_npm javascript text; }

build_typescript() { build_npm typescript units; }

# Builds the component of an npm package and publishes it.
build_npm() {
  (
    cd "$1"
    if [[ package-lock.json -nt node_modules/.package-lock.json ]]; then
      npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    fi
    npm run --silent build >/dev/null
  )
  publish "$1/build/$2.wasm" "$2.wasm"
}

# --- Go ---

build_go() {
  has cargo || fail "go: cargo is missing; install Rust with rustup"
  venv go
  (cd componentize && cargo build --quiet --locked --release --target-dir target)
  local componentize=$PWD/componentize/target/release/componentize gofmt
  # The bindings of wit/go have this text; tests/templates.rs compares them.
  $componentize go-bindings ../wit tool-component go/build/bindings
  gofmt=$(go/.venv/bin/go env GOROOT)/bin/gofmt
  find go/build/bindings -name '*.go' -exec sed -i 's#"go.bytecodealliance.org/pkg/#"toolcrib/pkg/#' {} + -exec "$gofmt" -w {} +
  # The linker refuses the runtime function that the bindings allocate with, unless -checklinkname=0.
  (cd go && GOCACHE=$PWD/build/cache GOTOOLCHAIN=local GOOS=wasip1 GOARCH=wasm .venv/bin/go build -buildmode=c-shared -trimpath \
    -ldflags="-checklinkname=0 -s -w" -o build/core.wasm .)
  local wasm_tools=go/.venv/bin/wasm-tools adapter=../wit/go/adapter/adapter
  $wasm_tools component embed $adapter.wit $adapter.wat -o go/build/adapter.wasm
  $wasm_tools component embed ../wit --world tool-component go/build/core.wasm -o go/build/embedded.wasm
  $wasm_tools component new go/build/embedded.wasm --adapt wasi_snapshot_preview1=go/build/adapter.wasm -o go/build/agenda.wasm
  publish go/build/agenda.wasm agenda.wasm
}

# --- Main: build the selected languages in turn ---

require=false
languages=()
if [[ ${1-} == --crates ]]; then
  (($# > 2)) || usage
  crates=$2
  names=("${@:3}")
  languages=(crates)
  set --
elif [[ ${1-} == --project ]]; then
  (($# == 2)) || usage
  project=$2
  build_project
  exit
fi
for argument in "$@"; do
  case $argument in
    --require) require=true ;;
    rust | c | python | javascript | typescript | go) languages+=("$argument") ;;
    *) usage ;;
  esac
done
if ((${#languages[@]} == 0)); then languages=(rust c python javascript typescript go); fi

skipped=()
for language in "${languages[@]}"; do
  if is_up_to_date "$language"; then
    say "$language: up to date"
    continue
  fi
  missing=$(missing_for "$language")
  if [[ -n $missing ]]; then
    say "$language: left out; $missing"
    skipped+=("$language")
    continue
  fi
  say "$language: building"
  SECONDS=0
  "build_$language"
  say "$language: $(outputs_of "$language") in $SECONDS s"
done

if $require && ((${#skipped[@]} > 0)); then fail "required, but left out: ${skipped[*]}"; fi
