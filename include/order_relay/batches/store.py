"""The batch store: named, compressed, checksummed objects under one root (``file://``, ``s3://``, ``gs://``, ...)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

from order_relay.batches import filesystems
from order_relay.batches.objects import (
    TEMPORARY_PREFIX,
    DamagedBatchError,
    GzipSink,
    ObjectInfo,
    ObjectTarget,
    iterate_lines,
    translate_errors,
)
from order_relay.failpoints import failpoint
from order_relay.times import as_utc

__all__ = ["BatchStore", "DamagedBatchError", "ObjectInfo"]

_NAME = re.compile(r"[A-Za-z0-9_=+@.~-]+(/[A-Za-z0-9_=+@.~-]+)*")


def is_unfinished(name: str) -> bool:
    """Whether an object is unfinished: it is being written, or its writer died."""
    return name.rpartition("/")[2].startswith(TEMPORARY_PREFIX)


class BatchStore:
    """Objects under ``url``. ``filesystem``: an fsspec file system with credentials, if the caller has one.

    Raises ``ConfigurationError`` if the URL is wrong, or the package for its scheme is not installed.

    Every method may raise ``StoreUnavailableError``; readers raise ``DamagedBatchError``, which names the object.
    """

    def __init__(self, url: str, filesystem: Any = None) -> None:
        filesystem, root = filesystems.open_filesystem(url, filesystem)
        self.url = url
        self._fs = filesystem
        self._root = root.rstrip("/")
        protocols = filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
        self.local = bool({"file", "local"} & set(protocols))

    @property
    def filesystem(self) -> Any:
        """The fsspec file system."""
        return self._fs

    def place(self, name: str) -> str:
        """The path of an object or folder in the file system."""
        return self._path(name)

    def write_jsonl(self, name: str, lines: Iterable[bytes]) -> ObjectInfo:
        """Write ``lines`` (JSON texts without line breaks), compressed. The object appears complete or not at all."""
        with self._new_object(name) as file:
            sink = GzipSink(file)
            for text in lines:
                sink.line(text)
            return sink.finish(name)

    def read_jsonl(self, name: str, sha256: str | None = None) -> Iterator[bytes]:
        """The lines of an object. With ``sha256`` the whole object is verified before the first line is returned."""
        if sha256 is not None:
            self._check_sum(name, sha256)
        with translate_errors(name, "reading"), self._fs.open(self._path(name), "rb") as file:
            yield from iterate_lines(file, name)

    def read_rows(self, name: str, rows: Collection[int], sha256: str | None = None) -> dict[int, bytes]:
        """The given lines (counted from 0) of an object. Raises ``DamagedBatchError`` if one is missing."""
        wanted = set(rows)
        found = {row: text for row, text in enumerate(self.read_jsonl(name, sha256)) if row in wanted}
        if len(found) != len(wanted):
            missing = min(wanted - found.keys())
            raise DamagedBatchError(f"batch store: object {name!r} has no line {missing}")
        return found

    def write_json(self, name: str, value: Any) -> ObjectInfo:
        """Write a small document as JSON text."""
        text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
        return self.write_text(name, text + "\n")

    def read_json(self, name: str, sha256: str | None = None) -> Any:
        """A document that ``write_json`` wrote."""
        if sha256 is not None:
            self._check_sum(name, sha256)
        try:
            return json.loads(self.read_text(name))
        except ValueError:
            raise DamagedBatchError(f"batch store: object {name!r} is not JSON") from None

    def write_text(self, name: str, text: str) -> ObjectInfo:
        """Write a text as UTF-8, uncompressed, so that operators can read it."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> ObjectInfo:
        """Write bytes, uncompressed."""
        return self.write_blocks(name, (data,))

    def write_blocks(self, name: str, blocks: Iterable[bytes]) -> ObjectInfo:
        """Write bytes in blocks, uncompressed."""
        digest, size = hashlib.sha256(), 0
        with self._new_object(name) as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
                size += len(block)
        return ObjectInfo(name, 1, size, digest.hexdigest())

    def read_text(self, name: str) -> str:
        """A text that ``write_text`` wrote."""
        with translate_errors(name, "reading"), self._fs.open(self._path(name), "rb") as file:
            data: bytes = file.read()
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise DamagedBatchError(f"batch store: object {name!r} is not UTF-8 text") from None

    def exists(self, name: str) -> bool:
        """Whether an object of this name exists."""
        with translate_errors(name, "looking for"):
            return bool(self._fs.exists(self._path(name)))

    def list(self, prefix: str = "", *, unfinished: bool = False) -> Iterator[str]:
        """The names under ``prefix`` (a folder), sorted; with ``unfinished`` also those of unfinished objects."""
        folder = self._path(prefix) if prefix else self._root
        with translate_errors(prefix, "listing"):
            if not self._fs.exists(folder):
                return
            self._fs.invalidate_cache(folder)
            found = sorted(str(path) for path in self._fs.find(folder))
        for path in found:
            name = path[len(self._root) :].lstrip("/")
            if unfinished or not is_unfinished(name):
                yield name

    def modified(self, name: str) -> datetime:
        """When an object was written (aware UTC). Raises ``DamagedBatchError`` if it is missing."""
        with translate_errors(name, "checking"):
            moment: datetime = self._fs.modified(self._path(name))
        return as_utc(moment)

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is not an error."""
        with translate_errors(name, "removing"), failpoint(f"store remove {name}"):
            if self._fs.exists(self._path(name)):
                self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise ValueError(f"not a name for the batch store: {name!r}")
        return f"{self._root}/{name}"

    @contextmanager
    def _new_object(self, name: str) -> Iterator[IO[bytes]]:
        """The only way in which objects are created."""
        with translate_errors(name, "writing"):
            place = ObjectTarget(self._fs, self._path(name), local=self.local)
            file = place.open()
            try:
                yield file
                with failpoint(f"store write {name}"):
                    place.commit(file)
            except BaseException:
                place.abandon(file)
                raise

    def _check_sum(self, name: str, sha256: str) -> None:
        found = hashlib.sha256()
        with translate_errors(name, "reading"), self._fs.open(self._path(name), "rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
        if found.hexdigest() != sha256:
            raise DamagedBatchError(f"batch store: object {name!r} is not what was written (checksum differs)")
