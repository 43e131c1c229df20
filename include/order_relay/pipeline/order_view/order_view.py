"""One order as an operator sees it: progress, problems, versions and history; everything from the ledger, masked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from order_relay.ledger import Ledger
from order_relay.ledger.reporting.order_records import ActionEntry, OrderHistory
from order_relay.ledger.store.text import load_json
from order_relay.orders.messages import VersionPolicies
from order_relay.pipeline.order_view.order_problems import OrderProblem, order_problems
from order_relay.pipeline.order_view.order_progress import ProgressStep, order_progress
from order_relay.pipeline.order_view.order_versions import OrderVersions, order_versions
from order_relay.pipeline.report.advice import advice_for


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A transition or an operator's action. ``run``: the run that caused it, or empty."""

    at: datetime
    what: str
    who: str
    why: str
    run: str = ""


@dataclass(frozen=True)
class OrderOverview:
    """What the page of an order shows. ``entries``: the newest first; ``omitted_entries``: how many are older."""

    history: OrderHistory
    progress: tuple[ProgressStep, ...]
    problems: tuple[OrderProblem, ...]
    versions: OrderVersions
    entries: tuple[HistoryEntry, ...]
    omitted_entries: int


def order_view(
    ledger: Ledger,
    number: int,
    pipelines: Collection[str] | None = None,
    minimum_of: Callable[[str], float] = lambda _: VersionPolicies().min_common_items,
) -> OrderOverview | None:
    """The submission with this id; ``None`` if it is unknown or of another pipeline.

    ``minimum_of`` returns the ``min_common_items`` of a pipeline.
    """
    history = ledger.order_histories.by_id(number, pipelines)
    if history is None:
        return None
    entries = sorted(_entries(history), key=lambda entry: entry.at, reverse=True)
    return OrderOverview(
        history=history,
        progress=order_progress(history),
        problems=tuple(order_problems(history)),
        versions=order_versions(ledger, history.order, minimum_of(history.order.pipeline)),
        entries=tuple(entries),
        omitted_entries=history.events.omitted + history.actions.omitted,
    )


def _entries(history: OrderHistory) -> Iterator[HistoryEntry]:
    for action in history.actions.rows:
        yield HistoryEntry(action.at, _describe(action), action.who, action.why)
    for event in history.events.rows:
        what = f"{event.from_state} → {event.to_state}" if event.from_state else event.to_state
        known = advice_for(event.why)
        yield HistoryEntry(event.at, what.replace("_", " "), event.who, known.title if known else event.why, event.run)


def _describe(action: ActionEntry) -> str:
    details = load_json(action.details, {})
    given = ", ".join(
        f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in details.items()
        if value not in (None, "")
    )
    return f"{action.action} ({given})" if given else action.action
