"""SuperCat's page, clause by clause, and its switches."""

from __future__ import annotations

import aiohttp
import pytest

DEMO = "/demo/ext/v2/orders"


async def test_offers_everything_until_it_is_marked_as_received(calling, offered):
    async with calling(orders=[offered("1-010126-1", 11), offered("1-010126-2", 12)]) as vendor:
        status, envelope, _ = await vendor.list()
        assert (status, envelope["status"], envelope["error"]) == (200, "success", None)
        assert [o["order_number"] for o in envelope["data"]] == ["1-010126-1", "1-010126-2"]
        _, answer, _ = await vendor.acknowledge(["1-010126-1", "nobody"])
        assert answer["status"] == "success"
        assert answer["data"]["1-010126-1"] == {"success": True}
        assert answer["data"]["nobody"]["success"] is False
        _, envelope, _ = await vendor.list()
        assert [o["order_number"] for o in envelope["data"]] == ["1-010126-2"]


async def test_acknowledgement_is_early_unless_it_or_a_newer_version_was_imported(calling, offered):
    uuid = "AAAAAAAA-0000-4000-8000-000000000001"
    orders = [offered("1-1-1", 11, uuid), offered("1-1-1-1", 12, uuid), offered("1-1-1-2", 13, uuid), offered("9", 14)]
    async with calling(orders=orders) as vendor:
        await vendor.send_number("1-1-1-1")
        await vendor.acknowledge(["1-1-1", "1-1-1-1", "1-1-1-2", "9"])
        report = vendor.sandbox.report()
    assert report["acknowledged_early"] == ["1-1-1-2", "9"]
    assert report["acknowledged"] == ["1-1-1", "1-1-1-1", "1-1-1-2", "9"]
    assert report["offers"]["1-1-1-1"]["imported"] is True


async def test_same_identity_again_replaces_the_content_and_is_offered_anew(calling, offered):
    async with calling(orders=[offered("7", 11)]) as vendor:
        await vendor.acknowledge(["7"])
        vendor.sandbox.offer([offered("7", 11) | {"total": "99.00"}])
        _, envelope, _ = await vendor.list()
        assert [o["total"] for o in envelope["data"]] == ["99.00"]
        assert vendor.sandbox.report()["offered"] == 1


async def test_exact_texts_come_out_as_they_went_in(calling):
    text = b'{"id":5,"uuid":"U","order_number":"n-1","total":10.10,"x":1e400,"x":12345678901234567890123}'
    async with calling() as vendor:
        await vendor.call("POST", "/_offer?kind=odd", data=b"[" + text + b"]")
        async with vendor.session.get(f"{vendor.sandbox.url}{DEMO}/5.json", headers=_basic()) as answer:
            assert await answer.read() == text
        assert vendor.sandbox.report()["offers"]["n-1"]["total"] == 1010


async def test_credentials_organisation_and_lockout(calling):
    async with calling({"supercat": {"lockout_after": 2, "unauthorized_body": "json"}}) as vendor:
        wrong = {"Authorization": aiohttp.encode_basic_auth("demo", "nope")}
        status, _, _ = await vendor.call("GET", "/other/ext/v2/orders/new_orders", headers=_basic())
        assert status == 403
        for _ in range(2):
            status, body, headers = await vendor.call("GET", f"{DEMO}/new_orders", headers=wrong)
            assert status == 401
            assert set(body) == {"status", "error", "data"}
            assert "WWW-Authenticate" in headers
        status, _, _ = await vendor.list()
        assert status == 401, "the account is locked, the right password does not help"
        assert vendor.sandbox.report()["login_failures"] == {"supercat": 2}


async def test_ids_and_amounts_in_the_other_form(calling):
    async with calling({"supercat": {"id_as": "string", "money_as": "number"}}, orders=20, seed=3) as vendor:
        _, envelope, _ = await vendor.list()
        good = [o for o in envelope["data"] if isinstance(o.get("total"), float)]
        assert len(good) > 15
        assert all(isinstance(o["id"], str) and isinstance(o["items"][0]["unit_price"], float) for o in good)


@pytest.mark.parametrize("single", ["bare", "wrapped"])
async def test_single_order_leaves_the_flag_alone(calling, offered, single):
    async with calling({"supercat": {"single_order": single}}, orders=[offered("7", 11)]) as vendor:
        _, body, _ = await vendor.call("GET", f"{DEMO}/11.json", headers=_basic())
        order = body if single == "bare" else body["data"]
        assert order["order_number"] == "7"
        _, envelope, _ = await vendor.list()
        assert len(envelope["data"]) == 1
        status, _, _ = await vendor.call("GET", f"{DEMO}/12.json", headers=_basic())
        assert status == 404


async def test_gzip_only_for_those_who_accept_it(calling):
    async with calling(orders=50) as vendor:
        headers = _basic() | {"Accept-Encoding": "identity"}
        _, plain, heads = await vendor.call("GET", f"{DEMO}/new_orders", headers=headers)
        assert "Content-Encoding" not in heads
        _, zipped, heads = await vendor.list()
        assert heads["Content-Encoding"] == "gzip"
        assert plain == zipped


@pytest.mark.parametrize(
    ("switches", "numbers", "status", "entries"),
    [
        ({"partial_acknowledgement_status": "failure"}, ["no"], "failure", {"no": False}),
        ({"unknown_number": "success"}, ["no"], "success", {"no": True}),
        ({"unknown_number": "missing"}, ["no", "7"], "success", {"7": True}),
        ({"faults": [{"at": "entry", "answer": "refused", "orders": ["7"]}]}, ["7"], "success", {"7": False}),
        ({"faults": [{"at": "entry", "answer": "missing"}]}, ["7"], "success", {}),
    ],
)
async def test_acknowledgement_switches(calling, offered, switches, numbers, status, entries):
    async with calling({"supercat": switches}, orders=[offered("7", 11)]) as vendor:
        _, answer, _ = await vendor.acknowledge(numbers)
        assert answer["status"] == status
        assert {n: entry["success"] for n, entry in answer["data"].items()} == entries


async def test_a_repeated_acknowledgement_may_be_an_error(calling, offered):
    async with calling({"supercat": {"acknowledged_again": "error"}}, orders=[offered("7", 11)]) as vendor:
        assert (await vendor.acknowledge(["7"]))[1]["data"]["7"]["success"] is True
        assert (await vendor.acknowledge(["7"]))[1]["data"]["7"]["success"] is False


@pytest.mark.parametrize(("effect", "marked"), [("done", ["7"]), ("none", [])])
async def test_acknowledgement_without_an_answer(calling, offered, effect, marked):
    fault = {"at": "acknowledge", "effect": effect, "answer": "cut"}
    async with calling({"supercat": {"faults": [fault]}}, orders=[offered("7", 11)]) as vendor:
        with pytest.raises(aiohttp.ClientError):
            await vendor.acknowledge(["7"])
        report = vendor.sandbox.report()
    assert report["acknowledged"] == marked
    assert report["requests"]["POST /{org}/ext/v2/orders/new_orders"] == {"cut": 1}


@pytest.mark.parametrize("body", [{"7": True}, "7", [7], None])
async def test_a_body_that_is_no_list_of_numbers_is_an_application_error(calling, body):
    async with calling({"supercat": {"application_error_http": 422, "failure_data": "empty_object"}}) as vendor:
        status, answer, _ = await vendor.acknowledge(body)
        assert (status, answer["status"], answer["data"]) == (422, "error", {})
        assert answer["error"]


LIST_FAULTS = {
    "status_error": lambda body: body["status"] == "error" and body["data"] is None,
    "status_failure": lambda body: body["status"] == "failure",
    "data_object": lambda body: isinstance(body["data"], dict),
    "data_missing": lambda body: "data" not in body,
    "status_number": lambda body: body["status"] == 1,
    "not_json": lambda body: isinstance(body, bytes),
    "truncated": lambda body: isinstance(body, bytes) and body.startswith(b'{"status"'),
    "trailing_text": lambda body: isinstance(body, bytes) and b"<!--" in body,
    "nan": lambda body: any(o["total"] != o["total"] for o in body["data"]),
    "huge_number": lambda body: any(o["total"] == float("inf") for o in body["data"]),
    "duplicate_keys": lambda body: any(o["id"] == 4 for o in body["data"]),
    "duplicate_envelope_keys": lambda body: body["data"] == [],
    "latin1": lambda body: isinstance(body, bytes) and b"\xfc" in body,
    "html": lambda body: body.startswith(b"<!DOCTYPE"),
    "empty": lambda body: body == b"",
}


@pytest.mark.parametrize("answer", LIST_FAULTS)
async def test_wrong_lists(calling, offered, answer):
    fault = {"at": "list", "answer": answer, "first": 1}
    async with calling({"supercat": {"faults": [fault]}}, orders=[offered("7", 11) | {"total": 1}]) as vendor:
        status, body, _ = await vendor.list()
        assert status == 200
        assert LIST_FAULTS[answer](body)
        _, body, _ = await vendor.list()
        assert [o["order_number"] for o in body["data"]] == ["7"]


@pytest.mark.parametrize("answer", ["cut", "cut_body", "hang"])
async def test_lists_that_break_off(calling, answer):
    fault = {"at": "list", "answer": answer, "seconds": 5}
    async with calling({"supercat": {"faults": [fault]}}, orders=100) as vendor:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await vendor.list(timeout=aiohttp.ClientTimeout(total=0.3))


async def test_deep_and_dripping_lists(calling, offered):
    faults = [{"at": "list", "answer": "deep", "first": 1}, {"at": "list", "answer": "drip", "seconds": 0.1}]
    async with calling({"supercat": {"faults": faults}}, orders=[offered("7", 11)]) as vendor:
        async with vendor.session.get(f"{vendor.sandbox.url}{DEMO}/new_orders", headers=_basic()) as answer:
            assert b"[" * 5000 in await answer.read()
        _, body, _ = await vendor.list()
        assert len(body["data"]) == 1


def _basic() -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth("demo", "demo-password")}
