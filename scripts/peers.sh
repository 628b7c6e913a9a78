#!/usr/bin/env bash
# Make the virtual environment DIR with pinned Python packages: peers.sh DIR REQUIREMENTS...
#
# Nothing happens when DIR was made from the same files before. PEER_WHEELS=FOLDER names a folder of wheels to look
# in first: PyPI's own torch for Linux brings gigabytes of GPU libraries, the CPU wheel does not.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

environment=$1
shift
python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is not on PATH"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "the peers need Python 3.11 or newer"

wheels=()
[ -z "${PEER_WHEELS:-}" ] || wheels=(--find-links "$PEER_WHEELS")
key=$( (cat "$@" && "$python" --version && printf '%s\n' "$environment") | sha256sum | cut -c1-16)
stamp=$environment/.made-$key
if [ -e "$stamp" ] && [ -x "$environment/bin/python" ]; then
  exit 0
fi

if [[ " $* " == *peers-large* ]] && [ -z "${PEER_WHEELS:-}" ]; then
  say "note: without PEER_WHEELS=FOLDER pip may take PyPI's torch with its GPU libraries (gigabytes)"
fi
say "Making $environment with the packages of $*"
rm -rf "$environment"
"$python" -m venv "$environment"
requirements=()
for file in "$@"; do
  requirements+=(--requirement "$file")
done
"$environment/bin/pip" install --quiet --disable-pip-version-check --no-input "${wheels[@]}" "${requirements[@]}"
touch "$stamp"
