#!/usr/bin/env bash
# Runs the tests under clang's sanitizers: sanitize.sh [address] [thread] [undefined], all three unless told.
#
# TESTS: a filter, as of `swift test --filter`. Swift and C are both instrumented (undefined: C alone).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_swift

sanitizers=("$@")
[ $# -gt 0 ] || sanitizers=(address thread undefined)
for sanitizer in "${sanitizers[@]}"; do
  case $sanitizer in address | thread | undefined) ;; *) fail "no sanitizer '$sanitizer': address, thread, undefined" ;; esac
done

scripts/peers.sh .peers fixtures/peers.txt
scripts/backend-data.sh
scripts/matrix.sh

# Names of functions take minutes, and what lives until a process ends is no leak. Tests measure memory: what was freed
# must not stay for long. `halt_on_error` makes every report a failure.
export ASAN_OPTIONS=symbolize=0:quarantine_size_mb=16:detect_leaks=0
export TSAN_OPTIONS=halt_on_error=1:suppressions=$root/scripts/tsan-suppressions.txt
# Swift's own handler of crashes does not get on with the sanitizers'.
export SWIFT_BACKTRACE=enable=no

for sanitizer in "${sanitizers[@]}"; do
  folder=.build-sanitize-$sanitizer
  build=(-c release -Xswiftc -enable-testing --scratch-path "$folder")
  # Swift checks its own arithmetic always, and its compiler knows no such option here: C alone, and a trap at once.
  if [ "$sanitizer" = undefined ]; then
    build+=(-Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined)
  else
    build+=(--sanitize="$sanitizer")
  fi
  say "Tests under the $sanitizer sanitizer: build"
  swift build "${build[@]}" --build-tests
  log=$folder/test.log
  # For tests that measure what a sanitizer changes.
  run=(env RNNCONV_SANITIZER="$sanitizer")
  if [ "$sanitizer" = thread ]; then
    "$swift_root/bin/clang" -O1 -shared -fPIC -o "$folder/tsan-mutex.so" scripts/tsan-mutex.c
    run+=(LD_PRELOAD="$root/$folder/tsan-mutex.so")
  fi
  "${run[@]}" swift test --skip-build "${build[@]}" ${TESTS:+--filter "$TESTS"} 2>&1 | tee "$log"
  # Processes that the tests start write their reports elsewhere; they end with a code that no test expects.
  ! grep -E 'ERROR: AddressSanitizer|WARNING: ThreadSanitizer' "$log" ||
    fail "the $sanitizer sanitizer reported something: $log"
  grep -Eq 'Test run with [1-9][0-9]* tests? .*passed' "$log" || fail "no test was run under the $sanitizer sanitizer"
done
