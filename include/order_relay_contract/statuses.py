"""Reading statuses of orders: which error an unusable response means, and that every page is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import StatusMapping, StatusPage, parse_records
from order_relay.pipeline.fulfilment.status_poll import StatusSource
from order_relay_contract.fixtures import concerns
from order_relay_contract.reading import LIST_ERRORS, TOKEN_ERRORS
from order_relay_contract.support.account import VendorAccount
from order_relay_contract.support.sandboxes import ORDERS

PAGE = 2


class TestReadingStatuses:
    """``StatusSource.changed`` and ``by_ids``."""

    def test_every_order_is_read_once(self, status_source: VendorAccount) -> None:
        reports = parsed(status_source, poll(status_source))
        assert len(reports) == ORDERS

    @pytest.mark.parametrize("answer", LIST_ERRORS)
    def test_an_unusable_list_is_an_error(self, status_source: VendorAccount, answer: str) -> None:
        port = status_source.open(**status_source.patience(answer))
        status_source.spoil({"purpose": "list", "answer": answer}, *status_source.counted_tokens)
        status_source.refused(lambda: poll(status_source, port), LIST_ERRORS[answer])
        tokens = status_source.answered("token", "ok") if status_source.has("token") else 0
        renewed = answer == "401" and tokens > 0
        assert tokens <= 1 + renewed
        assert status_source.answered("list", answer) == 1 + renewed
        port.close()
        status_source.spoil()
        assert len(parsed(status_source, poll(status_source))) == ORDERS

    @pytest.mark.parametrize("answer", [*LIST_ERRORS, "429"])
    def test_an_unusable_history_is_an_error(self, status_source: VendorAccount, answer: str) -> None:
        status_source.require("detail")
        ids = sorted(parsed(status_source, poll(status_source)))[: status_source.port.max_ids_per_call]
        assert sorted(parsed(status_source, [status_source.port.by_ids(ids)])) == ids
        port = status_source.open(**status_source.patience(answer))
        status_source.spoil({"purpose": "detail", "answer": answer, "retry_after_s": 7 if answer == "429" else None})
        expected = ThrottledError if answer == "429" else LIST_ERRORS[answer]
        status_source.refused(lambda: port.by_ids(ids), expected)
        assert status_source.clock.pauses == [], "the caller decides when orders are read again"
        port.close()

    @concerns("token_renewal")
    @pytest.mark.parametrize("answer", TOKEN_ERRORS)
    def test_an_unusable_token_is_an_error(self, status_source: VendorAccount, answer: str) -> None:
        status_source.require("token")
        port = status_source.open(**status_source.patience(answer))
        status_source.spoil({"purpose": "token", "answer": answer}, {"purpose": "list", "answer": "ok"})
        status_source.refused(lambda: poll(status_source, port), TOKEN_ERRORS[answer])
        assert (status_source.answered("token", answer), status_source.answered("list", "ok")) == (1, 0)
        port.close()

    @concerns("token_renewal")
    def test_a_refused_token_is_renewed(self, status_source: VendorAccount) -> None:
        status_source.require("token")
        status_source.spoil({"purpose": "list", "answer": 401, "first": 1}, *status_source.counted_tokens)
        assert len(parsed(status_source, poll(status_source))) == ORDERS
        assert status_source.answered("token", "ok") == 2

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_a_requested_pause_is_kept(self, status_source: VendorAccount, form: str) -> None:
        rule = {"purpose": "list", "answer": 429, "first": 1, "retry_after_s": 7, "retry_after_as": form}
        status_source.spoil(rule)
        try:
            pages = poll(status_source)
        except ThrottledError as error:
            assert (5 < (error.wait_s or 0) <= 7, status_source.clock.pauses) == (True, [])
        else:
            assert len(parsed(status_source, pages)) == ORDERS
            assert 5 < sum(status_source.clock.pauses) <= 7

    def test_a_long_pause_ends_the_reading(self, status_source: VendorAccount) -> None:
        status_source.spoil({"purpose": "list", "answer": 429, "retry_after_s": 100_000})
        status_source.refused(lambda: poll(status_source), ThrottledError)
        assert (status_source.answered("list", 429), status_source.clock.pauses) == (1, [])

    @concerns("moving_lists")
    @pytest.mark.parametrize("answer", ["", "cut_body", "500", "html", "401", "404"])
    def test_every_page_is_read_or_the_reading_fails(self, status_source: VendorAccount, answer: str) -> None:
        status_source.change(page_size=PAGE)
        if not answer:
            assert len(parsed(status_source, poll(status_source))) == ORDERS
            return
        status_source.spoil({"purpose": "list", "answer": answer, "after": 1})
        status_source.refused(lambda: poll(status_source), (TransientError, ConfigurationError))


def poll(account: VendorAccount, port: StatusSource | None = None) -> list[StatusPage]:
    """All pages of what changed lately."""
    return list((port or account.port).changed(datetime.now(UTC) - timedelta(days=400)))


def parsed(account: VendorAccount, pages: list[StatusPage]) -> dict[str, Any]:
    """The reports of the pages by order; none may be rejected."""
    shape = StatusMapping.from_mapping(account.port.format.mapping["record"], "mapping")
    found: dict[str, Any] = {}
    for page in pages:
        records = parse_records(shape, page.records, Channel.POLL, page.asked_at)
        assert (records.rejected, records.missing) == ((), ())
        found |= {report.order_id: report for report in records.reports}
    return found
