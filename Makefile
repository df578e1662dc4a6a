# Everything from a fresh clone: `make demo`, `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(READY) ## a virtual environment in .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(READY) ## six configurations on generated speech, into MLflow, in minutes
	$(BIN)/python -m ser.run -m loss=cos,l2 lambda=0.6,0.7,0.8
	@echo
	@echo "The speech was generated: these numbers say nothing about people. Browse the runs with: make ui"

.PHONY: ui
ui: $(READY) ## the MLflow UI on this folder's runs (PORT=5000)
	$(BIN)/python -m ser.ui port=$(or $(PORT),5000)

.PHONY: test
test: $(READY) ## the tests, some minutes
	$(BIN)/python -m pytest

.PHONY: test-slow
test-slow: $(READY) ## the tests that take longer (a full-size generated corpus among them)
	$(BIN)/python -m pytest -m slow

.PHONY: bench
bench: $(READY) ## what is fast and how fast, measured here: docs/benchmarks.md (minutes, on a quiet machine)
	$(BIN)/python -m benchmarks

.PHONY: lint
lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: clean
clean: ## remove caches and Hydra's job folders; results, runs and corpora stay
	rm -rf outputs multirun .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
