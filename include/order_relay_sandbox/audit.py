"""The audit: offers, imports, acknowledgements and requests as the vendors saw them.

Tests use it to verify the package's guarantees (each order once, nothing acknowledged early).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any


@dataclass(slots=True)
class Offer:
    """One order as a source offers it. ``external_id`` is its expected key at the OMS;
    ``rank`` orders the versions of a lineage (the highest is the newest)."""

    source: str
    number: str
    source_id: str
    lineage: str
    rank: int | None
    external_id: str
    total: int | str | None
    kind: str
    acknowledged: bool = False
    acknowledged_after: frozenset[str] | None = None
    """The destinations that had it, or a newer version, whenever it was acknowledged."""


@dataclass(slots=True)
class Stored:
    """One order at a destination. ``writes``: how often it was created or updated."""

    destination: str
    order_id: int | str
    total: int | str | None
    writes: int = 1


@dataclass(slots=True)
class ImportRecord:
    """One external id; more than one order at the same destination is a duplicate."""

    stored: list[Stored] = field(default_factory=list)
    posts: int = 0

    @property
    def order_ids(self) -> list[int | str]:
        """The destinations' own ids."""
        return [order.order_id for order in self.stored]

    @property
    def doubled(self) -> bool:
        """Whether a destination has several orders of this id."""
        return len({order.destination for order in self.stored}) < len(self.stored)

    def at(self, destination: str) -> list[Stored]:
        """Its orders at one destination."""
        return [order for order in self.stored if order.destination == destination]


class Audit:
    """Counts and lists; ``report()`` is the response of ``GET /_audit``."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self._lineages: dict[tuple[str, str], list[Offer]] = defaultdict(list)
        self.imports: dict[str, ImportRecord] = {}
        self.early: list[Offer] = []
        self._forbidden: dict[str, str] = {}
        self.forbidden_imports: dict[str, str] = {}
        self.requests: dict[str, Counter[str]] = defaultdict(Counter)
        self.login_failures: Counter[str] = Counter()
        self.spoiled: dict[str, Counter[str]] = defaultdict(Counter)
        self.in_flight: Counter[str] = Counter()
        self.in_flight_max: Counter[str] = Counter()

    def offer(self, offer: Offer) -> Offer:
        """Record an order offered by a source."""
        self.offers.append(offer)
        if offer.lineage:
            self._lineages[offer.source, offer.lineage].append(offer)
        return offer

    def posted(self, external_id: str) -> None:
        """Record an import request for this external id, whatever its result."""
        self.imports.setdefault(external_id, ImportRecord()).posts += 1

    def stored(self, destination: str, external_id: str, order_id: int | str, total: int | str | None) -> None:
        """Record that a destination stored an order under this external id, or updated the one with this id."""
        record = self.imports.setdefault(external_id, ImportRecord())
        known = next((order for order in record.at(destination) if order.order_id == order_id), None)
        if known is None:
            record.stored.append(Stored(destination, order_id, total))
        else:
            known.total, known.writes = total, known.writes + 1
        if self._forbidden.get(external_id):
            self.forbidden_imports[external_id] = self._forbidden[external_id]

    def forbid(self, external_id: str, why: str) -> None:
        """Set the reason why this order must not be imported; an empty reason allows it."""
        self._forbidden[external_id] = why

    def acknowledge(self, offer: Offer) -> None:
        """Record an acknowledgement; it is early unless a destination has this or a newer version."""
        settled = self._settled(offer)
        if not offer.acknowledged:
            offer.acknowledged_after = settled & (offer.acknowledged_after or settled)
            self.early += [] if settled else [offer]
        offer.acknowledged = True

    def _settled(self, offer: Offer) -> frozenset[str]:
        """The destinations that have the order or a newer version of it."""
        versions = self._lineages.get((offer.source, offer.lineage), ())
        newer = [o for o in versions if o.rank is not None and offer.rank is not None and o.rank > offer.rank]
        return frozenset().union(*map(self._holders, (offer, *newer)))

    def _holders(self, offer: Offer) -> frozenset[str]:
        record = self.imports.get(offer.external_id)
        return frozenset() if record is None else frozenset(order.destination for order in record.stored)

    def enter(self, route: str) -> None:
        """Record the start of a request to ``route``."""
        for name in ("", route):
            self.in_flight[name] += 1
            self.in_flight_max[name] = max(self.in_flight_max[name], self.in_flight[name])

    def leave(self, route: str, status: str) -> None:
        """Record the end of a request: its HTTP status, or ``cut`` if a fault closed the connection."""
        self.requests[route][status] += 1
        for name in ("", route):
            self.in_flight[name] -= 1

    def pair(self, source: str, destination: str) -> dict[str, Any]:
        """What one source offered against what one destination has. Totals are decimal texts.

        ``missing``: neither the order nor a newer version is there; ``lost``: those of them that were acknowledged, so
        that the source does not offer them again. An operator's discarded orders count as lost, too.
        """
        offers = [offer for offer in self.offers if offer.source == source]
        expected = {offer.external_id for offer in self.offers}
        stored = {key: record.at(destination) for key, record in self.imports.items() if record.at(destination)}
        own = {offer.external_id: stored[offer.external_id] for offer in offers if offer.external_id in stored}
        missing = [offer for offer in offers if destination not in self._settled(offer)]
        return {
            **_counts(offers, [], {}),
            "imported": {key: len(orders) for key, orders in own.items()},
            "doubled": sorted(key for key, orders in own.items() if len(orders) > 1),
            "versions_doubled": _versions_doubled(offers, own),
            "missing": sorted(offer.number for offer in missing),
            "lost": sorted(offer.number for offer in missing if offer.acknowledged),
            "acknowledged_early": sorted(offer.number for offer in offers if _early(offer, destination)),
            "unexpected": sorted(set(stored) - expected),
            "totals_differ": _totals_differ(offers, own),
        }

    def report(self) -> dict[str, Any]:
        """The audit as JSON values. Amounts are in cents; one with fractions of a cent is a string."""
        stored = {key: record for key, record in self.imports.items() if record.stored}
        return {
            **_counts(self.offers, self.early, stored),
            "imported_forbidden": dict(self.forbidden_imports),
            "sources": self._by_source(stored),
            "orders": {key: _order(record) for key, record in stored.items()},
            "posts": {key: record.posts for key, record in self.imports.items()},
            "offers": self._offers(),
            "requests": {route: dict(counts) for route, counts in self.requests.items()},
            "requests_in_flight_max": self.in_flight_max[""],
            "in_flight_max_by_route": {route: n for route, n in self.in_flight_max.items() if route},
            "login_failures": dict(self.login_failures),
            "spoiled": {vendor: dict(counts) for vendor, counts in self.spoiled.items()},
        }

    def _by_source(self, stored: Mapping[str, ImportRecord]) -> dict[str, dict[str, Any]]:
        """The same counts per source, for the imports it expects."""
        counts = {}
        for source in sorted({offer.source for offer in self.offers}):
            offers = [offer for offer in self.offers if offer.source == source]
            known = {offer.external_id for offer in offers}
            awaited = {key: record for key, record in stored.items() if key in known}
            counts[source] = _counts(offers, [offer for offer in self.early if offer.source == source], awaited)
        return counts

    def _offers(self) -> dict[str, dict[str, Any]]:
        """By order number; further orders with the same number are ``number#2``, those without a number ``?n``."""
        table: dict[str, dict[str, Any]] = {}
        seen: Counter[str] = Counter()
        for position, offer in enumerate(self.offers):
            name = offer.number or f"?{position}"
            seen[name] += 1
            key = name if seen[name] == 1 else f"{name}#{seen[name]}"
            table[key] = {
                "source": offer.source,
                "id": offer.source_id,
                "uuid": offer.lineage,
                "total": offer.total,
                "kind": offer.kind,
                "acknowledged": offer.acknowledged,
                "imported": bool(self._holders(offer)),
            }
        return table


def _counts(offers: Sequence[Offer], early: Sequence[Offer], stored: Mapping[str, ImportRecord]) -> dict[str, Any]:
    return {
        "offered": len({(o.source, o.source_id or f"?{n}") for n, o in enumerate(offers)}),
        "imported": len(stored),
        "doubled": sorted(key for key, record in stored.items() if record.doubled),
        "acknowledged": sorted(offer.number for offer in offers if offer.acknowledged),
        "acknowledged_early": sorted(offer.number for offer in early),
    }


def _order(record: ImportRecord) -> dict[str, Any]:
    return {
        "order_ids": record.order_ids,
        "total": record.stored[0].total,
        "totals": [order.total for order in record.stored],
        "count": len(record.stored),
        "posts": record.posts,
    }


def _early(offer: Offer, destination: str) -> bool:
    return offer.acknowledged_after is not None and destination not in offer.acknowledged_after


def _versions_doubled(offers: Sequence[Offer], stored: Mapping[str, Any]) -> list[str]:
    """Lineages of which several versions were imported."""
    counts = Counter(offer.lineage for offer in offers if offer.lineage and offer.external_id in stored)
    return sorted(lineage for lineage, count in counts.items() if count > 1)


def _totals_differ(offers: Sequence[Offer], stored: Mapping[str, Sequence[Stored]]) -> dict[str, dict[str, list[str]]]:
    """By external id: totals offered and stored, where these differ and both are known.

    A total that is not a number, as hostile orders have, is not known.
    """
    offered: dict[str, set[Decimal]] = defaultdict(set)
    for offer in offers:
        if (total := _decimal(offer.total)) is not None:
            offered[offer.external_id].add(total)
    found = {}
    for key, orders in stored.items():
        there = {total for order in orders if (total := _decimal(order.total)) is not None}
        if offered[key] and there - offered[key]:
            found[key] = {"offered": _texts(offered[key]), "stored": _texts(there)}
    return found


def _decimal(cents: int | str | None) -> Decimal | None:
    if cents is None:
        return None
    try:
        found = Decimal(cents).scaleb(-2)
    except (InvalidOperation, ValueError, TypeError):
        return None
    return found if found.is_finite() else None


def _texts(amounts: set[Decimal]) -> list[str]:
    return [f"{amount:f}" for amount in sorted(amounts)]
