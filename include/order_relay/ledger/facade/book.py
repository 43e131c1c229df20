"""``Ledger``: the one truth about orders, as the floors above use it. Every call is one durable transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy.exc import IntegrityError

from order_relay.errors import ValidationIssue
from order_relay.ledger.delivery import claims, lookups, outcomes
from order_relay.ledger.facade.afterwards import AfterwardsDesk
from order_relay.ledger.facade.desk import PeopleDesk, WatchDesk
from order_relay.ledger.facade.source_desk import SourceDesk
from order_relay.ledger.facade.status_desk import StatusDesk
from order_relay.ledger.facade.upkeep import UpkeepDesk
from order_relay.ledger.facade.write_back_desk import WriteBackDesk
from order_relay.ledger.fulfilment.feed_index import restamp_long_transactions
from order_relay.ledger.reporting import accounting, queries
from order_relay.ledger.schema.records import (
    AttemptResult,
    Claim,
    InDoubtOrder,
    LookupResult,
    PositiveControl,
    ReadyPayload,
    Sendable,
    WorkItem,
)
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrate import check_revision
from order_relay.ledger.submissions import payloads, runs, unidentified_orders, validation, worklist
from order_relay.orders.messages import MAX_ATTEMPTS, RunContext, VersionPolicies
from order_relay.orders.notes import OrderNote


class Ledger(SourceDesk, PeopleDesk, AfterwardsDesk, WriteBackDesk, WatchDesk, UpkeepDesk, StatusDesk):
    """An open ledger. Safe to use from several threads and, on one database, from several processes and machines.

    Each method stands for one transaction of the function of the same name (see there for its rules). All raise
    ``TransientError`` where the database is locked, full or away, ``ConfigurationError`` where it can not be written or
    has no
    tables, ``ConcurrentUpdateError`` where another process moved the same rows between reading and writing.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open a migrated ledger; ``url`` is ``sqlite:///FILE`` or ``postgresql://...``.

        Raises ``ConfigurationError`` unless its tables are of this program's revision and its commits survive a power
        cut.
        """
        database = Database(url, restamp_long_transactions)
        try:
            check_revision(database)
            database.assert_durable()
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self._db.close()

    @property
    def database(self) -> Database:
        """The database behind it, for backups and tests."""
        return self._db

    # pipelines and runs

    def bind(self, pipeline: str, source_account: str, destination_account: str) -> None:
        """Bind the pipeline to its accounts at first use; ``ConfigurationError`` for another pair."""
        if not self._db.read(lambda tx: runs.is_bound(tx, pipeline, source_account, destination_account)):
            self._db.write_with_insert_retry(lambda tx: runs.bind(tx, pipeline, source_account, destination_account))

    def begin_run(self, ctx: RunContext, kind: str, store_sequence: int = 0, *, behind: bool = False) -> int:
        """Register a run; its sequence number, to be written to the batch store next (``running.begin_run``)."""
        return self._db.write(lambda tx: runs.begin_run(tx, ctx, kind, store_sequence, behind))

    def advance_sequence(self, pipeline: str) -> int:
        """A further sequence number within a run (``running.advance_sequence``)."""
        return self._db.write(lambda tx: runs.advance_sequence(tx, pipeline))

    def mark_unverified(self, pipeline: str) -> None:
        """After a restore: look up before the first POST (``running.mark_unproven``)."""
        self._db.write(lambda tx: runs.mark_unverified(tx, pipeline))

    def end_run(self, ctx: RunContext, facts: dict[str, Any]) -> None:
        """Note the end of a run and its counts."""
        self._db.write(lambda tx: runs.end_run(tx, ctx, facts))

    def last_sequence(self, pipeline: str) -> int:
        """The newest sequence number; 0 where the pipeline never ran."""
        return self._db.read(lambda tx: runs.last_sequence(tx, pipeline))

    def rest(self, pipeline: str, fingerprint: str, why: str) -> None:
        """Rest until the connection with this fingerprint has changed."""
        self._db.write(lambda tx: runs.suspend(tx, pipeline, fingerprint, why))

    def resting(self, pipeline: str) -> str | None:
        """The fingerprint that was refused, or ``None``."""
        return self._db.read(lambda tx: runs.suspended_for(tx, pipeline))

    def wake(self, pipeline: str) -> None:
        """End the rest."""
        self._db.write(lambda tx: runs.resume(tx, pipeline))

    # judging

    def to_validate(self, pipeline: str, batch_id: str | None) -> list[WorkItem]:
        """What is to be judged (``works.to_validate``)."""
        return self._db.read(lambda tx: worklist.to_validate(tx, pipeline, batch_id))

    def works(self, ids: Iterable[int]) -> list[WorkItem]:
        """These submissions as they are now (``works.works``)."""
        wanted = list(ids)
        return self._db.read(lambda tx: worklist.work_items(tx, wanted))

    def quarantine(
        self,
        ctx: RunContext,
        refused: Sequence[tuple[WorkItem, Sequence[ValidationIssue]]],
        notes: Mapping[int, Sequence[OrderNote]] = MappingProxyType({}),
    ) -> int:
        """Quarantine with every reason, and the orders' notes by id (``decisions.quarantine``)."""
        return self._db.write(lambda tx: validation.quarantine(tx, ctx, refused, notes))

    def hold(
        self, ctx: RunContext, held: Sequence[tuple[WorkItem, str]], notes: Mapping[int, Sequence[OrderNote]]
    ) -> int:
        """Hold received submissions, each for a reason (``decisions.hold``)."""
        return self._db.write(lambda tx: validation.hold(tx, ctx, held, notes))

    def recover(self, ctx: RunContext, works: Sequence[WorkItem]) -> list[WorkItem]:
        """Quarantined, judged again, clean: back to ``received`` (``decisions.recover``)."""
        return self._db.write(lambda tx: validation.recover(tx, ctx, works))

    def resolve(
        self, ctx: RunContext, ids: Iterable[int], policies: VersionPolicies, limit: int | None = None
    ) -> list[WorkItem]:
        """Resolve versions; the winners to transform (``decisions.resolve``)."""
        wanted = list(ids)
        return self._db.write(lambda tx: validation.resolve(tx, ctx, wanted, policies, limit))

    def end_obsolete(self, ctx: RunContext, policies: VersionPolicies) -> int:
        """Supersede refused versions that a newer one at the destination replaces (``decisions.end_obsolete``)."""
        if not self._db.read(lambda tx: validation.obsolete(tx, ctx.pipeline)):
            return 0
        return self._db.write(lambda tx: validation.supersede_obsolete(tx, ctx, policies))

    def end_repaired(self, ctx: RunContext) -> int:
        """Supersede unreadable orders whose repaired ones were imported (``unidentified.end_repaired``)."""
        if not self._db.read(lambda tx: unidentified_orders.repaired(tx, ctx.pipeline)):
            return 0
        return self._db.write(lambda tx: unidentified_orders.supersede_repaired(tx, ctx))

    def make_ready(self, ctx: RunContext, rows: Sequence[ReadyPayload]) -> tuple[list[int], list[int]]:
        """Store payloads; the ids that are ready, and those held (``readying.make_ready``)."""
        return self._db.write(lambda tx: payloads.make_ready(tx, ctx, rows))

    def key_marks(self, ids: Iterable[int]) -> dict[int, str]:
        """What tells the keys of one order number apart (``readying.key_marks``); most need nothing."""
        wanted = list(ids)
        return self._db.read(lambda tx: payloads.key_suffixes(tx, wanted))

    # sending

    def ready(self, pipeline: str) -> list[int]:
        """All that may be sent, the longest known first."""
        return self._db.read(lambda tx: claims.ready(tx, pipeline))

    def to_send(self, ids: Iterable[int]) -> list[Sendable]:
        """Those of ``ids`` that may be sent now."""
        wanted = list(ids)
        return self._db.read(lambda tx: claims.load_sendable(tx, wanted))

    def claim(self, ctx: RunContext, ids: Iterable[int], owner: str, lease_s: float) -> dict[int, Claim]:
        """Commit the intent to send (``claiming.claim``); what can not be claimed is absent."""
        wanted = list(ids)
        try:
            return self._db.write(lambda tx: claims.claim(tx, ctx, wanted, owner, lease_s))
        except IntegrityError:
            return self._db.write(lambda tx: claims.claim(tx, ctx, wanted, owner, lease_s, one_by_one=True))

    def settle(self, ctx: RunContext, results: Sequence[AttemptResult]) -> list[int]:
        """Commit outcomes (``settling.settle``); the ids whose outcome was refused."""
        return self._db.write(lambda tx: outcomes.record_outcomes(tx, ctx, results))

    def settle_and_claim(
        self, ctx: RunContext, results: Sequence[AttemptResult], ids: Iterable[int], owner: str, lease_s: float
    ) -> tuple[list[int], dict[int, Claim]]:
        """First ``settle``, then ``claim``, both or neither. Raises ``IntegrityError`` as ``claiming.claim`` does."""
        wanted = list(ids)
        return self._db.write(
            lambda tx: (
                outcomes.record_outcomes(tx, ctx, results, wanted),
                claims.claim(tx, ctx, wanted, owner, lease_s),
            )
        )

    def put_back(self, ctx: RunContext, ids: Iterable[int], why: str) -> int:
        """Rejected for a wrong set-up, or ready with a damaged payload: back to ``received``; how many."""
        wanted = list(ids)
        return self._db.write(lambda tx: outcomes.return_to_received(tx, ctx, wanted, why))

    # doubt

    def expire_leases(self, ctx: RunContext, timeout_s: float) -> int:
        """What a dead worker left ``sending`` becomes in doubt; how many."""
        return self._db.write(lambda tx: lookups.expire_leases(tx, ctx, timeout_s))

    def due_lookups(self, pipeline: str, now: datetime | None = None) -> list[int]:
        """In doubt and due to be looked up."""
        return self._db.read(lambda tx: lookups.due_lookups(tx, pipeline, now))

    def in_doubt(self, ids: Iterable[int]) -> list[InDoubtOrder]:
        """Those of ``ids`` that are in doubt."""
        wanted = list(ids)
        return self._db.read(lambda tx: lookups.in_doubt(tx, wanted))

    def record_lookups(
        self, ctx: RunContext, results: Sequence[LookupResult], quiet_s: float = 0.0, max_attempts: int = MAX_ATTEMPTS
    ) -> dict[int, str]:
        """Record look-ups; the states afterwards, by id (``doubting.record_lookups``)."""
        return self._db.write(lambda tx: lookups.record_lookups(tx, ctx, results, quiet_s, max_attempts))

    def controls(
        self, destination: str, exclude: Iterable[str] = (), shown_after_s: float = 3600.0
    ) -> list[PositiveControl]:
        """Positive controls: up to three imported orders; ``exclude`` are external ids (``doubting.controls``)."""
        keys = list(exclude)
        return self._db.read(lambda tx: lookups.positive_controls(tx, destination, keys, shown_after_s))

    def hold_foreign(self, ctx: RunContext, found: Mapping[int, tuple[str, str]]) -> tuple[list[int], list[int]]:
        """Somebody else's order has the external id of these: held, or let go by an operator before
        (``doubting.hold_foreign``)."""
        return self._db.write(lambda tx: lookups.hold_key_conflicts(tx, ctx, found))

    def unproven(self, pipeline: str) -> list[int]:
        """Ready submissions to look up before their first POST."""
        return self._db.read(lambda tx: lookups.unverified(tx, pipeline))

    def mark_verified(self, ctx: RunContext, ids: Iterable[int]) -> None:
        """Looked up and not there: may be sent."""
        wanted = list(ids)
        self._db.write(lambda tx: lookups.mark_verified(tx, ctx, wanted))

    def mark_already_imported(self, ctx: RunContext, found: Mapping[int, str], method: str = "lookup") -> list[int]:
        """Found there before the first POST: imported; ``found`` is OMS id by id (``doubting.mark_found``)."""
        return self._db.write(lambda tx: lookups.mark_already_imported(tx, ctx, found, method))

    # counting and finding

    def counts(self, pipeline: str | None = None, run: str | None = None) -> dict[str, Any]:
        """Submissions by state and reason, of one snapshot (``counting.counts``)."""
        return self._db.read(lambda tx: accounting.counts(tx, pipeline, run))

    def remarked(self, pipeline: str, run: str, limit: int) -> list[tuple[str, str, str]]:
        """Orders that a run imported although the destination named an error (``counting.remarked``)."""
        return self._db.read(lambda tx: accounting.imported_with_remarks(tx, pipeline, run, limit))

    def law(self, pipeline: str | None = None) -> list[str]:
        """Breaches of the counting law, of one snapshot (``counting.law``)."""
        return self._db.read(lambda tx: accounting.invariant_violations(tx, pipeline))

    def identities(self, pipeline: str, source_ids: Iterable[str]) -> set[str]:
        """Those source ids that the ledger does not have."""
        wanted = list(source_ids)
        return self._db.read(lambda tx: accounting.unknown_source_ids(tx, pipeline, wanted))

    def batches(self, pipeline: str) -> list[dict[str, Any]]:
        """All closed batches, the oldest first."""
        return self._db.read(lambda tx: accounting.batches(tx, pipeline))

    def find(self, word: str) -> list[dict[str, Any]]:
        """The whole lives of the submissions that ``word`` names (``finding.find``)."""
        return self._db.read(lambda tx: queries.find(tx, word))

    def family(self, pipeline: str, numbers: Iterable[str], lineages: Iterable[str]) -> list[dict[str, Any]]:
        """All submissions that belong together with these numbers and lineages (``finding.family``)."""
        wanted = sorted(numbers), sorted(lineages)
        return self._db.read(lambda tx: queries.related_submissions(tx, pipeline, *wanted))

    def held(self) -> list[dict[str, Any]]:
        """What waits for a person's decision."""
        return self._db.read(queries.held)

    def doubt(self) -> list[dict[str, Any]]:
        """What is in doubt."""
        return self._db.read(queries.in_doubt)

    def quarantined(
        self, code: str | None = None, numbers: Iterable[str] | None = None, since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Quarantined and rejected submissions, one row per reason."""
        wanted = None if numbers is None else list(numbers)
        return self._db.read(lambda tx: queries.quarantined(tx, code, wanted, since))
