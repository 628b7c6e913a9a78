#!/usr/bin/env bash
# Check fixtures/ by their manifest with the rnnconv of the tests' build; arguments go to rnnconv check.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
swift build "${test_build[@]}" --product rnnconv
"$(swift build "${test_build[@]}" --show-bin-path)/rnnconv" check fixtures --power "$@"
