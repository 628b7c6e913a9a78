#!/usr/bin/env bash
# ONNX -> .rnnw -> ONNX for a PyTorch model that the repository ships, and the proof that both compute the same.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
say "Building rnnconv (release) ..."
build_release
PATH="$(swift build "${release_build[@]}" --show-bin-path):$PATH"

out=.build/demo
rm -rf "$out"
mkdir -p "$out"
show rnnconv import fixtures/demo/model.onnx -o "$out/demo.rnnw"
show rnnconv export "$out/demo.rnnw" -o "$out/demo.onnx"
show rnnconv verify fixtures/demo/model.onnx "$out/demo.onnx"
