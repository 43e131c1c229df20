"""What happened lately, for the order desk. Reads the maintained counts and open orders, never the history."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import sqlalchemy as sa

from order_relay.ledger.schema.order_counts import ASSISTED, IMPORT_TIME, RECEIVED, SHIPPED, STOPS, order_count
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.orders.decisions.versions import BASELINE
from order_relay.times import local_to_utc

WEEKS = 4
"""A day is compared with the same weekday of so many weeks before."""

_HOUR = timedelta(hours=1)
_TODAY = (RECEIVED, State.IMPORTED, SHIPPED, *STOPS)
_DAILY = (*_TODAY, State.DISCARDED, ASSISTED, IMPORT_TIME)
_SINCE = sa.select(sa.func.min(pipeline.c.bound_at, type_=pipeline.c.bound_at.type)).where(
    among(pipeline.c.name, "names")
)
_PLACE = (order_count.c.day, order_count.c.hour, order_count.c.kind, order_count.c.reason)
_COUNTS = (
    sa.select(*_PLACE, sa.func.sum(order_count.c.n).label("n"))
    .where(
        among(order_count.c.pipeline, "names"),
        among(order_count.c.day, "days"),
        order_count.c.kind.in_(sa.bindparam("kinds", expanding=True)),
    )
    .group_by(*_PLACE)
)
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
    """Counts of orders over time. Days begin at midnight of the caller's time zone, as far back as the ledger has hours
    (five weeks), and older ones in UTC. In a zone that differs from UTC by a part of an hour, an hour that contains
    midnight belongs to the day before.
    """

    @reads
    def today(self, tx: Transaction, pipelines: Collection[str], now: datetime) -> dict[str, SoFar]:
        """The numbers of today by kind, as in ``DayTrend.entered``. ``now`` is aware, in the zone whose day counts.

        Of the hour under way, the elapsed share of the earlier days counts.
        """
        windows = [(_midnight(end), end.astimezone(UTC)) for n in range(WEEKS + 1) if (end := now - timedelta(weeks=n))]
        bound_at = tx.run(_SINCE, {"names": list(pipelines)}).scalar()
        past = [(begin, end) for begin, end in windows[1:] if bound_at is not None and begin >= bound_at]
        days = {moment.date() for window in windows for moment in window}
        today, before = Counter[str](), defaultdict[str, float](float)
        for day, hour, kind, _, n in _counts(tx, pipelines, _TODAY, days):
            start = _start(day, hour)
            today[kind] += n if start >= windows[0][0] else 0
            before[kind] += n * sum(_share(start, begin, end) for begin, end in past)
        return {kind: SoFar(today[kind], before[kind] / len(past) if past else None, len(past)) for kind in _TODAY}

    @reads
    def open_orders(self, tx: Transaction, pipelines: Collection[str]) -> Counter[str]:
        """The number of orders in each open state."""
        rows = tx.run(_OPEN, {"names": list(pipelines)})
        return Counter({row.state: row.n for row in rows})

    @reads
    def daily(self, tx: Transaction, pipelines: Collection[str], since: datetime) -> list[DayTrend]:
        """Each day from that of ``since`` (aware, in the zone whose days count) to today, oldest first; days without
        orders as well.
        """
        zone, first = since.tzinfo or UTC, since.date()
        found = {day: DayTrend(day) for day in _days(first, tx.now.astimezone(zone).date())}
        read = _days(_midnight(since).date(), tx.now.date())
        for day, hour, kind, reason, n in _counts(tx, pipelines, _DAILY, read):
            at = _start(day, hour).astimezone(zone).date() if hour is not None else date.fromisoformat(day)
            trend = found.get(at, DayTrend(at))
            if kind == IMPORT_TIME:
                trend.import_times[float(reason)] += n
            elif kind == ASSISTED:
                trend.assisted += n
            elif reason != BASELINE:
                trend.entered[kind] += n
        return list(found.values())


def _counts(
    tx: Transaction, pipelines: Collection[str], kinds: Collection[str], days: Collection[date]
) -> list[tuple[str, int | None, str, str, int]]:
    values = {"names": list(pipelines), "kinds": list(kinds), "days": sorted(day.isoformat() for day in days)}
    return [(row.day, row.hour, row.kind, row.reason, int(row.n)) for row in tx.run(_COUNTS, values)]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _midnight(moment: datetime) -> datetime:
    """The beginning of its day in its zone, in UTC."""
    return local_to_utc(datetime.combine(moment.date(), time()), moment.tzinfo or UTC)


@lru_cache(maxsize=2_000)
def _start(day: str, hour: int | None) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(hour or 0), UTC)


def _share(start: datetime, begin: datetime, end: datetime) -> float:
    """The share of the hour from ``start`` that belongs to a window, to which an hour belongs by its start."""
    return min(1.0, max(0.0, (end - start) / _HOUR)) if start >= begin else 0.0
