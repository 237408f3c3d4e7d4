# `make demo` and `make test` each work in a fresh clone with nothing else done.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
OFFLINE ?=
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo run test lint bench clean

help:
	@echo 'make setup            environment in $(VENV), pinned versions; DAGSTER_HOME made ready'
	@echo 'make demo             data into a warehouse of its own, and a look at them; OFFLINE=1 without network'
	@echo 'make run              Dagster with schedules and sensors on the real providers, UI on http://localhost:3000'
	@echo 'make test             every test; ARGS="-k calendar" for some'
	@echo 'make lint             style, types, generated docs'
	@echo 'make bench            benchmarks, written to benchmarks/'
	@echo 'make clean            away with environment and caches; data stay'

# DAGSTER_HOME, if it is not set, lies in the home that the settings name.
DAGSTER_HOME_READY = \
	home=$${DAGSTER_HOME:-$$($(BIN)/python -c 'from energy_assets.settings import load_settings as s; print(s().home / "dagster")')}; \
	sh deploy/init-dagster-home "$$home" $(BIN)/dagster

setup: $(STAMP)
	@set -e; $(DAGSTER_HOME_READY)

# Installs again only when what is to be installed has changed. An environment whose Python is gone or too old is remade.
$(STAMP): pyproject.toml constraints.txt deploy/find-python
	@set -e; \
	supported='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'; \
	if ! $(BIN)/python -c "$$supported" 2>/dev/null; then \
		python='$(PYTHON)'; \
		[ -n "$$python" ] || python=$$(sh deploy/find-python); \
		"$$python" -c "$$supported" || { echo "$$python is not a Python from 3.11 to 3.14." >&2; exit 1; }; \
		echo "Making $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV); \
	fi; \
	echo 'Installing the pinned versions'; \
	$(BIN)/python -m pip install -qq -c constraints.txt -e '.[dev,bigquery]'; \
	touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/energy-assets demo $(if $(filter-out 0 no false,$(OFFLINE)),--offline) $(ARGS)

run: $(STAMP)
	@set -e; $(DAGSTER_HOME_READY); \
	DAGSTER_HOME=$$home exec $(BIN)/dagster dev -w workspace.yaml $(ARGS)

# One worker more than cores: a good part of the tests waits for a server or a client that sleeps.
test: $(STAMP)
	@$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') --dist worksteal $(ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/energy-assets catalogue docs --check

bench: $(STAMP)
	@$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
