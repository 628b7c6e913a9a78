#!/usr/bin/env bash
# Install a built rnnconv with its man page and completions: install.sh BINARY FOLDER, where FOLDER is DESTDIR/PREFIX.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

binary=$1
prefix=$2
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
for shell in bash zsh fish; do
  "$binary" --generate-completion-script "$shell" >"$scripts/$shell"
done

install -D -m 755 "$binary" "$prefix/bin/rnnconv"
install -D -m 644 docs/rnnconv.1 "$prefix/share/man/man1/rnnconv.1"
install -D -m 644 "$scripts/bash" "$prefix/share/bash-completion/completions/rnnconv"
install -D -m 644 "$scripts/zsh" "$prefix/share/zsh/site-functions/_rnnconv"
install -D -m 644 "$scripts/fish" "$prefix/share/fish/vendor_completions.d/rnnconv.fish"
say "rnnconv $("$binary" --version) is in $prefix"
