#!/usr/bin/env bash
# Generate Sources/COnnx from schemas/onnx.proto; with --check only compare, and fail when the sources are stale.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v protoc-c >/dev/null || fail "protoc-c is missing; install protobuf-c-compiler or run make schemas"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
protoc-c --proto_path=schemas --c_out="$fresh" schemas/onnx.proto
if [ "${1:-}" = --check ]; then
  cmp "$fresh/onnx.pb-c.c" Sources/COnnx/onnx.pb-c.c && cmp "$fresh/onnx.pb-c.h" Sources/COnnx/include/onnx.pb-c.h ||
    fail "Sources/COnnx is older than schemas/onnx.proto: run make schemas"
else
  cp "$fresh/onnx.pb-c.c" Sources/COnnx/onnx.pb-c.c
  cp "$fresh/onnx.pb-c.h" Sources/COnnx/include/onnx.pb-c.h
  say "Sources/COnnx regenerated from schemas/onnx.proto"
fi
