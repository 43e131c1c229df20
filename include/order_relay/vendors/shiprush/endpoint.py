"""``/shiprush/orders``: the order feed that ShipRush polls, and the shipment notices that it sends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import anyio
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from order_relay import COMMAND
from order_relay.endpoints.dependencies import Deployment
from order_relay.endpoints.logins import LoginGuard
from order_relay.endpoints.requests import (
    NormalizePathMiddleware,
    RequestRejectedError,
    WorkThrottle,
    read_body,
    to_rejection,
)
from order_relay.errors import MalformedResponseError
from order_relay.ledger import ShipmentResult
from order_relay.ledger.fulfilment.feed_ids import feed_id
from order_relay.ledger.fulfilment.feed_index import FeedOrder
from order_relay.ledger.schema.states import State
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.pipeline.archive import describe_error
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.vendors.shiprush import feed
from order_relay.vendors.shiprush.connection import ShipRushSettings
from order_relay.vendors.shiprush.credentials import is_authorized, split_query
from order_relay.vendors.shiprush.dates import read_date
from order_relay.vendors.shiprush.notice import ORIGIN, read_notice, unreadable_notice
from order_relay.vendors.shiprush.parameters import Parameters
from order_relay.vendors.shiprush.statuses import status_of
from order_relay.vendors.shiprush.xml_text import line_text

CONNECTION = "shiprush_feed"
_CREDENTIALS = "order_relay.credentials"
_LAST_PAGE = 10**9
_XML = "application/xml; charset=utf-8"
_NOTICE = "shipnotify"
_FORM = "application/x-www-form-urlencoded"

log = logging.getLogger(__name__)


def create_app(parts: Deployment) -> FastAPI:
    """The app to be mounted at ``/shiprush``."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    service, throttle, logins = FeedService(parts), WorkThrottle(), LoginGuard("ShipRush")

    async def authenticated(request: Request) -> ShipRushSettings:
        if not any(_credentials(request)):  # guesses nothing, so it does not count
            raise service.refusal
        return await logins.check(request, lambda: anyio.to_thread.run_sync(service.authenticate, request))

    async def answer(request: Request, work: Callable[[ShipRushSettings], Awaitable[bytes]]) -> Response:
        try:
            settings = await authenticated(request)
            return Response(await work(settings), media_type=_XML, headers={"Cache-Control": "no-store"})
        except Exception as error:
            return _error_response(to_rejection(error))

    async def export(request: Request) -> Response:
        async def work(settings: ShipRushSettings) -> bytes:
            query = Parameters(request.query_params.multi_items())
            if request.method == "GET" and query.get("action", "").lower() == _NOTICE:  # some senders use GET
                return await throttle.run(lambda: service.notice(settings, query, b""))
            return await throttle.run(lambda: service.export(settings, query))

        return await answer(request, work)

    async def notice(request: Request) -> Response:
        async def work(settings: ShipRushSettings) -> bytes:
            query = Parameters(request.query_params.multi_items())
            try:
                body = await read_body(request, settings.size_limit_bytes)
            except RequestRejectedError as rejection:
                reason = rejection.message
                if not await throttle.run(lambda: service.keep(settings, query, reason)):
                    raise
                return _document("Received", {"Outcome": "unmatched"})
            if request.headers.get("content-type", "").lower().startswith(_FORM) and not body.lstrip().startswith(b"<"):
                query, body = Parameters([*request.query_params.multi_items(), *_form(body)]), b""
            return await throttle.run(lambda: service.notice(settings, query, body))

        return await answer(request, work)

    async def unknown(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        messages = {404: "nothing is served at this path", 405: "only GET, HEAD and POST are served at this path"}
        headers = {"Allow": "GET, HEAD, POST"} if status == 405 else {}
        return _error_response(RequestRejectedError(status, messages.get(status, "refused"), headers))

    app.add_api_route("/orders", export, methods=["GET", "HEAD"])
    app.add_api_route("/orders", notice, methods=["POST"])
    app.add_exception_handler(HTTPException, unknown)
    app.add_middleware(NormalizePathMiddleware)
    app.add_middleware(StripCredentialsMiddleware)
    return app


class StripCredentialsMiddleware:
    """Removes user name and password from the query string before anything, including the server, can log it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process the request."""
        if scope["type"] == "http":
            scope["query_string"], scope[_CREDENTIALS] = split_query(scope["query_string"])
        await self._app(scope, receive, send)


def _credentials(request: Request) -> tuple[str | None, dict[str, list[str]]]:
    """The header ``Authorization`` and what the query had."""
    return request.headers.get("authorization"), request.scope.get(_CREDENTIALS, {})


class FeedService:
    """Serves requests; each call runs in a thread."""

    def __init__(self, parts: Deployment) -> None:
        self._deployment = parts

    @property
    def refusal(self) -> RequestRejectedError:
        """The response to missing or wrong credentials."""
        challenge = {"WWW-Authenticate": 'Basic realm="orders"'}
        return RequestRejectedError(401, "user name or password is missing or wrong", challenge)

    def authenticate(self, request: Request) -> ShipRushSettings:
        """The feed's settings. Raises ``RequestRejectedError`` (401) without the right credentials."""
        connection = self._deployment.connection(CONNECTION)
        configured = connection is not None and connection.login and connection.password
        settings = ShipRushSettings.from_connection(connection) if connection is not None and configured else None
        if settings is None or not is_authorized(settings, *_credentials(request)):
            raise self.refusal
        return settings

    def export(self, settings: ShipRushSettings, query: Parameters) -> bytes:
        """One page of the feed. Raises ``RequestRejectedError`` (400) for an invalid request."""
        if wrong := _wrong_action(query, "export"):
            raise RequestRejectedError(400, wrong)
        if unclear := sorted(query.several.keys() & {"start_date", "end_date", "page"}):
            raise RequestRejectedError(400, f"{unclear[0]} has several different values")
        start, end = _parse_date(query, "start_date"), _parse_date(query, "end_date")
        if start > end:
            raise RequestRejectedError(400, "start_date is later than end_date")
        number = _parse_page(query)
        if number == 1:
            self._rendered(
                settings, self._deployment.ledger.feed_errors.omitted_orders(settings.pipelines or None)
            )  # they may be fixed now
        window = self._deployment.ledger.feed_index.modified_between(
            start,
            end,
            entered=State(settings.entered),
            pipelines=settings.pipelines or None,
            limit=settings.page_size,
            offset=(number - 1) * settings.page_size,
        )
        return self._page(self._rendered(settings, window.orders), -(-window.places // settings.page_size))

    def _rendered(self, settings: ShipRushSettings, orders: Sequence[FeedOrder]) -> dict[int, ET.Element]:
        """The orders' elements by id. Those that cannot be rendered are omitted and recorded in the ledger."""
        archived = self._deployment.archive.read([found.work for found in orders])
        key = self._deployment.ledger.feed_index.key() if orders else ""
        elements: dict[int, ET.Element] = {}
        problems: dict[int, str] = {}
        for found in orders:
            number, order = found.work.id, archived[found.work.id]
            problems[number] = order.problem
            if not order.problem:
                try:
                    elements[number] = feed.order_element(self._head(settings, found, key), order.order, order.lines)
                except Exception as error:
                    problems[number] = describe_error(error)
        self._note(problems)
        return elements

    def _page(self, orders: Mapping[int, ET.Element], pages: int) -> bytes:
        """The whole page, without orders that cannot be written."""
        try:
            return feed.render_page(list(orders.values()), pages)
        except Exception:
            unwritable = {number: problem for number, element in orders.items() if (problem := _unwritable(element))}
            if not unwritable:
                raise
            self._note(unwritable)
            return feed.render_page([element for number, element in orders.items() if number not in unwritable], pages)

    def _note(self, problems: Mapping[int, str]) -> None:
        for number in self._deployment.ledger.feed_errors.record(problems):
            log.warning("ShipRush feed omits submission %s: %s", number, problems[number])

    def _head(self, settings: ShipRushSettings, found: FeedOrder, key: str) -> feed.FeedHeader:
        work = found.work
        return feed.FeedHeader(
            feed_id(key, work),
            found.destination_key or work.order_number,
            settings.words[self.status(settings, found)],
            found.modified_at,
            found.first_offered_at,
            work.pipeline,
            found.sent_total,
            self._taxes(work.pipeline),
        )

    def _taxes(self, pipeline: str) -> frozenset[str]:
        """The charges of a pipeline that are sent as tax."""
        charges = self._deployment.pipeline(pipeline).transform.get("charges") or {}
        return frozenset(name for name, charge in charges.items() if charge.get("send") == "tax")

    def status(self, settings: ShipRushSettings, found: FeedOrder) -> str:
        """The status of an order, a key of ``statuses.WORDS``."""
        work = found.work
        cancelled = found.cancelled if settings.shop_cancellations == "stop" else found.cancelled_at is not None
        sent_as = found.sent_as or str(self._deployment.pipeline(work.pipeline).transform.get("order_status", "READY"))
        return status_of(work.state, shipped=found.shipped, cancelled=cancelled, sent_as=sent_as, oms=found.oms_reading)

    def notice(self, settings: ShipRushSettings, query: Parameters, body: bytes) -> bytes:
        """Record a shipment notice.

        A notice that is kept for an operator is answered with 200, because repeating it would not help. Raises
        ``MalformedResponseError`` if it names no order, ``RequestRejectedError`` (404) for an unknown order if the
        settings say so.
        """
        if wrong := _wrong_action(query, _NOTICE, ""):
            notice_data = unreadable_notice(query, body, wrong, settings.currency, query.several)
        else:
            notice_data = read_notice(query, body, settings.currency, query.several)
        result = self._record(settings, notice_data)
        if result.outcome == "unmatched" and not notice_data.raw and settings.unmatched_status != 200:
            raise RequestRejectedError(settings.unmatched_status, "unknown order; the notice was kept")
        return _document("Received", {"Outcome": result.outcome})

    def keep(self, settings: ShipRushSettings, query: Parameters, reason: str) -> bool:
        """Keep the query of a notice whose body was not read; returns whether it names an order."""
        try:
            notice_data = unreadable_notice(query, b"", reason, settings.currency, query.several)
        except MalformedResponseError:
            return False
        self._record(settings, notice_data)
        return True

    def _record(self, settings: ShipRushSettings, notice_data: Shipment) -> ShipmentResult:
        result = record_shipment(
            self._deployment.ledger,
            self._deployment.archive,
            ORIGIN,
            notice_data,
            pipelines=settings.pipelines or None,
            why="shipment notice",
        )
        if result.outcome in {"unmatched", "asked"}:
            log.warning(
                "parcel %s waits for an operator (%s); see '%s shipments --unmatched'",
                result.shipment_id,
                result.outcome,
                COMMAND,
            )
        return result


def _unwritable(element: ET.Element) -> str:
    try:
        feed.is_writable(element)
    except Exception as error:
        return describe_error(error)
    return ""


def _form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, which some senders use instead of the query."""
    return parse_qsl(body.decode("utf-8", "replace"))


def _wrong_action(query: Parameters, *actions: str) -> str:
    """The problem of the parameter ``action``; empty if it is one of ``actions``."""
    given = set(map(str.lower, query.several.get("action", (query.get("action", ""),))))
    if len(given) == 1 and given <= set(actions):
        return ""
    return f"action must be {actions[0]}, not {', '.join(repr(line_text(one, 30)) for one in sorted(given)[:3])}"


def _parse_date(query: Mapping[str, str], name: str) -> datetime:
    try:
        return read_date(query.get(name, ""))
    except ValueError:
        raise RequestRejectedError(400, f"{name} must be a date that exists, as MM/dd/yyyy HH:mm") from None


def _parse_page(query: Mapping[str, str]) -> int:
    text = query.get("page", "1").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) < _LAST_PAGE):
        raise RequestRejectedError(400, "page must be a whole number from 1")
    return int(text)


def _error_response(error: RequestRejectedError) -> Response:
    body = _document("Error", {"Code": str(error.status), "Message": error.message})
    return Response(body, error.status, headers=error.headers, media_type=_XML)


def _document(name: str, parts: Mapping[str, Any]) -> bytes:
    root = ET.Element(name)
    for part, text in parts.items():
        ET.SubElement(root, part).text = text
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made
