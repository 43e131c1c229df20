"""The audit: offers, imports, acknowledgements and requests as the vendors saw them.

Tests use it to verify the package's guarantees (each order once, nothing acknowledged early).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class ImportRecord:
    """One external id at the OMS; more than one of ``order_ids`` means a duplicate order."""

    order_ids: list[int] = field(default_factory=list)
    totals: list[int | str] = field(default_factory=list)
    posts: int = 0


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

    def stored(self, external_id: str, order_id: int, total: int | str) -> None:
        """Record that the OMS stored an order under this external id."""
        record = self.imports.setdefault(external_id, ImportRecord())
        record.order_ids.append(order_id)
        record.totals.append(total)
        if self._forbidden.get(external_id):
            self.forbidden_imports[external_id] = self._forbidden[external_id]

    def forbid(self, external_id: str, why: str) -> None:
        """Set the reason why this order must not be imported; an empty reason allows it."""
        self._forbidden[external_id] = why

    def acknowledge(self, offer: Offer) -> None:
        """Record an acknowledgement; it is early unless this or a newer version is at the OMS."""
        if not offer.acknowledged and not self._settled(offer):
            self.early.append(offer)
        offer.acknowledged = True

    def _settled(self, offer: Offer) -> bool:
        if self._at_oms(offer):
            return True
        versions = self._lineages.get((offer.source, offer.lineage), ())
        return any(
            o.rank is not None and offer.rank is not None and o.rank > offer.rank and self._at_oms(o) for o in versions
        )

    def _at_oms(self, offer: Offer) -> bool:
        record = self.imports.get(offer.external_id)
        return record is not None and bool(record.order_ids)

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

    def report(self) -> dict[str, Any]:
        """The audit as JSON values. Amounts are in cents; one with fractions of a cent is a string."""
        stored = {key: record for key, record in self.imports.items() if record.order_ids}
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
                "imported": self._at_oms(offer),
            }
        return table


def _counts(offers: Sequence[Offer], early: Sequence[Offer], stored: Mapping[str, ImportRecord]) -> dict[str, Any]:
    return {
        "offered": len({(o.source, o.source_id or f"?{n}") for n, o in enumerate(offers)}),
        "imported": len(stored),
        "doubled": sorted(key for key, record in stored.items() if len(record.order_ids) > 1),
        "acknowledged": sorted(offer.number for offer in offers if offer.acknowledged),
        "acknowledged_early": sorted(offer.number for offer in early),
    }


def _order(record: ImportRecord) -> dict[str, Any]:
    return {
        "order_ids": record.order_ids,
        "total": record.totals[0],
        "totals": record.totals,
        "count": len(record.order_ids),
        "posts": record.posts,
    }
