"""An order that is held for what is in it alone goes on once its source has corrected it; every other hold stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from order_relay.orders.payload.transformer import TransformResult
from order_relay.orders.privacy.redaction_marks import CARD_DATA_REMOVED
from tests.support.stages import PlainTransformer, Relay, order


class Holding(PlainTransformer):
    """Holds orders that say why."""

    def transform(self, documents: Sequence[dict[str, Any]], key_marks: Sequence[str] = ()) -> list[TransformResult]:
        results = super().transform(documents, key_marks)
        for document, result in zip(documents, results, strict=True):
            if document.get("hold"):
                result.payload, result.hold = None, document["hold"]
        return results


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    made.transformer = Holding()
    yield made
    made.ledger.close()


def life(relay: Relay) -> dict[str, Any]:
    return relay.ledger.queries.find("N2")[-1]


def test_corrected_at_its_source_it_continues(relay: Relay) -> None:
    relay.run(order(2, hold=CARD_DATA_REMOVED))
    assert (life(relay)["state"], life(relay)["reason"]) == ("held", CARD_DATA_REMOVED)
    assert relay.run(order(2))["ready"] == 1
    assert [event["to_state"] for event in life(relay)["events"]] == ["received", "held", "received", "ready"]


def test_changed_elsewhere_it_is_held_again_and_the_old_review_is_void(relay: Relay) -> None:
    relay.run(order(2, hold=CARD_DATA_REMOVED))
    before = life(relay)["revision"]
    relay.run(order(2, hold=CARD_DATA_REMOVED, notes="another"))
    assert (life(relay)["state"], life(relay)["reason"]) == ("held", CARD_DATA_REMOVED)
    assert life(relay)["revision"] > before


def test_offered_again_as_it_was_it_leaves_no_trace(relay: Relay) -> None:
    for _ in range(3):
        relay.run(order(2, hold=CARD_DATA_REMOVED))
    assert [event["to_state"] for event in life(relay)["events"]] == ["received", "held"]


@pytest.mark.parametrize(
    "reason",
    [
        "destination_key_taken",
        "number_with_two_ids",
        "id_with_two_uuids",
        "id_with_two_contents",
        "contradicting_versions",
        "too_few_common_items",
        "suffix_without_base",
        "suffixed",
        "sibling_held",
        "foreign_order_with_our_number",
    ],
)
def test_what_concerns_other_orders_or_versions_stays_held(relay: Relay, reason: str) -> None:
    relay.run(order(2, hold=reason))
    relay.run(order(2))
    assert (life(relay)["state"], life(relay)["reason"]) == ("held", reason)


def test_what_an_operator_has_decided_about_is_not_sent_with_other_content(relay: Relay) -> None:
    """The decision about its versions was made on what the operator saw."""
    relay.run(order(2, hold="suffixed"))
    relay.ledger.decisions.decide("N2", "separate", "two orders", "ann", shown=None)
    relay.transform(relay.dedupe(relay.validate(relay.extract(order(2, hold="suffixed")))))
    relay.ledger.decisions.decide("N2", "separate", "two orders", "ann", shown=None)
    relay.run(order(2, hold=CARD_DATA_REMOVED))
    assert (life(relay)["state"], life(relay)["reason"]) == ("held", CARD_DATA_REMOVED)
    relay.run(order(2, notes="other content"))
    assert (life(relay)["state"], life(relay)["reason"]) == ("held", CARD_DATA_REMOVED)
