# Two commands: `make demo` runs the main job, `make test` passes the tests.
# Each makes its own virtual environment; nothing outside this folder is changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN := .venv-train
DOCS := .venv-docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-core test-ros test-train lint bench evidence docs clean

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

# Speed on this machine, nothing else running; accuracy is measured by `make evidence RUN=1`.
bench: $(VENV)/.dev $(TRAIN)/.train
	$(BIN)/python bench/speed.py

# The evidence pages from committed results; RUN=1 measures again first, TIER=full on a GPU.
evidence: $(if $(RUN),$(TRAIN)/.train,$(VENV)/.dev)
	cd bench && ../$(if $(RUN),$(TRAIN),$(VENV))/bin/python -m evidence.pages \
	  $(if $(RUN),--run --tier $(or $(TIER),cpu))

# The pages of docs/ and an API reference from the docstrings; nothing of it is on the robot.
docs: $(DOCS)/.docs
	$(DOCS)/bin/mkdocs build --quiet --strict
	@echo "open out/site/index.html in a browser"

clean:
	rm -rf $(VENV) $(TRAIN) $(DOCS) .venv-ros build install log out

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

$(DOCS)/.docs: pyproject.toml
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -c 'import tomllib; d = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*d["project"]["optional-dependencies"]["docs"], sep="\n")' > $(DOCS)/pins.txt
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r $(DOCS)/pins.txt
	@touch $@
