from dataclasses import dataclass, field
from typing import Any

import pytest

from order_relay.errors import OutcomeUnknownError, SourceAuthError, TransientError
from order_relay.ledger import DueAcknowledgement
from order_relay.orders.messages import Acknowledgement, RunContext
from order_relay.pipeline.stages.acknowledge import MAX_UNANSWERED_SLICES, acknowledge

CTX = RunContext("shop_to_oms", "run-1")
YES, NO = Acknowledgement(True), Acknowledgement(False, "no such order")


@dataclass
class FakeLedger:
    """A ledger that knows acknowledgements only."""

    acknowledgements = versions = unidentified_orders = runs = property(lambda self: self)

    states: dict[int, str]
    refused: str | None = None
    unanswered: list[int] = field(default_factory=list)

    def supersede_obsolete(self, ctx, policies):
        return 0

    def supersede_repaired(self, ctx):
        return 0

    def due(self, pipeline, limit, after, given_up_s):
        wanted = ("due", "refused", "sent") if given_up_s is not None else ("due", "refused")
        due = [n for n, state in self.states.items() if state in wanted and n > after]
        return [DueAcknowledgement(n, f"N{n}", f"id-{n}") for n in due[:limit]]

    def mark_sent(self, ctx, ids, given_up_s):
        self.states.update(dict.fromkeys(ids, "sent"))
        return ids

    def record_no_answer(self, ctx, ids, most):
        self.unanswered += ids

    def record_answers(self, ctx, answers, most):
        assert all(self.states[n] == "sent" for n in answers), "noted before the request"
        self.states.update({n: "confirmed" if a.accepted else "refused" for n, a in answers.items()})

    def suspended_for(self, pipeline):
        return self.refused

    def suspend(self, pipeline, fingerprint, why):
        self.refused = fingerprint

    def resume(self, pipeline):
        self.refused = None


@dataclass
class Shop:
    answer: object = YES
    asked: list[Any] = field(default_factory=list)
    windowed: bool = False
    acknowledges: str = "order_number"

    def acknowledge(self, numbers):
        self.asked.append(list(numbers))
        found = self.answer(len(self.asked)) if callable(self.answer) else self.answer
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, dict) else dict.fromkeys(numbers, found)


def run(shop, fake_ledger, size=10):
    return acknowledge(CTX, shop, fake_ledger, connection_fingerprint="c1", slice_size=size)


def test_everything_due_is_read_in_chunks():
    shop, fake_ledger = Shop(), FakeLedger(dict.fromkeys(range(1, 26), "due"))
    assert run(shop, fake_ledger) == {"accepted": 25, "refused": 0, "missing": 0, "unknown": 0}
    assert [len(asked) for asked in shop.asked] == [10, 10, 5]
    assert set(fake_ledger.states.values()) == {"confirmed"}


def test_nothing_due_is_no_request():
    shop = Shop()
    assert run(shop, FakeLedger({1: "confirmed", 2: "sent"}))["accepted"] == 0
    assert shop.asked == []


def test_a_source_is_acknowledged_by_its_preferred_identifier():
    shop = Shop(acknowledges="source_id")
    assert run(shop, FakeLedger({1: "due"}))["accepted"] == 1
    assert shop.asked == [["id-1"]]


def test_if_silence_proves_nothing_an_unanswered_one_is_repeated():
    shop, fake_ledger = Shop(windowed=True), FakeLedger({1: "sent", 2: "confirmed"})
    assert run(shop, fake_ledger)["accepted"] == 1
    assert fake_ledger.states == {1: "confirmed", 2: "confirmed"}


def test_refused_ones_are_tried_once_a_run_and_hide_nothing_behind_them():
    shop, fake_ledger = Shop(NO), FakeLedger(dict.fromkeys(range(1, 26), "due"))
    assert run(shop, fake_ledger)["refused"] == 25
    assert sorted(number for asked in shop.asked for number in asked) == sorted(f"N{n}" for n in range(1, 26))
    assert set(fake_ledger.states.values()) == {"refused"}


def test_each_entry_counts_by_itself():
    shop, fake_ledger = Shop({"N1": YES, "N2": NO, "N9": YES}), FakeLedger(dict.fromkeys((1, 2, 3), "due"))
    assert run(shop, fake_ledger) == {"accepted": 1, "refused": 1, "missing": 1, "unknown": 0}
    assert fake_ledger.states == {1: "confirmed", 2: "refused", 3: "refused"}


def test_without_an_answer_they_stay_sent_and_the_others_go_on():
    shop = Shop(lambda call: OutcomeUnknownError("cut") if call == 1 else YES)
    fake_ledger = FakeLedger(dict.fromkeys(range(1, 16), "due"))
    assert run(shop, fake_ledger) == {"accepted": 5, "refused": 0, "missing": 0, "unknown": 10}
    assert sorted(fake_ledger.states.values()) == ["confirmed"] * 5 + ["sent"] * 10


def test_a_source_that_never_answers_is_left_alone_after_a_few_slices():
    shop, fake_ledger = Shop(OutcomeUnknownError("cut")), FakeLedger(dict.fromkeys(range(1, 101), "due"))
    assert run(shop, fake_ledger)["unknown"] == 10 * MAX_UNANSWERED_SLICES
    assert len(shop.asked) == MAX_UNANSWERED_SLICES


def test_a_passing_trouble_is_the_callers():
    with pytest.raises(TransientError):
        run(Shop(TransientError("closed")), FakeLedger({1: "due"}))


def test_a_refused_login_suspends_and_marks_nothing_as_sent_afterwards():
    shop, fake_ledger = Shop(SourceAuthError("HTTP 401")), FakeLedger({1: "due"})
    with pytest.raises(SourceAuthError):
        run(shop, fake_ledger)
    fake_ledger.states = {1: "due"}
    with pytest.raises(SourceAuthError, match="suspended"):
        run(shop, fake_ledger)
    assert (len(shop.asked), fake_ledger.states) == (1, {1: "due"})
