"""Every vendor folder answers the quality rules, and its claims name things that exist."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from order_relay import vendors
from order_relay_contract.support import quality as checker

ROOT = Path(__file__).parents[3]
Spoil = Callable[[dict[str, Any]], Any]


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return checker


@pytest.mark.parametrize("vendor", vendors.vendor_names())
def test_every_claim_of_a_vendor_is_right(quality: ModuleType, vendor: str) -> None:
    assert quality.problems(vendor) == []


@pytest.mark.parametrize("vendor", vendors.vendor_names())
def test_names_that_only_we_chose_are_declared_as_assumed(quality: ModuleType, vendor: str) -> None:
    folder = quality.folder_of(vendor)
    assumed = {path for fact in quality.read(vendor).facts if "assumed" in fact.basis for path in fact.code}
    says_so = {
        path.name
        for path in (*folder.glob("*.schema.json"), *folder.glob("mapping.yaml"))
        if "ssumed" in path.read_text()
    }
    assert says_so <= assumed


@pytest.fixture
def spoiled(quality: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Spoil], list[str]]:
    """The problems of a folder like SuperCat's whose file was changed."""
    shutil.copytree(quality.folder_of("supercat"), tmp_path / "supercat", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(vendors, "__path__", [str(tmp_path), *vendors.__path__])
    monkeypatch.setattr(vendors, "folder_problems", list)  # the name is used twice, on purpose
    file = tmp_path / "supercat" / quality.FILE

    def problems(spoil: Spoil) -> list[str]:
        content = yaml.safe_load(file.read_text())
        assert quality.problems("supercat") == []
        spoil(content)
        file.write_text(yaml.safe_dump(content))
        found: list[str] = quality.problems("supercat")
        return found

    return problems


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda q: q["rules"].pop("size_limits"), "size_limits is not answered"),
        (lambda q: q["rules"].update(in_doubt_safe={"status": "todo", "reason": "x"}), "does not concern this vendor"),
        (lambda q: q["rules"].update(size_limits={"status": "done"}), "names its tests"),
        (lambda q: q["rules"].update(size_limits={"status": "todo"}), "give the reason"),
        (lambda q: q["rules"].update(size_limits={"status": "perhaps"}), "rules.size_limits.status: Input should be"),
        (lambda q: q["rules"]["size_limits"].update(tests=["tests/nowhere.py"]), "tests/nowhere.py does not exist"),
        (lambda q: q["rules"]["size_limits"].update(tests=[f"{TESTS}::test_x"]), "::test_x does not exist"),
        (lambda q: q["rules"]["docs_page"].update(docs=["nowhere"]), "supercat.md has no section #nowhere"),
        (lambda q: q["facts"][0].update(settings=["orga"]), "facts: read: settings: no setting 'orga'"),
        (lambda q: q["facts"][0].update(settings=["policies.x"]), "no setting 'policies.x'"),
        (lambda q: q["facts"][0].update(switches=["x"]), "the stand-in has no switch 'x'"),
        (lambda q: q["facts"][0].update(code=["x.py"]), "code: x.py does not exist"),
        (lambda q: q["facts"][0].update(pages=["x"]), "'x' is not listed"),
        (lambda q: q["facts"][0].update(pages=[]), "a stated fact names its pages"),
        (lambda q: q["facts"][0].update(basis="assumed"), "says how to find out"),
        (lambda q: q["facts"][0].update(basis="documented"), "facts.0.basis"),
        (lambda q: q["facts"][0].update(settings=[], switches=[], code=[]), "name the settings, switches or code"),
        (lambda q: q["facts"].append(q["facts"][0]), "'read' occurs more than once"),
        (lambda q: q.update(roles=["source", "endpoint"]), "the stand-in and the folder say source"),
    ],
)
def test_a_wrong_claim_is_found(spoiled: Callable[[Spoil], list[str]], spoil: Spoil, problem: str) -> None:
    assert any(problem in found for found in spoiled(spoil))


TESTS = "tests/vendors/supercat/test_connection.py"


def test_a_folder_without_the_file_is_found(quality: ModuleType, spoiled: object) -> None:
    (quality.folder_of("supercat") / quality.FILE).unlink()
    assert quality.problems("supercat") == [
        "supercat/quality.yaml is missing: answer the rules of order_relay_contract/support/rules.yaml"
    ]


def test_the_pages_are_up_to_date(quality: ModuleType) -> None:
    pages = importlib.import_module("reference_pages")
    for name, text in pages.vendor_pages():
        assert (ROOT / "docs" / name).read_text() == text, f"docs/{name} is out of date: run `make docs`"
