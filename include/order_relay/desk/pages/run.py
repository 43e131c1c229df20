"""``/runs/DAG/RUN``: what a run did, for the tab *Orders* of Airflow's runs. RUN is Airflow's run id or its slug."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from order_relay.batches import DamagedBatchError
from order_relay.desk.access import Viewer
from order_relay.desk.deployment import Desk, DeskDeployment
from order_relay.desk.rendering import render
from order_relay.errors import OrderRelayError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_id_of, run_prefix, run_slug

router = APIRouter()

MOST = 200
"""Maximum orders shown; the list of orders has all."""

_PURPOSES = {
    "watch": "It sends alerts and the daily summary, and changes no order.",
    "order_review": "It asks operators about held orders and orders in doubt. Their answers are in the history of each "
    "order, without this run.",
    "in_doubt_sweep": "It looks up orders in doubt at the OMS. It found none to settle.",
    "reconcile": "It compares the ledger with the OMS and changes no order.",
    "retention": "It removes expired data and changes no order.",
    "quarantine_replay": "It evaluates quarantined orders again. It changed none.",
}
"""What is said about a run without orders, by DAG."""

_REPORTS = {"quarantine_replay": "report.md", "reconcile": "reconcile.md"}
"""The DAGs whose runs write a report for each pipeline."""


@router.get("/runs/{dag_id}/{run_id}")
async def show(request: Request, desk: Desk, user: Viewer, dag_id: str, run_id: str) -> Response:
    """The page. A run that is unknown to the ledger gets a sentence that says why."""
    page = await desk.run(lambda: _run(desk, user.pipelines, dag_id, run_id))
    return render(request, "run.html", title=f"Run of {dag_id}", dag_id=dag_id, **page)


def _run(desk: DeskDeployment, pipelines: frozenset[str], dag_id: str, run_id: str) -> dict[str, Any]:
    known = desk.ledger.run_history.named(run_id, pipelines)
    slug = run_id if known else run_slug(run_id)
    orders = desk.ledger.run_history.orders(slug, pipelines, MOST + 1)
    counts = Counter[tuple[str, str]]()
    for name in sorted({order.pipeline for order in orders}):
        found = desk.ledger.accounting.counts(name, slug)
        with_reason = Counter[str]()
        for (state, reason), number in found["reasons"].items():
            counts[state, reason] += number
            with_reason[state] += number
        for state, number in found["states"].items():
            counts[state, ""] += number - with_reason[state]
    airflow = run_id_of(slug)
    return {
        "slug": slug,
        "path": desk.host.run_path(dag_id, airflow) if airflow else "",
        "runs": known or desk.ledger.run_history.named(slug, pipelines),
        "orders": orders[:MOST],
        "more": len(orders) > MOST,
        "counts": sorted((key, number) for key, number in counts.items() if number),
        "reports": list(_reports(desk, pipelines, dag_id, slug)),
        "purpose": _purpose(desk, dag_id),
    }


def _purpose(desk: DeskDeployment, dag_id: str) -> str:
    if dag_id in desk.pipelines:
        return (
            "The run changed no order. It has not read its source yet, found nothing new, was a dry run, or its "
            "pipeline is in shadow mode."
        )
    return _PURPOSES.get(dag_id, "It changed no order.")


def _reports(desk: DeskDeployment, pipelines: frozenset[str], dag_id: str, slug: str) -> Iterator[tuple[str, str]]:
    """The reports of the run by pipeline, without those that were not made yet or removed by retention."""
    file = _REPORTS.get(dag_id, "report.md")
    for name in {dag_id} & pipelines or (sorted(pipelines) if dag_id in _REPORTS else ()):
        try:
            yield name, desk.store.read_text(f"{run_prefix(RunContext(name, slug))}/{file}")
        except DamagedBatchError:
            continue
        except OrderRelayError as error:
            yield name, f"The report cannot be read: {error}"
