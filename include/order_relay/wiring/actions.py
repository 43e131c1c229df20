"""What operators do, for the command line and the order desk: each action once, with who and why.

Actions about many orders name the revisions that were shown, and are refused if one of these orders has changed. Each
is one transaction, so that an interrupted one did everything or nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError, OrderRelayError
from order_relay.ledger import Ledger, WorkItem
from order_relay.ledger.operators.attention_sources import AttentionRules
from order_relay.ledger.operators.shown import ShownRevisions, require_unchanged
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.pipeline.lookup.evidence import DOUBT_REASONS
from order_relay.pipeline.operators.correctable_orders import OrderCorrections
from order_relay.pipeline.operators.previews import BulkOutcome, OrderOutcome, discarded, evaluated
from order_relay.pipeline.operators.replay import evaluate_archived
from order_relay.pipeline.operators.review import build_review
from order_relay.pipeline.operators.review_model import OrderReview
from order_relay.pipeline.runs.stop_switch import VARIABLE, StopSwitch, resume_value, stop_value
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.pipeline.settings.sections import DoubtSettings
from order_relay.wiring.pipeline import Wiring

log = logging.getLogger(__name__)

MAX_ORDERS = 1_000
"""Maximum orders of one action."""

REPLAY, DISCARD = "replay", "discard"
STOP, RESUME = "stop", "resume"

_STATES = {REPLAY: ("quarantined", "rejected"), DISCARD: ("quarantined", "rejected", "held")}


WriteBackChoice = Callable[[Mapping[str, Any]], bool]
"""Whether a failed write-back step is chosen."""


class ActionsParts(Protocol):
    """What actions need from the installation, each opened on first use. Raises ``ConfigurationError``."""

    @property
    def store(self) -> BatchStore:
        """The batch store."""

    @property
    def pipelines(self) -> Mapping[str, PipelineSettings]:
        """All pipelines by name."""

    def wiring(self, pipeline: str) -> Wiring:
        """The wiring of a pipeline; the caller closes it."""


class ActionsHost(Protocol):
    """What actions need from the system around the ledger."""

    def stop_switch(self) -> StopSwitch:
        """The stop switch; if it cannot be read, everything counts as stopped."""

    def set_stop_switch(self, value: str) -> None:
        """Set the Variable ``order_relay_stop``. Raises ``ConfigurationError`` if the host cannot store it."""

    def recheck_reviews(self, numbers: Collection[str]) -> None:
        """Let open reviews of these order numbers check at once whether their case is closed."""


class OperatorActions:
    """The actions of operators on one ledger. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, parts: ActionsParts, host: ActionsHost) -> None:
        self._ledger, self._parts, self._host = ledger, parts, host

    # Many orders

    def preview(
        self,
        action: str,
        shown: ShownRevisions,
        *,
        limit: int = MAX_ORDERS,
        done: Callable[[int], None] = lambda _: None,
    ) -> BulkOutcome:
        """What ``replay`` or ``discard`` would do with the orders shown; changes nothing.

        ``done`` is called with the number of orders of each evaluated slice. Raises ``ConfigurationError`` for more
        than ``limit`` orders, ``ConcurrentUpdateError`` if one has changed since it was shown, and
        ``DamagedBatchError`` if the archive cannot be read.
        """
        if action not in _STATES:
            raise ConfigurationError(f"unknown action {action!r}; choose one of: {', '.join(_STATES)}")
        if len(shown) > limit:
            raise ConfigurationError(
                f"{len(shown):,} orders are selected, but one action takes at most {limit:,}; narrow the selection"
            )
        works = self._ledger.worklist.get(shown)
        require_unchanged(works, shown, _STATES[action])
        found = discarded(works) if action == DISCARD else self._evaluate(works, done)
        return BulkOutcome(action, tuple(sorted(found, key=lambda one: one.id)))

    def replay(
        self,
        shown: ShownRevisions,
        reason: str,
        who: str,
        *,
        limit: int = MAX_ORDERS,
        done: Callable[[int], None] = lambda _: None,
    ) -> BulkOutcome:
        """Evaluate quarantined and rejected orders again; those that are not refused continue with the next run.

        Raises as ``preview``.
        """
        why = require_reason(reason)
        found = self.preview(REPLAY, shown, limit=limit, done=done)
        if found.changing:
            self._ledger.bulk.replay(RunContext("", "", who), found.changing, why, found.changing)
        return found

    def discard(self, shown: ShownRevisions, reason: str, who: str, *, limit: int = MAX_ORDERS) -> BulkOutcome:
        """Discard quarantined, rejected and held orders: they are never sent. Raises as ``preview``."""
        why = require_reason(reason)
        found = self.preview(DISCARD, shown, limit=limit)
        self._ledger.bulk.discard(RunContext("", "", who), found.changing, why, found.changing)
        self._recheck(one.order_number for one in found.orders if one.state == "held")
        return found

    def _evaluate(self, works: Collection[WorkItem], done: Callable[[int], None]) -> list[OrderOutcome]:
        by_pipeline: dict[str, list[WorkItem]] = defaultdict(list)
        for work in works:
            by_pipeline[work.pipeline].append(work)
        found: list[OrderOutcome] = []
        for name, mine in by_pipeline.items():
            with self._parts.wiring(name) as wiring:
                transformer = wiring.transformer
                found += evaluated(
                    evaluate_archived(
                        self._parts.store, name, mine, source=transformer.source, transformer=transformer, done=done
                    )
                )
        return found

    # One order

    def review(self, pipeline: str, number: str) -> OrderReview:
        """The held versions of an order and the choices. Raises ``IllegalTransitionError`` if nothing is held."""
        with self._parts.wiring(pipeline) as wiring:
            minimum = wiring.settings.policies.min_common_items
            return build_review(self._ledger, self._parts.store, wiring, number=number, minimum=minimum)

    @contextmanager
    def corrections(self, pipeline: str) -> Iterator[OrderCorrections]:
        """Corrections of a pipeline's orders. Raises ``ConfigurationError`` if the pipeline is not configured."""
        with self._parts.wiring(pipeline) as wiring:
            yield OrderCorrections(self._ledger, self._parts.store, wiring.transformer)

    def decide(
        self,
        number: str,
        choice: str,
        reason: str,
        who: str,
        *,
        pipeline: str | None = None,
        shown: ShownRevisions | None = None,
        cancelled: bool = False,
    ) -> list[int]:
        """Decide about the held versions of an order, as ``ledger.decisions.decide``; returns their ids."""
        why = require_reason(reason)
        names = {group.pipeline for group in self._ledger.decisions.held_groups(pipeline, number)}
        shares = {name: self._min_common_items(name) for name in names}
        ids = self._ledger.decisions.decide(
            number, choice, why, who, shown=shown, cancelled=cancelled, pipeline=pipeline, shares=shares
        )
        self._recheck(work.order_number for work in self._ledger.worklist.get(ids))
        return ids

    def settle(
        self,
        number: str,
        oms_id: str | None,
        reason: str,
        who: str,
        *,
        pipeline: str | None = None,
        shown: ShownRevisions | None = None,
    ) -> list[int]:
        """Record whether the OMS stored an order in doubt, as ``ledger.decisions.settle_in_doubt``."""
        why = require_reason(reason)
        ids = self._ledger.decisions.settle_in_doubt(number, oms_id, why, who, pipeline=pipeline, shown=shown)
        self._recheck([number])
        return ids

    def decide_cancellations(self, shown: ShownRevisions, choice: str, reason: str, who: str) -> list[int]:
        """Decide about imported orders that their source cancelled, as ``ledger.cancellations.decide``."""
        ids = self._ledger.cancellations.decide(shown, choice, require_reason(reason), who)
        self._recheck(work.order_number for work in self._ledger.worklist.get(ids))
        return ids

    def decide_write_back(
        self, pipelines: Collection[str], reason: str, who: str, *, retry: bool, step: str = "", only: WriteBackChoice
    ) -> int:
        """Retry failed write-back steps of these pipelines, or give them up; returns their number.

        ``step``: only this one (empty: all). ``only``: which rows of ``ledger.write_back_tasks.failed``. Raises
        ``ConcurrentUpdateError`` if there is none.
        """
        why = require_reason(reason)
        rows = [row for row in self._ledger.write_back_tasks.failed() if row["pipeline"] in pipelines and only(row)]
        chosen = [row for row in rows if not step or row["step"] == step]
        return self._ledger.write_back_tasks.decide_failed(who, chosen, why, retry=retry)

    def _min_common_items(self, name: str) -> float:
        known = self._parts.pipelines
        return known[name].policies.min_common_items if name in known else VersionPolicies().min_common_items

    def _recheck(self, numbers: Iterable[str]) -> None:
        """Close open reviews of what was just decided. If that fails, they close with their next hourly check."""
        if wanted := set(numbers):
            try:
                self._host.recheck_reviews(wanted)
            except OrderRelayError as error:
                log.warning("open reviews close within an hour, not at once (%s)", error)

    # Who looks after an order

    def note(self, ids: Collection[int], text: str, who: str) -> int:
        """Add a note to these orders; returns their number."""
        return self._ledger.activity.note(ids, text, who)

    def assign(self, shown: ShownRevisions, assignee: str, who: str, why: str = "") -> int:
        """Make somebody responsible for these orders, or nobody (empty); returns their number."""
        return self._ledger.attention.assign(shown, assignee, who, why)

    def snooze(self, shown: ShownRevisions, until: datetime, reason: str, who: str) -> int:
        """Put these orders out of sight until a time, or until they change; returns their number."""
        return self._ledger.attention.snooze(shown, until, who, require_reason(reason))

    def unsnooze(self, shown: ShownRevisions, who: str, why: str = "") -> int:
        """Show these orders again; returns their number."""
        return self._ledger.attention.unsnooze(shown, who, why)

    @property
    def attention_rules(self) -> AttentionRules:
        """When orders in doubt need an operator: the setting ``doubt: tell_after_s`` of each pipeline."""
        return AttentionRules({name: self._doubt(name).tell_after_s for name in self._parts.pipelines}, DOUBT_REASONS)

    def _doubt(self, name: str) -> DoubtSettings:
        try:
            return self._parts.pipelines[name].doubt
        except ConfigurationError as error:
            log.warning("%s: invalid settings, defaults apply (%s)", name, error)
            return DoubtSettings()

    # Sending

    def stop(self, pipeline: str | None, reason: str, who: str) -> StopSwitch:
        """Stop sending for one pipeline, or for all; returns the switch afterwards.

        The switch is set before the action is recorded: interrupted in between, sending is stopped, and repeating the
        action records it. Raises ``ConfigurationError`` for an unknown pipeline, and as ``ActionsHost``.
        """
        why = require_reason(reason)
        self._require_pipeline(pipeline)
        self._host.set_stop_switch(stop_value(self._host.stop_switch(), pipeline))
        self._ledger.activity.record(who=who, action=STOP, why=why, pipeline=pipeline or "")
        switch = self._host.stop_switch()
        if not (switch.everything if pipeline is None else switch.stops(pipeline)):
            raise ConfigurationError(f"the Variable {VARIABLE} was changed at the same time; look at it again")
        return switch

    def resume(self, pipeline: str | None, reason: str, who: str) -> StopSwitch:
        """Resume sending for one pipeline, or for all; returns the switch afterwards.

        The action is recorded before the switch is set: interrupted in between, sending is still stopped. Raises
        ``ConfigurationError`` if sending is not stopped, and as ``stop``.
        """
        why = require_reason(reason)
        self._require_pipeline(pipeline)
        switch = self._host.stop_switch()
        if switch.unreadable:
            raise ConfigurationError(switch.problem)
        if not (switch.everything or switch.pipelines) or (pipeline is not None and not switch.stops(pipeline)):
            raise ConfigurationError(f"sending is not stopped{'' if pipeline is None else f' for {pipeline}'}")
        self._ledger.activity.record(who=who, action=RESUME, why=why, pipeline=pipeline or "")
        self._host.set_stop_switch(resume_value(switch, pipeline, self._parts.pipelines))
        return self._host.stop_switch()

    def _require_pipeline(self, pipeline: str | None) -> None:
        if pipeline is not None and pipeline not in self._parts.pipelines:
            raise ConfigurationError(
                f"unknown pipeline {pipeline!r}; {VARIABLE} takes: {', '.join(sorted(self._parts.pipelines)) or 'none'}"
            )


def require_reason(reason: str) -> str:
    """The reason without surrounding space. Raises ``ConfigurationError`` if it is empty."""
    if not reason.strip():
        raise ConfigurationError("the reason is empty; it is shown in the order's history and must explain the change")
    return reason.strip()
