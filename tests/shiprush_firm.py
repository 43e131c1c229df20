"""ShipRush's side of the served feed, for tests: the app in this process on top of a desk with archived orders."""

from __future__ import annotations

from typing import Any

import httpx
from archived_orders import Desk

from order_relay.connections import Connection
from order_relay.errors import WrongSetup
from order_relay.serving.apps import whole_app
from order_relay.serving.parts import Parts

AUTH = ("feeduser", "Secr3t:word")
WINDOW = {"action": "export", "start_date": "01/01/2020 00:00", "end_date": "01/01/2099 00:00"}
PATH = "/shiprush/orders"


class Firm:
    """A desk with archived orders, and the served app on top of it."""

    def __init__(self, desk: Desk, url: str) -> None:
        self.desk = desk
        self.extra: dict[str, Any] = {"page_size": 3}
        self.login, self.password = AUTH
        self.defined = True
        self.parts = Parts(self._connection, lambda: url, lambda: desk.store)
        transport = httpx.ASGITransport(whole_app(self.parts), raise_app_exceptions=True)
        self.web = httpx.AsyncClient(transport=transport, base_url="http://relay.example")

    def _connection(self, conn_id: str) -> Connection:
        if not self.defined:
            raise WrongSetup("not defined")
        return Connection(conn_id, login=self.login, password=self.password, extra=self.extra)

    async def get(self, auth: Any = AUTH, **query: str) -> httpx.Response:
        return await self.web.get(PATH, params={**WINDOW, **query}, auth=auth)

    async def notice(self, body: bytes = b"", **query: str) -> httpx.Response:
        return await self.web.post(PATH, params={"action": "shipnotify", **query}, content=body, auth=AUTH)
