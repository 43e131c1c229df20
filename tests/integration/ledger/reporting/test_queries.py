"""Search for an order by each of its identifiers."""

from __future__ import annotations

import pytest

from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"


@pytest.mark.parametrize("word", ["N-1", "1", "UUID-1", "uuid-1", "OMS1", "PO77", "KEY-N-1"])
def test_an_order_is_found_by_any_identifier(driver, word):
    driver.receive(offer("1", lineage="UUID-1", customer_po="PO77"), offer("2"))
    number = driver.make_ready(*[w for w in driver.resolve() if w.source_id == "1"])[0][0]
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    lives = driver.ledger.queries.find(word)
    assert [life["source_id"] for life in lives] == ["1"]
    assert len(lives[0]["events"]) == 4
    assert len(lives[0]["attempts"]) == 1
