"""File servers, through the hooks of Airflow's providers for FTP, FTPS and SFTP.

These hooks wait indefinitely for a server that does not respond, so every socket opened here gets a time-out.
"""

from __future__ import annotations

import ftplib
import io
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
from order_relay.errors import ConfigurationError, TransientError, missing_package
from order_relay.pipeline.fulfilment.portal_files import UploadServer
from order_relay.pipeline.fulfilment.status_fetch import FileServer, FileSkipped, RemoteFile

if TYPE_CHECKING:
    from airflow.providers.ftp.hooks.ftp import FTPHook

READ_TIMEOUT_S = 60.0
"""Longest wait without receiving data."""

_NOT_IMPLEMENTED = ("500", "501", "502", "504")  # RFC 959


@contextmanager
def open_file_server(conn_id: str, folder: str) -> Iterator[FileServer]:
    """A folder of a file server, from an Airflow connection of type ``ftp``, ``ftps`` or ``sftp``.

    Raises ``ConfigurationError`` for an undefined connection, another type, a missing provider, a refused login, an
    unknown host key, an untrusted certificate, or a folder that cannot be listed; ``TransientError`` if the server
    cannot be reached.
    """
    opened = _OPENERS.get(_connection_type(conn_id, "files.fetch"))
    if opened is None:
        raise ConfigurationError(f"connection {conn_id!r} (files.fetch.connection): type must be ftp, ftps or sftp")
    with socket_timeout(), opened(conn_id, folder) as server:
        yield server


@contextmanager
def open_upload_server(conn_id: str, folder: str) -> Iterator[UploadServer]:
    """A folder to which files are written, from an Airflow connection of type ``sftp``; raises as ``open_file_server``.

    FTP is left out: its renaming may replace a file of somebody else.
    """
    if _connection_type(conn_id, "portal_files") != "sftp":
        raise ConfigurationError(f"connection {conn_id!r} (portal_files.connection): type must be sftp")
    with socket_timeout(), _open_sftp(conn_id, folder, "portal_files") as server:
        yield server


def _connection_type(conn_id: str, section: str) -> str:
    raw = read_connection(conn_id)
    if raw is None:
        raise ConfigurationError(f"connection {conn_id!r} ({section}.connection) is not defined; add it in Airflow")
    return raw.conn_type or ""


@contextmanager
def socket_timeout() -> Iterator[None]:
    """Limits each wait of the sockets that are opened meanwhile, for hooks that set no time-out."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(READ_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _open_ftp(conn_id: str, folder: str, *, tls: bool) -> Iterator[FileServer]:
    try:
        from airflow.providers.ftp.hooks.ftp import FTPHook, FTPSHook
    except ImportError as error:
        raise _provider_error(conn_id, "apache-airflow-providers-ftp", error) from None
    hook = (FTPSHook if tls else FTPHook)(conn_id)
    try:
        hook.get_conn()
        yield _FtpServer(hook, conn_id, folder)
    except ftplib.error_perm as error:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server refused the login ({_reply_code(error)})"
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
    """Common to all protocols. ``delete`` and ``rename`` act on a path."""

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
        """Wraps an operation on one file: the server's refusal becomes ``FileSkipped``."""


class _FtpServer(_RemoteFolder):
    """A folder of an FTP server. Implements ``FileServer``."""

    def __init__(self, hook: FTPHook, conn_id: str, folder: str) -> None:
        super().__init__(conn_id, folder, hook.delete_file, hook.rename)
        self._hook = hook

    def files(self) -> Sequence[RemoteFile]:
        """See ``FileServer``."""
        try:
            try:
                return self._described()
            except ftplib.error_perm as error:
                if _reply_code(error) not in _NOT_IMPLEMENTED:
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
        """For servers without MLSD, which list names only. Folders have no size."""
        found = []
        conn = self._hook.get_conn()
        try:
            names = self._hook.list_directory(self._folder)
        except ftplib.error_perm:  # some servers answer this for an empty folder: an existing one can be entered
            home = conn.pwd()
            conn.cwd(self._folder)
            conn.cwd(home)
            return []
        conn.voidcmd("TYPE I")  # in text mode servers refuse SIZE
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
            self._hook.get_conn().close()  # its reply to the aborted transfer would be taken for the next one's
            self._hook.conn = None
        return bytes(data)

    @contextmanager
    def _one_file(self) -> Iterator[None]:
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise _file_skipped(_reply_code(error)) from None


class _FileTooLargeError(Exception):
    """The file is larger than listed."""


@contextmanager
def _open_sftp(conn_id: str, folder: str, section: str = "files.fetch") -> Iterator[_SftpServer]:
    from airflow.sdk.exceptions import AirflowException

    try:
        import paramiko
        from airflow.providers.sftp.hooks.sftp import SFTPHook
    except ImportError as error:
        raise _provider_error(conn_id, "apache-airflow-providers-sftp", error, section) from None
    try:
        # One attempt: Airflow retries the task, and a refused login must not be retried at all.
        hook = SFTPHook(conn_id, conn_retry_attempts=1)
    except (AirflowException, ValueError) as error:
        raise ConfigurationError(f"connection {conn_id!r}: {error}") from None
    try:
        with hook.get_managed_conn() as conn:
            yield _SftpServer(conn, conn_id, folder, section)
    except paramiko.BadHostKeyException:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server's host key has changed; verify it with the server's administrator, "
            "then update the extra field host_key (or known_hosts)"
        ) from None
    except paramiko.AuthenticationException:
        raise ConfigurationError(f"connection {conn_id!r}: the server refused the login") from None
    except paramiko.SSHException as error:
        if "known_hosts" in str(error):
            raise ConfigurationError(
                f"connection {conn_id!r}: the server's host key is unknown; verify it with the server's administrator, "
                "then set the extra field host_key to it, such as 'ssh-ed25519 AAAA...'"
            ) from None
        raise _unreachable_error(conn_id, error) from None
    except (OSError, EOFError) as error:
        raise _unreachable_error(conn_id, error) from None


class _SftpServer(_RemoteFolder):
    """A folder of an SFTP server, an ``UploadServer``: SFTP's own renaming (not ``posix-rename``) replaces no file."""

    def __init__(self, conn: Any, conn_id: str, folder: str, section: str) -> None:
        super().__init__(conn_id, folder, conn.remove, conn.rename)
        self._conn, self._section = conn, section

    def files(self) -> Sequence[RemoteFile]:
        """See ``FileServer``."""
        try:
            entries = self._conn.listdir_attr(self._folder)
        except (FileNotFoundError, PermissionError) as error:
            raise _folder_error(self._conn_id, self._folder, type(error).__name__, self._section) from None
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

    def write(self, name: str, data: bytes) -> None:
        """See ``UploadServer``."""
        with self._one_file():
            self._conn.putfo(io.BytesIO(data), self._path(name), confirm=True)

    @contextmanager
    def _one_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            channel = self._conn.get_channel()
            if isinstance(error, TimeoutError) or channel is None or channel.closed:
                raise
            raise _file_skipped(error.strerror or type(error).__name__) from None


_OPENERS: Mapping[str, Callable[[str, str], AbstractContextManager[FileServer]]] = {
    "ftp": partial(_open_ftp, tls=False),
    "ftps": partial(_open_ftp, tls=True),
    "sftp": _open_sftp,
}


def _join_path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _reply_code(error: Exception) -> str:
    """The code of an FTP reply; its text may contain names."""
    return str(error)[:3]


def _file_skipped(reason: str) -> FileSkipped:
    return FileSkipped(f"the server refused access ({reason}); check the permissions on the server")


def _folder_error(conn_id: str, folder: str, reason: Any, section: str = "files.fetch") -> ConfigurationError:
    return ConfigurationError(
        f"connection {conn_id!r}: folder {folder!r} ({section}.folder) cannot be listed ({reason})"
    )


def _provider_error(conn_id: str, package: str, error: ImportError, where: str = "files.fetch") -> ConfigurationError:
    return missing_package(f"connection {conn_id!r} ({where}.connection)", package, error)


def _unreachable_error(conn_id: str, error: BaseException) -> TransientError:
    return TransientError(
        f"connection {conn_id!r}: the server cannot be reached, or closed the connection ({type(error).__name__})"
    )
