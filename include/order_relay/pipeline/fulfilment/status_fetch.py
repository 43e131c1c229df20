"""Fetches CSV files of a status account from a file server (FTP, SFTP) into the batch store.

A file is deleted or moved on the server only after it is stored durably in ``ACCOUNT/drops/``. Its name there is
derived from its name, size and time on the server, so an interrupted run repeats the work without duplicates. The
server's names, sizes and contents are untrusted.
"""

from __future__ import annotations

import hashlib
import logging
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from order_relay.batches import BatchStore, DamagedBatchError
from order_relay.batches.objects import safe_name
from order_relay.errors import TransientError
from order_relay.failpoints import failpoint
from order_relay.pipeline.fulfilment.status_files import DROPS
from order_relay.pipeline.settings.sections import FetchSettings

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 1_000
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make a name look like a different one."""


@dataclass(frozen=True)
class RemoteFile:
    """A file in the server's folder. ``size`` in bytes; ``modified``: the server's text, only compared for equality."""

    name: str
    size: int
    modified: str

    @property
    def stamp(self) -> str:
        """Identifies a version of the file, as far as the server distinguishes versions."""
        return hashlib.sha256(repr((self.name, self.size, self.modified)).encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        """The name for messages: printable ASCII on one line."""
        return ascii(self.name[:80])


class FileSkipped(TransientError):
    """The server refuses an operation on a file, or the file differs from the listing. The next run tries again."""


class FileServer(Protocol):
    """One folder on a server.

    Raises ``TransientError`` if the server is unreachable, ``ConfigurationError`` if it rejects the login.
    """

    def files(self) -> Sequence[RemoteFile]:
        """The files in the folder, without subfolders."""

    def read(self, file: RemoteFile, limit: int) -> bytes:
        """A file's content; stops reading shortly after ``limit`` bytes. Raises ``FileSkipped``."""

    def delete(self, file: RemoteFile) -> None:
        """Remove a file. Raises ``FileSkipped``."""

    def move(self, file: RemoteFile, folder: str, name: str) -> None:
        """Move a file to another folder under another name. Raises ``FileSkipped``."""


@dataclass
class FetchReport:
    """What a run fetched.

    ``growing``: files still being written. ``passed_over``: files that begin with a dot or do not match the pattern.
    ``trouble``: problems with files that need an operator.
    """

    fetched: int = 0
    growing: int = 0
    passed_over: int = 0
    trouble: list[str] = field(default_factory=list)

    def __add__(self, other: FetchReport) -> FetchReport:
        return FetchReport(
            self.fetched + other.fetched,
            self.growing + other.growing,
            self.passed_over + other.passed_over,
            self.trouble + other.trouble,
        )


def fetch_files(
    account: str,
    server: FileServer,
    store: BatchStore,
    settings: FetchSettings,
    *,
    size_limit: int,
    pause: Callable[[float], None] = time.sleep,
) -> FetchReport:
    """Fetch every new file that is completely written. A problem with one file does not affect the others.

    Raises what ``FileServer`` raises, and ``StoreUnavailableError``.
    """
    done = FetchReport()
    known = _FetchedVersions(store, account) if settings.afterwards == "keep" else None
    new = [file for file in _matching(server, settings, done) if known is None or not known.has(file)]
    fit = [file for file in new if _fits(file, size_limit, done)][: settings.most]
    if fit and settings.settled_s:
        pause(settings.settled_s)
    again = set(server.files()) if fit else set()
    try:
        for file in fit:
            if file not in again:
                done.growing += 1
                continue
            try:
                _fetch_file(account, server, store, settings, file)
            except FileSkipped as error:
                done.trouble.append(f"{file.shown}: {error}")
                continue
            done.fetched += 1
            if known is not None:
                known.add(file)
    finally:
        if known is not None:
            known.keep()
    for problem in done.trouble:
        log.warning("%s: file on the server: %s", account, problem)
    return done


def _matching(server: FileServer, settings: FetchSettings, done: FetchReport) -> list[RemoteFile]:
    """Files whose names match, sorted. A leading dot marks an upload in progress.

    If the pattern is the default, a file that does not match it is reported: it may be meant for this account.
    """
    found = []
    chosen = "pattern" in settings.model_fields_set
    for file in sorted(server.files(), key=lambda file: file.name):
        if is_hostile_name(file.name):
            done.trouble.append(
                f"{file.shown}: the name is too long, or contains a path or control characters; rename it"
            )
        elif file.name.startswith("."):
            done.passed_over += 1
        elif not fnmatchcase(file.name.casefold(), settings.pattern.casefold()):
            done.passed_over += 1
            if not chosen:
                done.trouble.append(f"{file.shown}: does not match files.fetch.pattern ({settings.pattern})")
        else:
            found.append(file)
    return found


def is_hostile_name(name: str) -> bool:
    """Whether a name is too long, or contains a path, control characters, or characters that disguise it."""
    odd = any(
        char in "/\\" or char in _BIDI_CONTROLS or unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"}
        for char in name
    )
    return odd or not 0 < len(name) <= MAX_NAME_LENGTH


def _fits(file: RemoteFile, limit: int, done: FetchReport) -> bool:
    if file.size > limit:
        done.trouble.append(f"{file.shown}: has {file.size} bytes, more than files.size_limit_bytes ({limit})")
    return file.size <= limit


def _fetch_file(account: str, server: FileServer, store: BatchStore, settings: FetchSettings, file: RemoteFile) -> None:
    with failpoint("files read"):
        data = server.read(file, file.size)
    if len(data) != file.size:
        raise FileSkipped(f"was listed with {file.size} bytes, but {len(data)} were received")
    store.write_bytes(f"{account}/{DROPS}/{file.stamp}-{safe_name(file.name)}", data)
    if settings.afterwards == "delete":
        with failpoint("files delete"):
            server.delete(file)
    elif settings.afterwards == "move":
        with failpoint("files move"):
            server.move(file, settings.move_to, f"{file.stamp}-{file.name}")


class _FetchedVersions:
    """Records which file versions were fetched, for files that stay on the server.

    If the record is lost, they are fetched again; a file with known content is read only once anyway.
    """

    def __init__(self, store: BatchStore, account: str) -> None:
        self._store, self._name = store, f"{account}/fetched.json"
        self._before = self._read()
        self._now: set[str] = set()

    def _read(self) -> set[str]:
        try:
            return set(self._store.read_json(self._name)) if self._store.exists(self._name) else set()
        except DamagedBatchError:
            log.warning("%s is damaged; files that stay on the server are fetched again", self._name)
            return set()

    def has(self, file: RemoteFile) -> bool:
        """Whether this version was fetched before; if so, it stays recorded."""
        if file.stamp in self._before:
            self._now.add(file.stamp)
        return file.stamp in self._before

    def add(self, file: RemoteFile) -> None:
        """Record that this version is stored."""
        self._now.add(file.stamp)

    def keep(self) -> None:
        """Store the versions still on the server for the next run."""
        if self._now != self._before:
            self._store.write_json(self._name, sorted(self._now))
