"""What differs between ledger and destination, and how surely."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from order_relay.ledger.comparing import Booked
from order_relay.ledger.values import Control
from order_relay.orders.exchange import Found, Page
from order_relay.pipeline.differences import (
    MOST_LISTED,
    Comparison,
    Difference,
    Kind,
    as_markdown,
    by_key,
    describe,
    judge,
    look,
    verdict,
)

NOW = datetime(2026, 5, 2, tzinfo=UTC)
CONTROL = Control("C", "7", NOW)


def book(key: str = "K1", oms_id: str = "1", state: str = "imported", reason: str = "") -> Booked:
    return Booked(1, "p", key, key, oms_id, state, reason, NOW, None)


def page(*rows: tuple[str, str], complete: bool = True, problem: str = "") -> Page:
    return Page(tuple(Found(oms_id, key) for oms_id, key in rows), complete, problem)


@pytest.mark.parametrize(
    ("known", "there", "kind"),
    [
        (book(), {"1"}, None),
        (book(), set(), Kind.MISSING),
        (book(), {"2"}, Kind.OTHER_ID),
        (book(), {"1", "2"}, Kind.DOUBLED),
        (None, {"9"}, Kind.UNKNOWN),
        (None, {"8", "9"}, Kind.DOUBLED),
        (None, set(), None),
        (book(state="rejected", oms_id=""), {"9"}, Kind.NOT_IMPORTED),
        (book(state="ready", oms_id=""), {"8", "9"}, Kind.DOUBLED),
        (book(state="in_doubt", oms_id=""), {"9"}, None),
        (book(state="sending", oms_id=""), {"9"}, None),
        (book(state="discarded", oms_id="", reason="baseline"), {"9"}, None),
        (book(state="discarded", oms_id="", reason="person"), {"9"}, Kind.NOT_IMPORTED),
    ],
)
def test_what_is_different(known: Booked | None, there: set[str], kind: Kind | None) -> None:
    found = judge("K1", known, there)
    assert (found.kind if found else None) == kind


def test_absent_beside_one_of_ours() -> None:
    found = look([book(), book("K2", "2")], page(("2", "K2")), [])
    assert [order.key for order in found.absent] == ["K1"]
    assert found.unsure == ()


def test_absent_beside_the_control() -> None:
    assert [o.key for o in look([book()], page(("7", "C")), [CONTROL]).absent] == ["K1"]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (page(), "no_known_order"),
        (page(("8", "C")), "no_known_order"),
        (page(("7", "C"), complete=False, problem="total_changed"), "total_changed"),
        (page(("7", "C"), complete=False), "incomplete"),
        (page(("7", "C"), ("9", "")), "rows_without_key"),
    ],
)
def test_an_absence_that_proves_nothing(shown: Page, why: str) -> None:
    found = look([book()], shown, [CONTROL])
    assert (found.absent, found.why, len(found.unsure)) == ((), why, 1)


def test_what_is_there_is_a_fact_however_incomplete_the_search() -> None:
    shown = page(("1", "K1"), ("2", "K1"), complete=False, problem="unreachable")
    assert look([book()], shown, []).there["K1"] == {"1", "2"}


def test_rows_without_external_id_name_nobody() -> None:
    assert by_key(page(("1", ""), ("", "K"), ("2", "K")).rows) == {"K": {"2"}}


def test_the_report_shows_each_kind_and_can_not_be_forged() -> None:
    told = Comparison("p", NOW, NOW, imported=3, bare=2)
    told.differences = [Difference(kind, f"<b>{kind}|\n# x", there=("1",)) for kind in Kind]
    told.unsure["total_changed"] = 4
    text = as_markdown(told)
    assert "<b>" not in text
    assert "\n# x" not in text
    for kind in Kind:
        assert f"1 {kind.value.replace('_', ' ')}" in verdict(told)
    assert "4 imported orders were not seen" in text
    assert "2 orders there carry no external id" in text
    assert told.counts["missing"] == 1


def test_a_long_report_is_cut() -> None:
    told = Comparison("p", NOW, NOW)
    told.differences = [Difference(Kind.UNKNOWN, f"K{n}") for n in range(MOST_LISTED + 3)]
    assert "and 3 more" in as_markdown(told)


def test_nothing_compared_is_not_called_fine() -> None:
    told = Comparison("p", NOW, NOW, remarks=["no search"])
    assert verdict(told) == "No difference was found. Not everything could be compared."
    assert "no search" in as_markdown(told)


def test_a_line_for_a_person() -> None:
    assert describe(Difference(Kind.MISSING, "K", "K", "imported", "7")) == "missing; not there; ours: 7"
    assert describe(Difference(Kind.UNKNOWN, "K", there=("1", "2"))) == "unknown; OMS ids there: 1, 2; here: unknown"
