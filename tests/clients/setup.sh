#!/usr/bin/env bash
# Installs the real MCP clients that the complete tests drive, each pinned.
set -euo pipefail
cd "$(dirname "$0")"

for need in python3 node npm; do
  if ! command -v "$need" >/dev/null; then
    echo "the clients need $need; install it (Debian: apt-get install python3-venv nodejs npm)" >&2
    exit 1
  fi
done

# A stamp is newer than what it was made from: nothing to do.
if [ ! python/.venv/stamp -nt python/requirements.txt ]; then
  python3 -m venv python/.venv
  python/.venv/bin/pip install --quiet --disable-pip-version-check -r python/requirements.txt
  touch python/.venv/stamp
fi
if [ ! node/node_modules/stamp -nt node/package-lock.json ]; then
  (cd node && npm ci --silent --no-audit --no-fund)
  touch node/node_modules/stamp
fi
