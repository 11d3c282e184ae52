#!/bin/sh
# Of the Debian package, after the installation and before the removal.
set -e
[ -d /run/systemd/system ] || exit 0
case "$1" in
configure) systemctl daemon-reload ;;
remove) systemctl disable --quiet --now toolcrib.service || true ;;
esac
