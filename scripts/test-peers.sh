#!/usr/bin/env bash
# Run the large peers (PyTorch, Keras with TensorFlow) again, and compare with what fixtures/ recorded.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/large-peers.sh
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
say "Recording the fixtures again"
for maker in make_torch make_torch_state make_keras make_onnx make_hostile; do
  .peers-large/bin/python "fixtures/$maker.py" --out "$fresh"
done
.peers-large/bin/python fixtures/compare_recordings.py "$fresh"

# Scripts that play a live peer against rnnconv.
need_swift
for product in rnnconv rnnconv-bench; do
  swift build "${test_build[@]}" --product "$product"
done
RNNCONV_BINARY=$(swift build "${test_build[@]}" --show-bin-path)/rnnconv
export RNNCONV_BINARY

# Two at a time, since most of each is one thread; what one prints stays together, and ends with its seconds.
judge() {
  local log status=0 start=$SECONDS
  log=$(mktemp)
  .peers-large/bin/python "$1" >"$log" 2>&1 || status=$?
  printf 'Ran %s in %d s\n%s\n' "$1" $((SECONDS - start)) "$(cat "$log")"
  rm -f "$log"
  return "$status"
}
export -f judge
say "Running Tests/judges/live_*.py"
# `xargs` ends with 123 when one of them failed.
printf '%s\n' Tests/judges/live_*.py | xargs -P 2 -I{} bash -c 'judge {}'
