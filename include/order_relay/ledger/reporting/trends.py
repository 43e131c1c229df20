"""What happened lately, for the order desk. Reads the maintained counts and open orders, never the history."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.order_counts import ASSISTED, IMPORT_TIME, RECEIVED, SHIPPED, STOPS, order_count
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.orders.decisions.versions import BASELINE

WEEKS = 4
"""A day is compared with the same weekday of so many weeks before."""

_HOUR = timedelta(hours=1)
_TODAY = (RECEIVED, State.IMPORTED, SHIPPED, *STOPS)
_DAILY = (*_TODAY, State.DISCARDED, ASSISTED, IMPORT_TIME)
_SINCE = sa.select(sa.func.min(pipeline.c.bound_at, type_=pipeline.c.bound_at.type)).where(
    among(pipeline.c.name, "names")
)
_KEY = (order_count.c.day, order_count.c.kind, order_count.c.reason)


def _counts(*key: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Sums by ``key`` of the pipelines bound as ``names``, and the days and kinds bound as such."""
    return (
        sa.select(*key, sa.func.sum(order_count.c.n).label("n"))
        .where(
            among(order_count.c.pipeline, "names"),
            among(order_count.c.day, "days"),
            order_count.c.kind.in_(sa.bindparam("kinds", expanding=True)),
        )
        .group_by(*key)
    )


_BY_DAY, _BY_HOUR = _counts(*_KEY), _counts(*_KEY, order_count.c.hour)
_OPEN = (
    sa.select(submission.c.state, sa.func.count().label("n"))
    .where(among(submission.c.pipeline, "names"), submission.c.state.in_(OPEN))
    .group_by(submission.c.state)
)


@dataclass(frozen=True, slots=True)
class SoFar:
    """A number of today so far, and its mean until the same time of day on the same weekday of the last four weeks.

    ``usual`` is ``None`` if the pipelines have no such day in their history; ``weeks`` is the number of days compared.
    """

    today: int
    usual: float | None
    weeks: int


@dataclass(slots=True)
class DayTrend:
    """One day. ``entered``: orders by what happened to them that day: ``received``, ``imported``, ``shipped``,
    ``quarantined``, ``rejected``, ``held``, ``in_doubt`` (an order counts each time that it enters one of the last
    four) and ``discarded``, without those of a baseline.

    ``assisted``: of the imported and discarded orders, those that needed an operator: they were quarantined, rejected
    or held at least once, or an operator decided about them. ``import_times``: imported orders by the upper bound in
    seconds of the time from their submission (or from when they were first offered, if the source has no such time).
    """

    day: date
    entered: Counter[str] = field(default_factory=Counter)
    import_times: Counter[float] = field(default_factory=Counter)
    assisted: int = 0

    @property
    def assisted_share(self) -> float | None:
        """The share of finished orders that needed an operator, 0 to 1; ``None`` if no order was finished."""
        finished = self.entered[State.IMPORTED] + self.entered[State.DISCARDED]
        return min(1.0, self.assisted / finished) if finished else None


def time_within(times: Mapping[float, int], share: float) -> float | None:
    """The seconds within which this share (0 to 1) of orders was imported; ``None`` without orders.

    An upper bound: at most a third, or one minute, above the exact value. Infinite beyond 28 days.
    """
    wanted, seen = share * sum(times.values()), 0
    for bound in sorted(times):
        seen += times[bound]
        if seen >= wanted and seen > 0:
            return bound
    return None


class Trends(Repository):
    """Counts of orders over time. Days are UTC."""

    @reads
    def today(self, tx: Transaction, pipelines: Collection[str], now: datetime) -> dict[str, SoFar]:
        """The numbers of today by kind, as in ``DayTrend.entered``.

        Of the hour under way, the elapsed share of the earlier days counts.
        """
        bound_at = tx.run(_SINCE, {"names": list(pipelines)}).scalar()
        days = [now.astimezone(UTC).date() - timedelta(weeks=n) for n in range(WEEKS + 1)]
        known = {day for day in days[1:] if bound_at is not None and _midnight(day) >= bound_at}
        since_midnight = now - _midnight(days[0])
        today, before = Counter[str](), defaultdict[str, float](float)
        for row in tx.run(_BY_HOUR, _values(pipelines, _TODAY, days)):
            day, n = date.fromisoformat(row.day), int(row.n)
            if day == days[0]:
                today[row.kind] += n
            elif day in known:
                before[row.kind] += n * min(1.0, max(0.0, since_midnight / _HOUR - (row.hour or 0)))
        mean = {kind: before[kind] / len(known) if known else None for kind in _TODAY}
        return {kind: SoFar(today[kind], mean[kind], len(known)) for kind in _TODAY}

    @reads
    def open_orders(self, tx: Transaction, pipelines: Collection[str]) -> Counter[str]:
        """The number of orders in each open state."""
        rows = tx.run(_OPEN, {"names": list(pipelines)})
        return Counter({row.state: row.n for row in rows})

    @reads
    def daily(self, tx: Transaction, pipelines: Collection[str], since: datetime) -> list[DayTrend]:
        """Each day from that of ``since`` to today, oldest first, also days without orders."""
        first, last = (moment.astimezone(UTC).date() for moment in (since, tx.now))
        found = {day: DayTrend(day) for n in range((last - first).days + 1) if (day := first + timedelta(days=n))}
        for row in tx.run(_BY_DAY, _values(pipelines, _DAILY, found)):
            trend, n = found[date.fromisoformat(row.day)], int(row.n)
            if row.kind == IMPORT_TIME:
                trend.import_times[float(row.reason)] += n
            elif row.kind == ASSISTED:
                trend.assisted += n
            elif row.reason != BASELINE:
                trend.entered[row.kind] += n
        return list(found.values())


def _values(pipelines: Collection[str], kinds: Collection[str], days: Iterable[date]) -> dict[str, list[str]]:
    return {"names": list(pipelines), "kinds": list(kinds), "days": [day.isoformat() for day in days]}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
