"""The OMS's side after the import: what becomes of orders, by switches and by tests, and notifications."""

from __future__ import annotations

import pytest
from aiohttp import web


async def detail(oms, answer):
    return (await oms.oms("GET", f"order/{answer['orderID']}"))[1]


async def shipments(oms, answer):
    query = {"orderID": str(answer["orderID"]), "manufacturerID": "1042"}
    return (await oms.oms("GET", "shipment/", params=query))[1]


@pytest.mark.parametrize(
    ("switch", "status", "parcels"),
    [
        ("none", "READY", 0),
        ("ship", "SHIPPED", 1),
        ("ship_partly", "READY", 1),
        ("cancel", "CANCELED", 0),
        ("cancel_item", "READY", 0),
        ("backorder", "BACKORDER", 0),
        ("unknown", "CUSTOMER CARE", 0),
    ],
)
async def test_a_switch_decides_what_becomes_of_orders(calling, good_body, switch, status, parcels):
    async with calling({"shopatron": {"fulfilment": switch}}) as oms:
        _, answer, _ = await oms.send(good_body())
        order = await detail(oms, answer)
        assert order["orderStatus"] == status
        assert (await shipments(oms, answer))["totalCount"] == parcels
        states = {item["itemState"] for item in order["orderItems"]}
        assert ("CANCELED" in states) == switch.startswith("cancel")


async def test_notifications_are_posted_with_duplicates(calling, good_body):
    got = []

    async def take(request):
        got.append((request.headers["X-Secret"], await request.json()))
        return web.Response(status=200 if len(got) > 1 else 503)

    app = web.Application()
    app.router.add_post("/events", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with calling() as oms:
            _, answer, _ = await oms.send(good_body())
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
            wish = {"order": answer["orderID"], "url": url, "headers": {"X-Secret": "s"}}
            _, sent, _ = await oms.call("POST", "/_shopatron/notify", json=wish)
            assert (await oms.call("POST", "/_shopatron/notify", json={"order": "nobody", "url": url}))[0] == 404
    finally:
        await runner.cleanup()
    assert sent == {"statuses": [503, 200]}
    assert [secret for secret, _ in got] == ["s", "s"]
    assert got[0][1]["externalOrderID"] == good_body()["externalOrderID"]
