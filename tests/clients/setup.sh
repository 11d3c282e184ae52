#!/usr/bin/env bash
# Installs what the complete tests need: real MCP clients and the conformance suite, all with pinned versions, and a
# browser for the clients that run in web pages.
set -euo pipefail
cd "$(dirname "$0")"

for need in python3 node npm; do
  if ! command -v "$need" >/dev/null; then
    echo "the clients need $need; install it (Debian: apt-get install python3-venv nodejs npm)" >&2
    exit 1
  fi
done

# A stamp that is newer than the lock files means that the installation is up to date.
if [ ! python/.venv/stamp -nt python/requirements.txt ] || [ ! python/.venv/stamp -nt python/constraints.txt ]; then
  python3 -m venv python/.venv
  python/.venv/bin/pip install --quiet --disable-pip-version-check -r python/requirements.txt -c python/constraints.txt
  touch python/.venv/stamp
fi
# The older versions cannot be installed beside the current one.
for version in 1.9 1.3; do
  venv=python/.venv-$version
  if [ ! "$venv/stamp" -nt "python/older-$version.txt" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "python/older-$version.txt"
    touch "$venv/stamp"
  fi
done
for packages in node ../conformance/node ../page; do
  if [ ! "$packages/node_modules/stamp" -nt "$packages/package-lock.json" ]; then
    (cd "$packages" && npm ci --silent --no-audit --no-fund)
    touch "$packages/node_modules/stamp"
  fi
done
# Bundle the TypeScript client into one file that a web page can import.
if [ ! browser/mcp-client.mjs -nt node/node_modules/stamp ]; then
  (cd node && node_modules/.bin/esbuild @modelcontextprotocol/client \
    --bundle --format=esm --log-level=warning --outfile=../browser/mcp-client.mjs)
fi

# tests/browser.rs searches for the same names.
for browser in chromium chromium-browser google-chrome; do
  if command -v "$browser" >/dev/null; then
    exit 0
  fi
done
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "the clients need Chromium; install it (Debian: apt-get install chromium) or Google Chrome" >&2
  exit 1
fi
echo "installing Debian's package chromium, for the tests that need a browser"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends chromium >/dev/null
