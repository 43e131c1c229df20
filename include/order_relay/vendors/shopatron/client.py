"""The OMS as a destination: a session imports orders through ``http.sending.delivery`` and searches them.

Source: docs/vendors/shopatron.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.auth.oauth import AsyncTokenCache
from order_relay.http.sending.delivery import GuardedSender, open_guarded_session, read_bounded
from order_relay.http.throttle import AdaptiveThrottle, retry_after_s
from order_relay.orders.messages import SearchResult, SendResult
from order_relay.vendors.shopatron import search
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.order_view import payload_traits
from order_relay.vendors.shopatron.outcomes import IMPORT_OUTCOMES, classify, is_throttle
from order_relay.vendors.shopatron.token import fetch_token

if TYPE_CHECKING:
    from order_relay.orders.schema.validator import VendorFormat

SEARCH_BYTES = 33_554_432
SEARCH_WAIT_S = 60.0


class ShopatronSession:
    """An open session, made by ``ShopatronClient.session``; for one event loop and any number of workers."""

    def __init__(self, http: aiohttp.ClientSession, settings: OmsSettings, share: int) -> None:
        self._http = http
        self._settings = settings
        self._base = settings.base_url.rstrip("/") + "/"
        fetch = partial(fetch_token, http, settings.token_url, settings.api_key, settings.secret)
        self._tokens = AsyncTokenCache(fetch)
        self.limits = AdaptiveThrottle(settings.requests_per_s / share)
        self._headers_of = ("", CIMultiDict[str]())
        self._sender = GuardedSender(
            http,
            URL(self._base + "importOrder/", encoded=True),
            self._tokens,
            self.limits,
            headers=self._headers,
            classify=classify,
            credential_statuses=IMPORT_OUTCOMES.credentials,
            secrets=(settings.api_key, settings.secret),
        )

    async def sign_in(self) -> None:
        """Fetch the token before anything is claimed.

        Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
        """
        await self._tokens.get()

    async def wait_for_slot(self, max_wait_s: float) -> None:
        """See ``DestinationSession.wait_for_slot``."""
        await self.limits.turn(max_wait_s)

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """See ``DestinationSession.send``."""
        return await self._sender.send(payload, destination_key, not_after=not_after)

    def _headers(self, token: str) -> CIMultiDict[str]:
        """The headers of a request, built once per token."""
        if self._headers_of[0] != token:
            headers = CIMultiDict(
                {
                    **self._settings.headers,
                    "API-Key": self._settings.api_key,
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                }
            )
            self._headers_of = (token, headers)
        return self._headers_of[1]

    async def find_by_key(self, destination_keys: Sequence[str]) -> SearchResult:
        """See ``DestinationSession.find_by_key``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._checked(await search.find_by_key(self, self._settings.order_view, destination_keys))

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        """See ``DestinationSession.find_by_window``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        names = (self._settings.search_from, self._settings.search_to)
        return self._checked(await search.find_by_window(self, self._settings.order_view, names, start, end))

    async def find_any(self) -> SearchResult:
        """See ``DestinationSession.find_any``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._checked(await search.find_any(self, self._settings.order_view))

    async def read_order(self, oms_id: str) -> SearchResult:
        """See ``DestinationSession.read_order``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return await search.get_order(self, self._settings.order_view, oms_id)

    def _checked(self, page: SearchResult) -> SearchResult:
        """Adds the URL to a failed page. Raises ``ConfigurationError`` if the URL is the reason."""
        if not page.problem:
            return page
        where = f"GET {self._base}order/"
        if search.is_configuration(page.problem):
            status = page.problem.removeprefix("http_")
            raise ConfigurationError(
                f"{where} answered HTTP {status}: there is no order search at this URL. Check host and path of the "
                "connection; the documented path ends with /api/v2"
            )
        return replace(page, where=where)

    async def get(self, path: str, query: Mapping[str, str]) -> search.SearchReply:
        """One GET. Pauses of up to a minute are waited for; a refused token is renewed once.

        Raises ``ConfigurationError`` or ``ThrottledError``. A failure is a ``SearchReply`` with its status, or 0.
        """
        url = URL(self._base + path).with_query(query)
        renewed = False
        while True:
            await self.limits.turn(SEARCH_WAIT_S)
            try:
                token = await self._tokens.get()
                reply, headers = await self._get(url, token)
            except ThrottledError as error:
                self.limits.throttled(error.wait_s)
                continue
            except TransientError:
                return search.SearchReply(0)
            if is_throttle(reply.status, headers):
                self.limits.throttled(retry_after_s(headers))
            elif reply.status not in IMPORT_OUTCOMES.credentials:
                return reply
            elif renewed:
                raise ConfigurationError(
                    f"the OMS refused the API key or a new token (HTTP {reply.status}, GET {url.with_query(None)}): "
                    "check login and password of the connection"
                )
            else:
                renewed = True
                await self._tokens.replace(token)

    async def _get(self, url: URL, token: str) -> tuple[search.SearchReply, Mapping[str, str]]:
        try:
            async with (
                failpoint("destination search"),
                self._http.get(url, headers=self._headers(token), allow_redirects=False) as response,
            ):
                body = await read_bounded(response, SEARCH_BYTES)
                return search.SearchReply(response.status, body), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"the OMS could not be read ({type(error).__name__})") from error


class ShopatronClient:
    """The destination. It only opens sessions and keeps no connection itself."""

    def __init__(self, settings: OmsSettings, vendor_format: VendorFormat) -> None:
        self.settings = settings
        self.format = vendor_format
        self.expected_traits = payload_traits
        self.account = settings.account
        self.search_by = settings.search_by
        self.timeout_s = settings.timeout_s
        self.visible_after_s = settings.visible_after_s
        self.connections = settings.connections

    def session(self, share: int) -> AbstractAsyncContextManager[ShopatronSession]:
        """A session with one ``share``-th of the limits; its token is fetched on entering.

        Entering raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
        """
        return _open_session(self.settings, max(1, share))


@asynccontextmanager
async def _open_session(settings: OmsSettings, share: int) -> AsyncIterator[ShopatronSession]:
    connections = max(1, settings.connections // share)
    async with open_guarded_session(
        connections, settings.timeout_s, trust_env=settings.trust_env, http=settings.http
    ) as http:
        session = ShopatronSession(http, settings, share)
        await session.sign_in()
        yield session
