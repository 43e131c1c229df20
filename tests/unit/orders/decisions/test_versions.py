from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.orders.decisions.versions import RESULT_COLUMNS, VERSION_COLUMNS, VersionDecision, resolve_versions
from order_relay.orders.messages import VersionPolicies

DEFAULT = VersionPolicies()
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
UNSENT = ("received", "waiting", "ready", "superseded")


def versions(*rows: dict[str, Any]) -> pd.DataFrame:
    made = []
    for place, row in enumerate(rows, start=1):
        base = {
            "id": place,
            "lineage": "U",
            "source_id": str(place),
            "version": place,
            "edition": 1,
            "suffix": place - 1 or None,
            "items": ("A", "B"),
            "base_number": "N",
            "customer_number": "",
            "customer_po": "",
            "state": "received",
            "reason": "",
            "decided": False,
        }
        made.append(base | row)
    return pd.DataFrame(made, columns=list(VERSION_COLUMNS)).astype({"suffix": object})


def decisions(frame: pd.DataFrame, policies: VersionPolicies = DEFAULT) -> dict[int, str]:
    result = resolve_versions(frame, policies)
    rows: list[Any] = list(result.itertuples())
    return {row.id: f"{row.decision} {row.reason}".strip() for row in rows}


def test_a_single_version_is_the_winner() -> None:
    result = resolve_versions(versions({}), DEFAULT)
    assert tuple(result.columns) == RESULT_COLUMNS
    assert result.to_dict("records") == [{"id": 1, "decision": "winner", "reason": "", "lineage": "U", "detail": ""}]


# The rows of the table, in its order


def test_row_1_under_a_quarantined_newest_the_older_wait() -> None:
    assert decisions(versions({}, {"state": "ready"}, {"state": "quarantined"})) == {
        1: "waiting newer_quarantined",
        2: "waiting newer_quarantined",
    }


def test_row_1_a_winner_that_is_refused_later_lets_the_superseded_wait() -> None:
    assert decisions(versions({"state": "superseded"}, {"state": "quarantined"})) == {1: "waiting newer_quarantined"}
    done = versions({"state": "superseded"}, {"state": "imported"}, {"state": "quarantined"})
    assert decisions(done) == {1: "superseded"}


def test_row_1_an_older_quarantined_one_blocks_nothing() -> None:
    assert decisions(versions({"state": "quarantined"}, {})) == {2: "winner"}


@pytest.mark.parametrize("state", ["sending", "in_doubt"])
def test_row_2_beside_an_open_question_the_others_wait(state: str) -> None:
    assert decisions(versions({}, {"state": state}, {"state": "ready"})) == {
        1: "waiting version_in_doubt",
        3: "waiting version_in_doubt",
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("A", "B", "C"), ("A", "D", "E")),
        (("A",), ("B",)),
        ((), ("A",)),
        (("A",), ()),
        ((), ()),
    ],
)
def test_row_3_too_few_common_items_hold_all(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert decisions(versions({"items": first}, {"items": second})) == {
        1: "held too_few_common_items",
        2: "held too_few_common_items",
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("A", "B"), ("A", "C")),
        (("A",), ("A", "C", "D")),
        (("A", "B", "C", "D"), ("A",)),
    ],
)
def test_row_3_half_of_the_smaller_set_is_enough(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert decisions(versions({"items": first}, {"items": second})) == {1: "superseded", 2: "winner"}


def test_row_3_the_minimum_is_a_setting() -> None:
    frame = versions({"items": ("A", "B")}, {"items": ("A", "C")})
    assert decisions(frame, VersionPolicies(min_common_items=0.6)) == {
        1: "held too_few_common_items",
        2: "held too_few_common_items",
    }
    apart = versions({"items": ("A",)}, {"items": ("B",)})
    assert decisions(apart, VersionPolicies(min_common_items=0.0)) == {1: "superseded", 2: "winner"}


def test_row_3_an_emptied_form_after_an_import_is_not_ignored_but_held() -> None:
    frame = versions({"state": "imported"}, {"items": ("Z",)})
    for policy in ("review", "ignore", "import_as_new"):
        assert decisions(frame, VersionPolicies(resubmission=policy)) == {2: "held too_few_common_items"}


def test_row_3_discarded_versions_are_not_compared() -> None:
    assert decisions(versions({"items": ("A",)}, {"items": ("Z",), "state": "discarded"})) == {1: "winner"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"customer_number": "C-2", "customer_po": "22"}, "different customer number and customer PO"),
        ({"customer_number": "C-2"}, "different customer number"),
        ({"customer_po": "22"}, "different customer PO"),
        ({"base_number": "9455-030124-007"}, "different base order number"),
    ],
)
def test_contradicting_versions_are_held_and_what_contradicts_is_named(changes: dict[str, Any], named: str) -> None:
    first = {"customer_number": "C-1", "customer_po": "11"}
    frame = versions(first, first | changes)
    assert decisions(frame) == {1: "held contradicting_versions", 2: "held contradicting_versions"}
    assert set(resolve_versions(frame, DEFAULT)["detail"]) == {named}


def test_what_only_one_version_gives_or_spells_otherwise_is_no_contradiction() -> None:
    frame = versions({"customer_number": "1044", "customer_po": ""}, {"customer_number": "1044.0", "customer_po": "1"})
    assert decisions(frame) == {1: "superseded", 2: "winner"}


@pytest.mark.parametrize("policy", ["review", "ignore", "import_as_new"])
def test_beside_an_imported_one_a_contradiction_is_held_under_every_policy(policy: str) -> None:
    other, there = {"customer_po": "22"}, {"customer_po": "11", "state": "imported"}
    assert decisions(versions(other, there), VersionPolicies(resubmission=policy)) == {1: "held contradicting_versions"}
    assert decisions(versions(there, other), VersionPolicies(resubmission=policy)) == {2: "held contradicting_versions"}


def test_a_contradiction_also_holds_what_was_superseded_before_it_came_to_light() -> None:
    frame = versions({"state": "superseded"}, {"state": "ready", "customer_po": "11"}, {"customer_po": "22"})
    assert set(decisions(frame).values()) == {"held contradicting_versions"}
    done = versions(
        {"state": "superseded", "customer_po": "22"}, {"state": "imported", "customer_po": "11"}, {"customer_po": "11"}
    )
    assert decisions(done) == {1: "superseded", 3: "held newer_than_imported"}


def test_an_operator_s_replacement_passes_a_contradiction_over() -> None:
    frame = versions({"customer_po": "11", "decided": True}, {"customer_po": "22", "decided": True})
    assert decisions(frame) == {1: "superseded", 2: "winner"}


def test_a_contradicting_quarantined_one_holds_the_newer() -> None:
    frame = versions({"state": "quarantined", "customer_po": "11"}, {"customer_po": "22"})
    assert decisions(frame) == {2: "held contradicting_versions"}


@pytest.mark.parametrize("state", ["quarantined", "rejected"])
def test_a_refused_one_older_than_an_imported_one_is_superseded(state: str) -> None:
    assert decisions(versions({"state": state}, {"state": "imported"})) == {1: "superseded"}
    assert decisions(versions({"state": state}, {"state": "discarded", "reason": "baseline"})) == {1: "superseded"}


@pytest.mark.parametrize(
    "older",
    [
        {"customer_po": "22"},
        {"base_number": "other"},
        {"base_number": ""},
        {"items": ()},
        {"items": ("Z",)},
    ],
)
def test_a_refused_one_that_does_not_agree_with_the_imported_one_stays(older: dict[str, Any]) -> None:
    assert decisions(versions({"state": "quarantined", **older}, {"state": "imported", "customer_po": "11"})) == {}


@pytest.mark.parametrize("newest", ["ready", "sending", "in_doubt", "held", "quarantined"])
def test_a_refused_one_is_obsolete_only_under_an_imported_one(newest: str) -> None:
    assert 1 not in decisions(versions({"state": "quarantined"}, {"state": newest}))
    assert 2 not in decisions(versions({"state": "imported"}, {"state": "quarantined"}))


def test_row_4_the_newest_wins_by_number_not_by_arrival() -> None:
    frame = versions({"version": 900}, {"version": 1000}, {"version": 99, "state": "ready"})
    assert decisions(frame) == {1: "superseded", 2: "winner", 3: "superseded"}


def test_row_4_a_ready_one_is_replaced_by_a_newer() -> None:
    assert decisions(versions({"state": "ready"}, {})) == {1: "superseded", 2: "winner"}


def test_row_4_waiting_ones_go_on_when_nothing_stops_them() -> None:
    assert decisions(versions({"state": "waiting", "reason": "newer_quarantined"}, {"state": "discarded"})) == {
        1: "winner"
    }


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        ("review", "held newer_than_imported"),
        ("ignore", "discarded newer_than_imported"),
        ("import_as_new", "new_lineage newer_than_imported"),
    ],
)
def test_row_5_newer_than_an_imported_one_follows_the_policy(policy: str, decision: str) -> None:
    assert decisions(versions({"state": "imported"}, {}), VersionPolicies(resubmission=policy)) == {2: decision}


def test_row_5_import_as_new_takes_the_newest_and_its_siblings_along() -> None:
    result = resolve_versions(versions({"state": "imported"}, {}, {}), VersionPolicies(resubmission="import_as_new"))
    assert result[["id", "decision", "lineage"]].to_numpy().tolist() == [
        [2, "superseded", "U//3"],
        [3, "new_lineage", "U//3"],
    ]


def test_row_5_a_decided_replacement_beside_an_imported_one_is_independent() -> None:
    result = resolve_versions(versions({"state": "imported"}, {"decided": True, "items": ("Z",)}), DEFAULT)
    assert result[["decision", "lineage"]].to_numpy().tolist() == [["new_lineage", "U//2"]]


def test_row_6_older_than_an_imported_one_is_superseded() -> None:
    assert decisions(versions({}, {"state": "imported"})) == {1: "superseded"}


def test_row_7_a_suffix_without_a_base() -> None:
    frame = versions({"suffix": 1})
    assert decisions(frame) == {1: "held suffix_without_base"}
    assert decisions(frame, VersionPolicies(unknown_base="import")) == {1: "winner"}
    assert decisions(versions({"suffix": 1, "decided": True})) == {1: "winner"}
    assert decisions(versions({"suffix": 1, "lineage": "U//1"})) == {1: "winner"}


def test_row_7_another_suffixed_version_is_another_version() -> None:
    assert decisions(versions({"suffix": 1}, {"suffix": 2})) == {1: "superseded", 2: "winner"}


def test_policy_suffixed_review_holds_every_suffixed_one() -> None:
    frame = versions({}, {}, {})
    assert decisions(frame, VersionPolicies(suffixed="review")) == {
        1: "waiting newer_held",
        2: "held suffixed",
        3: "held suffixed",
    }
    after = versions({"state": "imported"}, {})
    assert decisions(after, VersionPolicies(suffixed="review", resubmission="ignore")) == {2: "held suffixed"}


# What the table leaves open


def test_under_a_held_newest_the_older_wait_and_above_it_the_newer_join_it() -> None:
    assert decisions(versions({}, {"state": "held"})) == {1: "waiting newer_held"}
    assert decisions(versions({"state": "held"}, {})) == {2: "held sibling_held"}
    assert decisions(versions({"state": "held"}, {"decided": True})) == {2: "winner"}


def test_a_decision_for_an_older_version_counts_under_a_held_newest() -> None:
    frame = versions({"decided": True, "items": ("A",)}, {"state": "held", "items": ("Z",)})
    assert decisions(frame) == {1: "winner"}


def test_under_a_rejected_newest_the_older_are_superseded() -> None:
    assert decisions(versions({}, {"state": "rejected"})) == {1: "superseded"}


def test_a_superseded_version_returns_only_if_nothing_supersedes_it() -> None:
    assert decisions(versions({"state": "superseded"})) == {1: "winner"}
    for state in ("ready", "imported", "held", "discarded", "rejected", "in_doubt"):
        assert decisions(versions({"state": "superseded"}, {"state": state}))[1] == "superseded"


def test_what_waits_for_something_else_is_left_alone() -> None:
    assert decisions(versions({"state": "waiting", "reason": "payment_open"})) == {}
    assert decisions(versions({}, {"state": "waiting", "reason": "payment_open"})) == {1: "superseded"}


def test_editions_of_one_id_are_ordered_by_edition() -> None:
    frame = versions({"state": "discarded", "version": 5}, {"version": 5, "edition": 2, "decided": True})
    assert decisions(frame) == {2: "winner"}


def test_nothing_to_resolve() -> None:
    assert resolve_versions(versions(), DEFAULT).empty


def test_twenty_thousand_single_versions_take_a_moment() -> None:
    many = versions(*({"lineage": f"U{i}", "suffix": None} for i in range(20_000)))
    start = time.process_time()
    assert (resolve_versions(many, DEFAULT)["decision"] == "winner").all()
    assert time.process_time() - start < 0.5


rows = st.lists(
    st.fixed_dictionaries(
        {
            "lineage": st.sampled_from([*"ABCDEFGHIJKL", "L//3"]),
            "version": st.integers(1, 4),
            "edition": st.integers(1, 2),
            "suffix": st.sampled_from([None, 1, 2]),
            "state": st.sampled_from(STATES),
            "decided": st.booleans(),
            "items": st.sampled_from([(), ("A",), ("A", "B"), ("Z",)]),
            "base_number": st.sampled_from(["N", "N", "n ", "M", ""]),
            "customer_number": st.sampled_from(["", "", "1", "1.0", "2"]),
            "customer_po": st.sampled_from(["", "", "7", "8"]),
            "reason": st.sampled_from(["", "newer_held"]),
        }
    ),
    max_size=40,
    unique_by=lambda row: (row["lineage"], row["version"], row["edition"]),
)
policies = st.builds(
    VersionPolicies,
    resubmission=st.sampled_from(["review", "import_as_new", "ignore"]),
    unknown_base=st.sampled_from(["review", "import"]),
    suffixed=st.sampled_from(["auto", "review"]),
)


def test_an_older_version_goes_on_if_what_superseded_the_newer_one_was_discarded() -> None:
    one = {"lineage": "B", "suffix": None, "decided": False, "items": ("A",), "base_number": "N", "reason": ""}
    same = {**one, "customer_number": "", "customer_po": ""}
    frame = versions(
        {**same, "version": 1, "edition": 1, "state": "received"},
        {**same, "version": 1, "edition": 2, "state": "superseded"},
        {**same, "version": 2, "edition": 1, "state": "discarded"},
    )
    result = resolve_versions(frame, VersionPolicies()).set_index("id")["decision"]
    assert result.loc[frame["id"].iloc[0]] == "winner"


@settings(deadline=None, max_examples=40)
@given(rows, policies)
def test_every_unsent_version_gets_one_decision_and_a_lineage_at_most_one_winner(
    made: list[dict[str, Any]],
    chosen: VersionPolicies,
) -> None:
    frame = versions(*made)
    result = resolve_versions(frame, chosen)
    refused = frame["state"].isin(["quarantined", "rejected"])
    obsolete = result["id"].isin(frame.loc[refused, "id"])
    assert sorted(result.loc[~obsolete, "id"]) == sorted(frame.loc[frame["state"].isin(UNSENT), "id"])
    assert (result.loc[obsolete, "decision"] == "superseded").all()
    assert set(result["decision"]) <= {decision.value for decision in VersionDecision}
    going = result[result["decision"].isin(["winner", "new_lineage"])]
    assert going["lineage"].is_unique
    busy = set(frame.loc[frame["state"].isin(["sending", "in_doubt", "imported"]), "lineage"])
    assert not busy & set(result.loc[result["decision"] == "winner", "lineage"])
    asked = result["decision"].isin(["held", "waiting", "discarded"])
    assert (result.loc[asked, "reason"] != "").all()


SIGNALS = ("base_number", "customer_number", "customer_po")


def plainly(value: str) -> str:
    return value.strip().lower().removesuffix(".0")


@settings(deadline=None, max_examples=60)
@given(rows, policies)
def test_nothing_becomes_superseded_without_a_newer_version_that_agrees(
    made: list[dict[str, Any]],
    chosen: VersionPolicies,
) -> None:
    """Superseded orders are acknowledged: a newer one of the same order must be there, or an operator decided."""
    frame = versions(*made)
    result = resolve_versions(frame, chosen).set_index("id")
    after = frame.set_index("id").join(result[["decision"]])
    after["lineage"] = result["lineage"].reindex(after.index).fillna(after["lineage"])
    became = after[(after["decision"] == "superseded") & (after["state"] != "superseded") & ~after["decided"]]
    for _, row in became.iterrows():
        newer = after[
            (after["lineage"] == row["lineage"])
            & (
                (after["version"] > row["version"])
                | ((after["version"] == row["version"]) & (after["edition"] > row["edition"]))
            )
        ]
        bound = newer[
            newer["decision"].isin(["winner", "new_lineage"])
            | newer["state"].isin(["imported", "rejected"])
            | ((newer["state"] == "discarded") & (newer["reason"] == "baseline"))
        ]
        assert len(bound)
        live = bound[~bound["decided"]]
        for name in SIGNALS:
            distinct = {plainly(value) for value in [*live[name], row[name]]} - {""}
            assert len(distinct) < 2, name


LINEAGES = st.lists(
    st.tuples(
        st.lists(
            st.fixed_dictionaries(
                {
                    "base_number": st.sampled_from(["N", "N", "N", "M"]),
                    "customer_po": st.sampled_from(["", "7", "7", "8"]),
                    "items": st.sampled_from([("A", "B"), ("A", "B", "C"), ("Z",)]),
                }
            ),
            min_size=2,
            max_size=4,
        ),
        st.permutations(range(4)),
    ),
    min_size=8,
    max_size=16,
)
"""Versions of independent lineages, and the order in which each lineage's versions arrive."""


@settings(deadline=None, max_examples=10)
@given(LINEAGES)
def test_the_order_of_arrival_does_not_matter(made: list[tuple[list[dict[str, Any]], list[int]]]) -> None:
    """Resolved after each arrival or all together: the same versions are held, superseded, or continue.

    Each example holds many lineages: one call resolves them together as fast as one of them.
    """

    def states(orders: list[list[int]], together: bool) -> dict[int, str]:
        known: dict[int, dict[str, Any]] = {}
        for turn in range(4):
            for lineage, order in enumerate(orders):
                for place in order[turn : turn + 1]:
                    number = lineage * 10 + place
                    arrived = {"id": number, "version": place + 1, "suffix": None, "state": "received"}
                    known[number] = made[lineage][0][place] | {"lineage": f"L{lineage}"} | arrived
            if together and turn < 3:
                continue
            result = resolve_versions(versions(*known.values()), DEFAULT)
            row: Any
            for row in result.itertuples():
                known[row.id] |= {"state": {"winner": "ready"}.get(row.decision, row.decision), "reason": row.reason}
        return {number: row["state"] for number, row in known.items()}

    arrivals = [[place for place in arrival if place < len(members)] for members, arrival in made]
    assert states(arrivals, together=False) == states([sorted(order) for order in arrivals], together=True)


@settings(deadline=None, max_examples=15)
@given(rows, policies, st.randoms())
def test_the_order_of_rows_is_irrelevant(made: list[dict[str, Any]], chosen: VersionPolicies, dice: Any) -> None:
    frame = versions(*made)
    mixed = frame.sample(frac=1, random_state=dice.randrange(2**31))
    pd.testing.assert_frame_equal(resolve_versions(frame, chosen), resolve_versions(mixed, chosen))


@settings(deadline=None, max_examples=15)
@given(rows, policies)
def test_resolving_again_changes_nothing(made: list[dict[str, Any]], chosen: VersionPolicies) -> None:
    """After the ledger has followed the decisions, the same question gets the same answers."""
    frame = versions(*made)
    first = resolve_versions(frame, chosen).set_index("id")
    if (first["decision"] == "new_lineage").any():
        return
    state = {
        "winner": "received",
        "discarded": "discarded",
        "held": "held",
        "waiting": "waiting",
        "superseded": "superseded",
    }
    frame["state"] = frame["id"].map(first["decision"]).map(state).fillna(frame["state"])
    frame["reason"] = frame["id"].map(first["reason"]).astype(object).fillna(frame["reason"])
    again = resolve_versions(frame, chosen).set_index("id")
    winners = [set(r.index[r["decision"] == "winner"]) for r in (first, again)]
    assert winners[1] <= winners[0]
