"""CSV drops of a status account: each file once by its checksum, its bad rows kept aside, then archived.

Whatever brings the files (FTP or SFTP by Airflow's providers, mail attachments) saves them under ``ACCOUNT/drops/`` in
the batch store. A run that dies in between reads the file again; storing is repeatable, so nothing is doubled.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime

from order_relay.batches import BatchStore
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
    for name in drops.store.list(f"{intake.account}/{DROPS}"):
        total += _one(intake, drops, name)
    return total


def _one(intake: Intake, drops: Drops, name: str) -> Stored:
    try:
        data = drops.store.read_bytes(name, drops.settings.size_limit_bytes)
    except ValueError:
        log.warning("a file in %s/%s has a name that the batch store can not take; rename it", intake.account, DROPS)
        return Stored()
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
