"""Sources and destinations that have only a plain stand-in: what the fault suites need follows from its declaration."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from functools import lru_cache

from order_relay_sandbox import stand_ins
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.kit import PlainDestination, PlainSource
from tests.support.faults.case import VISIBLE_S, DestinationSide, Order, Search, SourceSide

EXAMPLES, MOST = 5, 60
BROKEN = ("cut", "cut_body", "hang", "empty", "html", "500", "302", "429", "404")

# ``clear`` is what holds for every destination: an idempotent one leaves no order in doubt, whatever its search
SEARCHES = {
    "by key": Search(),
    "finds longer keys, too": Search({"search": "prefix"}),
    "finds every order": Search({"search": "ignored"}, clear=False),
    "results visible late": Search({"visible_after_s": VISIBLE_S}),
    "search fails": Search(rules=({"at": "search", "answer": 503},), clear=False),
    "search fails now and then": Search(rules=({"at": "search", "answer": "cut", "every": 3},), clear=False),
}
NO_SEARCH = {"none": Search(clear=False)}


def source(vendor: str) -> SourceSide:
    """The side of a plain source: all its orders are imported. Raises ``TypeError`` for another kind of stand-in."""
    declared = stand_ins()[vendor]
    if not issubclass(declared, PlainSource):
        raise TypeError(f"{vendor}: its stand-in is no PlainSource, so it needs a module {vendor}_case.py")
    number, text = declared.number_member, declared.text_member
    dated = declared.window.member  # without it an order is in every window
    blank = declared(declared.switches_model(), Audit(), 0)

    @lru_cache
    def generated() -> list[Order]:
        made = declared(declared.switches_model(), Audit(), 0)
        made.generate(MOST, 7)
        return [{k: v for k, v in held.document.items() if k != dated} for held in made.held.values()]

    written = f"source {declared.acknowledge_method}"
    return SourceSide(
        vendor=vendor,
        fields={"timeout_s": 3.0},
        examples=lambda: [(order, "imported") for order in generated()[:EXAMPLES]],
        plain=lambda count: generated()[::-1][:count],
        newer=lambda order: {**order, text: f"{order.get(text) or ''} again"},
        twin=lambda order, n: {**copy.deepcopy(order), declared.id_member: 5_000_000 + n, number: str(5_000_000 + n)},
        key=lambda order: str(order[number]),
        now=lambda order: {dated: blank.moment(datetime.now(UTC)), **order},
        text=text,
        acknowledged_at="acknowledge",
        acknowledged_by=written,
        failpoints=("source GET", written),
        fixed=(declared.id_member,),
        settings={"reading": {"overlap_s": 0.0, "ask_again_s": 0.0}, "acknowledge": {"given_up_s": 0.5}},
        envelopes=BROKEN,
    )


def destination(vendor: str) -> DestinationSide:
    """The side of a plain destination, which updates the order with the key of an import.

    Raises ``TypeError`` for another kind of stand-in.
    """
    declared = stand_ins()[vendor]
    if not issubclass(declared, PlainDestination):
        raise TypeError(f"{vendor}: its stand-in is no PlainDestination, so it needs a module {vendor}_case.py")
    fields = {"timeout_s": 1.0, "visible_after_s": 0.0, "requests_per_minute": 0}
    return DestinationSide(vendor=vendor, fields=fields, searches=SEARCHES if declared.searches else NO_SEARCH)
