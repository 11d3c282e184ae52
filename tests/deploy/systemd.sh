#!/usr/bin/env bash
# Checks the systemd unit and runs it under a real systemd: systemd.sh SERVER COMPONENT
# COMPONENT is the example `echo`. Needs root, podman and systemd. systemd is the first process of a container whose root is
# a copy-on-write view of this machine's.
set -euo pipefail
server=$1
component=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
unit=$source/deploy/toolcrib.service
# Of 100 points of `systemd-analyze security`, the most that the unit may have: 12 of them are the network, Unix domain
# sockets and setpriority(2), which the server uses.
max_exposure=12
# On a file system of its own: a view cannot contain its own changes.
dir=$(mktemp -d)
mount -t tmpfs -o size=1g tmpfs "$dir"
mkdir -p "$dir"/changes/{run,tmp,etc/toolcrib} "$dir/work" "$dir/root"
machine=toolcrib-systemd-$$
inside=(podman exec "$machine")

fail() {
  echo "systemd.sh: $*" >&2
  "${inside[@]}" journalctl --no-pager -u toolcrib -n 30 >&2 2>/dev/null || true
  exit 1
}
clean_up() {
  podman rm --force "$machine" >/dev/null 2>&1 || true
  umount "$dir/root" && umount "$dir" && rmdir "$dir"
}
trap clean_up EXIT

# Empty in the view, whatever this machine has there.
python3 -c 'import os, sys; [os.setxattr(d, "trusted.overlay.opaque", b"y") for d in sys.argv[1:]]' \
  "$dir"/changes/{run,tmp,etc/toolcrib}
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/changes,workdir=$dir/work" "$dir/root"
mkdir -p "$dir/root/etc/systemd/system/toolcrib.service.d"
install -m 0755 "$server" "$dir/root/usr/bin/toolcrib"
install -m 0644 "$unit" "$dir/root/etc/systemd/system/toolcrib.service"
install -m 0644 "$component" "$dir/root/etc/toolcrib/echo.wasm"
cat >"$dir/root/etc/toolcrib/toolcrib.toml" <<'TOML'
components = ["echo.wasm"]
[server]
listen = "unix:/run/toolcrib/toolcrib.sock"
state-key = { file = "/run/credentials/toolcrib.service/state.key" }
[telemetry]
audit = "/var/log/toolcrib/audit.jsonl"
TOML
install -m 0600 /dev/null "$dir/root/etc/toolcrib/state.key"
echo 0123456789abcdef0123456789abcdef >"$dir/root/etc/toolcrib/state.key"
credential=$(grep -o '^#LoadCredential=.*' "$unit") || fail "the unit has no credential"
# The container may not have more descriptors. The group of a proxy, for the socket. A secret that only root can read.
# Without a token, for the calls below.
cat >"$dir/root/etc/systemd/system/toolcrib.service.d/test.conf" <<CONF
[Service]
LimitNOFILE=1024
Group=www-data
${credential#\#}
ExecStart=
ExecStart=/usr/bin/toolcrib serve --config /etc/toolcrib/toolcrib.toml --no-auth
CONF
podman run --detach --name "$machine" --runtime runc --network host --ulimit nofile=1024:1024 \
  --ulimit nproc=1024:1024 --privileged --systemd=always --rootfs "$dir/root" \
  /lib/systemd/systemd --unit=basic.target >/dev/null
"${inside[@]}" timeout 60 sh -c 'until [ "$(systemctl is-system-running 2>&1)" = running ]; do sleep 0.1; done' ||
  fail "systemd does not start"
# systemd does this itself, except in a container. The mounts of credentials need it.
"${inside[@]}" mount --make-rshared /

# Prints the faults. The status says nothing about some of them, such as a key that does not exist.
verify() {
  "${inside[@]}" systemd-analyze verify "$1" 2>&1 || true
}
faults=$(verify toolcrib.service)
[ -z "$faults" ] || fail "$faults"
"${inside[@]}" sed 's/^NoNewPrivileges/NoNewPrivilege/' /etc/systemd/system/toolcrib.service >"$dir/root/etc/toolcrib/other.service"
faults=$(verify /etc/toolcrib/other.service)
[[ $faults == *"Unknown key"*"'NoNewPrivilege'"* ]] || fail "a misspelt key passes: $faults"
"${inside[@]}" systemd-analyze security --offline=yes --threshold="$max_exposure" \
  /etc/systemd/system/toolcrib.service >"$dir/security" || fail "$(tail -1 "$dir/security")"

socket=/run/toolcrib/toolcrib.sock
call() {
  "${inside[@]}" curl -s --unix-socket "$socket" http://localhost/mcp \
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"from a unit"}}}'
}
"${inside[@]}" systemctl start toolcrib
"${inside[@]}" timeout 120 sh -c "until curl -sf --unix-socket $socket http://localhost/healthz; do sleep 0.1; done" \
  >/dev/null || fail "/healthz"
[[ $(call) == *'"text":"from a unit"'* ]] || fail "a call fails"
"${inside[@]}" stat -c '%a %G' "$socket" | grep -qx '660 www-data' || fail "the proxy cannot reach the socket"
"${inside[@]}" sh -c 'ls /var/cache/toolcrib/*.cwasm' >/dev/null || fail "compiled components are not cached"
# A reload opens the renamed file again.
"${inside[@]}" mv /var/log/private/toolcrib/audit.jsonl /var/log/private/toolcrib/audit.old
"${inside[@]}" systemctl reload toolcrib
[[ $(call) == *'"text":"from a unit"'* ]] || fail "a call after the reload fails"
"${inside[@]}" systemctl stop toolcrib
"${inside[@]}" systemctl show -P Result toolcrib | grep -qx success || fail "the stop failed"
"${inside[@]}" grep -q '"name":"echo"' /var/log/private/toolcrib/audit.jsonl || fail "the audit was not opened again"

# A wrong configuration is not tried again.
"${inside[@]}" sh -c 'echo "[serve]" >>/etc/toolcrib/toolcrib.toml'
"${inside[@]}" systemctl start toolcrib
"${inside[@]}" timeout 60 sh -c 'until systemctl is-failed --quiet toolcrib; do sleep 0.1; done' || fail "not failed"
"${inside[@]}" systemctl show -P ExecMainStatus toolcrib | grep -qx 2 || fail "another status"
"${inside[@]}" systemctl show -P NRestarts toolcrib | grep -qx 0 || fail "restarted"
echo "unit: verified, $(tail -1 "$dir/security" | grep -o '[0-9][0-9.]*'), served, reloaded, stopped"
