"""A plain destination: one import endpoint, by key create-or-update or not, and a search in pages."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar

from aiohttp import web
from pydantic import Field

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.kit.access import AccessSwitches, Plain, text_of
from order_relay_sandbox.kit.paging import Paging
from order_relay_sandbox.money import in_cents
from order_relay_sandbox.raw_json import encode
from order_relay_sandbox.stand_in import Role, Route

Document = dict[str, Any]


class PlainDestinationSwitches(AccessSwitches):
    """Switches of every plain destination."""

    duplicates: Literal["update", "reject", "accept"] = Field(
        default="update", description="a second import of a key: updates the order, is refused (409), is a second order"
    )
    search: Literal["exact", "prefix", "ignored"] = Field(
        default="exact", description="how parameters of the search are compared; ignored: every order is found"
    )
    visible_after_s: float = Field(default=0.0, ge=0, description="delay before searches find an order")


D = TypeVar("D", bound=PlainDestinationSwitches)


@dataclass(slots=True)
class Order:
    """One stored order. Searches find it from ``visible_at`` on (time of the event loop)."""

    order_id: int
    body: bytes
    document: Document
    visible_at: float


class PlainDestination(Plain[D]):
    """A destination that takes orders at ``import_path``, which may contain ``{key}``, and finds them at ``path``.

    ``key_member`` identifies an order; ``id_member`` is the destination's own id, in its responses. ``searches``:
    parameters of the search by the member that must equal them; without any there is no search. A subclass implements
    ``total_of`` and ``problems``.
    """

    roles: ClassVar[tuple[Role, ...]] = ("destination",)
    import_method: ClassVar[str] = "POST"
    import_path: ClassVar[str]
    paging: ClassVar[Paging] = Paging()
    searches: ClassVar[Mapping[str, str]] = {}
    key_member: ClassVar[str]
    id_member: ClassVar[str] = "id"
    first_id: ClassVar[int] = 1001

    def __init__(self, switches: D, audit: Audit, seed: int) -> None:
        self.orders: dict[int, Order] = {}
        self._by_key: dict[str, list[int]] = defaultdict(list)
        super().__init__(switches, audit, seed)

    @classmethod
    def routes(cls) -> list[Route]:
        """Token, import and search."""
        search = [Route("GET", cls.path, "search")] if cls.searches else []
        return [*super().routes(), Route(cls.import_method, cls.import_path, "import", "import_order"), *search]

    def total_of(self, document: Mapping[str, Any]) -> Decimal | None:
        """What the customer pays, as the vendor computes it from an import body; ``None`` if unknown."""
        raise NotImplementedError

    def problems(self, document: Mapping[str, Any]) -> Iterable[str]:
        """What is wrong with an import body; it is refused with 400 if there is anything."""
        return ()

    async def import_order(self, request: web.Request) -> web.StreamResponse:
        """Create an order, or update the one with this key."""
        raw = await request.read()
        if refused := self.refused(request):
            return refused
        document = parsed(raw)
        key = text_of(document, self.key_member)
        self.audit.posted(key)
        wrong = list(self.problems(document)) if key else [f"{self.key_member} is required"]
        if key != request.match_info.get("key", key):
            wrong.append(f"{self.key_member} differs from the key in the path")
        if wrong:
            return self.error(400, "; ".join(wrong))
        known = self._with_key(key)
        if known and self.switches.duplicates == "reject":
            return self.error(409, f"{self.key_member} is in use by order {known[0].order_id}")
        update = bool(known) and self.switches.duplicates == "update"
        order = self._store(key, raw, document, known[0] if update else None)
        return web.Response(body=self._shown(order), content_type="application/json")

    def _store(self, key: str, raw: bytes, document: Document, former: Order | None) -> Order:
        """Create an order, or update the former one."""
        if former is None:
            visible_at = self._now() + self.switches.visible_after_s
            former = Order(self.first_id + len(self.orders), raw, document, visible_at)
            self.orders[former.order_id] = former
            self._by_key[key].append(former.order_id)
        former.body, former.document = raw, document
        total = self.total_of(document)
        self.audit.stored(self.name, key, former.order_id, None if total is None else in_cents(total))
        return former

    async def search(self, request: web.Request) -> web.StreamResponse:
        """GET: the orders that match every parameter, newest first, page by page."""
        if refused := self.refused(request):
            return refused
        wanted = {member: request.query[name] for name, member in self.searches.items() if name in request.query}
        found = [order for order in reversed(self.orders.values()) if self._matches(order, wanted)]
        try:
            page = self.paging.page(request, len(found))
        except ValueError as wrong:
            return self.error(400, str(wrong))
        return page.response([self._shown(order) for order in found[page.start : page.end]])

    def _matches(self, order: Order, wanted: Mapping[str, str]) -> bool:
        if order.visible_at > self._now():
            return False
        found = [(text_of(order.document, member), value) for member, value in wanted.items()]
        if self.switches.search == "prefix":
            return all(text.startswith(value) for text, value in found)
        return self.switches.search == "ignored" or all(text == value for text, value in found)

    def _shown(self, order: Order) -> bytes:
        """The import body with the order's id in front, so that its numbers stay exact."""
        return encode({self.id_member: order.order_id})[:-1] + b"," + order.body.lstrip()[1:]

    def _with_key(self, key: str) -> list[Order]:
        return [self.orders[order_id] for order_id in self._by_key.get(key, ())]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def bodies(self, external_id: str) -> list[bytes]:
        """The import bodies stored under an external id, byte for byte."""
        return [order.body for order in self._with_key(external_id)]

    def land(self) -> int:
        """Also make all orders visible to searches."""
        landed = super().land()
        for order in self.orders.values():
            order.visible_at = 0.0
        return landed

    async def order_of(self, request: web.Request) -> str:
        """The key in an import body."""
        return text_of(parsed(await request.read()), self.key_member)


def parsed(raw: bytes) -> Document:
    """The members of an object with exact numbers; empty if the text is not one."""
    try:
        document = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
