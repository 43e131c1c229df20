"""The breakages of ``make mutations`` still fit the code; whether they are caught, that command says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

import order_relay_contract
from tests.mutations.breakages import BREAKAGES, PACKAGE, Breakage

ROOT = Path(__file__).resolve().parents[3]


def text_of(path: Path) -> str:
    """The text of a test module; with that of the contract suite, if the module imports it."""
    text = path.read_text()
    suite = Path(order_relay_contract.__path__[0]).glob("*.py") if "order_relay_contract import *" in text else ()
    return "\n".join([text, *(module.read_text() for module in suite)])


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_a_breakage_applies_and_names_tests_that_exist(breakage: Breakage) -> None:
    whole = (ROOT / PACKAGE / breakage.file).read_text()
    broken = breakage.broken(whole)
    assert broken != whole
    if breakage.file.endswith(".py"):
        ast.parse(broken)
    else:
        yaml.safe_load(broken)
    assert breakage.caught_by
    for name in breakage.caught_by:
        path, *classes, function = name.split("::")
        text = text_of(ROOT / path)
        for line in (*(f"class {found}:" for found in classes), rf"(async )?def {function}\("):
            assert re.search(rf"^ *{line}", text, re.MULTILINE), name


def test_a_breakage_with_a_missing_or_ambiguous_quote_fails() -> None:
    absent = Breakage("gone", "ledger/states.py", "this stands nowhere", "", ())
    for text in ("something else", "this stands nowhere, this stands nowhere"):
        with pytest.raises(ValueError, match="not once"):
            absent.broken(text)


def test_names_are_distinguished() -> None:
    assert len({breakage.name for breakage in BREAKAGES}) == len(BREAKAGES) >= 12
