#!/usr/bin/env bash
# What docs/BENCHMARKS.md records, measured here: forward passes and files beside the peers, rooflines, bounds,
# growth, memory.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
say "Building rnnconv-bench"
swift build "${test_build[@]}" --product rnnconv-bench
bench="$(swift build "${test_build[@]}" --show-bin-path)/rnnconv-bench"

# onnxruntime is among the peers of the tests; PyTorch where RNNCONV_PYTHON has it.
python=${RNNCONV_PYTHON:-}
[ -n "$python" ] || { [ -x .peers/bin/python ] && python=.peers/bin/python; }

show "$bench" limits
show "$bench" forward ${python:+--python "$python"} "$@"
[ -z "$python" ] || show "$bench" networks --python "$python"
show "$bench" bounds
show "$bench" files ${python:+--python "$python"}
show "$bench" growth --svg docs/growth.svg
show "$bench" memory --steps 100000

# Whole processes need the binary as users have it, and a Python to compare with.
if [ -n "$python" ]; then
  say "Building rnnconv"
  build_release
  show "$bench" processes --python "$python" --rnnconv .build/release/rnnconv
  show "$bench" serving --python "$python"
  show "$bench" check --python "$python" --rnnconv .build/release/rnnconv
fi
