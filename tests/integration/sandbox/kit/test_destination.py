"""A plain destination made with the kit: create-or-update by key, search, and its books."""

from __future__ import annotations

import pytest

from order_relay_sandbox import stand_ins


async def test_a_second_import_updates_the_order(plain):
    async with plain(orders=[{"id": 1, "number": "5001", "total": "26.00"}]) as caller:
        first = await caller.send("5001", taxAmount=0)
        second = await caller.send("5001")
        assert (first[0], second[1]["orderId"]) == (200, first[1]["orderId"])
        report = caller.sandbox.pair("sample", "shipstation")
        assert (report["imported"], report["doubled"], report["totals_differ"]) == ({"5001": 1}, [], {})
        assert caller.sandbox.report()["posts"] == {"5001": 2}
        assert len(caller.sandbox.bodies("5001")) == 1


@pytest.mark.parametrize(("duplicates", "status", "orders"), [("reject", 409, 1), ("accept", 200, 2)])
async def test_other_ways_with_a_second_import(plain, duplicates, status, orders):
    async with plain(None, {"duplicates": duplicates}) as caller:
        await caller.send()
        assert (await caller.send())[0] == status
        assert caller.sandbox.report()["orders"]["5001"]["count"] == orders


async def test_the_exact_body_is_shown_with_the_id(plain):
    async with plain() as caller:
        members = b'"orderNumber":"k","orderDate":"d","orderStatus":"s","billTo":1,"shipTo":1'
        body = b' {"orderKey":"k",' + members + b',"items":[{"quantity":1,"unitPrice":1.10}]}'
        status, shown, _ = await caller.call("POST", "/orders/createorder", data=body)
        assert (status, shown["orderId"], shown["orderKey"]) == (200, 1001, "k")
        assert caller.sandbox.bodies("k") == [body]
        assert caller.sandbox.report()["orders"]["k"]["total"] == 110


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"orderKey": ""}, "orderKey is required"),
        ({"items": [], "shipTo": None}, "shipTo is required; items is required"),
        ({"taxAmount": "2.00"}, "taxAmount must be a number"),
    ],
)
async def test_wrong_bodies_are_refused(plain, members, message):
    async with plain() as caller:
        assert (await caller.send(**members))[:2] == (400, {"code": 400, "message": message})
        assert caller.sandbox.report()["imported"] == 0
    async with plain() as caller:
        assert (await caller.call("POST", "/orders/createorder", data=b"NaN"))[0] == 400


class TestSearch:
    async def test_by_number_in_pages(self, plain):
        async with plain() as caller:
            for number in range(1, 8):
                await caller.send(str(number))
            status, found, _ = await caller.call("GET", "/orders?page=2&pageSize=3")
            assert (status, [order["orderNumber"] for order in found["orders"]]) == (200, ["4", "3", "2"])
            assert {name: found[name] for name in ("total", "page", "pages")} == {"total": 7, "page": 2, "pages": 3}
            one = (await caller.call("GET", "/orders?orderNumber=5"))[1]
            assert [order["orderKey"] for order in one["orders"]] == ["5"]
            assert (await caller.call("GET", "/orders?page=0"))[0] == 400
            assert (await caller.call("GET", "/orders?orderNumber=9"))[1]["orders"] == []

    @pytest.mark.parametrize(
        ("search", "found"), [("exact", ["1"]), ("prefix", ["12", "1"]), ("ignored", ["2", "12", "1"])]
    )
    async def test_other_ways_of_comparing(self, plain, search, found):
        async with plain(None, {"search": search}) as caller:
            for number in ("1", "12", "2"):
                await caller.send(number)
            shown = (await caller.call("GET", "/orders?orderNumber=1"))[1]["orders"]
            assert [order["orderNumber"] for order in shown] == found

    async def test_needs_credentials(self, plain):
        async with plain() as caller:
            assert (await caller.call("GET", "/orders", headers={}))[0] == 401

    async def test_orders_that_are_visible_later(self, plain):
        async with plain(None, {"visible_after_s": 60}) as caller:
            await caller.send("1")
            assert (await caller.call("GET", "/orders"))[1]["total"] == 0
            caller.sandbox.land()
            assert (await caller.call("GET", "/orders"))[1]["total"] == 1


@pytest.mark.parametrize(("effect", "stored"), [("none", 0), ("done", 1), ("later", 1)])
@pytest.mark.parametrize("answer", [504, "no_id", "error_in_200"])
async def test_faults_in_the_words_of_other_stand_ins(plain, effect, stored, answer):
    fault = {"at": "import", "effect": effect, "answer": answer, "later_s": 60, "orders": ["5001"], "times": 1}
    async with plain(None, {"faults": [fault]}) as caller:
        status, content, _ = await caller.send()
        assert (status, "orderId" in content) == (504 if answer == 504 else 200, False)
        caller.sandbox.land()
        await caller.send("5002")
        assert caller.sandbox.report()["imported"] == 1 + stored


async def test_a_lost_answer(plain):
    rule = {"purpose": "import", "answer": 502, "when": "after", "orders": ["2"], "first": 1}
    async with plain(None, {"spoil": [rule]}) as caller:
        assert [(await caller.send(key))[0] for key in "122"] == [200, 502, 200]
        assert caller.sandbox.report()["orders"]["2"]["count"] == 1


async def test_an_import_by_put_names_the_key_in_its_path(plain, monkeypatch):
    declared = stand_ins()["shipstation"]
    monkeypatch.setattr(declared, "import_method", "PUT")
    monkeypatch.setattr(declared, "import_path", "/orders/by-key/{key}")
    async with plain() as caller:
        for _ in range(2):
            assert (await caller.send("A/1", path="/orders/by-key/A%2F1"))[0] == 200
        assert (await caller.send("B", path="/orders/by-key/C"))[1][
            "message"
        ] == "orderKey differs from the key in the path"
        assert (caller.sandbox.report()["imported"], caller.sandbox.report()["orders"]["A/1"]["count"]) == (1, 1)
