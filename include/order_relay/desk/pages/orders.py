"""``/orders``: the list of orders with filters, search, saved views and export. The customer PO is shown to viewers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from order_relay.desk.access import Operator, Principal, Viewer
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.rendering import done, oms_title, reason_title, render, state_title
from order_relay.errors import ConfigurationError
from order_relay.ledger.listing.order_filter import (
    CHANGED,
    NUMBER,
    OMS_CHOICES,
    RECEIVED,
    OrderFilter,
    OrderSort,
    parse_filter,
    parse_sort,
)
from order_relay.ledger.listing.order_list import OrderPage
from order_relay.ledger.schema.states import State
from order_relay.orders.table_cells import BYTE_ORDER_MARK
from order_relay.pipeline.report.order_export import MAX_EXPORTED, csv_portions

router = APIRouter()

PAGE = 50
_ONE = ("q", "reason", "run", "received_from", "received_to", "changed_from", "changed_to", "timezone", "waiting")
_MANY = ("pipeline", "state", "oms")
WAITING = ((3_600, "1 hour"), (4 * 3_600, "4 hours"), (86_400, "1 day"), (3 * 86_400, "3 days"), (7 * 86_400, "7 days"))

Values = dict[str, list[str]]


@router.get("/orders")
async def show(request: Request, desk: Desk, user: Viewer) -> Response:
    """One page of the list; a search that identifies one order opens it."""
    values = _values(request.url.query)
    found = parse_filter(values, user.pipelines)
    sort = _sort(request, found)
    cursor = request.query_params.get("after")
    only, page, reasons, views = await desk.run(lambda: _load(desk, user, found, sort, cursor))
    if only is not None and cursor is None:
        return RedirectResponse(f"orders/{only}", 303)
    return render(
        request,
        "orders.html",
        title="Orders",
        page=page,
        columns=[_column(values, sort, key, title) for key, title in _COLUMNS],
        links={name: _query(values, sort=str(sort), after=getattr(page, name)) for name in ("next", "previous")},
        query=_query(values, sort=str(sort)),
        export=_query(values),
        values=values,
        filtered=any(values.values()),
        described=_described(values),
        by_receipt=_query(values) if sort.key != RECEIVED and (found.received_from or found.received_before) else "",
        states=list(State),
        oms_choices=OMS_CHOICES,
        reasons=sorted({*reasons, *values.get("reason", ())}),
        waiting=WAITING,
        views=views,
        limit=MAX_EXPORTED,
    )


@router.get("/orders.csv")
async def export(request: Request, desk: Desk, user: Viewer) -> Response:
    """The orders of the filter as CSV."""
    found = parse_filter(_values(request.url.query), user.pipelines)
    portions = csv_portions(desk.ledger.order_list.stream(found, MAX_EXPORTED + 1))
    # the first ones now, so that an error becomes a page
    begun = await desk.run(lambda: list(islice(portions, 2)))
    name = f"orders-{datetime.now(UTC):%Y%m%d-%H%M}.csv"
    return StreamingResponse(
        _texts(desk, begun, portions),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.post("/orders/views")
async def save_view(
    desk: Desk,
    user: Operator,
    name: Annotated[str, Form()],
    query: Annotated[str, Form()] = "",
    shared: Annotated[bool, Form()] = False,
) -> Response:
    """Save a filter for the user."""
    values = _values(query)
    parse_filter(values, user.pipelines)
    sort = str(parse_sort(parse_qs(query).get("sort", [""])[-1]))
    await desk.run(lambda: desk.ledger.saved_views.save(user.name, name, _query(values, sort=sort), shared=shared))
    return done(f"The view {name.strip()} is saved.")


@router.post("/orders/views/{view}/rename")
async def rename_view(desk: Desk, user: Operator, view: int, name: Annotated[str, Form()]) -> Response:
    """Rename one of the user's views."""
    if not await desk.run(lambda: desk.ledger.saved_views.rename(user.name, view, name)):
        raise not_found("The view")
    return done(f"The view is now named {name.strip()}.")


@router.post("/orders/views/{view}/delete")
async def delete_view(desk: Desk, user: Operator, view: int) -> Response:
    """Delete one of the user's views."""
    if not await desk.run(lambda: desk.ledger.saved_views.delete(user.name, view)):
        raise not_found("The view")
    return done("The view is deleted.")


def _load(
    desk: DeskDeployment, user: Principal, found: OrderFilter, sort: OrderSort, cursor: str | None
) -> tuple[int | None, OrderPage, list[str], list[Any]]:
    """The only order that the search identifies, the page, reasons for the filter, and saved views."""
    listed = desk.ledger.order_list
    identified = listed.identified(found) if found.search else []
    page = listed.page(found, sort, cursor, PAGE)
    only = identified[0] if len(identified) == 1 else None
    return only, page, listed.reasons(user.pipelines), list(desk.ledger.saved_views.visible_to(user.name))


async def _texts(desk: DeskDeployment, begun: list[str], portions: Iterator[str]) -> AsyncIterator[str]:
    yield BYTE_ORDER_MARK
    for text in begun:
        yield text
    while more := await desk.run(lambda: list(islice(portions, 1))):
        yield more[0]


# URLs

_COLUMNS = (
    (NUMBER, "Number"),
    ("", "Pipeline"),
    ("", "State"),
    ("", "Reason"),
    ("", "Total"),
    ("", "Customer PO"),
    (RECEIVED, "Received"),
    (CHANGED, "Last change"),
    ("", "OMS id"),
    ("", "Shipped"),
)


def _values(query: str) -> Values:
    """The filter's parameters in a query string."""
    try:
        given = parse_qs(query, max_num_fields=100)
    except ValueError:
        raise ConfigurationError("the filter has too many parameters") from None
    one = {name: given[name][-1:] for name in _ONE if name in given}
    return one | {name: given[name] for name in _MANY if name in given}


def _sort(request: Request, found: OrderFilter) -> OrderSort:
    """The sort of the URL. By default the last change; with a period of receipt, the time of receipt."""
    text = request.query_params.get("sort", "")
    if not text and (found.received_from or found.received_before):
        return OrderSort(RECEIVED)
    return parse_sort(text)


def _query(values: Values, **more: str | None) -> str:
    return urlencode([*((n, v) for n, of in values.items() for v in of), *((n, v) for n, v in more.items() if v)])


def _described(values: Values) -> list[str]:
    """The filter in words, for the heading of its form."""
    labels = {"q": "search", "run": "run", "received_from": "received from", "received_to": "received to"}
    labels |= {"changed_from": "changed from", "changed_to": "changed to"}
    waiting = {str(seconds): label for seconds, label in WAITING}
    return [
        *map(state_title, values.get("state", ())),
        *values.get("pipeline", ()),
        *(f"{oms_title(one)} at the OMS" for one in values.get("oms", ())),
        *map(reason_title, values.get("reason", ())),
        *(f"unchanged for {waiting.get(text, f'{text} seconds')}" for text in values.get("waiting", ())),
        *(f"{label} {text}" for name, label in labels.items() for text in values.get(name, ())),
    ]


def _column(values: Values, sort: OrderSort, key: str, title: str) -> dict[str, str]:
    """A column's heading; a sortable one links to the list sorted by it, first descending for times."""
    if not key:
        return {"title": title, "query": "", "sorted": ""}
    now = sort.key == key
    following = OrderSort(key, not sort.descending if now else key != NUMBER)
    direction = "descending" if sort.descending else "ascending"
    return {"title": title, "query": _query(values, sort=str(following)), "sorted": direction if now else "none"}
