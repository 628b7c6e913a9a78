#!/usr/bin/env bash
# Install the Debian packages named as arguments that are not installed yet; says which. Does nothing when all are
# there, so that a machine without network or without root can build as well.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

installed() {
  # What counts is what the package gives, wherever it comes from.
  case $1 in
    pkg-config) command -v pkg-config >/dev/null && return 0 ;;
    chromium) command -v chromium >/dev/null && return 0 ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null && return 0 ;;
  esac
  dpkg-query --show --showformat='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

command -v dpkg-query >/dev/null ||
  fail "this is not a Debian-like system; install what provides these Debian packages, then run swift build: $*"

missing=()
for package in "$@"; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "Installing Debian packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "neither root nor sudo; as root run: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends)
# A fresh machine has no package lists yet; a used one may have stale ones.
"${as_root[@]}" "${install[@]}" "${missing[@]}" >/dev/null 2>&1 || {
  "${as_root[@]}" apt-get update --quiet=2
  "${as_root[@]}" "${install[@]}" "${missing[@]}" >/dev/null
}
