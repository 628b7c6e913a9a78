#!/usr/bin/env bash
# Try the models of fixtures/published.json, which people published with their packages; RNNCONV_PYTHON: a Python with onnxruntime to judge by.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
build_release
python=${RNNCONV_PYTHON:-}
[ -n "$python" ] || { [ -x .peers/bin/python ] && python=.peers/bin/python || python=python3; }
"$python" scripts/published.py "$@"
