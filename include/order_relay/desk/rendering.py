"""Renders templates. Every text is escaped; links are relative, so that the desk works below any path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from order_relay import __version__
from order_relay.desk.security import BASE, PAGE_HEADER
from order_relay.ledger.listing.order_filter import NO_ANSWER
from order_relay.ledger.oms.oms_status_counts import UNANSWERED
from order_relay.orders.money.amounts import CURRENCIES, from_minor
from order_relay.pipeline.report.advice import advice_for
from order_relay.pipeline.report.state_advice import STATES

HERE = Path(__file__).parent

SECTIONS = (
    ("", "Today"),
    ("orders", "Orders"),
    ("attention", "Needs attention"),
    ("tables", "Tables"),
    ("health", "Health"),
)
"""The pages of the navigation: path below the desk's root, and title."""


def render(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a fragment. ``values`` need a ``title`` for a page.

    Templates also get ``base`` (the relative path to the desk's root), ``user`` (the ``Principal``, or ``None``),
    ``own_login`` (whether the user signs in and out here), ``section`` (the first part of the path) and ``sections``.
    """
    inner = _inner_path(request)
    common = {
        "base": page_base(request),
        "user": getattr(request.state, "desk_user", None),
        "own_login": getattr(request.app.state, "own_login", False),
        "section": inner.strip("/").split("/", 1)[0],
        "sections": SECTIONS,
        "version": __version__,
        "now": datetime.now(UTC),
    }
    return HTMLResponse(environment().get_template(template).render(common | values), status)


def done(message: str) -> Response:
    """The answer to a successful action: the page announces ``message``, closes the dialog and reloads its data."""
    return Response(status_code=204, headers={"HX-Trigger": json.dumps({"desk:done": {"message": message}})})


def page_base(request: Request) -> str:
    """The path from the page in the browser to the desk's root: ``./``, ``../`` and so on.

    For the request of a page's form it is the one of that page, which the header carries.
    """
    given = request.headers.get(PAGE_HEADER, "")
    if BASE.fullmatch(given):
        return given
    return "../" * max(0, _inner_path(request).count("/") - 1) or "./"


def _inner_path(request: Request) -> str:
    """The request's path below the desk's root; begins with a slash."""
    path, root = str(request.scope["path"]), str(request.scope.get("root_path", ""))
    return (path.removeprefix(root) if path.startswith(f"{root}/") else path) or "/"


@cache
def environment() -> Environment:
    """The Jinja environment of all pages."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "age": age,
        "money": money,
        "utc": utc,
        "iso": iso,
        "state_title": state_title,
        "reason_title": reason_title,
        "count": count,
        "day": day,
        "attention_title": attention_title,
        "oms_title": oms_title,
    }
    return made


def utc(moment: datetime | None) -> str:
    """``2026-05-31 14:00``, in UTC; empty for ``None``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else ""


def iso(moment: datetime) -> str:
    """For the attribute ``datetime`` of a ``<time>`` element."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """The time since ``moment`` in its largest unit, such as ``3 days`` or ``1 hour``; empty for ``None``."""
    if moment is None:
        return ""
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if number := max(0, seconds) // size:
            return f"{number} {unit}{'s' * (number != 1)}"
    return "less than a minute"


def money(minor: int | None, currency: str) -> str:
    """``1,234.50 USD`` from minor units; empty without an amount. Unknown currencies show the minor units."""
    if minor is None:
        return ""
    decimals = CURRENCIES.get(currency)
    if decimals is None:
        return f"{minor:,} {currency}".strip()
    return f"{from_minor(minor, decimals):,} {currency}"


def count(number: int) -> str:
    """A whole number with thousands separators."""
    return f"{number:,}"


def day(at: date) -> str:
    """A day of a chart, such as ``Thu 26 Nov``."""
    return f"{at:%a} {at.day} {at:%b}"


_STATE_TITLES: Mapping[str, str] = {"in_doubt": "In doubt"}


def state_title(state: str) -> str:
    """A state as a title; states not in the table (of other repositories) are shown as they are."""
    return _STATE_TITLES.get(state, state.capitalize()) if state in STATES else state


_ATTENTION_TITLES: Mapping[str, str] = {
    "write_back": "Write-back failed",
    "cancelled": "Cancelled by its source",
    "status": "Order status to decide",
    "parcel": "Parcel to decide",
}


def attention_title(kind: str) -> str:
    """A kind of ``ledger.attention`` as a title."""
    return _ATTENTION_TITLES.get(kind) or state_title(kind)


_OMS_TITLES: Mapping[str, str] = {NO_ANSWER: "No answer yet", UNANSWERED: "Last question unanswered"}


def oms_title(choice: str) -> str:
    """One of ``OMS_CHOICES`` as a title."""
    return _OMS_TITLES.get(choice) or choice.replace("_", " ").capitalize()


def reason_title(code: str) -> str:
    """A reason code's title; an unknown code as words; empty for none."""
    advice = advice_for(code) if code else None
    return advice.title if advice else code.replace("_", " ")
