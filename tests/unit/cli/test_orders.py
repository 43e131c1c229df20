"""``orders``: the list with filters, search, CSV and JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from order_relay.ledger import Ledger
from order_relay.pipeline.report import order_export
from tests.support.command_line import as_json, call


def numbers(*options: str) -> list[str]:
    return [row["order_number"] for row in as_json("orders", *options)["orders"]]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--sort", "number"), ["N-1", "N-2", "N-3"]),
        (("--sort", "-number", "--state", "imported", "--state", "in_doubt"), ["N-3", "N-1"]),
        (("--reason", "total_differs"), ["N-2"]),
        (("--search", "n-2"), ["N-2"]),
        (("--search", "PO Marked", "--state", "imported"), ["N-1"]),
        (("--received-from", "2026-05-01", "--received-to", "2026-05-01", "--state", "imported"), ["N-1"]),
        (("--received-to", "2026-04-30"), []),
        (("--received-to", "2026-05-01", "--timezone", "America/New_York", "--state", "imported"), ["N-1"]),
        (("--received-from", "2026-05-01", "--timezone", "America/New_York"), []),
        (("--run", "nothing"), []),
        (("--waiting", "1000000"), []),
    ],
)
def test_the_list_is_narrowed(ledger: Ledger, options: tuple[str, ...], found: list[str]) -> None:
    assert numbers(*options) == found


def test_pages_follow_each_other(ledger: Ledger) -> None:
    first = as_json("orders", "--sort", "number", "--limit", "2")
    assert [row["order_number"] for row in first["orders"]] == ["N-1", "N-2"]
    assert numbers("--sort", "number", "--limit", "2", "--after", first["next"]) == ["N-3"]
    text = call("orders", "--sort", "number", "--limit", "2").stdout
    assert "at least 2 orders" in text
    assert f"--after {first['next']}" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--state", "importd"), "unknown state 'importd'; did you mean imported?"),
        (("--pipeline", "nobody"), "unknown pipeline 'nobody'"),
        (("--sort", "total"), "cannot be sorted by 'total'"),
        (("--changed-from", "yesterday"), "changed_from: must be a date such as 2026-05-31"),
        (("--received-to", "9999-12-31"), "out of range"),
        (("--timezone", "Mars"), "unknown time zone 'Mars'"),
        (("--search", "x" * 201), "q: must be a text of at most 200 characters"),
        (("--after", "x"), "start with the first page"),
    ],
)
def test_a_wrong_option_is_named(ledger: Ledger, options: tuple[str, ...], message: str) -> None:
    assert message in str(call("orders", *options).exception)


def test_the_csv_contains_all_orders_of_the_filter(ledger: Ledger, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("orders", "--csv", "-", "--state", "imported").stdout)))
    assert [(row["order_number"], row["total"], row["currency"], row["customer_po"]) for row in rows] == [
        ("N-1", "1.00", "USD", "PO Marked")
    ]
    call("orders", "--csv", str(tmp_path / "all.csv"))
    assert (tmp_path / "all.csv").read_text("utf-8-sig").startswith("order_number,pipeline,state")


def test_a_csv_that_is_cut_says_so(ledger: Ledger) -> None:
    from order_relay.ledger.listing.order_filter import parse_filter

    found = parse_filter({}, ledger.runs.pipelines())
    texts = "".join(order_export.csv_portions(ledger.order_list.stream(found, 3, 2), 2))
    lines = texts.splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith("Not complete: only the newest 2 orders. Narrow the filter.,")
    whole = "".join(order_export.csv_portions(ledger.order_list.stream(found, 4, 2), 3))
    assert "Not complete" not in whole
