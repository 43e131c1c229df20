"""What a vendor may cost: the sample vendors are complete, small, and need no line outside their folders."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from order_relay import vendors
from order_relay.airflow.doctor.checks import Severity
from order_relay.airflow.doctor.vendor_folders import vendor_folders
from order_relay.errors import ConfigurationError
from tests.vendors.sample import CONFIG, DAGS, VENDORS

ROOT = Path(__file__).parents[3]
FOLDERS = sorted(path.parent for path in VENDORS.glob("*/vendor.py"))
MAX_PYTHON, MAX_MAPPING = 150, 100
FOR_VENDORS = r"order_relay\.(vendor|http\..*|orders\..*)"


def lines(folder: Path, pattern: str) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob(pattern))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_vendor_is_small(folder: Path) -> None:
    """Source and idempotent destination together. The stand-in is the vendor itself, simulated for its tests."""
    assert lines(folder, "*.py") - lines(folder, "stand_in.py") <= MAX_PYTHON
    assert lines(folder, "*.yaml") - lines(folder, "quality.yaml") <= MAX_MAPPING
    assert lines(folder, "stand_in.py") <= MAX_PYTHON


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_vendor_uses_only_what_is_meant_for_vendors(folder: Path) -> None:
    for path in folder.glob("*.py"):
        imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        own = {name for name in imported if name and name.startswith("order_relay.")}
        assert all(re.fullmatch(FOR_VENDORS, name) for name in own), path


def test_no_file_of_the_package_names_a_sample_vendor() -> None:
    named = re.compile(r"\b(sample|shipstation)_(default|to_)|\bvendors[./](sample|shipstation)\b")
    files = [path for part in ("include", "plugins", "dags") for path in (ROOT / part).rglob("*.[pyj]*")]
    assert [str(path) for path in files if path.suffix != ".pyc" and named.search(path.read_text("utf-8"))] == []


def test_the_sample_folder_holds_what_a_team_keeps() -> None:
    assert [folder.name for folder in FOLDERS] == ["sample", "shipstation"]
    for path in CONFIG.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert path.stem == f"{content['source']['vendor']}_to_{content['destination']['vendor']}"
    assert [path.stem for path in DAGS.glob("*.py")] == ["sample_to_shipstation"]


def test_the_doctor_accepts_the_folders() -> None:
    assert [(row.level, row.check) for row in vendor_folders()] == [
        (Severity.OK, f"vendor {folder.name}") for folder in FOLDERS
    ]
    assert vendors.load_vendor("sample").format("source").name == "sample"
    with pytest.raises(ConfigurationError, match="unknown vendor 'smaple'"):
        vendors.load_vendor("smaple")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_answers_to_the_rules_are_complete(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    assert importlib.import_module("vendor_quality").problems(folder.name) == []
