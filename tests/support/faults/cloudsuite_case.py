"""CloudSuite: it is queried by time, its orders wait for payments, and it receives feedback."""

from __future__ import annotations

import copy
import itertools
import json
from datetime import UTC, datetime
from functools import lru_cache

from order_relay_sandbox.cloudsuite import generator
from tests.support.faults.case import UNSEEN, FeedbackMode, Order, SourceSide

ENDS = {
    "plain": "imported",
    "external_key": "imported",
    "shared_reference": "imported",
    "zero_price": "imported",
    "long_description": "imported",
    "fine_price": "imported",
    "started": "waiting",
    "closed_canceled": "waiting",
    "none": "waiting",
    "fraction": "quarantined",
    "unknown_type": "quarantined",
    "offline": UNSEEN,
    "draft": UNSEEN,
    "processing": UNSEEN,
}


@lru_cache
def _generated() -> tuple[tuple[str, Order], ...]:
    return tuple((made.kind, _offered(made)) for made in generator.orders(400, 7))


def _offered(made: generator.Made) -> Order:
    """As the sandbox takes it: addresses in the order, amounts as JSON numbers, confirmed when it is offered."""
    order: Order = json.loads(json.dumps(made.document, default=float))
    for side in ("shipment_address", "invoice_address"):
        order[side] = next(address for address in made.addresses if address["id"] == order[side])
    order["order_date"] = datetime.now(UTC).date().isoformat()
    return {**order, "offline": True} if made.offline else order


@lru_cache
def _examples() -> list[tuple[Order, str]]:
    """One of each sort."""
    first = {kind: order for kind, order in reversed(_generated()) if kind in ENDS}
    return [(order, ENDS[kind]) for kind, order in first.items()]


@lru_cache
def _plain(number: int) -> list[Order]:
    """The last orders generated; ``examples`` uses the first ones."""
    good = (order for kind, order in reversed(_generated()) if kind == "plain")
    return list(itertools.islice(good, number))


def _newer(order: Order) -> Order:
    """CloudSuite has no further versions: the shop changes the order, and confirms it again."""
    return {**order, "customer_order_number": f"{order['customer_order_number']} again"}


def _twin(order: Order, number: int) -> Order:
    return {**copy.deepcopy(order), "id": 5_000_000 + number, "reference": f"CS{5_000_000 + number}"}


def _key(order: Order) -> str:
    return f"{order['webshop']}-{order['reference']}"


SOURCE = SourceSide(
    vendor="cloudsuite",
    fields={"page_size": 4, "timeout_s": 3.0},
    examples=_examples,
    plain=_plain,
    newer=_newer,
    twin=_twin,
    key=_key,
    release=lambda sandbox, order: sandbox.change_order(_key(order), payment_status="paid"),
    text="description",
    acknowledged_at="patch",
    acknowledged_by="source PATCH",
    failpoints=("source token", "source GET", "source PATCH", "ledger SourceHolds.wait"),
    fixed=("id",),
    # no overlap: what a run has read once it will not see again, so nothing of it may get lost
    settings={"reading": {"overlap_s": 0.0, "ask_again_s": 0.0}, "acknowledge": {"given_up_s": 0.5}},
    feedback={
        "shipment state": FeedbackMode({}, ("patch", "put"), {"shipment_state": "sent"}),
        "done": FeedbackMode({"shipped_by": "done"}, ("patch", "put"), {"state": "done"}),
        "delivery messages": FeedbackMode(
            {"shipped_by": "desadv", "desadv_user": 7},
            ("patch", "put", "delivery"),
            {"shipment_state": "sent"},
            deliveries=True,
        ),
    },
    envelopes=(
        "not_json",
        "truncated",
        "no_results",
        "results_object",
        "entry_without_id",
        "count_text",
        "cut",
        "cut_body",
        "hang",
        "empty",
        "html",
        "500",
        "302",
        "429",
        "404",
    ),
)
