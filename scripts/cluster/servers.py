"""PostgreSQL, PgBouncer, Redis and the S3 stand-in: processes that can be killed, suspended and started again.

Their data is in a temporary folder. PostgreSQL and PgBouncer refuse to run as root, and then run as ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from local_airflow import ROOT, CommandError, stop
from ui import free_port

from cluster import compose

PATIENCE_S = 60.0
BUCKET, S3_KEY, S3_SECRET = "orders", "cluster", "cluster-secret"  # the stand-in accepts any


class Server:
    """A process that listens on a loopback port; ``start`` returns when it accepts connections."""

    name = ""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.log = log / f"{self.name}.log"
        self.port = free_port(0)
        self._user: int | None = None
        self._group: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What is started."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(self.folder)}

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raises ``CommandError``."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=self._user,
                group=self._group,
            )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process.poll() is None:
            if self.ready():
                return
            time.sleep(0.1)
        raise CommandError(f"{self.name} did not start; see {self.log}")

    def unprivileged(self, *paths: Path) -> None:
        """Run as the user ``postgres``, who gets the server's folder and ``paths``, if this process is root's."""
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self._user, self._group = entry.pw_uid, entry.pw_gid
            for path in (self.folder, *paths):
                os.chown(path, self._user, self._group)

    def ready(self) -> bool:
        """Whether it accepts connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and its children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL to the server and its children."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """End it, also if it is suspended."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            stop(self._process, 5.0)

    @property
    def pid(self) -> int:
        """Of its process, which must have been started."""
        assert self._process is not None  # noqa: S101
        return self._process.pid

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None


class PostgreSQL(Server):
    """A server with the databases and roles of ``deploy/databases.sh``; ``passwords``: its variables. ``settings``: of
    the server."""

    name = "postgres"

    def __init__(self, folder: Path, log: Path, passwords: Mapping[str, str], settings: Mapping[str, str] = {}) -> None:
        super().__init__(folder, log)
        self._settings = settings
        self._programs = _postgres_programs()
        secret = self.folder / "password"
        secret.write_text(passwords["POSTGRES_PASSWORD"])
        self.unprivileged(secret)
        self._once(
            *("initdb", "--pgdata", "data", "--username", "postgres", "--pwfile", "password", "--encoding", "UTF8"),
            *("--auth-local", "trust", "--auth-host", "scram-sha-256", "--locale", "C"),
        )
        self.start()
        subprocess.run(  # noqa: S603
            [str(ROOT / "deploy" / "databases.sh")],
            env={**self.environment(), **passwords, "PGHOST": str(self.folder), "PGPORT": str(self.port)},
            check=True,
        )

    def command(self) -> list[str]:  # noqa: D102
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        options |= self._settings
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *given]

    def ready(self) -> bool:  # noqa: D102
        asked = [str(self._programs / "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0  # noqa: S603

    def restart(self) -> None:
        """As an administrator would: open connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a fast shutdown
            self._process.wait(PATIENCE_S)
        self.start()

    def _once(self, program: str, *arguments: str) -> None:
        with self.log.open("ab") as out:
            subprocess.run(  # noqa: S603
                [str(self._programs / program), *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=out,
                stderr=out,
                check=True,
                user=self._user,
                group=self._group,
            )


def _postgres_programs() -> Path:
    """Debian's newest version, or the one in PATH."""
    installed = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if installed:
        return max(installed, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    if not found:
        raise CommandError("PostgreSQL's server programs are missing: apt-get install postgresql")
    return Path(found).resolve().parent


class PgBouncer(Server):
    """PgBouncer in transaction mode in front of the ledger's database."""

    name = "pgbouncer"

    def __init__(self, folder: Path, log: Path, postgres: PostgreSQL, passwords: Mapping[str, str]) -> None:
        super().__init__(folder, log)
        users, settings = self.folder / "users.txt", self.folder / "pgbouncer.ini"
        users.write_text(f'"order_relay" "{passwords["LEDGER_PASSWORD"]}"\n')
        settings.write_text(
            f"[databases]\norder_relay = host=127.0.0.1 port={postgres.port} dbname=order_relay\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 10\n"
            "max_client_conn = 500\n"
        )
        self.unprivileged(users, settings)
        self.start()

    def command(self) -> list[str]:  # noqa: D102
        return [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(self.folder / "pgbouncer.ini")]


class Redis(Server):
    """Celery's broker, with the options of ``docker-compose.yaml``."""

    name = "redis"

    def __init__(self, folder: Path, log: Path) -> None:
        super().__init__(folder, log)
        self.start()

    def command(self) -> list[str]:  # noqa: D102
        return [*compose.command("redis"), "--port", str(self.port), "--bind", "127.0.0.1"]


class ObjectStore(Server):
    """A stand-in for Amazon S3 with an empty bucket. Its objects are in memory, until it ends.

    ``refuse`` and ``serve`` close and open its port; ``signal(SIGSTOP)`` lets requests hang.
    """

    name = "s3"

    def __init__(self, folder: Path, log: Path, python: Path) -> None:
        super().__init__(folder, log)
        self._python = python
        self.start()

    def command(self) -> list[str]:  # noqa: D102
        return [str(self._python), str(Path(__file__).with_name("s3_stand_in.py")), str(self.port), BUCKET]

    def refuse(self) -> None:
        """Close the port; the objects are kept."""
        self.signal(signal.SIGUSR1)
        while self.ready():
            time.sleep(0.05)

    def serve(self) -> None:
        """Open the port again."""
        self.signal(signal.SIGUSR2)
        while not self.ready():
            time.sleep(0.05)


def python_of_cluster() -> Path:
    """The interpreter of the environment that ``scripts/cluster.sh`` makes. Raises ``CommandError``."""
    python = ROOT / "build" / "cluster" / "venv" / "bin" / "python"
    if not python.exists():
        raise CommandError(f"{python} is missing; run scripts/cluster.sh (executed by {sys.executable})")
    return python
