# One target an intention; `make help` lists them. Nothing but Python 3.11+, make and pip is needed to begin.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.setup.stamp
NATIVE := axiomd/native_code/sources.sha256
TRANSLATED := hatch_build.py axiomd/native.py $(shell find axiomd/broker axiomd/contracts axiomd/core axiomd/replay axiomd/runs -name '*.py')
PEERS_STAMP := .venv-peers/.setup.stamp
DEMO_BARS := artifacts/demo_bars.parquet
BARS ?= $(DEMO_BARS)
CONFIG ?= configs/runs/demo.yml
SEEDS ?= 1000
PYTEST_ARGS ?=
WORKERS ?= auto
TOGETHER = --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal
AS_PYTHON := tests/unit/core tests/unit/replay tests/property tests/simulation
BENCH_ARGS ?=
RISK_ARGS ?=
# Resolved against the public index alone, whatever this machine is set up to look at.
COMPILE := PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= $(BIN)/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: sim sim-mutants help setup native demo test check format lint types arrows house bench bench-peers lock clean build data\:validate bt\:run risk\:test crash soak

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z\\:-]+:.*## / { gsub(/\\/, "", $$0); split($$0, part, /:[^:]*## /); \
		printf "  make %-16s %s\n", part[1], part[2] }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## build .venv from the lock, with axiomd in .venv/bin

$(STAMP): requirements-dev.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "error: no Python 3.11 to 3.13 · $(PYTHON) · run make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Written by the installation too. Where there is no compiler there is no such file, and the sources run as Python.
native: $(NATIVE)  ## translate the modules that every order goes through to machine code, where their sources changed

$(NATIVE): $(TRANSLATED) | $(STAMP)
	-$(BIN)/python hatch_build.py

demo: $(STAMP)  ## write a synthetic day and replay it into ./artifacts
	$(BIN)/python -m axiomd.feeds.synthetic --out $(DEMO_BARS) --symbols DEMO --seed 7
	$(BIN)/axiomd replay --bars $(DEMO_BARS) --config configs/runs/demo.yml

test: $(STAMP) $(NATIVE)  ## run every test, WORKERS=n at a time; what machine code is made of is run as Python too
	@# once, since each worker would compile the same rules beside the other; what else it misses here is no test's failure
	-$(BIN)/axiomd doctor --compile
	$(BIN)/python -m pytest $(TOGETHER) -m "not as_python" $(PYTEST_ARGS)
	AXIOMD_NATIVE=off $(BIN)/python -m pytest $(TOGETHER) $(AS_PYTHON) $(PYTEST_ARGS)

check: format lint types arrows test build  ## what CI runs: format, lint, types, arrows, tests, wheel

format: $(STAMP)  ## say which files ruff would format
	$(BIN)/ruff format --check .

lint: $(STAMP)  ## lint
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy --strict
	$(BIN)/mypy

arrows: $(STAMP)  ## who may import whom
	$(BIN)/lint-imports

house: $(STAMP)  ## the house's own rules, and its sizes for people to judge
	$(BIN)/python -m pytest tests/house $(PYTEST_ARGS)
	@find axiomd tui -name '*.py' -print0 | xargs -0 wc -l | sort -rn | head -25

KILLS ?= 200
SEED ?= 1
SESSIONS ?= 12

crash: $(STAMP) $(NATIVE)  ## kill the daemon at random moments of scripted days (KILLS=200 SEED=1) and print what was held
	$(BIN)/python -m tests.process.campaign --kills $(KILLS) --seed $(SEED)

soak: $(STAMP) $(NATIVE)  ## run a simulated week as fast as it goes (SESSIONS=12) and print how memory grew
	$(BIN)/python -m tests.process.soak --sessions $(SESSIONS)

bench: $(STAMP) $(NATIVE)  ## measure, ours alone; asserts nothing (BENCH_ARGS="--only P1,L3")
	@test -d benchmarks || { echo "error: no benchmarks in this checkout · benchmarks/ · take a full clone" >&2; exit 2; }
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-peers: $(STAMP) $(NATIVE) $(PEERS_STAMP)  ## measure against peers, in an environment of their own
	$(BIN)/python -m benchmarks --peers $(BENCH_ARGS)

# A peer that cannot be installed is left out, and its line in the table says so.
$(PEERS_STAMP): benchmarks/peers/requirements.txt
	test -x .venv-peers/bin/python || "$(PYTHON)" -m venv .venv-peers
	grep -v '^\#' $< | while read -r peer; do \
		.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" || echo "left out: $$peer" >&2; done
	touch $@

sim: $(STAMP) $(NATIVE)  ## simulate SEEDS=n histories with faults
	$(BIN)/python -m tests.simulation.run --seeds $(SEEDS)

sim-mutants: $(STAMP)  ## catch every daemon that is broken on purpose
	AXIOMD_NATIVE=off $(BIN)/python -m tests.simulation.run --mutants

build: $(STAMP)  ## build the wheel and start from it
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel
	PYTHONPATH="$$(echo dist/*.whl)" $(BIN)/python -P -c 'import axiomd, tui; print(axiomd.__version__, axiomd.__file__)' | grep -q 'dist/'

data\:validate: $(STAMP) $(BARS)  ## list every violation of BARS=PATH (else the demo's day)
	$(BIN)/axiomd data validate --bars $(BARS)

bt\:run: $(STAMP) $(BARS)  ## replay BARS=PATH under CONFIG=FILE
	$(BIN)/axiomd replay --bars $(BARS) --config $(CONFIG)

risk\:test: $(STAMP) $(NATIVE)  ## put every guard through simulated scenarios and print what was refused, and why
	$(BIN)/python -m tests.risk $(RISK_ARGS)

$(DEMO_BARS): | $(STAMP)
	$(BIN)/python -m axiomd.feeds.synthetic --out $@ --symbols DEMO --seed 7

lock: $(STAMP)  ## resolve the locks anew
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:  ## remove what was built, never artifacts
	rm -rf dist build axiomd/native_code .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find axiomd tui tests -name __pycache__ -type d -prune -exec rm -rf {} +
