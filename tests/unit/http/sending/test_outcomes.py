"""What a plain vendor gets without declaring more than its success."""

from __future__ import annotations

import json

import pytest
from multidict import CIMultiDict

from order_relay.http.sending.outcomes import OutcomeTable, read_any_id, reply_reader
from order_relay.orders.messages import SendOutcome

TABLE = OutcomeTable(
    read_success=reply_reader("orderId", "orderKey"), pause_headers=("Retry-After", "X-Rate-Limit-Reset")
)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (7, "7"),
        ("A-7", "A-7"),
        ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        *((none, "") for none in (0, -1, True, None, 1.5, "", "0", "a b", "a\nb", "x" * 201, [7])),
        ("00000000-0000-0000-0000-000000000000", ""),
    ],
)
def test_ids_of_any_kind(value: object, read: str) -> None:
    assert read_any_id(value) == read


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7),
        ({"X-Rate-Limit-Reset": "12"}, 12),
        ({"X-Rate-Limit-Reset": "12", "Retry-After": "7"}, 7),
        ({"X-Rate-Limit-Remaining": "0"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait_s: float | None) -> None:
    answer = TABLE.classify(429, CIMultiDict(headers), b"")
    assert (answer.outcome, answer.wait_s) == (SendOutcome.THROTTLED, wait_s)


def test_a_403_asks_to_slow_down_only_if_it_says_for_how_long() -> None:
    assert TABLE.classify(403, CIMultiDict({"Retry-After": "1"}), b"").outcome is SendOutcome.THROTTLED
    assert TABLE.classify(403, CIMultiDict(), b"").outcome is SendOutcome.CONFIGURATION_ERROR


def test_a_success_repeats_the_key() -> None:
    body = json.dumps({"orderId": 5, "orderKey": "K"}).encode()
    answer = TABLE.classify(200, CIMultiDict(), body, destination_key="K")
    assert (answer.outcome, answer.oms_id) == (SendOutcome.IMPORTED, "5")
    assert TABLE.classify(200, CIMultiDict(), body, destination_key="L").outcome is SendOutcome.IN_DOUBT


def test_a_refusal_that_names_an_order_is_in_doubt() -> None:
    for body in (b'{"orderId": 5}', b'{"Message": "orderKey already exists"}'):
        assert TABLE.classify(400, CIMultiDict(), body).outcome is SendOutcome.IN_DOUBT
    assert TABLE.classify(400, CIMultiDict(), b'{"Message": "bad"}').outcome is SendOutcome.REJECTED
