# Thin names for commands that the README spells out.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.lock-$(shell sha256sum requirements.lock 2>/dev/null | cut -c1-16)
ACTIVATE := source $(VENV)/bin/activate

.DEFAULT_GOAL := help
.PHONY: help venv repro test lint ui study clean-runs lock

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: $(STAMP)  ## .venv from requirements.lock; a changed lock file rebuilds it

$(STAMP): requirements.lock
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

repro: venv  ## run the pipeline: dvc repro
	$(ACTIVATE) && dvc repro && python -m pipeline.tracking link

test: venv  ## run the tests
	$(ACTIVATE) && OMP_NUM_THREADS=1 python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: venv  ## ruff and mypy
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy

ui: venv  ## open the MLflow pages on this project's runs
	$(ACTIVATE) && python -m pipeline.tracking ui

study: venv  ## run studies/NAME.yaml beside the workspace: make study NAME=...
	$(ACTIVATE) && python -m pipeline.study $(NAME)

clean-runs:  ## remove checkpoints, times and rates
	rm -rf .runs

lock:  ## make requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --no-header --extra dev pyproject.toml -o requirements.lock
