"""Reviews on a real ledger and archive: which versions are shown, against what, and that a decision is about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.batches import DamagedBatchError
from order_relay.batches.writer import BatchReader
from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError
from order_relay.ledger import AttemptResult
from order_relay.orders.decisions import redelivery, versions
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.mapping_rules import parse_rules
from order_relay.orders.messages import SendOutcome, SendResult, VersionPolicies
from order_relay.orders.review.submission_groups import CHOICES_BY_REASON
from order_relay.pipeline.lookup import evidence
from order_relay.pipeline.operators.review import build_review
from order_relay.pipeline.operators.review_model import OrderReview
from order_relay.pipeline.report.advice import CODES
from tests.support.stages import PIPELINE, Relay, order

READER = CanonicalReader(
    parse_rules(
        [
            {"target": "order_number", "path": "no", "converter": "key"},
            {"target": "currency", "value": "USD"},
            {"target": "bill_name", "path": "person", "converter": "text"},
        ],
        {},
        {},
        "test",
    ),
    parse_rules([{"target": "item_number", "path": "sku", "converter": "key"}], {}, {}, "test"),
    "rows",
)


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    yield made
    made.ledger.close()


def imported(relay: Relay, *documents: dict[str, Any]) -> None:
    """Extract to load: everything that is ready gets an OMS id."""
    relay.run(*documents)
    ids = relay.ledger.claims.ready(PIPELINE)
    claims = relay.ledger.claims.claim(relay.ctx, ids, "test", 30)
    answers = {i: SendResult(SendOutcome.IMPORTED, 201, oms_id=f"OMS{i}") for i in claims}
    assert (
        relay.ledger.outcomes.record(relay.ctx, [AttemptResult(i, claims[i].attempt, answers[i]) for i in claims]) == {}
    )


def review(relay: Relay, **which: Any) -> OrderReview:
    wiring = SimpleNamespace(settings=SimpleNamespace(name=PIPELINE), transformer=SimpleNamespace(reader=READER))
    return build_review(relay.ledger, relay.store, wiring, **which)


def test_a_change_after_import_is_shown_against_what_was_imported(relay: Relay) -> None:
    imported(relay, order(1, person="MARK old"))
    relay.run(order(1, items=("A", "C"), person="MARK new"))
    shown = review(relay, number="N1")
    assert shown.reason == redelivery.AFTER_IMPORT
    assert [(v.edition, v.state, v.shown) for v in shown.versions] == [(1, "imported", False), (2, "held", True)]
    assert [(line.kind, line.item) for d in shown.details if d.comparison for line in d.comparison.lines] == [
        ("removed", "B"),
        ("added", "C"),
    ]
    assert shown.imported == ("OMS1",)
    assert shown.needs_confirmation
    text = shown.as_markdown() + json.dumps(shown.as_dict(), default=str)
    assert "MARK" not in text
    assert "bill name" in text
    assert "N1 (id 1, edition 2)" in shown.differences


def pairs(shown: OrderReview) -> list[tuple[int, int]]:
    return [(detail.before, detail.now) for detail in shown.details]


def test_a_group_is_one_review_for_each_of_its_numbers(relay: Relay) -> None:
    imported(relay, order(1, group="G"))
    relay.run(order(1, group="G"), order(2, group="G", no="N1-1"), order(3, group="G", no="N1-2"))
    shown = review(relay, number="N1-1")
    assert (shown.number, shown.other_numbers, shown.shown_ids) == ("N1-2", ("N1-1",), (2, 3))
    assert [(v.order_number, v.state, v.shown) for v in shown.versions] == [
        ("N1", "imported", False),
        ("N1-1", "held", True),
        ("N1-2", "held", True),
    ]
    assert pairs(shown) == [(1, 2), (1, 3), (2, 3)]
    assert review(relay, number="N1-1") == review(relay, number="N1-2") == shown
    assert shown.choices == ("replacement", "separate", "discard")
    effect = dict(shown.answers)
    assert effect["separate"].startswith("N1-2 (id 3) is sent as an order of its own. N1-1 (id 2) is superseded by")
    assert "must be cancelled there" in effect["replacement"]


def test_before_is_the_older_one_where_the_newer_one_is_imported(relay: Relay) -> None:
    newer = order(2, group="G", no="N1-1", customer="C-2")
    relay.policies = VersionPolicies(unknown_base="import")
    imported(relay, newer)
    relay.run(order(1, group="G", customer="C-1", items=("A", "B", "OLD")), newer)
    shown = review(relay, number="N1")
    assert (shown.reason, shown.choices) == (versions.CONTRADICTING, ("separate", "discard"))
    assert not shown.needs_confirmation
    (detail,) = shown.details
    old, new = (next(v.id for v in shown.versions if v.order_number == number) for number in ("N1", "N1-1"))
    assert (detail.before, detail.now, detail.contradicting) == (old, new, "customer number")
    assert detail.comparison is not None
    assert [(line.kind, line.item) for line in detail.comparison.lines] == [("removed", "OLD")]
    assert "different customer number" in shown.as_markdown()
    assert "C-1" not in shown.as_markdown() + json.dumps(shown.as_dict(), default=str)


def test_one_number_under_two_ids_shows_both(relay: Relay) -> None:
    relay.run(order(1), order(2, no="N1"))
    shown = review(relay, number="N1")
    assert (shown.shown_ids, shown.reason, shown.needs_confirmation) == ((1, 2), redelivery.TWO_IDS, False)
    assert pairs(shown) == [(1, 2)]


def test_a_version_alone_has_nothing_to_compare_with(relay: Relay) -> None:
    relay.run(order(1, no="1-2-3-1"))
    shown = review(relay, number="1-2-3-1")
    assert shown.reason == versions.WITHOUT_BASE
    assert "no other version" in shown.as_markdown()
    assert shown.answers == (
        ("separate", "1-2-3-1 (id 1) is sent as an order of its own."),
        ("discard", "1-2-3-1 (id 1) is never sent."),
    )


def test_unreadable_entries_are_reported(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(relay, order(1))
    relay.run(order(1, items=("C",)))

    def damaged(*_: Any) -> Any:
        raise DamagedBatchError("part-00000: is truncated")

    monkeypatch.setattr(BatchReader, "rows", damaged)
    assert "is truncated" in review(relay, number="N1").as_markdown()


def test_a_decision_is_about_what_was_shown(relay: Relay) -> None:
    relay.run(order(1), order(2, no="N1"))
    shown = review(relay, number="N1")
    relay.run(order(3, no="N1"))
    with pytest.raises(ConcurrentUpdateError):
        relay.ledger.decisions.decide("N1", "discard", "both wrong", "ann", shown=shown.seen)
    assert relay.ledger.decisions.decide(
        "N1", "discard", "all wrong", "ann", shown=review(relay, number="N1").seen
    ) == [
        1,
        2,
        3,
    ]


def test_nothing_held_is_acknowledged(relay: Relay) -> None:
    relay.run(order(1))
    for number in ("N1", "none"):
        with pytest.raises(IllegalTransitionError):
            review(relay, number=number)


def test_every_reason_has_a_plain_text() -> None:
    codes = {
        redelivery.TWO_IDS,
        redelivery.TWO_UUIDS,
        redelivery.TWO_CONTENTS,
        redelivery.AFTER_IMPORT,
        redelivery.AFTER_DISCARD,
        versions.CONTRADICTING,
        versions.TOO_FEW_ITEMS,
        versions.NEWER_THAN_IMPORTED,
        versions.WITHOUT_BASE,
        versions.SUFFIXED,
        versions.SIBLING_HELD,
        "destination_key_taken",
        "card_data_removed",
        *evidence.OPERATOR_REASONS,
    }
    assert codes == set(CHOICES_BY_REASON)
    assert codes <= set(CODES)


@pytest.mark.parametrize(
    ("reason", "next_step"),
    [("card_data_removed", "without card data"), (evidence.FOREIGN_ORDER, "separate sends it in addition")],
)
def test_a_review_names_the_next_step_unless_it_is_to_read_the_review(reason: str, next_step: str) -> None:
    assert next_step in _review_held_for(reason).as_markdown()
    assert "order-relay held" not in _review_held_for(versions.SUFFIXED).as_markdown()


def _review_held_for(reason: str) -> OrderReview:
    return OrderReview(PIPELINE, "N1", "G", reason, (1,), (1,), (), ())
