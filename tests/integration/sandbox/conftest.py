"""A bare caller of the simulated vendors, written against the vendors' pages; it knows nothing of the engine."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from order_relay_sandbox import Sandbox, running

BASIC = {"Authorization": aiohttp.encode_basic_auth("demo", "demo-password")}
KEY = {"Authorization": aiohttp.encode_basic_auth("demo-key", "demo-secret")}

STATIC_TOKEN = {"Authorization": "Token fixed"}


class Caller:
    """Calls one running sandbox."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.token = ""

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
        more.setdefault("timeout", aiohttp.ClientTimeout(total=1.0))
        url = self.sandbox.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as answer:
            raw = await answer.read()
            try:
                content = json.loads(raw)
            except ValueError:
                content = raw
            return answer.status, content, dict(answer.headers)

    async def list(self, **more: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.call("GET", "/demo/ext/v2/orders/new_orders", headers=BASIC, **more)

    async def acknowledge(self, numbers: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.call("POST", "/demo/ext/v2/orders/new_orders", headers=BASIC, json=numbers)

    async def log_in(self) -> tuple[int, Any, dict[str, str]]:
        form = {"grant_type": "client_credentials"}
        answer = await self.call("POST", "/oauthserver/oauth2/token", headers=KEY, data=form)
        if answer[0] == 200:
            self.token = answer[1]["access_token"]
        return answer

    async def oms(self, method: str, path: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
        if not self.token:
            await self.log_in()
        headers = {"API-Key": "demo-key", "Authorization": f"Bearer {self.token}"}
        return await self.call(method, f"/api/v2/{path}", headers=headers, **more)

    async def send(self, body: Any, **more: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.oms("POST", "importOrder/", json=body, **more)

    async def send_number(self, number: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.send(import_body(externalOrderID=number), **more)

    async def search(self, **parameters: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.oms("GET", "order/", params=parameters)

    async def api(self, method: str, path: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
        """CloudSuite, with the static token of the fixture ``shop``."""
        return await self.call(method, path, headers=STATIC_TOKEN, **more)

    async def read(self, path: str) -> Any:
        status, content, _ = await self.api("GET", path)
        assert status == 200, content
        return content

    async def ids(self, **parameters: Any) -> Any:
        _, content, _ = await self.api("GET", "/api/order/", params=parameters)
        return [entry["id"] for entry in content["results"]]

    async def patch(self, order_id: int, **members: Any) -> tuple[int, Any]:
        return (await self.api("PATCH", f"/api/order/{order_id}/", json=members))[:2]


def import_body(**changes: Any) -> dict[str, Any]:
    """A good import body that comes to 27.00: two for 10.00, shipping 5.00, tax 2.00."""
    address = {"addressLine1": "1 Elm Street", "city": "Phoenix", "postalCode": "85001", "countryCode": "US"}
    product = {"partNumber": "LAMP-9", "name": "Lamp", "retailPrice": 10}
    specifics = {"actualPrice": 10, "quantity": 2, "shipping": 5, "itemTaxOverride": 2}
    body: dict[str, Any] = {
        "externalOrderID": "1001-010526-1",
        "manufacturerID": 1042,
        "catalogID": 0,
        "locale": "en-US",
        "currency": "USD",
        "customer": {"lastName": "Miller"},
        "orderItems": [{"product": product, "itemSpecifics": specifics}],
        "shippingMethod": {"shippingType": "standard"},
        "shippingAddress": dict(address),
        "orderPayments": [{"paymentMethod": {"paymentType": "NO", "billingAddress": dict(address)}}],
        "customerIP": "8.8.8.8",
        "sendEmail": False,
        "orderStatus": "READY",
    }
    return copy.deepcopy(body | changes)


def source_order(number: str, source_id: int, uuid: str = "") -> dict[str, Any]:
    uuid = uuid or f"00000000-0000-4000-8000-{source_id:012d}"
    return {"id": source_id, "uuid": uuid, "order_number": number, "total": "12.50", "items": []}


def shop_order(order_id: int = 11, **members: Any) -> dict[str, Any]:
    """An order at CloudSuite with two lines and one address; it comes to 51.00."""
    line = {"type": "line", "product": {"key": "A_STUK", "origin": "erp"}, "description": "A"}
    lines = [
        {"id": 1, **line, "quantity": 2, "unit_price": "24.75"},
        {"id": 2, **line, "quantity": "1.0", "unit_price": "1.5"},
    ]
    address = {"id": order_id * 2, "name": "Zoë", "street1": "Dorpsstraat", "house_number": "1", "country": "NL"}
    return {"id": order_id, "order_lines": lines, "shipment_address": address, "invoice_address": address, **members}


@asynccontextmanager
async def _calling(*arguments: Any, **more: Any) -> AsyncIterator[Caller]:
    async with running(*arguments, **more) as sandbox, aiohttp.ClientSession() as session:
        yield Caller(sandbox, session)


@pytest.fixture
def calling() -> Callable[..., AbstractAsyncContextManager[Caller]]:
    return _calling


@pytest.fixture
def good_body() -> Callable[..., dict[str, Any]]:
    return import_body


@pytest.fixture
def offered() -> Callable[..., dict[str, Any]]:
    return source_order


@pytest.fixture
def shop() -> Callable[..., AbstractAsyncContextManager[Caller]]:
    """``shop(switches, orders)``: a caller of CloudSuite, where the orders stand."""

    def open_shop(
        switches: dict[str, Any] | None = None, orders: Any = (), **more: Any
    ) -> AbstractAsyncContextManager[Caller]:
        settings = {"cloudsuite": {"static_token": "fixed", **(switches or {})}}
        return _calling(settings, orders=orders, sources=["cloudsuite"], **more)

    return open_shop


@pytest.fixture
def order() -> Callable[..., dict[str, Any]]:
    return shop_order
