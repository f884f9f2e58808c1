# Each target makes .venv by itself: Python >= 3.11, pip and make are all that a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench battery cluster-battery simulate fuzz diagram pictures browser clean

demo: $(READY)            ## a small catalogue with every trouble: migrated, killed, resumed, reported
	$(BIN)/migrator demo

test: $(READY)            ## all tests
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(READY)           ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)           ## measures, as ratios within one run; SCALE=full, ROWS=n, OBJECTS=n, SEED=n, ONLY="memory size", JSON=1
	$(BIN)/python -m tests.benchmarks $(SCALE:%=--scale %) $(ROWS:%=--rows %) $(OBJECTS:%=--objects %) \
	  $(SEED:%=--seed %) $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json)

diagram: $(READY)         ## the states in ARCHITECTURE.md, drawn from the transition table
	$(BIN)/python -m tests.diagram

pictures: $(READY)        ## what people see, into pictures/: terminals and report pages, 60 rows and a million; needs Chromium
	$(BIN)/python -m tests.pictures
	$(BIN)/python -m tests.pictures.sandbox

battery: $(READY)         ## the actual program killed, crashed and struck by every fault; KILLS=500 ROUNDS=20
	$(BIN)/python -m tests.battery --kills $(or $(KILLS),500) --rounds $(or $(ROUNDS),20)

cluster-battery: $(READY) ## workers, scheduler and program killed while a cluster lists and heads; KILLS=30
	$(BIN)/python -m tests.battery.cluster --kills $(or $(KILLS),30)

simulate: $(READY)        ## the engine in many worlds on virtual time: SEEDS=1000; SEED=123 replays one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

fuzz: $(READY)            ## the readers and decoders under a coverage-guided fuzzer: SECONDS=600 in all
	$(BIN)/python -m pip install --quiet 'atheris>=3'
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(or $(SECONDS),600)

browser: $(READY)         ## a Chromium for the tests of the pages, where the machine has none
	command -v chromium || if command -v apt-get; \
	then apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends chromium; \
	else $(BIN)/playwright install chromium; fi

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .fuzz .hypothesis .import_linter_cache
