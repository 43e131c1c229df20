"""The list of orders: filters, pages and malformed lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from yarl import URL

from order_relay_sandbox.cloudsuite import rendering
from order_relay_sandbox.cloudsuite.errors import Refused
from order_relay_sandbox.cloudsuite.store import Order, OrderStore
from order_relay_sandbox.cloudsuite.switches import CloudSuiteSwitches

STATES = ("draft", "quotation", "confirmed", "processing", "done", "cancel")

_PAGING = ("limit", "offset")
_DATE_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")

Test = Callable[[Order], bool]


def page(request: web.Request, store: OrderStore) -> tuple[dict[str, Any], list[Order]]:
    """The envelope of one page and its orders; raises ``Refused`` (400) for an invalid filter."""
    switches = store.switches
    tests = _tests(request.query, store)
    matching = [order for order in store.all() if all(test(order) for test in tests)]
    if switches.order_of_list == "newest_first":
        matching.reverse()
    limit, offset = _limit(request.query.get("limit"), switches), _natural(request.query.get("offset")) or 0
    chosen = matching[offset : offset + limit]
    url = _base(request, switches)
    return {
        "count": len(matching),
        "next": _link(url, limit, offset + limit) if offset + limit < len(matching) else None,
        "previous": _link(url, limit, max(offset - limit, 0)) if offset > 0 else None,
        "results": [rendering.summary(store, order) for order in chosen],
    }, chosen


def spoiled(envelope: dict[str, Any], answer: str) -> web.Response:
    """A list malformed as ``answer`` specifies."""
    whole = json.dumps(envelope)
    texts = {
        "not_json": "Service temporarily busy, please try again\n",
        "truncated": whole[: len(whole) * 2 // 3],
        "no_results": json.dumps({"count": envelope["count"]}),
        "results_object": json.dumps(envelope | {"results": {"orders": envelope["results"]}}),
        "entry_without_id": json.dumps(envelope | {"results": [{"reference": "CS1"}, *envelope["results"]]}),
        "count_text": json.dumps(envelope | {"count": "many"}),
    }
    return web.Response(text=texts[answer], content_type="application/json")


def _tests(query: Mapping[str, str], store: OrderStore) -> list[Test]:
    parsers: dict[str, Callable[[str], Test]] = {
        "state": _state,
        "offline": _offline,
        "reference": lambda text: lambda o: o.document["reference"] == text,
        store.switches.webshop_parameter: lambda text: lambda o: str(o.document["webshop"]) == text,
        "confirm_date__gte": lambda text: _confirmed(text, store, lambda at, bound: at >= bound),
        "confirm_date__lte": lambda text: _confirmed(text, store, lambda at, bound: at <= bound),
    }
    unknown = [name for name in query if name not in parsers and name not in _PAGING]
    if unknown and store.switches.unknown_parameters == "error":
        raise Refused(400, {name: ["Unknown filter."] for name in unknown})
    tests, wrong = [], {}
    for name, text in query.items():
        if name in parsers:
            try:
                tests.append(parsers[name](text))
            except ValueError as error:
                wrong[name] = [str(error)]
    if wrong:
        raise Refused(400, wrong)
    return tests


def _state(text: str) -> Test:
    if text not in STATES:
        raise ValueError(f"{text} is not one of the available choices.")
    return lambda order: order.document["state"] == text


def _offline(text: str) -> Test:
    if text.lower() not in ("true", "false"):
        raise ValueError("Must be true or false.")
    return lambda order: order.offline == (text.lower() == "true")


def _confirmed(text: str, store: OrderStore, holds: Callable[[datetime, datetime], bool]) -> Test:
    """A time bound in the shops' local time, like every date of the API."""
    for form in _DATE_FORMS:
        try:
            bound = datetime.strptime(text, form).replace(tzinfo=store.zone)
        except ValueError:
            continue
        return lambda order: order.confirmed is not None and holds(order.confirmed, bound)
    raise ValueError("Enter a valid date and time.")


def _limit(text: str | None, switches: CloudSuiteSwitches) -> int:
    wished = _natural(text) or switches.page_size
    if wished > switches.max_page_size and switches.over_max_page == "error":
        raise Refused(400, {"limit": [f"At most {switches.max_page_size}."]})
    return min(wished, switches.max_page_size)


def _natural(text: str | None) -> int | None:
    """A number of digits only; anything else is ignored, as the likely framework does."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _base(request: web.Request, switches: CloudSuiteSwitches) -> URL:
    url = request.url.without_query_params(*_PAGING)
    return url if not switches.next_host else URL(switches.next_host).join(url.relative())


def _link(url: URL, limit: int, offset: int) -> str:
    return str(url.update_query(limit=limit, offset=offset))
