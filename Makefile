# Each target sets up what it needs in .venv, from the locks, and redoes it when a lock changes.
# Needed on the machine: Python 3.11 or newer with its venv module, make, a C compiler.
#
#   PYTHON=/path/to/python   the interpreter to build .venv with. Else the system's own comes first: distributions build
#                            it with profiles of what runs, version managers do not by themselves (docs/decisions/0026)
#   UP_ARGS, PYTEST_ARGS, SIMULATE_ARGS, DETECTOR_ARGS, BENCH_ARGS, CAPACITY_ARGS, PROFILE_ARGS, GROWTH_ARGS, SOAK_ARGS, CHAOS_ARGS, OBSERVE_ARGS   passed on to the command
#   MUTANTS="hints read-repair"   only these rows of tests/mutants/catalogue.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
SEEDS ?= 300
# Processes that `make test` runs tests on, file by file. PYTEST_ARGS="-n 0" runs them one after the other.
WORKERS ?= 2
# The locks are made by this version, so that making them again changes nothing by itself.
UV_VERSION := 0.13.9

# Interpreters keep what they compiled: else each node started here would compile the whole package.
unexport PYTHONDONTWRITEBYTECODE

# Two makes in one tree take turns at installing, where flock is at hand.
TURN := $(if $(shell command -v flock 2>/dev/null),flock Makefile)

.PHONY: bench-peers capacity profile baseline console-pictures dashboards observe help up test check lint types architecture simulate simulate-cas detector mutants bench growth soak chaos nightly env lock clean FORCE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# -- running -------------------------------------------------------------------------------------------------------

# exec: the cluster takes the shell's place, so that Ctrl-C and a termination signal reach it.
up: $(VENV)/.package ## start a local cluster, data in ./.dynamo (Ctrl-C stops it)
	@exec $(BIN)/dynamo up --data .dynamo $(UP_ARGS)

simulate: $(VENV)/.package ## run seeded simulations (SEEDS=300)
	@exec $(BIN)/dynamo simulate --seeds $(SEEDS) $(SIMULATE_ARGS)

simulate-cas: $(VENV)/.package ## the same for keys of linearizable buckets (SEEDS=300)
	@exec $(BIN)/dynamo simulate --mode linearizable --seeds $(SEEDS) $(SIMULATE_ARGS)

detector: $(VENV)/.package ## measure the failure detector in simulation
	@exec $(BIN)/dynamo simulate detector $(DETECTOR_ARGS)

mutants: $(VENV)/.dev ## take each mechanism out in turn: a named test must fail
	@exec $(BIN)/python -m tests.mutants $(MUTANTS)

bench: $(VENV)/.package ## run the benchmark
	@exec $(BIN)/dynamo bench store $(BENCH_ARGS)

growth: $(VENV)/.package ## what a request costs as keys, values, nodes, ... grow: a quarter of an hour
	@exec $(BIN)/dynamo bench growth $(GROWTH_ARGS)

soak: $(VENV)/.package ## half an hour below the peak: do times, memory and files stay level?
	@exec $(BIN)/dynamo bench soak $(SOAK_ARGS)

profile: $(VENV)/.dev ## where the processor's time of a request goes, over three real nodes: two minutes
	@exec $(BIN)/python -m tests.profile $(PROFILE_ARGS)

capacity: $(VENV)/.package ## measure what clusters of other sizes would carry, and check it: docs/capacity-run.md
	@exec $(BIN)/dynamo bench capacity --json docs/capacity.json --markdown docs/capacity-run.md --svg docs/capacity.svg $(CAPACITY_ARGS)

bench-peers: $(VENV)/.package ## measure this store beside etcd, Cassandra and ZooKeeper, in one run (sixteen minutes)
	@exec $(BIN)/dynamo bench peers $(BENCH_ARGS)

observe: $(VENV)/.package ## five nodes far apart under load, with Prometheus looking at them (Ctrl-C ends it)
	@exec $(BIN)/python -m dashboards.observe $(OBSERVE_ARGS)

nightly: $(VENV)/.dev ## what takes too long for every change: thousands of seeds, boards on a real Prometheus, mutants, chaos
	@$(MAKE) simulate SEEDS=5000 SIMULATE_ARGS="--first-seed 100000"
	@$(MAKE) simulate-cas SEEDS=5000 SIMULATE_ARGS="--first-seed 100000"
	@$(BIN)/dynamo simulate staleness --seeds 5000 --first-seed 100000
	@$(BIN)/python -m pytest -m night $(PYTEST_ARGS)
	@$(MAKE) mutants
	@$(MAKE) chaos
	@$(MAKE) chaos CHAOS_ARGS="--mode linearizable"

chaos: $(VENV)/.dev ## five real nodes under real faults: ten minutes, a report in ./chaos-results
	@exec $(BIN)/python -m tests.chaos $(CHAOS_ARGS)

# -- checking ------------------------------------------------------------------------------------------------------

test: $(VENV)/.dev ## lint, types and every test
	@$(MAKE) lint types
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not night" $(PYTEST_ARGS)

check: $(VENV)/.dev ## lint, types and the architecture tests: seconds
	@$(MAKE) lint types architecture

lint: $(VENV)/.dev ## ruff's rules and its format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy --strict

architecture: $(VENV)/.dev ## layers, purity, budgets, names, docs
	@$(BIN)/python -m pytest -q tests/architecture

baseline: $(VENV)/.dev ## record what the hot paths take now, after a change that is meant to change it
	@exec $(BIN)/python -m tests.counts

dashboards: $(VENV)/.dev ## write the JSON of the dashboards from their program
	@exec $(BIN)/python -m dashboards

console-pictures: $(VENV)/.dev ## make the pictures of docs/console.md, of a real cluster in a real browser
	@exec $(BIN)/python -m tests.browser.console_pictures

# -- environment ---------------------------------------------------------------------------------------------------

env: $(VENV)/.dev ## make .venv ready for development
	@:

# The environment is made again when its interpreter is gone or when this folder was moved: its scripts name both.
MADE_HERE := $(shell [ "$$(cat $(VENV)/.made 2>/dev/null)" = "$(CURDIR)" ] && $(BIN)/python -c '' 2>/dev/null && echo yes)

$(VENV)/.made: $(if $(MADE_HERE),,FORCE)
	@python=''; old=''; \
	for candidate in $(PYTHON) /usr/bin/python3.11 python3.11 python3 python3.12 python3.13; do \
	  "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$candidate" -c 'import venv, ensurepip' 2>/dev/null || { old="$$candidate"; continue; }; \
	  python="$$candidate"; break; \
	done; \
	if [ -z "$$python" ] && [ -n "$$old" ]; then \
	  echo "$$old has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer was not found (tried python3.11 and python3). Install it, or say make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	$(TURN) "$$python" -m venv --clear $(VENV) && printf '%s' "$(CURDIR)" > $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock requirements-build.lock
	@echo "Installing from requirements.lock"
	@$(TURN) $(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@touch $@

$(VENV)/.package: $(VENV)/.runtime pyproject.toml
	@$(TURN) $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.package requirements-dev.lock
	@echo "Installing from requirements-dev.lock"
	@$(TURN) $(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Pins move only as far as pyproject.toml asks; UPGRADE=1 takes the newest of everything.
COMPILE = "$$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

lock: $(VENV)/.made ## write the locks anew from pyproject.toml (UPGRADE=1: newest versions)
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(BIN)/python -m venv "$$tools" && \
	"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install uv==$(UV_VERSION) && \
	$(COMPILE) pyproject.toml -o requirements.lock && \
	$(COMPILE) --group build -o requirements-build.lock && \
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock

clean: ## remove .venv, caches and build products; ./.dynamo stays, as it holds data
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find dynamo tests -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
