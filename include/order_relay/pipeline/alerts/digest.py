"""The daily summary: activity of the last 24 hours, open orders and open alerts. Pure; counts, codes and times only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.records import Alert, OverdueOrders
from order_relay.pipeline.report.formatting import format_orders, format_reason, format_time
from order_relay.pipeline.report.state_advice import ACKNOWLEDGEMENT, OPERATOR_STATES, state_advice
from order_relay.times import find_zone, local_to_utc

DIGEST = "summary"
DIGEST_PERIOD = timedelta(days=1)
MAX_DELAY = timedelta(hours=6)
"""A summary that is later than this is skipped."""

_AT = re.compile(r"(?P<clock>([01]\d|2[0-3]):[0-5]\d)( +(?P<zone>\S+))?")
_SETTLED = frozenset({"imported", "superseded", "discarded"})


def latest_due(text: str, now: datetime) -> datetime | None:
    """The newest time of the setting that is not after ``now`` (UTC); ``None`` for ``never``.

    ``text``: ``HH:MM`` (UTC), or with a time zone such as ``07:30 Europe/Berlin``. Raises ``ConfigurationError``.
    """
    if text.lower() == "never":
        return None
    match = _AT.fullmatch(text)
    zone = find_zone(match["zone"] or "UTC") if match else None
    if match is None or zone is None:
        raise ConfigurationError(
            "Variable order_relay_summary_at: must be a time such as 06:00 (UTC), or 07:30 Europe/Berlin, or never"
        )
    clock, local = time.fromisoformat(match["clock"]), now.astimezone(zone)
    today = local_to_utc(datetime.combine(local.date(), clock), zone)
    newest = today if today <= now else local_to_utc(datetime.combine(local.date() - timedelta(days=1), clock), zone)
    return newest.astimezone(now.tzinfo)


def digest_cause(at: datetime) -> str:
    """The summary's cause in the ledger, which makes it be sent once."""
    return f"{DIGEST}:{format_time(at)}"


def build_digest(at: datetime, days: Mapping[str, Mapping[str, Any]], alerts: Sequence[Mapping[str, Any]]) -> Alert:
    """The summary of all pipelines. ``days``: activity since yesterday by pipeline; ``alerts``: the open alerts."""
    imported = sum(day["imported"] for day in days.values())
    waiting = sum(row["n"] for day in days.values() for row in day["states"] if row["state"] in OPERATOR_STATES)
    lines = [line for name, day in days.items() for line in _pipeline(name, day)] + list(_open(alerts))
    subject = (
        f"Order Relay, {format_time(at)}: {format_orders(imported, 'was', 'were')} imported in the last 24 hours. "
        f"{format_orders(waiting, 'needs', 'need')} an operator."
    )
    return Alert(DIGEST, digest_cause(at), subject, tuple(lines), size=0)


def _open(alerts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    delivered = [alert for alert in alerts if alert["told_at"] is not None and alert["kind"] != DIGEST]
    if delivered:
        yield ""
        yield "**Open alerts**"
    for alert in delivered:
        yield f"- since {format_time(alert['first_at'])}: {alert['subject']}"


def _pipeline(name: str, day: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield (
        f"**{name}**, last 24 hours: {day['received']} received, {day['imported']} imported, {day['acknowledged']} "
        f"acknowledged; {day['runs']} runs, {day['runs_failed']} failed"
    )
    open_rows = [row for row in day["states"] if row["state"] not in _SETTLED]
    for state, rows in groupby(open_rows, key=lambda row: str(row["state"])):
        yield from _state(state, list(rows))
    late: OverdueOrders | None = day["acknowledgement"]
    if late is not None:
        yield f"- {state_advice(ACKNOWLEDGEMENT).label}: {late.number}, the oldest since {format_time(late.oldest)}"
    if not open_rows and late is None:
        yield "- no open orders"


def _state(state: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    number, new = sum(row["n"] for row in rows), sum(row["lately"] for row in rows)
    next_step = f". {state_advice(state).action}" if state in OPERATOR_STATES else ""
    oldest = format_time(min(row["oldest"] for row in rows))
    yield f"- {state.replace('_', ' ')}: {number} ({new} new since yesterday), the oldest since {oldest}{next_step}"
    for row in sorted(rows, key=lambda row: -int(row["n"])):
        if row["reason"]:
            yield f"  - {format_reason(row['reason'], row['n'])}"
