"""Responses spoiled by purpose, for every stand-in alike."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from order_relay_sandbox import Scenario, answering, stand_ins

ROUTES = [
    pytest.param(name, route, id=f"{name} {route.method} {route.path}")
    for name, found in stand_ins().items()
    for route in found.routes()
]


def spoiled(vendor="shopatron", purpose="import", **rule):
    return {vendor: {"spoil": [{"purpose": purpose, **rule}]}}


@pytest.mark.parametrize(("name", "route"), ROUTES)
async def test_every_route_can_be_spoiled_and_is_counted(calling, name, route):
    path = re.sub(r"{[^{}]*({[^{}]*})?[^{}]*}", "1", route.path)
    async with calling(spoiled(name, route.purpose, answer=503)) as caller:
        assert (await caller.call(route.method, path))[0] == 503
        assert caller.sandbox.report()["spoiled"] == {name: {f"before {route.purpose}: 503": 1}}


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
async def test_before_or_after_the_request_is_processed(calling, when, stored):
    async with calling(spoiled(answer="empty", when=when, first=1)) as caller:
        assert (await caller.send_number("n"))[:2] == (200, b"")
        assert caller.sandbox.report()["imported"] == stored
        assert (await caller.send_number("m"))[0] == 200


async def test_after_counts_successes_only(calling):
    async with calling(spoiled(answer=504, when="after", first=1)) as caller:
        assert (await caller.send({}))[0] == 400
        assert (await caller.send_number("n"))[0] == 504
        assert (await caller.send_number("m"))[0] == 200


@pytest.mark.parametrize("land", [True, False])
async def test_later(calling, land):
    async with calling(spoiled(answer="cut", when="later", first=1, later_s=60 if land else 0)) as caller:
        with pytest.raises(aiohttp.ClientError):
            await caller.send_number("n")
        if land:
            assert caller.sandbox.report()["imported"] == 0
            assert caller.sandbox.land() == 1
        await caller.send_number("m")
        assert caller.sandbox.report()["imported"] == 2


async def test_a_reset_drops_what_would_come_later(calling):
    async with calling(spoiled(answer=504, when="later", later_s=60)) as caller:
        assert (await caller.send_number("n"))[0] == 504
        caller.sandbox.reset()
        assert caller.sandbox.land() == 0


async def test_slow_answers_are_processed(calling):
    async with calling(spoiled(answer="slow", seconds=0.01)) as caller:
        assert (await caller.send_number("n"))[0] == 200


async def test_of_some_orders_only(calling):
    async with calling(spoiled(answer=500, orders=["b"], times=1)) as caller:
        assert [(await caller.send_number(number))[0] for number in "abb"] == [200, 500, 200]


async def test_set_and_lifted_at_run_time(calling):
    async with calling() as caller:
        caller.sandbox.change(spoiled(answer="html"))
        assert b"<html>" in (await caller.send_number("n"))[1]
        caller.sandbox.change({"shopatron": {"spoil": []}})
        assert (await caller.send_number("n"))[0] == 200


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after(calling, form):
    async with calling(spoiled(answer=429, retry_after_s=3600, retry_after_as=form)) as caller:
        status, _, headers = await caller.send_number("n")
        assert status == 429
        if form == "seconds":
            assert headers["Retry-After"] == "3600"
        else:
            ahead = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
            assert 3590 <= ahead.total_seconds() <= 3601


@pytest.mark.parametrize("answer", ["cut", "cut_body", "hang"])
async def test_broken_connections(calling, answer):
    async with calling(spoiled(answer=answer, when="after", seconds=0.1)) as caller:
        with pytest.raises(aiohttp.ClientError):
            await caller.send_number("n")
        assert caller.sandbox.report()["imported"] == 1
        assert caller.sandbox.report()["requests"]["POST /api/v2/importOrder/"] == {"cut": 1}


async def test_wrong_types_and_redirects(calling):
    async with calling(spoiled(answer="wrong_type", when="after")) as caller:
        _, content, headers = await caller.send_number("n")
        assert (content["externalOrderID"], headers["Content-Type"].partition(";")[0]) == ("n", "text/html")
        caller.sandbox.change(spoiled(answer="redirect"))
        status, _, headers = await caller.send_number("m")
        assert (status, headers["Location"]) == (302, answering.ELSEWHERE)


async def test_oversized(calling, monkeypatch):
    monkeypatch.setattr(answering, "OVERSIZED_BYTES", 3 * 2**20)
    async with calling(spoiled("supercat", "list", answer="oversized")) as caller:
        _, _, headers = await caller.list()
        assert "Content-Length" not in headers
        assert caller.sandbox.report()["requests"]["GET /{org}/ext/v2/orders/new_orders"] == {"200": 1}


async def test_a_reader_that_stops_ends_an_oversized_answer(calling):
    async with calling(spoiled("supercat", "list", answer="oversized")) as caller:
        url = caller.sandbox.url + "/demo/ext/v2/orders/new_orders"
        async with caller.session.get(url) as response:
            assert await response.content.read(1) == b"["


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (
            {"purpose": "imports", "answer": 500},
            r"shopatron.spoil: unknown purpose imports; available: catalog, detail",
        ),
        ({"purpose": "import", "answer": "explode"}, "explode"),
        ({"purpose": "import"}, "answer"),
    ],
)
def test_wrong_rules_are_named(rule, named):
    with pytest.raises(ValueError, match=named):
        Scenario.of({"shopatron": {"spoil": [rule]}})
