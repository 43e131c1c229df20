"""The two plain stand-ins of ``tests/vendors/sample/vendors``, and callers of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from tests.integration.sandbox.conftest import Caller
from tests.vendors.sample import VENDORS

BASIC = {"Authorization": aiohttp.encode_basic_auth("demo", "demo-password")}
LIST = "/wp-json/wc/v3/orders"


class PlainCaller:
    """Calls the shop and the shipping service with valid credentials."""

    def __init__(self, caller: Caller) -> None:
        self.sandbox = caller.sandbox
        self._caller = caller

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
        return await self._caller.call(method, path, **{"headers": BASIC, **more})

    async def page(self, **parameters: Any) -> tuple[int, Any, dict[str, str]]:
        return await self.call("GET", LIST, params=parameters)

    async def ids(self, **parameters: Any) -> list[int]:
        return [order["id"] for order in (await self.page(**parameters))[1]]

    async def acknowledge(self, order_id: int, status: str = "completed") -> int:
        return (await self.call("PUT", f"{LIST}/{order_id}", json={"status": status}))[0]

    async def send(self, key: str = "5001", *, path: str = "", **members: Any) -> tuple[int, Any, dict[str, str]]:
        address = {"name": "Zoë", "city": "Ede"}
        item = {"sku": "LAMP-9", "quantity": 2, "unitPrice": 10.05}
        body = {
            "orderKey": key,
            "orderNumber": key,
            "orderDate": "2026-03-04T12:00:00",
            "orderStatus": "awaiting_shipment",
            "billTo": address,
            "shipTo": address,
            "items": [item, {"adjustment": True, "quantity": 1, "unitPrice": -1.1}],
            "taxAmount": 2,
            "shippingAmount": 5,
        }
        return await self.call("PUT" if path else "POST", path or "/orders/createorder", json=body | members)


@pytest.fixture(autouse=True)
def _plain_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_RELAY_VENDORS", str(VENDORS))


@pytest.fixture
def plain(calling: Callable[..., AbstractAsyncContextManager[Caller]]) -> Callable[..., Any]:
    """``plain(shop, shipping, orders=n)``: a caller; the arguments are the switches of the two."""

    class Opened:
        def __init__(self, shop: dict[str, Any] | None, shipping: dict[str, Any] | None, **more: Any) -> None:
            switches = {"sample": shop or {}, "shipstation": shipping or {}}
            self._calling = calling(switches, sources=["sample"], **more)

        async def __aenter__(self) -> PlainCaller:
            return PlainCaller(await self._calling.__aenter__())

        async def __aexit__(self, *error: Any) -> None:
            await self._calling.__aexit__(*error)

    return lambda shop=None, shipping=None, **more: Opened(shop, shipping, **more)
