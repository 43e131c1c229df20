"""Every reason code of the package has a title, a meaning and a next step."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import order_relay
from order_relay.ledger.schema.states import State
from order_relay.orders.decisions import redelivery, versions
from order_relay.orders.schema import malformed
from order_relay.orders.schema.validator import KEYWORD_CODES as SCHEMA_CODES
from order_relay.orders.suggestions import suggest
from order_relay.pipeline.lookup.diff import DiscrepancyKind
from order_relay.pipeline.lookup.evidence import DOUBT_REASONS
from order_relay.pipeline.report.advice import CODES, advice_for
from order_relay.pipeline.report.advice_types import Advice
from order_relay.pipeline.report.comparison_advice import DISCREPANCIES
from order_relay.pipeline.report.state_advice import STATES

ROOT = Path(order_relay.__file__).parent
REFUSING = {
    "ValidationIssue",
    "amount_rejected",
    "_cell_rejected",
    "_row_rejected",
    "_entry_rejected",
    "reject",
    "_refusal",
    "_rejection",
}
A_CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")
NO_REASONS = {"new_lineage"}
"""Constants beside the reasons that are none."""


def refused_with(tree: ast.AST) -> Iterator[str]:
    """The codes that calls of refusing functions name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in REFUSING:
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and A_CODE.fullmatch(str(argument.value)):
                    yield str(argument.value)


def constants(module: object) -> Iterator[str]:
    """The codes that a module names as constants."""
    for name, value in vars(module).items():
        if name.isupper() and type(value) is str and A_CODE.fullmatch(value):
            yield value


@cache
def all_codes() -> set[str]:
    found = {code for module in (redelivery, malformed, versions) for code in constants(module)}
    for path in ROOT.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "sandbox" not in path.parts and any(name in source for name in REFUSING):  # parsing takes much longer
            found.update(refused_with(ast.parse(source)))
    return (found | set(SCHEMA_CODES.values()) | DOUBT_REASONS) - NO_REASONS


@pytest.mark.parametrize("code", sorted(all_codes()))
def test_every_reason_code_is_explained(code: str) -> None:
    advice = advice_for(code)
    assert advice is not None, f"add {code!r} to a table in pipeline/report"
    assert advice.title
    assert advice.meaning.endswith(".")
    assert advice.fix


def test_the_scan_finds_codes() -> None:
    assert {"missing_field", "contradicting_versions", "bad_byte", "not_in_table"} <= all_codes()


@pytest.mark.parametrize("advice", CODES.values(), ids=CODES)
def test_titles_fit_a_terminal(advice: Advice) -> None:
    assert len(advice.title) <= 40


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("http_400", "Refused by the OMS"),
        ("http_422_5015", "Refused by the OMS"),
        ("http_500", "Not stored by the OMS"),
        ("http_200", "Not stored by the OMS"),
        ("ServerDisconnectedError", "No complete answer"),
        ("gate:payment=open", "Waiting for the source"),
    ],
)
def test_codes_made_of_an_answer_are_explained_by_family(code: str, title: str) -> None:
    advice = advice_for(code)
    assert advice is not None
    assert advice.title == title


def test_every_state_and_every_kind_of_difference_is_explained() -> None:
    assert set(STATES) == set(State)
    assert set(DISCREPANCIES) == set(DiscrepancyKind)


def test_near_matches() -> None:
    assert suggest("suplercat", ["supercat", "cloudsuite"]) == "did you mean supercat?"
    assert suggest("x", []) == "there are none yet"
    assert suggest("zzz", ["a", "b"]) == "available: a, b"
