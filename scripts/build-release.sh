#!/usr/bin/env bash
# Build the rnnconv that people use.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
build_release
