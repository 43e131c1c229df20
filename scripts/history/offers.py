"""What the simulated shops sell: a weekly rhythm, and now and then an order that cannot be sent as it is."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from order_relay_sandbox.cloudsuite import generator as cloudsuite
from order_relay_sandbox.money import text
from order_relay_sandbox.supercat import generator as supercat
from order_relay_sandbox.supercat.body import cents

Order = dict[str, Any]

WEEK = (1.25, 1.1, 1.0, 1.05, 0.85, 0.3, 0.2)
"""Share of an average day by weekday, from Monday."""

SHIP_VIA = ("UPS Ground", "UPS Ground", "FedEx Home", "FedEx Home", "Best Way", None)
"""Methods with a row in the code table, and orders without one."""

NEW_METHODS = ("FedEx 2Day", "Will Call")
"""Methods that are not in the code table."""

_CASES = ("resubmitted", "reused_form", "suffix_without_base", "totals_off", "fractional_quantity")
_CASES_AMONG = 120

_NUMBER = re.compile(r"(?P<first>\d{4})-\d{6}-(?P<rest>[\d-]+)")


class Shops:
    """The orders of both sources, day by day. The same seed makes the same orders."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sold = self._keep_days(supercat.orders(100_000, seed))
        self._number = 0
        self._days: dict[str, str] = {}
        self._random = random.Random(f"history:{seed}")

    def sell(self, source: str, count: int, now: datetime) -> list[Order]:
        """Orders that a source took in the hours before ``now``."""
        return self._supercat(count, now) if source == "supercat" else self._cloudsuite(count, now)

    def _supercat(self, count: int, now: datetime) -> list[Order]:
        found = []
        for made in range(count):
            kind, order = next(self._sold)
            submitted = now - timedelta(minutes=12 + 2 * made + self._random.randrange(9))
            order = _dated(order, submitted, self._days)
            if kind == "plain":
                order["ship_via"] = self._random.choice(SHIP_VIA)
                self._spoil(order)
            found.append(order)
        return found

    def _cloudsuite(self, count: int, now: datetime) -> list[Order]:
        made = cloudsuite.orders(count, self._seed, self._number)
        self._number += count
        orders = []
        for position, one in enumerate(made):
            confirmed = now - timedelta(minutes=11 + 3 * position)
            orders.append({**cloudsuite.whole(one), "confirm_date": confirmed.isoformat(), "offline": one.offline})
        return orders

    def cases(self, now: datetime) -> list[Order]:
        """SuperCat orders that need an operator: of some hundred orders, those that cannot be sent as they are."""
        among = [next(self._sold) for _ in range(_CASES_AMONG)]
        found = [order for kind, order in among if kind in _CASES]
        plain = [order for kind, order in among if kind == "plain"]
        found += [{**order, "ship_via": NEW_METHODS[-1]} for order in plain[:2]]
        found += [{**order, "ship_to": {**order["ship_to"], "country": "Freedonia"}} for order in plain[2:3]]
        found += [{**order, "total": text(cents(order["total"]) + 250)} for order in plain[3:5]]
        return [_dated(order, now - timedelta(minutes=9), self._days) for order in found]

    def number_of(self, average: float, day: datetime) -> int:
        """How many orders a run of this day brings."""
        return max(1, round(average * WEEK[day.weekday()] * self._random.uniform(0.7, 1.3)))

    def _spoil(self, order: Order) -> None:
        """A method without a row, an address without a postal code or with an unknown country."""
        chance = self._random.random()
        if chance < 0.022:
            order["ship_via"] = self._random.choice(NEW_METHODS)
        elif chance < 0.032:
            order["ship_to"] = {**order["ship_to"], "postal_code": ""}
        elif chance < 0.038:
            order["ship_to"] = {**order["ship_to"], "country": "Freedonia"}

    @staticmethod
    def _keep_days(made: Iterator[supercat.Generated]) -> Iterator[tuple[str, Order]]:
        for one in made:
            yield one.kind.partition(":")[0], one.order


def _dated(order: Order, submitted: datetime, days: dict[str, str]) -> Order:
    """The order as if it was submitted then. Versions of one form keep the date in their number."""
    made = {**order, "submitted_at": submitted.isoformat(timespec="seconds")}
    if made.get("requested_ship_date"):
        made["requested_ship_date"] = (submitted + timedelta(days=7)).date().isoformat()
    if match := _NUMBER.fullmatch(str(order.get("order_number") or "")):
        form = f"{match['first']}-{match['rest'].partition('-')[0]}"
        day = days.setdefault(form, f"{submitted:%m%d%y}")
        made["order_number"] = f"{match['first']}-{day}-{match['rest']}"
    return made
