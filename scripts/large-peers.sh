#!/usr/bin/env bash
# Make the environments of the large peers, which `make test-peers` runs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/peers.sh .peers-large fixtures/peers.txt fixtures/peers-large.txt
# These want other versions of one another's packages: an environment each.
for runtime in openvino litert tract; do
  scripts/peers.sh ".peers-$runtime" "fixtures/peers-$runtime.txt"
done
