# The two commands of the README: `make demo` and `make test`. Each sets up what it needs first.
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
READY  := $(VENV)/.ready

# look is a folder, too.
.PHONY: help demo generate test quick scenarios look pictures format lock benchmarks programs clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The packages, exactly those of requirements.lock, then this project itself beside them.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "paymon needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) programs  ## watch payments break, and the right alert fire
	$(BIN)/paymon demo

generate: $(READY)  ## write generated/ from the definitions in rules/
	$(BIN)/paymon generate

# Prometheus and Alertmanager in each supported version, fetched once into a cache folder.
programs: $(READY)
	$(BIN)/python -m paymon.programs

test: $(READY) programs  ## format, types, drift, then every test against the real programs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/paymon generate --check
	$(BIN)/python -m pytest

quick: $(READY) programs  ## the tests that take seconds: nine out of ten
	$(BIN)/python -m pytest -m "not slow"

scenarios: $(READY) programs  ## play every incident against the real exporter and the generated rules
	$(BIN)/python -m pytest tests/scenarios

look: $(READY) programs  ## draw every dashboard in six situations, to look through (needs Chromium and npm)
	$(BIN)/python -m tests.look look

pictures: $(READY) programs  ## draw the README's pictures anew
	PAYMON_PICTURES=docs/pictures $(BIN)/python -m pytest -n 0 tests/look

format: $(READY)  ## let ruff tidy the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(READY) programs  ## print the figures of speed and memory (BASE=v0.1.0: beside that revision's)
	$(BIN)/python -m benchmarks $(if $(BASE),--base '$(BASE)') $(if $(WRITE),--write) $(NAMES)

# Versions and hashes, but no index: where packages come from is the machine's own business.
LOCK := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate
lock:  ## renew the lock files from pyproject.toml (needs uv)
	$(LOCK) --all-extras pyproject.toml --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --extra build pyproject.toml --output-file requirements-runtime.lock

clean:  ## remove what make has made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
