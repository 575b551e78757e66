# Tidegate's verbs. Everything is made in .venv/, .sandbox/, build/ and cargo's target directory.

XDG_CACHE_HOME ?= $(HOME)/.cache
export CARGO_TARGET_DIR ?= $(XDG_CACHE_HOME)/tidegate/target
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYTHONDONTWRITEBYTECODE = 1
PYTHON ?= python3
ARCHITECTURE ?= arm64
N ?= 100000
ARGS ?=

# One feature set for every command, or the AWS SDK would be built once for each.
EVERYTHING := --workspace --all-targets
FUNCTIONS := $(notdir $(wildcard functions/*))
BENCHES := $(patsubst %.rs,bench-%,$(notdir $(wildcard */*/benches/*.rs)))

.DEFAULT_GOAL := help
.PHONY: help setup build demo sandbox test simulate bench lint templates package clean

help: ## Show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 14

setup: .venv/made .venv/pages/made .venv/documents/made ## Make the environments of the sandbox and of the tests

build: ## Build everything for this machine (the first build takes about 12 minutes)
	cargo build $(EVERYTHING)

demo: .venv/made build ## Run a whole wave on this machine; FAULTS=1 makes things go wrong
	.venv/bin/python -m sandbox.local.demo $(if $(FAULTS),--faults) $(ARGS)

sandbox: .venv/made build ## Start the local AWS with Tidegate in it; ARGS="--help" for options
	@.venv/bin/python -m sandbox.local $(ARGS)

test: setup build ## Run all tests: Rust first, then those in the sandbox
	cargo test --workspace
	.venv/bin/python -m pytest $(ARGS)

simulate: build ## Simulate N worlds under faults; SEED=… replays one (ARGS=--large a large one)
	$(CARGO_TARGET_DIR)/debug/simulate $(if $(SEED),--seed $(SEED),--count $(N)) $(ARGS)

bench: .venv/made ## Measure decisions, binaries and calls of MGN
	cargo build --profile lambda --workspace $(FUNCTIONS:%=--bin %) $(BENCHES:%=--example %) --example bare
	set -e; for bench in $(BENCHES); do echo; $(CARGO_TARGET_DIR)/lambda/examples/$$bench; done
	.venv/bin/python -m tests.benches.binaries

lint: ## Check format and lints
	cargo fmt --all --check
	cargo clippy $(EVERYTHING) -- --deny warnings

templates: .venv/tools/made ## Check the template, the state machine and the documents
	infra/check .venv/tools/bin

package: .venv/package/made ## Build the functions for Lambda into build/functions/; ARCHITECTURE=arm64 or x86_64
	infra/package $(ARCHITECTURE) .venv/package/bin

clean: ## Remove what was made here (not cargo's target directory)
	rm -rf .venv .sandbox build

.venv/made: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

# A browser for the tests of the pages: the system's Chromium, driven by Playwright.
.venv/pages/made: tests/pages/package.json tests/pages/package-lock.json .venv/made
	tests/install chromium node npm
	mkdir -p .venv/pages
	cp tests/pages/package.json tests/pages/package-lock.json .venv/pages/
	npm ci --prefix .venv/pages --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# What the documents' scripts call, each where the other is not.
.venv/documents/made: .venv/made
	tests/install curl wget nc
	mkdir -p .venv/documents
	@touch $@

.venv/%/made: requirements-%.txt .venv/made
	$(PYTHON) -m venv --clear .venv/$*
	.venv/$*/bin/pip install --quiet --requirement requirements-$*.txt
	@touch $@
