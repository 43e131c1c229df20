"""One order as an operator sees it: progress, problems, versions and timeline; everything from the ledger, masked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from order_relay.ledger import Ledger
from order_relay.ledger.reporting.order_records import OrderHistory
from order_relay.orders.messages import VersionPolicies
from order_relay.pipeline.order_view.order_problems import OrderProblem, order_problems
from order_relay.pipeline.order_view.order_progress import ProgressStep, order_progress
from order_relay.pipeline.order_view.order_timeline import OrderTimeline, order_timeline
from order_relay.pipeline.order_view.order_versions import OrderVersions, order_versions


@dataclass(frozen=True)
class OrderOverview:
    """What the page of an order shows."""

    history: OrderHistory
    progress: tuple[ProgressStep, ...]
    problems: tuple[OrderProblem, ...]
    versions: OrderVersions
    timeline: OrderTimeline


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
    return OrderOverview(
        history=history,
        progress=order_progress(history),
        problems=tuple(order_problems(history)),
        versions=order_versions(ledger, history.order, minimum_of(history.order.pipeline)),
        timeline=order_timeline(history),
    )
