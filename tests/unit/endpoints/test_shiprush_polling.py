"""A client that polls as ShipRush does sees every order and every later state of it, whatever happens meanwhile."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from order_relay.batches import BatchStore
from order_relay.endpoints import requests
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.feed_index import COMMIT_SLACK, modified_stamp
from order_relay.ledger.store import database
from tests.support.archived_orders import Relay, plain_orders
from tests.support.shiprush_client import AUTH, PATH, Company

AHEAD = int(COMMIT_SLACK.total_seconds())
BEGIN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DOCUMENTS = plain_orders(6)
NUMBERS = [document["order_number"] for document in DOCUMENTS]
CHANGES = st.tuples(st.sampled_from(["new", "parcel", "last parcel"]), st.integers(0, 5))
SCHEDULE = st.lists(
    st.one_of(
        CHANGES,
        st.tuples(st.just("wait"), st.integers(1, 200)),
        st.tuples(st.just("poll"), st.lists(st.tuples(st.integers(0, 50), CHANGES), max_size=4)),
    ),
    max_size=12,
)


class Clock:
    """The database's clock, in the test's hand; it stands still while anything happens."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self, _conn: Any) -> datetime:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Shop:
    """Orders come in, and parcels leave; it knows when each order was changed last, and how it stands."""

    def __init__(self, company: Company, clock: Clock) -> None:
        self._firm, self._clock = company, clock
        self._parcels = itertools.count(1)
        self.changed: dict[str, tuple[datetime, str]] = {}

    async def happen(self, what: str, index: int) -> None:
        number = NUMBERS[index]
        if number not in self.changed:
            self._firm.relay.send([index + 1])
            self.changed[number] = (self._clock.now, "paid")
        elif what != "new":
            items = "" if what == "last parcel" else "<Items><Item><SKU>none</SKU><Quantity>1</Quantity></Item></Items>"
            answer = await self._firm.notice(
                f"<ShipNotice>{items}</ShipNotice>".encode(),
                order_number=number,
                carrier="UPS",
                tracking_number=f"1Z{next(self._parcels)}",
            )
            assert answer.status_code == 200, answer.text
            shipped = what == "last parcel" or self.changed[number][1] == "shipped"
            self.changed[number] = (self._clock.now, "shipped" if shipped else "paid")


class Poller:
    """Knows windows, pages, and what it was shown last of each order.

    A window begins ``distance`` minutes after the last one ended; its clock is ``ahead`` so many seconds. Where windows
    share no minute it may be ahead by the slack of the stamps, not more.
    """

    def __init__(self, company: Company, shop: Shop, clock: Clock, distance: int, ahead: int) -> None:
        self._firm, self._shop, self._clock, self._ahead = company, shop, clock, ahead
        self._distance = timedelta(minutes=distance)
        self._begin = datetime(2026, 1, 1, tzinfo=UTC)
        self.seen: dict[str, tuple[str, str]] = {}

    async def poll(self, meanwhile: list[tuple[int, tuple[str, int]]]) -> None:
        """One window; between its pages time passes, and things happen."""
        start, asked_at = self._begin, self._clock.now
        end = (asked_at + timedelta(seconds=self._ahead)).replace(second=0, microsecond=0)
        if start > end:
            return
        before = dict(self._shop.changed)
        page, pages = 1, 1
        while page <= pages:
            pages = await self._page(start, end, page)
            page += 1
            if meanwhile:
                seconds, change = meanwhile.pop(0)
                self._clock.pass_time(seconds)
                await self._shop.happen(*change)
        for number, (at, status) in before.items():
            if modified_stamp(at) <= end and self._shop.changed[number] == (at, status):
                assert self.seen[number] == (formatted(modified_stamp(at)), status), "a window left something out"
        self._begin = end + self._distance

    async def _page(self, start: datetime, end: datetime, page: int) -> int:
        query = {
            "SS-UserName": AUTH[0],
            "SS-Password": AUTH[1],
            "action": "export",
            "start_date": formatted(start),
            "end_date": formatted(end),
            "page": str(page),
        }
        answer = await self._firm.web.get(PATH, params=query)
        assert answer.status_code == 200, answer.text
        root = etree.fromstring(answer.content)
        for order in root.iterfind("Order"):
            modified = order.findtext("LastModified")
            assert start <= datetime.strptime(modified, "%m/%d/%Y %H:%M").replace(tzinfo=UTC) <= end
            self.seen[order.findtext("OrderNumber")] = (modified, order.findtext("OrderStatus"))
        return int(root.get("pages"))


def formatted(moment: datetime) -> str:
    return f"{moment:%m/%d/%Y %H:%M}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(database, "read_clock", clock)
    return clock


@pytest.fixture
def everything_ready(clock: Clock, sqlite_template: Path, tmp_path: Path) -> Path:
    """A folder with an archive and a ledger in which the orders 1 to 6 are ready."""
    with closing(Ledger.open(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'ledger')}")) as ledger:
        relay = Relay(ledger, BatchStore((tmp_path / "store").as_uri()))
        assert relay.make_ready(relay.receive(*DOCUMENTS)) == list(range(1, 7))
    return tmp_path


@contextmanager
def fresh_company(folder: Path) -> Iterator[Company]:
    """A firm that no other example has worked with."""
    copy = shutil.copy(folder / "ledger", folder / "copy")
    with closing(Ledger.open(f"sqlite:///{copy}")) as ledger:
        company = Company(Relay(ledger, BatchStore((folder / "store").as_uri())), f"sqlite:///{copy}")
        company.extra["page_size"] = 2
        with closing(company.parts):
            yield company
        assert ledger.accounting.invariant_violations() == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedule=SCHEDULE, rhythm=st.sampled_from([(0, 0), (0, -50), (0, 60), (1, 0), (1, -50), (1, AHEAD)]))
@example(schedule=[("wait", 60), ("poll", [(0, ("parcel", 0))])], rhythm=(0, 60))  # what was on a page moves behind it
@example(schedule=[("wait", 52), ("poll", []), ("wait", 3), ("last parcel", 0)], rhythm=(1, AHEAD))  # ahead of time
async def test_every_order_and_every_later_state_is_seen(
    everything_ready: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    schedule: list[tuple[Any, ...]],
    rhythm: tuple[int, int],
) -> None:
    monkeypatch.setattr(requests, "IDLE_RATIO", 0.0)
    clock.now = BEGIN  # the fixture is the same for all examples
    with fresh_company(everything_ready) as company:
        shop = Shop(company, clock)
        poller = Poller(company, shop, clock, *rhythm)
        for index in range(4):
            await shop.happen("new", index)
        for what, *how in schedule:
            if what == "wait":
                clock.pass_time(*how)
            elif what == "poll":
                await poller.poll(list(*how))
            else:
                await shop.happen(what, *how)
        clock.pass_time(240)
        await poller.poll([])
        assert poller.seen == {
            number: (formatted(modified_stamp(at)), status) for number, (at, status) in shop.changed.items()
        }
