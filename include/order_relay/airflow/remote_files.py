"""Servers of files, through the hooks of Airflow's own providers for FTP, FTPS and SFTP.

Their hooks wait without end for a server that is silent, so every socket that is made in here has a time-out.
"""

from __future__ import annotations

import ftplib
import re
import socket
import ssl
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from order_relay.airflow.metadata.stored_values import read_connection
from order_relay.errors import ConfigurationError, TransientError
from order_relay.pipeline.fulfilment.status_fetch import FileServer, FileSkipped, RemoteFile

if TYPE_CHECKING:
    from airflow.providers.ftp.hooks.ftp import FTPHook

READ_TIMEOUT_S = 60.0
"""The longest silence of a server."""

_NOT_BUILT = ("500", "501", "502", "504")  # RFC 959: commands that a server does not know


@contextmanager
def open_file_server(conn_id: str, folder: str) -> Iterator[FileServer]:
    """The server of an Airflow connection of type ``ftp``, ``ftps`` or ``sftp``, and a folder of it.

    Raises ``ConfigurationError`` for an undefined connection, another type, a refused login, an unknown host key, an
    untrusted
    certificate, or a folder that can not be listed; ``TransientError`` where the server can not be reached.
    """
    raw = read_connection(conn_id)
    if raw is None:
        raise ConfigurationError(f"connection {conn_id!r} (files.fetch.connection) is not defined; add it in Airflow")
    opened = _OPENERS.get(raw.conn_type or "")
    if opened is None:
        raise ConfigurationError(f"connection {conn_id!r} (files.fetch.connection): type must be ftp, ftps or sftp")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(READ_TIMEOUT_S)
    try:
        with opened(conn_id, folder) as server:
            yield server
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _open_ftp(conn_id: str, folder: str, *, tls: bool) -> Iterator[FileServer]:
    from airflow.providers.ftp.hooks.ftp import FTPHook, FTPSHook

    hook = (FTPSHook if tls else FTPHook)(conn_id)
    try:
        hook.get_conn()
        yield _FtpServer(hook, conn_id, folder)
    except ftplib.error_perm as error:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server refuses the login ({_reply_code(error)})"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server's certificate is not trusted ({error.verify_message})"
        ) from None
    except (OSError, EOFError, ftplib.Error) as error:
        raise _unreachable_error(conn_id, error) from None
    finally:
        if hook.conn is not None:
            hook.conn.close()


class _RemoteFolder(ABC):
    """What both kinds of servers have in common. ``delete``, ``rename``: how a kind does it to a path."""

    def __init__(
        self, conn_id: str, folder: str, delete: Callable[[str], object], rename: Callable[[str, str], object]
    ) -> None:
        self._conn_id, self._folder, self._delete, self._rename = conn_id, folder, delete, rename

    def delete(self, file: RemoteFile) -> None:
        """See ``FileServer``."""
        with self._one_file():
            self._delete(self._path(file.name))

    def move(self, file: RemoteFile, folder: str, name: str) -> None:
        """See ``FileServer``."""
        with self._one_file():
            self._rename(self._path(file.name), _join_path(folder, name))

    def _path(self, name: str) -> str:
        return _join_path(self._folder, name)

    @abstractmethod
    def _one_file(self) -> AbstractContextManager[None]:
        """Around what is done to one file: turns a refusal of it into ``FileSkipped``."""


class _FtpServer(_RemoteFolder):
    """A folder of an FTP server. Fulfils ``FileServer``."""

    def __init__(self, hook: FTPHook, conn_id: str, folder: str) -> None:
        super().__init__(conn_id, folder, hook.delete_file, hook.rename)
        self._hook = hook

    def files(self) -> Sequence[RemoteFile]:
        """See ``FileServer``."""
        try:
            try:
                return self._described()
            except ftplib.error_perm as error:
                if _reply_code(error) not in _NOT_BUILT:
                    raise
                return self._named()
        except ftplib.error_perm as error:
            raise _folder_error(self._conn_id, self._folder, _reply_code(error)) from None

    def _described(self) -> list[RemoteFile]:
        entries = self._hook.describe_directory(self._folder)
        return [
            RemoteFile(name, int(facts["size"]), facts.get("modify", ""))
            for name, facts in entries.items()
            if facts.get("type") == "file" and re.fullmatch(r"[0-9]{1,18}", facts.get("size", ""))
        ]

    def _named(self) -> list[RemoteFile]:
        """For servers without MLSD: names only, so each is asked for; a folder has no size."""
        found = []
        conn = self._hook.get_conn()
        try:
            names = self._hook.list_directory(self._folder)
        except ftplib.error_perm:  # what some servers say of an empty folder, too: one that is there can be entered
            home = conn.pwd()
            conn.cwd(self._folder)
            conn.cwd(home)
            return []
        conn.voidcmd("TYPE I")  # in text mode servers refuse to tell sizes
        for path in names:
            name = path.removeprefix(f"{self._folder.rstrip('/')}/")
            try:
                size = conn.size(self._path(name))
                modified = conn.sendcmd(f"MDTM {self._path(name)}")
            except ftplib.error_perm:
                continue
            except ValueError:  # a line break in the name
                size, modified = 0, ""
            found.append(RemoteFile(name, size or 0, modified))
        return found

    def read(self, file: RemoteFile, limit: int) -> bytes:
        """See ``FileServer``."""
        data = bytearray()

        def take(block: bytes) -> None:
            data.extend(block)
            if len(data) > limit:
                raise _FileTooLargeError

        try:
            with self._one_file():
                self._hook.retrieve_file(self._path(file.name), None, callback=take)
        except _FileTooLargeError:
            self._hook.get_conn().close()  # its answer to the broken transfer would be taken for the next one's
            self._hook.conn = None
        return bytes(data)

    @contextmanager
    def _one_file(self) -> Iterator[None]:
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise FileSkipped(f"the server refuses it ({_reply_code(error)}); check the rights there") from None


class _FileTooLargeError(Exception):
    """More came than was listed."""


@contextmanager
def _open_sftp(conn_id: str, folder: str) -> Iterator[FileServer]:
    import paramiko
    from airflow.providers.sftp.hooks.sftp import SFTPHook
    from airflow.sdk.exceptions import AirflowException

    try:
        # One attempt: Airflow repeats the task, and a refused login must not be repeated at all.
        hook = SFTPHook(conn_id, conn_retry_attempts=1)
    except (AirflowException, ValueError) as error:
        raise ConfigurationError(f"connection {conn_id!r}: {error}") from None
    try:
        with hook.get_managed_conn() as conn:
            yield _SftpServer(conn, conn_id, folder)
    except paramiko.BadHostKeyException:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server shows another host key than the known one; ask its operator, then "
            "change the extra field host_key (or known_hosts)"
        ) from None
    except paramiko.AuthenticationException:
        raise ConfigurationError(f"connection {conn_id!r}: the server refuses the login") from None
    except paramiko.SSHException as error:
        if "known_hosts" in str(error):
            raise ConfigurationError(
                f"connection {conn_id!r}: the server's host key is not known; compare it with its operator, then put "
                "it into the extra field host_key as 'ssh-ed25519 AAAA...'"
            ) from None
        raise _unreachable_error(conn_id, error) from None
    except (OSError, EOFError) as error:
        raise _unreachable_error(conn_id, error) from None


class _SftpServer(_RemoteFolder):
    """A folder of an SFTP server. Fulfils ``FileServer``."""

    def __init__(self, conn: Any, conn_id: str, folder: str) -> None:
        super().__init__(conn_id, folder, conn.remove, conn.rename)
        self._conn = conn

    def files(self) -> Sequence[RemoteFile]:
        """See ``FileServer``."""
        try:
            entries = self._conn.listdir_attr(self._folder)
        except (FileNotFoundError, PermissionError) as error:
            raise _folder_error(self._conn_id, self._folder, type(error).__name__) from None
        return [
            RemoteFile(entry.filename, entry.st_size or 0, str(entry.st_mtime))
            for entry in entries
            if entry.st_mode is None or stat.S_ISREG(entry.st_mode)
        ]

    def read(self, file: RemoteFile, limit: int) -> bytes:
        """See ``FileServer``."""
        with self._one_file(), self._conn.open(self._path(file.name), "rb") as opened:
            opened.prefetch(file.size)
            data: bytes = opened.read(limit + 1)
        return data

    @contextmanager
    def _one_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            channel = self._conn.get_channel()
            if isinstance(error, TimeoutError) or channel is None or channel.closed:
                raise
            what = error.strerror or type(error).__name__
            raise FileSkipped(f"the server refuses it ({what}); check the rights there") from None


_OPENERS: Mapping[str, Callable[[str, str], AbstractContextManager[FileServer]]] = {
    "ftp": partial(_open_ftp, tls=False),
    "ftps": partial(_open_ftp, tls=True),
    "sftp": _open_sftp,
}


def _join_path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _reply_code(error: Exception) -> str:
    """The number of an FTP answer; its words may hold names."""
    return str(error)[:3]


def _folder_error(conn_id: str, folder: str, why: Any) -> ConfigurationError:
    return ConfigurationError(
        f"connection {conn_id!r}: folder {folder!r} (files.fetch.folder) can not be listed ({why})"
    )


def _unreachable_error(conn_id: str, error: BaseException) -> TransientError:
    return TransientError(
        f"connection {conn_id!r}: the server can not be reached, or broke off ({type(error).__name__})"
    )
