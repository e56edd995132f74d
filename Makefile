# Two commands: `make demo` runs the main job, `make test` passes the tests.
# Each makes its own virtual environment; nothing outside this folder is changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN := .venv-train
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-core test-ros test-train lint bench evidence clean

demo: $(VENV)/.sim
	$(BIN)/permanence demo -o out

test: lint test-core test-ros

test-core: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not ros"

test-ros: $(VENV)/.dev
	$(BIN)/python scripts/with_ros.py python -m pytest test/ros

# Training in an environment of its own: torch alone is larger than everything else together.
test-train: $(TRAIN)/.train
	$(TRAIN)/bin/mypy -p perception_models
	$(TRAIN)/bin/python -m pytest test/train

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	for script in bags odometry finder ycbv replay cameras memory simulation objects association keyframes; do \
	  $(BIN)/python bench/$$script.py || exit 1; done
	$(BIN)/python scripts/with_ros.py python bench/latency_ros.py

# The evidence pages from committed results; RUN=1 measures again first, TIER=full on a GPU.
evidence: $(if $(RUN),$(TRAIN)/.train,$(VENV)/.dev)
	cd bench && ../$(if $(RUN),$(TRAIN),$(VENV))/bin/python -m evidence.pages \
	  $(if $(RUN),--run --tier $(or $(TIER),cpu))

clean:
	rm -rf $(VENV) $(TRAIN) .venv-ros build install log out

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Permanence needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no virtual environment could be made: apt-get install python3-venv"; exit 1; }

$(VENV)/.sim: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -e ".[sim,cpu]"
	@touch $@

$(VENV)/.dev: $(VENV)/.sim
	@$(PIP) -e ".[sim,cpu,dev]"
	@touch $@

$(TRAIN)/.train: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	@echo "installing torch into $(TRAIN) ..."
	@test -x $(TRAIN)/bin/python || $(PYTHON) -m venv $(TRAIN)
	@$(TRAIN)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(TRAIN)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e ".[sim,train,cpu,dev]"
	@touch $@
