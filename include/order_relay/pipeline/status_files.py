"""CSV drops of a status account: each file once by its checksum, its bad rows kept aside, then archived.

Whatever brings the files (FTP or SFTP by Airflow's providers, mail attachments) saves them under ``ACCOUNT/drops/`` in
the batch store. A run that dies in between reads the file again; storing is repeatable, so nothing is doubled. A file
that is being written is left for the next time: what its writer adds after the archive took it would be lost.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from order_relay.batches import BatchDamaged, BatchStore
from order_relay.errors import RecordRefused, Refusal
from order_relay.ledger.statuses import Stored
from order_relay.orders.status_csv import CsvColumns, read_drop
from order_relay.orders.status_records import Reading, Refused
from order_relay.pipeline.status_settings import FileSettings
from order_relay.pipeline.statuses import Intake

log = logging.getLogger(__name__)

DROPS, ARCHIVE, REFUSED = "drops", "archive", "refused"


@dataclass(frozen=True)
class Drops:
    """Where files come from and how they are read. ``now`` (UTC): when they count as having arrived."""

    store: BatchStore
    columns: CsvColumns
    settings: FileSettings
    now: datetime


def read_drops(intake: Intake, drops: Drops) -> Stored:
    """Read every file that waits. One that can not be read as a whole is put aside under ``ACCOUNT/refused/``."""
    total = Stored()
    for name, written in _settled(intake, drops).items():
        total += _one(intake, drops, name, written)
    return total


def _settled(intake: Intake, drops: Drops) -> dict[str, datetime]:
    """The files that nobody writes any more, with when they were written: young ones are looked at twice.

    In an object store every file appears whole.
    """
    wait = timedelta(seconds=drops.settings.settled_s)
    first = _written(drops.store, drops.store.list(f"{intake.account}/{DROPS}"))
    if not drops.store.local or all(at <= drops.now - wait for at in first.values()):
        return first
    time.sleep(wait.total_seconds())
    again = _written(drops.store, first)
    return {name: at for name, at in first.items() if again.get(name) == at}


def _written(store: BatchStore, names: Iterable[str]) -> dict[str, datetime]:
    found = {}
    for name in names:
        try:
            found[name] = store.modified(name)
        except ValueError:
            log.warning("a file in %s has a name that the batch store can not take; rename it", name.partition("/")[0])
        except BatchDamaged:
            log.info("a file in %s went away while it was looked at", name.partition("/")[0])
    return found


def _one(intake: Intake, drops: Drops, name: str, written: datetime) -> Stored:
    data = drops.store.read_bytes(name, drops.settings.size_limit_bytes)
    short, digest = name.rpartition("/")[2], hashlib.sha256(data).hexdigest()
    total, folder = Stored(), ARCHIVE
    if not intake.ledger.status_file_known(intake.account, digest):
        try:
            total = _rows(intake, drops, data, short)
            rows = total.new + total.corrected
            intake.ledger.status_file_read(intake.ctx, digest, short, rows, total.refused)
        except RecordRefused as error:
            folder = REFUSED
            total = intake.keep(Reading((), (Refused(0, "", tuple(error.refusals)),)), short)
    drops.store.write_bytes(f"{intake.account}/{folder}/{digest[:16]}-{short}", data)
    if _written(drops.store, [name]).get(name) == written:  # else somebody went on writing: it is read again
        drops.store.remove(name)
    return total


def _rows(intake: Intake, drops: Drops, data: bytes, short: str) -> Stored:
    limit = drops.settings.size_limit_bytes
    if len(data) > limit:
        raise RecordRefused([Refusal("too_large", "", f"the file is larger than {limit} bytes")])
    total = Stored()
    reader = intake.reader
    for found in read_drop(data, drops.columns, reader.shape, drops.now, arrival_counts=reader.arrival_counts):
        total += intake.keep(found, short)
    return total
