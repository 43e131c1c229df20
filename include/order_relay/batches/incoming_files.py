"""Files that others put into a folder of the batch store, under whatever name they chose.

The store's own objects have plain names. What people and other programs save has not: spaces, brackets, letters of
every script, control characters. Such a file is listed, read and taken away by the path that the listing gave, never by
a path made from its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from order_relay.batches.objects import TEMPORARY_PREFIX, safe_name, translate_errors
from order_relay.batches.store import BatchStore
from order_relay.failpoints import failpoint
from order_relay.times import as_utc

_BLOCK = 1 << 20


@dataclass(frozen=True)
class IncomingFile:
    """A file that waits. ``name``: below the folder, as it was given."""

    path: str
    name: str

    @property
    def shown(self) -> str:
        """The name for people: nothing in it can steer a terminal or break a line."""
        kept = "".join(char if char.isprintable() else "�" for char in self.name[:200])
        return kept.encode("utf-8", "replace").decode()

    @property
    def plain(self) -> str:
        """A name for the store that resembles it."""
        return safe_name(self.name.rpartition("/")[2])


class IncomingFolder:
    """One folder of a batch store. Methods raise ``StoreUnavailableError``, ``DamagedBatchError`` where a file went
    away.
    """

    def __init__(self, store: BatchStore, folder: str) -> None:
        self._store, self._folder = store, folder
        self._fs, self._root = store.filesystem, store.place(folder)

    def files(self) -> Iterator[IncomingFile]:
        """The files, also those in folders below, sorted; without those that the store itself is still writing."""
        with translate_errors(self._folder, "listing"):
            if not self._fs.exists(self._root):
                return
            self._fs.invalidate_cache(self._root)
            found = sorted(str(path) for path in self._fs.find(self._root))
        for path in found:
            name = path[len(self._root) :].lstrip("/")
            if path.startswith(f"{self._root}/") and not name.rpartition("/")[2].startswith(TEMPORARY_PREFIX):
                yield IncomingFile(path, name)

    def modified(self, file: IncomingFile) -> datetime:
        """When it was written (aware UTC), as its file system says."""
        with translate_errors(self._folder, "looking at"):
            moment: datetime = self._fs.modified(file.path)
        return as_utc(moment)

    def read(self, file: IncomingFile, limit: int) -> bytes:
        """Its bytes, at most one more than ``limit``: longer than ``limit`` is too large."""
        with translate_errors(self._folder, "reading"), self._fs.open(file.path, "rb") as opened:
            data: bytes = opened.read(limit + 1)
        return data

    def copy(self, file: IncomingFile, name: str) -> None:
        """Keep all of it as an object of the store, however large it is."""
        with translate_errors(self._folder, "reading"), self._fs.open(file.path, "rb") as opened:
            self._store.write_blocks(name, iter(lambda: opened.read(_BLOCK), b""))

    def remove(self, file: IncomingFile) -> None:
        """Take it away; one that is not there is no error."""
        with translate_errors(self._folder, "removing"), failpoint(f"store remove {self._folder}/{file.plain}"):
            if self._fs.exists(file.path):
                self._fs.rm_file(file.path)
