"""Telling of parcels by command, on a real ledger and archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.cli import app as app_module
from order_relay.cli import arguments
from order_relay.errors import ConfigurationError, IllegalTransitionError
from order_relay.ledger import Ledger
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import RunContext
from tests.support.archived_orders import Relay, plain_orders


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", BatchStore(tmp_path.as_uri()))
    ledger = Ledger.open(sqlite_url)
    yield Relay(ledger, BatchStore(tmp_path.as_uri()))
    assert ledger.accounting.invariant_violations() == []
    ledger.close()


@pytest.fixture
def order(relay: Relay) -> dict[str, Any]:
    (document,) = plain_orders(1)
    relay.imported(document)
    return document


def call(*expected: str) -> Result:
    return CliRunner().invoke(app_module.app, list(expected))


def as_json(*expected: str) -> Any:
    result = call(*expected, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def units(order: dict[str, Any]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for item in order["items"]:
        counted[item["item_number"]] = counted.get(item["item_number"], 0) + item["quantity"]
    return counted


def test_an_order_is_shipped_in_parts(order: dict[str, Any]) -> None:
    number, asked = order["order_number"], units(order)
    first, *rest = [f"--line={item}={count}" for item, count in asked.items()]
    command = ("ship", number, "--carrier", "UPS", "--reason", "phoned", "--who", "ann")
    partly = as_json(*command, "--tracking", "1Z1", first)
    assert (partly["shipped"], partly["progress"]["ordered"]) == ("partly" if rest else "shipped", sum(asked.values()))
    assert as_json(*command, "--tracking", "1Z1", first)["outcome"] == "known"
    assert as_json(*command, "--tracking", "1Z2", *rest)["shipped"] == "shipped"
    (life,) = as_json("order", number)["submissions"]
    assert (life["state"], life["shipped"]) == ("imported", "shipped")
    assert [(s["tracking_number"], s["who"]) for s in life["shipments"]] == [("1Z1", "ann"), ("1Z2", "ann")]
    assert "1Z2" in call("order", number).stdout


def test_a_parcel_without_lines_is_the_whole_order(order: dict[str, Any]) -> None:
    out = call("ship", order["order_number"], "--tracking", "1Z", "--reason", "x").stdout
    asked = sum(units(order).values())
    assert f"the order is shipped, {asked} of {asked} units" in out


def test_unordered_units_are_reported(order: dict[str, Any]) -> None:
    assert "unknown items: 1" in call("ship", order["order_number"], "--line", "HAT=1", "--reason", "x").stdout


def test_a_kept_parcel_is_given_to_its_order(relay: Relay, order: dict[str, Any]) -> None:
    kept = relay.ledger.shipments.record(RunContext("", "", "x"), Shipment("shiprush", "k", ("typo",), "UPS"), None)
    (row,) = as_json("shipments", "--unmatched")["rows"]
    assert row["id"] == kept.shipment_id
    assert "typo" in call("shipments").stdout
    found = as_json("ship", order["order_number"], "--unmatched", str(row["id"]), "--reason", "a typo")
    assert found["shipped"] == "shipped"
    assert "no unmatched parcels" in call("shipments", "--unmatched").stdout


@pytest.mark.parametrize(
    "expected",
    [("nobody",), ("N", "--line", "MUG"), ("N", "--line", "MUG=0"), ("N", "--line", "=3"), ("N", "--pipeline", "none")],
)
def test_wrong_use_records_nothing(relay: Relay, order: dict[str, Any], expected: tuple[str, ...]) -> None:
    number = [order["order_number"] if word == "N" else word for word in expected]
    result = call("ship", *number, "--reason", "x")
    assert isinstance(result.exception, ConfigurationError), result.output
    assert relay.ledger.shipments.recent() == []


def test_an_order_shows_why_a_feed_omits_it(relay: Relay, order: dict[str, Any]) -> None:
    number = order["order_number"]
    assert "left_out" not in call("order", number).stdout
    relay.ledger.feed_errors.record({1: "missing_field at /ShipTo/City"})
    assert "missing_field at /ShipTo/City" in call("order", number).stdout
    assert as_json("order", number)["submissions"][0]["left_out"][0]["mended_at"] is None


def test_an_order_is_found_by_its_reference_and_several_are_listed(relay: Relay) -> None:
    relay.imported(*plain_orders(2))
    with relay.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE submission SET reference = 'CS48086', order_number = id || '-CS48086'")
    found = {life["order_number"] for life in as_json("order", "CS48086")["submissions"]}
    assert found == {"1-CS48086", "2-CS48086"}
    command = call("ship", "CS48086", "--tracking", "1Z9", "--reason", "x")
    assert isinstance(command.exception, ConfigurationError)
    assert "1-CS48086" in str(command.exception)
    assert "2-CS48086" in str(command.exception)
    assert relay.ledger.shipments.recent() == []
    assert as_json("ship", "2-CS48086", "--tracking", "1Z9", "--reason", "x")["shipped"] == "shipped"


def named(relay: Relay, reference: str, *states: str) -> list[str]:
    """Give the first orders numbers of several shops with this reference, and these states."""
    with relay.ledger.database.engine.begin() as conn:
        for number, state in enumerate(states, 1):
            conn.exec_driver_sql(
                "UPDATE submission SET reference = ?, order_number = ?, state = ? WHERE id = ?",
                (reference, f"{number}-{reference}", state, number),
            )
    return [f"{number}-{reference}" for number, _ in enumerate(states, 1)]


COMMANDS = [
    ("decide", "N", "separate", "--reason", "x"),
    ("settle", "N", "--absent", "--reason", "x"),
    ("held", "N"),
    ("replay", "N", "--reason", "x"),
    ("discard", "N", "--reason", "x"),
    ("quarantine", "--number", "N"),
    ("drop-parcel", "N", "--reason", "x"),
    ("ship", "N", "--reason", "x"),
]


@pytest.mark.parametrize("expected", COMMANDS, ids=[expected[0] for expected in COMMANDS])
def test_a_reference_that_several_orders_have_is_refused_with_a_list(relay: Relay, expected: tuple[str, ...]) -> None:
    relay.imported(*plain_orders(2))
    numbers = named(relay, "CS48086", "imported", "imported")
    command = call(*("CS48086" if word == "N" else word for word in expected))
    assert isinstance(command.exception, ConfigurationError), command.output
    assert all(number in str(command.exception) for number in numbers)


def test_a_number_that_is_another_orders_reference_stays_the_number(relay: Relay) -> None:
    relay.imported(*plain_orders(2))
    with relay.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE submission SET order_number = 'CS1' WHERE id = 1")
        conn.exec_driver_sql("UPDATE submission SET order_number = '1-CS1', reference = 'CS1' WHERE id = 2")
    assert arguments.resolve_number(relay.ledger, "CS1", None) == "CS1"
    assert arguments.resolve_number(relay.ledger, "1-CS1", None) == "1-CS1"
    assert arguments.resolve_number(relay.ledger, "nobody", None) == "nobody"


def test_commands_take_the_reference_of_one_order(relay: Relay, order: dict[str, Any]) -> None:
    """Each refuses by the state of exactly this order, or acts on it."""
    (number,) = named(relay, "CS48086", "imported")
    for expected, command in (
        (("decide", "CS48086", "separate"), "nothing is held"),
        (("settle", "CS48086", "--absent"), "0 submissions"),
    ):
        result = call(*expected, "--reason", "x")
        assert isinstance(result.exception, IllegalTransitionError)
        assert command in str(result.exception)
    item = order["items"][0]["item_number"]
    arguments = ("ship", "CS48086", "--tracking", "1Z9", "--reason", "x", "--line")
    assert as_json(*arguments, f"{item}=1")["number"] == number
    asked = as_json(*arguments, f"{item}=2")["shipment_id"]
    assert as_json("drop-parcel", "CS48086", "--reason", "a duplicate")["dropped"] == asked
    assert isinstance(call("drop-parcel", "CS48086", "--reason", "x").exception, ConfigurationError), (
        "nothing waits any more"
    )


def test_an_order_with_several_kept_parcels_needs_the_id_of_one(relay: Relay, order: dict[str, Any]) -> None:
    item, number = order["items"][0]["item_number"], order["order_number"]
    kept = [as_json("ship", number, "--tracking", "1Z9", "--reason", "x", "--line", f"{item}={n}") for n in (1, 2, 3)]
    command = call("drop-parcel", number, "--reason", "x")
    assert isinstance(command.exception, ConfigurationError)
    assert all(str(one["shipment_id"]) in str(command.exception) for one in kept[1:])


def test_a_parcel_that_was_asked_about_is_counted_corrected_or_dropped(relay: Relay, order: dict[str, Any]) -> None:
    number, item = order["order_number"], order["items"][0]["item_number"]
    command = ("ship", number, "--tracking", "1Z9", "--reason", "x")
    first = as_json(*command, "--line", f"{item}=1")
    second = as_json(*command, "--line", f"{item}=2")
    assert (first["outcome"], second["outcome"]) == ("recorded", "asked")
    out = call("shipments", "--unmatched").stdout
    assert "drop-parcel" in out
    third = as_json(*command, "--line", f"{item}=3")
    corrected = as_json(
        "ship",
        number,
        "--unmatched",
        str(second["shipment_id"]),
        "--instead-of",
        str(first["shipment_id"]),
        "--reason",
        "two",
    )
    assert corrected["outcome"] == "recorded"
    assert as_json("drop-parcel", str(third["shipment_id"]), "--reason", "a duplicate")["dropped"]
    assert "no unmatched parcels" in call("shipments", "--unmatched").stdout
