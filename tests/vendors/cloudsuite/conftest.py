"""A CloudSuite of a few lines behind ``httpx.MockTransport``: it writes down what it is asked, tests set answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from order_relay.connections import Connection
from order_relay.vendors.cloudsuite.client import CloudSuiteClient
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

BASE = "https://shop.example"
TOKEN_URL = "https://id.example/token"

Handler = Callable[[httpx.Request], httpx.Response | None]


class NoFormat:
    name = "cloudsuite"


class Shop:
    """Orders by id. A ``spoil`` function may answer in the shop's place."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.addresses: dict[int, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.sent: list[tuple[str, bytes]] = []
        self.tokens = 0
        self.pauses: list[float] = []
        self.spoil: Handler = lambda _: None
        self.between_pages: Callable[[], None] = lambda: None

    def add(self, *ids: int, **members: Any) -> None:
        for number in ids:
            self.orders[number] = {
                "id": number,
                "reference": f"CS{number}",
                "state": "confirmed",
                "webshop": 1,
                "erp_order_number": None,
                "shipment_address": {"id": 801, "city": "Ede"},
                "invoice_address": {"id": 802, "city": "Ede"},
                "order_lines": [{"id": number * 10 + n, "quantity": 1.5, "erp_line_number": None} for n in (1, 2)],
                **members,
            }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.calls.append((request.method, path))
        if str(request.url) == TOKEN_URL:
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 300})
        if request.method != "GET":
            self.sent.append((request.method, request.content))
        if (spoiled := self.spoil(request)) is not None:
            return spoiled
        if path == "/api/order/":
            return self._list(request)
        kind, number = path.removeprefix("/api/").strip("/").split("/")
        found = (self.orders if kind == "order" else self.addresses).get(int(number))
        if found is None:
            return httpx.Response(404, json={"detail": "Not found."})
        if request.method == "PATCH":
            found |= json.loads(request.content)
        if request.method == "PUT":
            found.clear()
            found |= json.loads(request.content)
        return httpx.Response(200, json=found)

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        limit, offset = int(query["limit"]), int(query["offset"])
        if offset:
            self.between_pages()
        asked = {name: query[name] for name in ("state", "reference") if name in query}
        fits = [order for order in self.orders.values() if asked.items() <= order.items()]
        page = [{name: order[name] for name in ("id", "reference", "state")} for order in fits[offset : offset + limit]]
        more = offset + limit < len(fits)
        following = f"{BASE}/api/order/?limit={limit}&offset={offset + limit}" if more else None
        return httpx.Response(200, json={"count": len(fits), "next": following, "previous": None, "results": page})

    def count(self, method: str, start: str) -> int:
        return sum(verb == method and path.startswith(start) for verb, path in self.calls)

    def bodies(self, method: str) -> list[Any]:
        return [json.loads(body, parse_float=Decimal) for verb, body in self.sent if verb == method]


def streamed(answer: httpx.Response) -> httpx.Response:
    """The answer as it comes from a socket: its body not read yet."""
    return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> Iterator[Callable[..., CloudSuiteClient]]:
    made: list[CloudSuiteClient] = []

    def make(**extra: Any) -> CloudSuiteClient:
        fields = {"token_url": TOKEN_URL, "time_zone": "UTC", "page_size": 3, "parallel": 2, **extra}
        connection = Connection("cloudsuite_default", BASE, "client", "s3cret", extra=fields)
        http = httpx.Client(transport=httpx.MockTransport(lambda request: streamed(shop(request))))
        settings = CloudSuiteSettings.from_connection(connection)
        made.append(CloudSuiteClient(settings, NoFormat(), http, shop.pauses.append))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
