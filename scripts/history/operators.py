"""What the operators did: decisions with who and why, as the order desk and the command line record them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from history.clock import Clock
from history.offers import NEW_METHODS
from history.pipelines import SUPERCAT, Pipelines
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import read_documents
from order_relay_sandbox.serving import ThreadedSandbox
from order_relay_sandbox.supercat.body import cents, total_up

PEOPLE = ("dana", "joerg", "kim")
TABLE_COMPLETED = timedelta(days=24)
"""This long ago, the code table of shipping methods got another row."""

LEFT_OPEN = timedelta(days=3)
"""Cases of these last days are still open."""

_FIXABLE = ("total_mismatch", "fractional_quantity")
_DISCARDED = {
    "identity_unusable": "Entered by hand in the OMS, as agreed with the representative",
    "missing_field": "The representative submitted it again on a new form",
    "negative_amount": "A credit note, not an order",
    "unknown_country": "A test of the new tablets",
    "wrong_type": "The representative submitted it again on a new form",
}
_NOTES = (
    "Asked the representative; she is on the road until Thursday",
    "Third order from this tablet without it: is the app up to date?",
    "The customer wants it before the weekend",
)
_REPLAYED = "The OMS has the product now"
_HELD = {
    "replacement": "The customer confirmed the newer quantities",
    "separate": "Two orders on one form; the representative confirmed both",
    "discard": "A copy by mistake; the customer wants the first one only",
}


class Operators:
    """Three people who look after the open cases once a day."""

    def __init__(self, pipelines: Pipelines, vendors: ThreadedSandbox, clock: Clock, seed: int) -> None:
        self._pipelines, self._vendors, self._clock = pipelines, vendors, clock
        self._random = random.Random(f"operators:{seed}")

    def work(self, now: datetime, today: datetime) -> None:
        """One afternoon: most cases that are older than a day, but none of the last days before ``today``."""
        before = min(now - timedelta(hours=20), today - LEFT_OPEN)
        self._stopped_orders(before)
        self._held_orders(before)
        if now > today - TABLE_COMPLETED and not self._pipelines.ledger.code_tables.version(SUPERCAT):
            self._complete_the_table()

    def _complete_the_table(self) -> None:
        """A row for a shipping method that stopped orders, and another evaluation of these."""
        ledger, who = self._pipelines.ledger, PEOPLE[0]
        ctx, why = RunContext(SUPERCAT, "", who), "New service of the carrier since this month"
        ledger.code_tables.put(ctx, RowKey("ship_via", NEW_METHODS[0]), {"type": "express", "class": "Express"}, why)
        ids = [row["id"] for row in ledger.queries.quarantined("not_in_table")]
        ledger.bulk.replay(ctx, ids, "Row for this method added to the code table")

    def look_after(self, now: datetime) -> None:
        """What they left for tomorrow: some open cases have somebody who looks after them, a note, or are snoozed."""
        ledger, who = self._pipelines.ledger, self._someone
        ids = sorted({row["id"] for row in ledger.queries.quarantined()})
        chosen = self._random.sample(ids, min(len(ids), 9))
        shown = [{work.id: work.revision} for work in ledger.worklist.get(chosen)]
        for one in shown[::3]:
            ledger.attention.assign(one, who(), who())
        for one in shown[1::3]:
            ledger.activity.note(one, self._random.choice(_NOTES), who())
        for days, one in enumerate(shown[2::3], 1):
            ledger.attention.snooze(one, now + timedelta(days=days), who(), "The customer answers this week")

    def _stopped_orders(self, before: datetime) -> None:
        rows = {row["id"]: row for row in self._pipelines.ledger.queries.quarantined() if row["changed_at"] < before}
        for row in rows.values():
            if self._random.random() < 0.2:
                continue
            if row["state"] == "rejected":
                self._act(row, "replay" if self._random.random() < 0.7 else "discard", _REPLAYED)
            elif row["code"] in _FIXABLE and row["pipeline"] == SUPERCAT:
                self._fix_at_source(row)
            elif why := _DISCARDED.get(row["code"]):
                self._act(row, "discard", why)

    def _act(self, row: Any, action: str, why: str) -> None:
        bulk = self._pipelines.ledger.bulk
        ctx = RunContext(row["pipeline"], "", self._someone())
        (bulk.replay if action == "replay" else bulk.discard)(ctx, [row["id"]], why)

    def _fix_at_source(self, row: Any) -> None:
        """The representative corrects the order in SuperCat, which offers it again."""
        works = self._pipelines.ledger.worklist.get([row["id"]])
        store = self._pipelines.wirings[SUPERCAT].store
        for _, document in (one for group in read_documents(store, SUPERCAT, works) for one in group):
            for line in document["items"]:
                if line["quantity"] is not None:
                    line["quantity"] = int(line["quantity"])
            charges = (cents(document[name]) for name in ("discount", "freight", "tax"))
            self._vendors.offer([total_up(document, *charges)], source="supercat")

    def _held_orders(self, before: datetime) -> None:
        decisions = self._pipelines.ledger.decisions
        for group in decisions.held_groups():
            if group.since < before and self._random.random() < 0.8:
                choice = self._choose(group.choices, group)
                decisions.decide(
                    group.number,
                    choice,
                    _HELD[choice],
                    self._someone(),
                    pipeline=group.pipeline,
                    shown=group.seen,
                    cancelled=choice == "replacement" and bool(group.at_destination),
                )

    def _choose(self, choices: Sequence[str], group: HeldGroup) -> str:
        likely: Iterable[str] = ("separate",) if group.reason == "too_few_common_items" else ("replacement", "separate")
        fitting = [choice for choice in likely if choice in choices]
        return fitting[0] if fitting and self._random.random() < 0.75 else "discard"

    def _someone(self) -> str:
        return self._random.choice(PEOPLE)
