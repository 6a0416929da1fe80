# Thin names for commands that the README spells out.
SHELL := /bin/bash
# The newest that works: a name on the PATH may belong to a version manager that has no such Python.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import ensurepip, venv' 2>/dev/null && echo $(name))) no-python3.11-to-3.13)
VENV := .venv
STAMP := $(VENV)/.lock-$(shell sha256sum requirements.lock 2>/dev/null | cut -c1-16)
ACTIVATE := source $(VENV)/bin/activate

.DEFAULT_GOAL := help
.PHONY: help venv repro test test-faults lint ui explore study sketch clean-runs lock wheels

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: $(STAMP)  ## .venv from requirements.lock; a changed lock file rebuilds it

$(STAMP): requirements.lock
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-compile -r requirements.lock
	$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true  # on all CPUs; some packages hold files of another Python
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

repro: venv  ## run the pipeline: dvc repro
	$(ACTIVATE) && dvc repro && python -m pipeline.tracking link

test: venv  ## run the tests
	$(ACTIVATE) && OMP_NUM_THREADS=1 python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-faults: venv  ## run those of the tests that take something away from what runs
	$(ACTIVATE) && OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile -m faults

lint: venv  ## ruff and mypy
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy

ui: venv  ## open the MLflow pages on this project's runs
	$(ACTIVATE) && python -m pipeline.tracking ui

explore: venv  ## open the live explorer of the trained map
	$(ACTIVATE) && python -m pipeline.explore

study: venv  ## run studies/NAME.yaml beside the workspace: make study NAME=...
	$(ACTIVATE) && python -m pipeline.study $(NAME)

sketch: venv  ## a concept that two pictures give: draw them, and run study sketch; with IIN_DATA_ROOT study animals
	$(ACTIVATE) && python -m pipeline.stylise.draw && python -m pipeline.study $(if $(IIN_DATA_ROOT),animals,sketch)

clean-runs:  ## remove checkpoints, times and rates
	rm -rf .runs

lock: venv  ## make requirements.lock anew from pyproject.toml, for every Python that it names
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --extra dev --extra explore --extra style pyproject.toml -o requirements.lock
	$(MAKE) wheels

wheels: venv  ## show that requirements.lock resolves to wheels alone with Python 3.11, 3.12 and 3.13
	@# antlr4-python3-runtime 4.9.3 has no wheel: it is Python alone, so that nothing is compiled
	for version in 3.11 3.12 3.13; do \
		$(VENV)/bin/uv pip compile --quiet --no-deps --only-binary :all: --no-binary antlr4-python3-runtime \
			--python-version $$version requirements.lock >/dev/null || exit 1; \
	done
