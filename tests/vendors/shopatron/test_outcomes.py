"""The outcome table, row by row, and its totality."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from order_relay.http.sending.outcomes import KEPT_BYTES, names_existing, read_number_id
from order_relay.http.throttle import retry_after_s
from order_relay.orders.messages import SendOutcome
from order_relay.vendors.shopatron.client import IMPORT_OUTCOMES, oms_code

classify = IMPORT_OUTCOMES.classify
GOOD = b'{"orderID": 4711, "externalOrderID": "N-1"}'


def outcome(status, headers=None, body=b"", **more):
    return classify(status, CIMultiDict(headers or {}), body, **more).outcome


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("body", "oms_id"),
    [
        (GOOD, "4711"),
        (b'{"orderID": "4711"}', "4711"),
        (b'{"orderItems": [{"orderID": 5}], "orderID": 12345678901234567890}', "12345678901234567890"),
    ],
)
def test_success_with_an_order_id_is_imported(status, body, oms_id):
    answer = classify(status, {}, body, destination_key="N-1")
    assert (answer.outcome, answer.oms_id) == (SendOutcome.IMPORTED, oms_id)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>ok</html>",
        b"[]",
        b"null",
        b'{"orderID": null}',
        b'{"orderID": true}',
        b'{"orderID": 0}',
        b'{"orderID": -4}',
        b'{"orderID": ""}',
        b'{"orderID": "A-1"}',
        b'{"orderID": 1.5}',
        b'{"order": {"orderID": 1}}',
        b'{"orderID": 4711',
        b'{"orderID": "000"}',
        b"\xff\xfe",
        b"[" * 100_000,
        '{"orderID": "٤٧"}'.encode(),
    ],
)
def test_success_without_a_usable_order_id_is_in_doubt(body):
    assert outcome(200, body=body) is SendOutcome.IN_DOUBT
    assert outcome(201, body=body) is SendOutcome.IN_DOUBT


def test_success_that_speaks_of_another_order_is_in_doubt():
    assert outcome(200, body=GOOD, destination_key="N-2") is SendOutcome.IN_DOUBT


@pytest.mark.parametrize("status", [202, 203, 204, 206, 226, 299])
def test_other_successes_are_unlisted(status):
    assert outcome(status, body=GOOD) is SendOutcome.IN_DOUBT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, SendOutcome.CONFIGURATION_ERROR),
        ({"X-Mashery-Error-Code": "ERR_403_DEVELOPER_INACTIVE"}, SendOutcome.CONFIGURATION_ERROR),
        ({"X-Mashery-Error-Code": "ERR_403_NOT_AUTHORIZED"}, SendOutcome.CONFIGURATION_ERROR),
        ({"X-Mashery-Error-Code": "ERR_403_DEVELOPER_OVER_QPS"}, SendOutcome.THROTTLED),
        ({"x-mashery-error-code": "ERR_403_DEVELOPER_OVER_RATE"}, SendOutcome.THROTTLED),
        ({"X-Mashery-Error-Code": "ERR_403_SERVICE_OVER_QPS"}, SendOutcome.THROTTLED),
        ({"Retry-After": "3"}, SendOutcome.THROTTLED),
    ],
)
def test_403_is_classified_by_its_headers(headers, expected):
    assert outcome(403, headers, b"<h1>Developer Over Qps</h1>") is expected


def test_401_and_429():
    assert outcome(401) is SendOutcome.CONFIGURATION_ERROR
    assert outcome(401, {"Retry-After": "3"}) is SendOutcome.CONFIGURATION_ERROR
    assert outcome(429) is SendOutcome.THROTTLED
    assert classify(429, CIMultiDict({"retry-after": "7"}), b"").wait_s == 7


@pytest.mark.parametrize("status", [400, 422])
def test_refusals(status):
    answer = classify(status, {}, b'{"code": 5015, "message": "shippingAddress.postalCode is not valid"}')
    assert (answer.outcome, answer.code) == (SendOutcome.REJECTED, "5015")
    assert "postalCode" in answer.body
    assert "postalCode" not in answer.message, "no text of the vendor in a message"
    assert outcome(status, body=b"") is SendOutcome.REJECTED
    assert outcome(status, body=b'{"message": "duplicate externalOrderID"}') is SendOutcome.IN_DOUBT
    assert outcome(status, body=b'{"orderID": 4711, "message": "refused"}') is SendOutcome.IN_DOUBT


@pytest.mark.parametrize("status", [404, 405])
def test_wrong_addresses(status):
    assert outcome(status, body=GOOD) is SendOutcome.CONFIGURATION_ERROR


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_may_come_after_the_order_was_stored(status):
    assert outcome(status, {"Location": "https://elsewhere.example"}, GOOD) is SendOutcome.IN_DOUBT


@pytest.mark.parametrize(
    "status", [408, 409, 500, 501, 502, 503, 504, 599, 402, 406, 410, 413, 415, 418, 451, 499, 100, 199]
)
def test_everything_else_is_in_doubt(status):
    assert outcome(status, {"Retry-After": "3"}, b"<html>") is SendOutcome.IN_DOUBT


def test_the_table_is_total():
    doubt = {status for status in range(100, 600) if outcome(status) is SendOutcome.IN_DOUBT}
    listed = {401, 403, 429, 400, 422, 404, 405}
    assert doubt == set(range(100, 600)) - listed


@pytest.mark.parametrize(
    "text",
    [
        '{"message": "Order already exists"}',
        '{"message": "an order with this externalOrderID exists: 4711"}',
        '{"additionalInfo": "Existing order 4711"}',
        '{"message": "DUPLICATE_ORDER"}',
        '{"message": "externalOrderID must be unique"}',
        '{"message": "was already imported"}',
    ],
)
def test_terms_that_name_an_existing_order(text):
    assert names_existing(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"message": "catalogID does not exist"}',
        '{"message": "the location doesn\'t exist"}',
        '{"message": "non-existing manufacturer"}',
        '{"message": "no existing catalog"}',
        '{"message": "postalCode is not valid"}',
        '{"code": 5011}',
        "",
    ],
)
def test_texts_that_do_not(text):
    assert not names_existing(text.encode())


def test_a_body_is_kept_bounded_and_may_be_no_utf8():
    answer = classify(500, {}, b"\xff" + b"x" * 100_000)
    assert len(answer.body) == KEPT_BYTES


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("12", 12),
        ("1.5", 1.5),
        ("999999999", 86_400),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
    ],
)
def test_retry_after(value, seconds):
    now = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
    assert retry_after_s(CIMultiDict({"Retry-After": value}), now) == seconds


def test_small_readers():
    assert oms_code(b'{"errors": [{"code": "5015"}]}') == "5015"
    assert oms_code(b'{"code": 4711}') == ""
    assert read_number_id("12") == "12"
    assert read_number_id(None) == ""
