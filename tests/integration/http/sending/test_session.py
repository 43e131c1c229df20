"""A plain destination over the wire: Basic authentication, a documented limit, PUT by key, with or without a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from order_relay.errors import ConfigurationError, ThrottledError
from order_relay.http.auth.credentials import basic_auth
from order_relay.http.sending.outcomes import OutcomeTable, reply_reader
from order_relay.http.sending.session import HttpSession
from order_relay.orders.messages import SendOutcome, SendResult
from tests.support.upserting_oms import SEARCH, UpsertingOms, upserting_api, upserting_destination, upserting_oms


@pytest.fixture
def oms() -> Iterator[UpsertingOms]:
    with upserting_oms() as running:
        yield running


async def send(session: HttpSession, key: str = "K-1") -> SendResult:
    return await session.send(f'{{"orderKey": "{key}"}}'.encode(), key, not_after=time.monotonic() + 10)


async def test_an_order_sent_twice_is_updated(oms: UpsertingOms) -> None:
    async with upserting_destination(oms).session(1) as session:
        first, second = await send(session), await send(session)
    assert (first.outcome, first.oms_id) == (SendOutcome.IMPORTED, "5001")
    assert second.oms_id == first.oms_id
    assert oms.writes == {"K-1": 2}


async def test_refused_credentials_that_never_change_are_not_tried_again(oms: UpsertingOms) -> None:
    api = upserting_api(credentials=basic_auth("other", "hush"), search=SEARCH)
    async with upserting_destination(oms, api).session(1) as session:
        answer = await send(session)
        assert (answer.outcome, answer.status) == (SendOutcome.CONFIGURATION_ERROR, 401)
    assert oms.attempts == {}


async def test_a_search_at_a_wrong_url_is_a_configuration_error(oms: UpsertingOms) -> None:
    api = upserting_api(search=replace(SEARCH, path="nowhere", hint="the documented path is orders"))
    async with upserting_destination(oms, api).session(1) as session:
        with pytest.raises(ConfigurationError, match=r"no order search at this URL.*; the documented path is orders"):
            await session.find_by_key(["K-1"])


@pytest.mark.parametrize(("setting", "rate"), [(0.0, 40 / 60), (0.5, 0.5), (5.0, 40 / 60)])
async def test_a_limit_per_minute(oms: UpsertingOms, setting: float, rate: float) -> None:
    destination = upserting_destination(oms, upserting_api(requests_per_minute=40), requests_per_s=setting)
    async with destination.session(2) as session:
        assert session.limits.rate == pytest.approx(rate / 2)


async def test_the_vendors_own_header_says_how_long_to_pause(oms: UpsertingOms) -> None:
    oms.behaviour["K-1"] = ["throttled", "ok"]
    async with upserting_destination(oms).session(1) as session:
        answer = await send(session)
        assert (answer.outcome, answer.wait_s) == (SendOutcome.THROTTLED, 0)
        assert (await send(session)).outcome is SendOutcome.IMPORTED


async def test_after_the_last_request_that_is_left_the_next_one_waits(oms: UpsertingOms) -> None:
    oms.search_headers = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "30"}
    outcomes = OutcomeTable(
        read_success=reply_reader("orderId"),
        pause_headers=("X-Rate-Limit-Reset",),
        remaining_header="X-Rate-Limit-Remaining",
    )
    async with upserting_destination(oms, upserting_api(search=SEARCH, outcomes=outcomes)).session(1) as session:
        assert (await session.find_by_key(["K-1"])).complete
        assert session.limits.pause_left() == pytest.approx(30, abs=2)
        assert session.limits.rate == 0
        with pytest.raises(ThrottledError, match="the pause requested by the stand-in exceeds 5 s"):
            await session.wait_for_slot(5)


async def test_a_search_that_is_always_asked_to_slow_down_ends(oms: UpsertingOms) -> None:
    oms.search_headers = {"Retry-After": "0"}
    async with upserting_destination(oms, upserting_api(search=SEARCH)).session(1) as session:
        with pytest.raises(ThrottledError, match="the stand-in asked 8 times in a row to slow down"):
            await session.find_by_key(["K-1"])
    assert oms.searches == 8


async def test_put_by_key(oms: UpsertingOms) -> None:
    api = upserting_api(method="PUT", import_path="orders/by-key/{key}")
    async with upserting_destination(oms, api).session(1) as session:
        assert (await send(session, "A/1 é")).outcome is SendOutcome.IMPORTED
    assert set(oms.orders) == {"A/1 é"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("behaviour", ["cut", "lost"])
async def test_a_dropped_connection_is_one_attempt(oms: UpsertingOms, method: str, behaviour: str) -> None:
    """aiohttp would repeat the PUT, on a connection that was kept open and on a new one."""
    paths = {"POST": "orders/createorder", "PUT": "orders/by-key/{key}"}
    oms.behaviour["K-2"] = [behaviour]
    api = upserting_api(method=method, import_path=paths[method])
    async with upserting_destination(oms, api).session(1) as session:
        await send(session, "K-1")
        for attempt in (1, 2):
            result = await send(session, "K-2")
            assert (result.outcome, result.code) == (SendOutcome.IN_DOUBT, "ServerDisconnectedError")
            assert oms.attempts["K-2"] == attempt


def test_a_method_that_may_be_repeated_needs_an_idempotent_destination() -> None:
    with pytest.raises(ValueError, match="declare idempotent"):
        upserting_api(method="PUT", idempotent=False)


async def test_searches(oms: UpsertingOms) -> None:
    destination = upserting_destination(oms, upserting_api(search=SEARCH))
    async with destination.session(1) as session:
        await send(session, "K-1")
        await send(session, "K-11")
        page = await session.find_by_key(["K-1", "K-2"])
        assert page.complete
        assert ("5001", "K-1") in [(row.oms_id, row.destination_key) for row in page.rows]
        assert (await session.find_any()).complete
        assert (await session.find_by_window("x", "y")).problem == "undeclared"
    assert destination.search_by == "external_id"


async def test_without_a_search_nothing_is_asked(oms: UpsertingOms) -> None:
    destination = upserting_destination(oms)
    async with destination.session(1) as session:
        pages = [await session.find_by_key(["K"]), await session.find_any(), await session.read_order("1")]
    assert {page.problem for page in pages} == {"undeclared"}
    assert (destination.search_by, oms.searches) == ("none", 0)
