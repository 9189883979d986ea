# `make help` explains itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Node 20 still works; the CDK would print an end-of-life banner at every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast check format bench synth diff deploy destroy clean

help: ## This list
	@echo "openreplay-cw-stack: CloudWatch log lines beside OpenReplay's session replays"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@echo
	@echo "  Settings go into cdk.json, or ARGS=\"-c log_groups=/aws/lambda/checkout\" (see README)."

BROWSER := examples/browser

install: $(VENV)/.installed node_modules/.installed $(BROWSER)/node_modules/.installed ## Python packages into .venv, the CDK CLI into node_modules

demo: install ## Deploy for real to an embedded AWS on this machine and see every verdict; KEEP=1 leaves it up
	@$(BIN)/python -m demo

test: install ## Everything: checks, fast tests, the emulator's, the end-to-end deployment
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 -m "not emulator and not end_to_end"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "emulator or end_to_end"

test-fast: install ## Without what starts the embedded AWS, or is slow otherwise: under a minute
	$(BIN)/python -m pytest -n 2 -m "not emulator and not end_to_end and not slow"

check: install ## Linters and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: install ## Put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install ## Measurements, as ratios
	$(BIN)/python -m benchmarks

synth: install ## The CloudFormation template, offline and without credentials
	npx --no-install cdk synth $(ARGS)

diff: install ## What a deployment would change in your AWS account
	npx --no-install cdk diff $(ARGS)

deploy: install ## Deploy to the AWS account of your credentials
	npx --no-install cdk deploy $(ARGS)

destroy: install ## Remove the stack from it
	npx --no-install cdk destroy $(ARGS)

clean: ## Remove what the targets above have made
	rm -rf $(VENV) node_modules $(BROWSER)/node_modules cdk.out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed, not `$(PYTHON) --version 2>&1`: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Installing Python packages into $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

node_modules/.installed: package-lock.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || \
		{ echo "Node.js 20 or later is needed (22 or later is preferred): found `node --version 2>/dev/null || echo none`"; exit 1; }
	@echo "Installing the CDK CLI into node_modules (once)"
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(BROWSER)/node_modules/.installed: $(BROWSER)/package-lock.json node_modules/.installed
	@echo "Installing the tracker for the browser test into $(BROWSER)/node_modules (once)"
	@npm ci --prefix $(BROWSER) --ignore-scripts --silent --no-audit --no-fund
	@touch $@
