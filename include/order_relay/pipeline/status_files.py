"""CSV drops of a status account: each file once, by its content and by how it was read, then archived.

Whatever brings the files (FTP or SFTP by Airflow's providers, mail attachments) saves them under ``ACCOUNT/drops/`` in
the batch store, under any name. A run that dies in between reads the file again; storing is repeatable, so nothing is
stored repeatedly. A file that is being written is left for the next run: what its writer adds after the archive took it
would be lost. A file of which rows were refused is read again whenever it is dropped again, and so is every file once
the settings have changed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from order_relay.batches import BatchDamaged, BatchStore
from order_relay.batches.incoming import Incoming, IncomingFile
from order_relay.errors import RecordRefused, Refusal
from order_relay.ledger.statuses import Stored
from order_relay.orders.json_text import encode
from order_relay.orders.status_csv import CsvForm, read_drop
from order_relay.orders.status_records import Reading, Refused
from order_relay.pipeline.status_settings import FileSettings
from order_relay.pipeline.statuses import Intake

log = logging.getLogger(__name__)

DROPS, ARCHIVE, REFUSED = "drops", "archive", "refused"


@dataclass(frozen=True)
class Drops:
    """Where files come from and how they are read. ``now`` (UTC): when they count as having arrived."""

    store: BatchStore
    form: CsvForm
    settings: FileSettings
    now: datetime


def read_drops(intake: Intake, drops: Drops) -> Stored:
    """Read every file that waits. One that cannot be read as a whole is put aside under ``ACCOUNT/refused/``."""
    total = Stored()
    incoming = Incoming(drops.store, f"{intake.account}/{DROPS}")
    for number, (file, written) in enumerate(_settled(incoming, drops).items()):
        # Each file is a report of its own, so it has a moment of its own.
        arrived = drops.now + timedelta(microseconds=number)
        total += _one(intake, drops, incoming, file, written, arrived)
    return total


def _settled(incoming: Incoming, drops: Drops) -> dict[IncomingFile, datetime]:
    """The files that nobody is writing any more, with when they were written: recent ones are looked at again.

    In an object store every file appears whole.
    """
    wait = timedelta(seconds=drops.settings.settled_s)
    first = _written(incoming, incoming.files())
    if not drops.store.local or all(at <= drops.now - wait for at in first.values()):
        return first
    time.sleep(wait.total_seconds())
    again = _written(incoming, first)
    return {file: at for file, at in first.items() if again.get(file) == at}


def _written(incoming: Incoming, files: Iterable[IncomingFile]) -> dict[IncomingFile, datetime]:
    found = {}
    for file in files:
        try:
            found[file] = incoming.modified(file)
        except BatchDamaged:
            log.info("the file %s went away while it was looked at", ascii(file.shown))
    return found


def _one(  # noqa: PLR0917 - a step of read_drops
    intake: Intake, drops: Drops, incoming: Incoming, file: IncomingFile, written: datetime, arrived: datetime
) -> Stored:
    data = incoming.read(file, drops.settings.size_limit_bytes)
    digest = hashlib.sha256(data).hexdigest()
    total, folder = Stored(), ARCHIVE
    known = _reading_key(intake, drops, digest)
    if not intake.ledger.status_file_known(intake.account, known):
        try:
            total = _rows(intake, drops, data, file.shown, arrived)
            rows = total.new + total.corrected
            intake.ledger.status_file_read(intake.ctx, known, file.shown, rows, total.refused)
        except RecordRefused as error:
            folder = REFUSED
            total = intake.keep(Reading((), (Refused(0, "", tuple(error.refusals)),)), file.shown)
    kept = f"{intake.account}/{folder}/{digest[:16]}-{file.plain}"
    if len(data) > drops.settings.size_limit_bytes:
        incoming.copy(file, kept)
    else:
        drops.store.write_bytes(kept, data)
    if _written(incoming, [file]).get(file) == written:  # else somebody went on writing: it is read again
        incoming.remove(file)
    return total


def _reading_key(intake: Intake, drops: Drops, digest: str) -> str:
    """Which reading of which content this is: other settings read another thing from the same file."""
    reader = intake.reader
    settings = [
        reader.shape.model_dump(mode="json"),
        reader.arrival_counts,
        {**asdict(drops.form), "columns": drops.form.columns.model_dump()},
    ]
    return hashlib.sha256(digest.encode() + encode(settings)).hexdigest()


def _rows(intake: Intake, drops: Drops, data: bytes, shown: str, arrived: datetime) -> Stored:
    limit = drops.settings.size_limit_bytes
    if len(data) > limit:
        raise RecordRefused([Refusal("too_large", "", f"the file is larger than {limit} bytes")])
    total = Stored()
    reader = intake.reader
    for found in read_drop(data, drops.form, reader.shape, arrived, arrival_counts=reader.arrival_counts):
        total += intake.keep(found, shown)
    return total
