#!/usr/bin/env bash
# Fetch the onnx package's backend node cases: the recurrent ones into .peers/backend, all of them into
# .peers/backend-nodes. The last wheel that still has them as files is 1.16.2. Only the data is used; the wheel is never
# installed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=1.16.2
out=.peers/backend
all=.peers/backend-nodes
[ ! -e "$all/.complete-$version" ] || exit 0

say "Fetching the backend node cases of onnx $version"
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
wheels=()
[ -z "${PEER_WHEELS:-}" ] || wheels=(--find-links "$PEER_WHEELS")
# One named platform, so that every machine reads the same file.
.peers/bin/pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
  --python-version 3.11 --implementation cp --abi cp311 --platform manylinux2014_x86_64 \
  --dest "$download" "${wheels[@]}" "onnx==$version"
.peers/bin/python Tests/judges/backend_cases.py "$download"/onnx-*.whl "$out" "$all"
touch "$all/.complete-$version"
