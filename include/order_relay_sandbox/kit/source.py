"""A plain source: a windowed list in pages, details by id, and acknowledgement by changing an order's status."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, TypeVar

from aiohttp import web
from pydantic import Field

from order_relay_sandbox.audit import Audit, Offer
from order_relay_sandbox.kit import clock
from order_relay_sandbox.kit.access import AccessSwitches, Plain, text_of
from order_relay_sandbox.kit.paging import Paging
from order_relay_sandbox.money import decimal_of, in_cents
from order_relay_sandbox.raw_json import encode
from order_relay_sandbox.stand_in import RawOrder, Role, Route

Document = dict[str, Any]


class PlainSourceSwitches(AccessSwitches):
    """Switches of every plain source."""

    external_id_prefix: str = ""
    newest_first: bool = True
    window_ends: Literal["inclusive", "exclusive"] = "inclusive"
    details: bool = Field(default=True, description="whether the list shows whole orders; otherwise ids and dates")
    max_page_size: int = Field(default=0, ge=0, description="largest page, if smaller than the declared one; 0 = not")
    spread_h: float = Field(default=24.0, gt=0, description="generated orders were made in these hours before now")
    arriving_while_paging: int = Field(default=0, ge=0, description="orders that appear after a page with a next one")
    leaving_while_paging: int = Field(default=0, ge=0, description="listed orders cancelled after such a page")
    moving_while_paging: int = Field(
        default=0, ge=0, description="listed orders whose time becomes now after such a page"
    )


P = TypeVar("P", bound=PlainSourceSwitches)


@dataclass(frozen=True)
class Window:
    """Parameters that select orders by a time; ``member`` is the order's time, UTC without a zone."""

    member: str
    since: str
    until: str


@dataclass(slots=True)
class Held:
    """One order: its members, the exact text in which it was offered (until it changes), and its audit entry."""

    document: Document
    raw: bytes | None
    offer: Offer


class PlainSource(Plain[P]):
    """A source with the paths ``path`` (list) and ``path/{id}`` (detail; acknowledgement by ``acknowledge_method``).

    An order is offered while its member ``status_member`` is ``open_status``; whoever writes another value has
    acknowledged it. ``filters``: parameters of the list by the member that must equal them. A subclass implements
    ``make``, which generates an order.
    """

    roles: ClassVar[tuple[Role, ...]] = ("source",)
    paging: ClassVar[Paging] = Paging()
    window: ClassVar[Window]
    filters: ClassVar[Mapping[str, str]] = {"status": "status"}
    id_member: ClassVar[str] = "id"
    number_member: ClassVar[str] = "number"
    total_member: ClassVar[str] = "total"
    status_member: ClassVar[str] = "status"
    open_status: ClassVar[str] = "processing"
    cancelled_status: ClassVar[str] = "cancelled"
    created_member: ClassVar[str] = "date_created_gmt"
    modified_member: ClassVar[str] = "date_modified_gmt"
    text_member: ClassVar[str] = "customer_note"
    acknowledge_method: ClassVar[str] = "PUT"
    timespec: ClassVar[str] = "seconds"

    def __init__(self, switches: P, audit: Audit, seed: int) -> None:
        self.held: dict[str, Held] = {}
        self._generated = 0
        super().__init__(switches, audit, seed)

    def switch(self, switches: P) -> None:
        """Apply other switches; restarts the changes while paging."""
        super().switch(switches)
        self._arriving, self._leaving = switches.arriving_while_paging, switches.leaving_while_paging
        self._moving = switches.moving_while_paging

    @classmethod
    def routes(cls) -> list[Route]:
        """Token, list, detail and acknowledgement."""
        one = f"{cls.path}/{{id}}"
        return [
            *super().routes(),
            Route("GET", cls.path, "list", "list_orders"),
            Route("GET", one, "detail"),
            Route(cls.acknowledge_method, one, "acknowledge"),
        ]

    def make(self, rng: random.Random, number: int) -> Document:
        """A generated order, the ``number``-th of this source; its ids and dates are filled in if absent."""
        raise NotImplementedError

    def generate(self, count: int, seed: int) -> None:
        """Offer generated orders, made within the spread before now."""
        self.seed = seed
        spread, now = timedelta(hours=self.switches.spread_h), clock.now()
        for position in range(count):
            self._generate(now - spread * (count - position - 1) / count)

    def _generate(self, made: datetime) -> None:
        self._generated += 1
        order = self.make(random.Random(f"{self.name}:{self.seed}:{self._generated}"), self._generated)
        self._hold(self._dated(order, made), None, "plain")

    def plain(self, count: int, seed: int) -> list[Document]:
        """Generated orders, made now."""
        made = (self.make(random.Random(f"{self.name}:{seed}:{n}"), n) for n in range(1, count + 1))
        now, status = clock.now(), {self.status_member: self.open_status}
        return [self._dated({self.id_member: n, **status, **order}, now) for n, order in enumerate(made, 1)]

    def dated(self, order: Mapping[str, Any], time: datetime) -> Document:
        """The same order, with this time in the member that windows are about."""
        return {**order, self.window.member: self.moment(time)}

    def offer(self, orders: Iterable[RawOrder], kind: str) -> int:
        """Offer orders, made now unless they say otherwise. Bytes are the exact text of the order."""
        offered = list(orders)
        for order in offered:
            if isinstance(order, bytes):
                self._hold(_parsed(order), order, kind)
            else:
                self._hold(self._dated(order, clock.now()), None, kind)
        return len(offered)

    def _dated(self, order: Mapping[str, Any], made: datetime) -> Document:
        return {self.created_member: self.moment(made), self.modified_member: self.moment(made), **order}

    def moment(self, time: datetime) -> str:
        """A time as the vendor writes it."""
        return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=self.timespec)

    def _hold(self, document: Document, raw: bytes | None, kind: str) -> None:
        if raw is None:
            document = {self.id_member: len(self.held) + 1, self.status_member: self.open_status, **document}
        order_id, number = text_of(document, self.id_member), text_of(document, self.number_member)
        total = decimal_of(document.get(self.total_member))
        cents = None if total is None else in_cents(total)
        former = self.held.get(order_id)
        if former is not None and order_id:
            former.document, former.raw = document, raw
            former.offer.total, former.offer.kind, former.offer.acknowledged = cents, kind, False
            return
        key = self.switches.external_id_prefix + number if number else ""
        offer = Offer(self.name, number, order_id, "", None, key, cents, kind)
        self.held[order_id or f"?{len(self.held)}"] = Held(document, raw, self.audit.offer(offer))

    async def list_orders(self, request: web.Request) -> web.StreamResponse:
        """GET: the orders of a window, page by page."""
        if refused := self.refused(request):
            return refused
        try:
            found = [held for held in self._sorted() if self._selected(held.document, request.query)]
            page = self._paging().page(request, len(found))
        except ValueError as wrong:
            return self.error(400, str(wrong))
        shown = found[page.start : page.end]
        response = page.response([self._row(held) for held in shown])
        if page.has_next:
            self._shift(shown)
        return response

    def _paging(self) -> Paging:
        most = self.switches.max_page_size
        return replace(self.paging, max_size=min(most, self.paging.max_size)) if most else self.paging

    def _sorted(self) -> list[Held]:
        def place(held: Held) -> str:
            return text_of(held.document, self.window.member)

        return sorted(self.held.values(), key=place, reverse=self.switches.newest_first)

    def _selected(self, document: Document, query: Mapping[str, str]) -> bool:
        """Whether an order meets the filters; raises ``ValueError`` for an invalid time."""
        window, at = self.window, text_of(document, self.window.member)
        since, until = (_time(query[name]) if name in query else None for name in (window.since, window.until))
        if not self._within(at, since, until):
            return False
        return all(text_of(document, member) == query[name] for name, member in self.filters.items() if name in query)

    def _within(self, at: str, since: datetime | None, until: datetime | None) -> bool:
        """Whether a time is in the window; one that is invalid is in every window."""
        try:
            time = _time(at)
        except ValueError:
            return True
        if self.switches.window_ends == "exclusive":
            return (since is None or time > since) and (until is None or time < until)
        return (since is None or time >= since) and (until is None or time <= until)

    def _row(self, held: Held) -> bytes:
        if self.switches.details:
            return self._text(held)
        return encode({name: held.document.get(name) for name in (self.id_member, self.window.member)})

    @staticmethod
    def _text(held: Held) -> bytes:
        return encode(held.document) if held.raw is None else held.raw

    def _shift(self, shown: list[Held]) -> None:
        """Change the list between two pages, as the switches say."""
        if self._arriving:
            self._arriving -= 1
            self._generate(clock.now())
        if self._leaving:
            self._leaving -= 1
            self._change(shown[0], {self.status_member: self.cancelled_status})
        if self._moving:
            self._moving -= 1
            self._change(shown[-1], {self.window.member: self.moment(clock.now())})

    def _change(self, held: Held, members: Mapping[str, Any]) -> None:
        held.document = {**held.document, **members, self.modified_member: self.moment(clock.now())}
        held.raw = None

    async def detail(self, request: web.Request) -> web.StreamResponse:
        """GET of one order."""
        if refused := self.refused(request):
            return refused
        held = self.held.get(request.match_info["id"])
        if held is None:
            return self.error(404, "no such order")
        return web.Response(body=self._text(held), content_type="application/json")

    async def acknowledge(self, request: web.Request) -> web.StreamResponse:
        """Write members of one order. One that leaves the open status is acknowledged."""
        if refused := self.refused(request):
            return refused
        held, changes = self.held.get(request.match_info["id"]), _parsed(await request.read())
        if held is None:
            return self.error(404, "no such order")
        if not changes:
            return self.error(400, "an object with members is expected")
        self._change(held, changes)
        if held.document.get(self.status_member) != self.open_status:
            self.audit.acknowledge(held.offer)
        return web.Response(body=self._text(held), content_type="application/json")

    async def order_of(self, request: web.Request) -> str:
        """The expected external id of the order in the path."""
        held = self.held.get(request.match_info.get("id", ""))
        return await super().order_of(request) if held is None else held.offer.external_id


def _time(text: str) -> datetime:
    """A time of a parameter; UTC unless it names a zone. Raises ``ValueError``."""
    value = datetime.fromisoformat(text.replace(" ", "+"))
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _parsed(raw: bytes) -> Document:
    """The members of an object; empty if the text is not one."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
