"""The promise, against a model: whatever happens in whatever order, no lineage is stored twice and none is forgotten.

The model is what the destination has stored. Workers die, answers get lost, attempts are given up and wake up late,
content changes, versions come, people decide; the ledger is the real one (SQLite). The source removes what it was told
from its answer, or (windowed) returns it again and must then be told nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from order_relay.errors import IllegalTransitionError, ValidationIssue
from order_relay.ledger import AttemptResult, Ledger, LookupFinding, ReadyPayload
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.messages import Acknowledgement, SendOutcome, SendResult, VersionPolicies
from tests.support.offers import offer
from tests.support.speedups import LONG

LINEAGES = ("A", "B", "", "", "")  # "": an order of its own
LEASES = st.sampled_from([-1.0, 30.0])
KINDS = st.sampled_from(["answered", "lost_after", "lost_before", "refused", "throttled"])


def counted(ledger: Ledger, *, again: bool = False) -> dict[Any, int]:
    """The maintained counts by kind and reason, as they are or counted ``again`` from the orders and their history."""
    if again:
        ledger.accounting.recount()
    query = "SELECT kind, reason, sum(n) AS n FROM order_count GROUP BY kind, reason HAVING sum(n) <> 0"
    rows = ledger.database.read(lambda tx: tx.conn.exec_driver_sql(query).all())
    return {(row.kind, row.reason): row.n for row in rows}


def machine(
    template: Path, driver_class: type, *, windowed: bool, idempotent: bool = False
) -> type[RuleBasedStateMachine]:
    resend_after_s = 0.0 if idempotent else None

    class Promise(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.folder = Path(tempfile.mkdtemp())
            shutil.copy(template, self.folder / "l.sqlite")
            self.ledger = Ledger.open(f"sqlite:///{self.folder / 'l.sqlite'}")
            self.ledger.runs.bind("shop_to_oms", "source", "oms")
            self.driver = driver_class(self.ledger)
            self.ledger.runs.begin(self.driver.ctx, "test", 0)
            self.offered: dict[str, dict[str, Any]] = {}
            self.stored: dict[str, str] = {}  # destination key -> OMS id
            self.contents: dict[str, str] = {}  # destination key -> fingerprint of the payload
            self.requests: list[tuple[Any, ...]] = []  # claims whose POST was not made yet
            self.answers: list[AttemptResult] = []  # answers on their way
            self.acknowledged: set[str] = set()
            self.confirmed: set[tuple[int, int]] = set()  # submission and revision

        def teardown(self):
            assert counted(self.ledger) == counted(self.ledger, again=True)
            self.ledger.close()
            shutil.rmtree(self.folder)

        @initialize()
        def an_order_is_there(self):
            for number, lineage in (("1", "A"), ("2", "B"), ("3", "C"), ("4", "D")):
                self.offered[number] = offer(number, lineage=lineage)

        @rule(lineage=st.sampled_from(LINEAGES), suffixed=st.sampled_from([False, False, True]))
        def a_version_comes(self, lineage, suffixed):
            number = str(len(self.offered) + 1)
            self.offered[number] = offer(number, lineage=lineage or f"own-{number}", suffix=2 if suffixed else None)

        @precondition(lambda self: self.offered)
        @rule(data=st.data())
        def content_changes(self, data):
            number = data.draw(st.sampled_from(sorted(self.offered)))
            old = self.offered[number]
            self.offered[number] = old | {"content_hash": old["content_hash"] + "'"}

        def pull(self):
            removed = set() if windowed else self.acknowledged
            shown = [o for o in self.offered.values() if o["order_number"] not in removed]
            self.driver.receive(*shown, windowed=windowed)

        def evaluate(self, bad, policy, limit):
            ids = [w.id for w in self.ledger.worklist.to_validate("shop_to_oms", None)]
            works = self.ledger.versions.resolve(self.driver.ctx, ids, VersionPolicies(resubmission=policy), limit)
            if bad and works:
                self.ledger.validation.quarantine(
                    self.driver.ctx, [(works.pop(), [ValidationIssue("bad", "/x", "is wrong")])]
                )
            self.ledger.payloads.make_ready(
                self.driver.ctx,
                [
                    ReadyPayload(w.id, w.revision, f"{w.order_number}/{w.edition}", "p", 0, f"f{w.id}", "t1", 1, "EUR")
                    for w in works
                ],
            )

        def claim(self, lease):
            ids = self.ledger.claims.ready("shop_to_oms")
            sendables = {s.id: s for s in self.ledger.claims.sendable(ids)}
            self._claim(sendables, lease)

        def _claim(self, sendables, lease):
            ids = list(sendables)
            for number, claim in self.ledger.claims.claim(self.driver.ctx, ids, "w", lease, resend_after_s).items():
                self.requests.append((sendables[number], claim, lease))

        def send_again(self, lease):
            """What is in doubt and no longer in flight, where the destination creates or updates by key."""
            under_way = {sendable.id for sendable, _, _ in self.requests}
            ids = [row["id"] for row in self.ledger.queries.in_doubt() if row["id"] not in under_way]
            allowed = self.ledger.resends.allowed(self.driver.ctx, ids, timeout_s=0.0, max_attempts=4)
            self._claim({s.id: s for s in self.ledger.claims.to_send_again(allowed)}, lease)

        def a_whole_run(self, data):
            """The usual case, so that histories get far: every step once, and every order is answered somehow."""
            self.pull()
            self.evaluate(bad=False, policy=data.draw(st.sampled_from(["review", "import_as_new"])), limit=None)
            self.claim(data.draw(LEASES))
            if idempotent:
                self.send_again(data.draw(LEASES))
            while self.requests:
                self._post(self.requests.pop(), data.draw(KINDS))
            while self.answers:
                self.ledger.outcomes.record(self.driver.ctx, [self.answers.pop()])

        @rule(data=st.data())
        def run(self, data):
            self.a_whole_run(data)

        @rule(data=st.data())
        def run_and_look_up(self, data):
            self.leases_end()
            if not idempotent:
                self.look_up(sees=True)
            self.a_whole_run(data)

        @rule(
            data=st.data(),
            step=st.sampled_from(
                [
                    "pull",
                    "evaluate",
                    "claim",
                    *(["send again"] if idempotent else []),
                    "post",
                    "commit",
                    "commit twice",
                    "die",
                    "leases end",
                ]
            ),
        )
        def part_of_a_run(self, data, step):
            """Single steps, in any order: workers that overlap, stop, or wake up late."""
            place = st.integers(0, 9)
            if step == "pull":
                self.pull()
            elif step == "evaluate":
                policy = data.draw(st.sampled_from(["review", "import_as_new", "ignore"]))
                self.evaluate(data.draw(st.booleans()), policy, data.draw(st.sampled_from([None, 1])))
            elif step == "claim":
                self.claim(data.draw(LEASES))
            elif step == "send again":
                self.send_again(data.draw(LEASES))
            elif step == "post" and self.requests:
                self._post(self.requests.pop(data.draw(place) % len(self.requests)), data.draw(KINDS))
            elif step.startswith("commit") and self.answers:
                at = data.draw(place) % len(self.answers)
                settled = self.answers[at] if step == "commit twice" else self.answers.pop(at)
                self.ledger.outcomes.record(self.driver.ctx, [settled])
            elif step == "die":
                self.answers.clear()
                self.requests.clear()
            elif step == "leases end":
                self.leases_end()

        def _post(self, request, kind):
            sendable, claim, _ = request
            row = self.ledger.worklist.get([sendable.id])[0]
            if row.state != "sending":  # given up meanwhile: it may not start any more
                return
            key = sendable.destination_key
            answer = SendResult(SendOutcome.IN_DOUBT, 503)
            if kind in ("answered", "lost_after"):
                assert idempotent or key not in self.stored, "sent twice"
                assert self.contents.setdefault(key, sendable.fingerprint) == sendable.fingerprint, "other content"
                self.stored.setdefault(key, f"OMS{len(self.stored)}")
            if kind == "answered":
                answer = SendResult(SendOutcome.IMPORTED, 201, self.stored[key])
            elif kind == "refused":
                answer = SendResult(SendOutcome.REJECTED, 400)
            elif kind == "throttled":
                answer = SendResult(SendOutcome.THROTTLED, 429)
            self.answers.append(AttemptResult(sendable.id, claim.attempt, answer, claim.resent))

        def leases_end(self):
            self.ledger.leases.expire(self.driver.ctx, 0)

        @rule(sees=st.booleans())
        def look_up(self, sees):
            """An honest search: what is stored is found, or the search fails; absence is only told once it is sure."""
            ids = [row["id"] for row in self.ledger.queries.in_doubt()]
            for doubt in self.ledger.lookups.in_doubt(ids):
                under_way = any(s.id == doubt.id for s, _, _ in self.requests)
                stored = self.stored.get(doubt.destination_key)
                finding = LookupFinding.unclear()
                if sees and stored:
                    finding = LookupFinding.found(stored)
                elif sees and not under_way:
                    finding = LookupFinding.absent()
                self.driver.look(doubt.id, doubt.attempt, finding)

        @rule(what=st.sampled_from(["replacement", "separate", "discard", "replay", "discard refused"]))
        def an_operator_acts(self, what):
            refused = [row["id"] for row in self.ledger.queries.quarantined()][:1]
            if what == "replay":
                self.ledger.bulk.replay(self.driver.ctx, refused, "because")
            elif what == "discard refused":
                self.ledger.bulk.discard(self.driver.ctx, refused, "because")
            else:
                for row in self.ledger.queries.held()[:1]:
                    # refused where the one to be replaced is at the destination and nobody cancelled it there
                    with suppress(IllegalTransitionError):
                        self.ledger.decisions.decide(row["order_number"], what, "because", "ann")

        @rule(number=st.integers(1, 6), quantity=st.sampled_from([1, 2]))
        def a_parcel_leaves(self, number, quantity):
            lives = [life for life in self.ledger.queries.find(f"N-{number}") if life["state"] == "imported"]
            line = ShippedLine(item_number="A-1", quantity=quantity)
            for life in lives[:1]:
                notice = Shipment("wms", f"{number}-{quantity}", (), submission_id=life["id"], lines=(line,))
                self.ledger.shipments.record(self.driver.ctx, notice, [OrderedLine("1", "A-1", 2)])

        @rule(accepted=st.sampled_from([True, False, None]))
        def acknowledge(self, accepted):
            given_up_s, most = (0.0, 3) if windowed else (None, None)
            due = self.ledger.acknowledgements.due("shop_to_oms", 10, given_up_s=given_up_s)
            told = {(work.id, work.revision) for work in self.ledger.worklist.get([d.id for d in due])}
            if windowed:
                assert not told & self.confirmed, "told again"
            self.ledger.acknowledgements.mark_sent(self.driver.ctx, [d.id for d in due], given_up_s)
            if accepted:
                self.confirmed |= told
            lives = {d.order_number: self.ledger.queries.find(d.order_number) for d in due}
            for number, rows in lives.items():
                states = {r["state"] for r in rows if r["order_number"] == number}
                assert states <= {"imported", "discarded", "superseded"}, "acknowledged early"
            if accepted is False:
                self.acknowledged.clear()  # as if the source forgot all that it was told
            else:
                self.acknowledged.update(d.order_number for d in due)
            if accepted is not None:
                self.ledger.acknowledgements.record_answers(
                    self.driver.ctx, {d.id: Acknowledgement(accepted) for d in due}, most
                )

        @invariant()
        def the_accounting_check_passes(self):
            assert self.ledger.accounting.invariant_violations() == []

        @invariant()
        def nothing_is_stored_twice_and_nothing_stored_is_forgotten(self):
            rows = self.ledger.database.read(
                lambda tx: tx.conn.exec_driver_sql(
                    "SELECT lineage, state, destination_key, oms_id FROM submission"
                ).all()
            )
            there = [r.lineage for r in rows if r.state in ("sending", "in_doubt", "imported")]
            assert len(there) == len(set(there)), "two of a lineage"
            known = {r.destination_key: r for r in rows if r.destination_key}
            for key, oms_id in self.stored.items():
                assert key in known, "a key that was stored was given away"
                assert known[key].state in ("sending", "in_doubt", "imported"), (key, known[key].state)
                assert known[key].oms_id in (None, oms_id)

        @invariant()
        def nothing_offered_is_lost(self):
            if not self.offered or not self.ledger.accounting.batches("shop_to_oms"):
                return
            known = self.ledger.accounting.unknown_source_ids("shop_to_oms", list(self.offered))
            late = list(self.offered)[-len(known) :] if known else []
            assert known == set(late), "only those that no batch held yet are unknown"

    return Promise


@pytest.mark.slow
@pytest.mark.parametrize("size", [20 if LONG else 7])
@pytest.mark.parametrize(
    "kind",
    [{"windowed": False}, {"windowed": True}, {"windowed": False, "idempotent": True}],
    ids=["removes", "windowed", "idempotent"],
)
def test_no_order_is_lost_or_duplicated_under_any_faults(sqlite_template, driver_class, size, kind):
    run_state_machine_as_test(
        machine(sqlite_template, driver_class, **kind),
        settings=settings(
            max_examples=size,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # no shrinking: histories are short, and it takes minutes
            phases=[Phase.reuse, Phase.generate],
        ),
    )
