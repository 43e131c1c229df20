"""CloudSuite's pages, clause by clause, and its switches: PATCH, PUT, POST, delivery messages."""

from __future__ import annotations

import pytest


class TestPatch:
    async def test_changes_only_what_it_names(self, shop, order):
        async with shop({}, [order(description="x")]) as caller:
            status, content = await caller.patch(11, state="processing", reference="CS2", payment_status="none")
            assert status == 200
            assert (content["state"], content["description"]) == ("processing", "x")
            assert (content["reference"], content["payment_status"]) == ("CS11", "paid"), "read-only"
            assert await caller.ids(state="confirmed") == []

    @pytest.mark.parametrize(
        "members",
        [
            {"state": "shipped"},
            {"shipment_state": "gone"},
            {"erp_order_number": 7},
            {"shipment_address": 999},
            {"shipment_address": {"id": 22}},
            {"currency": "EURO"},
            {"webshop": "1"},
            {"order_lines": "none"},
            {"paid_amount": "free"},
            {"colour": "red"},
        ],
    )
    async def test_wrong_members_are_named_and_nothing_is_stored(self, shop, order, members):
        async with shop({"unknown_members": "error"}, [order()]) as caller:
            before = await caller.read("/api/order/11/")
            status, content = await caller.patch(11, **members)
            assert (status, list(content)) == (400, list(members))
            assert await caller.read("/api/order/11/") == before

    @pytest.mark.parametrize("body", [b"{", b"[1]", b'{"state": NaN}', b"\xff"])
    async def test_a_body_that_is_no_object(self, shop, order, body):
        async with shop({}, [order()]) as caller:
            assert (await caller.api("PATCH", "/api/order/11/", data=body))[0] == 400

    async def test_one_member_at_a_time_and_no_way_back(self, shop, order):
        async with shop({"combined_patch": False, "transitions": "forward"}, [order()]) as caller:
            assert (await caller.patch(11, state="processing", erp_order_number="7"))[0] == 400
            assert (await caller.patch(11, state="processing"))[0] == 200
            assert (await caller.patch(11, state="confirmed"))[0] == 400
            assert caller.sandbox.report()["cloudsuite"]["put_back"] == []

    @pytest.mark.parametrize(
        ("way", "status", "numbers", "descriptions"),
        [
            ("refused", 400, [None, None], ["A", "A"]),
            ("ignored", 200, [None, None], ["A", "A"]),
            ("merged", 200, [None, 7], ["A", "A"]),
            ("replaced", 200, [7], [""]),
        ],
    )
    async def test_lines(self, shop, order, way, status, numbers, descriptions):
        async with shop({"patch_lines": way}, [order()]) as caller:
            assert (await caller.patch(11, order_lines=[{"id": 2, "erp_line_number": 7}]))[0] == status
            lines = (await caller.read("/api/order/11/"))["order_lines"]
            assert [line.get("erp_line_number") for line in lines] == numbers
            assert [line["description"] for line in lines] == descriptions

    async def test_an_answer_without_a_body(self, shop, order):
        async with shop({"write_reply": "empty"}, [order()]) as caller:
            assert await caller.patch(11, state="processing") == (200, b"")


class TestPut:
    async def whole(self, caller):
        shown = await caller.read("/api/order/11/")
        return shown | {"shipment_address": 22, "invoice_address": 22}

    async def put(self, caller, body, order_id=11):
        return (await caller.api("PUT", f"/api/order/{order_id}/", json=body))[:2]

    async def test_the_whole_order_with_line_numbers(self, shop, order):
        async with shop({}, [order(description="x", key="k")]) as caller:
            await caller.patch(11, state="processing")
            body = await self.whole(caller)
            lines = [line | {"erp_line_number": n} for n, line in enumerate(body["order_lines"], start=1)]
            status, after = await self.put(caller, body | {"order_lines": lines})
            assert status == 200
            assert [line["erp_line_number"] for line in after["order_lines"]] == [1, 2]
            assert [line["id"] for line in after["order_lines"]] == [1, 2]
            unchanged = ("state", "description", "key", "payment_status", "reference")
            assert {name: after[name] for name in unchanged} == {name: body[name] for name in unchanged}

    @pytest.mark.parametrize(("way", "description", "price"), [("cleared", None, None), ("kept", "x", "24.75")])
    async def test_what_is_left_out(self, shop, order, way, description, price):
        async with shop({"put_omitted": way}, [order(description="x")]) as caller:
            body = await self.whole(caller)
            del body["description"]
            for line in body["order_lines"]:
                line.pop("unit_price")
            _, after = await self.put(caller, body)
            assert (after["description"], after["order_lines"][0]["unit_price"]) == (description, price)
            assert after["payment_status"] == "paid"

    async def test_lines_may_get_other_ids(self, shop, order):
        async with shop({"put_line_ids": "renewed"}, [order()]) as caller:
            _, after = await self.put(caller, await self.whole(caller))
            assert [line["id"] for line in after["order_lines"]] == [3, 4]

    async def test_written_back_as_the_vendors_example_has_it_the_order_is_offered_again(self, shop, order):
        async with shop({}, [order()]) as caller:
            body = await self.whole(caller)
            await caller.patch(11, state="processing")
            assert (await self.put(caller, body))[1]["state"] == "confirmed"
            report = caller.sandbox.report()
            assert (report["cloudsuite"]["put_back"], report["acknowledged"]) == (["1-CS11"], [])
            assert await caller.ids(state="confirmed") == [11]

    async def test_required_members(self, shop, order):
        async with shop({}, [order()]) as caller:
            status, wrong = await self.put(caller, {"state": "processing", "order_lines": [{"id": 1}]})
            assert status == 400
            assert set(wrong) == {"currency", "order_lines", "shipment_address", "webshop"}

    async def test_an_order_that_does_not_exist_is_made_and_posting_one_that_does_is_an_error(self, shop, order):
        async with shop({"written_addresses": "id_or_object"}, [order(key="k")]) as caller:
            body = await caller.read("/api/order/11/")
            fresh = {name: value for name, value in body.items() if name not in ("id", "key")}
            assert (await self.put(caller, fresh, 900))[0] == 201
            assert (await caller.read("/api/order/900/"))["currency"] == "EUR"
            assert await caller.ids(offline="true") == [900]
            status, wrong, _ = await caller.api("POST", "/api/order/", json=body)
            assert (status, list(wrong)) == (400, ["key"])
            status, made, _ = await caller.api("POST", "/api/order/", json=fresh)
            assert (status, len(made["order_lines"])) == (201, 2)


def desadv(number="D1", order_number="7000001", line=1, quantity="2"):
    item = {"ItemNum": line, "OrderNum": order_number, "QuantityValue": quantity, "SellerItemID": "A"}
    transport = {"TransportModeCode": "", "MeansOfTransport": {"Identification": ""}}
    dates = {"DesadvDate": "2026-03-04", "PlannedDeliveryDate": "2026-03-05"}
    return {
        "Desadv": {
            "DesadvHeader": {"DesadvNumber": number, **dates, "TransportDetails": transport},
            "DesadvDetail": {"Packaging": {"LineItems": [{"Item": item}]}},
        }
    }


def as_xml(value):
    if not isinstance(value, dict):
        return str(value)
    listed = {name: content if isinstance(content, list) else [content] for name, content in value.items()}
    parts = [(name, part) for name, contents in listed.items() for part in contents]
    return "".join(f"<{name}>{as_xml(part)}</{name}>" for name, part in parts)


class TestDelivery:
    PATH = "/proxy/des_adv_xml/delivery/?shop=1&user=3"

    async def numbered(self, caller):
        caller.sandbox.change({"cloudsuite": {"patch_lines": "merged"}})
        lines = [{"id": 1, "erp_line_number": 1}, {"id": 2, "erp_line_number": 2}]
        assert (await caller.patch(11, erp_order_number="7000001", order_lines=lines))[0] == 200

    async def send(self, caller, message, path=PATH):
        return (await caller.api("POST", path, json=message))[:2]

    async def test_only_after_order_and_line_numbers_are_set(self, shop, order):
        async with shop({"patch_lines": "merged"}, [order()]) as caller:
            status, wrong = await self.send(caller, desadv(order_number="CS11"))
            assert (status, list(wrong)) == (400, ["OrderNum"])
            await caller.patch(11, erp_order_number="7000001")
            status, wrong = await self.send(caller, desadv())
            assert (status, list(wrong)) == (400, ["ItemNum"])
            await self.numbered(caller)
            assert (await self.send(caller, desadv()))[0] == 200

    async def test_a_number_is_taken_once_and_the_order_is_sent_when_all_is_delivered(self, shop, order):
        async with shop({}, [order()]) as caller:
            await self.numbered(caller)
            assert (await self.send(caller, desadv("D1", line=1, quantity="2")))[0] == 200
            assert (await self.send(caller, desadv("D1", line=2, quantity="1")))[0] == 400
            assert (await caller.read("/api/order/11/"))["shipment_state"] is None
            assert (await self.send(caller, desadv("D2", line=2, quantity="1.0")))[0] == 200
            assert (await caller.read("/api/order/11/"))["shipment_state"] == "sent"
            feedback = caller.sandbox.report()["cloudsuite"]["feedback"]["1-CS11"]
            assert (feedback["deliveries"], feedback["delivered"]) == (["D1", "D2"], {"1": "2", "2": "1.0"})

    @pytest.mark.parametrize("accepted", ["xml", "json", "both"])
    async def test_as_xml_or_json(self, shop, order, accepted):
        async with shop({"desadv": accepted}, [order()]) as caller:
            await self.numbered(caller)
            body = as_xml(desadv("D1", "CS11", quantity="0.1250")).encode()
            status, _, _ = await caller.api("POST", self.PATH, data=body)
            assert status == (415 if accepted == "json" else 200), "the reference will do as well"
            assert (await self.send(caller, desadv("D2")))[0] == (415 if accepted == "xml" else 200)

    @pytest.mark.parametrize(
        ("message", "named"),
        [
            ({"Desadv": {}}, "DesadvNumber"),
            ([], "Desadv"),
            (desadv(quantity="1.00001"), "QuantityValue"),
            (desadv(quantity="-1"), "QuantityValue"),
            (desadv(order_number="nobody"), "OrderNum"),
        ],
    )
    async def test_wrong_messages(self, shop, order, message, named):
        async with shop({}, [order()]) as caller:
            await self.numbered(caller)
            status, wrong = await self.send(caller, message)
            assert status == 400
            assert named in wrong

    async def test_parameters_entities_and_status_texts(self, shop, order):
        async with shop({}, [order()]) as caller:
            assert (await self.send(caller, desadv(), "/proxy/des_adv_xml/delivery/?shop=1"))[0] == 400
            hostile = b'<!DOCTYPE x [<!ENTITY e "e">]><Desadv>&e;</Desadv>'
            assert (await caller.api("POST", self.PATH, data=hostile))[0] == 400
            text = {"CloudsuiteOrderId": "CS11", "dateTime": "2026-03-04T10:00:00", "state": "packed"}
            assert (await self.send(caller, text, "/proxy/v1/orderstatus/?shop=1"))[0] == 200
            assert (await self.send(caller, text, "/proxy/v1/orderstatus/?shop=2"))[0] == 404
            assert (await self.send(caller, {}, "/proxy/v1/orderstatus/?shop=1"))[0] == 400
