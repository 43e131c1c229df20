"""Ledgers with a long past, filled once and copied for each measurement."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from tests.support.databases import Cluster, postgres_bin
from tests.support.past_orders import write_past

from order_relay.ledger import migrate

PIPELINE = "supercat_to_shopatron"
PORT = 18_765
"""Of the sandbox: its address is part of the accounts, to which a ledger is bound for good."""

_SOURCE, _DESTINATION = f"supercat:http://127.0.0.1:{PORT}/demo", f"shopatron:http://127.0.0.1:{PORT}/1042"


@dataclass
class PastLedgers:
    """Ledgers in one kind of database. ``folder``: of those that are filled once."""

    folder: Path
    cluster: Cluster | None
    _copies: list[str] = field(default_factory=list)

    def copy(self, orders: int, name: str) -> str:
        """The URL of a new ledger with this many past orders."""
        self._drop(name)
        if not self.cluster:
            shutil.copyfile(self._filled_file(orders), self._file(name))
            return f"sqlite:///{self._file(name)}"
        template = self._filled_database(self.cluster, orders)
        self._ask(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.cluster.url(name)

    def empty(self, name: str) -> str:
        """The URL of a database without tables."""
        self._drop(name)
        if not self.cluster:
            return f"sqlite:///{self._file(name)}"
        self._ask(f"CREATE DATABASE {name}")
        return self.cluster.url(name)

    def close(self) -> None:
        """Remove what was copied."""
        for name in self._copies:
            self._drop(name)

    def _filled_file(self, orders: int) -> Path:
        path = self._file(f"past_{orders}")
        if not path.exists():
            new = self._file("new")
            new.unlink(missing_ok=True)
            _fill(f"sqlite:///{new}", orders)
            new.rename(path)
        return path

    def _filled_database(self, cluster: Cluster, orders: int) -> str:
        name = f"past_{orders}"
        if (name,) not in self._ask("SELECT datname FROM pg_database"):
            self._ask("DROP DATABASE IF EXISTS past_new WITH (FORCE)")
            self._ask("CREATE DATABASE past_new")
            _fill(cluster.url("past_new"), orders)
            self._ask(f"ALTER DATABASE past_new RENAME TO {name}")
        return name

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.sqlite"

    def _drop(self, name: str) -> None:
        if name not in self._copies:
            self._copies.append(name)
        if self.cluster:
            self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._file(name)}{suffix}").unlink(missing_ok=True)

    def _ask(self, statement: str) -> list[tuple[object, ...]]:
        assert self.cluster is not None
        with psycopg.connect(f"host={self.cluster.home} user=relay dbname=postgres", autocommit=True) as conn:
            cursor = conn.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def past_ledgers(kind: str, kept: Path | None = None) -> Iterator[PastLedgers]:
    """``kind``: ``sqlite`` or ``postgres``. With ``kept``, filled ledgers are left in this folder for the next call.

    They are at the revision of the version that filled them; a newer one migrates each copy.
    """
    with tempfile.TemporaryDirectory(prefix="order-relay-past-") as temporary:
        folder = kept or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as its own user
        cluster = None
        if kind == "postgres":
            cluster = Cluster(postgres_bin() or Path(), folder, kept=kept and kept / "postgres")
            cluster.start()
        ledgers = PastLedgers(folder, cluster)
        try:
            yield ledgers
            ledgers.close()
        finally:
            if cluster:
                cluster.stop()


def _fill(url: str, orders: int) -> None:
    started = time.perf_counter()
    migrate(url)
    write_past(url, PIPELINE, orders, source=_SOURCE, destination=_DESTINATION)
    print(f"{orders:,} orders filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
