"""The whole engine against vendors that are played literally from their pages, by code that is not the sandbox."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from tests.support import reference_orders as literal_orders
from tests.support import reference_vendors as literal
from tests.support.engine import Engine


def connections(url: str) -> dict[str, Connection]:
    supercat = Connection(
        "supercat_default", host=url, login=literal.LOGIN, password=literal.PASSWORD, extra={"org": literal.ORG}
    )
    extra = {
        "token_url": f"{url}/oauthserver/oauth2/token",
        "manufacturer_id": literal.MANUFACTURER,
        "catalog_id": 0,
    }
    shopatron = Connection(
        "shopatron_default", host=f"{url}/api/v2", login=literal.API_KEY, password=literal.SECRET, extra=extra
    )
    return {c.conn_id: c for c in (supercat, shopatron)}


@pytest.fixture
def cases() -> list[literal_orders.Case]:
    return literal_orders.cases()


def source_ids(cases: list[literal_orders.Case]) -> dict[str, literal_orders.Case]:
    return {str(case.order["id"]): case for case in cases if case.order["id"] is not None}


def test_every_order_ends_as_the_tables_say(tmp_path: Path, cases: list[literal_orders.Case]) -> None:
    with literal.literal_vendors([case.order for case in cases]) as (url, vendor_state):
        engine = Engine(tmp_path, connections(url))
        report = engine.run("first")
        engine.run("second")
        states = engine.states()

    known = source_ids(cases)
    assert {i: states.get(i) for i in known} == {i: case.state for i, case in known.items()}
    nameless = [state for source_id, state in states.items() if source_id.startswith("sha256:")]
    assert nameless == ["quarantined"]
    assert len(states) == len(cases)
    assert report.breaches == []
    assert vendor_state.complaints == []


def test_none_doubled_none_acknowledged_early(tmp_path: Path, cases: list[literal_orders.Case]) -> None:
    with literal.literal_vendors([case.order for case in cases]) as (url, vendor_state):
        engine = Engine(tmp_path, connections(url))
        for run in ("first", "second", "third"):
            engine.run(run)

    sent = Counter(order["externalOrderID"] for order in vendor_state.imported)
    assert sent == Counter(case.order["order_number"] for case in cases if case.total is not None)
    acknowledged = set(vendor_state.received)
    assert acknowledged == {c.order["order_number"] for c in cases if c.state in ("imported", "superseded")}
    happened = [name for what, name in vendor_state.history if what in ("IMPORT", "ACK")]
    for number in acknowledged & set(sent):
        assert happened.index(number) < len(happened) - 1 - happened[::-1].index(number)


def test_what_is_sent_is_worth_what_was_ordered(tmp_path: Path, cases: list[literal_orders.Case]) -> None:
    with literal.literal_vendors([case.order for case in cases]) as (url, vendor_state):
        Engine(tmp_path, connections(url)).run("first")

    expected = {case.order["order_number"]: case.total for case in cases if case.total is not None}
    assert {o["externalOrderID"]: literal.total_of(o) for o in vendor_state.imported} == expected
    for order in vendor_state.imported:
        assert quantities(order) == ordered(cases, order["externalOrderID"])


def quantities(payload: dict[str, Any]) -> dict[str, Decimal]:
    found: Counter[str] = Counter()
    for item in payload["orderItems"]:
        found[item["product"]["partNumber"]] += item["itemSpecifics"]["quantity"]
    return {part: Decimal(number) for part, number in found.items()}


def ordered(cases: list[literal_orders.Case], number: str) -> dict[str, Decimal]:
    lines = next(c.order for c in cases if c.order["order_number"] == number and c.total is not None)["items"]
    return {line["item_number"]: Decimal(str(line["quantity"])) for line in lines if line["unit_price"] is not None}


def test_card_numbers_reach_neither_disk_nor_oms(tmp_path: Path, cases: list[literal_orders.Case]) -> None:
    with literal.literal_vendors([case.order for case in cases]) as (url, vendor_state):
        Engine(tmp_path, connections(url)).run("first")

    assert not any("4111" in str(order) for order in vendor_state.imported)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            assert b"4111 1111 1111 1111" not in content, file.name


def test_a_change_after_import_is_held_and_never_sent(tmp_path: Path, cases: list[literal_orders.Case]) -> None:
    first = cases[0].order
    with literal.literal_vendors([first]) as (url, vendor_state):
        engine = Engine(tmp_path, connections(url))
        engine.run("first")
        vendor_state.orders.append(literal_orders.resubmitted_after_import(first, first["id"] + 50_000))
        engine.run("second")
        engine.run("third")

    assert engine.states()[str(first["id"] + 50_000)] == "held"
    assert [order["externalOrderID"] for order in vendor_state.imported] == [first["order_number"]]
    assert f"{first['order_number']}-1" not in vendor_state.received
