"""The client and its mapping against the sandbox's CloudSuite, which was written from the vendor's pages."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from order_relay.connections import Connection
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    SourceAuthError,
    TransientError,
)
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.messages import MappingOverrides, Selection
from order_relay.orders.payload.transformer import Transformer
from order_relay.vendors.cloudsuite.vendor import VENDOR
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform
from order_relay.vendors.shopatron.vendor import VENDOR as SHOPATRON
from order_relay_sandbox.cloudsuite.switches import LIST_ANSWERS
from order_relay_sandbox.serving import serve_in_thread

GOING = {"plain", "external_key", "shared_reference", "zero_price", "long_description", "fine_price"}
WAITING = {"started", "closed_canceled", "none"}
REFUSED = {"fraction", "unknown_type"}


def client(url, login="demo-client", password="demo-client-secret", **extra):
    fields = {"token_url": f"{url}/realms/CloudSuite/protocol/openid-connect/token", "timeout_s": 5, **extra}
    return VENDOR.account("source", Connection("cloudsuite_default", url, login, password, extra=fields))


def yesterday():
    now = datetime.now(UTC)
    return Selection(start=now - timedelta(hours=30), end=now + timedelta(minutes=1))


@pytest.fixture(scope="module")
def sandbox():
    with serve_in_thread(orders=120, seed=3, sources=["cloudsuite"]) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(sandbox):
    sandbox.reset()


def offered(sandbox, **extra):
    return [order.document for order in client(sandbox.url, **extra).fetch(yesterday())]


def about(sandbox, order_id):
    return sandbox._call(f"/_cloudsuite/order?order={order_id}")


def transformer(**tables):
    forms = (client("http://shop.example").format, SHOPATRON.format())
    values = {
        "customer_ip": "203.0.114.7",
        "manufacturer_id": 1,
        "catalog_id": 0,
        "currency": "EUR",
        "time_zone": "Europe/Amsterdam",
        "overrides": MappingOverrides(tables=tables),
    }
    return Transformer(*forms, ShopatronTransform.load(values), HOOKS)


def fates(documents, turn):
    """What the schema, the gate and the transformation make of each document, by its id."""
    found = {}
    for document, result in zip(documents, turn.transform(documents), strict=True):
        verdict = turn.eligibility.evaluate(document)
        refused = turn.source.check(document) or result.issues
        found[document["id"]] = "refused" if refused else verdict.verdict
    return found


def test_every_kind_of_order_meets_its_fate(sandbox):
    documents = offered(sandbox)
    kinds = {document["id"]: about(sandbox, document["id"])["kind"] for document in documents}
    assert set(kinds.values()) <= GOING | WAITING | REFUSED
    fate = fates(documents, transformer())
    odd = {(kinds[number], what) for number, what in fate.items()}
    assert odd <= {
        *((kind, "go") for kind in GOING),
        *((kind, "wait") for kind in WAITING),
        *((kind, "refused") for kind in REFUSED),
    }, Counter(odd)
    assert {"go", "wait", "refused"} == set(fate.values())


@pytest.mark.parametrize("shape", [{"addresses_as": "id"}, {"numbers_as": "string"}, {"extra_members": True}])
def test_the_unknown_shapes_of_a_detail_mean_the_same(sandbox, shape):
    turn = transformer()
    first = fates(offered(sandbox), turn)
    sandbox.change({"cloudsuite": shape})
    assert fates(offered(sandbox), turn) == first


def test_an_order_becomes_a_payload(sandbox):
    address = {
        "name": "Zuivel B.V.",
        "attention": "Jan de Vries",
        "street1": "Dorpsstraat",
        "house_number": "12",
        "addition": "bis",
        "street2": None,
        "zip": "1234 AB",
        "city": "Ede",
        "country": "nl",
    }
    lines = [
        {"id": 1, "type": "line", "product": {"key": "A_STUK", "origin": "erp"}, "quantity": 2.0, "unit_price": 24.75},
        {"id": 2, "type": "line", "product": {"key": "B_KG", "origin": "erp"}, "quantity": 1.5, "unit_price": 3.15},
    ]
    sandbox.offer(
        [
            {
                "id": 7,
                "reference": "CS7",
                "webshop": 3,
                "currency": "CHF",
                "order_date": "2026-03-04",
                "order_lines": lines,
                "shipment_address": address,
                "invoice_address": address,
            }
        ]
    )
    (order,) = client(sandbox.url).fetch(Selection(("7",)))
    (plain,) = transformer().transform([order.document])
    assert [(why.code, why.pointer) for why in plain.issues] == [("fractional_quantity", "/order_lines/1/quantity")]
    (made,) = transformer(unit={"KG": 1000}, part_number={"a_stuk": "ART-1"}).transform([order.document])
    payload = json.loads(made.payload, parse_float=Decimal)
    assert (payload["externalOrderID"], payload["currency"], made.total_minor) == ("3-CS7", "CHF", 5423)
    ship = payload["shippingAddress"]
    assert (ship["addressLine1"], ship["firstName"], ship["countryCode"]) == ("Dorpsstraat 12 bis", "Jan de", "NL")
    parts = [(i["product"]["partNumber"], i["itemSpecifics"]["quantity"]) for i in payload["orderItems"]]
    assert parts[0] == ("ART-1", 2)
    assert sum(quantity for part, quantity in parts if part == "B_KG") == 1500


def test_no_write_of_ours_makes_an_order_another_one(sandbox):
    shop = client(sandbox.url)
    paths = IdentityPaths.from_mapping(shop.format.mapping["identity"])
    (document,) = (d for d in offered(sandbox)[:1])
    before = identify(document, paths)
    assert before["order_number"] == f"{document['webshop']}-{document['reference']}"
    number = str(document["id"])
    assert shop.acknowledge([number])[number].accepted
    assert shop.set_erp_number(number, "OMS-1").accepted
    assert shop.number_lines(number, {str(line["id"]): n for n, line in enumerate(document["order_lines"], 1)}).accepted
    sandbox.change({"cloudsuite": {"write_reply": "empty"}})
    assert shop.mark_shipped(number, Shipment("command", "P", ())).accepted
    (again,) = shop.fetch(Selection((number,)))
    assert again.document["state"] == "processing"
    assert identify(again.document, paths)["content_hash"] == before["content_hash"]
    feedback = sandbox.report()["cloudsuite"]["feedback"][before["order_number"]]
    assert feedback["told_again"] == []
    assert (feedback["erp_order_number"], feedback["shipment_state"]) == ("OMS-1", "sent")
    assert feedback["line_numbers"] == list(range(1, len(document["order_lines"]) + 1))
    assert sandbox.report()["cloudsuite"]["put_back"] == []


@pytest.mark.parametrize("host", ["https://elsewhere.example", "https://127.0.0.1", "http://10.1.2.3:8000"])
def test_next_links_to_another_host_are_read_at_the_configured_host(sandbox, host):
    expected = {document["id"] for document in offered(sandbox)}
    sandbox.change({"cloudsuite": {"next_host": host}})
    assert {document["id"] for document in offered(sandbox, page_size=10)} == expected


@pytest.mark.parametrize("answer", LIST_ANSWERS)
def test_every_spoiled_list_is_refused_clearly(sandbox, answer):
    sandbox.change({"cloudsuite": {"faults": [{"at": "list", "answer": answer, "times": 1}]}})
    with pytest.raises(MalformedResponseError) as caught:
        offered(sandbox)
    assert len(str(caught.value)) < 300
    assert offered(sandbox), "the next answer is good again"


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/Los_Angeles"])
def test_the_shops_zone_is_a_setting(sandbox, zone):
    sandbox.change({"cloudsuite": {"time_zone": zone}})
    everything = {document["id"] for document in offered(sandbox, time_zone=zone)}
    confirmed = {number: datetime.fromisoformat(about(sandbox, number)["confirmed"]) for number in everything}
    middle = sorted(confirmed.values())[len(confirmed) // 2]
    start = middle - timedelta(hours=1)
    window = Selection(start=start, end=middle)
    found = {order.document["id"] for order in client(sandbox.url, time_zone=zone).fetch(window)}
    assert {number for number, at in confirmed.items() if start <= at <= middle} <= found
    assert len(found) < len(everything)


def test_logins(sandbox):
    with pytest.raises(SourceAuthError, match="client secret"):
        offered(sandbox, password="wrong")
    sandbox.change({"cloudsuite": {"static_token": "old-token"}})
    assert offered(sandbox, auth="token", password="old-token")
    with pytest.raises(SourceAuthError):
        offered(sandbox, auth="token", password="no-token")
    sandbox.change({"cloudsuite": {"token_calls": 5}})
    assert offered(sandbox, parallel=1), "a token that does not last is replaced"


def test_without_a_slash_where_the_shop_wants_one(sandbox):
    with pytest.raises(ConfigurationError, match="no_trailing_slash"):
        offered(sandbox, no_trailing_slash=True)
    sandbox.change({"cloudsuite": {"without_slash": "answer"}})
    assert offered(sandbox, no_trailing_slash=True)


def test_a_shop_that_limits_calls_is_read_to_the_end(sandbox):
    sandbox.change({"cloudsuite": {"requests_per_s": 60}})
    assert len(offered(sandbox, requests_per_s=55)) > 50


def test_a_put_that_renews_line_ids_stops_the_feedback(sandbox):
    shop = client(sandbox.url)
    document = offered(sandbox)[0]
    number, numbers = str(document["id"]), {str(line["id"]): 1 for line in document["order_lines"][:1]}
    shop.acknowledge([number])
    sandbox.change({"cloudsuite": {"put_line_ids": "renewed"}})
    with pytest.raises(ConfigurationError, match=r"order_lines\[0\].id"):
        shop.number_lines(number, numbers)


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_delivery_is_reported_once_and_after_the_line_numbers(sandbox, form):
    sandbox.change({"cloudsuite": {"desadv": form}})
    shop = client(sandbox.url, shipped_by="desadv", desadv_user=5, desadv_format=form)
    document = offered(sandbox)[0]
    number, lines = str(document["id"]), document["order_lines"]
    parcel = Shipment("command", "PARCEL-1", (), carrier="PostNL", lines=(ShippedLine(1, line=str(lines[0]["id"])),))
    shop.acknowledge([number])
    assert "must be set before" in shop.mark_shipped(number, parcel).message
    shop.set_erp_number(number, "OMS-9")
    shop.number_lines(number, {str(line["id"]): 10 * n for n, line in enumerate(lines, 1)})
    assert shop.mark_shipped(number, parcel).accepted
    assert not shop.mark_shipped(number, parcel).accepted, "the shop takes a number once"
    feedback = sandbox.report()["cloudsuite"]["feedback"][f"{document['webshop']}-{document['reference']}"]
    assert (feedback["deliveries"], feedback["delivered"]) == (["PARCEL-1"], {"10": "1.0000"})


def test_an_order_is_found_by_its_number(sandbox):
    documents = offered(sandbox)
    references = Counter(document["reference"] for document in documents)
    single = next(d for d in documents if references[d["reference"]] == 1)
    shop = client(sandbox.url)
    assert shop.order_id_of(single["reference"], str(single["webshop"])) == str(single["id"])
    sandbox.offer([{"id": 9, "reference": "CS8", "webshop": 1}, {"id": 8, "reference": "CS8", "webshop": 2}])
    with pytest.raises(ConfigurationError, match="several"):
        shop.order_id_of("CS8")
    assert shop.order_id_of("CS8", "2") == "8"


def test_details_that_fail_in_their_majority_end_the_reading(sandbox):
    sandbox.change({"cloudsuite": {"faults": [{"at": "detail", "answer": 502, "after": 4}]}})
    with pytest.raises(TransientError, match="orders cannot be read"):
        offered(sandbox, detail_pause_s=0.0)
