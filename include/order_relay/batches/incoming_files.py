"""Files that other programs or operators put into a folder of the batch store, under any name.

Such names may hold spaces, brackets, letters of any script, and control characters. A file is read and removed by the
path from the listing, never by a path made from its name.
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
    """A file to be read. ``name``: relative to the folder, as given."""

    path: str
    name: str

    @property
    def shown(self) -> str:
        """The name for display, without control characters."""
        kept = "".join(char if char.isprintable() else "�" for char in self.name[:200])
        return kept.encode("utf-8", "replace").decode()

    @property
    def plain(self) -> str:
        """A similar name that is allowed in the store."""
        return safe_name(self.name.rpartition("/")[2])


class IncomingFolder:
    """A folder of a batch store. Raises ``StoreUnavailableError``; ``DamagedBatchError`` for a missing file."""

    def __init__(self, store: BatchStore, folder: str) -> None:
        self._store, self._folder = store, folder
        self._fs, self._root = store.filesystem, store.place(folder)

    def files(self) -> Iterator[IncomingFile]:
        """All files, including those in subfolders, sorted; without files that the store is still writing."""
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
        """When it was written (aware UTC), according to its file system."""
        with translate_errors(self._folder, "checking"):
            moment: datetime = self._fs.modified(file.path)
        return as_utc(moment)

    def version(self, file: IncomingFile) -> str:
        """Its size and time: they differ once it was changed. Empty for a missing file."""
        with translate_errors(self._folder, "checking"):
            if not self._fs.exists(file.path):
                return ""
            return f"{self._fs.size(file.path)} {self._fs.modified(file.path)}"

    def read(self, file: IncomingFile, limit: int) -> bytes:
        """Its bytes, at most ``limit + 1``, so that the caller can detect a file above ``limit``."""
        with translate_errors(self._folder, "reading"), self._fs.open(file.path, "rb") as opened:
            data: bytes = opened.read(limit + 1)
        return data

    def copy(self, file: IncomingFile, name: str) -> None:
        """Copy it to an object of the store, in blocks."""
        with translate_errors(self._folder, "reading"), self._fs.open(file.path, "rb") as opened:
            self._store.write_blocks(name, iter(lambda: opened.read(_BLOCK), b""))

    def remove(self, file: IncomingFile) -> None:
        """Remove it; a missing file is not an error."""
        with translate_errors(self._folder, "removing"), failpoint(f"store remove {self._folder}/{file.plain}"):
            if self._fs.exists(file.path):
                self._fs.rm_file(file.path)
