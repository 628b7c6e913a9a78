# Shared by the scripts beside it; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Tests compute too much for a debug build. A folder of their own, since the demo's build has other settings and the
# two would undo each other.
test_build=(-c release -Xswiftc -enable-testing --scratch-path .build-tests)

# With all libraries inside, a process starts in a third of the time; a toolchain or system may come without some.
release_build=(-c release)
swift_root=$(dirname "$(dirname "$(readlink -f "$(command -v swift || echo /none/none)")")")
has_archive() {
  [ -e "$(pkg-config --variable=libdir "$1" 2>/dev/null)/lib$2.a" ]
}
if [ -d "$swift_root/lib/swift_static" ]; then
  if has_archive libprotobuf-c protobuf-c && has_archive zlib z && has_archive libcrypto crypto; then
    release_build+=(-Xswiftc -static-executable)
  else
    release_build+=(--static-swift-stdlib)
  fi
fi

# Swift's libraries name functions of glibc that an executable without dynamic libraries should not call, and the linker
# says so; rnnconv calls none of them.
build_release() {
  swift build "${release_build[@]}" --product rnnconv 2>&1 |
    grep -v "in statically linked applications\|the use of .mktemp. is dangerous"
}

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
