# Millstream: `make demo` shows it, `make test` proves it. `make help` lists the rest.
#
# Nothing is needed but python3 (3.11 or later); on Debian, as root, what is missing is installed.
# The environment is .venv here; servers of the tests live in temporary folders and end with them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# A test that hangs ends its process after ten minutes with the stacks of all threads, and fails.
PYTEST := $(BIN)/python -m pytest -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true
WORKERS ?= 2
WITH_SERVERS := kafka or postgres or flink or prometheus or browser

.PHONY: help demo test test-fast test-servers test-faults faults oracle check format env servers bench \
	screenshots constraints clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

demo: env  ## replay 336 776 real flights as a live stream, with its dashboard [SECONDS=60 SPEED=…; SECONDS=0: as fast as it can]
	$(BIN)/millstream demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SPEED),--speed $(SPEED))

test: env servers check test-fast test-servers test-faults  ## everything: checks, tests, real servers, a sample of the faults
	@echo "make test: everything passed"

test-fast: env  ## the tests that need no server
	$(PYTEST) -q -n $(WORKERS) -m "not ($(WITH_SERVERS) or faults)"

test-servers: env servers  ## the tests on a real Kafka, PostgreSQL, Flink and Prometheus, started and stopped here
	$(PYTEST) -q -n $(WORKERS) -m "($(WITH_SERVERS)) and not faults"

test-faults: env servers  ## a sample of the faults: kills, networks, a minute of soak
	$(PYTEST) -q -n $(WORKERS) --dist worksteal --durations 10 -m faults

oracle: env servers  ## ask Apache Flink again for every case, and record its answers [CASES='name …']
	$(BIN)/python -m tests.oracle.record $(or $(CASES),all)
	$(if $(CASES),,$(BIN)/python -m tests.oracle.record_random all)

faults: env servers  ## the long run of every fault, into tests/faults/RESULTS.md [STAGES='soak faults …']
	$(BIN)/python -m tests.faults.campaign $(STAGES)

check: env  ## format, lint, types, layers, examples in docstrings
	$(BIN)/ruff format --check --quiet . || { echo "not formatted: run 'make format'"; exit 1; }
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -q -n $(WORKERS) --doctest-modules src/millstream

format: env  ## let ruff format and mend what it safely can
	$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

env: $(VENV)/.stamp  ## create .venv with everything pinned by constraints.txt

$(VENV)/.stamp: pyproject.toml constraints.txt tools/env
	tools/env python $(VENV)
	@touch $@

servers:  ## install what the test servers need (JDK, Maven, PostgreSQL, Prometheus, Chromium) where it is missing
	tools/env servers $(VENV)

bench: env  ## the benchmarks against the peers, into benchmarks/RESULTS.md [ARGS='engine --queries 0,5']
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: env servers  ## take the pictures of the dashboard that README and docs show
	$(BIN)/python tools/screenshots.py

constraints:  ## pin constraints.txt to what .venv holds now
	@head -2 constraints.txt > constraints.new
	@$(BIN)/pip freeze --exclude-editable | grep -vE '^(pip|setuptools|wheel)==|@' | sort -f >> constraints.new
	@mv constraints.new constraints.txt && git diff --stat constraints.txt

clean:  ## remove the environment and what tools left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
