"""One evaluation of archived orders: the command line, the DAG and a run's second evaluation agree on every order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from order_relay.batches import Manifest
from order_relay.errors import ValidationIssue
from order_relay.orders.messages import RunContext
from order_relay.orders.payload.transformer import TransformResult
from order_relay.pipeline.operators.replay import evaluate_archived
from tests.support.stages import PIPELINE, PlainTransformer, Relay, order


class StrictTransformer(PlainTransformer):
    """Refuses every order at first; later only what is wrong with it counts."""

    strict = True

    def _one(self, index: int, document: dict[str, Any]) -> TransformResult:
        if self.strict:
            return TransformResult(index, issues=[ValidationIssue("code_unknown", "/code", "is unknown")])
        if document.get("card"):
            return TransformResult(index, hold="card_data_removed")
        if document.get("empty"):
            return TransformResult(index)
        return super()._one(index, document)


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    made.transformer = StrictTransformer()
    yield made
    made.ledger.close()


ORDERS: dict[str, tuple[dict[str, Any], str]] = {
    "clean": ({}, "ready"),
    "refused by the transformation": ({"broken": True}, "quarantined broken"),
    "without a payload": ({"empty": True}, "quarantined code_unknown"),
    "held for card data": ({"card": True}, "held card_data_removed"),
    "refused by the eligibility rules": ({"payment": "refunded"}, "quarantined not_allowed"),
    "waiting for a payment": ({"payment": "open"}, "waiting gate:payment=open"),
    "withdrawn by the source": ({"listed": "no"}, "waiting gate:listed=other"),
}


def quarantined(relay: Relay, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """An order in quarantine that was refused for a code table which is complete by now."""
    made = order(1, **document)
    rules = relay.transformer.eligibility
    relay.transformer.eligibility = type(rules)()
    relay.run(made)
    relay.transformer.eligibility, relay.transformer.strict = rules, False
    assert relay.states() == {"1": "quarantined code_unknown"}
    [row] = relay.ledger.queries.quarantined(None, None, None)
    return row["id"], made


def by_next_run(relay: Relay) -> None:
    """What the next run makes of the orders that were put back."""
    relay.transform(relay.dedupe(relay.validate(Manifest("replay", PIPELINE))))


def by_the_run_itself(relay: Relay, number: int, document: dict[str, Any]) -> None:
    relay.run(document)


def by_the_dag(relay: Relay, number: int, document: dict[str, Any]) -> None:
    relay.ledger.bulk.replay(RunContext(PIPELINE, "", "ann"), [number], "table completed")
    by_next_run(relay)


def by_the_command_line(relay: Relay, number: int, document: dict[str, Any]) -> None:
    found = evaluate_archived(
        relay.store, PIPELINE, relay.ledger.worklist.get([number]), source=relay.format, transformer=relay.transformer
    )
    relay.ledger.bulk.replay(RunContext(PIPELINE, "", "ann"), [work.id for work in found.continuing], "table completed")
    by_next_run(relay)


@pytest.mark.parametrize("name", ORDERS)
def test_every_way_of_evaluating_again_agrees(relay: Relay, sqlite_url: str, name: str) -> None:
    document, state = ORDERS[name]
    number, made = quarantined(relay, document)
    found = evaluate_archived(
        relay.store, PIPELINE, relay.ledger.worklist.get([number]), source=relay.format, transformer=relay.transformer
    )
    assert [work.id for work in found.continuing] == ([] if state.startswith("quarantined") else [number])
    assert relay.states() == {"1": "quarantined code_unknown"}, "nothing was changed"
    relay.run(made)
    if name == "without a payload":
        state = "quarantined code_unknown"
    assert relay.states() == {"1": state}


@pytest.mark.parametrize("way", [by_the_run_itself, by_the_dag, by_the_command_line])
@pytest.mark.parametrize("name", [name for name in ORDERS if name not in {"without a payload"}])
def test_the_state_afterwards_is_the_same(relay: Relay, name: str, way: Any) -> None:
    document, state = ORDERS[name]
    number, made = quarantined(relay, document)
    way(relay, number, made)
    [life] = relay.ledger.queries.find("1")
    expected = "quarantined code_unknown" if way is by_the_command_line and state.startswith("quarantined") else state
    assert f"{life['state']} {life['reason']}".strip() == expected
