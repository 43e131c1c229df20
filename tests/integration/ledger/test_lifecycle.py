"""The straight way of an order through the ledger."""

from __future__ import annotations

from order_relay.orders.messages import Acknowledgement


def test_an_order_passes_all_stages(driver):
    number = driver.imported("1", "OMS1")
    assert driver.events("1") == [
        ("", "received"),
        ("received", "ready"),
        ("ready", "sending"),
        ("sending", "imported"),
    ]
    assert driver.due() == ["N-1"]
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    assert driver.due() == []
    driver.ledger.acknowledgements.record_answers(driver.ctx, {number: Acknowledgement(accepted=True)})
    counts = driver.ledger.accounting.counts("shop_to_oms")
    assert (counts["received"], counts["states"]["imported"], counts["acknowledged"]) == (1, 1, 1)
    assert driver.ledger.accounting.counts("shop_to_oms", "run-1") == counts
    assert driver.ledger.accounting.counts("shop_to_oms", "another")["received"] == 0
