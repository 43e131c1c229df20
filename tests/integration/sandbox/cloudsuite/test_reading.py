"""CloudSuite's pages, clause by clause, and its switches: login, lists, details."""

from __future__ import annotations

import aiohttp
import pytest

TOKEN = "/realms/CloudSuite/protocol/openid-connect/token"
FORM = {
    "grant_type": "client_credentials",
    "client_id": "demo-client",
    "client_secret": "demo-client-secret",
    "scope": "openid",
}


class TestLogin:
    async def test_token_from_the_form_opens_the_api_until_it_ends(self, shop):
        async with shop({"token_calls": 1}) as caller:
            status, answer, _ = await caller.call("POST", TOKEN, data=FORM)
            assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 300)
            headers = {"Authorization": f"Bearer {answer['access_token']}"}
            assert (await caller.call("GET", "/api/order/", headers=headers))[0] == 200
            status, content, heads = await caller.call("GET", "/api/order/", headers=headers)
            assert status == 401
            assert "detail" in content
            assert "WWW-Authenticate" in heads

    @pytest.mark.parametrize(
        ("form", "status", "error"),
        [
            ({"client_secret": "no"}, 401, "invalid_client"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"scope": "email"}, 400, "invalid_scope"),
        ],
    )
    async def test_wrong_forms(self, shop, form, status, error):
        async with shop() as caller:
            got, answer, _ = await caller.call("POST", TOKEN, data=FORM | form)
            assert (got, answer["error"]) == (status, error)
            assert answer["error_description"]

    async def test_credentials_in_a_header_and_another_realm_are_refused(self, shop):
        async with shop() as caller:
            basic = {"Authorization": aiohttp.encode_basic_auth("demo-client", "demo-client-secret")}
            form = {"grant_type": "client_credentials", "scope": "openid"}
            assert (await caller.call("POST", TOKEN, data=form, headers=basic))[0] == 401
            assert (await caller.call("POST", TOKEN.replace("Suite", "Suite-test"), data=FORM))[0] == 404

    async def test_the_static_token_is_a_switch(self, shop):
        async with shop({"static_token": ""}) as caller:
            assert (await caller.api("GET", "/api/order/"))[0] == 401
            assert caller.sandbox.report()["login_failures"] == {"cloudsuite": 1}

    async def test_over_rate_is_429_with_the_time_to_wait(self, shop):
        async with shop({"requests_per_s": 1}) as caller:
            assert (await caller.api("GET", "/api/order/"))[0] == 200
            status, content, heads = await caller.api("GET", "/api/order/")
            assert (status, heads["Retry-After"], list(content)) == (429, "1", ["detail"])


class TestLists:
    async def test_pages_of_summaries(self, shop, order):
        async with shop({"page_size": 2}, [order(n) for n in range(1, 6)]) as caller:
            first = await caller.read("/api/order/?state=confirmed")
            assert (first["count"], first["previous"]) == (5, None)
            assert set(first["results"][0]) == {
                "id",
                "reference",
                "customer_order_number",
                "erp_order_number",
                "state",
                "order_date",
                "create_date",
                "modified_date",
            }
            assert first["next"] == f"{caller.sandbox.url}/api/order/?state=confirmed&limit=2&offset=2"
            last = await caller.read("/api/order/?state=confirmed&limit=2&offset=4")
            assert ([o["id"] for o in last["results"]], last["next"]) == ([5], None)
            assert "offset=2" in last["previous"]

    async def test_filters(self, shop, order):
        early, late = {"confirm_date": "2026-03-01T10:00:00.000001Z"}, {"confirm_date": "2026-03-01T12:00:00Z"}
        orders = [
            order(1, **early),
            order(2, **late),
            order(3, **early, offline=True),
            order(4, **early, webshop=2),
            order(5, state="draft"),
            order(6, **early, reference="CS1", webshop=3),
        ]
        async with shop({}, orders) as caller:
            assert await caller.ids(state="confirmed", offline="false") == [1, 2, 4, 6]
            assert await caller.ids(offline="true") == [3]
            assert await caller.ids(reference="CS1") == [1, 6]
            assert await caller.ids(reference="CS1", webshop=3) == [6]
            window = {"confirm_date__gte": "2026-03-01T10:00:00", "confirm_date__lte": "2026-03-01T12:00:00"}
            assert await caller.ids(**window) == [1, 2, 3, 4, 6]
            assert await caller.ids(confirm_date__gte="2026-03-01T11:59:59") == [2]
            assert await caller.ids(confirm_date__lte="2026-03-01T10:00:00") == [], "it was a microsecond later"

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ({"state": "open"}, "state"),
            ({"offline": "no"}, "offline"),
            ({"limit": "101"}, "limit"),
            ({"confirm_date__gte": "2026-03-01T10:00:00Z"}, "confirm_date__gte"),
            ({"colour": "red"}, "colour"),
        ],
    )
    async def test_what_makes_no_sense_is_named(self, shop, query, named):
        async with shop({"unknown_parameters": "error", "over_max_page": "error"}) as caller:
            status, content, _ = await caller.api("GET", "/api/order/", params=query)
            assert (status, list(content)) == (400, [named])

    async def test_dates_are_naive_in_the_shops_zone(self, shop, order):
        settings = {"time_zone": "Europe/Amsterdam", "extra_members": True}
        async with shop(settings, [order(confirm_date="2026-07-01T22:30:00Z")]) as caller:
            assert (await caller.read("/api/order/11/"))["confirm_date"] == "2026-07-02T00:30:00.000000"
            assert await caller.ids(confirm_date__gte="2026-07-02T00:30:00") == [11]
            assert await caller.ids(confirm_date__gte="2026-07-02T00:30:01") == []

    async def test_pages_are_cut_to_the_largest_and_next_may_name_another_host(self, shop, order):
        switches = {"max_page_size": 2, "next_host": "https://elsewhere.example", "order_of_list": "newest_first"}
        async with shop(switches, [order(n) for n in range(1, 4)]) as caller:
            page = await caller.read("/api/order/?limit=50")
            assert [o["id"] for o in page["results"]] == [3, 2]
            assert page["next"] == "https://elsewhere.example/api/order/?limit=2&offset=2"

    async def test_acknowledging_while_paging_shifts_what_follows(self, shop, order):
        async with shop({"page_size": 2}, [order(n) for n in range(1, 6)]) as caller:
            first = await caller.ids(state="confirmed")
            for order_id in first:
                await caller.patch(order_id, state="processing")
            assert (first, await caller.ids(state="confirmed", offset=2)) == ([1, 2], [5]), "3 and 4 were never seen"

    async def test_others_change_the_list_while_it_is_paged(self, shop, order):
        switches = {"page_size": 2, "leaving_while_paging": 1, "arriving_while_paging": 1}
        async with shop(switches, [order(n) for n in range(1, 6)]) as caller:
            assert await caller.ids(state="confirmed") == [1, 2]
            second = await caller.read("/api/order/?state=confirmed&offset=2")
            assert [o["id"] for o in second["results"]] == [4, 5], "1 was cancelled, 3 moved to the first page"
            assert second["count"] == 5, "and another came"

    @pytest.mark.parametrize(
        ("way", "status"),
        [("redirect", 301), ("answer", 200), ("not_found", 404)],
    )
    async def test_without_the_final_slash(self, shop, order, way, status):
        async with shop({"without_slash": way}, [order()]) as caller:
            got, _, heads = await caller.api("GET", "/api/order/11?x=1")
            assert got == status
            assert heads.get("Location") == ("/api/order/11/?x=1" if way == "redirect" else None)

    async def test_unknown_paths_and_methods_are_answered_in_json(self, shop, order):
        async with shop({}, [order()]) as caller:
            for method, path, expected in (
                ("DELETE", "/api/order/11/", 405),
                ("GET", "/api/orders/", 404),
                ("GET", "/api/order/12/", 404),
                ("GET", "/api/order/%31%31x/", 404),
                ("GET", "/proxy/nothing/", 404),
                ("GET", "/api/address/1/", 404),
                ("GET", f"/api/address/{'9' * 5000}/", 404),
                ("PUT", "/api/order/%C2%B2/", 404),
            ):
                status, content, _ = await caller.api(method, path)
                assert (status, list(content)) == (expected, ["detail"])


class TestDetails:
    async def test_addresses_as_objects_or_ids_and_numbers_or_texts(self, shop, order):
        async with shop({}, [order(key="web-1", paid_amount="51.0")]) as caller:
            shown = await caller.read("/api/order/ext:web-1/")
            assert shown["shipment_address"]["street1"] == "Dorpsstraat"
            caller.sandbox.change({"cloudsuite": {"addresses_as": "id", "numbers_as": "string"}})
            assert (await caller.read("/api/order/11/"))["shipment_address"] == 22
            assert await caller.read("/api/address/22/") == shown["shipment_address"]

    async def test_generated_numbers_in_both_forms(self, shop):
        async with shop(orders=5, seed=1) as caller:
            order_id = (await caller.ids())[0]
            line = (await caller.read(f"/api/order/{order_id}/"))["order_lines"][0]
            assert isinstance(line["quantity"], float)
            caller.sandbox.change({"cloudsuite": {"numbers_as": "string"}})
            text = (await caller.read(f"/api/order/{order_id}/"))["order_lines"][0]
            assert text["quantity"] == f"{line['quantity']:.4f}"

    async def test_exact_texts_come_out_as_they_went_in_until_written(self, shop):
        raw = b'{"id":5,"order_date":1.5,"webshop":9,"state":"confirmed","order_lines":1e400,"x":1,"x":2}'
        async with shop() as caller:
            await caller.call("POST", "/_offer?source=cloudsuite", data=b"[" + raw + b"]")
            headers = {"Authorization": "Token fixed"}
            async with caller.session.get(f"{caller.sandbox.url}/api/order/5/", headers=headers) as answer:
                assert await answer.read() == raw
            assert await caller.ids() == [5]
            assert caller.sandbox.report()["offers"]["9-CS5"]["total"] is None
