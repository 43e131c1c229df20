"""What the doctor concludes from the answers of the far sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from order_relay.airflow.doctor import vendor_probes
from order_relay.airflow.doctor.checks import CheckResult, Severity, run_guarded
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, SourceAuthError
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.messages import SearchHit, SearchResult, Selection, SourceOrder
from order_relay.vendors.cloudsuite.vendor import VENDOR as CLOUDSUITE

KNOWN = PositiveControl("7001-1", "55", datetime(2026, 5, 1, tzinfo=UTC))
NOTHING = SearchResult((), complete=True)
BROKEN = SearchResult((), complete=False, problem="unsupported")
UNDECLARED = SearchResult((), complete=False, problem="undeclared")
DOWN = SearchResult((), complete=False, problem="http_503", where="GET https://oms.example/api/v2/order/")


class FakeSession:
    """Answers a search for an unknown key, one for a known key, and one by window."""

    def __init__(self, unknown: SearchResult, known: SearchResult, window: SearchResult) -> None:
        self.unknown, self.known, self.window = unknown, known, window

    async def find_by_key(self, keys: Sequence[str]) -> SearchResult:
        return self.known if KNOWN.key in keys else self.unknown

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        return self.window


class FakeDestination:
    """A destination whose session is given."""

    def __init__(self, session: FakeSession, search_by: str = "auto", *, idempotent: bool = False) -> None:
        self.fake, self.search_by, self.idempotent = session, search_by, idempotent

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[FakeSession]:
        yield self.fake


def hit(key: str = KNOWN.key, oms_id: str = KNOWN.oms_id) -> SearchResult:
    return SearchResult((SearchHit(oms_id, key),), complete=True)


MIXED = SearchResult((SearchHit("5", "K5"), SearchHit("6", "")), complete=True)
"""One row without an external id may be any order: its absence is never proven."""


def look(
    session: FakeSession, search_by: str = "auto", known: vendor_probes.KnownOrders = (KNOWN,)
) -> list[CheckResult]:
    port: Any = FakeDestination(session, search_by)
    return list(vendor_probes.destination("oms", port, known))


@pytest.mark.parametrize(
    ("unknown", "known", "window", "search_by", "level", "says"),
    [
        (NOTHING, hit(), NOTHING, "auto", Severity.OK, "recommended: 'external_id'"),
        (NOTHING, hit(), NOTHING, "external_id", Severity.OK, "works"),
        (BROKEN, hit(), NOTHING, "auto", Severity.OK, "recommended: 'window'"),
        (BROKEN, hit(), NOTHING, "external_id", Severity.FAIL, "does not work"),
        (hit("other"), hit(), NOTHING, "external_id", Severity.FAIL, "does not work"),
        (NOTHING, NOTHING, NOTHING, "external_id", Severity.FAIL, "does not work"),
        (NOTHING, hit(key=""), NOTHING, "auto", Severity.OK, "recommended: 'window'"),
        (BROKEN, BROKEN, BROKEN, "auto", Severity.WARN, "no search works"),
        (BROKEN, BROKEN, BROKEN, "none", Severity.WARN, "no search works"),
        (UNDECLARED, UNDECLARED, UNDECLARED, "none", Severity.WARN, "no search works"),
        (DOWN, DOWN, DOWN, "auto", Severity.FAIL, "GET https://oms.example/api/v2/order/: HTTP 503"),
        (DOWN, DOWN, DOWN, "none", Severity.WARN, "no search works"),
        (DOWN, DOWN, NOTHING, "auto", Severity.OK, "recommended: 'window'"),
        (NOTHING, hit(), NOTHING, "none", Severity.WARN, "although a search works"),
        (NOTHING, hit(), BROKEN, "window", Severity.FAIL, "does not work"),
        (NOTHING, hit(), MIXED, "window", Severity.FAIL, "does not work"),
    ],
)
def test_the_setting_that_follows(
    unknown: SearchResult, known: SearchResult, window: SearchResult, search_by: str, level: Severity, says: str
) -> None:
    last = look(FakeSession(unknown, known, window), search_by)[-1]
    assert last.level is level
    assert says in last.found


def test_a_search_that_the_vendor_does_not_have_is_no_warning() -> None:
    findings = look(FakeSession(NOTHING, hit(), UNDECLARED))
    assert [finding.level for finding in findings] == [Severity.OK] * len(findings)
    assert "search by time window: none, the vendor has no such search" in [finding.found for finding in findings]


def test_without_a_known_order_it_does_not_promise() -> None:
    last = look(FakeSession(NOTHING, NOTHING, NOTHING), known=())[-1]
    assert last.level is Severity.OK
    assert "only a found order proves a search" in last.found


class FakeSource:
    """A source that offers what it is given, or raises."""

    windowed = False

    def __init__(self, offers: list[SourceOrder], error: Exception | None = None) -> None:
        self._offers, self._error = offers, error

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        if self._error:
            raise self._error
        yield from self._offers


def test_a_source_is_read_once_and_counted() -> None:
    port: Any = FakeSource([SourceOrder({}), SourceOrder({}, "lone_surrogate")])
    findings = list(vendor_probes.source("shop", port))
    assert [f.level for f in findings] == [Severity.OK, Severity.WARN]
    assert "2 orders offered" in findings[0].found


@pytest.mark.parametrize("error", [SourceAuthError("refused our credentials"), ConfigurationError("host is empty")])
def test_an_error_becomes_a_finding(error: Exception) -> None:
    port: Any = FakeSource([], error)
    findings = list(run_guarded("shop", "check it", lambda: vendor_probes.source("shop", port)))
    assert [f.level for f in findings] == [Severity.FAIL]
    assert findings[0].found == str(error)


@pytest.mark.parametrize(("zone", "level"), [("", Severity.WARN), ("Europe/Amsterdam", Severity.OK)])
def test_a_web_shop_without_a_time_zone_is_mentioned_with_an_example(zone: str, level: Severity) -> None:
    fields = {"token_url": "https://id.example/token", **({"time_zone": zone} if zone else {})}
    shop: Any = CLOUDSUITE.account(
        "source", Connection("cloudsuite_default", "https://shop.example", "c", "s", extra=fields)
    )
    [finding] = vendor_probes.vendor_source_probes("connection cloudsuite_default", "cloudsuite", shop)
    assert finding.level is level
    assert "Europe/Amsterdam" in f"{finding.found} {finding.advice}"


def test_a_source_without_checks_of_its_own_has_none() -> None:
    port: Any = FakeSource([])
    assert list(vendor_probes.vendor_source_probes("shop", "supercat", port)) == []
