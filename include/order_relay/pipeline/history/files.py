"""The files that a history import reads: one slice per file, named by its content.

Files arrive under any name in ``PIPELINE/drops/`` of the batch store. The orders of a file are archived as a batch, as
those of any source; the file is removed once its slice is done.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property

from order_relay.batches import BatchStore
from order_relay.batches.incoming_files import IncomingFile, IncomingFolder
from order_relay.errors import ConfigurationError
from order_relay.ledger.delivery.history_imports import HistorySlice
from order_relay.orders.messages import DeliveredFile

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=10)
"""A younger file in a local store may still be written. In an object store a file is always complete."""


class DeliveredFiles:
    """The delivered files of a pipeline, by digest. They are listed once.

    ``limit``: bytes of a file. ``now``: UTC. All methods raise ``ConfigurationError`` for a larger file, and
    ``StoreUnavailableError``.
    """

    def __init__(self, store: BatchStore, pipeline: str, limit: int, now: datetime | None = None) -> None:
        self._store, self._place, self._limit = store, f"{pipeline}/drops", limit
        self._folder = IncomingFolder(store, self._place)
        self._now = now or datetime.now(UTC)

    def slices(self) -> Iterator[HistorySlice]:
        """One slice per file, by file name."""
        for number, (digest, files) in enumerate(self._files.items()):
            log.info("history: %s is the file %s", digest, ascii(files[0].shown))
            yield HistorySlice(number, digest)

    def read(self, digest: str) -> DeliveredFile:
        """A file. Raises ``ConfigurationError`` if it is no longer there."""
        for file in self._files.get(digest, ()):
            data = self._read(file)
            if _digest(data) == digest:
                return DeliveredFile(ascii(file.shown), data)
        raise ConfigurationError(
            f"the file {digest} of this history import is no longer in {self._place}/ of the batch store, or it was "
            "changed; put it back, or trigger the import with 'Read again', which begins with the files that are there"
        )

    def remove(self, digest: str) -> None:
        """Remove a file whose orders were imported, unless it was changed meanwhile."""
        for file in self._files.pop(digest, ()):
            if _digest(self._read(file)) == digest:
                self._folder.remove(file)

    def remove_known(self, unfinished: Collection[str]) -> int:
        """Remove the files that were imported before: all but those of ``unfinished``. Returns their number."""
        known = [digest for digest in self._files if digest not in unfinished]
        for digest in known:
            log.info("history: the file %s was imported before; it is skipped", ascii(self._files[digest][0].shown))
            self.remove(digest)
        return len(known)

    @cached_property
    def _files(self) -> dict[str, list[IncomingFile]]:
        found: dict[str, list[IncomingFile]] = {}
        for file in self._folder.files():
            if self._store.local and self._folder.modified(file) > self._now - SETTLED:
                log.warning("history: the file %s may still be written; the next run reads it", ascii(file.shown))
                continue
            found.setdefault(_digest(self._read(file)), []).append(file)
        return found

    def _read(self, file: IncomingFile) -> bytes:
        data = self._folder.read(file, self._limit)
        if len(data) > self._limit:
            raise ConfigurationError(
                f"the file {file.shown!a} in {self._place}/ has more than {self._limit} bytes; divide it, or raise "
                "files.size_limit_bytes"
            )
        return data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
