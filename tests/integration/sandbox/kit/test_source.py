"""A plain source made with the kit: pages, window, moving lists, details, acknowledgements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

NOW = datetime.now(UTC)


def at(hours):
    return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")


def order(order_id, hours=1, **members):
    return {"id": order_id, "number": str(order_id), "total": "12.50", "date_modified_gmt": at(hours), **members}


class TestList:
    async def test_pages_are_complete_and_linked(self, plain):
        async with plain(orders=25) as caller:
            seen = []
            url = "/wp-json/wc/v3/orders?per_page=10&status=processing"
            while url:
                status, rows, headers = await caller.call("GET", url)
                assert (status, headers["X-WP-Total"], headers["X-WP-TotalPages"]) == (200, "25", "3")
                seen += [row["id"] for row in rows]
                link = headers.get("Link", "")
                assert not link or link.endswith('; rel="next"')
                url = link.partition(">")[0].removeprefix(f"<{caller.sandbox.url}")
            assert sorted(seen) == list(range(1, 26))

    async def test_a_page_after_the_last_is_empty(self, plain):
        async with plain(orders=3) as caller:
            assert (await caller.page(page=2))[1] == []
            assert (await caller.page(page=0))[0] == 400
            assert (await caller.page(page="x"))[0] == 400

    async def test_a_page_has_at_most_the_largest_size(self, plain):
        async with plain(orders=120) as caller:
            assert len((await caller.page(per_page=1000))[1]) == 100

    @pytest.mark.parametrize(("ends", "found"), [("inclusive", [3, 2, 1]), ("exclusive", [2])])
    async def test_the_window(self, plain, ends, found):
        orders = [order(1, 3), order(2, 2), order(3, 1), order(4, 0), order(5, 4)]
        async with plain({"window_ends": ends}, orders=orders) as caller:
            assert await caller.ids(modified_after=at(3), modified_before=at(1)) == found
            assert (await caller.page(modified_after="yesterday"))[0] == 400

    async def test_filters_and_order(self, plain):
        orders = [order(1, 2), order(2, 1), order(3, 0, status="on-hold")]
        async with plain({"newest_first": False}, orders=orders) as caller:
            assert await caller.ids() == [1, 2, 3]
            assert await caller.ids(status="processing") == [1, 2]

    async def test_a_list_of_ids_only(self, plain):
        async with plain({"details": False}, orders=1) as caller:
            (row,) = (await caller.page())[1]
            assert set(row) == {"id", "date_modified_gmt"}

    async def test_exact_text_is_kept_until_the_order_changes(self, plain):
        async with plain(orders=[b'{"id":1,"number":"1","total":12.50,"x":1,"x":2}']) as caller:
            assert (await caller.call("GET", "/wp-json/wc/v3/orders/1"))[1]["x"] == 2
            assert caller.sandbox.report()["offers"]["1"]["total"] == 1250
            assert await caller.acknowledge(1) == 200
            assert (await caller.call("GET", "/wp-json/wc/v3/orders/1"))[1]["total"] == 12.5

    async def test_text_that_is_no_json_is_listed(self, plain):
        async with plain(orders=[b'{"id":']) as caller:
            assert (await caller.page())[1] == b'[{"id":]'


class TestMovingLists:
    async def read(self, caller):
        pages = [await caller.ids(page=page, per_page=2, status="processing") for page in (1, 2, 3)]
        return [order_id for page in pages for order_id in page]

    async def test_at_rest(self, plain):
        async with plain(orders=[order(n, n) for n in range(1, 5)]) as caller:
            assert await self.read(caller) == [1, 2, 3, 4]

    async def test_an_order_that_arrives_shows_another_twice(self, plain):
        async with plain({"arriving_while_paging": 1}, orders=[order(n, n) for n in range(1, 5)]) as caller:
            assert await self.read(caller) == [1, 2, 2, 3, 4]

    async def test_an_order_that_leaves_hides_another(self, plain):
        async with plain({"leaving_while_paging": 1}, orders=[order(n, n) for n in range(1, 5)]) as caller:
            assert await self.read(caller) == [1, 2, 4]

    async def test_an_order_that_moves_is_shown_again_and_hides_another(self, plain):
        switches = {"moving_while_paging": 1, "newest_first": False}
        async with plain(switches, orders=[order(n, 9 - n) for n in range(1, 5)]) as caller:
            assert await self.read(caller) == [1, 2, 4, 2]  # 3 took the place of 2


class TestAcknowledgement:
    async def test_by_another_status(self, plain):
        async with plain(orders=[order(1), order(2)]) as caller:
            await caller.send("1")
            assert await caller.acknowledge(1) == 200
            report = caller.sandbox.pair("sample", "shipstation")
            assert (report["acknowledged"], report["acknowledged_early"]) == (["1"], [])
            assert await caller.ids(status="processing") == [2]

    async def test_before_the_import_it_is_early(self, plain):
        async with plain(orders=[order(1)]) as caller:
            await caller.acknowledge(1)
            report = caller.sandbox.pair("sample", "shipstation")
            assert (report["acknowledged_early"], report["lost"]) == (["1"], ["1"])

    async def test_other_changes_are_none(self, plain):
        async with plain(orders=[order(1)]) as caller:
            assert (await caller.call("PUT", "/wp-json/wc/v3/orders/1", json={"note": "x"}))[0] == 200
            assert (await caller.call("PUT", "/wp-json/wc/v3/orders/1", data=b"[]"))[0] == 400
            assert await caller.acknowledge(7) == 404
            assert caller.sandbox.report()["acknowledged"] == []

    async def test_of_one_order_can_fail(self, plain):
        rule = {"purpose": "acknowledge", "answer": 500, "orders": ["2"]}
        async with plain({"spoil": [rule]}, orders=[order(1), order(2)]) as caller:
            assert [await caller.acknowledge(1), await caller.acknowledge(2)] == [200, 500]

    async def test_offered_again_it_is_open_again(self, plain):
        async with plain(orders=[order(1)]) as caller:
            await caller.acknowledge(1)
            caller.sandbox.offer([order(1, total="13.00")])
            assert await caller.ids(status="processing") == [1]
            assert caller.sandbox.report()["offers"]["1"]["total"] == 1300
            assert caller.sandbox.report()["offered"] == 1


class TestAccess:
    async def test_wrong_credentials(self, plain):
        async with plain(orders=1) as caller:
            assert (await caller.call("GET", "/wp-json/wc/v3/orders", headers={}))[0] == 401
            assert (await caller.call("GET", "/wp-json/wc/v3/orders", headers={"Authorization": "Basic %"}))[0] == 401
            assert caller.sandbox.report()["login_failures"] == {"sample": 2}

    async def test_a_token_for_client_credentials(self, plain):
        form = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-password"}
        path = "/wp-json/oauth/token"
        async with plain({"token_calls": 1}, orders=1) as caller:
            assert (await caller.call("POST", path, data=form | {"client_secret": "x"}, headers={}))[0] == 401
            assert (await caller.call("POST", path, data={"grant_type": "password"}))[0] == 400
            status, issued, _ = await caller.call("POST", path, data=form, headers={})
            bearer = {"Authorization": f"Bearer {issued['access_token']}"}
            calls = [(await caller.call("GET", "/wp-json/wc/v3/orders", headers=bearer))[0] for _ in range(2)]
            assert (status, calls) == (200, [200, 401])

    @pytest.mark.parametrize("form", ["seconds", "date", "none"])
    async def test_the_rate_limit(self, plain, form):
        async with plain({"requests_per_window": 2, "retry_after": form}, orders=1) as caller:
            assert [(await caller.page())[0] for _ in range(2)] == [200, 200]
            status, _, headers = await caller.page()
            assert (status, headers["X-Rate-Limit-Remaining"]) == (429, "0")
            assert 1 <= int(headers["X-Rate-Limit-Reset"]) <= 60
            assert ("Retry-After" in headers, headers.get("Retry-After", "").isdigit()) == (
                form != "none",
                form == "seconds",
            )

    async def test_unknown_paths(self, plain):
        async with plain() as caller:
            assert (await caller.call("GET", "/wp-json/wc/v4/orders"))[:2] == (404, {"code": 404, "message": "refused"})

    async def test_the_connection(self, plain):
        async with plain({"password": "p"}) as caller:
            connection = caller.sandbox.connections()["sample"]
            assert (connection["login"], connection["password"]) == ("demo", "p")
            assert connection["extra"] == {"token_url": caller.sandbox.url + "/wp-json/oauth/token"}


async def test_generated_orders_repeat_and_add_up(plain):
    async with plain(orders=40, seed=3) as one, plain(orders=40, seed=3) as other:
        (_, rows, _), (_, again, _) = await one.page(per_page=100), await other.page(per_page=100)
        assert [row["line_items"] for row in rows] == [row["line_items"] for row in again]
    for row in rows:
        entries = [*row["line_items"], *row["shipping_lines"], *row["fee_lines"]]
        assert Decimal(row["total"]) == sum(Decimal(e["total"]) + Decimal(e["total_tax"]) for e in entries)
