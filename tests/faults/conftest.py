"""Fixtures of the fault suites. Every suite runs on every case of ``fault_cases``: no test names a vendor."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.support.faults.case import Case
from tests.support.faults.cases import CASES
from tests.support.faults.forks import Forks


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """A source and a destination."""
    chosen: Case = request.param
    return chosen


@pytest.fixture
def command_line() -> Iterator[CliRunner]:
    """Runs commands as their process does: what the libraries log of their progress stays out of the answers.

    A command may import Airflow, which logs to what is standard output then; that handler goes with the command.
    """
    logging.disable(logging.INFO)
    yield CliRunner()
    logging.disable(logging.NOTSET)
    for handler in list(logging.root.handlers):
        if getattr(getattr(handler, "stream", None), "closed", False):
            logging.root.removeHandler(handler)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Where trials run, each in a process of its own."""
    with Forks() as server:
        yield server


@pytest.fixture(scope="session")
def databases(sqlite_template, postgres_cluster, tmp_path_factory):
    """A function that makes a fresh, migrated ledger: ``databases("sqlite")`` or ``databases("postgres")``."""
    import os
    import shutil

    numbers = itertools.count(1)

    def fresh(kind: str) -> str:
        number = next(numbers)
        if kind == "sqlite":
            path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
            shutil.copy(sqlite_template, path)
            return f"sqlite:///{path}"
        return str(postgres_cluster.copy_template(f"fault_{os.getpid()}_{number}"))

    return fresh
