"""Actions on the page of one order. Each names the revisions that the page showed, and is refused if they changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from order_relay.desk.access import Operator, Principal
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.pages.order import OrderId
from order_relay.desk.rendering import done, render
from order_relay.errors import ConfigurationError, IllegalTransitionError
from order_relay.ledger import WorkItem
from order_relay.orders.review.choices import AT_OMS, KEEP
from order_relay.pipeline.operators.previews import REFUSED, OrderOutcome
from order_relay.wiring.actions import REPLAY

router = APIRouter(prefix="/orders/{number}")

Reason = Annotated[str, Form(max_length=500)]
CANCELLATION_RESULTS = {
    AT_OMS: "{} recorded as cancelled in the OMS.",
    KEEP: "{} kept. The order feed offers it for shipping.",
}
"""Messages after a decision about orders that the shop cancelled."""

Revision = Annotated[int, Form()]
"""What the page showed: the order's revision; in doubt, its attempt."""


@router.get("/preview")
async def preview(request: Request, desk: Desk, user: Operator, number: OrderId) -> Response:
    """What another evaluation of the order would do, as a fragment; changes nothing."""

    def load() -> OrderOutcome:
        order = visible_order(desk, user, number)
        return desk.actions.preview(REPLAY, {number: order.revision}).orders[0]

    return render(request, "order_preview.html", outcome=await desk.run(load))


@router.post("/replay")
async def replay(desk: Desk, user: Operator, number: OrderId, revision: Revision, reason: Reason) -> Response:
    """Evaluate a quarantined or rejected order again."""

    def act() -> str:
        outcome = desk.actions.replay({number: revision}, reason, user.name).orders[0]
        if outcome.outcome == REFUSED:
            raise IllegalTransitionError("The order is still refused, so nothing was changed. Fix the causes first.")
        return "The order is evaluated again by the next run."

    return done(await acted(desk, user, number, act))


@router.post("/discard")
async def discard(desk: Desk, user: Operator, number: OrderId, revision: Revision, reason: Reason) -> Response:
    """Discard a quarantined or rejected order."""

    def act() -> str:
        desk.actions.discard({number: revision}, reason, user.name)
        return "The order is discarded: it is never sent."

    return done(await acted(desk, user, number, act))


@router.post("/decide")
async def decide(
    *,
    desk: Desk,
    user: Operator,
    number: OrderId,
    choice: Annotated[str, Form()],
    reason: Reason,
    shown: Annotated[str, Form(max_length=20_000)],
    cancelled: Annotated[bool, Form()] = False,
) -> Response:
    """Decide about the group of held versions. ``shown``: their ids and revisions, such as ``12/3,13/1``."""

    def act() -> str:
        order = visible_order(desk, user, number)
        held = desk.ledger.decisions.held_groups(order.pipeline, order.order_number)
        if not any(number in group.seen for group in held):
            raise IllegalTransitionError("The order is not held any more. Load the page again.")
        ids = desk.actions.decide(
            order.order_number,
            choice,
            reason,
            user.name,
            pipeline=order.pipeline,
            shown=parse_shown(shown),
            cancelled=cancelled,
        )
        return f"Decided about {len(ids)} held {'versions' if len(ids) > 1 else 'version'}: {choice}."

    return done(await acted(desk, user, number, act))


@router.post("/settle")
async def settle(
    *,
    desk: Desk,
    user: Operator,
    number: OrderId,
    revision: Revision,
    finding: Annotated[str, Form(pattern="stored|absent")],
    reason: Reason,
    oms_id: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Record whether the OMS stored an order in doubt."""

    def act() -> str:
        order = visible_order(desk, user, number)
        stored = oms_id.strip() if finding == "stored" else None
        if stored == "":
            raise ConfigurationError("Enter the id that the OMS gave the order.")
        desk.actions.settle(
            order.order_number, stored, reason, user.name, pipeline=order.pipeline, shown={number: revision}
        )
        return "The order is imported." if stored else "The order is not in the OMS; the next run sends it."

    return done(await acted(desk, user, number, act))


@router.post("/cancellation")
async def cancellation(
    *,
    desk: Desk,
    user: Operator,
    number: OrderId,
    revision: Revision,
    choice: Annotated[str, Form(pattern="cancelled|keep")],
    reason: Reason,
) -> Response:
    """Decide about an order that the shop cancelled after the import."""

    def act() -> str:
        desk.actions.decide_cancellations({number: revision}, choice, reason, user.name)
        return CANCELLATION_RESULTS[choice].format("The order is")

    return done(await acted(desk, user, number, act))


@router.post("/note")
async def note(desk: Desk, user: Operator, number: OrderId, text: Annotated[str, Form(max_length=1_000)]) -> Response:
    """Add a note."""

    def act() -> str:
        desk.actions.note([number], text, user.name)
        return "The note is saved."

    return done(await acted(desk, user, number, act))


@router.post("/assign")
async def assign(
    desk: Desk,
    user: Operator,
    number: OrderId,
    revision: Revision,
    assignee: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Make somebody responsible for the order; nobody if ``assignee`` is empty."""

    def act() -> str:
        desk.actions.assign({number: revision}, assignee, user.name)
        return f"The order is assigned to {assignee.strip()}." if assignee.strip() else "The order is not assigned."

    return done(await acted(desk, user, number, act))


@router.post("/snooze")
async def snooze(
    *,
    desk: Desk,
    user: Operator,
    number: OrderId,
    revision: Revision,
    days: Annotated[int, Form(ge=1, le=90)],
    reason: Reason,
) -> Response:
    """Hide the order from *Needs attention* for some days, or until it changes."""

    def act() -> str:
        until = datetime.now(UTC) + timedelta(days=days)
        desk.actions.snooze({number: revision}, until, reason, user.name)
        return f"The order is snoozed until {until:%Y-%m-%d %H:%M} UTC, or until it changes."

    return done(await acted(desk, user, number, act))


def parse_shown(text: str) -> dict[int, int | None]:
    """Revisions by submission id, from ``12/3,13/1``. Raises ``ConfigurationError`` for another form."""
    if not re.fullmatch(r"[0-9]{1,18}/[0-9]{1,9}(,[0-9]{1,18}/[0-9]{1,9})*", text):
        raise ConfigurationError("The page's list of orders is damaged; load the page again.")
    pairs = (pair.split("/") for pair in text.split(","))
    return {int(number): int(revision) for number, revision in pairs}


async def acted(desk: DeskDeployment, user: Principal, number: int, act: Callable[[], str]) -> str:
    """Run an action on an order that the user may see; returns its message."""

    def checked() -> str:
        visible_order(desk, user, number)
        return act()

    return await desk.run(checked)


def visible_order(desk: DeskDeployment, user: Principal, number: int) -> WorkItem:
    """Raises ``HTTPException`` 404 for an order that the user may not see."""
    found = desk.ledger.worklist.get([number])
    if not found or found[0].pipeline not in user.pipelines:
        raise not_found("This order")
    return found[0]
