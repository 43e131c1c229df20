"""A destination's account at its stand-in, with the payloads that a pipeline sends to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pytest

from order_relay.orders.messages import SearchResult, SendResult
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay_contract.support.account import VendorAccount
from order_relay_contract.support.pairs import Pair, everything

T = TypeVar("T")


@dataclass(kw_only=True)
class DestinationAccount(VendorAccount):
    """An account that receives the orders of ``pair``, whose source offers plain orders.

    ``fields`` of methods are further fields of the connection, for a session of its own.
    """

    pair: Pair

    @cached_property
    def payloads(self) -> Mapping[str, bytes]:
        """By destination key: what the pipeline sends for the orders that its source offers."""
        with self.pair.wiring(self.sandbox.connections(), "sqlite://", "memory://none") as wiring:
            documents = [order.document for order in wiring.source.fetch(everything(wiring.source))]
            results = wiring.build_transformer().transform(documents)
        assert [result.issues for result in results] == [[]] * len(results)
        return {result.destination_key: result.payload or b"" for result in results}

    @property
    def first(self) -> str:
        """The destination key of one order."""
        return next(iter(self.payloads))

    @property
    def stored(self) -> dict[str, int]:
        """By destination key: how many orders the stand-in has."""
        return {key: order["count"] for key, order in self.sandbox.report()["orders"].items()}

    @property
    def audit(self) -> dict[str, Any]:
        """The source's orders compared with those of the destination."""
        return self.sandbox.pair(self.pair.source, self.pair.destination)

    def with_session(self, work: Callable[[DestinationSession], Awaitable[T]], **fields: Any) -> T:
        """The result of ``work`` in a new session."""
        port: Destination = self.open(**fields) if fields else self.port

        async def run() -> T:
            async with port.session(1) as session:
                return await work(session)

        return asyncio.run(run())

    async def send_in(self, session: DestinationSession, key: str = "", lease_s: float = 60.0) -> SendResult:
        """Send an order (default: the first)."""
        key = key or self.first
        result = await session.send(self.payloads[key], key, not_after=time.monotonic() + lease_s)
        self.shown += [repr(result), result.message, result.body, result.remark]
        return result

    def send(self, key: str = "", *, lease_s: float = 60.0, **fields: Any) -> SendResult:
        """Send an order (default: the first) in a new session."""
        self.payloads  # noqa: B018 - made outside the event loop
        return self.with_session(lambda session: self.send_in(session, key, lease_s), **fields)

    def search(self, *keys: str, **fields: Any) -> SearchResult:
        """Search for orders in a new session."""
        found = self.with_session(lambda session: session.find_by_key(keys), **fields)
        self.shown.append(repr(found))
        return found

    def require_search(self) -> None:
        """Skip the test unless orders can be searched by their keys."""
        if self.port.search_by not in ("auto", "external_id"):
            pytest.skip(f"{self.name} has no search by external id")

    def host_at(self, netloc: str) -> str:
        """The connection's URL with another host and port."""
        return urlunsplit(urlsplit(self.connection().host)._replace(netloc=netloc))

    def finish(self) -> None:
        """Check what was shown. Sessions close their connections themselves."""
        self.check_shown()
