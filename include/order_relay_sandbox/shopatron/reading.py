"""Reading from the OMS: order search, single orders and the catalogue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import UTC
from itertools import chain
from typing import Any

from aiohttp import web

from order_relay_sandbox import money
from order_relay_sandbox.shopatron.fulfilment import item_id, progress, shipment_row
from order_relay_sandbox.shopatron.gateway import oms_error
from order_relay_sandbox.shopatron.store import Order, OrderBook, moment
from order_relay_sandbox.shopatron.switches import ShopatronSwitches

DEFAULT_PER_PAGE, MAX_PER_PAGE = 10, 100
_PAGING = ("page", "perPage")

Test = Callable[[Order], bool]


class BadSearch(ValueError):
    """A search that fails with an OMS code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def search(request: web.Request, book: OrderBook, switches: ShopatronSwitches) -> web.Response:
    """One page of the orders that match every parameter, newest first."""
    try:
        tests, candidates = _criteria(dict(request.query), book, switches)
        page, per_page = _paging(request, switches)
    except BadSearch as bad:
        return oms_error(bad.code, str(bad))
    now = asyncio.get_running_loop().time()
    found = [o for o in candidates if o.visible_at <= now and all(test(o) for test in tests)]
    rows = [row(order, switches) for order in _arranged(found, book, switches)]
    if switches.shifting_pages:
        # With every page that a client reads, another order arrives and moves all others down by one.
        rows = [*_strangers(page - switches.first_page), *rows]
    if not rows and switches.no_match == "empty_body":
        return web.Response(status=200, content_type="application/json")
    if not rows and switches.no_match == "not_found":
        return oms_error(5002, "no order matches")
    start = 0 if switches.search_pages == "ignored" else (page - switches.first_page) * per_page
    shown = rows[start : start + per_page]
    total = {"exact": len(rows), "of_page": len(shown), "too_high": len(rows) + 1}[switches.search_total]
    return web.json_response({"totalCount": total, "collection": shown})


def _arranged(found: list[Order], book: OrderBook, switches: ShopatronSwitches) -> list[Order]:
    """The rows and order of a search result, including the errors set by switches."""
    if switches.search_snapshot >= 0:
        known = set(book.first(switches.search_snapshot))
        found = [order for order in found if order.order_id in known]
    if switches.search_one_per_id:
        found = list({order.external_id: order for order in found}.values())
    if switches.search_order == "oldest":
        found = sorted(found, key=lambda order: order.order_id)
    elif switches.search_order == "shuffled":
        found = sorted(found, key=lambda order: order.order_id * 7919 % 1009)
    return found[: switches.search_most_rows] if switches.search_most_rows else found


def _criteria(
    query: dict[str, str], book: OrderBook, switches: ShopatronSwitches
) -> tuple[list[Test], Iterable[Order]]:
    tests: list[Test] = []
    narrowed: Iterable[Order] | None = None
    supported = 0
    for name, value in query.items():
        if name in _PAGING:
            continue
        if name == "externalOrderID" and switches.search_external_id == "supported":
            wanted = _honoured(_terms(value, switches), switches)
            narrowed = chain.from_iterable(book.with_external(term) for term in dict.fromkeys(wanted))
        elif name == "externalOrderID" and switches.search_external_id == "ignored":
            pass  # neither an error nor a filter: the page is unfiltered
        elif name == "orderID":
            ids = [_id(term) for term in _terms(value, switches)]
            narrowed = [order for one in dict.fromkeys(ids) if (order := book.get(one)) is not None]
        elif (test := _test(name, value, switches)) is not None:
            tests.append(test)
        elif switches.unknown_parameters == "error":
            raise BadSearch(5016, f"parameter {name} is not supported")
        else:
            continue
        supported += 1
    if not query:
        raise BadSearch(5010, "a parameter is required")
    if not supported:
        raise BadSearch(5017, "no valid parameter")
    return tests, book.newest_first() if narrowed is None else narrowed


def _test(name: str, value: str, switches: ShopatronSwitches) -> Test | None:
    if name == "manufacturerID":
        manufacturer = _id(value)
        if switches.search_manufacturer == "ignored":
            return lambda _: True
        return lambda order: order.manufacturer_id == manufacturer
    if name == "orderStatus":
        wanted = {_spelled(status, switches) for status in value.split(",")}
        return lambda order: _spelled(order.status, switches) in wanted
    if name in switches.date_from_parameters or name in switches.date_to_parameters:
        return _date_test(name, value, switches)
    return None


def _date_test(name: str, value: str, switches: ShopatronSwitches) -> Test:
    # A plus sign that was not escaped arrives as a space.
    limit = moment(value.replace(" ", "+"))
    if limit is None:
        raise BadSearch(5014, f"parameter {name} is not a date-time")
    bound = limit

    def date(order: Order) -> Any:
        return order.created if switches.date_means == "original" else order.imported

    if name in switches.date_from_parameters:
        return lambda order: bool(date(order) >= bound)
    return lambda order: bool(date(order) <= bound)


def _terms(value: str, switches: ShopatronSwitches) -> list[str]:
    terms = value.split(",")
    if len(terms) > switches.max_terms:
        raise BadSearch(5014, f"at most {switches.max_terms} values are allowed")
    return terms


def _honoured(terms: list[str], switches: ShopatronSwitches) -> list[str]:
    if switches.search_terms == "short":
        short = ",".join(terms)[:60]
        return short.split(",") if len(short) == len(",".join(terms)) else short.split(",")[:-1]
    return {
        "all": terms,
        "first": terms[:1],
        "last": terms[-1:],
        "first_two": terms[:2],
        "every_second": terms[::2],
        "ends": [*terms[:1], *terms[-1:]],
    }[switches.search_terms]


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadSearch(5013, "an id must be a number")
    return int(text)


def _paging(request: web.Request, switches: ShopatronSwitches) -> tuple[int, int]:
    page = _paging_number(request, "page", switches.first_page)
    per_page = _paging_number(request, "perPage", DEFAULT_PER_PAGE)
    if per_page > MAX_PER_PAGE and switches.over_max_per_page == "clamp":
        per_page = MAX_PER_PAGE
    if page < switches.first_page or not 1 <= per_page <= MAX_PER_PAGE:
        raise BadSearch(5014, f"page starts at {switches.first_page}, perPage is 1 to {MAX_PER_PAGE}")
    return page, per_page


def _paging_number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadSearch(5014, f"{name} must be a number")
    return int(text)


def row(order: Order, switches: ShopatronSwitches) -> dict[str, Any]:
    """An order as a search shows it."""
    progress(order, switches)
    status = _spelled(order.status, switches)
    amount = _amount(order.total)
    shown = {
        "orderID": order.order_id,
        "externalOrderID": order.external_id,
        "manufacturerID": order.manufacturer_id,
        "orderType": "STANDARD",
        "isTestOrder": order.is_test,
        "deliveryMethod": "SHIP_TO_HOME",
        "orderCurrency": order.currency,
        "orderDate": order.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "orderState": "CANCELED" if status == switches.cancelled_spelling else "NORMAL",
        "orderStatus": status,
        "total": amount,
        "customerTotal": amount,
    }
    if not switches.rows_carry_external_id:
        del shown["externalOrderID"]
    if not switches.rows_carry_manufacturer:
        del shown["manufacturerID"]
    if not switches.rows_carry_total:
        del shown["total"], shown["customerTotal"]
    return shown


def detail(order: Order, switches: ShopatronSwitches) -> dict[str, Any]:
    """An order as get order (and a successful import) shows it."""
    shown = row(order, switches) | {"externalOrderID": order.external_id, "manufacturerID": order.manufacturer_id}
    if not switches.order_carries_external_id:
        del shown["externalOrderID"]
    if not switches.order_carries_manufacturer:
        del shown["manufacturerID"]
    shown["orderItems"] = [_item(order, n, switches) for n in range(order.items)]
    if switches.order_shows == "all" and order.body:
        _as_imported(shown, json.loads(order.body))
    return shown


def _item(order: Order, position: int, switches: ShopatronSwitches) -> dict[str, Any]:
    """An item as get order shows it. Its quantity is invented."""
    state = switches.cancelled_spelling if position in order.cancelled_items else "NORMAL"
    shown: dict[str, Any] = {"orderItemID": item_id(order, position), "quantity": order.quantities[position]}
    return {**shown, "itemState": state} if switches.items_carry_state else shown


def _as_imported(shown: dict[str, Any], body: dict[str, Any]) -> None:
    """Customer, items and custom data as imported."""
    customer = body.get("customer") or {}
    shown["customer"] = {name: customer.get(name) for name in ("firstName", "lastName", "email")}
    shown["customOrderData"] = body.get("customOrderData")
    for item, sent in zip(shown["orderItems"], body["orderItems"], strict=False):
        item["product"] = {"partNumber": (sent.get("product") or {}).get("partNumber")}


def get_order(text: str, book: OrderBook, switches: ShopatronSwitches) -> web.Response:
    """One order by the OMS's id."""
    if not (text.isascii() and text.isdigit()):
        return oms_error(5013, "an id must be a number")
    order = book.get(int(text))
    if order is None:
        return oms_error(5002, "no such order")
    if switches.detail_answers == "other":
        order = next((one for one in book.newest_first() if one is not order), order)
    return web.json_response(detail(order, switches))


def shipments(request: web.Request, book: OrderBook, switches: ShopatronSwitches) -> web.Response:
    """One page of the shipments of an order (``orderID``), or with a switch those of all orders."""
    try:
        page, per_page = _paging(request, switches)
        wanted = book.get(_id(request.query.get("orderID", "")))
    except BadSearch as bad:
        return oms_error(bad.code, str(bad))
    if switches.shipment_search == "error":
        return oms_error(5016, "parameter orderID is not supported")
    orders = list(book.newest_first()) if switches.shipment_search == "ignored" else [wanted] if wanted else []
    for order in orders:
        progress(order, switches)
    found = [(order, parcel) for order in orders for parcel in order.shipments]
    rows = [shipment_row(order, parcel, switches) for order, parcel in found]
    if not rows and switches.no_match == "empty_body":
        return web.Response(status=200, content_type="application/json")
    start = (page - switches.first_page) * per_page
    return web.json_response({"totalCount": len(rows), "collection": rows[start : start + per_page]})


def catalog(request: web.Request, switches: ShopatronSwitches) -> web.Response:
    """The catalogue of a manufacturer, useful only to check key and manufacturer."""
    manufacturer = request.query.get("manufacturerID", "")
    if not manufacturer:
        return oms_error(5010, "manufacturerID is required")
    if not manufacturer.isdigit() or int(manufacturer) not in switches.manufacturer_ids:
        return oms_error(5004, "the token is not allowed to act for this manufacturer")
    entry = {"catalogID": 0, "manufacturerID": int(manufacturer), "name": "Sandbox catalogue"}
    return web.json_response({"totalCount": 1, "collection": [entry]})


def _spelled(status: str, switches: ShopatronSwitches) -> str:
    return switches.cancelled_spelling if status in ("CANCELLED", "CANCELED") else status


def _amount(total: int | str) -> float:
    return float(money.text(total)) if isinstance(total, int) else float(total) / 100


def _strangers(count: int) -> list[dict[str, Any]]:
    return [
        {"orderID": 9_900_000 + n, "externalOrderID": f"OTHER-{n}", "orderStatus": "READY"} for n in range(count, 0, -1)
    ]
