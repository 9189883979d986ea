# Run `make help` for a list of the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Node 20 still works; the CDK would print an end-of-life banner at every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.DEFAULT_GOAL := help
.PHONY: help install lock demo pictures test test-emulator test-languages test-aws test-fast check docs format bench synth diff preflight deploy destroy clean

help: ## Show this list
	@echo "openreplay-cw-stack: CloudWatch log lines beside OpenReplay's session replays"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24
	@echo
	@echo "  Set options in cdk.json, or with ARGS=\"-c log_groups=/aws/lambda/checkout\" (see docs/options.md)."

# OpenReplay's tracker for the browser test, AWS's runtime client for Node.js functions in the
# emulator, and the loggers and frameworks for the tests of the Node.js package.
NODE_PACKAGES := $(addsuffix /node_modules/.installed, examples/browser emulator nodejs)

# The requirements of a deployment.
DEPLOYMENT := $(VENV)/.installed node_modules/.installed

install: $(DEPLOYMENT) $(VENV)/.installed-dev $(NODE_PACKAGES) ## Install everything for development in .venv and node_modules, and .venv/bin/openreplay-cw

demo: install ## Deploy to an embedded AWS on this machine and show every verdict; KEEP=1 keeps it running
	@$(BIN)/python -m demo

pictures: install ## Draw the pictures of README.md and docs/ from a run of the demo
	$(BIN)/python -m pictures

test: install ## Run all checks and tests: unit, emulator and end-to-end tests
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 -m "not emulator and not end_to_end" tests
	@$(MAKE) --no-print-directory test-emulator
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "emulator or end_to_end" tests

test-emulator: install ## Run the tests of the emulator (see emulator/README.md)
	$(BIN)/python -m pytest -n 2 --dist loadfile emulator/tests

test-languages: install ## Run the examples in Java, Go, PHP and Ruby; examples/install_languages.sh installs the languages
	$(BIN)/python -m pytest -n 2 -m languages tests/examples

test-aws: install ## Run end-to-end tests in your AWS account: deploy, test, write aws-report.md, remove everything
	OPENREPLAY_CW_TEST_ACCOUNT=aws $(BIN)/python -m pytest -n 0 -m real_account tests/end_to_end

test-fast: install ## Run the fast tests, without the embedded AWS: under a minute
	$(BIN)/python -m pytest -n 2 -m "not emulator and not end_to_end and not slow"

check: install ## Run the linters and the type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: install ## Build the manual as docs/_build/index.html; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build

format: install ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install ## Run the benchmarks
	$(BIN)/python -m benchmarks

lock: install ## Lock the packages of requirements.in and requirements-dev.in; ARGS="--upgrade" for newer versions
	@echo "Locking requirements.txt"
	@$(LOCK) requirements.in --output-file requirements.txt
	@echo "Locking requirements-dev.txt"
	@$(LOCK) requirements-dev.in --output-file requirements-dev.txt \
		`sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.txt`
	@{ echo "-r requirements.txt"; cat requirements-dev.txt; } > requirements-dev.tmp
	@mv requirements-dev.tmp requirements-dev.txt

# For every operating system and Python version, with the hashes of all packages
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.10 --generate-hashes --no-emit-index-url $(ARGS)

synth: $(DEPLOYMENT) ## Print the CloudFormation template, offline and without credentials
	npx --no-install cdk synth $(ARGS)

diff: $(DEPLOYMENT) ## Show the changes of a deployment to your AWS account
	npx --no-install cdk diff $(ARGS)

ASK_THE_ACCOUNT = npx --no-install cdk synth --quiet $(ARGS) && $(BIN)/python -m openreplay_cw_stack preflight

preflight: $(DEPLOYMENT) ## Check that your AWS account allows a deployment; changes nothing
	@$(ASK_THE_ACCOUNT)

deploy: $(DEPLOYMENT) ## Deploy to your AWS account after preflight (PREFLIGHT=no skips it)
	@test "$(PREFLIGHT)" = no || { $(ASK_THE_ACCOUNT); }
	npx --no-install cdk deploy $(ARGS)

destroy: $(DEPLOYMENT) ## Delete the stack from your AWS account
	npx --no-install cdk destroy $(ARGS)

clean: ## Delete the files that the targets above create
	rm -rf $(VENV) node_modules $(dir $(NODE_PACKAGES)) cdk.out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Errors are still printed.
PIP_INSTALL = $(BIN)/python -m pip --disable-pip-version-check install --quiet
# No warnings: a dependency's EBADENGINE would show on Node 20, which is supported.
NPM_CI = npm ci --no-audit --no-fund --loglevel=error

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is required, found `$(PYTHON) --version 2>&1`: run make PYTHON=python3.12 ..."; exit 1; }
	@echo "Installing the packages for deployments (the AWS CDK, 500 MB) in $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt pyproject.toml
	@echo "Installing the packages for demo, tests and checks (another 700 MB) in $(VENV), once"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@echo "Installing the command openreplay-cw from this folder in $(BIN)"
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.installed: package-lock.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || \
		{ echo "Node.js 20 or later is required (22 or later is recommended), found `node --version 2>/dev/null || echo none`"; exit 1; }
	@echo "Installing the CDK CLI in node_modules, once"
	@$(NPM_CI)
	@touch $@

%/node_modules/.installed: %/package-lock.json node_modules/.installed
	@echo "Installing the packages of $*/package-lock.json in $*/node_modules, once"
	@$(NPM_CI) --prefix $* --ignore-scripts
	@touch $@
