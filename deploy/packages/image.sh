#!/bin/sh
# Makes the container image of a binary that is built, an OCI archive: image.sh BINARY DIRECTORY
#
# Needs buildah or podman; without them there is no image. `skopeo copy` or `podman load` take the archive.
set -eu

source=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml" | head -1)
if command -v buildah >/dev/null; then
  build="buildah bud --isolation chroot" push="buildah push"
elif command -v podman >/dev/null; then
  build="podman build" push="podman push"
else
  echo "no container image: install buildah or podman"
  exit 0
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
strip -o "$root/toolcrib" "$1"
"$source/deploy/rootfs.sh" "$root/toolcrib" "$root/rootfs"
$build --quiet --file "$source/deploy/Containerfile" --build-context rootfs="$root/rootfs" --build-arg VERSION="$version" \
  --timestamp "${SOURCE_DATE_EPOCH:-315532800}" --tag "toolcrib:$version" "$source" >/dev/null
$push --quiet "toolcrib:$version" "oci-archive:$2/toolcrib-$version-image.tar:toolcrib:$version"
(cd "$2" && sha256sum "toolcrib-$version-image.tar" >>SHA256SUMS)
echo "the container image is $2/toolcrib-$version-image.tar"
