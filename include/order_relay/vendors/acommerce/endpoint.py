"""``/acommerce/events``: webhook deliveries of aCommerce.

A delivery is answered after its events are stored. Failures are answered with 429 and ``Retry-After``: the vendor
documents that it then sends more slowly, and the next poll fills any gap.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from order_relay.endpoints.dependencies import Deployment
from order_relay.endpoints.logins import LoginGuard
from order_relay.endpoints.requests import RequestRejectedError, WorkThrottle, read_body, to_rejection
from order_relay.errors import ConfigurationError, OrderRelayError, TransientError
from order_relay.http.json.strict_json import read_value
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import ParsedRecords, StatusPage
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.status_poll import StatusReader
from order_relay.pipeline.settings.pipeline import status_files
from order_relay.pipeline.settings.status_account import StatusSettings, WebhookSettings, load_status
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.webhooks import SIGNATURE_HEADER, is_genuine
from order_relay.wiring.statuses import status_reader

VENDOR = "acommerce"
ACTOR = "webhook"
MAX_RECORDS = 100
"""Records in one delivery; the vendor sends one."""

log = logging.getLogger(__name__)


def create_app(deployment: Deployment) -> FastAPI:
    """The app to be mounted at ``/acommerce``."""
    app = FastAPI(openapi_url=None)
    intake, throttle, logins = EventIntake(deployment), WorkThrottle(), LoginGuard("aCommerce")
    lock = anyio.Lock()
    in_flight = 0

    async def genuine(request: Request, limits: WebhookSettings) -> _Delivery:
        signature = request.headers.get(SIGNATURE_HEADER)
        if not signature:
            raise RequestRejectedError(400, f"the header {SIGNATURE_HEADER} is missing")

        async def verify() -> _Delivery:
            body = await read_body(request, limits.size_limit_bytes)
            return await anyio.to_thread.run_sync(intake.verified, body, signature)

        return await logins.check(request, verify)

    async def events(request: Request) -> JSONResponse:
        nonlocal in_flight
        limits = intake.limits
        if in_flight >= limits.at_once:
            return _error_response(_rate_limited(limits))
        in_flight += 1
        try:
            delivery = await genuine(request, limits)
            intake.enqueue(delivery)
            async with lock:
                if not delivery.done:  # otherwise an earlier request processed it too
                    await throttle.run(intake.process_pending)
            found = delivery.outcome()
            return JSONResponse({"orders": len(found.reports), "refused": len(found.rejected)})
        except Exception as error:
            refusal = to_rejection(error)
            return _error_response(refusal if refusal.status < 500 else _rate_limited(limits))
        finally:
            in_flight -= 1

    async def unknown(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 400
        return _error_response(
            RequestRejectedError(
                status,
                {404: "nothing is served at this path", 405: "only POST is served at this path"}.get(status, "refused"),
            )
        )

    app.add_api_route("/events", events, methods=["POST"], response_model=None)
    app.add_exception_handler(HTTPException, unknown)
    return app


@dataclass(frozen=True)
class _Account:
    settings: StatusSettings
    reader: StatusReader


@dataclass
class _Delivery:
    """A delivery with the right signature, and its result. ``identity``: of its account at the vendor."""

    body: bytes
    account: _Account
    identity: str
    reading: ParsedRecords | None = None
    error: Exception | None = None
    done: bool = False

    def outcome(self) -> ParsedRecords:
        """Its content once it is stored. Raises the error that prevented this."""
        if self.error is not None:
            raise self.error
        if self.reading is None or not self.done:
            raise TransientError("the delivery was not stored")
        return self.reading


class EventIntake:
    """Verifies deliveries, and stores them; those that arrive during a write are stored in one transaction."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._accounts = cache(_accounts)
        self._bound: set[tuple[str, str]] = set()
        self._waiting: deque[_Delivery] = deque()

    @property
    def limits(self) -> WebhookSettings:
        """The limits of the first account, because the account of a delivery is known only after it was read."""
        try:
            return next((found.settings.webhook for found in self._accounts()), WebhookSettings())
        except OrderRelayError:
            return WebhookSettings()

    def verified(self, body: bytes, signature: str) -> _Delivery:
        """The delivery of the account whose secret signed the body. All accounts are tried.

        Raises ``RequestRejectedError`` (401) if there is none.
        """
        found = None
        for account in self._accounts():
            party = account.settings.source
            connection = self._deployment.connection(party.connection)
            if connection is None:
                continue
            settings = AcommerceSettings.from_connection(
                replace(connection, extra={**connection.extra, **party.options})
            )
            if is_genuine(body, signature, settings):
                found = found or _Delivery(body, account, settings.account)
        if found is None:
            raise RequestRejectedError(401, "the signature is wrong")
        return found

    def enqueue(self, delivery: _Delivery) -> None:
        """Queue a verified delivery for ``process_pending``."""
        self._waiting.append(delivery)

    def process_pending(self) -> None:
        """Read and store all queued deliveries, in a thread; each result is the delivery's ``outcome``."""
        by_account: dict[str, list[_Delivery]] = defaultdict(list)
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        for delivery in taken:
            try:
                self._parse(delivery)
                by_account[delivery.account.settings.name].append(delivery)
            except Exception as error:
                delivery.error = error
        for account, deliveries in by_account.items():
            try:
                readings = [found.reading for found in deliveries if found.reading is not None]
                self._store(account, readings, deliveries[0].account.reader.shape.statuses.final)
            except Exception as error:
                for delivery in deliveries:
                    delivery.error = error
        for delivery in taken:
            delivery.done = True

    def _store(self, account: str, readings: Sequence[ParsedRecords], final: Sequence[str]) -> None:
        self._deployment.ledger.status_history.store(
            RunContext(account, ACTOR, ACTOR),
            [report for reading in readings for report in reading.reports],
            refused=[refused for reading in readings for refused in reading.rejected],
            origin=str(Channel.WEBHOOK),
            final=final,
        )

    def _parse(self, delivery: _Delivery) -> None:
        """Set the content. Raises ``RequestRejectedError`` (413: too many records) or ``MalformedResponseError``."""
        document = read_value(delivery.body, "the body").document
        records = document if isinstance(document, list) else [document]
        if len(records) > MAX_RECORDS:
            raise RequestRejectedError(413, f"more than {MAX_RECORDS} records in one delivery")
        self._bind(delivery.account.settings.name, delivery.identity)
        page = StatusPage(tuple(records), datetime.now(UTC))
        delivery.reading = delivery.account.reader.read(page, Channel.WEBHOOK)

    def _bind(self, name: str, account: str) -> None:
        if (name, account) not in self._bound:
            self._deployment.ledger.status_history.bind(name, account)
            self._bound.add((name, account))


def _accounts() -> tuple[_Account, ...]:
    """The accounts with a valid file. An invalid file must not affect the others."""

    def valid() -> Iterator[_Account]:
        for name in status_files():
            if name.startswith(f"{VENDOR}_"):
                try:
                    settings = load_status(name)
                    yield _Account(settings, status_reader(settings))
                except ConfigurationError as error:
                    log.error("account not served: %s", error)  # noqa: TRY400 - the message is sufficient

    return tuple(valid())


def _rate_limited(limits: WebhookSettings) -> RequestRejectedError:
    return RequestRejectedError(
        429,
        "too many requests, or temporarily unavailable; try again later",
        {"Retry-After": str(limits.retry_after_s)},
    )


def _error_response(error: RequestRejectedError) -> JSONResponse:
    return JSONResponse({"error": error.message}, error.status, headers=error.headers)
