"""The straight way of an order through the ledger."""

from __future__ import annotations

from order_relay.orders.messages import Acknowledgement


def test_an_order_passes_all_stages(clerk):
    number = clerk.imported("1", "OMS1")
    assert clerk.events("1") == [
        ("", "received"),
        ("received", "ready"),
        ("ready", "sending"),
        ("sending", "imported"),
    ]
    assert clerk.due() == ["N-1"]
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [number])
    assert clerk.due() == []
    clerk.ledger.acknowledgements.record_answers(clerk.ctx, {number: Acknowledgement(accepted=True)})
    counts = clerk.ledger.accounting.counts("shop_to_oms")
    assert (counts["received"], counts["states"]["imported"], counts["acknowledged"]) == (1, 1, 1)
    assert clerk.ledger.accounting.counts("shop_to_oms", "run-1") == counts
    assert clerk.ledger.accounting.counts("shop_to_oms", "another")["received"] == 0
