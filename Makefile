# Two commands matter: `make demo` and `make test`. Everything else is for those who work on the hub.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
# tests wait a lot (for servers, for leases), so every core gets some
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: demo test test-scaled test-browser test-chaos lint format docs bench pins clean

STORY ?= onboarding
demo: $(VENV)/.installed
	$(BIN)/hub demo --story $(STORY)

test: $(VENV)/.installed-test
	$(PYTEST) -m "not scaled and not browser and not chaos"

test-scaled: $(VENV)/.installed-test
	$(PYTEST) -m scaled

test-browser: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m browser

test-chaos: $(VENV)/.installed-test
	$(PYTEST) -m chaos --timeout 1800

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_floors.py

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed
	$(BIN)/python -m hub.connector_docs
	$(BIN)/python -m hub.transform_docs
	$(BIN)/python -m hub.mapping_docs

bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench

# Writes constraints.txt from a fresh environment: the only way its pins change.
pins:
	rm -rf .pins && $(PYTHON) -m venv .pins
	.pins/bin/python -m pip --quiet install ".[test,bench]"
	.pins/bin/python -m pip freeze --exclude process-hub | sed -e '/@/d' > constraints.txt
	rm -rf .pins

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable ".[test]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(VENV)/.installed-test
	$(PIP) install --constraint constraints.txt --editable ".[test,bench]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
