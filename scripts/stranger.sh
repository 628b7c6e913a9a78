#!/usr/bin/env bash
# Builds and tests a package that depends on this one by its path, as somebody else's would (Tests/Stranger).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_swift

say "A stranger's package, beside swift-crypto 4 and another range of swift-argument-parser"
log=.build-stranger/test.log
mkdir -p .build-stranger
swift test --package-path Tests/Stranger --scratch-path .build-stranger 2>&1 | tee "$log" | grep -vE '^\[[0-9]+/[0-9]+\]'
grep -Eq 'Test run with [1-9][0-9]* tests? .*passed' "$log" || fail "no test of the stranger's was run"
