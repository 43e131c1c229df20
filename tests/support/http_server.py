"""A vendor's server behind ``httpx.MockTransport``, for tests of the kit in ``http/``."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from order_relay.http.connection_settings import HttpSettings
from order_relay.http.reading.client import VendorClient

BASE = "https://vendor.example/api"

Handler = Callable[[httpx.Request], httpx.Response]


def vendor(size_limit_bytes: int = 1 << 20, **hide: tuple[str, ...]) -> VendorClient:
    return VendorClient("Vendor", HttpSettings(base_url=BASE, size_limit_bytes=size_limit_bytes), **hide)


def client_of(handler: Handler) -> httpx.Client:
    """A client whose requests ``handler`` answers; bodies arrive as from a socket, not read yet."""
    return httpx.Client(transport=httpx.MockTransport(lambda request: streamed(handler(request))))


def streamed(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))
