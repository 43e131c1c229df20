"""Fixtures and markers of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import empty_home, network, speedups

pytest_plugins = ["tests.support.databases"]

speedups.settle()
empty_home.settle()

FOLDERS = {
    "tests/unit": "unit",
    "tests/vendors": "unit",
    "tests/integration/airflow": "airflow",
    "tests/e2e": "airflow",
    "tests/faults": "faults",
}
"""Marker of all tests below a folder. A vendor's tests in ``contract/`` need sockets and are no unit tests."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m unit`` does not even import the tests on Airflow: they set up an Airflow in the process."""
    if config.getoption("markexpr") != "unit" or not collection_path.is_relative_to(config.rootpath):
        return None
    folder = collection_path.relative_to(config.rootpath).as_posix()
    return True if FOLDERS.get(folder, "unit") != "unit" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and by the database that it needs. The slow ones begin: a process that starts one
    last would keep the others waiting.
    """
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        for folder, marker in FOLDERS.items():
            if path.startswith(f"{folder}/") and not (marker == "unit" and "/contract/" in path):
                item.add_marker(marker)
        call = getattr(item, "callspec", None)
        names = getattr(item, "fixturenames", ())
        if "postgres_cluster" in names or (call and call.params.get("ledger_url") == "postgres"):
            item.add_marker("postgres")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    speedups.fewer_examples(items)


def pytest_collection_finish() -> None:
    """The tests begin."""
    speedups.collected()


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> None:
    """Unit tests reach no network."""
    if request.node.get_closest_marker("unit"):
        network.block(request.getfixturevalue("monkeypatch"))
