"""Reads the CSV files delivered to a status account, each content once, and archives them.

Files arrive under any name in ``ACCOUNT/drops/`` of the batch store, from FTP or SFTP or saved there by other means.
After an interrupted run a file is read again, which creates no duplicates. A file that is still being written is left
for the next run, since rows added after it was archived would be lost. A file is read again if it is delivered again
and had refused rows, or if the settings have changed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from order_relay.batches import BatchStore, DamagedBatchError
from order_relay.batches.incoming_files import IncomingFile, IncomingFolder
from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.ledger.fulfilment.status_merge import StoredStatuses
from order_relay.orders.fulfilment.status_csv import CsvFormat, read_status_csv
from order_relay.orders.fulfilment.status_records import ParsedRecords, RejectedRecord
from order_relay.orders.json_text import encode
from order_relay.pipeline.fulfilment.status_poll import StatusIntake
from order_relay.pipeline.settings.status_account import FileSettings

log = logging.getLogger(__name__)

DROPS, ARCHIVE, REFUSED = "drops", "archive", "refused"


@dataclass(frozen=True)
class DropFolder:
    """Where files come from and how they are read. ``now`` (UTC) is their time of arrival."""

    store: BatchStore
    form: CsvFormat
    settings: FileSettings
    now: datetime


def read_drops(intake: StatusIntake, drops: DropFolder) -> StoredStatuses:
    """Read all delivered files. A file that cannot be read as a whole is moved to ``ACCOUNT/refused/``."""
    total = StoredStatuses()
    incoming = IncomingFolder(drops.store, f"{intake.account}/{DROPS}")
    for number, (file, written) in enumerate(_settled(incoming, drops).items()):
        # Each file is a separate report, so its time of arrival must be unique.
        arrived = drops.now + timedelta(microseconds=number)
        total += _read_file(intake, drops, incoming, file, written, arrived)
    return total


def _settled(incoming: IncomingFolder, drops: DropFolder) -> dict[IncomingFile, datetime]:
    """The completely written files, with their modification times.

    Recent files are checked a second time. In an object store a file is always complete.
    """
    wait = timedelta(seconds=drops.settings.settled_s)
    first = _modified_times(incoming, incoming.files())
    if not drops.store.local or all(at <= drops.now - wait for at in first.values()):
        return first
    time.sleep(wait.total_seconds())
    again = _modified_times(incoming, first)
    return {file: at for file, at in first.items() if again.get(file) == at}


def _modified_times(incoming: IncomingFolder, files: Iterable[IncomingFile]) -> dict[IncomingFile, datetime]:
    found = {}
    for file in files:
        try:
            found[file] = incoming.modified(file)
        except DamagedBatchError:
            log.info("the file %s disappeared while it was checked", ascii(file.shown))
    return found


def _read_file(  # noqa: PLR0917 - a step of read_drops
    intake: StatusIntake,
    drops: DropFolder,
    incoming: IncomingFolder,
    file: IncomingFile,
    written: datetime,
    arrived: datetime,
) -> StoredStatuses:
    data = incoming.read(file, drops.settings.size_limit_bytes)
    digest = hashlib.sha256(data).hexdigest()
    total, folder = StoredStatuses(), ARCHIVE
    known = _reading_key(intake, drops, digest)
    if not intake.ledger.status_reads.is_file_known(intake.account, known):
        try:
            total = _store_rows(intake, drops, data, file.shown, arrived)
            rows = total.new + total.corrected
            intake.ledger.status_reads.record_file(intake.ctx, known, file.shown, rows=rows, refused=total.refused)
        except RecordRejectedError as error:
            folder = REFUSED
            total = intake.keep(ParsedRecords((), (RejectedRecord(0, "", tuple(error.issues)),)), file.shown)
    kept = f"{intake.account}/{folder}/{digest[:16]}-{file.plain}"
    if len(data) > drops.settings.size_limit_bytes:
        incoming.copy(file, kept)
    else:
        drops.store.write_bytes(kept, data)
    if _modified_times(incoming, [file]).get(file) == written:  # else it is still being written
        incoming.remove(file)
    return total


def _reading_key(intake: StatusIntake, drops: DropFolder, digest: str) -> str:
    """Identifies content and settings: with other settings the same file yields other statuses."""
    reader = intake.reader
    settings = [
        reader.shape.model_dump(mode="json"),
        reader.arrival_counts,
        {**asdict(drops.form), "columns": drops.form.columns.model_dump()},
    ]
    return hashlib.sha256(digest.encode() + encode(settings)).hexdigest()


def _store_rows(intake: StatusIntake, drops: DropFolder, data: bytes, shown: str, arrived: datetime) -> StoredStatuses:
    limit = drops.settings.size_limit_bytes
    if len(data) > limit:
        raise RecordRejectedError([ValidationIssue("too_large", "", f"the file is larger than {limit} bytes")])
    total = StoredStatuses()
    reader = intake.reader
    for found in read_status_csv(data, drops.form, reader.shape, arrived, arrival_counts=reader.arrival_counts):
        total += intake.keep(found, shown)
    return total
