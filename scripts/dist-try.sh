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
trap 'rm -rf "$place"' EXIT

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
inside() {
  printf '\n# %s\n' "$*"
  chroot "$place/root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"
}
inside rnnconv --version
inside rnnconv convert /fixtures/demo/model.onnx /tmp/demo.rnnw
inside rnnconv convert /tmp/demo.rnnw /tmp/demo.onnx
inside rnnconv verify /fixtures/demo/model.onnx /tmp/demo.onnx
inside rnnconv run /fixtures/demo/model.onnx --input /fixtures/demo/inputs.npz -o /tmp/y.npz
# /proc is not there in such a root: workers have to start without it.
inside rnnconv check /fixtures
say "rnnconv works in a bare $suite"
