#!/usr/bin/env bash
# ONNX -> .rnnw -> ONNX for a PyTorch model that the repository ships, and the proof that both compute the same.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
# Not optimised: a quarter of the time, and these commands take no longer for it. `make install` builds what people use.
say "Building rnnconv ..."
swift build --product rnnconv
PATH="$(swift build --show-bin-path):$PATH"

out=.build/demo
rm -rf "$out"
mkdir -p "$out"
show rnnconv import fixtures/demo/model.onnx -o "$out/demo.rnnw"
show rnnconv export "$out/demo.rnnw" -o "$out/demo.onnx"
show rnnconv verify fixtures/demo/model.onnx "$out/demo.onnx"
