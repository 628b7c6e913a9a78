#!/usr/bin/env bash
# The first step of action.yml: find, unpack or build rnnconv, and name it in GITHUB_OUTPUT.
set -euo pipefail

fail() {
  printf '::error::%s\n' "$*"
  exit 1
}

use() {
  "$1" --version >/dev/null || fail "$1 does not run on this machine"
  printf 'binary=%s\n' "$1" >>"$GITHUB_OUTPUT"
  printf 'rnnconv %s: %s\n' "$("$1" --version)" "$1"
  exit 0
}

if [ -n "${INPUT_BINARY:-}" ]; then
  binary=$(readlink -f -- "$INPUT_BINARY") && [ -x "$binary" ] || fail "binary: there is no program $INPUT_BINARY"
  use "$binary"
fi

if [ -n "${INPUT_ARCHIVE:-}" ]; then
  [ -n "${INPUT_ARCHIVE_SHA256:-}" ] || fail "archive-sha256 is needed with archive: what is run must be what was meant"
  place=$(mktemp -d "${RUNNER_TEMP:-/tmp}/rnnconv.XXXXXX")
  curl --fail --silent --show-error --location --retry 3 --output "$place/archive.tar.gz" -- "$INPUT_ARCHIVE" ||
    fail "archive: $INPUT_ARCHIVE cannot be fetched"
  printf '%s  %s\n' "$INPUT_ARCHIVE_SHA256" "$place/archive.tar.gz" | sha256sum --check --quiet ||
    fail "archive: $INPUT_ARCHIVE is not what archive-sha256 says"
  tar -xzf "$place/archive.tar.gz" -C "$place" --strip-components=1
  use "$place/bin/rnnconv"
fi

if found=$(command -v rnnconv); then use "$found"; fi

command -v swift >/dev/null ||
  fail "no rnnconv: give 'binary' or 'archive', put rnnconv on PATH, or install Swift 6.3 so that it can be built"
cd "$ACTION_PATH"
scripts/setup.sh libprotobuf-c-dev zlib1g-dev libssl-dev pkg-config
scripts/build-release.sh
use "$ACTION_PATH/.build/release/rnnconv"
