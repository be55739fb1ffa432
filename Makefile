# make demo   set up, run the demo grid (three minutes on two CPU cores), print the table, draw the picture
# make test   set up, run the tests, on the CPU
# make test-gpu   the tests that need a CUDA device, on a machine that has one
# make docs   set up, build the documentation into site/
# Needs Python 3.11 to 3.13 and make. On a GPU machine install torch for your CUDA into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
READY := $(VENV)/.ready

.PHONY: demo test test-gpu lint docs clean
.DELETE_ON_ERROR:

demo: $(READY)
	@# A cell that failed is shown as missing: the report is made all the same, the exit status kept.
	$(BIN)/swarmformer grid run experiments/grids/demo.yaml; status=$$?; \
	$(BIN)/swarmformer report runs/demo --out runs/demo/report && exit $$status

# One process a core and one more, as some wait for others, each with one thread: most tests are too small for two.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 8 --dist worksteal

# Most of the time is compiling, some 25 minutes in one process. What is timed runs alone afterwards. `swarmformer bench gpu`
# makes the table of a card's figures.
TIMED := tests/cost tests/experiments
test-gpu: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal -m gpu -rs $(addprefix --ignore=,$(TIMED))
	$(BIN)/python -m pytest -p no:xdist -m gpu -rs $(TIMED)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python -m mkdocs build --strict

$(READY): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "swarmformer needs Python 3.11 to 3.13; say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
