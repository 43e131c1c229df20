"""Removes the data of settled orders after the periods in the pipeline's settings. Data that open orders need is kept.

Removal is repeatable: the next run completes what a crash interrupted, and nothing is removed before the objects and
the manifest that replace it are durable.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from order_relay.batches import BatchReader, BatchStore, DamagedBatchError
from order_relay.batches.cleanup import trim_batch, trim_rows
from order_relay.batches.store import is_unfinished
from order_relay.ledger.reporting.retention import Retention
from order_relay.pipeline.runs import trials
from order_relay.pipeline.settings.sections import RetentionSettings

log = logging.getLogger(__name__)

ABANDONED_AFTER = timedelta(days=1)
"""Age at which unreferenced objects are removed: no task can still be working on them."""

ERASE_BATCH_SIZE = 1000


@dataclass
class RetentionReport:
    """What was removed, or would be in a dry run: names of batches and objects.

    ``trials``: objects of dry runs and shadow runs. ``abandoned``: unreferenced objects. ``kept``: batches and objects
    of which open orders need a part. ``failed``: names with the reason. ``files``: files of a status account.
    ``submissions``: number of orders whose personal data the ledger removed.
    """

    batches: list[str] = field(default_factory=list)
    run_objects: list[str] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    submissions: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Flat counts, for XCom and programs."""
        lists = ("batches", "run_objects", "trials", "abandoned", "kept", "failed", "files")
        return {**{name: len(getattr(self, name)) for name in lists}, "submissions": self.submissions}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"counts": self.counts, **asdict(self)}


def apply_retention(
    pipeline: str,
    retention: Retention,
    store: BatchStore,
    settings: RetentionSettings,
    *,
    now: datetime,
    dry_run: bool = False,
) -> RetentionReport:
    """Remove what is due of one pipeline; ``dry_run`` only lists it. ``now``: aware UTC.

    A damaged batch is listed in ``failed`` and not changed. Raises ``StoreUnavailableError`` and the ledger's errors.
    """
    work = _Retention(pipeline, retention, store, now, dry_run)
    work.mark(settings)
    days = [days for days in (settings.trial_days, settings.runs_days) if days is not None]
    if days:
        work.trials(now - timedelta(days=min(days)))
    if settings.archive_days is not None:
        work.archive(now - timedelta(days=settings.archive_days))
    if settings.runs_days is not None:
        work.runs(now - timedelta(days=settings.runs_days))
    work.abandoned()
    if settings.ledger_days is not None:
        work.ledger(now - timedelta(days=settings.ledger_days))
    log.info("retention of %s%s: %s", pipeline, " (dry run)" if dry_run else "", work.removed.counts)
    return work.removed


def marker_name(pipeline: str) -> str:
    """The object that records up to when data was removed, so that missing data does not count as lost."""
    return f"{pipeline}/retention.json"


def removed_before(store: BatchStore, pipeline: str, what: str) -> datetime | None:
    """Up to when ``archive`` or ``runs`` were removed; ``None`` if retention never removed any."""
    name = marker_name(pipeline)
    moment = store.read_json(name).get(what) if store.exists(name) else None
    return datetime.fromisoformat(moment) if moment else None


class _Retention:
    def __init__(self, pipeline: str, retention: Retention, store: BatchStore, now: datetime, dry_run: bool) -> None:
        self._pipeline, self._retention, self._store, self._now, self._dry = pipeline, retention, store, now, dry_run
        self._needed = retention.required_rows(pipeline)
        self._batches = _folders(store.list(f"{pipeline}/batches", unfinished=True))
        self._runs = _folders(store.list(f"{pipeline}/runs", unfinished=True))
        self._fetched = retention.batch_fetch_times(pipeline)
        self._started = retention.run_start_times(pipeline)
        self.removed = RetentionReport()

    def mark(self, settings: RetentionSettings) -> None:
        """Record the removal before it happens. A recorded time never moves back."""
        marks: dict[str, Any] = {}
        for what, days in (("archive", settings.archive_days), ("runs", settings.runs_days)):
            earlier = removed_before(self._store, self._pipeline, what)
            later = self._now - timedelta(days=days) if days is not None else None
            moments = [moment for moment in (earlier, later) if moment is not None]
            if moments:
                marks[what] = max(moments).isoformat()
        if marks and not self._dry:
            self._store.write_json(marker_name(self._pipeline), marks)

    def trials(self, before: datetime) -> None:
        """Remove dry and shadow runs, each with its batches.

        Only runs marked as trials are inspected, so the cost depends on their number, not on the pipeline's history.
        """
        batches: dict[str, list[str]] = defaultdict(list)
        for batch_id in self._batches:
            if batch_id not in self._fetched and batch_id not in self._needed.raw:
                batches[trials.run_of_batch(batch_id)].append(batch_id)
        for run, names in list(self._runs.items()):
            if not trials.is_trial(names):
                continue
            if run in self._started or not self._needed.payloads.keys().isdisjoint(names):
                self._remove_trial(trials.trial_objects(names), before)
                continue
            of_batches = [name for batch_id in batches[run] for name in self._batches[batch_id]]
            if self._remove_trial([*of_batches, *names], before):
                for batch_id in batches[run]:
                    del self._batches[batch_id]
                del self._runs[run]

    def _remove_trial(self, names: Sequence[str], before: datetime) -> bool:
        """Remove these objects if all are older; returns whether they were."""
        ordered = trials.removal_order(names)
        # Marks are checked first: they are the oldest and the newest object of most trials.
        if any(self._newest([name]) >= before for name in reversed(ordered)):
            return False
        for name in ordered:
            self._remove(name)
            self.removed.trials.append(name)
        return True

    def archive(self, before: datetime) -> None:
        """Remove raw orders of closed batches, including those of another ledger."""
        for batch_id, names in self._batches.items():
            manifest = f"{self._pipeline}/batches/{batch_id}/manifest.json"
            if manifest not in names or not any(_is_part(name) for name in names):
                continue
            if (self._fetched.get(batch_id) or self._store.modified(manifest)) >= before:
                continue
            try:
                self._batch(batch_id, names)
            except DamagedBatchError as damage:
                self.removed.failed.append(f"{batch_id}: {damage}")

    def _batch(self, batch_id: str, names: Sequence[str]) -> None:
        keep = self._needed.raw.get(batch_id, {})
        if trim_batch(self._store, self._pipeline, batch_id, keep, now=self._now, dry_run=self._dry):
            self.removed.batches.append(batch_id)
        if keep:
            self.removed.kept.append(f"{self._pipeline}/batches/{batch_id}")
        # Parts that the manifest does not list were left by an interrupted removal.
        named = set(BatchReader(self._store, self._pipeline, batch_id).parts())
        self._remove_unreferenced([name for name in names if _is_part(name) and name not in named])

    def runs(self, before: datetime) -> None:
        """Remove objects of runs, except for payload lines that open orders need."""
        for run, names in self._runs.items():
            if run in self._started and self._started[run] >= before:
                continue
            if self._newest(names) >= before:
                continue
            for name in names:
                self._run_object(name)

    def _run_object(self, name: str) -> None:
        keep = self._needed.payloads.get(name)
        try:
            if keep is None:
                self._remove(name)
                self.removed.run_objects.append(name)
            else:
                self.removed.kept.append(name)
                if trim_rows(self._store, name, keep, dry_run=self._dry):
                    self.removed.run_objects.append(name)
        except DamagedBatchError as damage:
            self.removed.failed.append(f"{name}: {damage}")

    def abandoned(self) -> None:
        """Remove batches that were never closed and objects that were never finished."""
        for batch_id, names in self._batches.items():
            closed = f"{self._pipeline}/batches/{batch_id}/manifest.json" in names or batch_id in self._fetched
            self._remove_unreferenced([name for name in names if is_unfinished(name)] if closed else names)
        for names in self._runs.values():
            self._remove_unreferenced([name for name in names if is_unfinished(name)])

    def _remove_unreferenced(self, names: Sequence[str]) -> None:
        """Remove unreferenced objects once no task can be working on them."""
        if not names or self._newest(names) >= self._now - ABANDONED_AFTER:
            return
        for name in names:
            if self._store.exists(name):
                self._remove(name)
                self.removed.abandoned.append(name)

    def ledger(self, before: datetime) -> None:
        """Remove personal data in the ledger, ``ERASE_BATCH_SIZE`` orders per transaction."""
        if self._dry:
            self.removed.submissions = sum(1 for _ in self._retention.with_personal_data(self._pipeline, before))
            return
        self.removed.submissions = self._retention.remove_personal_data(self._pipeline, before, ERASE_BATCH_SIZE)

    def _newest(self, names: Iterable[str]) -> datetime:
        """When the newest object was written; one that disappeared meanwhile counts as in use."""
        try:
            return max(map(self._store.modified, names))
        except DamagedBatchError:
            return self._now

    def _remove(self, name: str) -> None:
        if not self._dry:
            self._store.remove(name)


def _folders(names: Iterable[str]) -> dict[str, list[str]]:
    """Object names by their folder below ``batches`` or ``runs``."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[name.split("/")[2]].append(name)
    return found


def _is_part(name: str) -> bool:
    return name.rpartition("/")[2].startswith("part-")
