# rnnconv: the commands that people use. `make help` lists them.

BUILD_PACKAGES = libprotobuf-c-dev zlib1g-dev libssl-dev pkg-config
TEST_PACKAGES = $(BUILD_PACKAGES) protobuf-c-compiler python3-venv chromium
SWIFT_SOURCES = Sources Tests Package.swift
PREFIX ?= /usr/local

.DEFAULT_GOAL := help
.PHONY: help setup demo bench test test-peers cases stranger docs published sanitize check install dist dist-try manual schemas fixtures fuzz lint format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## install the Debian packages that a build needs
	@scripts/setup.sh $(BUILD_PACKAGES)

demo: setup ## build, convert a PyTorch LSTM from ONNX to .rnnw and back, prove the two equal
	@scripts/demo.sh

bench: ## measure speed and memory beside the peers (RNNCONV_PYTHON: a Python that has them), as docs/BENCHMARKS.md
	@scripts/setup.sh $(BUILD_PACKAGES)
	@scripts/bench.sh

test: ## install what the tests need and run every test but those of the large peers
	@scripts/setup.sh $(TEST_PACKAGES)
	@scripts/test.sh

test-peers: ## run PyTorch and Keras again and compare with the recorded fixtures (PEER_WHEELS=DIR: wheels first)
	@scripts/setup.sh $(BUILD_PACKAGES) python3-venv
	@scripts/test-peers.sh

cases: ## run what users met, as tests: CASES="43 47" for some of them
	@scripts/setup.sh $(BUILD_PACKAGES) python3-venv
	@scripts/cases.sh $(CASES)

stranger: ## build and test a package that depends on this one, as somebody else's would
	@scripts/setup.sh $(BUILD_PACKAGES)
	@scripts/stranger.sh

docs: ## make pages of all that is public, in .build-docs/pages
	@scripts/setup.sh $(BUILD_PACKAGES) python3
	@scripts/docs.sh

published: ## fetch published models, try rnnconv on each, write docs/published-models.md
	@scripts/setup.sh $(BUILD_PACKAGES) python3 python3-pip
	@scripts/published.sh

sanitize: ## run the tests under the address, thread and undefined-behaviour sanitizers (SANITIZERS="address" TESTS=filter)
	@scripts/setup.sh $(TEST_PACKAGES)
	@TESTS="$(TESTS)" scripts/sanitize.sh $(SANITIZERS)

check: ## check fixtures/ with rnnconv itself, and whether their inputs would notice known mistakes
	@scripts/setup.sh $(BUILD_PACKAGES)
	@scripts/check.sh

fuzz: ## feed changed files to every reader and the evaluator, with clang's libFuzzer (TIME=60 seconds each, TARGETS=…)
	@scripts/setup.sh $(BUILD_PACKAGES) python3
	@scripts/fuzz.sh $(or $(TIME),60) $(TARGETS)

install: setup ## build and install the binary, its man page and completions (PREFIX=/usr/local, DESTDIR=)
	@scripts/build-release.sh
	@scripts/install.sh .build/release/rnnconv "$(DESTDIR)$(PREFIX)"

dist: ## make an archive for machines without Swift, in .build/dist
	@scripts/setup.sh $(BUILD_PACKAGES) binutils
	@scripts/dist.sh

dist-try: ## try the archives of make dist in a bare Debian root (needs root; DEBIAN_MIRROR=, DEBIAN_SUITE=)
	@scripts/setup.sh debootstrap
	@for archive in .build/dist/*.tar.gz; do scripts/dist-try.sh "$$archive" || exit 1; done

manual: ## write docs/rnnconv.1 anew
	@scripts/build-release.sh
	@python3 scripts/manual.py .build/release/rnnconv

schemas: ## generate Sources/COnnx from schemas/onnx.proto
	@scripts/setup.sh $(BUILD_PACKAGES) protobuf-c-compiler
	@scripts/schemas.sh

fixtures: ## record fixtures/ again with the pinned peers
	@scripts/peers.sh .peers-large fixtures/peers.txt fixtures/peers-large.txt
	@for maker in make_torch make_torch_state make_keras make_onnx make_hostile make_check_manifest; do \
	  .peers-large/bin/python fixtures/$$maker.py || exit 1; done

lint: ## check the format of the Swift sources
	swift format lint --strict --recursive $(SWIFT_SOURCES)

format: ## format the Swift sources
	swift format --in-place --recursive $(SWIFT_SOURCES)

clean: ## remove everything that was built or downloaded
	rm -rf .build .build-fuzz .build-sanitize-* .build-docs .build-stranger .build-tests .peers .peers-large .peers-openvino .peers-litert .peers-tract
