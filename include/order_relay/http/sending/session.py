"""A destination from its declaration: sessions that send orders, search them, and keep to the vendor's limits.

A vendor declares a ``DestinationApi``; ``HttpDestination`` with its settings implements the ports ``Destination`` and
``DestinationSession`` (``pipeline.ports``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from order_relay.connections import HttpOptions
from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.auth.credentials import ClientCredentials, Credentials, Grant
from order_relay.http.auth.oauth import MAX_TOKEN_RESPONSE_BYTES, AsyncTokenCache, TokenAndLifetime
from order_relay.http.sending import search
from order_relay.http.sending.delivery import GuardedSender, open_guarded_session, read_bounded
from order_relay.http.sending.outcomes import OutcomeTable
from order_relay.http.sending.search import NO_SEARCH, OrderSearch, SearchReply
from order_relay.http.throttle import MAX_CONSECUTIVE_THROTTLES, AdaptiveThrottle, retry_after_s
from order_relay.orders.fulfilment.oms_order import OmsOrder
from order_relay.orders.identity.traits import NO_TRAITS, Traits
from order_relay.orders.messages import SearchResult, SendResult

if TYPE_CHECKING:
    from order_relay.orders.schema.validator import VendorFormat

SEARCH_BYTES = 33_554_432
SEARCH_WAIT_S = 60.0


def no_traits(_: bytes) -> Traits:
    """For vendors whose searches show nothing to compare but the external id."""
    return NO_TRAITS


class StatusReading(Protocol):
    """How a vendor's orders are read after their import; see ``OrderStatusReader.read_status``."""

    async def __call__(  # noqa: D102
        self, reader: search.SearchReader, oms_id: str, destination_key: str, *, shipments: bool = True
    ) -> OmsOrder: ...


@dataclass(frozen=True, kw_only=True)
class DestinationApi:
    """What is particular to a vendor's API for orders.

    ``name``: in messages. ``import_path``: where orders are sent, relative to the base URL; ``{key}`` is replaced by
    the destination key. ``headers``: of every request, besides the content type and the credentials'.
    ``requests_per_minute``: the limit that the vendor documents, for the whole run (0: none). ``idempotent``: see
    ``Destination.idempotent``; required for other methods than POST, which proxies may repeat. ``search``: if orders
    can be searched. ``expected_traits``: see ``Destination.expected_traits``. ``read_status``: if orders can be asked
    about after their import.
    """

    name: str
    import_path: str
    credentials: Credentials
    outcomes: OutcomeTable
    method: str = "POST"
    idempotent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    requests_per_minute: float = 0.0
    search: OrderSearch = NO_SEARCH
    expected_traits: Callable[[bytes], Traits] = no_traits
    read_status: StatusReading | None = None

    def __post_init__(self) -> None:
        if self.method != "POST" and not self.idempotent:
            raise ValueError(f"method {self.method} may be repeated by a proxy: declare idempotent, or POST")

    def rate(self, requests_per_s: float) -> float:
        """Requests per second for a run: the setting, or the vendor's limit if it is lower (0: unlimited)."""
        return min(filter(None, (requests_per_s, self.requests_per_minute / 60)), default=0.0)


class DestinationSettings(Protocol):
    """The settings of a destination's connection that the kit reads; see ``Destination``. Times in seconds."""

    @property
    def account(self) -> str: ...  # noqa: D102
    @property
    def base_url(self) -> str: ...  # noqa: D102
    @property
    def timeout_s(self) -> float: ...  # noqa: D102
    @property
    def connections(self) -> int: ...  # noqa: D102
    @property
    def requests_per_s(self) -> float: ...  # noqa: D102
    @property
    def search_by(self) -> str: ...  # noqa: D102
    @property
    def visible_after_s(self) -> float: ...  # noqa: D102
    @property
    def trust_env(self) -> bool: ...  # noqa: D102
    @property
    def http(self) -> HttpOptions: ...  # noqa: D102


class HttpSession:
    """An open session, made by ``HttpDestination.session``; for one event loop and any number of workers."""

    def __init__(self, http: aiohttp.ClientSession, api: DestinationApi, settings: DestinationSettings, share: int):
        self._http = http
        self._api = api
        self._base = settings.base_url.rstrip("/") + "/"
        self._tokens = (
            AsyncTokenCache(partial(fetch_token, http, api.credentials))
            if isinstance(api.credentials, ClientCredentials)
            else None
        )
        self.limits = AdaptiveThrottle(api.rate(settings.requests_per_s) / share, name=api.name)
        self._grant = lru_cache(maxsize=1)(self._make_grant)
        self._sender = GuardedSender(
            http,
            api.method,
            self._import_url(),
            self._tokens,
            self.limits,
            grant=self._grant,
            outcomes=api.outcomes,
        )

    def _import_url(self) -> Callable[[str], URL]:
        path = self._base + self._api.import_path
        if "{key}" in path:
            return lambda key: URL(path.replace("{key}", quote(key, safe="")), encoded=True)
        url = URL(path, encoded=True)
        return lambda _: url

    async def sign_in(self) -> None:
        """Fetch the token, if there is one, before anything is claimed.

        Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
        """
        if self._tokens is not None:
            await self._tokens.get()

    async def wait_for_slot(self, max_wait_s: float) -> None:
        """See ``DestinationSession.wait_for_slot``."""
        await self.limits.turn(max_wait_s)

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """See ``DestinationSession.send``."""
        return await self._sender.send(payload, destination_key, not_after=not_after)

    def _make_grant(self, token: str) -> Grant:
        """The headers of a request, and what must be hidden."""
        grant = self._api.credentials.grant(token)
        headers = CIMultiDict(self._api.headers)
        headers.update(grant.headers)
        headers.update({"Content-Type": "application/json", "Accept": "application/json"})
        return replace(grant, headers=headers)

    async def find_by_key(self, destination_keys: Sequence[str]) -> SearchResult:
        """See ``DestinationSession.find_by_key``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._checked(await search.find_by_key(self, self._api.search, destination_keys))

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        """See ``DestinationSession.find_by_window``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._checked(await search.find_by_window(self, self._api.search, start, end))

    async def find_any(self) -> SearchResult:
        """See ``DestinationSession.find_any``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._checked(await search.find_any(self, self._api.search))

    async def read_order(self, oms_id: str) -> SearchResult:
        """See ``DestinationSession.read_order``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return await search.get_order(self, self._api.search, oms_id)

    async def read_status(self, oms_id: str, destination_key: str, *, shipments: bool) -> OmsOrder:
        """See ``OrderStatusReader.read_status``."""
        if self._api.read_status is None:
            raise ConfigurationError(f"{self._api.name} cannot be asked what became of an order")
        return await self._api.read_status(self, oms_id, destination_key, shipments=shipments)

    def _checked(self, page: SearchResult) -> SearchResult:
        """Adds the URL to a failed page. Raises ``ConfigurationError`` if the URL is the reason."""
        if not page.problem or page is search.UNDECLARED:
            return page
        where, hint = f"GET {self._base}{self._api.search.path}", self._api.search.hint
        if search.is_configuration(page.problem):
            status = page.problem.removeprefix("http_")
            raise ConfigurationError(
                f"{where} answered HTTP {status}: there is no order search at this URL. Check host and path of the "
                f"connection{hint and f'; {hint}'}"
            )
        return replace(page, where=where)

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        """One GET. A few pauses of up to a minute are waited for; a refused token is renewed once.

        Raises ``ConfigurationError`` or ``ThrottledError``. A failure is a ``SearchReply`` with its status, or 0.
        """
        url = URL(self._base + path).with_query(query)
        pause_s = 0.0
        for _ in range(MAX_CONSECUTIVE_THROTTLES):
            await self.limits.turn(SEARCH_WAIT_S)
            try:
                return await self._authorized_get(url)
            except ThrottledError as error:
                pause_s = self.limits.throttled(error.wait_s)
            except TransientError:
                return SearchReply(0)
        raise ThrottledError(
            f"{self._api.name} asked {MAX_CONSECUTIVE_THROTTLES} times in a row to slow down "
            f"(GET {url.with_query(None)})",
            pause_s,
        )

    async def _authorized_get(self, url: URL) -> SearchReply:
        token = await self._tokens.get() if self._tokens is not None else ""
        reply = await self._get(url, token)
        if reply.status in self._api.outcomes.credentials and self._tokens is not None:
            reply = await self._get(url, await self._tokens.replace(token))
        if reply.status in self._api.outcomes.credentials:
            raise ConfigurationError(
                f"{self._api.name} refused the credentials (HTTP {reply.status}, GET {url.with_query(None)}): "
                "check login and password of the connection"
            )
        return reply

    async def _get(self, url: URL, token: str) -> SearchReply:
        outcomes = self._api.outcomes
        try:
            async with (
                failpoint("destination search"),
                self._http.get(url, headers=self._grant(token).headers, allow_redirects=False) as response,
            ):
                body = await read_bounded(response, SEARCH_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"{self._api.name} could not be read ({type(error).__name__})") from error
        if outcomes.is_throttling(response.status, response.headers):
            wait_s = retry_after_s(response.headers, names=outcomes.pause_headers)
            raise ThrottledError(f"{self._api.name} asked to slow down (HTTP {response.status})", wait_s)
        if pause_s := outcomes.pause_s(response.headers):
            self.limits.pause(pause_s)
        return SearchReply(response.status, body)


async def fetch_token(http: aiohttp.ClientSession, credentials: ClientCredentials) -> TokenAndLifetime:
    """A new token. Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``."""
    headers, form = credentials.request()
    try:
        async with (
            failpoint("destination token"),
            http.post(credentials.token_url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            body = await read_bounded(response, MAX_TOKEN_RESPONSE_BYTES)
            return credentials.read(response.status, response.headers, body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransientError(f"cannot connect to the token URL ({type(error).__name__})") from error


SettingsT = TypeVar("SettingsT", bound=DestinationSettings)


class HttpDestination(Generic[SettingsT]):
    """A destination: what its vendor declares, with the settings of an account. It only opens sessions."""

    def __init__(self, api: DestinationApi, settings: SettingsT, vendor_format: VendorFormat) -> None:
        self.api = api
        self.settings = settings
        self.format = vendor_format
        self.account = settings.account
        self.expected_traits = api.expected_traits
        self.idempotent = api.idempotent
        self.search_by = api.search.usable(settings.search_by)
        self.timeout_s = settings.timeout_s
        self.visible_after_s = settings.visible_after_s
        self.connections = settings.connections

    def session(self, share: int) -> AbstractAsyncContextManager[HttpSession]:
        """A session with one ``share``-th of the limits; a token is fetched on entering.

        Entering raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
        """
        return _open_session(self.api, self.settings, max(1, share))


@asynccontextmanager
async def _open_session(api: DestinationApi, settings: DestinationSettings, share: int) -> AsyncIterator[HttpSession]:
    connections = max(1, settings.connections // share)
    async with open_guarded_session(
        connections, settings.timeout_s, trust_env=settings.trust_env, http=settings.http
    ) as http:
        session = HttpSession(http, api, settings, share)
        await session.sign_in()
        yield session
