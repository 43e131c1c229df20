# `make demo` and `make test` need Python 3.11 and make, nothing else; everything goes into .venv
PYTHON ?= python3
SOURCE ?= supercat
BIN := .venv/bin

# Compiled modules save seconds in each Airflow process; this checkout's own package wins over any installed one.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPATH := $(CURDIR)/include
export PYTHON

.PHONY: help setup demo ui test lint types imports compose docs-check docs screenshots unit integration faults airflow bench prove mutations clean

help:
	@echo "make setup   install everything into .venv (the others call it)"
	@echo "make demo    move simulated orders through real Airflow and account for each one"
	@echo "make ui      Airflow's web interface with the simulated vendors, until Ctrl-C"
	@echo "make test    lint, types, import rules and all tests"
	@echo "make bench   the benchmarks, as a table"
	@echo "make prove   the long profile of the fault suite, as a table (PROVE='--minutes 30' bounds it)"
	@echo "make mutations   break the promise on purpose, a breakage at a time: which test notices, as a table"
	@echo "make docs    write docs/dags.md anew"
	@echo "make screenshots   take the pictures in docs/images anew (needs playwright and Chromium)"

setup:
	@scripts/setup.sh

demo: setup
	@$(BIN)/python scripts/demo.py --source $(SOURCE)

ui: setup
	@$(BIN)/python scripts/ui.py --source $(SOURCE)

test: setup
	@$(MAKE) --no-print-directory lint types imports compose docs-check unit integration faults airflow

lint:
	$(BIN)/ruff check

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

compose:
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml

docs-check:
	$(BIN)/python scripts/dag_page.py --check

docs: setup
	$(BIN)/python scripts/dag_page.py

# What needs a database server, sockets on loopback, processes that get killed, or Airflow is not a unit test.
INTEGRATION := tests/ledger tests/sandbox tests/contract
AIRFLOW := tests/airflow tests/end_to_end
unit:
	$(BIN)/pytest -n 2 $(addprefix --ignore=,$(INTEGRATION) $(AIRFLOW) tests/faults)

integration:
	$(BIN)/pytest -n 2 $(INTEGRATION)

faults:
	$(BIN)/pytest -n 2 tests/faults

# Three processes, since these tests wait for servers; a file stays in one: the first run of a DAG in a process costs eight seconds, later ones about three.
airflow:
	$(BIN)/pytest -n 3 --dist loadfile $(AIRFLOW)

ifneq ($(wildcard benchmarks/run.py),)
bench: setup
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/statuses.py
endif

ifneq ($(wildcard tests/faults/prove.py),)
prove: setup
	@$(BIN)/python tests/faults/prove.py $(PROVE)
	@ORDER_RELAY_LONG=1 $(BIN)/pytest tests/end_to_end/test_real_scheduler.py
endif

mutations: setup
	@$(BIN)/python tests/mutations/check.py

clean:
	rm -rf .demo .ui build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
