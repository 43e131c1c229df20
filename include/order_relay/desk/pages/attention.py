"""``/attention``: the orders that need an operator, grouped by reason, and actions on many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from order_relay.desk.access import Operator, Principal, Viewer
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.pages.order_actions import CANCELLATION_RESULTS, parse_shown
from order_relay.desk.pages.today import last_reads
from order_relay.desk.rendering import done, render
from order_relay.errors import ConcurrentUpdateError, ConfigurationError
from order_relay.ledger.operators.attention import AttentionGroup, Position
from order_relay.ledger.operators.attention_sources import KINDS
from order_relay.ledger.operators.shown import ShownRevisions
from order_relay.pipeline.operators.previews import REFUSED
from order_relay.pipeline.report.advice import advice_for
from order_relay.pipeline.report.formatting import format_orders
from order_relay.wiring.actions import DISCARD, MAX_ORDERS, REPLAY

router = APIRouter(prefix="/attention")

OPEN, SNOOZED, RESOLVED = "open", "snoozed", "resolved"
PAGE_SIZE = 50
RESOLVED_DAYS = 7
"""Resolved orders are listed for this many days."""

MAX_LISTED = 50
"""Maximum orders listed in a preview; the others are counted."""

Text = Annotated[str, Query(max_length=200)]
Reason = Annotated[str, Form(max_length=500)]
Shown = Annotated[str, Form(max_length=40_000)]
"""The orders that the preview showed, with their revisions, such as ``12/3,13/1``."""


@dataclass(frozen=True)
class View:
    """What the address asks for. ``mine``: only orders of this user."""

    tab: str = OPEN
    kind: str = ""
    pipeline: str = ""
    reason: str = ""
    mine: bool = False

    def query(self, **changes: Any) -> str:
        """The query of an address with these changes; empty values are left out."""
        values = {**self.__dict__, **changes}
        return urlencode({name: 1 if value is True else value for name, value in values.items() if value})


@router.get("")
async def show(
    *,
    request: Request,
    desk: Desk,
    user: Viewer,
    tab: Annotated[str, Query(pattern="open|snoozed|resolved")] = OPEN,
    kind: Text = "",
    pipeline: Text = "",
    reason: Text = "",
    mine: bool = False,
    after: Text = "",
) -> Response:
    """The page."""
    view = View(tab, kind, pipeline, reason, mine)
    page = await desk.run(lambda: _page(desk, user, view, _parse_position(after)))
    return render(request, "attention.html", title="Needs attention", view=view, **page)


def _page(desk: DeskDeployment, user: Principal, view: View, after: Position | None) -> dict[str, Any]:
    attention, names, rules = desk.ledger.attention, user.pipelines, desk.actions.attention_rules
    groups = attention.groups(names, rules)
    shown = [group for group in groups if group.snoozed is (view.tab == SNOOZED)]
    page: dict[str, Any] = {
        "open": sum(group.number for group in groups if not group.snoozed),
        "snoozed": sum(group.number for group in groups if group.snoozed),
        "groups": [] if view.tab == RESOLVED else shown,
        "several": len(names) > 1,
        "days": RESOLVED_DAYS,
        "group": None,
        "rows": [],
        "next": "",
    }
    if view.tab == RESOLVED:
        since = datetime.now(UTC) - timedelta(days=RESOLVED_DAYS)
        rows: Sequence[Any] = attention.resolved(names, since, limit=PAGE_SIZE + 1, before=after)
    else:
        page["group"] = group = _chosen(shown, view)
        if group is None:
            pulses = {name: desk.ledger.health.heartbeat(name) for name in sorted(names)}
            return page | {"reading": last_reads(pulses, datetime.now(UTC))}
        mine = user.name if view.mine else None
        rows = attention.page(names, rules, group, limit=PAGE_SIZE + 1, after=after, assignee=mine)
        page["advice"] = advice_for(group.reason) if group.reason else None
    page["rows"] = rows[:PAGE_SIZE]
    if len(rows) > PAGE_SIZE:
        page["next"] = view.query(after=_position_text(rows[PAGE_SIZE - 1].position))
    return page


def _chosen(groups: Sequence[AttentionGroup], view: View) -> AttentionGroup | None:
    """The group of the address; without one, the oldest."""
    if not view.kind:
        return groups[0] if groups else None
    wanted = (view.kind, view.pipeline, view.reason)
    return next((group for group in groups if (group.kind, group.pipeline, group.reason) == wanted), None)


def _parse_position(text: str) -> Position | None:
    """A position from an address. Raises ``ConfigurationError`` for another form."""
    if not text:
        return None
    moment, _, item = text.rpartition("~")
    try:
        at = datetime.fromisoformat(moment)
        number = int(item)
    except ValueError:
        raise ConfigurationError("The address of this page is damaged; open Needs attention again.") from None
    if at.tzinfo is None or not 0 <= number < 2**63:
        raise ConfigurationError("The address of this page is damaged; open Needs attention again.")
    return at, number


def _position_text(position: Position) -> str:
    at, item = position
    return f"{at.isoformat()}~{item}"


@router.post("/preview")
async def preview(
    *,
    request: Request,
    desk: Desk,
    user: Operator,
    action: Annotated[str, Form(pattern="replay|discard|mark")],
    scope: Annotated[str, Form(pattern="selected|group")],
    kind: Annotated[str, Form(max_length=200)] = "",
    pipeline: Annotated[str, Form(max_length=200)] = "",
    cause: Annotated[str, Form(max_length=200)] = "",
    snoozed: Annotated[bool, Form()] = False,
    chosen: Annotated[list[str] | None, Form(max_length=PAGE_SIZE)] = None,
) -> Response:
    """Which orders an action is about, and what it would do with each, as a fragment; changes nothing.

    ``scope``: the ``chosen`` orders, or all of the group. ``mark``: assign, note or snooze.
    """

    def load() -> dict[str, Any]:
        if scope == "group" and kind in KINDS:
            group = AttentionGroup(kind, pipeline, cause, snoozed, 0, datetime.now(UTC))
            rules = desk.actions.attention_rules
            selected: ShownRevisions = desk.ledger.attention.ids_of(user.pipelines, rules, group, 100_000)
        else:
            selected = parse_shown(",".join(chosen)) if chosen else {}
        works = _visible(desk, user, selected)
        if action in {REPLAY, DISCARD}:
            found = desk.actions.preview(action, selected)
            ranked = sorted(found.orders, key=lambda one: one.outcome != REFUSED)
            return {"counts": found.counts, "orders": ranked, "shown": found.changing}
        return {"counts": {}, "orders": works, "shown": selected}

    try:
        found = await desk.run(load)
    except (
        ConcurrentUpdateError,
        ConfigurationError,
    ) as error:  # the dialog must not keep the orders of an earlier one
        return render(request, "attention_preview.html", problem=str(error))
    text = ",".join(f"{number}/{revision}" for number, revision in found.pop("shown").items())
    return render(request, "attention_preview.html", problem="", **found, shown=text, limit=MAX_LISTED)


@router.post("/replay")
async def replay(desk: Desk, user: Operator, reason: Reason, shown: Shown = "") -> Response:
    """Evaluate the orders again."""

    def act() -> str:
        found = desk.actions.replay(_selected(desk, user, shown), reason, user.name)
        still = found.counts.get(REFUSED, 0)
        refused = f" {format_orders(still, 'is', 'are')} refused again and unchanged." if still else ""
        return f"{format_orders(len(found.changing), 'continues', 'continue')} with the next run.{refused}"

    return done(await desk.run(act))


@router.post("/discard")
async def discard(desk: Desk, user: Operator, reason: Reason, shown: Shown = "") -> Response:
    """Discard the orders."""

    def act() -> str:
        found = desk.actions.discard(_selected(desk, user, shown), reason, user.name)
        return f"{format_orders(len(found.orders), 'is', 'are')} discarded."

    return done(await desk.run(act))


@router.post("/cancellation")
async def cancellation(
    desk: Desk,
    user: Operator,
    choice: Annotated[str, Form(pattern="cancelled|keep")],
    reason: Reason,
    shown: Shown = "",
) -> Response:
    """Decide about orders that the shop cancelled after the import."""

    def act() -> str:
        ids = desk.actions.decide_cancellations(_selected(desk, user, shown), choice, reason, user.name)
        return CANCELLATION_RESULTS[choice].format(format_orders(len(ids), "is", "are"))

    return done(await desk.run(act))


@router.post("/write-back")
async def write_back(
    *,
    desk: Desk,
    user: Operator,
    action: Annotated[str, Form(pattern="retry|give_up")],
    step: Annotated[str, Form(max_length=200)],
    reason: Reason,
    shown: Shown = "",
) -> Response:
    """Retry the failed write-back step of the orders, or give it up."""

    def act() -> str:
        ids = set(_selected(desk, user, shown))
        number = desk.actions.decide_write_back(
            user.pipelines,
            reason,
            user.name,
            retry=action == "retry",
            step=step,
            only=lambda row: row["submission_id"] in ids,
        )
        result = "retried by the next run" if action == "retry" else "given up"
        return f"{number} {'updates are' if number > 1 else 'update is'} {result}."

    return done(await desk.run(act))


@router.post("/note")
async def note(desk: Desk, user: Operator, text: Annotated[str, Form(max_length=1_000)], shown: Shown = "") -> Response:
    """Add a note to the orders."""

    def act() -> str:
        number = desk.actions.note(list(_selected(desk, user, shown)), text, user.name)
        return f"The note is saved for {number} {'orders' if number > 1 else 'order'}."

    return done(await desk.run(act))


@router.post("/assign")
async def assign(
    desk: Desk, user: Operator, assignee: Annotated[str, Form(max_length=200)] = "", shown: Shown = ""
) -> Response:
    """Make somebody responsible for the orders; nobody if ``assignee`` is empty."""

    def act() -> str:
        number = desk.actions.assign(_selected(desk, user, shown), assignee, user.name)
        return f"{format_orders(number, 'is', 'are')} assigned to {assignee.strip() or 'nobody'}."

    return done(await desk.run(act))


@router.post("/snooze")
async def snooze(
    desk: Desk, user: Operator, days: Annotated[int, Form(ge=1, le=90)], reason: Reason, shown: Shown = ""
) -> Response:
    """Put the orders out of sight for some days, or until they change."""

    def act() -> str:
        until = datetime.now(UTC) + timedelta(days=days)
        number = desk.actions.snooze(_selected(desk, user, shown), until, reason, user.name)
        return f"{format_orders(number, 'is', 'are')} snoozed until {until:%Y-%m-%d %H:%M} UTC, or until it changes."

    return done(await desk.run(act))


@router.post("/unsnooze")
async def unsnooze(desk: Desk, user: Operator, shown: Shown = "") -> Response:
    """Show snoozed orders again."""

    def act() -> str:
        return (
            f"{format_orders(desk.actions.unsnooze(_selected(desk, user, shown), user.name), 'is', 'are')} open again."
        )

    return done(await desk.run(act))


def _selected(desk: DeskDeployment, user: Principal, text: str) -> ShownRevisions:
    """The orders that a form names. Raises as ``_visible``."""
    shown = parse_shown(text) if text else {}
    _visible(desk, user, shown)
    return shown


def _visible(desk: DeskDeployment, user: Principal, shown: ShownRevisions) -> list[Any]:
    """These orders. Raises ``ConfigurationError`` for none or too many, ``HTTPException`` 404 for one that the user may
    not see."""
    if not shown:
        raise ConfigurationError("No order is selected. Select orders, or choose all with this reason.")
    if len(shown) > MAX_ORDERS:
        raise ConfigurationError(
            f"{len(shown):,} orders are selected, but one action takes at most {MAX_ORDERS:,}; select fewer."
        )
    works = desk.ledger.worklist.get(shown)
    if any(work.pipeline not in user.pipelines for work in works):
        raise not_found("One of these orders")
    return works
