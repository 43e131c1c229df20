"""Databases for tests: migrated, fresh for every test, SQLite and PostgreSQL alike.

``ledger_url`` runs a test on both; ``sqlite_url`` and ``postgres_url`` on one. PostgreSQL is a private cluster on a
unix socket, one per pytest process, run as its own operating system user where the tests run as root. Where its
programs are not installed these tests are skipped, unless ``ORDER_RELAY_REQUIRE_POSTGRES=1``, which makes them fail.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from order_relay.ledger import migrate
from tests.support import speedups as quicker

REQUIRED = "ORDER_RELAY_REQUIRE_POSTGRES"
_TEMPLATE = "ledger_template"
_numbers = itertools.count(1)


def postgres_bin() -> Path | None:
    """The folder with ``initdb`` and ``postgres``: Debian's newest version, or the one in PATH."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("postgres") else None


def _server_user() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then as its own user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


class Cluster:
    """A private PostgreSQL cluster under ``home`` (made for it, removed with it), reached by a unix socket only.

    In memory, where there is room, unless a folder is given. ``kept``: the home of a cluster that is left for the next
    process, and made only if it is missing.
    """

    def __init__(self, programs: Path, folder: Path | None = None, *, kept: Path | None = None) -> None:
        self._programs, self._kept = programs, kept is not None
        # the socket's path must be short, so not pytest's own folders
        self.home = kept or Path(tempfile.mkdtemp(prefix="order-relay-pg-", dir=folder or quicker.memory()))
        self.home.mkdir(parents=True, exist_ok=True)
        self._as_user = _server_user()
        if "user" in self._as_user:
            os.chown(self.home, int(str(self._as_user["user"])), int(str(self._as_user["group"])))

    def start(self) -> None:
        """Make the cluster and wait until it answers."""
        data = self.home / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "relay", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.home),
            "max_connections": "60",
            "shared_buffers": "32MB",
            "autovacuum": "off",
            "log_min_messages": "fatal",
        }
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in settings.items())
        self._run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(self.home / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it; at once and with its data, unless it is kept."""
        try:
            self._run(
                "pg_ctl", "-D", str(self.home / "data"), "-w", "-m", "fast" if self._kept else "immediate", "stop"
            )
        finally:
            if not self._kept:
                shutil.rmtree(self.home, ignore_errors=True)

    def restart(self) -> None:
        """As an administrator would in the middle of a load: open connections break."""
        self._run("pg_ctl", "-D", str(self.home / "data"), "-w", "-m", "fast", "-l", str(self.home / "log"), "restart")

    def pid(self) -> int:
        """The server's process."""
        return int((self.home / "data" / "postmaster.pid").read_text().splitlines()[0])

    def url(self, database: str) -> str:
        """The database's URL for SQLAlchemy."""
        return f"postgresql+psycopg://relay@/{database}?host={self.home}"

    def admin(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(f"host={self.home} user=relay dbname=postgres", autocommit=True) as conn:
            conn.execute(statement)

    def make_template(self) -> None:
        """The database that ``copy_template`` copies."""
        self.admin(f"CREATE DATABASE {_TEMPLATE}")
        migrate(self.url(_TEMPLATE))

    def copy_template(self, name: str) -> str:
        """A migrated, empty ledger of this name; its URL."""
        with psycopg.connect(f"host={self.home} user=relay dbname=postgres", autocommit=True) as conn:
            as_files = " STRATEGY FILE_COPY" if conn.info.server_version >= 150_000 else ""  # before, the only way
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}{as_files}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        log = self.home / f"{program}.out"
        with log.open("w") as out:  # not a pipe: pg_ctl hands its streams on to the server, and it would never end
            result = subprocess.run(
                [str(self._programs / program), *arguments],
                cwd=self.home,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(self.home)},
                **self._as_user,  # type: ignore[call-overload]
            )
        if result.returncode:
            raise RuntimeError(f"{program} failed ({result.returncode}): {log.read_text(errors='replace')[-2_000:]}")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The private cluster, with a migrated template database."""
    programs = postgres_bin()
    if programs is None:
        problem = "PostgreSQL's server programs (initdb, postgres) are not installed"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{problem}, and {REQUIRED}=1")
        pytest.skip(problem)
    cluster = Cluster(programs)
    try:
        cluster.start()
        cluster.make_template()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("ledger") / "template.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite ledger."""
    path = tmp_path / f"ledger-{next(_numbers)}.sqlite"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """A migrated, empty PostgreSQL ledger."""
    name = f"ledger_{os.getpid()}_{next(_numbers)}"
    yield postgres_cluster.copy_template(name)
    postgres_cluster.admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty ledger; the test runs once on each kind of database."""
    return str(request.getfixturevalue(f"{request.param}_url"))
