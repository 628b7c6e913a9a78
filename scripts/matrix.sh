#!/usr/bin/env bash
# Generate the matrix of models that onnxruntime judges into .peers/matrix, unless what makes it is unchanged.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

out=.peers/matrix
key=$(cat Tests/judges/matrix.py Tests/judges/recurrence.py fixtures/building.py fixtures/recording.py \
  fixtures/peers.txt | sha256sum | cut -c1-16)
[ ! -e "$out/.made-$key" ] || exit 0
say "Generating the matrix of models that onnxruntime judges"
.peers/bin/python Tests/judges/matrix.py "$out"
touch "$out/.made-$key"
