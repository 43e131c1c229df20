"""ShipRush's feed: cost of a page in a large ledger, and effect of load on Airflow's own pages.

    python benchmarks/feed.py [--orders 10000,1000000] [--seconds 20] [--clients 4]

First part: the same window of 200 orders (one page of 50, made in this process) in ledgers of each size, on SQLite
and, if installed, on PostgreSQL. Second part: a real Airflow API server while clients poll it and send
notices; p95 of Airflow's health endpoint before and under that load. Prints Markdown and writes it to
``benchmarks/feed.md``. Exits with 1 if the health endpoint's p95 under load is more than 3 times the idle one.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

import local_airflow  # noqa: E402
from tests.support.archived_orders import Relay, plain_orders  # noqa: E402
from tests.support.databases import Cluster, postgres_bin  # noqa: E402

from order_relay.batches import BatchStore  # noqa: E402
from order_relay.connections import Connection  # noqa: E402
from order_relay.endpoints.dependencies import Deployment  # noqa: E402
from order_relay.ledger import Ledger, migrate  # noqa: E402
from order_relay.ledger.schema.tables import event, submission  # noqa: E402
from order_relay.vendors.shiprush.connection import ShipRushSettings  # noqa: E402
from order_relay.vendors.shiprush.dates import write_date  # noqa: E402
from order_relay.vendors.shiprush.endpoint import FeedService  # noqa: E402
from order_relay.vendors.shiprush.parameters import Parameters  # noqa: E402

LOGIN, PASSWORD = "bench", "bench-password"
FEED = Connection("shiprush_feed", login=LOGIN, password=PASSWORD)
WINDOW_ORDERS = 200
DISTINCT = 50  # orders in the archive; the ledger's rows share them
NUMBERS = [order["order_number"] for order in plain_orders(DISTINCT)]
FIRST = datetime(2020, 1, 1, tzinfo=UTC)  # one order is modified every minute from here on


_NUMBERS = {
    "postgresql": "SELECT generate_series AS n FROM generate_series(1, :most)",
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most) SELECT n FROM c",
}
_AT = {
    "postgresql": "CAST(:first AS timestamptz) + ({id}) * interval '1 minute'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', :first, '+' || ({id}) || ' minutes')",
}
"""SQL for the numbers from 1 and for the time of an order's events, by database."""


def fill(ledger: Ledger, orders: int) -> None:
    """Multiply the imported orders and their events by copying.

    Each row is written once, without indexes (created at the end) and without foreign-key checks.
    """
    kind = ledger.database.engine.name
    number, at = "{of} + n.n * :step", _AT[kind]
    own = {
        name: f"s.{name} || '-' || n.n"
        for name in ("source_id", "lineage", "order_number", "destination_key", "oms_id")
    }
    copies = {
        submission: own | {"id": number.format(of="s.id")},
        event: {
            "submission_id": number.format(of="s.submission_id"),
            "at": at.format(id=number.format(of="s.submission_id")),
        },
    }
    parameters = {"step": DISTINCT, "most": orders // DISTINCT - 1, "first": f"{FIRST:%Y-%m-%d %H:%M:%S}"}
    with ledger.database.engine.begin() as conn:
        if kind == "postgresql":
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no look-up of foreign keys
            conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
        conn.execute(sa.text(f"UPDATE event SET at = {at.format(id='submission_id')}"), {"first": parameters["first"]})
        for table, changed in copies.items():
            names = [column.name for column in table.c if table is submission or column.name != "id"]
            values = ", ".join(changed.get(name, f's."{name}"') for name in names)
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            for index in indexes:
                index.drop(conn)
            quoted = ", ".join(f'"{name}"' for name in names)
            key = "id" if table is submission else "submission_id"
            conn.execute(
                sa.text(
                    f"INSERT INTO {table.name} ({quoted}) SELECT {values} FROM ({_NUMBERS[kind]}) n "
                    f"CROSS JOIN {table.name} s WHERE s.{key} <= :step"
                ),
                parameters,
            )
            for index in indexes:
                index.create(conn)
        conn.execute(sa.text("ANALYZE"))


def page_ms(ledger_url: str, store: BatchStore, orders: int, rounds: int = 15) -> list[float]:
    """Milliseconds per page of a window in the middle of the table, without caching."""
    parts = Deployment(lambda _: FEED, lambda: ledger_url, lambda: store)
    relay, settings = FeedService(parts), ShipRushSettings.from_connection(FEED)
    start = FIRST + timedelta(minutes=orders // 2)
    query = {
        "action": "export",
        "start_date": write_date(start),
        "end_date": write_date(start + timedelta(minutes=WINDOW_ORDERS - 1)),
    }
    with closing(parts):
        assert relay.export(settings, Parameters(query.items())).count(b"<Order>") == DISTINCT
        taken = []
        for _ in range(rounds):
            begun = time.perf_counter()
            relay.export(settings, Parameters(query.items()))
            taken.append((time.perf_counter() - begun) * 1000)
    return taken


@contextmanager
def ledgers(folder: Path) -> Iterator[dict[str, Callable[[str], str]]]:
    """Functions that create an empty database and return its URL, by kind."""
    with ExitStack() as stack:
        kinds: dict[str, Callable[[str], str]] = {"SQLite": lambda name: f"sqlite:///{folder / name}.sqlite"}
        programs = postgres_bin()
        if programs:
            cluster = Cluster(programs)
            stack.callback(cluster.stop)
            cluster.start()

            def make(name: str) -> str:
                cluster.admin(f"CREATE DATABASE {name}")
                return cluster.url(name)

            kinds["PostgreSQL"] = make
        yield kinds


def stocked(url: str, store: BatchStore, orders: int) -> None:
    """A migrated ledger at ``url`` with ``orders`` orders, all readable from the archive."""
    migrate(url)
    with closing(Ledger.open(url)) as ledger:
        Relay(ledger, store).imported(*plain_orders(DISTINCT))
        fill(ledger, orders)


# under load


@dataclass
class Measurements:
    """Measurements of the health endpoint and of the clients: milliseconds, and responses by status."""

    health_ms: list[float] = field(default_factory=list)
    feed_ms: list[float] = field(default_factory=list)
    notice_ms: list[float] = field(default_factory=list)
    wrong: int = 0


def call(url: str, data: bytes | None = None) -> tuple[int, float]:
    """Status and milliseconds of one request."""
    basic = b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(url, data=data, headers={"Authorization": f"Basic {basic}"})
    begun = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status, (time.perf_counter() - begun) * 1000


def watch(address: str, seen: Measurements, seconds: float) -> None:
    """Request the health endpoint twenty times per second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.health_ms.append(call(f"{address}/api/v2/monitor/health")[1])
        time.sleep(0.05)


def load(address: str, seen: Measurements, until: float, number: int) -> None:
    """One client: alternately a page of the feed and a notice."""
    begin = (FIRST + timedelta(minutes=1)).strftime("%m%%2F%d%%2F%Y+%H%%3A%M")
    end = (FIRST + timedelta(minutes=WINDOW_ORDERS)).strftime("%m%%2F%d%%2F%Y+%H%%3A%M")
    count = 0
    while time.monotonic() < until:
        count += 1
        status, taken = call(
            f"{address}/shiprush/orders?action=export&start_date={begin}&end_date={end}&page={count % 4 + 1}"
        )
        seen.feed_ms.append(taken)
        seen.wrong += status != 200
        body = (
            f"<ShipNotice><OrderNumber>{NUMBERS[count % DISTINCT]}</OrderNumber><Carrier>UPS</Carrier>"
            "<TrackingNumber>"
            f"{number}-{count}</TrackingNumber><Items><Item><SKU>X</SKU><Quantity>1</Quantity></Item></Items>"
            "</ShipNotice>"
        )
        status, taken = call(f"{address}/shiprush/orders?action=shipnotify", body.encode())
        seen.notice_ms.append(taken)
        seen.wrong += status != 200


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[18]


@contextmanager
def api_server(home: Path, ledger: str) -> Iterator[str]:
    """A real API server with our plugin; ``ledger``: its PostgreSQL URL, or empty for the default in ``home``."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    env = local_airflow.environment(
        home,
        {
            "AIRFLOW_CONN_SHIPRUSH_FEED": json.dumps({"conn_type": "shiprush", "login": LOGIN, "password": PASSWORD}),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        },
    )
    if ledger:
        url = sa.make_url(ledger)
        env["AIRFLOW_CONN_ORDER_RELAY_LEDGER"] = json.dumps(
            {
                "conn_type": "postgres",
                "host": "localhost",
                "login": url.username,
                "schema": url.database,
                "extra": {"host": url.query["host"]},
            }
        )
    local_airflow.airflow(["db", "migrate"], env, home / "migrate.log")
    command = [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    with local_airflow.running(command, home / "api-server.log", env):
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                call(f"{address}/api/v2/version")
                break
            except OSError:
                time.sleep(0.3)
        yield address


def under_load(home: Path, ledger: str, seconds: float, clients: int) -> tuple[Measurements, Measurements]:
    """Measurements idle and under load, in one run of one server."""
    idle, busy = Measurements(), Measurements()
    with api_server(home, ledger) as address:
        load(address, Measurements(), time.monotonic() + 3, 999)  # everything is imported and opened
        watch(address, idle, seconds / 2)
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=load, args=(address, busy, until, n)) for n in range(clients)]
        for thread in threads:
            thread.start()
        watch(address, busy, seconds)
        for thread in threads:
            thread.join()
    return idle, busy


def main() -> int:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", default="10000,1000000")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--clients", type=int, default=4)
    chosen = options.parse_args()
    lines = [
        f"A page of 50 orders out of a window of {WINDOW_ORDERS}, median of 15:",
        "",
        "| ledger | orders | ms per page |",
        "|---|---:|---:|",
    ]
    failed = False
    with tempfile.TemporaryDirectory(prefix="order-relay-feed-") as name, ledgers(Path(name)) as kinds:
        folder = Path(name)
        for kind, make in kinds.items():
            for orders in map(int, chosen.orders.split(",")):
                store = BatchStore((folder / f"store-{kind}-{orders}").as_uri())
                url = make(f"ledger_{orders}")
                stocked(url, store, orders)
                lines.append(f"| {kind} | {orders:,} | {statistics.median(page_ms(url, store, orders)):.1f} |")
                print(lines[-1], flush=True)
        lines += [
            "",
            f"{chosen.clients} clients that poll and send notices without pause, {chosen.seconds:.0f} s:",
            "",
            "| ledger | feed pages/s | p95 ms | notices/s | p95 ms | health p95 ms idle | under load | times |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for kind, make in kinds.items():
            home = folder / f"home-{kind}"
            (home / "order_relay").mkdir(parents=True)
            url = make("loaded") if kind != "SQLite" else f"sqlite:///{home}/order_relay/ledger.sqlite"
            stocked(url, BatchStore((home / "order_relay" / "batches").as_uri()), 10_000)
            idle, busy = under_load(home, "" if kind == "SQLite" else url, chosen.seconds, chosen.clients)
            times = p95(busy.health_ms) / p95(idle.health_ms)
            failed |= times > 3 or busy.wrong > 0
            lines.append(
                f"| {kind} | {len(busy.feed_ms) / chosen.seconds:.0f} | {p95(busy.feed_ms):.0f} | "
                f"{len(busy.notice_ms) / chosen.seconds:.0f} | {p95(busy.notice_ms):.0f} | {p95(idle.health_ms):.1f} | "
                f"{p95(busy.health_ms):.1f} | {times:.1f} |"
            )
            print(lines[-1], f"({busy.wrong} wrong answers)" if busy.wrong else "", flush=True)
    (ROOT / "benchmarks" / "feed.md").write_text("\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
