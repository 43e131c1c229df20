"""``/orders/{id}``: one order. Personal data is masked until somebody with that right reveals it, which is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import Response

from order_relay.desk.access import Principal, Revealer, Viewer
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.rendering import render
from order_relay.errors import ConfigurationError, OrderRelayError
from order_relay.ledger.reporting.order_records import OrderHistory
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.messages import VersionPolicies
from order_relay.orders.privacy.masking import MASK
from order_relay.orders.review.diff import NO_VISIBLE_CHANGE
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.order_view.order_content import (
    MAX_LINES,
    OrderContent,
    order_content,
    sent_payloads,
    shorten,
)
from order_relay.pipeline.order_view.order_progress import STEP_TITLES
from order_relay.pipeline.order_view.order_versions import ComparedVersions, order_differences
from order_relay.pipeline.order_view.order_view import order_view
from order_relay.pipeline.report.state_advice import STATES
from order_relay.vendors import system_title
from order_relay.wiring.transformation import canonical_reader

router = APIRouter()

OrderId = Annotated[int, Path(ge=1, le=2**53)]
"""The id of a submission in the ledger."""


@router.get("/orders/{number}")
async def show(request: Request, desk: Desk, user: Viewer, number: OrderId) -> Response:
    """The page. Everything on it is from the ledger; the archive's parts are requested by the page."""

    view = await desk.run(lambda: order_view(desk.ledger, number, user.pipelines, lambda name: _minimum(desk, name)))
    if view is None:
        raise not_found("This order")
    order = view.history.order
    return render(
        request,
        "order.html",
        title=f"Order {shorten(order.order_number, 60) or number}",
        view=view,
        history=view.history,
        order=order,
        summary=STATES.get(order.state),
        step_titles=STEP_TITLES,
        systems={one.system: system_title(one.system) for one in view.timeline.entries},
        run_paths={run: f"runs/{quote(order.pipeline)}/{quote(run)}" for run in view.history.runs},
        mask=MASK,
    )


@router.get("/orders/{number}/differences")
async def differences(request: Request, desk: Desk, user: Viewer, number: OrderId) -> Response:
    """The differences between the order's versions, as a fragment; read from the archive."""

    def load() -> tuple[tuple[ComparedVersions, ...], str]:
        order = _history(desk, number, user).order
        try:
            return order_differences(desk.ledger, desk.store, order, lambda: _reader_of(desk)(order.pipeline)), ""
        except OrderRelayError as error:  # of the archive
            return (), str(error)

    compared, problem = await desk.run(load)
    return render(
        request,
        "order_differences.html",
        compared=compared,
        problem=problem,
        no_visible_change=NO_VISIBLE_CHANGE,
        most_lines=MAX_LINES,
    )


@router.get("/orders/{number}/content")
async def content(request: Request, desk: Desk, user: Viewer, number: OrderId) -> Response:
    """Content and payload of the order with personal data masked, as a fragment; read from the archive."""
    return render(request, "order_content.html", **await desk.run(lambda: _content(desk, _history(desk, number, user))))


@router.post("/orders/{number}/reveal")
async def reveal(
    request: Request, desk: Desk, user: Revealer, number: OrderId, reason: Annotated[str, Form(max_length=500)]
) -> Response:
    """The order's personal data, as a fragment. Who revealed it, when and why is committed to the ledger first."""
    if not reason.strip():
        raise ConfigurationError("Give the reason why you need to see personal data.")

    def load() -> dict[str, Any]:
        history = _history(desk, number, user)
        desk.ledger.activity.record(
            who=user.name,
            action="reveal",
            why=reason.strip(),
            pipeline=history.order.pipeline,
            submission_id=number,
        )
        texts = desk.ledger.order_histories.personal_texts(number, user.pipelines)
        corrections = desk.ledger.corrections.of([number]).get(number, [])
        content = _content(desk, history, revealed=True)
        return {"texts": texts, "history": history, "corrections": corrections, **content}

    return render(request, "order_personal.html", **await desk.run(load))


def _history(desk: DeskDeployment, number: int, user: Principal) -> OrderHistory:
    """Raises ``HTTPException`` 404 for an order that the user may not see."""
    history = desk.ledger.order_histories.by_id(number, user.pipelines)
    if history is None:
        raise not_found("This order")
    return history


def _content(desk: DeskDeployment, history: OrderHistory, *, revealed: bool = False) -> dict[str, Any]:
    try:
        store = desk.store
    except OrderRelayError as error:
        return {"content": OrderContent(problem=str(error)), "payloads": []}
    return {
        "content": order_content(OrderArchive(store, _reader_of(desk)), history.order, revealed=revealed),
        "payloads": sent_payloads(store, history.order, history.attempts.rows, revealed=revealed),
    }


def _minimum(desk: DeskDeployment, pipeline: str) -> float:
    """The share of common items for versions of one order; the default if the settings cannot be read."""
    try:
        return desk.pipelines[pipeline].policies.min_common_items
    except (ConfigurationError, KeyError):
        return VersionPolicies().min_common_items


def _reader_of(desk: DeskDeployment) -> Callable[[str], CanonicalReader]:
    def reader(pipeline: str) -> CanonicalReader:
        if pipeline not in desk.pipelines:
            raise ConfigurationError(f"the pipeline {pipeline!r} has no settings file any more")
        return canonical_reader(desk.pipelines[pipeline], desk.ledger.code_tables.rows(pipeline))

    return reader
