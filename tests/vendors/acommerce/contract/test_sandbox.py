"""The account against its simulated twin: windows, pages that shift, corrections, deletions, throttling, tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import MalformedResponseError
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import StatusPage
from order_relay.orders.schema.validator import VendorFormat

Make = Callable[..., Any]


def add(order: str, level: str = "order", status: str = "NEW", parcel: str = "") -> dict[str, Any]:
    return {"add": {"order_id": order, "level": level, "status": status, "parcel": parcel}}


def requests(account: Any, route: str) -> dict[str, int]:
    found: dict[str, int] = account.sandbox.report()["requests"].get(route, {})
    return found


POLL = "GET /channel/{channel}/sales-order-status"
BY_ID = f"{POLL}/id"


class TestWindows:
    @pytest.mark.parametrize("order", ["oldest_change", "newest_change", "by_id"])
    def test_250_changed_orders_while_more_change_none_missed(self, account: Make, order: str) -> None:
        here = account(order_of_list=order, changes_while_paging=4)
        here.sandbox.generate_statuses(250, 3)
        here.poll()
        here.sandbox.change({"acommerce": {"changes_while_paging": 0}})
        here.poll()  # what changed while the first one read
        assert len(here.states()) == 250
        assert here.states() == here.expected()
        assert requests(here, POLL)["200"] >= 6  # three pages, read until nothing new came

    def test_a_poll_that_fails_on_page_two_loses_nothing(self, account: Make) -> None:
        here = account(faults=[{"at": "poll", "after": 1, "first": 1, "answer": "cut_body"}])
        here.sandbox.generate_statuses(250, 3)
        with pytest.raises(MalformedResponseError):
            here.poll()
        assert len(here.states()) == 100  # page one is kept
        assert here.ledger.status_reads.watermark("acommerce_status") is None
        here.poll()
        assert here.states() == here.expected()

    def test_the_next_window_begins_where_the_last_was_settled(self, account: Make) -> None:
        here = account()
        here.sandbox.happen(add("A"), add("B"))
        assert here.poll().new == 2
        assert here.poll().new == 0  # the same again: moments in requests are whole seconds
        here.sandbox.happen(add("B", status="COMPLETED"))
        assert (here.poll().new, here.states()["B"][0]) == (1, "COMPLETED")

    def test_a_list_that_keeps_changing_is_not_complete(self, account: Make) -> None:
        here = account(page_size=1, changes_while_paging=1000, corrections_republished=False)
        here.sandbox.happen(add("A"), add("B"), add("C"))
        here.poll_settings = here.poll_settings.model_copy(update={"most_passes": 2})
        here.poll()  # what changes now is published now: the next window's business
        assert here.states()["A"][0] == "NEW"

    def test_both_versions_become_the_same(self, account: Make) -> None:
        here = account(version=2)
        here.sandbox.happen(add("A"), add("A", "parcel", "IN_TRANSIT", "P1"), add("A", "detailed", "CANCELLED"))
        here.poll()
        before = here.states()
        here.sandbox.change({"acommerce": {"version": 3}})
        assert here.poll(overlap_s=3600.0).new == 0
        assert here.states() == before == here.expected()
        assert before["A"][1] == "CANCELED"


class TestPagesWithoutLinks:
    @pytest.mark.parametrize("how", ["page", "offset"])
    @pytest.mark.parametrize("number", [99, 100, 101, 200, 250])
    def test_are_read_until_one_is_not_full(self, account: Make, how: str, number: int) -> None:
        here = account(connect={"paging": how}, links="never", page_parameter=how)
        here.sandbox.generate_statuses(number, 3)
        here.poll(most_passes=1)
        assert len(here.states()) == number
        assert requests(here, POLL) == {"200": number // 100 + 1}
        assert here.ledger.status_reads.watermark("acommerce_status") is not None

    @pytest.mark.parametrize("how", ["ignored", "refused"])
    def test_one_that_may_not_be_the_last_settles_nothing(self, account: Make, how: str) -> None:
        here = account(links="never", page_parameter=how)
        here.sandbox.generate_statuses(100, 3)
        for _ in range(2):
            with pytest.raises(MalformedResponseError, match="full page of 100 orders without a Link header"):
                here.poll()
        assert len(here.states()) == 100, "what was read is kept"
        assert here.ledger.status_reads.watermark("acommerce_status") is None

    def test_unless_a_setting_trusts_the_header(self, account: Make) -> None:
        here = account(connect={"paging": "link"}, links="never")
        here.sandbox.generate_statuses(100, 3)
        here.poll()
        assert requests(here, POLL) == {"200": 1}

    def test_a_full_last_page_of_linked_ones(self, account: Make) -> None:
        here = account()
        here.sandbox.generate_statuses(200, 3)
        here.poll(most_passes=1)
        assert (len(here.states()), requests(here, POLL)) == (200, {"200": 3})


class TestWrongPages:
    @pytest.mark.parametrize("answer", ["not_json", "truncated", "object", "other_host", "circle", "html"])
    def test_are_reported_and_settle_nothing(self, account: Make, answer: str) -> None:
        here = account(faults=[{"at": "poll", "answer": answer}])
        here.sandbox.happen(add("A"))
        with pytest.raises(MalformedResponseError):
            here.poll()
        assert here.ledger.status_reads.watermark("acommerce_status") is None

    def test_the_token_is_never_sent_to_another_host(self, account: Make) -> None:
        here = account(faults=[{"at": "poll", "answer": "other_host"}])
        with pytest.raises(MalformedResponseError, match="another host"):
            here.poll()


class TestTokens:
    def test_renewed_before_its_end(self, account: Make) -> None:
        here = account(token_lifetime_s=0.5)
        for _ in range(2):
            here.poll()
        assert requests(here, POLL) == {"200": 2}
        assert requests(here, "POST /identity/token")["200"] >= 1

    def test_the_older_shape_of_the_answer(self, account: Make) -> None:
        account(token_wrapped=False).poll()


class TestCorrections:
    def test_a_correction_and_a_deletion(self, account: Make) -> None:
        here = account()
        first, done = here.sandbox.happen(add("A", "detailed"), add("A", "detailed", "COMPLETED"))
        here.poll()
        here.sandbox.happen({"correct": first, "set": {"status": "READY_TO_PICK"}}, {"delete": done})
        stored = here.poll()
        assert (stored.corrected, stored.deleted) == (1, 0)  # a poll is not known to be full
        assert here.states()["A"][1] == "COMPLETED"
        assert here.read_due().deleted == 1
        assert here.states() == here.expected()

    def test_a_delivery_that_is_withdrawn_is_found_on_default_settings(self, account: Make) -> None:
        """The vendor's own example: reported as delivered by mistake, and in fact rejected by the customer."""
        here = account()
        mistakes = here.sandbox.happen(
            add("A"), add("A", status="COMPLETED"), add("A", "parcel", "DELIVERED", "P1"), add("A", "detailed")
        )[1:3]
        here.poll()
        assert here.states()["A"][0] == "COMPLETED"
        here.sandbox.happen(*[{"delete": mistake} for mistake in mistakes], add("A", "detailed", "REJECTED"))
        assert here.poll().doubtful == 1
        assert here.read_due().deleted == 2
        assert here.states() == here.expected()
        assert here.states()["A"][:2] == ("NEW", "REJECTED")
        for _ in range(3):  # nothing is left in doubt, so nothing is read again
            assert here.poll().doubtful == 0
            assert here.read_due().orders == 0

    @pytest.mark.parametrize(("setting", "read"), [("ask", 1), ("ignore", 0)])
    def test_polls_that_show_only_what_is_new(self, account: Make, setting: str, read: int) -> None:
        here = account(polls_show="new", config={"poll": {"missing_events": setting}})
        here.sandbox.generate_statuses(3, 1)
        here.poll()
        here.sandbox.happen(add("WEB-10000", status="COMPLETED"))
        assert here.poll().doubtful == read
        assert here.read_due().orders == read
        assert here.states()["WEB-10000"][0] == "COMPLETED"

    def test_an_order_that_the_vendor_does_not_show_stays_doubtful(self, account: Make) -> None:
        here = account()
        for status in ("NEW", "ERROR"):  # of one moment
            event = {"orderId": "Z", "orderStatus": [{"eventId": "x-1", "orderStatus": status}]}
            here.intake.take(StatusPage((event,), datetime.now(UTC)), Channel.WEBHOOK)
        here.read_due()
        assert [row["doubtful"] for row in here.ledger.statuses.recent()] == [True]
        assert requests(here, BY_ID) == {"200": 1}
        here.read_due()
        assert requests(here, BY_ID) == {"200": 1}, "it waits before it is asked for again"

    def test_a_full_poll_detects_deletions(self, account: Make) -> None:
        here = account(config={"poll": {"full": True}})
        _, done = here.sandbox.happen(add("A"), add("A", status="COMPLETED"))
        here.poll()
        here.sandbox.happen({"delete": done})
        assert here.poll().deleted == 1
        assert here.states() == here.expected()

    def test_what_is_doubtful_is_read_by_id(self, account: Make) -> None:
        here = account()
        _, done = here.sandbox.happen(add("A"), add("A", status="COMPLETED"))
        here.poll()
        here.sandbox.happen({"delete": done})
        with here.ledger.database.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE status_order SET doubtful = 1")
        assert here.read_due().deleted == 1
        assert here.states() == here.expected()
        assert here.read_due().orders == 0

    def test_ten_ids_a_call_and_back_off_where_throttled(self, account: Make) -> None:
        here = account(by_id_every_s=60.0)
        here.sandbox.happen(*[add(f"A{n:02d}") for n in range(25)])
        here.poll()
        doubt = "UPDATE status_order SET doubtful = 1, read_after = NULL"
        for expected in (25, 0):
            with here.ledger.database.engine.begin() as conn:
                conn.exec_driver_sql(doubt)
            assert here.read_due().orders == expected
        assert requests(here, BY_ID) == {"200": 3, "429": 1}  # the first refusal ends the run
        later = {row["order_number"]: row["read_after"] for row in here.ledger.statuses.recent() if row["doubtful"]}
        assert sum(moment is not None for moment in later.values()) == 10
        assert max(filter(None, later.values())) > datetime.now(UTC) + timedelta(seconds=800)


def test_what_the_vendor_shows_fits_the_schema(account: Make) -> None:
    here = account()
    here.sandbox.generate_statuses(60, 1)
    shape: VendorFormat = here.wiring.source.format
    for version in (3, 2):
        here.sandbox.change({"acommerce": {"version": version}})
        assert [errors for record in here.sandbox.status_records() if (errors := shape.check(record))] == []


def test_a_response_above_the_limit_is_refused_and_settles_nothing(account: Make) -> None:
    here = account(connect={"size_limit_bytes": 20_000})
    here.sandbox.generate_statuses(250, 3)
    with pytest.raises(MalformedResponseError, match="size_limit_bytes"):
        here.poll()
    assert here.ledger.status_reads.watermark("acommerce_status") is None
