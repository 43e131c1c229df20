# `make demo` and `make test` need Python 3.11 and make, nothing else; everything goes into .venv
PYTHON ?= python3
SOURCE ?= supercat
HISTORY ?= 30
BIN := .venv/bin

# Compiled modules save seconds in each Airflow process; this checkout's own package wins over any installed one.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPATH := $(CURDIR)/include
export PYTHON

.PHONY: help fmt check setup demo ui test lint types imports compose docs-check docs screenshots unit integration faults airflow bench prove mutations audit clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into .venv (the others call it)
	@scripts/setup.sh

demo: setup ## move simulated orders through real Airflow and account for each one (SOURCE=cloudsuite)
	@$(BIN)/python scripts/demo.py --source $(SOURCE)

ui: setup ## Airflow's web interface with the simulated vendors and 30 days of orders, until Ctrl-C (HISTORY=0: none)
	@$(BIN)/python scripts/ui.py --source $(SOURCE) --history $(HISTORY)

# mypy takes a minute on one core in a new clone: it runs beside the short checks and the unit tests.
CHECKS := -j 2 --output-sync=line lint types imports

test: setup ## lint, types, import rules and all tests
	@$(MAKE) --no-print-directory $(CHECKS) compose docs-check unit
	@$(MAKE) --no-print-directory integration faults airflow

fmt: setup ## format the code and apply the safe fixes of the linter
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

check: setup ## format, lint, vocabulary, types, import rules and unit tests, in at most 90 seconds
	@$(MAKE) --no-print-directory $(CHECKS) unit

lint: ## check format, common mistakes, and the vocabulary of pages, code and messages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python scripts/check_vocabulary.py

types: ## check types
	$(BIN)/mypy

imports: ## check the import rules
	$(BIN)/lint-imports

compose:
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml

docs-check: ## check that generated pages are up to date and that no link is dead
	$(BIN)/python scripts/check_links.py
	$(BIN)/python scripts/reference_pages.py --check
	$(BIN)/python scripts/dag_page.py --check

docs: setup ## generate the reference pages and build the documentation site in build/site
	$(BIN)/python scripts/reference_pages.py
	$(BIN)/python scripts/dag_page.py
	$(BIN)/zensical build --clean

screenshots: setup ## take the pictures in docs/images again (needs Chromium)
	$(BIN)/python scripts/screenshots.py

# Each process begins with a half of the tests, so that a module's fixtures are rarely made twice, and takes others over
# when it has none left.
PYTEST := $(BIN)/pytest -n 2 --dist worksteal

# What needs a database server, sockets on loopback, processes that get killed, or Airflow is not a unit test.
unit: ## unit tests
	$(PYTEST) -m unit tests/unit tests/vendors

integration: ## tests with databases and sockets
	$(PYTEST) -m "not unit" --ignore=tests/integration/airflow tests/integration tests/vendors

faults: ## fault tests
	$(PYTEST) tests/faults

# Three processes, since these tests wait for servers; a file stays in one: the first run of a DAG in a process costs
# eight seconds, later ones about three. The files keep their order, which begins with the longest ones
# (tests/e2e/conftest.py); pytest-xdist would begin with those that have many tests.
airflow: ## tests on real Airflow
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder tests/integration/airflow tests/e2e

ifneq ($(wildcard benchmarks/run.py),)
bench: setup ## the benchmarks, as a table (RIVALS=1: beside dlt and a Singer tap and target instead)
ifdef RIVALS
	@$(BIN)/python benchmarks/rivals.py
else
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/statuses.py
endif
endif

ifneq ($(wildcard tests/faults/prove.py),)
prove: setup ## the long profile of the fault suite, as a table (PROVE='--minutes 30' bounds it; CLUSTER=1: on a cluster)
ifdef CLUSTER
	@scripts/cluster.sh --install
	@PYTHONPATH=$(CURDIR)/include:$(CURDIR)/scripts $(BIN)/python -m tests.faults.prove_cluster $(PROVE)
else
	@$(BIN)/python -m tests.faults.prove $(PROVE)
	@ORDER_RELAY_LONG=1 $(BIN)/pytest -n 2 -m hypothesis tests/unit tests/vendors tests/integration/ledger
	@ORDER_RELAY_LONG=1 $(BIN)/pytest -n 2 tests/integration/ledger/test_state_machine.py \
		tests/integration/ledger/write_back/test_due_orders.py tests/integration/project/test_walkthrough.py
	@ORDER_RELAY_LONG=1 $(BIN)/pytest tests/e2e/test_real_scheduler.py tests/integration/cli/test_new_vendor.py
endif
endif

mutations: setup ## break each guarantee on purpose, one breakage at a time, and show which test notices
	@$(BIN)/python -m tests.mutations.check

audit: setup ## compare the installed packages with the published security advisories
	@scripts/audit.sh

clean: ## remove what builds and tests leave behind
	rm -rf .demo .ui .cluster build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
