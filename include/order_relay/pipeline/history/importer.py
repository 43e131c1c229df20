"""Imports orders of the past, slice by slice, with the stages of an ordinary run.

A slice that was broken off is done again as a whole: what was received, sent or imported of it is known to the ledger
and is not done twice. Memory depends on the two largest slices in a row and the largest file, not on the range, and the
time of a slice on its own orders.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial

from order_relay.batches import Manifest
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.delivery.history_imports import LEASE, HistoryImports, HistoryRange, HistorySlice
from order_relay.ledger.schema.records import REPORTED, SILENT, HistoryMark
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.history.background_load import BackgroundLoad
from order_relay.pipeline.history.file_parts import FilePart
from order_relay.pipeline.history.files import DeliveredFiles
from order_relay.pipeline.history.progress import ProgressMeter
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.lookup.preflight import unknown_batches
from order_relay.pipeline.ports import Source
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.fetch_plan import plan_history
from order_relay.pipeline.stages.extract import replay_archived

log = logging.getLogger(__name__)

MOST_AHEAD = 2_000
"""Orders that are read and transformed before the ones before are sent: larger loads need less time for each order."""

STATUS_COLUMN = "fulfilment_status"
_STOPPED = (
    "sending is stopped by the Variable order_relay_stop; the history import continues with this slice once it is "
    "triggered again"
)


def check_history(source: Source, transformer: Transformer, what: HistoryRange, *, files: bool = False) -> None:
    """Raise ``ConfigurationError`` if the orders of this source and range cannot be imported as history.

    ``files``: the source reads files, which need no range.
    """
    if what.start is None and not files:
        raise ConfigurationError("From and To are missing; give the first and the last day, such as 2024-01-01")
    if STATUS_COLUMN not in transformer.reader.targets:
        raise ConfigurationError(
            f"the mapping of {source.format.name} has no rule with target {STATUS_COLUMN!r}, so all orders of the past "
            "would be sent as to be shipped. Add one to the pipeline's file under mapping.source.order"
        )


@dataclass
class HistoryImporter:
    """One run of an import. ``number``: its id in the ledger. ``trial``: nothing is sent (dry run, shadow mode).

    ``options``: of load; its ``stop`` also ends the import. ``files``: the delivered files, if the source reads them.
    """

    run: PipelineRun
    number: int
    options: LoadOptions
    trial: bool = False
    files: DeliveredFiles | None = None

    def import_all(self, limit: int | None = None) -> bool:
        """Import all slices that are left, and send what earlier runs left.

        ``limit``: no further slice begins once that many orders were read.

        While slices are being sent, the next ones are read and transformed. Returns whether slices remain. Raises
        ``TransientError`` if sending was stopped, and what the stages raise; a later call, also by another run,
        continues at the slice that broke off.
        """
        store, meter, read = self.run.wiring.store, ProgressMeter(self._imports, self.number), 0
        # asked before the first slice: later, the batch of a slice that is being read would look like an unknown one
        has_past = unknown_batches(store, self.run.ledger, self.run.ctx.pipeline)
        with _Leases(self) as leases, BackgroundLoad() as background:

            def stop() -> bool:
                leases.renew()
                return background.stopping or self.options.stop()

            options = replace(self.options, stop=stop, has_past=has_past)
            prepared: list[HistorySlice] = []
            while (limit is None or read < limit) and (one := leases.claim()):
                one = replace(one, orders=self._prepare(one, leases))
                read += one.orders
                prepared.append(one)
                if not background.is_running or sum(each.orders for each in prepared) >= MOST_AHEAD:
                    background.wait(leases.renew)
                    background.start(partial(self._complete, prepared, leases, options, meter))
                    prepared = []
            background.wait(leases.renew)
            if prepared:
                self._complete(prepared, leases, options, meter)
            self._send_open(leases, options)
        if self.trial:
            self._compare()
        return bool(self._imports.unfinished(self.number))

    @property
    def _imports(self) -> HistoryImports:
        return self.run.ledger.history_imports

    def _complete(
        self, slices: list[HistorySlice], leases: _Leases, options: LoadOptions, meter: ProgressMeter
    ) -> None:
        """The stages of some slices from load on, and their end."""
        self._load(options)
        for one in slices:
            leases.finish(one)
            self._remove_file(one)
            log.info("%s", meter.line(one))

    def _remove_file(self, one: HistorySlice) -> None:
        """Remove the file of a slice once all of its parts are done."""
        if self.files is None or self.trial:
            return
        digest = FilePart.of(one.name).digest
        if not self.run.ledger.history_imports.is_left(self.number, digest):
            self.files.remove(digest)

    def _prepare(self, one: HistorySlice, leases: _Leases) -> int:
        """The stages of one slice up to transform. Returns how many orders were read."""
        if one.tries > 1:
            log.info("history: the slice %s was broken off before; it is imported again", one.name)
        batch = self._read(one)
        leases.renew()
        self._make_ready(batch, leases)
        return batch.records

    def _make_ready(self, batch: Manifest, leases: _Leases) -> bool:
        """The stages from validate to transform; returns whether there is anything to load."""
        if not self.run.has_work(batch):
            return False
        validated = self.run.validate(batch)
        leases.renew()
        self.run.transform(self.run.dedupe(validated))
        leases.renew()
        return True

    def _read(self, one: HistorySlice) -> Manifest:
        run, wiring = self.run, self.run.wiring
        if wiring.source.windowed:
            part = self.files.part(one.name) if self.files is not None else None
            mark = HistoryMark(self.number, REPORTED if wiring.settings.history.write_back else SILENT)
            return run.extract(plan_history(one.start, one.end, wiring.settings.reading, mark), part)
        if one.start is None or one.end is None:
            raise ValueError("a slice of an archive has a start and an end")
        return replay_archived(
            run.ctx, run.ledger, wiring.store, one.start, one.end, HistoryMark(self.number, REPORTED)
        )

    def _load(self, options: LoadOptions) -> None:
        """Send what is ready, and acknowledge where the source offers what is not acknowledged."""
        if self.trial:
            return
        self.run.advance_sequence()
        for chunk in self.run.plan_chunks():
            if self.run.load(chunk, options).get("stopped"):
                raise TransientError(_STOPPED)
        self.run.advance_sequence()
        if not self.run.wiring.source.windowed:
            self.run.acknowledge()

    def _send_open(self, leases: _Leases, options: LoadOptions) -> None:
        """Send what earlier runs left, such as orders that a lookup did not find, or that an operator put back.

        A pipeline of files has no ordinary runs that would send them.
        """
        if not self.trial and self._make_ready(Manifest("replay", self.run.ctx.pipeline), leases):
            self._load(options)

    def _compare(self) -> None:
        """In shadow mode: compare what would be sent with the destination, once for all slices."""
        for chunk in self.run.plan_chunks():
            if not self.options.dry_run:
                self.run.load_shadow(chunk, 1)


class _Leases:
    """The leases of the slices that this run has begun and not finished. Leaving it gives them back."""

    def __init__(self, importer: HistoryImporter) -> None:
        self._imports, self._number, self._ctx = importer.run.ledger.history_imports, importer.number, importer.run.ctx
        self._held: set[int] = set()
        self._renewed = time.monotonic()

    def claim(self) -> HistorySlice | None:
        """The next slice that no run works on."""
        one = self._imports.claim(self._ctx, self._number, list(self._held))
        if one is not None:
            self._held.add(one.number)
        return one

    def finish(self, one: HistorySlice) -> None:
        """Mark a slice as done."""
        self._imports.finish(self._ctx, self._number, one.number, one.orders)
        self._held.remove(one.number)

    def renew(self) -> None:
        """Extend them, at most every tenth of their length."""
        if time.monotonic() - self._renewed > LEASE.total_seconds() / 10:
            self._renewed = time.monotonic()
            for number in list(self._held):
                self._imports.renew(self._ctx, self._number, number)

    def __enter__(self) -> _Leases:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for number in self._held:
                self._imports.release(self._ctx, self._number, number)
        except Exception as error:  # must not hide why the import ended
            log.warning("history: slices stay leased to this run for %s: %s", LEASE, type(error).__name__)
