# Strongroom: what you can ask of this checkout. `make` alone explains itself.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
# Three on two cores: much of a test is waiting for a block or a process.
JOBS ?= 3
ARGS ?=
ROUNDS ?= 200
SEED ?=
FROM ?= 0
# The folders that hold Python today; a checkout has no empty ones.
SOURCES = $(shell for d in packages tests tools benchmarks drills; do \
	[ -z "$$(find $$d -name '*.py' 2>/dev/null | head -n 1)" ] || echo $$d; done)

.PHONY: help up demo drill trace-demo test long check bench mutants crashes clean lock tools trace dev browser changelog
.NOTPARALLEL:

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=… is passed on, as in: make test ARGS='-k ledger'"

up: tools ## Set up what is missing, start everything, show the main job live, stay up until Ctrl-C
	@exec $(BIN)/strongroom up $(ARGS)

demo: tools ## The main job once, without a terminal; the last line is JSON, the exit status tells
	@exec $(BIN)/strongroom demo --json $(ARGS)

test: dev tools browser ## All tests, on a real PostgreSQL, real nodes and a real browser
	$(BIN)/pytest -n $(JOBS) --dist loadscope --timeout 300 $(ARGS)

check: dev ## Style, types, import contracts and the rules of the house
	@failed=; run() { echo "$$*" | cut -c 1-110; "$$@" || failed=1; }; \
	run $(BIN)/ruff check --quiet $(SOURCES); \
	run $(BIN)/ruff format --quiet --check $(SOURCES); \
	run $(BIN)/mypy $(SOURCES); \
	run $(BIN)/lint-imports --no-logo; \
	run $(BIN)/python tools/lints.py; \
	[ -z "$$failed" ] || { echo "make check: something above is not right" >&2; exit 1; }

bench: dev tools ## Measure; a table, and benchmarks/results.json
	$(BIN)/python -m benchmarks $(ARGS)

drill: dev tools ## Attack the running platform in 18 ways and measure the take (ARGS='--only 3,7'; goes on where it was stopped)
	@exec $(BIN)/python -m drills $(ARGS)

trace-demo: trace tools ## Play a theft on a chain and follow the money (ARGS='--drill 7': the take of a drill)
	@exec $(BIN)/python tools/trace_demo.py $(ARGS)

long: dev tools ## The long versions of tests of which `make test` plays a slice
	STRONGROOM_LONG=1 $(BIN)/pytest -n $(JOBS) --dist loadscope --timeout 600 -m long $(ARGS)

mutants: dev tools ## Plant named faults one at a time and see each caught by the tests
	$(BIN)/python tools/mutants.py --jobs 2 $(ARGS)

crashes: dev tools ## Kill every process at every step, ROUNDS=200 times, and count the money (SEED=, FROM= to go on)
	@exec $(BIN)/python tools/crashes.py --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) --from $(FROM) $(ARGS)

changelog: dev ## Show what the next release's notes would say
	@$(BIN)/towncrier build --draft --version next

clean: ## Remove all that these targets made here: .venv, .tools, caches, and the demonstration's data (var/)
	-@[ ! -x $(BIN)/strongroom ] || $(BIN)/strongroom down >/dev/null 2>&1 || true
	rm -rf .venv .tools .cache var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

lock: dev ## Compile requirements/ again (UPGRADE=1 moves to newer versions)
	UPGRADE=$(UPGRADE) sh tools/lock.sh

# What the targets above stand on. Each does nothing where nothing is missing.
tools: .python
	@$(PYTHON) tools/bootstrap.py runtime
	@$(PYTHON) tools/fetch_bitcoind.py
	@$(PYTHON) tools/fetch_anvil.py

trace: .python
	@$(PYTHON) tools/bootstrap.py trace

dev: .python
	@$(PYTHON) tools/bootstrap.py dev

browser:
	@sh tools/browser.sh

.PHONY: .python
.python:
	@[ -n "$(PYTHON)" ] || { echo "Strongroom needs Python 3.11 or newer: apt-get install python3" >&2; exit 1; }
