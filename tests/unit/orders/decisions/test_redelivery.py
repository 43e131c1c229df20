from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.orders.decisions.redelivery import (
    KNOWN_COLUMNS,
    RESULT_COLUMNS,
    UNSENT_STATES,
    RedeliveryAction,
    decide_redeliveries,
)

OFFERED = ("source_id", "lineage", "order_number", "content_hash", "problem", "part", "row")
STATES = (
    "received",
    "waiting",
    "ready",
    "sending",
    "in_doubt",
    "imported",
    "superseded",
    "quarantined",
    "rejected",
    "held",
    "discarded",
)


def offers(*rows: dict[str, Any]) -> pd.DataFrame:
    base = {"source_id": "1", "lineage": "U1", "order_number": "N1", "content_hash": "a", "problem": "", "part": 0}
    made = [base | {"row": place} | row for place, row in enumerate(rows)]
    return pd.DataFrame(made, columns=list(OFFERED))


def known(*rows: dict[str, Any]) -> pd.DataFrame:
    base = {
        "source_id": "1",
        "edition": 1,
        "state": "received",
        "content_hash": "a",
        "lineage": "U1",
        "order_number": "N1",
        "transform_fingerprint": "m1",
        "reason": "",
    }
    return pd.DataFrame([base | row for row in rows], columns=list(KNOWN_COLUMNS))


def one(offered: pd.DataFrame, there: pd.DataFrame, fingerprint: str = "m1") -> tuple[str, str]:
    result = decide_redeliveries(offered, there, fingerprint)
    assert len(result) == 1
    return str(result.at[0, "action"]), str(result.at[0, "reason"])


def test_unknown_orders_are_inserted() -> None:
    result = decide_redeliveries(offers({}), known())
    assert tuple(result.columns) == RESULT_COLUMNS
    assert result.to_dict("records") == [{"source_id": "1", "action": "insert", "reason": "", "offer": 0}]


@pytest.mark.parametrize(
    ("state", "content", "action", "reason"),
    [
        ("received", "a", "refresh", ""),
        ("received", "b", "replace", ""),
        ("waiting", "a", "rejudge", ""),
        ("waiting", "b", "rejudge", ""),
        ("ready", "a", "refresh", ""),
        ("ready", "b", "rejudge", ""),
        ("sending", "a", "nothing", ""),
        ("sending", "b", "remember", ""),
        ("in_doubt", "a", "nothing", ""),
        ("in_doubt", "b", "remember", ""),
        ("imported", "a", "acknowledge", ""),
        ("imported", "b", "hold_edition", "changed_after_import"),
        ("superseded", "a", "acknowledge", ""),
        ("superseded", "b", "rejudge", ""),
        ("quarantined", "a", "evaluate_in_place", ""),
        ("quarantined", "b", "rejudge", ""),
        ("rejected", "a", "nothing", ""),
        ("rejected", "b", "rejudge", ""),
        ("held", "a", "nothing", ""),
        ("held", "b", "refresh_review", ""),
        ("discarded", "a", "acknowledge", ""),
        ("discarded", "b", "hold_edition", "changed_after_discard"),
    ],
)
def test_each_row_of_the_table(state: str, content: str, action: str, reason: str) -> None:
    assert one(offers({"content_hash": content}), known({"state": state})) == (action, reason)


@pytest.mark.parametrize(("state", "action"), [("rejected", "rejudge"), ("ready", "rejudge"), ("held", "nothing")])
def test_a_changed_mapping_brings_back_what_it_decided(state: str, action: str) -> None:
    assert one(offers({}), known({"state": state}), "m2") == (action, "")


@pytest.mark.parametrize(("content", "action"), [("b", "nothing"), ("c", "refresh_review"), ("a", "refresh_review")])
def test_the_newest_edition_counts(content: str, action: str) -> None:
    there = known({"state": "held", "edition": 2, "content_hash": "b"}, {"state": "imported", "edition": 1})
    assert one(offers({"content_hash": content}), there) == (action, "")


def test_a_state_that_the_table_does_not_have_is_a_defect() -> None:
    with pytest.raises(ValueError, match="lost"):
        decide_redeliveries(offers({}), known({"state": "lost"}))


def test_duplicates_count_once_by_the_last() -> None:
    result = decide_redeliveries(offers({"row": 5}, {"row": 2}), known())
    assert result[["action", "offer"]].to_numpy().tolist() == [["insert", 0]]


def test_a_duplicate_id_with_two_contents_is_held() -> None:
    assert one(offers({}, {"content_hash": "b"}), known()) == ("hold", "id_with_two_contents")


def test_two_contents_of_an_imported_order_hold_the_one_that_differs() -> None:
    for first, second in (("a", "b"), ("b", "a")):
        result = decide_redeliveries(
            offers({"content_hash": first}, {"content_hash": second}), known({"state": "imported"})
        )
        assert result.at[0, "action"] == "hold_edition"
        assert result.at[0, "reason"] == "id_with_two_contents"
        assert result.at[0, "offer"] == (first, second).index("b")


def test_one_number_with_two_new_ids_holds_both() -> None:
    result = decide_redeliveries(offers({}, {"source_id": "2", "lineage": "U2"}), known())
    assert set(zip(result["source_id"], result["action"], result["reason"], strict=True)) == {
        ("1", "hold", "number_with_two_ids"),
        ("2", "hold", "number_with_two_ids"),
    }


@pytest.mark.parametrize("state", STATES)
def test_one_number_with_a_known_id_holds_the_new_one_and_what_is_unsent(state: str) -> None:
    result = decide_redeliveries(offers({"source_id": "2", "lineage": "U2"}), known({"state": state})).set_index(
        "source_id"
    )
    assert list(result.loc["2", ["action", "reason"]]) == ["hold", "number_with_two_ids"]
    if state in UNSENT_STATES:
        assert list(result.loc["1", ["action", "reason", "offer"]]) == ["hold", "number_with_two_ids", -1]
    else:
        assert list(result.index) == ["2"]


def test_a_conflict_that_was_raised_is_not_raised_again() -> None:
    there = known({"state": "received"}, {"source_id": "2", "lineage": "U2", "state": "discarded"})
    result = decide_redeliveries(offers({}, {"source_id": "2", "lineage": "U2"}), there)
    assert dict(zip(result["source_id"], result["action"], strict=True)) == {"1": "refresh", "2": "acknowledge"}


def test_a_changed_order_number_raises_it() -> None:
    there = known({"state": "received", "order_number": "N0"}, {"source_id": "2", "lineage": "U2", "state": "ready"})
    result = decide_redeliveries(offers({"content_hash": "b"}), there)
    assert dict(zip(result["source_id"], result["action"], strict=True)) == {"1": "hold", "2": "hold"}


def test_orders_without_a_number_are_no_conflict() -> None:
    result = decide_redeliveries(offers({"order_number": ""}, {"order_number": "", "source_id": "2"}), known())
    assert result["action"].tolist() == ["insert", "insert"]


def test_one_id_with_another_uuid_is_held() -> None:
    assert one(offers({"lineage": "U9", "content_hash": "b"}), known({})) == ("hold", "id_with_two_uuids")
    imported = known({"state": "imported"})
    assert one(offers({"lineage": "U9", "content_hash": "b"}), imported) == ("hold_edition", "id_with_two_uuids")


def test_a_lineage_of_its_own_is_no_other_uuid() -> None:
    there = known({"lineage": "U1//1", "state": "received"})
    assert one(offers({"content_hash": "b"}), there) == ("replace", "")


def test_nothing_offered() -> None:
    assert decide_redeliveries(offers(), known({})).empty
    assert decide_redeliveries(offers(), known()).empty
    assert decide_redeliveries(pd.DataFrame({name: pd.Series(dtype="float64") for name in OFFERED}), known({})).empty


def test_twenty_thousand_take_a_moment() -> None:
    many = offers(*({"source_id": str(i), "lineage": f"U{i}", "order_number": f"N{i}"} for i in range(20_000)))
    start = time.process_time()
    assert (decide_redeliveries(many, known())["action"] == "insert").all()
    assert time.process_time() - start < 2


ids = st.sampled_from(list("123456"))
offered_rows = st.lists(
    st.fixed_dictionaries(
        {
            "source_id": ids,
            "lineage": st.sampled_from(["U1", "U2"]),
            "order_number": st.sampled_from(["", "N1", "N2", "N3"]),
            "content_hash": st.sampled_from(["a", "b"]),
        }
    ),
    max_size=12,
)
known_rows = st.lists(
    st.fixed_dictionaries(
        {
            "source_id": ids,
            "edition": st.integers(1, 3),
            "state": st.sampled_from(STATES),
            "content_hash": st.sampled_from(["a", "b"]),
            "lineage": st.sampled_from(["U1", "U2", "U2//2"]),
            "order_number": st.sampled_from(["N1", "N2", "N3"]),
            "transform_fingerprint": st.sampled_from(["", "m1"]),
        }
    ),
    max_size=12,
    unique_by=lambda row: (row["source_id"], row["edition"]),
)


@settings(deadline=None, max_examples=25)
@given(offered_rows, known_rows)
def test_every_offer_gets_exactly_one_action_that_suits_its_state(
    rows: list[dict[str, Any]],
    there: list[dict[str, Any]],
) -> None:
    result = decide_redeliveries(offers(*rows), known(*there), "m1")
    assert result["source_id"].is_unique
    assert set(result.loc[result["offer"] >= 0, "source_id"]) == {row["source_id"] for row in rows}
    assert set(result["action"]) <= {action.value for action in RedeliveryAction}
    newest = {row["source_id"]: row["state"] for row in sorted(there, key=lambda row: row["edition"])}
    for row in result.itertuples():
        state = newest.get(row.source_id)
        assert (row.action == "insert") <= (state is None)
        assert (row.action == "hold") <= (state is None or state in UNSENT_STATES)
        assert (row.action == "hold_edition") <= (state in ("imported", "discarded"))
        assert (row.reason != "") == (row.action in ("hold", "hold_edition"))
        if row.offer == -1:
            assert row.action == "hold"


@settings(deadline=None, max_examples=25)
@given(offered_rows, known_rows, st.randoms())
def test_the_order_of_rows_is_irrelevant(rows: list[dict[str, Any]], there: list[dict[str, Any]], dice: Any) -> None:
    frame, base = offers(*rows), known(*there)
    mixed = frame.sample(frac=1, random_state=dice.randrange(2**31))
    again = decide_redeliveries(mixed, base.sample(frac=1, random_state=dice.randrange(2**31)), "m1")
    first = decide_redeliveries(frame, base, "m1")
    places = [
        list(f["row"].iloc[r["offer"].where(r["offer"] >= 0, 0)]) if len(f) else []
        for f, r in ((frame, first), (mixed, again))
    ]
    left, right = (
        set(zip(r["source_id"], r["action"], r["reason"], p, r["offer"] < 0, strict=True)) if len(r) and p else set()
        for r, p in zip((first, again), places, strict=True)
    )
    assert {row for row in left if not row[4]} == {row for row in right if not row[4]}
    assert {row[:3] for row in left} == {row[:3] for row in right}


@pytest.mark.parametrize("state", ["received", "waiting", "ready", "imported", "held", "discarded"])
def test_a_known_order_that_could_not_be_read_stays_as_it_is(state: str) -> None:
    unread = offers({"content_hash": "b", "problem": "detail_unreadable"})
    assert one(unread, known({"state": state})) == ("nothing", "")
    assert one(unread, known()[:0]) == ("insert", "")
