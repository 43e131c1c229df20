from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from order_relay.orders.messages import VersionPolicies
from tests.support.stages import Relay, order


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    yield made
    made.ledger.close()


def test_the_newest_version_continues(relay: Relay) -> None:
    winners = relay.dedupe(relay.validate(relay.extract(order(1, group="g"), order(2, group="G", no="N1-1"), order(3))))
    assert (winners.kind, winners.records) == ("winners", 2)
    assert relay.states() == {"1": "superseded", "2": "received", "3": "received"}


def test_a_limit_counts_lineages_and_leaves_the_others_received(relay: Relay) -> None:
    orders = [order(1, group="G"), order(2, group="G", no="N1-1"), order(3), order(4)]
    winners = relay.dedupe(relay.validate(relay.extract(*orders)), limit=2)
    assert winners.records == 2
    assert relay.states() == {"1": "superseded", "2": "received", "3": "received", "4": "received"}
    relay.transform(winners)
    relay.run(*orders)
    assert relay.states() == {"1": "superseded", "2": "ready", "3": "ready", "4": "ready"}


def test_unlike_versions_are_held(relay: Relay) -> None:
    relay.run(order(1, group="G"), order(2, group="G", no="N1-1", items=["Z"]))
    assert relay.states() == {"1": "held too_few_common_items", "2": "held too_few_common_items"}


def test_a_ready_version_waits_when_a_newer_one_is_refused(relay: Relay) -> None:
    relay.run(order(1, group="G"))
    assert relay.states() == {"1": "ready"}
    bad = order(2, group="G", no="N1-1")
    del bad["no"]
    relay.run(order(1, group="G"), bad)
    assert relay.states() == {"1": "waiting newer_quarantined", "2": "quarantined missing_field"}


def test_policies_reach_the_rules(relay: Relay) -> None:
    relay.policies = VersionPolicies(min_common_items=0.0)
    relay.run(order(1, group="G"), order(2, group="G", no="N1-1", items=["Z"]))
    assert relay.states() == {"1": "superseded", "2": "ready"}
