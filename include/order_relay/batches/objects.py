"""Objects in a file system. An object appears complete or not at all, and survives a power failure once written."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from order_relay.errors import OrderRelayError, TransientError

GZIP_LEVEL = 1
"""The fastest level: orders already compress to about a tenth."""
_CLOUDS = frozenset({"botocore", "aiobotocore", "s3fs", "google", "gcsfs", "azure", "adlfs", "aiohttp"})
"""Packages of cloud stores, whose errors need not be ``OSError``."""
MAX_SAFE_NAME_LENGTH = 120
_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_=+@.~-]")
TEMPORARY_PREFIX = ".part-of-"
"""Prefix of the names of unfinished objects, which listings leave out."""


class StoreUnavailableError(TransientError):
    """The batch store cannot be written or read (disk full, network, permissions). No partial object is visible."""


class DamagedBatchError(TransientError):
    """An object is missing, truncated, or differs from what was written. The message names it."""


class ArchiveRemovedError(OrderRelayError):
    """Retention removed the requested data. It is not damaged and cannot be restored."""


def safe_name(name: str) -> str:
    """The end of ``name``, with every character that is not allowed in object names replaced by ``_``."""
    return _UNSAFE_CHARACTERS.sub("_", name[-MAX_SAFE_NAME_LENGTH:])


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One written object: its name under the root, its lines, its stored size and the SHA-256 of what is stored."""

    name: str
    records: int
    bytes: int
    sha256: str


class GzipSink:
    """Compresses lines into an open binary file and hashes the result, which depends on the lines only."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._zip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
        self._sum = hashlib.sha256()
        self.records = 0
        self.bytes = 0

    def line(self, text: bytes) -> None:
        """Add one line; ``text`` must not hold a line break (JSON text never does)."""
        self._store(self._zip.compress(text + b"\n"))
        self.records += 1

    def finish(self, name: str) -> ObjectInfo:
        """Write the rest. The caller closes the file."""
        self._store(self._zip.flush())
        return ObjectInfo(name, self.records, self.bytes, self._sum.hexdigest())

    def _store(self, packed: bytes) -> None:
        if packed:
            self._target.write(packed)
            self._sum.update(packed)
            self.bytes += len(packed)


class ObjectTarget:
    """The target of one object: ``open`` gives a private file, ``commit`` makes it visible, ``abandon`` removes it.

    Local: a temporary neighbour, synced, renamed over the target, and the folder synced. Elsewhere: one single put.
    """

    def __init__(self, filesystem: Any, path: str, *, local: bool) -> None:
        self._fs, self._path, self._local = filesystem, path, local
        self._temporary = Path()

    def open(self) -> IO[bytes]:
        """A new private file to write into."""
        if self._local:
            target = Path(self._path)
            _make_folders(target.parent)
            self._temporary = target.parent / f"{TEMPORARY_PREFIX}{target.name}.{secrets.token_hex(6)}"
            return self._temporary.open("xb")
        handle, name = tempfile.mkstemp(prefix="order-relay-")
        self._temporary = Path(name)
        return os.fdopen(handle, "wb")

    def commit(self, file: IO[bytes]) -> None:
        """Close ``file`` and let the object appear. When this returns, it survives a power cut."""
        if not self._local:
            file.close()
            self._fs.put_file(str(self._temporary), self._path)
            self._temporary.unlink()
            return
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._temporary.replace(self._path)
        _sync_folder(Path(self._path).parent)

    def abandon(self, file: IO[bytes]) -> None:
        """Close and remove the private file."""
        try:
            file.close()
        finally:
            self._temporary.unlink(missing_ok=True)


@contextmanager
def translate_errors(name: str, doing: str) -> Iterator[None]:
    """Turn what the file system says into our own errors, naming the object."""
    try:
        yield
    except OrderRelayError:
        raise
    except FileNotFoundError:
        if doing == "writing":
            what = "the bucket or folder does not exist"
            raise StoreUnavailableError(f"batch store: writing {name!r} failed: {what}") from None
        raise DamagedBatchError(f"batch store: object {name!r} is missing") from None
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise StoreUnavailableError(f"batch store: {doing} {name!r} failed: {what}") from error
    except Exception as error:
        if not _is_from_cloud(error):
            raise
        # As without credentials, or without a way to the service; their texts may show addresses and keys.
        what = type(error).__name__
        raise StoreUnavailableError(
            f"batch store: {doing} {name!r} failed: {what}; check the batch store's connection and permissions"
        ) from error


def _is_from_cloud(error: Exception) -> bool:
    """Whether a cloud's package defines or raised it; botocore raises ``ValueError`` for a malformed endpoint."""
    raised_in = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = {module.partition(".")[0] for module in (type(error).__module__, *raised_in)}
    return not packages.isdisjoint(_CLOUDS)


def iterate_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The lines of a compressed object, without line breaks. Raises ``DamagedBatchError`` at the first sign of
    damage.
    """
    rest = b""
    for block in _inflate(file, name):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        raise DamagedBatchError(f"batch store: object {name!r} ends in the middle of a line")


def _inflate(file: IO[bytes], name: str) -> Iterator[bytes]:
    unzip = zlib.decompressobj(31)
    try:
        while packed := file.read(1 << 18):
            while packed:
                yield unzip.decompress(packed, 1 << 20)
                packed = unzip.unconsumed_tail
            if unzip.unused_data:
                raise DamagedBatchError(f"batch store: object {name!r} has data after its end")
    except zlib.error:
        raise DamagedBatchError(f"batch store: object {name!r} cannot be decompressed") from None
    if not unzip.eof:
        raise DamagedBatchError(f"batch store: object {name!r} is truncated")


def _make_folders(folder: Path) -> None:
    """Create ``folder`` and its parents so that they survive a power failure."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems cannot open a folder for syncing
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
