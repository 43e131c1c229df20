"""Acknowledging orders: an order counts as acknowledged only if the vendor said so, and may always be repeated."""

from __future__ import annotations

import pytest

from order_relay.errors import (
    ConfigurationError,
    OrderRelayError,
    OutcomeUnknownError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay_contract.fixtures import concerns
from order_relay_contract.support.account import SourceAccount

LOST = (
    "408",
    "500",
    "502",
    "503",
    "504",
    "echo",
    "hang",
    "cut",
    "cut_body",
    "empty",
    "html",
    "no_id",
    "error_in_200",
    "oversized",
)
"""Responses that do not say what was done."""

REFUSED = {"401": SourceAuthError, "redirect": ConfigurationError, "405": ConfigurationError, "307": ConfigurationError}
"""Responses that mean that no order can be acknowledged."""

UNKNOWN = "999999999"


class TestAcknowledgingOrders:
    """``Source.acknowledge``: nothing is reported as accepted before the response was read."""

    def test_every_order_is_acknowledged(self, source: SourceAccount) -> None:
        names = source.names(source.fetch())
        some = dict(list(names.items())[:3])
        assert source.accepts(some.values()) == set(some.values())
        assert source.acknowledged == set(some)
        if not source.port.windowed:
            assert set(source.fetch()) == names.keys() - some.keys(), "an acknowledged order is not offered again"

    def test_a_repeated_acknowledgement_is_accepted(self, source: SourceAccount) -> None:
        names = list(source.names(source.fetch()).values())
        for _ in range(2):
            assert source.accepts(names) == set(names)
        assert source.accepts(names[:1] * 2) == set(names[:1])
        assert source.acknowledged == source.ids

    def test_no_request_for_no_order(self, source: SourceAccount) -> None:
        source.spoil({"purpose": "acknowledge", "answer": 500})
        assert source.port.acknowledge([]) == {}
        assert source.answered("acknowledge", 500) == 0

    @concerns("every_acknowledgement")
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("answer", LOST)
    def test_a_lost_response_accepts_nothing(self, source: SourceAccount, answer: str, when: str) -> None:
        names = source.names(source.fetch())
        port = source.open(**source.patience(answer))
        source.spoil({"purpose": "acknowledge", "answer": answer, "when": when})
        claimed = source.accepts(names.values(), OutcomeUnknownError, TransientError, port=port)
        port.close()
        acknowledged = source.acknowledged
        assert acknowledged == (source.ids if when == "after" else set())
        assert {key for key, name in names.items() if name in claimed} <= acknowledged
        source.spoil()
        assert source.accepts(names.values()) == set(names.values())
        assert source.acknowledged == source.ids

    @pytest.mark.parametrize("answer", [*REFUSED, "403", "404", "400", "409", "422"])
    def test_a_refused_request_accepts_nothing(self, source: SourceAccount, answer: str) -> None:
        names = source.names(source.fetch())
        source.spoil({"purpose": "acknowledge", "answer": answer})
        if answer in REFUSED:
            source.refused(lambda: source.port.acknowledge(list(names.values())), REFUSED[answer])
        else:
            assert source.accepts(names.values(), OrderRelayError) == set()
        source.spoil()
        assert source.accepts(names.values()) == set(names.values())

    @concerns("every_acknowledgement")
    @pytest.mark.parametrize("answer", ["500", "cut", "404", "422"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_one_doubtful_order_does_not_affect_the_others(self, source: SourceAccount, answer: str, when: str) -> None:
        number, offer = sorted(source.offered.items())[1]
        names = source.names(source.fetch())
        source.spoil({"purpose": "acknowledge", "answer": answer, "when": when, "orders": [number]})
        accepted = source.accepts(names.values(), OrderRelayError)
        if not source.answered("acknowledge", answer, when):
            pytest.skip("the vendor acknowledges all orders with one request")
        doubtful = names[str(offer["id"])]
        assert set(names.values()) - {doubtful} <= accepted
        assert doubtful not in accepted or when == "after"
        source.spoil()
        assert source.accepts([doubtful]) == {doubtful}
        assert source.acknowledged == source.ids

    @concerns("every_acknowledgement")
    def test_an_unknown_order_does_not_affect_the_others(self, source: SourceAccount) -> None:
        names = list(source.names(source.fetch()).values())
        assert source.accepts([names[0], UNKNOWN, *names[1:]]) == set(names)
        assert source.acknowledged == source.ids

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_a_requested_pause_is_kept(self, source: SourceAccount, form: str) -> None:
        names = list(source.names(source.fetch()).values())
        source.spoil({"purpose": "acknowledge", "answer": 429, "first": 1, "retry_after_s": 7, "retry_after_as": form})
        try:
            accepted = source.accepts(names)
        except ThrottledError as error:
            assert 5 < (error.wait_s or 0) <= 7
            assert (source.clock.pauses, source.answered("acknowledge", 429)) == ([], 1)
        else:
            assert accepted == set(names)
            assert max(source.clock.pauses) > 5

    @concerns("token_renewal")
    def test_a_refused_token_is_renewed(self, source: SourceAccount) -> None:
        source.require("token")
        names = list(source.names(source.fetch()).values())
        source.spoil({"purpose": "acknowledge", "answer": 401, "first": 1}, {"purpose": "token", "answer": "ok"})
        assert source.accepts(names) == set(names)
        assert source.answered("token", "ok") == 1
