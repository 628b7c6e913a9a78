#!/usr/bin/env bash
# Try the archive of `make dist` in a bare Debian root without Swift: dist-try.sh ARCHIVE. Needs root and debootstrap.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

archive=$(readlink -f -- "$1")
[ "$(id -u)" -eq 0 ] || fail "a root for chroot can only be made by root"
command -v debootstrap >/dev/null || fail "debootstrap is missing; install it"
suite=${DEBIAN_SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
mirror=(${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"})
place=$(mktemp -d)
leave() {
  ! mountpoint --quiet "$place/root/proc" || umount "$place/root/proc"
  rm -rf --one-file-system "$place"
}
trap leave EXIT

say "Making a bare $suite ..."
debootstrap --variant=minbase "$suite" "$place/root" ${mirror[@]+"${mirror[@]}"} >"$place/log" 2>&1 || {
  tail -5 "$place/log" >&2
  fail "debootstrap failed (DEBIAN_SUITE=$suite, DEBIAN_MIRROR=…)"
}
for program in swift python3 gcc; do
  [ ! -e "$place/root/usr/bin/$program" ] || fail "the root is not bare: it has $program"
done

tar -xzf "$archive" -C "$place/root/usr/local" --strip-components=1
cp -r fixtures "$place/root/fixtures"
# As on every running system; Swift reads a program's arguments there.
mount -t proc proc "$place/root/proc"

# inside WORDS COMMAND...: the command runs in the root and prints the words.
inside() {
  local words=$1
  shift
  printf '\n# %s\n' "$*"
  chroot "$place/root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin "$@" | tee "$place/printed"
  grep -qF -- "$words" "$place/printed" || fail "it did not print '$words'"
}
version=$(sed -E 's/.*rnnconv-(.*)-linux-.*/\1/' <<<"${archive##*/}")
inside "$version" rnnconv --version
inside "verified equal" rnnconv convert /fixtures/demo/model.onnx /tmp/demo.rnnw
inside "verified equal" rnnconv convert /tmp/demo.rnnw /tmp/demo.onnx
inside "verdict: identical" rnnconv verify /fixtures/demo/model.onnx /tmp/demo.onnx
inside "y.npz" sh -c "rnnconv run /fixtures/demo/model.onnx --input /fixtures/demo/inputs.npz -o /tmp/y.npz && ls /tmp/y.npz"
inside "verdict: equal" rnnconv verify /fixtures/demo/model.onnx --input /fixtures/demo/inputs.npz --expected /tmp/y.npz
inside " 0 failed" rnnconv check /fixtures
say "rnnconv works in a bare $suite"
