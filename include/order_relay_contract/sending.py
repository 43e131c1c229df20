"""Sending orders: every way in which a request can end has an outcome, and what may be stored is in doubt."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import pytest

from order_relay.errors import ConfigurationError, ThrottledError
from order_relay.orders.messages import SendOutcome
from order_relay.pipeline.ports import DestinationSession
from order_relay_contract.fixtures import concerns
from order_relay_contract.reading import TOKEN_ERRORS
from order_relay_contract.support.destination_account import DestinationAccount

DOUBTFUL = (
    *("408", "500", "502", "503", "504", "418", "301", "307", "redirect", "echo"),
    *("hang", "cut", "cut_body", "empty", "html", "no_id", "error_in_200", "oversized"),
)
"""Responses after which the order may be stored."""

OUTCOMES: Mapping[str, SendOutcome] = {
    **dict.fromkeys(DOUBTFUL, SendOutcome.IN_DOUBT),
    **dict.fromkeys(("401", "403", "404", "405"), SendOutcome.CONFIGURATION_ERROR),
    **dict.fromkeys(("400", "422"), SendOutcome.REJECTED),
    "429": SendOutcome.THROTTLED,
}
"""By response to an import: the outcome for the order."""

UNUSABLE = (
    *("400", "401", "403", "404", "405", "408", "429", "500", "503", "redirect", "echo"),
    *("hang", "cut", "cut_body", "empty", "html", "no_id", "error_in_200", "oversized"),
)
"""Responses to a search that prove nothing."""


class TestSendingOrders:
    """``DestinationSession.send``: one request for each order."""

    @concerns("amounts_add_up")
    def test_every_order_is_stored_once_with_its_total(self, destination: DestinationAccount) -> None:
        for key in destination.payloads:
            result = destination.send(key)
            assert (result.outcome, bool(result.oms_id)) == (SendOutcome.IMPORTED, True)
        assert destination.stored == dict.fromkeys(destination.payloads, 1)
        assert destination.audit["totals_differ"] == {}

    @concerns("every_end_of_a_request")
    @pytest.mark.parametrize("answer", OUTCOMES)
    def test_the_response_decides_the_outcome(self, destination: DestinationAccount, answer: str) -> None:
        destination.spoil({"purpose": "import", "answer": answer}, *destination.counted_tokens)
        result = destination.send(destination.first, **destination.patience(answer))
        assert result.outcome is OUTCOMES[answer]
        tokens = destination.answered("token", "ok") if destination.has("token") else 0
        renewed = tokens > 0 and answer in ("401", "403")
        assert tokens <= 1 + renewed
        assert destination.answered("import", answer) == 1 + renewed, "an order is sent once"
        assert destination.stored == {}

    @concerns("in_doubt_safe")
    @pytest.mark.parametrize("answer", DOUBTFUL)
    def test_an_order_whose_response_was_lost_is_in_doubt(self, destination: DestinationAccount, answer: str) -> None:
        destination.spoil({"purpose": "import", "answer": answer, "when": "after"})
        assert destination.send(destination.first, **destination.patience(answer)).outcome is SendOutcome.IN_DOUBT
        assert destination.stored == {destination.first: 1}
        destination.spoil()
        if destination.port.idempotent:
            assert destination.send().outcome is SendOutcome.IMPORTED
            assert destination.stored == {destination.first: 1}
        elif destination.port.search_by in ("auto", "external_id"):
            found = destination.search(destination.first)
            assert (found.complete, [row.destination_key for row in found.rows]) == (True, [destination.first])

    @concerns("in_doubt_safe")
    def test_an_order_that_is_stored_later_is_in_doubt(self, destination: DestinationAccount) -> None:
        destination.spoil({"purpose": "import", "answer": 504, "when": "later"})
        assert destination.send().outcome is SendOutcome.IN_DOUBT
        assert destination.stored == {}
        destination.sandbox.land()
        assert destination.stored == {destination.first: 1}

    @concerns("in_doubt_safe")
    def test_an_order_sent_again_is_not_stored_again(self, destination: DestinationAccount) -> None:
        if not destination.port.idempotent:
            pytest.skip(f"{destination.name} is not idempotent")
        results = [destination.send() for _ in range(3)]
        assert {result.outcome for result in results} == {SendOutcome.IMPORTED}
        assert len({result.oms_id for result in results}) == 1
        assert destination.stored == {destination.first: 1}

    def test_nothing_is_sent_after_the_lease(self, destination: DestinationAccount) -> None:
        destination.spoil({"purpose": "import", "answer": "ok"})
        assert destination.send(lease_s=-0.01).outcome is SendOutcome.NOT_SENT
        assert (destination.answered("import", "ok"), destination.stored) == (0, {})

    def test_without_a_connection_nothing_is_sent(self, destination: DestinationAccount) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            closed = f"127.0.0.1:{server.getsockname()[1]}"
        result = destination.send(host=destination.host_at(closed))
        assert result.outcome is SendOutcome.NOT_SENT
        assert closed not in result.message

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_a_requested_pause_applies_to_the_whole_session(self, destination: DestinationAccount, form: str) -> None:
        rule = {"purpose": "import", "answer": 429, "first": 1, "retry_after_s": 7, "retry_after_as": form}
        destination.spoil(rule)

        async def work(session: DestinationSession) -> None:
            result = await destination.send_in(session)
            assert (result.outcome, 5 < (result.wait_s or 0) <= 7) == (SendOutcome.THROTTLED, True)
            with pytest.raises(ThrottledError):
                await session.wait_for_slot(0.5)
            await session.wait_for_slot(30)
            assert 5 < sum(destination.clock.pauses) <= 7
            assert (await destination.send_in(session)).outcome is SendOutcome.IMPORTED

        destination.with_session(work)

    @concerns("token_renewal")
    def test_a_refused_token_is_renewed(self, destination: DestinationAccount) -> None:
        destination.require("token")
        destination.spoil({"purpose": "import", "answer": 401, "first": 1}, *destination.counted_tokens)
        assert destination.send().outcome is SendOutcome.IMPORTED
        assert (destination.answered("token", "ok"), destination.stored) == (2, {destination.first: 1})

    @concerns("token_renewal")
    @pytest.mark.parametrize("answer", [*TOKEN_ERRORS, "429"])
    def test_no_session_without_a_token(self, destination: DestinationAccount, answer: str) -> None:
        destination.require("token")
        destination.spoil({"purpose": "token", "answer": answer}, {"purpose": "import", "answer": "ok"})
        error = ThrottledError if answer == "429" else TOKEN_ERRORS[answer]
        expected = ConfigurationError if issubclass(error, ConfigurationError) else error
        destination.refused(lambda: destination.send(destination.first, **destination.patience(answer)), expected)
        assert (destination.answered("token", answer), destination.answered("import", "ok")) == (1, 0)


class TestSearchingOrders:
    """Searches at a destination: only a complete result proves that an order is absent."""

    @concerns("search_proves_absence")
    def test_an_order_is_found_once_it_is_stored(self, destination: DestinationAccount) -> None:
        destination.require_search()
        assert (destination.search(destination.first).complete, destination.search(destination.first).rows) == (
            True,
            (),
        )
        imported = {key: destination.send(key).oms_id for key in destination.payloads}
        for key, oms_id in imported.items():
            found = destination.search(key)
            assert found.complete
            assert [(row.oms_id, row.destination_key) for row in found.rows] == [(oms_id, key)]
        found = destination.search(*imported)
        assert found.complete
        assert {row.destination_key: row.oms_id for row in found.rows} == imported
        assert destination.search("no-such-order").rows == ()

    @concerns("search_proves_absence")
    @pytest.mark.parametrize("answer", UNUSABLE)
    def test_an_unusable_response_proves_nothing(self, destination: DestinationAccount, answer: str) -> None:
        destination.require_search()
        destination.send()
        destination.spoil({"purpose": "search", "answer": answer, "retry_after_s": 600 if answer == "429" else None})
        try:
            found = destination.search(destination.first, **destination.patience(answer))
        except (ConfigurationError, ThrottledError) as error:
            destination.shown.append(str(error))
        else:
            assert (found.complete, bool(found.problem)) == (False, True)
        destination.spoil()
        assert [row.destination_key for row in destination.search(destination.first).rows] == [destination.first]

    @concerns("token_renewal")
    def test_a_refused_token_is_renewed(self, destination: DestinationAccount) -> None:
        destination.require("token")
        destination.require_search()
        destination.spoil({"purpose": "search", "answer": 401, "first": 1}, *destination.counted_tokens)
        assert destination.search(destination.first).complete
        assert destination.answered("token", "ok") == 2

    def test_a_short_pause_is_waited_for(self, destination: DestinationAccount) -> None:
        destination.require_search()
        destination.spoil({"purpose": "search", "answer": 429, "first": 1, "retry_after_s": 7})
        assert destination.search(destination.first).complete
        assert 5 < sum(destination.clock.pauses) <= 8
