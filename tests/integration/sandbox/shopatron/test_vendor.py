"""The OMS: tokens, import, faults around it, search."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

ROUTE = "POST /api/v2/importOrder/"


async def test_imports_once_and_adds_up_to_the_cent(calling, good_body):
    async with calling() as oms:
        status, answer, _ = await oms.send(good_body())
        assert status == 200
        report = oms.sandbox.report()
        assert report["imported"] == 1
        assert report["doubled"] == []
        assert report["orders"]["1001-010526-1"] == {
            "order_ids": [answer["orderID"]],
            "total": 2700,
            "totals": [2700],
            "count": 1,
            "posts": 1,
        }
        assert oms.sandbox.bodies("1001-010526-1")[0].startswith(b'{"externalOrderID"')


async def test_total_counts_shipping_tax_and_never_rounds(calling, good_body):
    async with calling({"shopatron": {"charges_per": "unit"}}) as oms:
        await oms.send(good_body(shippingTax=0.1))
        odd = good_body(externalOrderID="odd")
        odd["orderItems"][0]["itemSpecifics"]["actualPrice"] = 0.333
        await oms.send(odd)
        orders = oms.sandbox.report()["orders"]
    assert orders["1001-010526-1"]["total"] == 2000 + 1000 + 400 + 10
    assert orders["odd"]["total"] == "1466.6"


@pytest.mark.parametrize(
    ("mode", "status", "count", "doubled"),
    [("reject", 400, 1, []), ("accept", 200, 2, ["A"]), ("return_existing", 200, 1, [])],
)
async def test_second_import_of_the_same_external_id(calling, mode, status, count, doubled):
    async with calling({"shopatron": {"duplicates": mode}}) as oms:
        _, first, _ = await oms.send_number("A")
        again, second, _ = await oms.send_number("A")
        report = oms.sandbox.report()
    assert again == status
    assert report["orders"]["A"]["count"] == count
    assert report["doubled"] == doubled
    if mode == "reject":
        assert second["additionalInfo"].split()[-1] == str(first["orderID"])
    if mode == "return_existing":
        assert second["orderID"] == first["orderID"]


async def test_success_may_be_201_with_nothing_but_the_id(calling):
    switches = {"success_http": 201, "success_body": "id_only", "honour_order_id": True}
    async with calling({"shopatron": switches}) as oms:
        body = (await oms.send_number("A"))[:2]
        assert body[0] == 201
        assert list(body[1]) == ["orderID"]


@pytest.mark.parametrize("effect", ["done", "none"])
@pytest.mark.parametrize(
    "answer", ["cut", "cut_body", "hang", 408, 409, 500, 502, 503, 504, "empty", "no_id", "error_in_200", "html", 307]
)
async def test_lost_answers(calling, answer, effect):
    fault = {"at": "import", "effect": effect, "answer": answer, "times": 1, "seconds": 5}
    patience = aiohttp.ClientTimeout(total=0.3 if answer == "hang" else 30)
    async with calling({"shopatron": {"faults": [fault]}}) as oms:
        await oms.log_in()
        try:
            status, body, headers = await oms.send_number("A", timeout=patience)
        except (aiohttp.ClientError, TimeoutError):
            assert answer in ("cut", "cut_body", "hang")
        else:
            assert status == (answer if isinstance(answer, int) else 200)
            assert not (isinstance(body, dict) and "orderID" in body)
            assert answer != 307 or headers["Location"] == "/api/v2/importOrder/"
        assert oms.sandbox.report()["imported"] == (1 if effect == "done" else 0)


async def test_stored_late_and_immediately(calling):
    faults = [
        {"at": "import", "effect": "later", "later_s": 0.1, "answer": 504, "orders": ["soon"]},
        {"at": "import", "effect": "later", "later_s": 500, "answer": "cut", "orders": ["late"]},
    ]
    async with calling({"shopatron": {"faults": faults, "visible_after_s": 300}}) as oms:
        status, _, headers = await oms.send_number("soon")
        assert (status, headers["X-Mashery-Error-Code"]) == (504, "ERR_504_GATEWAY_TIMEOUT")
        with pytest.raises(aiohttp.ClientError):
            await oms.send_number("late")
        assert oms.sandbox.report()["imported"] == 0
        await asyncio.sleep(0.2)
        assert oms.sandbox.report()["imported"] == 1
        assert (await oms.search(externalOrderID="soon"))[1]["totalCount"] == 0, "not visible yet"
        assert oms.sandbox.land() == 1
        assert (await oms.search(externalOrderID="soon,late"))[1]["totalCount"] == 2


async def test_a_bad_body_is_refused_even_where_a_fault_would_store_it(calling, good_body):
    async with calling({"shopatron": {"faults": [{"effect": "done", "answer": 504}]}}) as oms:
        assert (await oms.send(good_body(currency="USDX")))[0] == 400
        assert oms.sandbox.report()["imported"] == 0


async def test_token_is_needed_expires_and_is_counted(calling, good_body):
    async with calling({"shopatron": {"token_calls": 1, "expired_http": 403}}) as oms:
        wrong = {"Authorization": aiohttp.encode_basic_auth("demo-key", "nope")}
        form = {"grant_type": "client_credentials"}
        assert (await oms.call("POST", "/oauthserver/oauth2/token", headers=wrong, data=form))[0] == 401
        _, token, _ = await oms.log_in()
        assert set(token) == {"access_token", "token_type", "expires_in", "scope"}
        assert (await oms.send_number("A"))[0] == 200
        status, body, headers = await oms.send_number("B")
        assert (status, body["code"]) == (403, 5004)
        assert "X-Mashery-Error-Code" not in headers
        assert oms.sandbox.report()["login_failures"] == {"shopatron": 1}


async def test_token_ages(calling):
    async with calling({"shopatron": {"token_lifetime_s": 0.05}}) as oms:
        await oms.log_in()
        await asyncio.sleep(0.1)
        assert (await oms.send_number("A"))[0] == 401


async def test_missing_key_is_refused_by_the_gateway(calling, good_body):
    async with calling() as oms:
        await oms.log_in()
        headers = {"Authorization": f"Bearer {oms.token}"}
        status, body, heads = await oms.call("POST", "/api/v2/importOrder/", headers=headers, json=good_body())
        assert status == 403
        assert heads["X-Mashery-Error-Code"] == "ERR_403_DEVELOPER_INACTIVE"
        assert body.startswith(b"<h1>")


@pytest.mark.parametrize(("answer", "status"), [("throttle_403", 403), ("throttle_429", 429)])
async def test_throttling_by_rule(calling, answer, status):
    fault = {"answer": answer, "every": 2, "retry_after_s": 3}
    async with calling({"shopatron": {"faults": [fault]}}) as oms:
        seen = [await oms.send_number(f"n{n}") for n in range(4)]
    assert [s for s, _, _ in seen] == [200, status, 200, status]
    assert seen[1][2]["Retry-After"] == "3"
    assert seen[1][2]["X-Mashery-Error-Code"] == "ERR_403_DEVELOPER_OVER_QPS"


async def test_real_rate_limit(calling):
    async with calling({"shopatron": {"requests_per_s": 5}}) as oms:
        statuses = [(await oms.send_number(f"n{n}"))[0] for n in range(12)]
    assert statuses[:5] == [200] * 5
    assert 403 in statuses


async def test_search_by_every_documented_parameter(calling, good_body):
    async with calling() as oms:
        for n in range(12):
            body = good_body(externalOrderID=f"n{n}", importedCreationDate=f"2026-01-{n + 1:02d}T10:00:00-07:00")
            await oms.send(body | ({"orderStatus": "CANCELLED"} if n == 3 else {}))
        _, page, _ = await oms.search(manufacturerID=1042)
        assert (page["totalCount"], len(page["collection"])) == (12, 10)
        _, page, _ = await oms.search(manufacturerID=1042, page=2)
        assert [row["externalOrderID"] for row in page["collection"]] == ["n1", "n0"]
        _, page, _ = await oms.search(orderStatus="CANCELLED")
        assert [row["orderStatus"] for row in page["collection"]] == ["CANCELED"]
        _, page, _ = await oms.search(startDate="2026-01-10T00:00:00Z", endDate="2026-01-11T23:59:59+00:00")
        assert {row["externalOrderID"] for row in page["collection"]} == {"n9", "n10"}
        order_id = page["collection"][0]["orderID"]
        _, page, _ = await oms.search(orderID=f"{order_id},1")
        assert page["totalCount"] == 1
        _, order, _ = await oms.oms("GET", f"order/{order_id}")
        assert order["orderDate"].endswith("T17:00:00+00:00")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 5010),
        ({"page": "1"}, 5017),
        ({"color": "blue"}, 5016),
        ({"orderID": "x"}, 5013),
        ({"manufacturerID": "1042", "perPage": "101"}, 5014),
        ({"manufacturerID": "1042", "page": "0"}, 5014),
        ({"startDate": "soon"}, 5014),
        ({"externalOrderID": ",".join(map(str, range(101)))}, 5014),
    ],
)
async def test_bad_searches(calling, parameters, code):
    async with calling() as oms:
        status, body, _ = await oms.search(**parameters)
        assert (status, body["code"]) == (400, code)


async def test_search_switches(calling):
    async with calling() as oms:
        for n in range(4):
            await oms.send_number(f"n{n}")

        async def with_switches(**switches):
            oms.sandbox.change({"shopatron": switches})
            return await oms.search(externalOrderID="n1", manufacturerID=1042)

        assert (await with_switches(search_external_id="error"))[1]["code"] == 5016
        assert (await with_switches(search_external_id="ignored"))[1]["totalCount"] == 4
        _, page, _ = await with_switches(search_external_id="supported", rows_carry_external_id=False)
        assert "externalOrderID" not in page["collection"][0]
        oms.sandbox.change({"shopatron": {"no_match": "empty_body", "first_page": 0}})
        assert (await oms.search(externalOrderID="zz"))[:2] == (200, b"")
        assert (await oms.search(manufacturerID=1042, page=0))[1]["totalCount"] == 4


async def test_shifting_pages_repeat_rows_and_change_the_total(calling):
    async with calling({"shopatron": {"shifting_pages": True}}) as oms:
        for n in range(4):
            await oms.send_number(f"n{n}")
        pages = [(await oms.search(manufacturerID=1042, perPage=2, page=page))[1] for page in (1, 2)]
    assert [p["totalCount"] for p in pages] == [4, 5]
    assert pages[0]["collection"][-1] == pages[1]["collection"][0]


@pytest.mark.parametrize(("answer", "status"), [(500, 500), ("html", 200), (302, 302), ("throttle_429", 429)])
async def test_failing_searches(calling, answer, status):
    async with calling({"shopatron": {"faults": [{"at": "search", "answer": answer, "first": 1}]}}) as oms:
        assert (await oms.search(manufacturerID=1042))[0] == status
        assert (await oms.search(manufacturerID=1042))[0] == 200


async def test_catalogue_unknown_paths_and_methods(calling):
    async with calling() as oms:
        assert (await oms.oms("GET", "catalog/", params={"manufacturerID": 1042}))[0] == 200
        assert (await oms.oms("GET", "catalog/", params={"manufacturerID": 7}))[1]["code"] == 5004
        assert (await oms.oms("GET", "nothing"))[1]["code"] == 5002
        assert (await oms.oms("GET", "importOrder/"))[1]["code"] == 5005
        assert (await oms.oms("GET", "order/123"))[1]["code"] == 5002


async def test_latency_and_requests_in_flight(calling):
    async with calling({"shopatron": {"latency_ms": 50}}) as oms:
        await oms.log_in()
        began = time.monotonic()
        await asyncio.gather(*(oms.send_number(f"n{n}") for n in range(8)))
        assert time.monotonic() - began >= 0.05
        report = oms.sandbox.report()
    assert report["requests_in_flight_max"] == 8
    assert report["in_flight_max_by_route"][ROUTE] == 8
    assert report["requests"][ROUTE] == {"200": 8}


async def test_reset_starts_over(calling, offered):
    async with calling(orders=[offered("7", 11)]) as oms:
        await oms.send_number("7")
        await oms.acknowledge(["7"])
        await oms.call("POST", "/_scenario", json={"shopatron": {"duplicates": "accept"}})
        await oms.call("POST", "/_reset")
        _, report, _ = await oms.call("GET", "/_audit")
        assert (report["offered"], report["imported"], report["acknowledged"]) == (1, 0, [])
        assert (await oms.call("GET", "/_scenario"))[1]["shopatron"]["duplicates"] == "reject"
        status, _, _ = await oms.call("POST", "/_scenario", json={"shopatron": {"duplicate": "accept"}})
        assert status == 400
