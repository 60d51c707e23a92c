# The two commands of the README: `make demo` and `make test`. Each sets up what it needs first.
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHON
export PYTHON_ASKED_FOR := $(if $(filter file default,$(origin PYTHON)),,$(PYTHON))

# A run starts hundreds of Python processes: none compiles again what another one has compiled.
unexport PYTHONDONTWRITEBYTECODE

# What each command uses, and nothing else: packages by .ci/set-up, programs by paymon.programs and the demo itself.
# look is a folder, too.
.PHONY: help ready ready-demo ready-runtime demo generate test quick scenarios fuzz mutants matrix look pictures release format lock benchmarks programs clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ready:
	@.ci/set-up all
ready-demo:
	@.ci/set-up demo
ready-runtime:
	@.ci/set-up runtime

demo: ready-demo  ## watch payments break, and the right alert fire
	$(BIN)/paymon demo

generate: ready-runtime  ## write generated/ from the definitions in rules/
	$(BIN)/paymon generate

# Prometheus, Alertmanager and VictoriaMetrics in each supported version, fetched once into a cache folder.
programs: ready
	@$(BIN)/python -m paymon.programs

test: ready programs  ## format, types, drift, then every test against the real programs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/paymon generate --check
	$(BIN)/python -m pytest

quick: ready programs  ## the tests that take less than half a second and ask no server of a given version
	$(BIN)/python -m pytest -n 4 -m "not slow and not servers"

scenarios: ready programs  ## play every incident against the real exporter and the generated rules
	$(BIN)/python -m pytest tests/scenarios

fuzz: ready programs  ## try thousands of odd events, files, answers and requests (half an hour)
	$(BIN)/python -m pytest --hypothesis-profile=fuzz tests/exporters -k "nonsense or any or odd or whatever or never"

mutants: ready programs  ## put every mistake into rules, routing and definitions: are they noticed? (takes hours)
	nice -n 10 $(BIN)/python -m tests.mutants $(ARGUMENTS)

matrix: ready programs  ## run what asks a server against each version of it, the newest too (needs Go, takes an hour)
	$(BIN)/python -m tests.matrix $(ARGUMENTS)

look: ready programs  ## draw every dashboard in six situations, to look through (needs Chromium and npm)
	$(BIN)/python -m tests.look look

pictures: ready programs  ## draw the README's pictures anew
	PAYMON_PICTURES=docs/pictures $(BIN)/python -m pytest -n 0 tests/look

format: ready  ## let ruff tidy the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: ready programs  ## print the figures of speed and memory (BASE=v0.1.0: beside that revision's)
	$(BIN)/python -m benchmarks $(if $(BASE),--base '$(BASE)') $(if $(WRITE),--write) $(NAMES)

release: ready  ## make what a release contains, in dist/: wheel, bill of materials, licences, hashes
	.ci/release dist

# Versions and hashes, but no index: where packages come from is the machine's own business.
LOCK := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate
lock:  ## renew the lock files from pyproject.toml (needs uv)
	$(LOCK) --all-extras pyproject.toml --output-file requirements.lock
	$(LOCK) --group release --output-file requirements-release.lock
	$(LOCK) --constraint requirements.lock --extra build --extra simulator pyproject.toml --output-file requirements-demo.lock
	$(LOCK) --constraint requirements.lock --extra build pyproject.toml --output-file requirements-runtime.lock

clean:  ## remove what make has made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
