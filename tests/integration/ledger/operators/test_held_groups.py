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


def send(driver, *works):
    """What goes on is sent and imported, in this order."""
    for work in works:
        (ready,), _ = driver.make_ready(work)
        driver.claim(ready)
        assert driver.settle(ready, SendOutcome.IMPORTED, status=201, oms_id=f"OMS-{work.source_id}") == []


def one_order(driver, *source_ids, customer="C-1", lineage="L", **more):
    return [offer(s, lineage=lineage, customer_number=customer, base_number="N", **more) for s in source_ids]


def states(driver, *source_ids):
    return [driver.state(source_id) for source_id in source_ids]


def held_pair(driver):
    """Two customers under one uuid."""
    driver.receive(*one_order(driver, "1"), *one_order(driver, "2", customer="C-2"))
    assert driver.resolve() == []
    assert states(driver, "1", "2") == ["held", "held"]


@pytest.mark.parametrize("number", ["N-1", "N-2"])
def test_separate_lets_both_orders_of_a_pair_go_on_whichever_is_named(driver, number):
    held_pair(driver)
    (group,) = driver.ledger.decisions.held_groups(NAME)
    assert (group.number, group.choices) == ("N-2", ("replacement", "separate", "discard"))
    assert driver.ledger.decisions.decide(number, "separate", "two orders", "ann", shown=group.seen) == sorted(
        group.seen
    )
    works = driver.resolve()
    assert [work.source_id for work in works] == ["1", "2"]
    send(driver, *works)
    assert driver.ledger.decisions.held_groups() == []
    assert sorted(driver.due()) == ["N-1", "N-2"]


def test_versions_that_agree_stay_one_order_where_another_one_is_separate(driver):
    """The first was superseded by its newer version before the contradicting one came."""
    driver.receive(*one_order(driver, "1", "2"))
    (work,) = driver.resolve()
    driver.make_ready(work)
    driver.receive(*one_order(driver, "3", customer="C-2"))
    assert driver.resolve() == []
    assert states(driver, "1", "2", "3") == ["held", "held", "held"]
    driver.ledger.decisions.decide("N-3", "separate", "two orders", "ann")
    works = driver.resolve()
    assert [work.source_id for work in works] == ["2", "3"]
    assert states(driver, "1", "2", "3") == ["superseded", "received", "received"]
    assert driver.due() == []
    send(driver, works[1])
    assert driver.due() == ["N-3"], "the first one's newer version is not imported yet"
    send(driver, works[0])
    assert sorted(driver.due()) == ["N-1", "N-2", "N-3"]


def test_what_agrees_with_a_newer_imported_version_is_not_sent_beside_it(driver):
    driver.receive(*one_order(driver, "2"))
    send(driver, *driver.resolve())
    driver.receive(*one_order(driver, "1"), *one_order(driver, "3", customer="C-2"))
    assert driver.resolve() == []
    assert states(driver, "1", "3") == ["held", "held"]
    driver.ledger.decisions.decide("N-1", "separate", "two orders", "ann")
    assert [work.source_id for work in driver.resolve()] == ["3"]
    assert driver.state("1") == "superseded"


def test_an_older_version_may_not_replace_an_imported_newer_one(driver):
    driver.receive(*one_order(driver, "2"))
    send(driver, *driver.resolve())
    driver.receive(*one_order(driver, "1", customer="C-2"))
    assert driver.resolve() == []
    (group,) = driver.ledger.decisions.held_groups(NAME)
    assert group.choices == ("separate", "discard")
    with pytest.raises(IllegalTransitionError, match="an older version cannot replace a newer one"):
        driver.ledger.decisions.decide("N-1", "replacement", "x", "ann", cancelled=True)
    assert driver.row("2")["cancelled_at"] is None
    driver.ledger.decisions.decide("N-1", "separate", "another customer", "ann")
    send(driver, *driver.resolve())
    assert states(driver, "1", "2") == ["imported", "imported"]


def test_a_replacement_supersedes_the_whole_group_and_names_what_is_cancelled(driver):
    driver.receive(*one_order(driver, "1"))
    send(driver, *driver.resolve())
    driver.receive(*one_order(driver, "2", "3"))
    assert driver.resolve() == []
    with pytest.raises(IllegalTransitionError, match="OMS-1"):
        driver.ledger.decisions.decide("N-2", "replacement", "x", "ann")
    driver.ledger.decisions.decide("N-2", "replacement", "x", "ann", cancelled=True)
    (work,) = driver.resolve()
    assert (work.source_id, driver.state("2")) == ("3", "superseded")
    assert driver.due() == ["N-1"]
    send(driver, work)
    assert sorted(driver.due()) == ["N-1", "N-2", "N-3"]


def test_one_order_number_under_two_ids_of_one_uuid_can_be_two_orders(driver):
    driver.receive(*one_order(driver, "1", order_number="N"), *one_order(driver, "2", order_number="N"))
    driver.ledger.decisions.decide("N", "separate", "two orders", "ann")
    assert [work.source_id for work in driver.resolve()] == ["1", "2"]


def test_a_group_hangs_together_by_lineage_and_by_order_number(driver):
    """The first two share a number, the last two a uuid."""
    driver.receive(offer("1"), offer("2", order_number="N-1", lineage="L"))
    driver.receive(offer("3", lineage="L"))
    assert driver.resolve() == []
    (group,) = driver.ledger.decisions.held_groups()
    assert [one.source_id for one in group.held] == ["1", "2", "3"]
    assert driver.ledger.decisions.decide("N-3", "discard", "x", "ann") == sorted(group.seen)


def test_an_answer_about_a_group_that_has_grown_is_refused(driver):
    held_pair(driver)
    (group,) = driver.ledger.decisions.held_groups()
    driver.receive(*one_order(driver, "3"))
    driver.resolve()
    for number in ("N-1", "N-2"):
        with pytest.raises(ConcurrentUpdateError, match="are not the ones shown"):
            driver.ledger.decisions.decide(number, "separate", "x", "ann", shown=group.seen)


def test_a_version_alone_is_sent_or_discarded_and_later_ones_are_compared_with_it(driver):
    driver.receive(offer("2", order_number="N-1-1", base_number="N-1", suffix=1, lineage="L"))
    assert driver.resolve() == []
    (group,) = driver.ledger.decisions.held_groups()
    assert group.choices == ("separate", "discard")
    with pytest.raises(IllegalTransitionError, match="no other version that N-1-1 could replace"):
        driver.ledger.decisions.decide("N-1-1", "replacement", "x", "ann")
    driver.ledger.decisions.decide("N-1-1", "separate", "send it", "ann")
    send(driver, *driver.resolve())
    driver.receive(offer("1", base_number="N-1", lineage="L"))
    assert driver.resolve() == []
    assert driver.state("1") == "superseded", "its newer version was sent: it is not sent beside it"


def test_what_the_machine_holds_is_only_discarded(driver):
    driver.receive(offer("1"))
    (work,) = driver.resolve()
    driver.ledger.validation.hold(driver.ctx, [(work, "card_data_removed")], {})
    (group,) = driver.ledger.decisions.held_groups()
    assert group.choices == ("discard",)
    with pytest.raises(IllegalTransitionError, match="separate does not apply to an order held as card_data_removed"):
        driver.ledger.decisions.decide("N-1", "separate", "x", "ann")


def test_a_replacement_is_not_offered_before_a_doubt_is_settled(driver):
    driver.in_doubt("1")
    driver.receive(offer("2", order_number="N-1", lineage="other"))
    (group,) = driver.ledger.decisions.held_groups()
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


def test_any_answer_closes_any_held_group(sqlite_template, driver_class):
    @settings(
        max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
    )
    @given(offers=OFFERS, waves=WAVES, order=st.randoms(use_true_random=False), data=st.data())
    def closed(offers, waves, order, data):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(sqlite_template, Path(folder) / "l.sqlite")
            ledger = Ledger.open(f"sqlite:///{folder}/l.sqlite")
            ledger.runs.bind(NAME, "source", "oms")
            driver = driver_class(ledger)
            ledger.runs.begin(driver.ctx, "test", 0)
            try:
                _walk(driver, offers, waves, order, data)
                assert ledger.accounting.invariant_violations() == []
            finally:
                ledger.close()

    closed()


def _walk(driver, offers, waves, order, data):
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
        driver.receive(*part)
        works = evaluate(driver)
        if wave == "send":
            send_all(driver, works)
    for _ in range(4 * len(rows)):
        groups = driver.ledger.decisions.held_groups()
        if not groups:
            break
        group = groups[0]
        choice = data.draw(st.sampled_from(group.choices))
        number = data.draw(st.sampled_from(sorted(group.numbers)))
        driver.ledger.decisions.decide(number, choice, "x", "ann", shown=group.seen, cancelled=True)
        assert not {w.id for w in driver.ledger.worklist.get(group.seen) if w.state == "held"}, (
            "one answer closes the group"
        )
        works = evaluate(driver)
        assert not {w.id for w in driver.ledger.worklist.get(group.seen) if w.state == "held"}, "and it stays closed"
        going = [member(r) for r in everything(driver) if r["id"] in {w.id for w in works} & group.seen.keys()]
        if choice == "separate":
            sides = [[member(r) for r in everything(driver) if r["lineage"] == one.lineage] for one in going]
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
        nothing_early(driver)
        send_all(driver, works)
    send_all(driver, evaluate(driver))
    assert driver.ledger.decisions.held_groups() == []
    for row in everything(driver):
        assert row["state"] in {"imported", "superseded", "discarded"}, row["state"]
        if row["state"] == "superseded":
            assert any(
                other["lineage"] == row["lineage"]
                and other["version"] > row["version"]
                and other["state"] in {"imported", "discarded"}
                for other in everything(driver)
            ), "superseded by nothing"


def evaluate(driver):
    """The next run, and the one in which what waits is due."""
    ids = [row["id"] for row in everything(driver) if row["state"] in {"received", "waiting"}]
    return driver.ledger.versions.resolve(driver.ctx, ids, VersionPolicies(), None)


def everything(driver):
    return [life for n in range(1, 6) for life in driver.ledger.queries.find(str(n)) if life["source_id"] == str(n)]


def send_all(driver, works):
    for work in works:
        mark = driver.ledger.payloads.key_suffixes([work.id]).get(work.id, "")
        ready = driver.ready_of(work, destination_key=f"KEY-{work.order_number}{mark}")
        made, _ = driver.ledger.payloads.make_ready(driver.ctx, [ready])
        for number in made:
            driver.claim(number)
            driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS-{number}")


def nothing_early(driver):
    due, rows = set(driver.due()), everything(driver)
    settled = {row["order_number"] for row in rows if row["state"] in {"imported", "discarded"}}
    for row in rows:
        if row["order_number"] in due:
            assert row["state"] in {"imported", "superseded", "discarded"}
            if row["order_number"] not in settled:  # else it is due for the other one of this number
                newer = [o for o in rows if o["lineage"] == row["lineage"] and o["version"] > row["version"]]
                assert any(o["state"] in {"imported", "discarded"} for o in newer), "acknowledged early"
