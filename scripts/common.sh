# Shared by the scripts beside it; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Tests compute too much for a debug build. A folder of their own, since the demo's build has other settings and the
# two would undo each other.
test_build=(-c release -Xswiftc -enable-testing --scratch-path .build-tests)

# With the Swift libraries inside, a process starts in half the time; a toolchain may come without them.
release_build=(-c release)
swift_root=$(dirname "$(dirname "$(readlink -f "$(command -v swift || echo /none/none)")")")
[ -d "$swift_root/lib/swift_static" ] && release_build+=(--static-swift-stdlib)

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
