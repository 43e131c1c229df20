"""The pairs of source and destination that the fault suites run on. A new pair is one more ``Case``; no test changes.

A case says how to reach both vendors in the sandbox, what they offer, and how the sandbox's switches are addressed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from order_relay.connections import Connection
from order_relay.sandbox.supercat import generator

Order = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One pair.

    ``connect(url, **extra)``: the connections, ``extra`` into the destination's (``source_password``: the source's).
    ``book()``: one order of each sort, with the state that it ends in. ``plain(n)``: n orders that are imported.
    ``newer(order)``, ``changed(order)``, ``reused(order)``: a further version, other content under the same identity,
    another order on the same form. ``key(order)``: the external id at the destination. ``source_side``,
    ``destination_side``: the sandbox's names.
    ``harsh``: switches of a destination that takes whatever it is sent, twice too: only we keep it from doubling.
    ``envelopes``: wrong answers that the source can be made to give as a whole.
    """

    name: str
    pipeline: str
    source_side: str
    destination_side: str
    connect: Callable[..., dict[str, Connection]] = field(repr=False)
    book: Callable[[], list[tuple[Order, str]]] = field(repr=False)
    plain: Callable[[int], list[Order]] = field(repr=False)
    newer: Callable[[Order], Order] = field(repr=False)
    changed: Callable[[Order], Order] = field(repr=False)
    reused: Callable[[Order], Order] = field(repr=False)
    source_id: Callable[[Order], str] = field(repr=False)
    key: Callable[[Order], str] = field(repr=False)
    harsh: Mapping[str, Any] = field(default_factory=dict)
    envelopes: tuple[str, ...] = ()

    def at_source(self, **switches: Any) -> dict[str, Any]:
        """Switches of the source, as the sandbox takes them."""
        return {self.source_side: switches}

    def at_destination(self, **switches: Any) -> dict[str, Any]:
        """Switches of the destination, as the sandbox takes them."""
        return {self.destination_side: switches}


def lost(effect: str, answer: str | int, **which: Any) -> dict[str, Any]:
    """A rule of the sandbox: imports whose answer goes wrong."""
    return {"at": "import", "effect": effect, "answer": answer, **which}


# SuperCat to Shopatron

ENDS = {
    "plain": "imported", "discount": "imported", "promotion": "imported", "resubmitted:old": "superseded",
    "resubmitted:new": "imported", "reused_form:old": "held", "reused_form:new": "held",
    "suffix_without_base": "held", "missing_field": "quarantined", "no_identity": "quarantined",
}


def _supercat_to_shopatron(url: str, source_password: str = "demo-password", **extra: Any) -> dict[str, Connection]:
    source = Connection("supercat_default", host=url, login="demo", password=source_password, extra={"org": "demo"})
    settings = {
        "token_url": f"{url}/oauthserver/oauth2/token", "manufacturer_id": 1042, "catalog_id": 0,
        "timeout_s": 1.0, "visible_after_s": 0.0, "connections": 4, **extra,
    }
    oms = Connection("shopatron_default", f"{url}/api/v2", "demo-key", "demo-secret", extra=settings)
    return {c.conn_id: c for c in (source, oms)}


@lru_cache
def _generated(number: int) -> tuple[generator.Generated, ...]:
    return tuple(generator.orders(number, 7))


@lru_cache
def _supercat_book() -> list[tuple[Order, str]]:
    """One of each sort; of a family both versions."""
    families: dict[str, dict[str, Order]] = {}
    for made in _generated(1_500):
        if made.kind in ENDS:
            family = families.setdefault(made.kind.partition(":")[0], {})
            if not family or (":" in made.kind and made.order["uuid"] in [o["uuid"] for o in family.values()]):
                family[made.kind] = made.order
    return [(order, ENDS[kind]) for family in families.values() for kind, order in family.items()]


@lru_cache
def _supercat_plain(number: int) -> list[Order]:
    """The last ones generated, so that the book's are others."""
    good = (made.order for made in reversed(_generated(1_500)) if made.kind == "plain")
    return list(itertools.islice(good, number))


def _supercat_newer(order: Order) -> Order:
    new = copy.deepcopy(order)
    base, _, suffix = new["order_number"].rpartition("-") if new["order_number"].count("-") > 2 else (
        new["order_number"], "", "0")
    new["id"] = order["id"] + 1_000_000
    new["order_number"] = f"{base}-{int(suffix) + 1}"
    return new


def _supercat_changed(order: Order) -> Order:
    new = copy.deepcopy(order)
    new["notes"] = f"{new.get('notes') or ''} changed"
    return new


def _supercat_reused(order: Order) -> Order:
    new = _supercat_newer(order)
    for line in new["items"]:
        line["item_number"] = f"OTHER-{line['item_number']}"
    return new


def _supercat_id(order: Mapping[str, Any]) -> str:
    return str(order.get("id", ""))


def _supercat_key(order: Mapping[str, Any]) -> str:
    return str(order["order_number"])


CASES = [
    Case(
        "supercat-shopatron", "supercat_to_shopatron", "supercat", "shopatron", _supercat_to_shopatron, _supercat_book,
        _supercat_plain, _supercat_newer, _supercat_changed, _supercat_reused, _supercat_id, _supercat_key,
        harsh={"duplicates": "accept"},
        envelopes=(
            "status_error", "status_failure", "data_object", "data_missing", "status_number", "not_json", "truncated",
            "trailing_text", "nan", "huge_number", "duplicate_keys", "duplicate_envelope_keys", "deep", "latin1",
            "drip", "cut", "cut_body", "hang", "empty", "html", "500", "302", "429", "404",
        ),
    ),
]


def named(name: str) -> Case:
    """The case of this name."""
    return next(case for case in CASES if case.name == name)
