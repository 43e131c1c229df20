"""What ``new-vendor`` makes works as it is: tests, ``doctor``, the DAG file, and the checks of a contributor."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.speedups import LONG
from tests.unit.cli.admin.test_new_vendor import call, made

ROOT = Path(__file__).parents[3]
VENDOR = {"README.md", "client.py", "connection.py", "mapping.yaml", "order.schema.json", "quality.yaml", "vendor.py"}
FOLDERS = ("benchmarks", "include", "dags", "docs", "plugins", "scripts", "tests")
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".cache", ".demo", ".ui", "build")


def run(folder: Path, *command: str, **environment: str) -> str:
    """The standard output of a command that must succeed."""
    full = {**os.environ, **environment}
    done = subprocess.run([sys.executable, *command], check=False, cwd=folder, env=full, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="in make prove; test_walkthrough does the same for one source")
@pytest.mark.parametrize(
    ("options", "pipeline"),
    [
        (("--source", "--with", "shopatron"), "newco_to_shopatron"),
        (("--destination", "--with", "supercat", "--title", "New Shipping"), "supercat_to_newco"),
    ],
    ids=["source", "destination"],
)
def test_the_new_vendor_works_in_a_repository_of_its_own(
    options: tuple[str, ...], pipeline: str, tmp_path: Path
) -> None:
    result = call("newco", *options, "--into", str(tmp_path))
    assert result.exit_code == 0, result.exception
    assert made(tmp_path) == {
        *(f"vendors/newco/{name}" for name in (*VENDOR, "stand_in.py")),
        *(f"config/{pipeline}.yaml", f"dags/{pipeline}.py", "tests/conftest.py", "tests/test_newco.py"),
    }
    left = re.compile(r"@[A-Z_]+@")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and left.search(path.read_text())]
    tests = run(tmp_path, "-m", "pytest", "-q", "-n2", "-p", "no:cacheprovider", "tests")
    assert int(re.findall(r"(\d+) passed", tests)[0]) > 20, "the contract suite was run"
    folders = {f"ORDER_RELAY_{name.upper()}": str(tmp_path / name) for name in ("vendors", "config")}
    assert f"ORDER_RELAY_VENDORS={folders['ORDER_RELAY_VENDORS']}" in result.output
    run(tmp_path, f"dags/{pipeline}.py", **folders)


@pytest.mark.slow
def test_a_new_vendor_passes_every_check_of_a_checkout(tmp_path: Path) -> None:
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=NOT_COPIED)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    python = {"PYTHONPATH": str(tmp_path / "include")}
    relay = ("-m", "order_relay", "new-vendor")
    run(tmp_path, *relay, "shop", "--source", "--with", "shopatron", **python)
    run(tmp_path, *relay, "acme", "--destination", "--with", "supercat", "--title", "Acme Shipping", **python)
    for command in (
        ("scripts/reference_pages.py",),
        ("scripts/dag_page.py",),
        ("-m", "ruff", "check", "--no-cache"),
        ("-m", "ruff", "format", "--check", "--no-cache"),
        ("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, "--deselect", NO_CHANGE),
    ):
        run(tmp_path, *command, **python)


NO_CHANGE = "tests/vendors/test_folders.py::test_a_vendor_in_a_repository_of_its_own"
"""Concerns neither of the new vendors, and starts Airflow."""

TESTS = (
    "tests/unit/project",
    "tests/unit/cli/admin",
    "tests/unit/cli/test_all_pipelines.py",
    "tests/unit/support/test_fault_cases.py",
    "tests/vendors/test_connections.py",
    "tests/vendors/test_folders.py",
    "tests/vendors/test_formats.py",
    "tests/vendors/shop",
    "tests/vendors/acme",
    "tests/integration/sandbox/test_discovery.py",
    "tests/integration/wiring",
)
"""Those of all tests that look at every vendor or pipeline, and the new vendors' own."""
