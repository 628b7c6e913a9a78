#!/usr/bin/env bash
# Run the cases that users met, made anew by Tests/judges/live_cases.py; arguments are their numbers.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/peers.sh .peers-large fixtures/peers.txt fixtures/peers-large.txt
need_swift
swift build "${test_build[@]}" --product rnnconv
RNNCONV_BINARY=$(swift build "${test_build[@]}" --show-bin-path)/rnnconv
export RNNCONV_BINARY
.peers-large/bin/python Tests/judges/live_cases.py ${1:+--only "$@"}
