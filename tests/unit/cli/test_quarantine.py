"""The lists of orders that need an operator: `quarantine`, `held`, `doubt`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger
from tests.support.command_line import CTX, as_json, call


def test_the_quarantine_fits_a_terminal_of_80_columns(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_relay.cli.output._PIPED_WIDTH", 80)
    text = call("quarantine").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("N-2")]
    assert len(line) <= 80
    assert line.split() == ["N-2", "total", "differs", "0", "min"]
    assert "/total" in call("quarantine", "--wide").stdout


def test_a_known_code_is_explained(ledger: Ledger) -> None:
    work = ledger.worklist.get([life["id"] for life in ledger.queries.find("2")])[0]
    ledger.validation.quarantine(
        CTX,
        [
            (
                work,
                [
                    ValidationIssue("not_in_table", "/shipping", "has no row"),
                    ValidationIssue("total_mismatch", "/total", "does not add up"),
                ],
            )
        ],
    )
    text = call("quarantine").stdout
    assert "No row in a code table (+1 more)" in text
    assert "Who: the maintainer of the pipeline's settings." in text
    assert "Example: shipping: {UPS GROUND: standard}" in text
    advice = as_json("quarantine")["advice"]
    assert advice["total_mismatch"]["title"] == "Total does not add up"


def test_doubt_and_held(ledger: Ledger) -> None:
    assert [row["order_number"] for row in as_json("doubt")["rows"]] == ["N-3"]
    assert as_json("doubt", "--pipeline", "cloudsuite_to_shopatron")["orders"] == 0
    assert as_json("held") == {"orders": 0, "rows": [], "advice": {}}
    assert "nothing is held" in call("held").stdout


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), 1),
        (("--code", "total_differs"), 1),
        (("--code", "total_mismatch"), 0),
        (("--number", "N-2"), 1),
        (("--number", "N-1"), 0),
        (("--since", "2020-01-01"), 1),
        (("--since", "2999-01-01T00:00:00+02:00"), 0),
    ],
)
def test_quarantine_is_narrowed(ledger: Ledger, options: tuple[str, ...], found: int) -> None:
    assert as_json("quarantine", *options)["orders"] == found


def test_quarantine_as_csv(ledger: Ledger, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("quarantine", "--csv", "-").stdout)))
    assert [(row["order_number"], row["code"]) for row in rows] == [("N-2", "total_differs")]
    call("quarantine", "--csv", str(tmp_path / "q.csv"))
    assert (tmp_path / "q.csv").read_text("utf-8-sig").startswith("pipeline,order_number")
