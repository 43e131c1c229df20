"""Reading orders: which error an unusable response means, and that nothing of it is used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.orders.messages import UNREAD_PROBLEMS, Selection
from order_relay_contract.fixtures import concerns
from order_relay_contract.support.account import Errors, SourceAccount
from order_relay_contract.support.sandboxes import ORDERS
from order_relay_sandbox.raw_json import encode

LIST_ERRORS: Mapping[str, Errors] = {
    "401": SourceAuthError,
    "403": SourceAuthError,
    "404": ConfigurationError,
    "405": ConfigurationError,
    "301": ConfigurationError,
    "307": ConfigurationError,
    "redirect": ConfigurationError,
    "400": (MalformedResponseError, ConfigurationError),
    "418": MalformedResponseError,
    "408": TransientError,
    "500": TransientError,
    "502": TransientError,
    "503": TransientError,
    "504": TransientError,
    "echo": TransientError,
    "hang": TransientError,
    "cut": TransientError,
    "cut_body": MalformedResponseError,
    "empty": MalformedResponseError,
    "html": MalformedResponseError,
    "wrong_type": MalformedResponseError,
    "no_id": MalformedResponseError,
    "error_in_200": MalformedResponseError,
    "oversized": MalformedResponseError,
}
"""Which error a response to the list means."""

TOKEN_ERRORS: Mapping[str, type[OrderRelayError]] = {
    "400": SourceAuthError,
    "401": SourceAuthError,
    "403": SourceAuthError,
    "404": ConfigurationError,
    "redirect": ConfigurationError,
    "408": TransientError,
    "500": TransientError,
    "503": TransientError,
    "echo": TransientError,
    "hang": TransientError,
    "cut": TransientError,
    "cut_body": TransientError,
    "empty": TransientError,
    "html": TransientError,
    "no_id": TransientError,
    "oversized": TransientError,
}
"""Which error a response to a request for a token means."""

ONE_ORDER = (
    "400",
    "401",
    "403",
    "404",
    "405",
    "410",
    "500",
    "503",
    "redirect",
    "html",
    "empty",
    "cut",
    "cut_body",
    "no_id",
)
"""Responses to a request for one order, which do not concern other orders."""

POISON: Mapping[str, bytes] = {
    "not a number": b"NaN",
    "too large": b"1E400",
    "too long": b"9" * 5_000,
    "half a character": rb'"\ud800"',
    "no character": rb'"\u0000"',
    "not UTF-8": b'"Z\xfcrich"',
    "control character": b'"a\tb"',
    "too deep": b"[" * 5_000 + b"]" * 5_000,
    "duplicate member": b'1,"zz_poison":2',
    "a comma too many": b"1,",
    "cut off": b'"abc',
}
"""Texts of a value inside one order."""


class TestReadingOrders:
    """``Source.fetch``: every response is either used in full, or an error."""

    def test_every_order_is_read_once(self, source: SourceAccount) -> None:
        orders = source.fetch()
        assert set(orders) == source.ids
        assert [order.problem for order in orders.values()] == [""] * len(orders)
        assert [issues for order in orders.values() if (issues := source.port.format.check(order.document))] == []

    @pytest.mark.parametrize("answer", LIST_ERRORS)
    def test_an_unusable_list_is_an_error(self, source: SourceAccount, answer: str) -> None:
        port = source.open(**source.patience(answer))
        source.spoil({"purpose": "list", "answer": answer}, *source.counted_tokens)
        expected = LIST_ERRORS[answer]
        error = source.refused(lambda: source.fetch(port=port), expected)
        if expected is TransientError and answer != "cut":
            assert not isinstance(error, MalformedResponseError)
        tokens = source.answered("token", "ok") if source.has("token") else 0
        renewed = answer == "401" and tokens > 0
        assert tokens <= 1 + renewed, "a refused token is renewed once"
        assert source.answered("list", answer) == 1 + renewed, "a list is requested again by the next run only"
        port.close()
        source.spoil()
        assert set(source.fetch()) == source.ids, "the next answer is usable"

    @concerns("token_renewal")
    def test_a_refused_token_is_renewed(self, source: SourceAccount) -> None:
        source.require("token")
        source.spoil({"purpose": "list", "answer": 401, "first": 1}, *source.counted_tokens)
        assert set(source.fetch()) == source.ids
        assert source.answered("token", "ok") == 2

    @concerns("token_renewal")
    @pytest.mark.parametrize("answer", TOKEN_ERRORS)
    def test_an_unusable_token_is_an_error(self, source: SourceAccount, answer: str) -> None:
        source.require("token")
        port = source.open(**source.patience(answer))
        source.spoil({"purpose": "token", "answer": answer}, {"purpose": "list", "answer": "ok"})
        source.refused(lambda: source.fetch(port=port), TOKEN_ERRORS[answer])
        assert (source.answered("token", answer), source.answered("list", "ok")) == (1, 0)
        port.close()
        source.spoil()
        assert set(source.fetch()) == source.ids

    @pytest.mark.parametrize("purpose", ["list", "token"])
    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_a_requested_pause_is_kept(self, source: SourceAccount, purpose: str, form: str) -> None:
        source.require(purpose)
        rule = {"purpose": purpose, "answer": 429, "first": 1, "retry_after_s": 7, "retry_after_as": form}
        source.spoil(rule)
        try:
            orders = source.fetch()
        except ThrottledError as error:
            assert error.wait_s is not None
            assert 5 < error.wait_s <= 7
            assert source.clock.pauses == []
        else:
            assert set(orders) == source.ids
            assert not source.answered(purpose, 429) or 5 < sum(source.clock.pauses) <= 7

    def test_a_long_pause_ends_the_reading(self, source: SourceAccount) -> None:
        source.spoil({"purpose": "list", "answer": 429, "retry_after_s": 100_000})
        error = source.refused(source.fetch, ThrottledError)
        assert isinstance(error, ThrottledError)
        assert error.wait_s == 86_400
        assert source.clock.pauses == []
        assert source.answered("list", 429) == 1

    def test_throttling_that_does_not_end_is_given_up(self, source: SourceAccount) -> None:
        source.spoil({"purpose": "list", "answer": 429})
        source.refused(source.fetch, ThrottledError)
        assert source.answered("list", 429) <= 10

    def test_an_order_is_read_by_its_id(self, source: SourceAccount) -> None:
        chosen = sorted(source.ids)[:2]
        orders = source.fetch(Selection(order_ids=tuple(chosen)))
        assert sorted(orders) == chosen
        assert {order.problem for order in orders.values()} == {""}

    def test_an_unknown_id_is_reported(self, source: SourceAccount) -> None:
        try:
            (order,) = source.port.fetch(Selection(order_ids=("999999999",)))
        except ConfigurationError as error:
            source.shown.append(str(error))
        else:
            assert order.problem in UNREAD_PROBLEMS

    @pytest.mark.parametrize("answer", ONE_ORDER)
    def test_one_unreadable_order_does_not_stop_the_others(self, source: SourceAccount, answer: str) -> None:
        number, offer = sorted(source.offered.items())[2]
        source.spoil({"purpose": "detail", "answer": answer, "orders": [number]})
        orders = source.fetch()
        assert set(orders) == source.ids
        if source.answered("detail", answer):
            assert orders[str(offer["id"])].problem in UNREAD_PROBLEMS
        assert sum(order.problem != "" for order in orders.values()) <= 1
        source.spoil()
        assert {order.problem for order in source.fetch().values()} == {""}

    @pytest.mark.parametrize("poison", POISON)
    def test_a_hostile_order_does_no_harm(self, source: SourceAccount, poison: str) -> None:
        good = source.ids
        (order,) = source.stand_in.plain(ORDERS + 1, 1)[-1:]
        source.sandbox.offer([encode(order)[:-1] + b',"zz_poison":' + POISON[poison] + b"}"], source=source.name)
        try:
            orders = list(source.port.fetch(source.everything))
        except MalformedResponseError as error:
            source.shown.append(str(error))
            return  # the whole list is unreadable, and nothing of it is used
        readable = {source.identity(found)["source_id"] for found in orders if not found.problem}
        assert good <= readable
