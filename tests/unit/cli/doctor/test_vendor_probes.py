"""What the doctor concludes from the answers of the far sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from order_relay.commands import doctor_vendors
from order_relay.commands.findings import Finding, Level, guarded
from order_relay.connections import Connection
from order_relay.errors import SourceRefused, WrongSetup
from order_relay.ledger.values import Control
from order_relay.orders.exchange import Found, OfferedOrder, Page, Selection
from order_relay.vendors.cloudsuite.vendor import source as cloudsuite

KNOWN = Control("7001-1", "55", datetime(2026, 5, 1, tzinfo=UTC))
NOTHING = Page((), complete=True)
BROKEN = Page((), complete=False, problem="unsupported")
DOWN = Page((), complete=False, problem="http_503", where="GET https://oms.example/api/v2/order/")


class FakeSession:
    """Answers a search for an unknown key, one for a known key, and one by window."""

    def __init__(self, unknown: Page, known: Page, window: Page) -> None:
        self.unknown, self.known, self.window = unknown, known, window

    async def find_by_key(self, keys: Sequence[str]) -> Page:
        return self.known if KNOWN.key in keys else self.unknown

    async def find_by_window(self, start: str, end: str) -> Page:
        return self.window


class FakeDestination:
    """A destination whose session is given."""

    def __init__(self, session: FakeSession, search_by: str = "auto") -> None:
        self.fake, self.search_by = session, search_by

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[FakeSession]:
        yield self.fake


def hit(key: str = KNOWN.key, oms_id: str = KNOWN.oms_id) -> Page:
    return Page((Found(oms_id, key),), complete=True)


def look(session: FakeSession, search_by: str = "auto", known: doctor_vendors.Known = (KNOWN,)) -> list[Finding]:
    port: Any = FakeDestination(session, search_by)
    return list(doctor_vendors.destination("oms", port, known))


@pytest.mark.parametrize(
    ("unknown", "known", "window", "search_by", "level", "says"),
    [
        (NOTHING, hit(), NOTHING, "auto", Level.OK, "'external_id' would do"),
        (NOTHING, hit(), NOTHING, "external_id", Level.OK, "fits"),
        (BROKEN, hit(), NOTHING, "auto", Level.OK, "'window' would do"),
        (BROKEN, hit(), NOTHING, "external_id", Level.FAIL, "does not work here"),
        (hit("other"), hit(), NOTHING, "external_id", Level.FAIL, "does not work here"),
        (NOTHING, NOTHING, NOTHING, "external_id", Level.FAIL, "does not work here"),
        (NOTHING, hit(key=""), NOTHING, "auto", Level.OK, "'window' would do"),
        (BROKEN, BROKEN, BROKEN, "auto", Level.WARN, "no search works"),
        (BROKEN, BROKEN, BROKEN, "none", Level.WARN, "no search works"),
        (DOWN, DOWN, DOWN, "auto", Level.FAIL, "GET https://oms.example/api/v2/order/: HTTP 503"),
        (DOWN, DOWN, DOWN, "none", Level.WARN, "no search works"),
        (DOWN, DOWN, NOTHING, "auto", Level.OK, "'window' would do"),
        (NOTHING, hit(), NOTHING, "none", Level.WARN, "although a search works"),
        (NOTHING, hit(), BROKEN, "window", Level.FAIL, "does not work here"),
    ],
)
def test_the_setting_that_follows(
    unknown: Page, known: Page, window: Page, search_by: str, level: Level, says: str
) -> None:
    last = look(FakeSession(unknown, known, window), search_by)[-1]
    assert last.level is level
    assert says in last.found


def test_without_a_known_order_it_does_not_promise() -> None:
    last = look(FakeSession(NOTHING, NOTHING, NOTHING), known=())[-1]
    assert last.level is Level.OK
    assert "only a hit proves a search" in last.found


class FakeSource:
    """A source that offers what it is given, or raises."""

    windowed = False

    def __init__(self, offers: list[OfferedOrder], error: Exception | None = None) -> None:
        self._offers, self._error = offers, error

    def offers(self, selection: Selection) -> Iterator[OfferedOrder]:
        if self._error:
            raise self._error
        yield from self._offers


def test_a_source_is_read_once_and_counted() -> None:
    port: Any = FakeSource([OfferedOrder({}), OfferedOrder({}, "lone_surrogate")])
    findings = list(doctor_vendors.source("shop", port))
    assert [f.level for f in findings] == [Level.OK, Level.WARN]
    assert "2 orders on offer" in findings[0].found


@pytest.mark.parametrize("error", [SourceRefused("refused our credentials"), WrongSetup("host is empty")])
def test_an_error_becomes_a_finding(error: Exception) -> None:
    port: Any = FakeSource([], error)
    findings = list(guarded("shop", "check it", lambda: doctor_vendors.source("shop", port)))
    assert [f.level for f in findings] == [Level.FAIL]
    assert findings[0].found == str(error)


@pytest.mark.parametrize(("zone", "level"), [("", Level.WARN), ("Europe/Amsterdam", Level.OK)])
def test_a_web_shop_without_a_time_zone_is_mentioned_with_an_example(zone: str, level: Level) -> None:
    fields = {"token_url": "https://id.example/token", **({"time_zone": zone} if zone else {})}
    shop: Any = cloudsuite(Connection("cloudsuite_default", "https://shop.example", "c", "s", extra=fields))
    [finding] = doctor_vendors.own_source_probes("connection cloudsuite_default", "cloudsuite", shop)
    assert finding.level is level
    assert "Europe/Amsterdam" in f"{finding.found} {finding.advice}"


def test_a_source_without_checks_of_its_own_has_none() -> None:
    port: Any = FakeSource([])
    assert list(doctor_vendors.own_source_probes("shop", "supercat", port)) == []
