#!/usr/bin/env bash
# Feeds changed files to every reader and to the evaluator: fuzz.sh [SECONDS each] [TARGET…].
#
# What is found lies in .build-fuzz/found/TARGET, and makes the script fail; repeat it by
# `.build-fuzz/release/Fuzz TARGET FILE`. RNNCONV_FUZZ_TIMEOUT: seconds that one file may take, 5 unless told.
# RNNCONV_FUZZ_BUILD=debug builds in a quarter of the time and runs at a third of the speed: for a short run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_swift
exec </dev/null

time=${1:-60}
shift || true
targets=(rnnw onnx safetensors pytorch numpy description json evaluator)
[ $# -eq 0 ] || targets=("$@")
case $time in '' | *[!0-9]*) fail "'$time' is no number of seconds" ;; esac

build=${RNNCONV_FUZZ_BUILD:-release}
swift build "${test_build[@]}" --product rnnconv
RNNCONV_FUZZ=1 swift build -c "$build" --scratch-path .build-fuzz --product Fuzz
python3 scripts/fuzz_seeds.py .build-tests/release/rnnconv .build-fuzz/corpus

# Names of functions take minutes; the quarantine of freed memory would count as the reader's own.
export ASAN_OPTIONS=symbolize=0:quarantine_size_mb=16:detect_leaks=0
# Swift's own handler of crashes does not get on with the sanitizer's.
export SWIFT_BACKTRACE=enable=no
failed=()
fuzz() {
  local target=$1 found=.build-fuzz/found/$1 log=.build-fuzz/logs/$1.txt
  # The evaluator's files are mostly ONNX.
  local dictionary=Tests/Fuzz/dictionaries/${target/evaluator/onnx}.txt
  mkdir -p "$found" .build-fuzz/logs ".build-fuzz/corpus/$target"
  TIMEFORMAT='%U %S'
  local taken
  taken=$( { time ".build-fuzz/$build/Fuzz" "$target" ".build-fuzz/corpus/$target" \
    "-max_total_time=$time" "-timeout=${RNNCONV_FUZZ_TIMEOUT:-5}" -rss_limit_mb=2048 -max_len=16384 \
    -print_final_stats=1 -use_value_profile=1 "-artifact_prefix=$found/" \
    $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") >"$log" 2>&1; } 2>&1 ) || failed+=("$target")
  local state
  state=$(grep -E '^#[0-9]+.*cov: ' "$log" | tail -1)
  number() { grep -oE "$1[0-9]+" <<<"$2" | tail -1 | grep -oE '[0-9]+$' || echo '?'; }
  printf '%-12s %12s %8.0f %8s %8s %8s %8s\n' "$target" "$(number '^#' "$state")" \
    "$(awk '{ print $1 + $2 }' <<<"$taken")" "$(number 'cov: ' "$state")" "$(number 'ft: ' "$state")" \
    "$(number 'corp: ' "$state")" "$(number 'peak_rss_mb: *' "$(grep peak_rss "$log")")"
}

printf '%-12s %12s %8s %8s %8s %8s %8s\n' target runs 'CPU s' edges features corpus 'peak MB'
for target in "${targets[@]}"; do fuzz "$target"; done
if [ ${#failed[@]} -gt 0 ]; then
  for target in "${failed[@]}"; do
    say
    say "$target: .build-fuzz/logs/$target.txt ends with"
    tail -n 25 ".build-fuzz/logs/$target.txt"
    ls -l ".build-fuzz/found/$target"
  done
  fail "what broke ${failed[*]} is in .build-fuzz/found"
fi
