#!/usr/bin/env bash
# Makes pages of everything that is public, in .build-docs/pages. A warning is a failure, and so is a declaration
# without a comment; with `list`, warnings are only told.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_swift

targets=(RNNConv Recurrent Tensors Forward Verification StateDicts)
mkdir -p .build-docs
warnings=--warnings-as-errors
[ "${1:-}" != list ] || warnings=
RNNCONV_DOCS=1 swift package --scratch-path .build-docs --allow-writing-to-directory .build-docs/pages \
  generate-documentation "${targets[@]/#/--target=}" --enable-experimental-combined-documentation \
  $warnings --output-path .build-docs/pages
[ -z "$warnings" ] || python3 scripts/undocumented.py .build-docs "${targets[@]}"
say "Pages: .build-docs/pages (python3 -m http.server -d .build-docs/pages, then /documentation)"
