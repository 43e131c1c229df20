"""What the audit says of CloudSuite; the shop's people and its clock; faults."""

from __future__ import annotations

import aiohttp
import pytest

from order_relay_sandbox import serve_in_thread

NUMBERED = {"patch_lines": "merged"}


class TestAudit:
    async def test_counts_by_source(self, shop, order):
        async with shop({}, [order(11), order(12, offline=True), order(13, state="draft")]) as caller:
            caller.sandbox.offer([{"id": 1, "uuid": "U", "order_number": "n", "total": "1"}], source="supercat")
            await caller.send_number("1-CS11")
            report = caller.sandbox.report()
            assert (report["offered"], report["imported"]) == (2, 1)
            assert report["sources"]["cloudsuite"] == {
                "offered": 1,
                "imported": 1,
                "doubled": [],
                "acknowledged": [],
                "acknowledged_early": [],
            }
            assert report["sources"]["supercat"]["imported"] == 0
            assert report["offers"]["1-CS11"] == {
                "source": "cloudsuite",
                "id": "11",
                "uuid": "",
                "total": 5100,
                "kind": "offered",
                "acknowledged": False,
                "imported": True,
            }

    async def test_acknowledged_means_left_confirmed_and_early_means_before_the_import(self, shop, order):
        async with shop({}, [order(11), order(12)]) as caller:
            await caller.send_number("1-CS11")
            for order_id in (11, 12):
                await caller.patch(order_id, state="processing")
            report = caller.sandbox.report()
            assert report["acknowledged"] == ["1-CS11", "1-CS12"]
            assert report["acknowledged_early"] == ["1-CS12"]

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"payment_status": "started"}, "not paid"),
            ({"payment_status": "none"}, "not paid"),
            ({"payment_status": "none", "webshop": 2}, ""),
            ({"payment_status": "account"}, ""),
            ({"offline": True}, "offline"),
            ({"state": "quotation"}, "not confirmed"),
            ({"state": "cancel"}, "not confirmed"),
        ],
    )
    async def test_imports_that_should_not_have_been(self, shop, order, members, why):
        async with shop({"none_payable_webshops": [2]}, [order(11, **members)]) as caller:
            name = f"{members.get('webshop', 1)}-CS11"
            await caller.send_number(name)
            assert caller.sandbox.report()["imported_forbidden"] == ({name: why} if why else {})

    async def test_paid_by_the_time_of_the_import_is_paid(self, shop, order):
        async with shop({}, [order(11, payment_status="closed_canceled")]) as caller:
            before = (await caller.read("/api/order/?state=confirmed"))["results"][0]["modified_date"]
            change = {"order": "1-CS11", "set": {"payment_status": "paid"}}
            assert (await caller.call("POST", "/_cloudsuite/change", json=change))[0] == 200
            assert (await caller.read("/api/order/?state=confirmed"))["results"][0]["modified_date"] > before
            await caller.send_number("1-CS11")
            assert caller.sandbox.report()["imported_forbidden"] == {}

    async def test_steps_reported_after_the_shop_cancelled_an_order(self, shop, order):
        async with shop({"cancelled_after_take_over": 1}, [order(11), order(12)]) as caller:
            for order_id in (11, 12):
                await caller.patch(order_id, state="processing")
                await caller.patch(order_id, shipment_state="sent")
            found = caller.sandbox.report()["cloudsuite"]
            assert found["cancelled"] == ["1-CS11"]
            assert found["told_after_cancel"] == {"1-CS11": {"shipment_state": 1}}
            assert found["feedback"]["1-CS11"]["state"] == "cancel"
            assert found["feedback"]["1-CS12"]["state"] == "processing"

    async def test_an_order_cancelled_once_it_was_read_may_not_be_imported(self, shop, order):
        async with shop({"cancelled_after_reading": 1}, [order(11), order(12)]) as caller:
            states = [(await caller.read(f"/api/order/{n}/"))["state"] for n in (11, 12, 11)]
            assert states == ["confirmed", "confirmed", "cancel"]
            for number in ("1-CS11", "1-CS12"):
                await caller.send_number(number)
            report = caller.sandbox.report()
            assert report["cloudsuite"]["cancelled"] == ["1-CS11"]
            assert report["imported_forbidden"] == {"1-CS11": "not confirmed"}

    async def test_feedback_and_its_number_of_attempts(self, shop, order):
        async with shop(NUMBERED, [order(11)]) as caller:
            _, stored, _ = await caller.send_number("1-CS11")
            await caller.patch(11, state="processing", erp_order_number=str(stored["orderID"]))
            lines = [{"id": 1, "erp_line_number": 1}, {"id": 2, "erp_line_number": 2}]
            await caller.patch(11, order_lines=lines)
            await caller.patch(11, shipment_state="sent")
            await caller.patch(11, shipment_state="sent")
            assert caller.sandbox.report()["cloudsuite"]["feedback"] == {
                "1-CS11": {
                    "state": "processing",
                    "erp_order_number": str(stored["orderID"]),
                    "is_oms_id": True,
                    "line_numbers": [1, 2],
                    "shipment_state": "sent",
                    "deliveries": [],
                    "delivered": {},
                    "statuses": 0,
                    "told": {"state": 1, "erp_order_number": 1, "erp_line_number": 1, "shipment_state": 2},
                    "told_again": ["shipment_state"],
                }
            }


class TestClock:
    async def test_orders_are_confirmed_when_their_time_comes(self, shop, order):
        switches = {"now": "2026-03-01T10:00:00Z"}
        async with shop(switches, [order(11, confirm_date="2026-03-01T11:00:00Z")]) as caller:
            assert await caller.ids(state="confirmed") == []
            assert caller.sandbox.report()["offered"] == 0
            _, outcome, _ = await caller.call("POST", "/_cloudsuite/clock", json={"advance_s": 3600})
            assert outcome["now"].startswith("2026-03-01T11:00:0")
            assert await caller.ids(state="confirmed", confirm_date__gte="2026-03-01T11:00:00") == [11]
            _, about, _ = await caller.call("GET", "/_cloudsuite/order?order=1-CS11")
            assert (about["confirmed"], about["kind"]) == ("2026-03-01T11:00:00+00:00", "offered")
            assert caller.sandbox.report()["offered"] == 1

    async def test_a_replaced_order_keeps_neither_flag_nor_time(self, shop, order):
        switches = {"now": "2026-03-01T10:00:00Z"}
        async with shop(switches, [order(11), order(12, confirm_date="2026-03-01T11:00:00Z")]) as caller:
            await caller.patch(11, state="processing")
            caller.sandbox.offer([order(11), order(12, confirm_date="2026-03-01T13:00:00Z")])
            await caller.call("POST", "/_cloudsuite/clock", json={"advance_s": 2 * 3600})
            assert await caller.ids(state="confirmed") == [11]
            report = caller.sandbox.report()
            assert (report["offered"], report["acknowledged"]) == (1, [])

    async def test_the_shop_confirms_and_cancels(self, shop, order):
        async with shop({}, [order(11, state="draft")]) as caller:
            for state, listed in (("confirmed", [11]), ("cancel", [])):
                await caller.call("POST", "/_cloudsuite/change", json={"order": 11, "set": {"state": state}})
                assert await caller.ids(state="confirmed") == listed
            assert caller.sandbox.report()["acknowledged"] == [], "the shop did it, not the client"
            status, _, _ = await caller.call("POST", "/_cloudsuite/change", json={"order": 99, "set": {}})
            assert status == 404
            assert (await caller.call("GET", "/_cloudsuite/order?order=9"))[0] == 404

    def test_from_synchronous_code(self, order):
        with serve_in_thread({}, [order(11)], sources=["cloudsuite"]) as sandbox:
            assert sandbox.change_order("1-CS11", payment_status="started")["payment_status"] == "started"
            assert sandbox.advance(0) < sandbox.advance(60)
            assert sandbox.offer([order(12)]) == 1
            assert sandbox.report()["sources"]["cloudsuite"]["offered"] == 2


CALLS = {
    "list": ("GET", "/api/order/", None),
    "detail": ("GET", "/api/order/11/", None),
    "address": ("GET", "/api/address/22/", None),
    "patch": ("PATCH", "/api/order/11/", {"description": "new"}),
    "put": ("PUT", "/api/order/11/", {}),
    "post": ("POST", "/api/order/", {}),
    "delivery": ("POST", "/proxy/des_adv_xml/delivery/?shop=1&user=1", {}),
    "status": ("POST", "/proxy/v1/orderstatus/?shop=1", {}),
    "token": ("POST", "/realms/CloudSuite/protocol/openid-connect/token", None),
}


class TestFaults:
    @pytest.mark.parametrize("at", CALLS)
    async def test_every_route_can_fail(self, shop, order, at):
        method, path, body = CALLS[at]
        faults = [{"at": at, "answer": 503, "retry_after_s": 2, "first": 1}, {"at": at, "answer": "cut"}]
        async with shop({"faults": faults}, [order(11)]) as caller:
            status, _, heads = await caller.api(method, path, json=body)
            assert (status, heads["Retry-After"]) == (503, "2")
            with pytest.raises(aiohttp.ClientError):
                await caller.api(method, path, json=body)

    @pytest.mark.parametrize(("effect", "description"), [("done", "new"), ("none", None)])
    @pytest.mark.parametrize("answer", ["cut", "cut_body", "500"])
    async def test_a_write_whose_answer_is_lost(self, shop, order, effect, description, answer):
        fault = {"at": "patch", "effect": effect, "answer": answer, "orders": ["1-CS11"], "times": 1}
        async with shop({"faults": [fault]}, [order(11)]) as caller:
            if answer == "500":
                assert (await caller.patch(11, description="new"))[0] == 500
            else:
                with pytest.raises(aiohttp.ClientError):
                    await caller.patch(11, description="new")
            assert (await caller.read("/api/order/11/"))["description"] == description

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429])
    async def test_refusals_have_the_assumed_shape(self, shop, order, status):
        async with shop({"faults": [{"at": "detail", "answer": status}]}, [order(11)]) as caller:
            got, content, _ = await caller.api("GET", "/api/order/11/")
            assert (got, list(content)) == (status, ["non_field_errors" if status == 400 else "detail"])

    @pytest.mark.parametrize(
        ("answer", "wrong"),
        [
            ("not_json", lambda page: isinstance(page, bytes)),
            ("truncated", lambda page: isinstance(page, bytes)),
            ("no_results", lambda page: "results" not in page),
            ("results_object", lambda page: isinstance(page["results"], dict)),
            ("entry_without_id", lambda page: "id" not in page["results"][0]),
            ("count_text", lambda page: page["count"] == "many"),
        ],
    )
    async def test_wrong_lists(self, shop, order, answer, wrong):
        async with shop({"faults": [{"answer": answer}]}, [order(11)]) as caller:
            status, page, _ = await caller.api("GET", "/api/order/")
            assert status == 200
            assert wrong(page)
