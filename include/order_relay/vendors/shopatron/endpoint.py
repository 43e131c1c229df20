"""``/shopatron/events``: notifications of the OMS about orders (docs/vendors/shopatron.md, "Notifications").

A notification is a hint, never a status: it makes its order due, and the order's own detail is read by the next run.
The vendor documents no signature, hence the secret. It sends a notification again for 14 days unless it is answered
with 200 within 45 seconds; so one about an unknown order is accepted as well.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from order_relay.endpoints.dependencies import Deployment
from order_relay.endpoints.logins import LoginGuard
from order_relay.endpoints.requests import RequestRejectedError, WorkThrottle, read_body, to_rejection
from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.http.json.strict_json import read_value
from order_relay.http.sending.outcomes import read_number_id
from order_relay.pipeline.settings.pipeline import load_file, pipeline_files
from order_relay.pipeline.settings.sections import VendorAccount
from order_relay.vendors.shopatron.connection import OmsSettings

VENDOR = __package__.rpartition(".")[2]
MAX_BYTES = 1_048_576

log = logging.getLogger(__name__)


def create_app(deployment: Deployment) -> FastAPI:
    """The app to be mounted at ``/shopatron``."""
    app = FastAPI(openapi_url=None)
    receiver, throttle, logins = NotificationReceiver(deployment), WorkThrottle(), LoginGuard("Shopatron")

    async def events(request: Request) -> JSONResponse:
        try:
            accounts = await logins.check(
                request, lambda: anyio.to_thread.run_sync(receiver.authorized, request.headers)
            )
            body = await read_body(request, MAX_BYTES)
            known = await throttle.run(lambda: receiver.receive(accounts, body))
            return JSONResponse({"known": known})
        except Exception as error:
            return _error_response(to_rejection(error))

    async def unknown(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 400
        return _error_response(RequestRejectedError(status, "only POST /events is served"))

    app.add_api_route("/events", events, methods=["POST"], response_model=None)
    app.add_exception_handler(HTTPException, unknown)
    return app


class NotificationReceiver:
    """Makes the orders of notifications due."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._parties = cache(_parties)

    def authorized(self, headers: Any) -> list[str]:
        """The accounts whose secret is in the headers. Raises ``RequestRejectedError`` (401) if there is none."""
        found = [
            settings.account
            for settings in self._settings()
            if _is_right(headers.get(settings.notification_header, ""), settings.notification_secret)
        ]
        if not found:
            raise RequestRejectedError(401, "the secret is missing or wrong")
        return found

    def receive(self, accounts: list[str], body: bytes) -> bool:
        """Make the order of a notification due; returns whether it is one of ours. May be repeated.

        Raises ``MalformedResponseError`` if the body names no order.
        """
        document = read_value(body, "the body").document
        order_id = read_number_id(document.get("orderID")) if isinstance(document, dict) else ""
        key = document.get("externalOrderID") if isinstance(document, dict) else None
        key = key if isinstance(key, str) else ""
        if not order_id and not key:
            raise MalformedResponseError("the notification has neither orderID nor externalOrderID")
        questions = self._deployment.ledger.oms_questions
        return any(questions.make_due(account, order_id, key[:200]) is not None for account in accounts)

    def _settings(self) -> Iterator[OmsSettings]:
        """The settings of the accounts with pipelines, each once. An invalid connection must not affect the others."""
        seen = set()
        for party in self._parties():
            connection = self._deployment.connection(party.connection)
            if connection is None:
                continue
            try:
                extra = {**connection.extra, **party.options}
                settings = OmsSettings.from_connection(replace(connection, extra=extra))
            except ConfigurationError as error:
                log.error("account not served: %s", error)  # noqa: TRY400 - the message is sufficient
                continue
            if settings.account not in seen:
                seen.add(settings.account)
                yield settings


def _parties() -> tuple[VendorAccount, ...]:
    """The destinations of the pipelines with valid files. An invalid file must not affect the others."""

    def valid() -> Iterator[VendorAccount]:
        for path in pipeline_files().values():
            try:
                party = load_file(path).destination
            except ConfigurationError as error:
                log.error("pipeline not served: %s", error)  # noqa: TRY400 - the message is sufficient
                continue
            if party.vendor == VENDOR:
                yield party

    return tuple(valid())


def _is_right(header: str, secret: str) -> bool:
    """Whether the header is the secret, or Basic credentials with it as password. An empty secret matches nothing."""
    given = [header.strip()]
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            given.append(base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2])
        except (binascii.Error, ValueError):
            return False
    matches = [hmac.compare_digest(one.encode("utf-8", "replace"), secret.encode()) for one in given]
    return bool(secret) and any(matches)


def _error_response(error: RequestRejectedError) -> JSONResponse:
    return JSONResponse({"error": error.message}, error.status, headers=error.headers)
