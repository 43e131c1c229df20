"""The rules of evidence: lists and their controls, whose order a row is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.identity.traits import OTHER, OURS, Traits, conflicting_traits, word_set
from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.pipeline.lookup.evidence import (
    FOREIGN_ORDER,
    MAX_KEYS_PER_SEARCH,
    MAX_SEARCH_KEYS,
    UNIDENTIFIED_ORDER,
    Ownership,
    combine_ownership,
    controls_among,
    determine_ownership,
    hits_by_key,
    is_permanent,
    place_controls,
    shown_controls,
    usable_as_controls,
    why_not_absent,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONTROLS = [PositiveControl(f"C{n}", str(n), NOW) for n in range(3)]
KEYS = [f"K{n}" for n in range(MAX_KEYS_PER_SEARCH)]


def answer(terms: list[str]) -> SearchResult:
    """What a server shows that honours these terms: the controls are there, nothing else is."""
    return SearchResult(tuple(SearchHit(c.oms_id, c.key) for c in CONTROLS if c.key in terms), complete=True)


def proves(controls: list[PositiveControl], honoured: slice) -> bool:
    lists = place_controls(KEYS, controls)
    return not any(why_not_absent(answer(terms[honoured]), controls) for terms in lists)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_list_with_controls_at_both_ends_notices_that_only_one_end_counts(known: int) -> None:
    controls = CONTROLS[:known]
    assert proves(controls, slice(None))
    for honoured in (slice(0, 1), slice(-1, None), slice(0, -1), slice(1, None), slice(-50, None)):
        assert not proves(controls, honoured)


def test_without_a_known_order_a_list_proves_nothing() -> None:
    assert not proves([], slice(None))


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (SearchResult((), complete=True), ""),
        (SearchResult((), complete=False, problem="http_500"), "http_500"),
        (SearchResult((SearchHit("1", ""), SearchHit("2", "K")), complete=True), "rows_without_key"),
    ],
)
def test_trust_without_controls_still_needs_a_complete_page_with_keys(page: SearchResult, why: str) -> None:
    assert why_not_absent(page, (), trust_without_controls=True) == why
    if not why:
        assert why_not_absent(page, CONTROLS, trust_without_controls=True) == "control_not_found"


def test_controls_are_chosen_from_what_the_account_shows() -> None:
    foreign = SearchHit("9", "K9", traits=Traits(owner=OTHER))
    rows = usable_as_controls([SearchHit("0", ""), foreign, SearchHit("8", "K8,K7"), *answer(["C0", "C1", "C2"]).rows])
    assert [row.destination_key for row in rows] == ["C0", "C1", "C2"]
    assert {one.key for one in controls_among(rows, {"C1"}, NOW)} == {"C0", "C2"}
    assert {one.key for one in controls_among(rows[:1], {"C0"}, NOW)} == {"C0"}, "better than none"
    assert shown_controls(answer(["C0", "C2"]), CONTROLS) == [CONTROLS[0], CONTROLS[2]]
    assert shown_controls(answer(["C0"]), [PositiveControl("C0", "other", NOW)]) == []


def test_problems_that_a_retry_cannot_solve() -> None:
    assert [p for p in ("unsupported", "no_known_order", "http_503", "rows_without_key") if is_permanent(p)] == [
        "unsupported",
        "no_known_order",
    ]


@given(st.integers(0, 3), st.integers(1, MAX_KEYS_PER_SEARCH))
def test_lists_hold_every_key_once_and_fit_one_search(known: int, number: int) -> None:
    for terms in place_controls(KEYS[:number], CONTROLS[:known]):
        assert [key for key in terms if key.startswith("K")] == KEYS[:number]
        assert len(terms) <= MAX_SEARCH_KEYS
        assert len(terms) == len(set(terms))


def test_rows_of_other_accounts_and_without_ids_are_left_out() -> None:
    rows = [SearchHit("1", "A", "", Traits(owner=OTHER)), SearchHit("", "A"), SearchHit("3", ""), SearchHit("4", "A")]
    assert hits_by_key(rows) == {"A": [rows[3]]}


EXPECTED = Traits(
    totals=(Decimal("103.50"),),
    currency="USD",
    dated=((NOW, NOW),),
    email="Ann@example.com",
    name=word_set("Ann Lee"),
    items=frozenset({"LAMP-9"}),
    marks={"sourceID": "7"},
)


@pytest.mark.parametrize(
    ("shown", "member"),
    [
        (Traits(totals=(Decimal("103.49"),)), "total"),
        (Traits(currency="CAD"), "currency"),
        (Traits(created=NOW.replace(hour=13)), "creation date"),
        (Traits(email="bob@example.com"), "customer"),
        (Traits(name=word_set("Bob Kay")), "customer"),
        (Traits(items=frozenset({"BULB-1"})), "items"),
        (Traits(marks={"sourceID": "8"}), "our marks"),
    ],
)
def test_what_contradicts(shown: Traits, member: str) -> None:
    assert conflicting_traits(EXPECTED, shown) == (member,)
    detail = SearchResult((SearchHit("1", "A", "", shown),), complete=True)
    assert determine_ownership(EXPECTED, SearchHit("1", "A", "", Traits(owner=OURS)), detail).kind == "contradicts"


@pytest.mark.parametrize(
    "shown",
    [
        Traits(),
        Traits(totals=(Decimal("90"), Decimal("103.5"))),
        Traits(totals=(Decimal("103.50000000000001"),), currency="usd", created=NOW),
        Traits(email=" ann@EXAMPLE.com", name=word_set("Somebody Else")),
        Traits(name=word_set("LEE, ann")),
        Traits(items=frozenset({"LAMP-9", "GIFT"})),
        Traits(marks={"another": "9"}),
    ],
)
def test_agreeing_or_empty_values(shown: Traits) -> None:
    assert conflicting_traits(EXPECTED, shown) == ()
    assert conflicting_traits(shown, Traits()) == ()


def test_an_order_whose_detail_names_another_external_id_contradicts() -> None:
    detail = SearchResult((SearchHit("1", "B", "", Traits(owner=OURS)),), complete=True)
    assert determine_ownership(Traits(), SearchHit("1", "A", "", Traits(owner=OURS)), detail).kind == "contradicts"


def test_an_order_of_ours_whose_detail_names_another_account_contradicts() -> None:
    """Neither word can be trusted: counted as absent, the order would be sent again."""
    detail = SearchResult((SearchHit("1", "A", "", Traits(owner=OTHER)),), complete=True)
    assert determine_ownership(Traits(), SearchHit("1", "A", "", Traits(owner=OURS)), detail).kind == "contradicts"
    assert determine_ownership(Traits(), SearchHit("1", "A"), detail).kind == "other"


@pytest.mark.parametrize(
    ("kinds", "finding", "reason"),
    [
        (["contradicts", "ours"], "found", ""),
        (["unnamed", "ours"], "found", ""),
        (["contradicts", "unread"], "unclear", ""),
        (["unnamed", "unread"], "unclear", ""),
        (["unnamed", "contradicts"], "unclear", FOREIGN_ORDER),
        (["other", "unnamed"], "unclear", UNIDENTIFIED_ORDER),
    ],
)
def test_several_rows_under_one_external_id(kinds: list[str], finding: str, reason: str) -> None:
    verdict = combine_ownership([Ownership(kind, str(n)) for n, kind in enumerate(kinds)], "external_id")
    assert verdict is not None
    assert (verdict.finding.kind, verdict.reason) == (finding, reason)


def test_rows_of_other_accounts_alone_say_nothing() -> None:
    assert combine_ownership([Ownership("other", "1"), Ownership("other", "2")], "external_id") is None
