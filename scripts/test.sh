#!/usr/bin/env bash
# Everything that `make test` runs, after the Debian packages are there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
scripts/peers.sh .peers fixtures/peers.txt
scripts/backend-data.sh
scripts/matrix.sh
.peers/bin/python fixtures/check_manifest.py
.peers/bin/python fixtures/make_check_manifest.py --check
scripts/schemas.sh --check

mkdir -p .build-tests
log=.build-tests/test.log
say "Running swift test (release: many tests compute; the first build takes some minutes)"
# Built apart: `swift test` builds with settings of its own, and what comes after would build everything again.
swift build "${test_build[@]}" --build-tests
swift test --skip-build "${test_build[@]}" "$@" 2>&1 | tee "$log"
# A run that found no test must not pass for a run without failures.
grep -Eq 'Test run with [1-9][0-9]* tests? .*passed|Executed [1-9][0-9]* tests?, with 0 failures' "$log" ||
  fail "no test was run"
