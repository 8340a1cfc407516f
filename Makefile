# make all | test | test-cluster | lint | benchmark | report [STUDY=mine] | setup | setup-cluster: each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
GPUS   ?= $(shell nvidia-smi -L 2>/dev/null | wc -l)
# Python 3.11's own pip takes twice as long for the lock file
PIP    := pip==26.3

.PHONY: all setup setup-cluster test test-cluster lint format benchmark report clean

all: setup
	$(BIN)/snakemake --cores $(CORES) --resources gpu=$(GPUS) all
	@$(MAKE) --no-print-directory report
	@echo
	@echo "Tables: README.md, and results/default/tables/ as md, csv, tex and html"
	@echo "Report: results/report.html (open it in a browser; it needs no network)"

setup: $(STAMP)

# Our own package comes last: its console script stands in place of Snakemake's, and calls it. pip compiles on one core, which
# is half of its time: here all do, but for other packages' tests. A file for a later Python does not compile, as in pip.
# What is ignored is that the package is editable, as it is meant to be.
$(STAMP): envs/requirements.lock envs/models.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("ApexBench needs Python 3.11 or 3.12; set PYTHON=/path/to/python3.11") if not (3, 11) <= sys.version_info[:2] < (3, 13) else None'
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP) || echo "going on with the older pip, which is slower"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r envs/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r envs/models.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j $(CORES) -x '/tests?/' $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

# Executors and storage, into the same environment; --no-deps, as the lock has all of them.
setup-cluster: $(VENV)/.installed-cluster

$(VENV)/.installed-cluster: $(STAMP) envs/cluster.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/cluster.lock
	@touch $@

test: setup
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile

# One after another: they share two cores, and what needs Slurm skips without `.ci/slurm start`.
test-cluster: setup-cluster
	$(BIN)/python -m pytest -m cluster -rs tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# make report STUDY=mine: that study's, into results/mine/report.html
report: setup
	$(BIN)/apexbench report $(STUDY)

benchmark: setup
	$(BIN)/python benchmarks/run.py

clean:
	@echo "Nothing is deleted for you. results/ holds all that was computed, .venv/ the environment; data/ is yours."
