"""Decisions of operators about held orders and orders in doubt; ``bulk`` has those about many orders.

Every event records who decided and why. A decision names the submissions that were shown to the operator, and is
refused if others are held by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError
from order_relay.ledger.operators.held_groups import HeldGroup, held_groups
from order_relay.ledger.operators.shown import ShownRevisions
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import lookup, settlement, submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.revisions import apply_pending_offers
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition, update
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.orders.review.choices import ABSENT, CHOICES, DISCARD, REPLACEMENT, SEPARATE, STORED
from order_relay.orders.review.submission_groups import (
    RegroupingPlan,
    choice_problem,
    plan_replacement,
    plan_separation,
)

Shares = Mapping[str, float]
"""Minimum share of common items between versions of an order (``VersionPolicies.min_common_items``), by pipeline."""

CONFIRMED = "confirmed: the old order is cancelled at the destination"
_NEEDED = ("pipeline", "source_id", "edition", "lineage", "version", "order_number")
_ANY: Shares = MappingProxyType({})
_NONE: Mapping[int, str] = MappingProxyType({})


class Decisions(Repository):
    """Decisions of operators about single orders."""

    @writes
    def decide(
        self,
        tx: Transaction,
        number: str,
        choice: str,
        reason: str,
        who: str,
        *,
        shown: ShownRevisions | None = None,
        cancelled: bool = False,
        pipeline: str | None = None,
        shares: Shares = _ANY,
    ) -> list[int]:
        """Decide about the group of held submissions with this order number; returns the ids of the group.

        One decision closes the group, in one pipeline or in all that hold the number. ``replacement``: the newest
        version continues and supersedes the other held ones. If another submission of the lineage or of these numbers
        is at the destination, ``cancelled`` must confirm that it is cancelled at the destination; the newest then
        continues in a lineage of its own. ``separate``: each set of versions that agree continues as one order.
        ``discard``: none is ever sent.

        Raises ``IllegalTransitionError`` if nothing is held under this number, the choice does not apply to the group,
        the confirmation is missing, or the order to be replaced is being sent (its cancellation cannot be known), and
        ``ConcurrentUpdateError`` if the held submissions are not those ``shown``, or one of them has changed.
        """
        if choice not in CHOICES:
            raise IllegalTransitionError(f"unknown decision {choice!r}; choose one of: {', '.join(CHOICES)}")
        groups = _locked(tx, number, shown, pipeline)
        for group in groups:
            if problem := choice_problem(choice, group.held, group.related):
                raise IllegalTransitionError(problem)
            ctx = RunContext(group.pipeline, "", who)
            minimum = shares.get(group.pipeline, VersionPolicies().min_common_items)
            plan = RegroupingPlan({one.id: one.lineage for one in group.held})
            if choice == DISCARD:
                transition(tx, group.held, State.DISCARDED, TransitionCause(ctx, f"discard: {reason}"))
            elif choice == SEPARATE:
                plan = plan_separation(group.held, group.related, minimum)
                _carry_out(tx, TransitionCause(ctx, f"separate: {reason}"), group, plan)
            else:
                plan = plan_replacement(group.held, group.related, minimum)
                confirmed = _replaced(tx, group, cancelled=cancelled)
                _carry_out(tx, TransitionCause(ctx, f"replacement{confirmed}: {reason}"), group, plan)
            why = f"{reason} ({CONFIRMED})" if cancelled and choice == REPLACEMENT else reason
            record_decision(tx, group.held, choice, why, who, lineages=plan.lineages)
        return sorted(one.id for group in groups for one in group.held)

    @writes
    def settle_in_doubt(
        self,
        tx: Transaction,
        number: str,
        oms_id: str | None,
        reason: str,
        who: str,
        *,
        pipeline: str | None = None,
        shown: ShownRevisions | None = None,
    ) -> list[int]:
        """Settle an order in doubt: stored under ``oms_id``, or absent (``None``) and therefore ready again.

        ``shown``: the attempt that the operator searched for, by submission. Raises ``IllegalTransitionError`` unless
        exactly one submission of this number is in doubt, and if ``oms_id`` belongs to another order;
        ``ConcurrentUpdateError`` if the order is in doubt because of another attempt than the one shown.
        """
        mine = IN_ANY_PIPELINE if pipeline is None else submission.c.pipeline == pipeline
        where = (mine, submission.c.order_number == number, submission.c.state == State.IN_DOUBT)
        ids = tx.run(sa.select(submission.c.id).where(*where)).scalars().all()
        rows = [
            row for row in lock(tx, ids, *_NEEDED, "attempt", "destination", "absences") if row.state == State.IN_DOUBT
        ]
        if len(rows) != 1:
            raise IllegalTransitionError(
                f"{len(rows)} submissions of this order number are in doubt; exactly one is required"
            )
        row = rows[0]
        if shown is not None and shown.get(row.id) != row.attempt:
            raise ConcurrentUpdateError("a newer attempt of this order is in doubt than the one shown; review it again")
        ctx = RunContext(row.pipeline, "", who)
        found = clean_text(oms_id or "", 200)
        if oms_id is not None and not found.strip():
            raise IllegalTransitionError(
                "the OMS id of the stored order is missing; enter the id that the destination shows"
            )
        if found and _known(tx, row, found):
            raise IllegalTransitionError(
                "another order in the ledger already has this OMS id; check the id at the destination"
            )
        tx.run(
            lookup.insert(),
            {
                "submission_id": row.id,
                "attempt": row.attempt,
                "at": tx.now,
                "finding": "found" if found else "absent",
                "counted": True,
                "method": "person",
                "oms_id": found or None,
                "run": "",
                "who": who,
                "why": clean_text(reason, 500),
            },
        )
        if found:
            values = {"oms_id": found, "imported_at": tx.now}
            transition(tx, rows, State.IMPORTED, TransitionCause(ctx, f"settled, stored: {reason}"), values)
        else:
            transition(
                tx,
                rows,
                State.READY,
                TransitionCause(ctx, f"settled, absent: {reason}"),
                {"absences": row.absences + 1},
            )
        record_decision(tx, rows, STORED if found else ABSENT, reason, who)
        apply_pending_offers(tx, TransitionCause(ctx), [row.id])
        return [row.id]

    @reads
    def already_decided(self, tx: Transaction, ids: Iterable[int], decision: str, reason: str, who: str) -> bool:
        """Whether this decision about all of these is recorded already, by an earlier try whose result was lost."""
        wanted = sorted(set(ids))
        found = tx.run(
            sa.select(sa.func.count(settlement.c.submission_id.distinct())).where(
                among(settlement.c.submission_id, "ids"),
                settlement.c.decision == decision,
                settlement.c.reason.in_([clean_text(text, 1_000) for text in (reason, f"{reason} ({CONFIRMED})")]),
                settlement.c.who == who,
            ),
            {"ids": wanted},
        ).scalar_one()
        return bool(wanted) and found == len(wanted)

    @reads
    def held_groups(self, tx: Transaction, name: str | None = None, number: str | None = None) -> list[HeldGroup]:
        """See ``held_groups.held_groups``."""
        return held_groups(tx, name, number)


def _locked(tx: Transaction, number: str, shown: ShownRevisions | None, pipeline: str | None) -> list[HeldGroup]:
    """The groups with this number, locked until the transaction ends, if they are the ones shown."""
    before = held_groups(tx, pipeline, number)
    lock(tx, [one.id for group in before for one in (*group.held, *group.related)])
    groups = held_groups(tx, pipeline, number)
    held = {one.id: one.revision for group in groups for one in group.held}
    if shown is None and held.keys() != {one.id for group in before for one in group.held}:
        raise ConcurrentUpdateError("the held submissions of this order have just changed; review them again")
    if shown is not None and held.keys() != shown.keys():
        raise ConcurrentUpdateError("the held submissions of this group are not the ones shown; review them again")
    if shown is not None and any(shown[number] not in (None, revision) for number, revision in held.items()):
        raise ConcurrentUpdateError("a held submission of this group has changed since it was shown; review it again")
    if not held:
        raise IllegalTransitionError("nothing is held under this order number")
    return groups


def _replaced(tx: Transaction, group: HeldGroup, *, cancelled: bool) -> str:
    """Mark the replaced orders at the destination as cancelled; returns a text about them, empty if there are none.

    Raises ``IllegalTransitionError`` without confirmation.
    """
    if not group.at_destination:
        return ""
    ids = ", ".join(one.oms_id or "imported elsewhere" for one in group.at_destination)
    if not cancelled:
        raise IllegalTransitionError(
            f"the order to be replaced is stored at the destination ({ids}): cancel it in the OMS, then confirm that"
        )
    tx.run(
        submission.update()
        .where(among(submission.c.id, "ids"), submission.c.state == State.IMPORTED)
        .values(cancelled_at=sa.func.coalesce(submission.c.cancelled_at, tx.now)),
        {"ids": [one.id for one in group.at_destination]},
    )
    enqueue_write_back(tx, [one.id for one in group.at_destination])
    return f" ({CONFIRMED}: {ids})"


def _carry_out(tx: Transaction, cause: TransitionCause, group: HeldGroup, plan: RegroupingPlan) -> None:
    """Release the held submissions in the lineages of the plan. Related ones follow their lineage, undecided."""
    transition(
        tx,
        group.held,
        State.RECEIVED,
        cause,
        each={one.id: {"decided": True, "lineage": plan.lineages[one.id]} for one in group.held},
    )
    followers = [one for one in group.related if plan.lineages.get(one.id, one.lineage) != one.lineage]
    each = {one.id: {"lineage": plan.lineages[one.id]} for one in followers}
    made = [one for one in followers if one.state == State.READY]  # to be compared again before it is sent
    transition(tx, made, State.RECEIVED, cause, each=each)
    update(tx, [one for one in followers if one not in made], each)
    transition(tx, [one for one in group.related if one.id in plan.reopened], State.RECEIVED, cause)


def record_decision(
    tx: Transaction,
    rows: Sequence[Any],
    decision: str,
    reason: str,
    who: str,
    *,
    lineages: Mapping[int, str] = _NONE,
) -> None:
    """Record a decision about each row; its lineage then counts as settled by an operator."""
    tx.many(
        settlement.insert(),
        [
            {
                "pipeline": row.pipeline,
                "lineage": lineages.get(row.id, row.lineage),
                "submission_id": row.id,
                "decision": decision,
                "reason": clean_text(reason, 1_000),
                "who": who,
                "at": tx.now,
            }
            for row in rows
        ],
    )


def _known(tx: Transaction, row: Any, oms_id: str) -> bool:
    return bool(
        tx.run(
            sa.select(
                sa.exists().where(
                    submission.c.oms_id == oms_id,
                    submission.c.destination == row.destination,
                    submission.c.id != row.id,
                )
            )
        ).scalar()
    )
