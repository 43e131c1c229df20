"""The parts of ``Ledger`` that are about people: by which they decide, and by which they are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from order_relay.ledger import alerts
from order_relay.ledger.operators import bulk, decisions
from order_relay.ledger.operators.decisions import Shares, ShownRevisions
from order_relay.ledger.operators.held_groups import HeldGroup, held_groups
from order_relay.ledger.reporting import health, queries
from order_relay.ledger.schema.records import Alert, BatchInfo, Delivery, Heartbeat, OverdueOrders
from order_relay.ledger.store.database import Database
from order_relay.ledger.submissions import runs
from order_relay.orders.messages import RunContext


class PeopleDesk:
    """Decisions, findings and bulk orders of people; each method is one transaction."""

    _db: Database

    def decide(
        self,
        number: str,
        choice: str,
        reason: str,
        who: str,
        shown: ShownRevisions | None = None,
        *,
        cancelled: bool = False,
        pipeline: str | None = None,
        shares: Shares | None = None,
    ) -> list[int]:
        """An operator's decision about a group of held submissions (``people.decide``)."""
        return self._db.write(
            lambda tx: decisions.decide(
                tx,
                number,
                choice,
                reason,
                who,
                shown=shown,
                cancelled=cancelled,
                pipeline=pipeline,
                shares=shares or {},
            )
        )

    def held_groups(self, pipeline: str | None = None, number: str | None = None) -> list[HeldGroup]:
        """What waits for decisions, in groups (``held_groups.held_groups``)."""
        return self._db.read(lambda tx: held_groups(tx, pipeline, number))

    def settle_by_person(
        self,
        number: str,
        oms_id: str | None,
        reason: str,
        who: str,
        *,
        pipeline: str | None = None,
        shown: ShownRevisions | None = None,
    ) -> list[int]:
        """A person's finding about an order in doubt (``people.settle_by_person``)."""
        return self._db.write(
            lambda tx: decisions.settle_in_doubt(tx, number, oms_id, reason, who, pipeline=pipeline, shown=shown)
        )

    def decided(self, ids: Iterable[int], decision: str, reason: str, who: str) -> bool:
        """Whether exactly this was decided about all of these (``people.decided``)."""
        wanted = list(ids)
        return self._db.read(lambda tx: decisions.already_decided(tx, wanted, decision, reason, who))

    def replay(self, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Judge quarantined and rejected submissions again; how many."""
        wanted = list(ids)
        return self._db.write(lambda tx: bulk.replay(tx, ctx, wanted, reason))

    def discard(self, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Never send these quarantined, rejected or held submissions; how many."""
        wanted = list(ids)
        return self._db.write(lambda tx: bulk.discard(tx, ctx, wanted, reason))

    def take_baseline(
        self,
        ctx: RunContext,
        batch: BatchInfo,
        offers: pd.DataFrame,
        transform_fingerprint: str,
        *,
        reason: str,
        acknowledge: bool,
        keep: Iterable[str] = (),
    ) -> dict[str, int]:
        """Take in a batch as handled elsewhere (``bulk.take_baseline``)."""
        return self._db.write(
            lambda tx: bulk.take_baseline(
                tx, ctx, batch, offers, transform_fingerprint, reason=reason, acknowledge=acknowledge, keep=keep
            )
        )

    def imported_by(self, run: str, pipeline: str | None = None) -> list[dict[str, Any]]:
        """What a run brought to the destination (``finding.imported_by``)."""
        return self._db.read(lambda tx: queries.imported_by(tx, run, pipeline))


class WatchDesk:
    """What waits, what is wrong, and what people were told about it; each method is one transaction."""

    _db: Database

    def note_alerts(self, pipeline: str, messages: Sequence[Alert], settles: Collection[str] = ()) -> None:
        """Note what is to be told, and close what is over (``alerting.note``)."""
        self._db.write(lambda tx: alerts.record(tx, pipeline, messages, settles))

    def take_alerts(self) -> list[Delivery]:
        """What is to be delivered now; it is the caller's for some minutes (``alerting.take_due``)."""
        return self._db.write(alerts.claim_due)

    def alert_told(self, note: Delivery) -> None:
        """It was delivered."""
        self._db.write(lambda tx: alerts.mark_delivered(tx, note))

    def open_alerts(self) -> list[dict[str, Any]]:
        """The causes that last."""
        return self._db.read(alerts.open_alerts)

    def alert_noted_at(self, pipeline: str, cause: str) -> datetime | None:
        """When a cause was noted first."""
        return self._db.read(lambda tx: alerts.first_recorded_at(tx, pipeline, cause))

    def late(self, pipeline: str, limits: Mapping[str, float]) -> list[OverdueOrders]:
        """What is in a state for longer than its limit in seconds (``overview.late``)."""
        return self._db.read(lambda tx: health.overdue_orders(tx, pipeline, limits))

    def pipelines(self) -> list[str]:
        """The names of all pipelines that ever ran (``running.pipelines``)."""
        return self._db.read(runs.pipelines)

    def has_run(self, run: str) -> bool:
        """Whether a run of this name began in any pipeline (``running.has_run``)."""
        return self._db.read(lambda tx: runs.has_run(tx, run))

    def latest_runs(self, most: int = 200) -> list[str]:
        """The names of the latest runs of each pipeline (``running.latest_runs``)."""
        return self._db.read(lambda tx: runs.latest_runs(tx, most))

    def pulse(self, pipeline: str) -> Heartbeat | None:
        """Signs of life (``overview.pulse``)."""
        return self._db.read(lambda tx: health.heartbeat(tx, pipeline))

    def day(self, pipeline: str, since: datetime) -> dict[str, Any]:
        """What happened since a time, and what is open now (``overview.day``)."""
        return self._db.read(lambda tx: health.activity_since(tx, pipeline, since))
