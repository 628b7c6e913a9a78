# Shared by the scripts beside it; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Tests compute too much for a debug build. A folder of their own, since the demo's build has other settings and the
# two would undo each other.
test_build=(-c release -Xswiftc -enable-testing --scratch-path .build-tests)

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Print a command as a user would type it, then run it.
show() {
  printf '\n$ %s\n' "$*"
  "$@"
}

need_swift() {
  command -v swift >/dev/null ||
    fail "swift is not on PATH; rnnconv needs Swift 6.3: https://www.swift.org/install/linux/"
}
