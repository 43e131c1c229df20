"""The files that a history import reads, named by their content.

Files arrive under any name in ``PIPELINE/drops/`` of the batch store. The orders of a file are archived as those of any
source; the file is removed once all of its parts are done. A run's plan and its import read each file once.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from order_relay.batches import BatchStore
from order_relay.batches.incoming_files import IncomingFile, IncomingFolder
from order_relay.errors import ConfigurationError
from order_relay.ledger.delivery.history_imports import HistorySlice
from order_relay.orders.messages import DeliveredFile
from order_relay.pipeline.history.file_parts import FilePart, OpenFile, PartSource, orders_of, parts_of
from order_relay.pipeline.ports import Source

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=10)
"""A younger file in a local store may still be written. In an object store a file is always complete."""


@dataclass(frozen=True)
class _ReadFile:
    """A file that was read. ``version``: see ``IncomingFolder.version``."""

    file: IncomingFile
    version: str
    digest: str


class DeliveredFiles:
    """The delivered files of a pipeline, by digest. They are listed once.

    ``limit``: bytes of a file. ``reading``: identifies how ``source`` reads a file; with another one, the same file is
    another file, because its orders may be others. ``now``: UTC. All methods raise ``ConfigurationError`` for a larger
    file, and ``StoreUnavailableError``.
    """

    def __init__(
        self, store: BatchStore, pipeline: str, source: Source, *, limit: int, reading: str, now: datetime | None = None
    ) -> None:
        self._store, self._place, self._source = store, f"{pipeline}/drops", source
        self._limit, self._reading = limit, reading
        self._folder = IncomingFolder(store, self._place)
        self._now = now or datetime.now(UTC)
        self._found: dict[str, list[_ReadFile]] = {}
        self._open: tuple[str, OpenFile] | None = None

    def slices(self) -> Iterator[HistorySlice]:
        """The parts of all files, by file name. Raises what the source raises for an unusable file."""
        number = 0
        while self._unread:
            data, found = self._read_next()
            if len(self._found[found.digest]) > 1:
                continue
            orders = sum(1 for _ in orders_of(self._source, DeliveredFile(ascii(found.file.shown), data)))
            log.info("history: %s is the file %s, with %d orders", found.digest, ascii(found.file.shown), orders)
            for part in parts_of(found.digest, orders):
                yield HistorySlice(number, part.name)
                number += 1

    def part(self, name: str) -> PartSource:
        """The source of a slice's orders. Raises ``ConfigurationError`` if the file is no longer there."""
        part = FilePart.of(name)
        if self._open is None or self._open[0] != part.digest:
            self._open = None  # at most one file is in memory
            self._open = part.digest, OpenFile(self._source, self._find(part.digest))
        return PartSource(self._source, self._open[1].orders(part))

    def remove(self, digest: str) -> None:
        """Remove a file whose orders were imported, unless it was changed meanwhile."""
        for found in self._found.pop(digest, ()):
            self._remove(found)

    def remove_known(self, unfinished: Collection[str]) -> int:
        """Remove the files that were imported before, and those with the same content as another one.

        ``unfinished``: names of the slices that are left. Returns their number. To be called after ``slices``.
        """
        left = {FilePart.of(name).digest for name in unfinished}
        known = [found for digest, files in self._found.items() for found in (files[1:] if digest in left else files)]
        for found in known:
            log.info(
                "history: the content of the file %s was imported before, or is in another file; it is skipped",
                ascii(found.file.shown),
            )
            self._remove(found)
        return len(known)

    @cached_property
    def _unread(self) -> deque[IncomingFile]:
        """The files that were not read yet, by name."""
        files: deque[IncomingFile] = deque()
        for file in self._folder.files():
            if self._store.local and self._folder.modified(file) > self._now - SETTLED:
                log.warning("history: the file %s may still be written; the next run reads it", ascii(file.shown))
                continue
            files.append(file)
        return files

    def _find(self, digest: str) -> DeliveredFile:
        """A file by its digest. Files are read in the order of their slices: usually the first unread one is meant."""
        for found in self._found.get(digest, ()):
            data = self._read(found.file)
            if self._digest(data) == digest:
                return DeliveredFile(ascii(found.file.shown), data)
        while self._unread:
            data, found = self._read_next()
            if found.digest == digest:
                return DeliveredFile(ascii(found.file.shown), data)
        raise ConfigurationError(
            f"the file {digest} of this history import is no longer in {self._place}/ of the batch store, or it or the "
            "source's connection was changed; put it back, or trigger the import with 'Read again', which begins with "
            "the files that are there"
        )

    def _read_next(self) -> tuple[bytes, _ReadFile]:
        file = self._unread.popleft()
        version = self._folder.version(file)
        data = self._read(file)
        found = _ReadFile(file, version, self._digest(data))
        self._found.setdefault(found.digest, []).append(found)
        return data, found

    def _read(self, file: IncomingFile) -> bytes:
        data = self._folder.read(file, self._limit)
        if len(data) > self._limit:
            raise ConfigurationError(
                f"the file {file.shown!a} in {self._place}/ has more than {self._limit} bytes; divide it, or raise "
                "files.size_limit_bytes"
            )
        return data

    def _remove(self, found: _ReadFile) -> None:
        version = self._folder.version(found.file)
        if version == found.version or (version and self._digest(self._read(found.file)) == found.digest):
            self._folder.remove(found.file)

    def _digest(self, data: bytes) -> str:
        return hashlib.sha256(self._reading.encode() + data).hexdigest()[:32]
