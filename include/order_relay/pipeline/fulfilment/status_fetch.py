"""CSV files of a status account from a server of files (FTP, SFTP): whole into the batch store, then given up there.

A file is deleted or moved at the server only once it stands durably in ``ACCOUNT/drops/``. Under which name it stands
there follows from its name, size and time at the server, so that a run that died in between does it all again and
nothing is doubled. What the server says is hostile: names, sizes and contents.
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
from order_relay.pipeline.settings.status_account import FetchSettings

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 1_000
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make a name look like another one."""


@dataclass(frozen=True)
class RemoteFile:
    """A file in the server's folder. ``modified`` is the server's own text, and only ever compared. Size in bytes."""

    name: str
    size: int
    modified: str

    @property
    def stamp(self) -> str:
        """Another one for each version of the file, as far as its server tells."""
        return hashlib.sha256(repr((self.name, self.size, self.modified)).encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        """The name for people: nothing in it can steer a terminal or break a line."""
        return ascii(self.name[:80])


class FileSkipped(TransientError):
    """The server refuses something about one file, or the file is not what was listed: it is left for the next time."""


class FileServer(Protocol):
    """One folder at a server. Raises ``TransientError`` if it is unreachable, ``ConfigurationError`` if it refuses
    us.
    """

    def files(self) -> Sequence[RemoteFile]:
        """The files in the folder, without those in folders below."""

    def read(self, file: RemoteFile, limit: int) -> bytes:
        """A file's content, at most a little more than ``limit`` bytes of it. Raises ``FileSkipped``."""

    def delete(self, file: RemoteFile) -> None:
        """Remove a file. Raises ``FileSkipped``."""

    def move(self, file: RemoteFile, folder: str, name: str) -> None:
        """Give a file another place and name. Raises ``FileSkipped``."""


@dataclass
class FetchReport:
    """What a run fetched: counts, and what is wrong with the files that need an operator. ``passed_over``: files that
    begin with a dot, or do not fit the pattern.
    """

    fetched: int = 0
    growing: int = 0
    passed_over: int = 0
    trouble: list[str] = field(default_factory=list)


def fetch_files(
    account: str,
    server: FileServer,
    store: BatchStore,
    settings: FetchSettings,
    *,
    size_limit: int,
    pause: Callable[[float], None] = time.sleep,
) -> FetchReport:
    """Bring every new file that nobody is writing any more; one that makes trouble keeps no other waiting.

    Raises as ``FileServer``, and ``StoreUnavailableError``.
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
    for words in done.trouble:
        log.warning("%s: a file at the server: %s", account, words)
    return done


def _matching(server: FileServer, settings: FetchSettings, done: FetchReport) -> list[RemoteFile]:
    """Files whose names fit, in their order. Those that begin with a dot are somebody's unfinished ones.

    Where nobody chose a pattern, a file that does not fit the default one is trouble: it may be meant for us.
    """
    found = []
    chosen = "pattern" in settings.model_fields_set
    for file in sorted(server.files(), key=lambda file: file.name):
        if _is_hostile(file.name):
            done.trouble.append(f"{file.shown}: the name holds a path or control characters, or is too long; rename it")
        elif file.name.startswith("."):
            done.passed_over += 1
        elif not fnmatchcase(file.name.casefold(), settings.pattern.casefold()):
            done.passed_over += 1
            if not chosen:
                done.trouble.append(f"{file.shown}: does not fit the pattern {settings.pattern} (files.fetch.pattern)")
        else:
            found.append(file)
    return found


def _is_hostile(name: str) -> bool:
    odd = any(
        char in "/\\" or char in _BIDI_CONTROLS or unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"}
        for char in name
    )
    return odd or not 0 < len(name) <= MAX_NAME_LENGTH


def _fits(file: RemoteFile, limit: int, done: FetchReport) -> bool:
    if file.size > limit:
        done.trouble.append(f"{file.shown}: has more than {limit} bytes (files.size_limit_bytes)")
    return file.size <= limit


def _fetch_file(account: str, server: FileServer, store: BatchStore, settings: FetchSettings, file: RemoteFile) -> None:
    with failpoint("files read"):
        data = server.read(file, file.size)
    if len(data) != file.size:
        raise FileSkipped(f"was listed with {file.size} bytes, and another number came")
    store.write_bytes(f"{account}/{DROPS}/{file.stamp}-{safe_name(file.name)}", data)
    if settings.afterwards == "delete":
        with failpoint("files delete"):
            server.delete(file)
    elif settings.afterwards == "move":
        with failpoint("files move"):
            server.move(file, settings.move_to, f"{file.stamp}-{file.name}")


class _FetchedVersions:
    """Which versions of the files that stay at the server were fetched. Where that is lost, they are fetched again:
    files are read once by their content."""

    def __init__(self, store: BatchStore, account: str) -> None:
        self._store, self._name = store, f"{account}/fetched.json"
        self._before = self._read()
        self._now: set[str] = set()

    def _read(self) -> set[str]:
        try:
            return set(self._store.read_json(self._name)) if self._store.exists(self._name) else set()
        except DamagedBatchError:
            log.warning("%s is damaged; the files that stay at the server are fetched again", self._name)
            return set()

    def has(self, file: RemoteFile) -> bool:
        """Whether this version was fetched; it is then kept in mind."""
        if file.stamp in self._before:
            self._now.add(file.stamp)
        return file.stamp in self._before

    def add(self, file: RemoteFile) -> None:
        """This version stands in the store."""
        self._now.add(file.stamp)

    def keep(self) -> None:
        """Keep what is still at the server in mind for the next run."""
        if self._now != self._before:
            self._store.write_json(self._name, sorted(self._now))
