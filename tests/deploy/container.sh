#!/usr/bin/env bash
# Builds the container image from a built server and runs it as its user with a read-only root: container.sh SERVER COMPONENT
# COMPONENT is the example `echo`. Needs root, buildah and podman.
set -euo pipefail
server=$1
component=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
# Images, containers and volumes of this test only.
store=(--root "$dir/root" --runroot "$dir/run")
# The host's network and few descriptors, so that this also works where a container may not have more.
run=(podman "${store[@]}" run --runtime runc --network host --ulimit nofile=1024:1024 --ulimit nproc=1024:1024
  --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges)

fail() {
  echo "container.sh: $*" >&2
  cat "$dir"/*.log >&2
  exit 1
}
clean_up() {
  podman "${store[@]}" rm --force --all >/dev/null 2>&1 || true
  umount "$dir"/root/overlay 2>/dev/null || true
  rm -rf "$dir"
}
trap clean_up EXIT

"$source/deploy/rootfs.sh" "$server" "$dir/rootfs"
buildah "${store[@]}" bud --quiet --isolation chroot --file "$source/deploy/Containerfile" \
  --build-context rootfs="$dir/rootfs" --tag toolcrib "$source" >"$dir/build.log" 2>&1 || fail "the image was not built"

# Without a configuration: one sentence and the status of a wrong configuration.
status=0
"${run[@]}" --rm toolcrib >"$dir/empty.log" 2>&1 || status=$?
grep -q "^error: /etc/toolcrib/toolcrib.toml: the configuration cannot be read" "$dir/empty.log" || fail "no sentence"
[ "$status" -eq 2 ] || fail "status $status without a configuration"

mkdir "$dir/tools"
cp "$component" "$dir/tools/echo.wasm"
cat >"$dir/toolcrib.toml" <<'TOML'
components = ["/tools/"]
[server]
listen = "127.0.0.1:0"
TOML
chmod -R a+rX "$dir/tools" "$dir/toolcrib.toml"
"${run[@]}" --detach --name server --volume "$dir/tools:/tools:ro" --volume cache:/var/cache \
  --volume "$dir/toolcrib.toml:/etc/toolcrib/toolcrib.toml:ro" \
  toolcrib serve --config /etc/toolcrib/toolcrib.toml --no-auth >"$dir/run.log" 2>&1 || fail "not started"
url=
for _ in $(seq 600); do
  podman "${store[@]}" logs server >"$dir/server.log" 2>&1
  url=$(sed -n 's|^listening on \(http://.*\)/mcp .*|\1|p' "$dir/server.log")
  [ -z "$url" ] || break
  sleep 0.1
done
[ -n "$url" ] || fail "does not listen"
[ "$(curl -sf "$url/healthz")" = ok ] || fail "/healthz"
[ "$(curl -sf "$url/readyz")" = ready ] || fail "/readyz"
answer=$(curl -s "$url/mcp" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"from a container"}}}')
[[ $answer == *'"text":"from a container"'* ]] || fail "answered $answer"
pid=$(podman "${store[@]}" inspect --format '{{.State.Pid}}' server)
grep -qP '^Uid:\t65532\t65532\t' "/proc/$pid/status" || fail "runs as another user"
grep -qP '^CapEff:\t0+$' "/proc/$pid/status" || fail "has capabilities"
ls "$dir"/root/volumes/cache/_data/toolcrib/*.cwasm >/dev/null || fail "compiled components are not cached"

# A second stop by SIGKILL would give the status 137.
podman "${store[@]}" stop --time 60 server >/dev/null
status=$(podman "${store[@]}" inspect --format '{{.State.ExitCode}}' server)
[ "$status" -eq 0 ] || fail "status $status after SIGTERM"
echo "container: built, served, stopped"
