# Two commands: `make demo` runs the main job, `make test` passes the tests.
# Each makes its own virtual environment; nothing outside this folder is changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-core test-ros lint bench clean

demo: $(VENV)/.sim
	$(BIN)/permanence demo -o out

test: lint test-core test-ros

test-core: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not ros"

test-ros: $(VENV)/.dev
	$(BIN)/python scripts/ros_setup.py --test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	for script in bench/[a-z]*.py; do \
	  case $$script in bench/common.py) ;; *) $(BIN)/python $$script || exit 1 ;; esac; done

clean:
	rm -rf $(VENV) .venv-ros build install log out

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Permanence needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no virtual environment could be made: apt-get install python3-venv"; exit 1; }

$(VENV)/.sim: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -e ".[sim]"
	@touch $@

$(VENV)/.dev: $(VENV)/.sim
	@$(PIP) -e ".[sim,dev]"
	@touch $@
