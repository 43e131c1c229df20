"""Corrections on the page of one order: which apply, the dialog that makes them, and those of earlier content.

Present values are personal data: they are shown only to users with that right, who give a reason that is recorded.
Others may enter new values without seeing the old ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from order_relay.desk.access import Operator, Principal, Revealer, Viewer
from order_relay.desk.deployment import Desk, DeskDeployment
from order_relay.desk.pages.order import OrderId
from order_relay.desk.pages.order_actions import Reason, Revision, acted, visible_order
from order_relay.desk.rendering import done, render
from order_relay.errors import ConfigurationError
from order_relay.ledger.operators.corrections import UNSENT_STATES
from order_relay.orders.corrections.correctable_fields import CORRECTABLE
from order_relay.orders.mapping.canonical import PARTY_FIELDS
from order_relay.orders.messages import RunContext
from order_relay.pipeline.operators.correctable_orders import CorrectableOrder, CorrectionResult, OrderCorrections
from order_relay.wiring.actions import require_reason

router = APIRouter(prefix="/orders/{number}/corrections")

Act = Callable[[OrderCorrections, RunContext], CorrectionResult]

_TITLES = {"customer_po": "Customer PO", "ship_via": "Shipping method", "notes": "Comment", "email": "E-mail"}
_PARTS = {part: _TITLES.get(part, part.replace("address", "address line ").replace("_", " ")) for part in PARTY_FIELDS}
FIELD_TITLES = {name: _TITLES.get(name, name.replace("_", " ").capitalize()) for name in CORRECTABLE} | {
    f"{side}_{part}": f"{title}: {words.capitalize() if words.islower() else words}"
    for side, title in (("ship", "Shipping"), ("bill", "Billing"))
    for part, words in _PARTS.items()
}
"""The correctable fields as the page names them."""

_FIELD = "field."
"""Prefix of the form's inputs."""

_OUTLOOKS = {
    "ready": "The next run sends the order.",
    "held": "The next run holds the order for a decision.",
    "waiting": "The order waits until its source releases it.",
}


@router.get("")
async def show(request: Request, desk: Desk, user: Viewer, number: OrderId) -> Response:
    """The order's corrections without their values, as a fragment."""

    def load() -> dict[str, Any]:
        order = visible_order(desk, user, number)
        stored = desk.ledger.corrections.of([number]).get(number, [])
        return {"order": order, "stored": stored, "pending": desk.ledger.corrections.pending(number)}

    found = await desk.run(load)
    changeable = user.may_act and found["order"].state in UNSENT_STATES
    return render(request, "corrections.html", **found, titles=FIELD_TITLES, changeable=changeable)


@router.get("/fields")
async def fields(request: Request, desk: Desk, user: Operator, number: OrderId) -> Response:
    """The inputs for new values, without the present ones, as a fragment."""
    found = await desk.run(lambda: _open(desk, visible_order(desk, user, number).pipeline, number))
    return render(request, "correction_fields.html", found=found, titles=FIELD_TITLES, revealed=False)


@router.post("/fields")
async def reveal(request: Request, desk: Desk, user: Revealer, number: OrderId, reason: Reason = "") -> Response:
    """The inputs with the present values. Who saw them, when and why is committed to the ledger first."""

    def load() -> CorrectableOrder:
        pipeline = visible_order(desk, user, number).pipeline
        if not reason.strip():
            raise ConfigurationError("Give the reason first: it is recorded that you saw the present values.")
        desk.ledger.activity.record(
            who=user.name, action="reveal", why=reason.strip(), pipeline=pipeline, submission_id=number
        )
        return _open(desk, pipeline, number)

    return render(
        request, "correction_fields.html", found=await desk.run(load), titles=FIELD_TITLES, revealed=user.may_reveal
    )


@router.post("/correct")
async def correct(
    *, request: Request, desk: Desk, user: Operator, number: OrderId, revision: Revision, reason: Reason
) -> Response:
    """Store the values that were entered; an empty input leaves its field as it is."""
    form = await request.form()
    given = {name.removeprefix(_FIELD): str(text) for name, text in form.items() if name.startswith(_FIELD)}
    values = {name: text for name, text in given.items() if text.strip()}
    values |= dict.fromkeys(map(str, form.getlist("remove")), "")

    def act(of: OrderCorrections, ctx: RunContext) -> CorrectionResult:
        return of.correct(ctx, number, revision=revision, values=values, why=require_reason(reason))

    return await _act(desk, user, number, act)


@router.post("/withdraw")
async def withdraw(
    *, request: Request, desk: Desk, user: Operator, number: OrderId, revision: Revision, reason: Reason
) -> Response:
    """End the chosen corrections."""
    names = [str(name) for name in (await request.form()).getlist("name")]
    if not names:
        raise ConfigurationError("Choose at least one correction.")

    def act(of: OrderCorrections, ctx: RunContext) -> CorrectionResult:
        return of.withdraw(ctx, number, revision=revision, fields=names, why=require_reason(reason))

    return await _act(desk, user, number, act)


@router.post("/confirm")
async def confirm(
    *,
    desk: Desk,
    user: Operator,
    number: OrderId,
    revision: Revision,
    reason: Reason,
    answer: Annotated[str, Form(pattern="^(carry_over|dismiss)$")],
) -> Response:
    """Carry the corrections of earlier content over to the present one, or dismiss them."""

    def act(of: OrderCorrections, ctx: RunContext) -> CorrectionResult:
        chosen = of.carry_over if answer == "carry_over" else of.dismiss
        return chosen(ctx, number, revision=revision, why=require_reason(reason))

    return await _act(desk, user, number, act)


async def _act(desk: DeskDeployment, user: Principal, number: int, act: Act) -> Response:
    def work() -> str:
        pipeline = visible_order(desk, user, number).pipeline
        with desk.actions.corrections(pipeline) as corrections:
            return _describe(act(corrections, RunContext(pipeline, "", user.name)))

    return done(await acted(desk, user, number, work))


def _open(desk: DeskDeployment, pipeline: str, number: int) -> CorrectableOrder:
    with desk.actions.corrections(pipeline) as corrections:
        return corrections.open(number)


def _describe(result: CorrectionResult) -> str:
    """What became of the order; the messages of issues hold no personal data."""
    if result.issues:
        more = "; ".join(dict.fromkeys(issue.message for issue in result.issues[:5]))
        return f"Saved. The order {'is still' if result.state == 'quarantined' else 'would be'} refused: {more}."
    return f"Saved. {_OUTLOOKS.get(result.outlook, 'The state of the order is unchanged.')}"
