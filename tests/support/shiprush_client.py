"""A ShipRush client for tests: the feed's app runs in this process, on a ledger with archived orders."""

from __future__ import annotations

from typing import Any

import httpx
from lxml import etree

from order_relay.connections import Connection
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.errors import ConfigurationError
from tests.support.shiprush_schema import checked

AUTH = ("feeduser", "Secr3t:word")
WINDOW = {"action": "export", "start_date": "01/01/2020 00:00", "end_date": "01/01/2099 00:00"}
PATH = "/shiprush/orders"


class Company:
    """A ledger with archived orders, and the app that serves them."""

    def __init__(self, relay: Any, url: str) -> None:
        self.relay = relay
        self.extra: dict[str, Any] = {"page_size": 3}
        self.login, self.password = AUTH
        self.defined = True
        self.parts = Deployment(self._connection, lambda: url, lambda: relay.store)
        transport = httpx.ASGITransport(create_app(self.parts), raise_app_exceptions=True)
        self.web = httpx.AsyncClient(transport=transport, base_url="http://relay.example")

    def _connection(self, conn_id: str) -> Connection:
        if not self.defined:
            raise ConfigurationError("not defined")
        return Connection(conn_id, login=self.login, password=self.password, extra=self.extra)

    async def get(self, auth: Any = AUTH, **query: str) -> httpx.Response:
        return await self.web.get(PATH, params={**WINDOW, **query}, auth=auth)

    async def notice(self, body: bytes = b"", **query: str) -> httpx.Response:
        return await self.web.post(PATH, params={"action": "shipnotify", **query}, content=body, auth=AUTH)


def numbers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [element.text or "" for element in checked(answer.content).iterfind("Order/OrderNumber")]


def refused(answer: httpx.Response, status: int) -> str:
    """The words of an error, which is a short XML document."""
    assert answer.status_code == status, answer.text
    root = etree.fromstring(answer.content)
    assert (root.tag, root.findtext("Code")) == ("Error", str(status))
    assert len(answer.content) < 400
    return root.findtext("Message") or ""


def parcel(number: str, *items: tuple[str, int], tracking: str = "1Z1", order_id: str = "") -> bytes:
    root = etree.Element("ShipNotice")
    for name, text in (
        ("OrderNumber", number),
        ("OrderID", order_id),
        ("Carrier", "UPS"),
        ("TrackingNumber", tracking),
        ("ShipDate", "05/01/2026"),
    ):
        etree.SubElement(root, name).text = text
    lines = etree.SubElement(root, "Items")
    for sku, units in items:
        item = etree.SubElement(lines, "Item")
        etree.SubElement(item, "SKU").text = sku
        etree.SubElement(item, "Quantity").text = str(units)
    return bytes(etree.tostring(root))
