"""Groups of held submissions: one answer closes the group, sends each order once and acknowledges nothing early."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError
from order_relay.ledger import Ledger
from order_relay.orders.identity.source_identity import source_lineage
from order_relay.orders.messages import SendOutcome, VersionPolicies
from order_relay.orders.review.submission_groups import GroupMember, same_order
from tests.support.offers import offer

NAME = "shop_to_oms"


def send(clerk, *works):
    """What goes on is sent and imported, in this order."""
    for work in works:
        (ready,), _ = clerk.make_ready(work)
        clerk.claim(ready)
        assert clerk.settle(ready, SendOutcome.IMPORTED, status=201, oms_id=f"OMS-{work.source_id}") == []


def one_order(clerk, *source_ids, customer="C-1", lineage="L", **more):
    return [offer(s, lineage=lineage, customer_number=customer, base_number="N", **more) for s in source_ids]


def states(clerk, *source_ids):
    return [clerk.state(source_id) for source_id in source_ids]


def held_pair(clerk):
    """Two customers under one uuid."""
    clerk.receive(*one_order(clerk, "1"), *one_order(clerk, "2", customer="C-2"))
    assert clerk.resolve() == []
    assert states(clerk, "1", "2") == ["held", "held"]


@pytest.mark.parametrize("number", ["N-1", "N-2"])
def test_separate_lets_both_orders_of_a_pair_go_on_whichever_is_named(clerk, number):
    held_pair(clerk)
    (group,) = clerk.ledger.decisions.held_groups(NAME)
    assert (group.number, group.choices) == ("N-2", ("replacement", "separate", "discard"))
    assert clerk.ledger.decisions.decide(number, "separate", "two orders", "ann", shown=group.seen) == sorted(
        group.seen
    )
    works = clerk.resolve()
    assert [work.source_id for work in works] == ["1", "2"]
    send(clerk, *works)
    assert clerk.ledger.decisions.held_groups() == []
    assert sorted(clerk.due()) == ["N-1", "N-2"]


def test_versions_that_agree_stay_one_order_where_another_one_is_separate(clerk):
    """The first was superseded by its newer version before the contradicting one came."""
    clerk.receive(*one_order(clerk, "1", "2"))
    (work,) = clerk.resolve()
    clerk.make_ready(work)
    clerk.receive(*one_order(clerk, "3", customer="C-2"))
    assert clerk.resolve() == []
    assert states(clerk, "1", "2", "3") == ["held", "held", "held"]
    clerk.ledger.decisions.decide("N-3", "separate", "two orders", "ann")
    works = clerk.resolve()
    assert [work.source_id for work in works] == ["2", "3"]
    assert states(clerk, "1", "2", "3") == ["superseded", "received", "received"]
    assert clerk.due() == []
    send(clerk, works[1])
    assert clerk.due() == ["N-3"], "the first one's newer version is not imported yet"
    send(clerk, works[0])
    assert sorted(clerk.due()) == ["N-1", "N-2", "N-3"]


def test_what_agrees_with_a_newer_imported_version_is_not_sent_beside_it(clerk):
    clerk.receive(*one_order(clerk, "2"))
    send(clerk, *clerk.resolve())
    clerk.receive(*one_order(clerk, "1"), *one_order(clerk, "3", customer="C-2"))
    assert clerk.resolve() == []
    assert states(clerk, "1", "3") == ["held", "held"]
    clerk.ledger.decisions.decide("N-1", "separate", "two orders", "ann")
    assert [work.source_id for work in clerk.resolve()] == ["3"]
    assert clerk.state("1") == "superseded"


def test_an_older_version_may_not_replace_an_imported_newer_one(clerk):
    clerk.receive(*one_order(clerk, "2"))
    send(clerk, *clerk.resolve())
    clerk.receive(*one_order(clerk, "1", customer="C-2"))
    assert clerk.resolve() == []
    (group,) = clerk.ledger.decisions.held_groups(NAME)
    assert group.choices == ("separate", "discard")
    with pytest.raises(IllegalTransitionError, match="an older version cannot replace a newer one"):
        clerk.ledger.decisions.decide("N-1", "replacement", "x", "ann", cancelled=True)
    assert clerk.row("2")["cancelled_at"] is None
    clerk.ledger.decisions.decide("N-1", "separate", "another customer", "ann")
    send(clerk, *clerk.resolve())
    assert states(clerk, "1", "2") == ["imported", "imported"]


def test_a_replacement_supersedes_the_whole_group_and_names_what_is_cancelled(clerk):
    clerk.receive(*one_order(clerk, "1"))
    send(clerk, *clerk.resolve())
    clerk.receive(*one_order(clerk, "2", "3"))
    assert clerk.resolve() == []
    with pytest.raises(IllegalTransitionError, match="OMS-1"):
        clerk.ledger.decisions.decide("N-2", "replacement", "x", "ann")
    clerk.ledger.decisions.decide("N-2", "replacement", "x", "ann", cancelled=True)
    (work,) = clerk.resolve()
    assert (work.source_id, clerk.state("2")) == ("3", "superseded")
    assert clerk.due() == ["N-1"]
    send(clerk, work)
    assert sorted(clerk.due()) == ["N-1", "N-2", "N-3"]


def test_one_order_number_under_two_ids_of_one_uuid_can_be_two_orders(clerk):
    clerk.receive(*one_order(clerk, "1", order_number="N"), *one_order(clerk, "2", order_number="N"))
    clerk.ledger.decisions.decide("N", "separate", "two orders", "ann")
    assert [work.source_id for work in clerk.resolve()] == ["1", "2"]


def test_a_group_hangs_together_by_lineage_and_by_order_number(clerk):
    """The first two share a number, the last two a uuid."""
    clerk.receive(offer("1"), offer("2", order_number="N-1", lineage="L"))
    clerk.receive(offer("3", lineage="L"))
    assert clerk.resolve() == []
    (group,) = clerk.ledger.decisions.held_groups()
    assert [one.source_id for one in group.held] == ["1", "2", "3"]
    assert clerk.ledger.decisions.decide("N-3", "discard", "x", "ann") == sorted(group.seen)


def test_an_answer_about_a_group_that_has_grown_is_refused(clerk):
    held_pair(clerk)
    (group,) = clerk.ledger.decisions.held_groups()
    clerk.receive(*one_order(clerk, "3"))
    clerk.resolve()
    for number in ("N-1", "N-2"):
        with pytest.raises(ConcurrentUpdateError, match="are not the ones shown"):
            clerk.ledger.decisions.decide(number, "separate", "x", "ann", shown=group.seen)


def test_a_version_alone_is_sent_or_discarded_and_later_ones_are_compared_with_it(clerk):
    clerk.receive(offer("2", order_number="N-1-1", base_number="N-1", suffix=1, lineage="L"))
    assert clerk.resolve() == []
    (group,) = clerk.ledger.decisions.held_groups()
    assert group.choices == ("separate", "discard")
    with pytest.raises(IllegalTransitionError, match="no other version that N-1-1 could replace"):
        clerk.ledger.decisions.decide("N-1-1", "replacement", "x", "ann")
    clerk.ledger.decisions.decide("N-1-1", "separate", "send it", "ann")
    send(clerk, *clerk.resolve())
    clerk.receive(offer("1", base_number="N-1", lineage="L"))
    assert clerk.resolve() == []
    assert clerk.state("1") == "superseded", "its newer version was sent: it is not sent beside it"


def test_what_the_machine_holds_is_only_discarded(clerk):
    clerk.receive(offer("1"))
    (work,) = clerk.resolve()
    clerk.ledger.validation.hold(clerk.ctx, [(work, "card_data_removed")], {})
    (group,) = clerk.ledger.decisions.held_groups()
    assert group.choices == ("discard",)
    with pytest.raises(IllegalTransitionError, match="separate does not apply to an order held as card_data_removed"):
        clerk.ledger.decisions.decide("N-1", "separate", "x", "ann")


def test_a_replacement_is_not_offered_before_a_doubt_is_settled(clerk):
    clerk.in_doubt("1")
    clerk.receive(offer("2", order_number="N-1", lineage="other"))
    (group,) = clerk.ledger.decisions.held_groups()
    assert group.choices == ("separate", "discard")


OFFERS = st.lists(
    st.tuples(
        st.sampled_from(["L", "L", "M"]),
        st.sampled_from(["C-1", "C-1", "C-2", ""]),
        st.sampled_from(["", "7", "8"]),
        st.sampled_from([("A", "B"), ("A",), ("X", "Y")]),
        st.sampled_from(["", "", "", "N"]),
    ),
    min_size=2,
    max_size=5,
)
WAVES = st.lists(st.sampled_from(["receive", "send"]), min_size=1, max_size=5)
ANSWERS = st.sampled_from(["replacement", "separate", "discard"])


def member(row):
    names = (
        "id",
        "revision",
        "pipeline",
        "state",
        "reason",
        "source_id",
        "edition",
        "lineage",
        "version",
        "order_number",
        "base_number",
        "customer_number",
        "customer_po",
    )
    return GroupMember(**{name: row[name] for name in names}, items=tuple(row["items"]), decided=row["decided"])


def test_any_answer_closes_any_held_group(sqlite_template, clerk_class):
    @settings(
        max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
    )
    @given(offers=OFFERS, waves=WAVES, order=st.randoms(use_true_random=False), data=st.data())
    def closed(offers, waves, order, data):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(sqlite_template, Path(folder) / "l.sqlite")
            ledger = Ledger.open(f"sqlite:///{folder}/l.sqlite")
            ledger.runs.bind(NAME, "source", "oms")
            clerk = clerk_class(ledger)
            ledger.runs.begin(clerk.ctx, "test", 0)
            try:
                _walk(clerk, offers, waves, order, data)
                assert ledger.accounting.invariant_violations() == []
            finally:
                ledger.close()

    closed()


def _walk(clerk, offers, waves, order, data):
    rows = [
        offer(
            str(n),
            lineage=lineage,
            customer_number=customer,
            customer_po=po,
            items=items,
            base_number="B",
            order_number=number or f"N-{n}",
        )
        for n, (lineage, customer, po, items, number) in enumerate(offers, 1)
    ]
    order.shuffle(rows)
    parts = [rows[n :: len(waves)] for n in range(len(waves))]
    for wave, part in zip(waves, parts, strict=True):
        clerk.receive(*part)
        works = evaluate(clerk)
        if wave == "send":
            send_all(clerk, works)
    for _ in range(4 * len(rows)):
        groups = clerk.ledger.decisions.held_groups()
        if not groups:
            break
        group = groups[0]
        choice = data.draw(st.sampled_from(group.choices))
        number = data.draw(st.sampled_from(sorted(group.numbers)))
        clerk.ledger.decisions.decide(number, choice, "x", "ann", shown=group.seen, cancelled=True)
        assert not {w.id for w in clerk.ledger.worklist.get(group.seen) if w.state == "held"}, (
            "one answer closes the group"
        )
        works = evaluate(clerk)
        assert not {w.id for w in clerk.ledger.worklist.get(group.seen) if w.state == "held"}, "and it stays closed"
        going = [member(r) for r in everything(clerk) if r["id"] in {w.id for w in works} & group.seen.keys()]
        if choice == "separate":
            sides = [[member(r) for r in everything(clerk) if r["lineage"] == one.lineage] for one in going]
            assert all(
                any(
                    not same_order(x, y, 0.5)
                    or x.order_number == y.order_number
                    or source_lineage(x.lineage) != source_lineage(y.lineage)
                    for x in side
                    for y in other
                )
                for n, side in enumerate(sides)
                for other in sides[:n]
            ), "versions that agree are not two orders"
        elif choice == "replacement":
            assert [one.id for one in going] == [group.newest.id]
        nothing_early(clerk)
        send_all(clerk, works)
    send_all(clerk, evaluate(clerk))
    assert clerk.ledger.decisions.held_groups() == []
    for row in everything(clerk):
        assert row["state"] in {"imported", "superseded", "discarded"}, row["state"]
        if row["state"] == "superseded":
            assert any(
                other["lineage"] == row["lineage"]
                and other["version"] > row["version"]
                and other["state"] in {"imported", "discarded"}
                for other in everything(clerk)
            ), "superseded by nothing"


def evaluate(clerk):
    """The next run, and the one in which what waits is due."""
    ids = [row["id"] for row in everything(clerk) if row["state"] in {"received", "waiting"}]
    return clerk.ledger.versions.resolve(clerk.ctx, ids, VersionPolicies(), None)


def everything(clerk):
    return [life for n in range(1, 6) for life in clerk.ledger.queries.find(str(n)) if life["source_id"] == str(n)]


def send_all(clerk, works):
    for work in works:
        mark = clerk.ledger.payloads.key_suffixes([work.id]).get(work.id, "")
        ready = clerk.ready_of(work, destination_key=f"KEY-{work.order_number}{mark}")
        made, _ = clerk.ledger.payloads.make_ready(clerk.ctx, [ready])
        for number in made:
            clerk.claim(number)
            clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS-{number}")


def nothing_early(clerk):
    due, rows = set(clerk.due()), everything(clerk)
    settled = {row["order_number"] for row in rows if row["state"] in {"imported", "discarded"}}
    for row in rows:
        if row["order_number"] in due:
            assert row["state"] in {"imported", "superseded", "discarded"}
            if row["order_number"] not in settled:  # else it is due for the other one of this number
                newer = [o for o in rows if o["lineage"] == row["lineage"] and o["version"] > row["version"]]
                assert any(o["state"] in {"imported", "discarded"} for o in newer), "acknowledged early"
