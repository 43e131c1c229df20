"""The client against the sandbox's SuperCat, which was written from the vendor's page and not from the client."""

import pytest

from order_relay.connections import Connection
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    SourceAuthError,
)
from order_relay.orders.messages import Selection
from order_relay.orders.schema import malformed
from order_relay.vendors.supercat.vendor import VENDOR
from order_relay_sandbox.serving import serve_in_thread
from order_relay_sandbox.supercat.switches import ENVELOPE_FAULTS

OF_ONE_ORDER = {
    "nan": malformed.NOT_A_NUMBER,
    "duplicate_keys": malformed.DUPLICATE_KEY,
    "deep": malformed.TOO_DEEP,
    "latin1": malformed.BAD_BYTE,
}
HARMLESS = {"huge_number", "drip"}
"""What is legal, if odd: the orders are taken (or quarantined one by one)."""


def client(url, **change):
    fields = {"org": "demo", "login": "demo", "password": "demo-password", **change}
    return VENDOR.account(
        "source",
        Connection(
            "supercat_default",
            url,
            fields["login"],
            fields["password"],
            extra={
                "org": fields["org"],
                "timeout_s": 5,
            },
        ),
    )


@pytest.fixture(scope="module")
def sandbox():
    with serve_in_thread(orders=40, seed=1) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(sandbox):
    sandbox.reset()


def test_an_unknown_number_is_refused_by_itself(sandbox):
    shop = client(sandbox.url)
    number = next(iter(shop.fetch(Selection()))).document["order_number"]
    for status in ("success", "error", "failure"):
        sandbox.change({"supercat": {"partial_acknowledgement_status": status}})
        answers = shop.acknowledge([number, "9999-010126-1"])
        assert answers[number].accepted
        assert not answers["9999-010126-1"].accepted
        assert "not found" in answers["9999-010126-1"].message


def test_a_missing_entry_is_absent(sandbox):
    sandbox.change({"supercat": {"unknown_number": "missing"}})
    assert client(sandbox.url).acknowledge(["9999-010126-1"]) == {}


@pytest.mark.parametrize("shape", ["bare", "wrapped"])
def test_single_orders(sandbox, shape):
    shop = client(sandbox.url)
    first = next(iter(shop.fetch(Selection()))).document
    sandbox.change({"supercat": {"single_order": shape}})
    (again,) = shop.fetch(Selection(order_ids=(str(first["id"]),)))
    assert again.document == first
    with pytest.raises(ConfigurationError, match="404"):
        list(shop.fetch(Selection(order_ids=("1",))))


@pytest.mark.parametrize("body", ["text", "json"])
def test_a_wrong_login_or_organisation_is_refused(sandbox, body):
    sandbox.change({"supercat": {"unauthorized_body": body}})
    for shop in (client(sandbox.url, password="wrong"), client(sandbox.url, org="other")):
        with pytest.raises(SourceAuthError):
            list(shop.fetch(Selection()))
        with pytest.raises(SourceAuthError):
            shop.acknowledge(["1"])


@pytest.mark.parametrize("fault", ENVELOPE_FAULTS)
def test_every_spoiled_answer_is_refused_clearly(sandbox, fault):
    sandbox.change({"supercat": {"faults": [{"at": "list", "answer": fault, "times": 1, "seconds": 0.1}]}})
    shop = client(sandbox.url)
    if fault in HARMLESS:
        assert list(shop.fetch(Selection()))
    elif fault in OF_ONE_ORDER:
        offered = list(shop.fetch(Selection()))
        assert [order.problem for order in offered if order.issues] == [OF_ONE_ORDER[fault]]
        assert sum(not order.issues for order in offered) >= 40, "the others come through"
    else:
        with pytest.raises(MalformedResponseError) as caught:
            list(shop.fetch(Selection()))
        assert len(str(caught.value)) < 300
    assert list(shop.fetch(Selection())), "the next answer is good again"
