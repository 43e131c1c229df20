"""The order desk in a large ledger: p95 of each page, and of Airflow's health endpoint beside it.

    python benchmarks/desk.py [--orders 1000000] [--requests 200] [--databases SQLite,PostgreSQL]

A real Airflow API server with the desk in it, on a ledger that the database fills itself. First each page alone, then
the health endpoint idle, beside five users who open a page per second each, and beside two who open pages without
pause. Prints Markdown and writes it to
``benchmarks/desk.md``. Exits with 1 if a page's p95 is above 150 ms, or the health endpoint's beside five users above
two times the idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from feed import ROOT, api_server, ledgers, p95  # it also sets the import path
from tests.support.archived_orders import PIPELINE, Relay, plain_orders
from tests.support.past_orders import write_past

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger, migrate

MOST_MS = 150.0
MOST_TIMES = 2.0
WARM_UP = 20
BUSY = {"five users, a page per second each": (5, 1.0), "two users without pause": (2, 0.0)}
"""Users beside the health endpoint: their number, and the seconds between two pages."""


def pages(orders: int, archived: int) -> dict[str, list[str]]:
    """What is opened, by the name of the row: paths below the desk's root, taken in turn."""
    some = [orders * part // 20 for part in range(1, 20)]
    return {
        "Today": ["/"],
        "Orders": ["/orders"],
        "Orders: a state": [f"/orders?state={state}" for state in ("imported", "quarantined", "held")],
        "Orders: prefix of a number": [f"/orders?q=N{number // 100}" for number in some],
        "Orders: OMS id": [f"/orders?q=O{number}" for number in some],
        "Orders: customer PO": [f"/orders?q=PO{number}" for number in some],
        "Orders: nothing found": ["/orders?q=unknown-number"],
        "Order": [f"/orders/{number}" for number in some],
        "Order in the archive": [f"/orders/{number}" for number in range(archived, archived + 20)],
        "Needs attention": ["/attention"],
        "Tables": ["/tables"],
        "Health": ["/health"],
        "A run's orders": [f"/runs/{PIPELINE}/r{number // 300}" for number in some],
        "Tile of the home page": ["/tile.json"],
    }


def stocked(url: str, store: BatchStore, orders: int) -> int:
    """A migrated ledger of ``orders`` orders, and 20 more in the archive; returns the first id of these."""
    migrate(url)
    accounts = {"source": "supercat:https://shop.example/demo", "destination": "shopatron:https://oms.example/1"}
    write_past(url, PIPELINE, orders, **accounts)
    with closing(Ledger.open(url)) as ledger:
        return min(Relay(ledger, store, first_batch=10**9).imported(*plain_orders(20)))


class Times(NamedTuple):
    """Milliseconds of requests. ``cpu``: of the server's CPU per request, which other load does not change."""

    median: float
    p95: float
    cpu: float | None = None

    @classmethod
    def of(cls, taken: list[float], cpu: float | None = None) -> Times:
        """Of the times of single requests."""
        return cls(statistics.median(taken), p95(taken), cpu)

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" / {self.cpu:.0f}"
        return f"{self.median:.0f} / {self.p95:.0f}{cpu}"


@dataclass
class Client:
    """A signed-in user. ``wrong``: answers other than 200."""

    address: str
    token: str
    wrong: list[str] = field(default_factory=list)

    def server_cpu_s(self) -> float:
        """Seconds of CPU that the API server has used."""
        port, used = self.address.rpartition(":")[2], 0.0
        for process in psutil.process_iter(["cmdline", "cpu_times"]):
            line, times = " ".join(process.info["cmdline"] or ()), process.info["cpu_times"]
            if port in line and "api" in line and times:
                used += times.user + times.system
        return used

    def get(self, path: str) -> float:
        """Milliseconds of one request."""
        request = urllib.request.Request(self.address + path, headers={"Cookie": f"_token={self.token}"})
        begun = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            self.wrong.append(f"{error.code} {path}")
        return (time.perf_counter() - begun) * 1000


def sign_in(address: str, password_file: Path) -> str:
    """A token of ``admin``."""
    login = {"username": "admin", "password": json.loads(password_file.read_text())["admin"]}
    request = urllib.request.Request(
        f"{address}/auth/token", json.dumps(login).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["access_token"])


def each_page(client: Client, paths: dict[str, list[str]], requests: int) -> Iterator[tuple[str, Times]]:
    """The times of each page, one request after the other."""
    for name, mine in paths.items():
        for number in range(WARM_UP):
            client.get(f"/order-desk{mine[number % len(mine)]}")
        begun = client.server_cpu_s()
        taken = [client.get(f"/order-desk{mine[number % len(mine)]}") for number in range(requests)]
        yield name, Times.of(taken, 1000 * (client.server_cpu_s() - begun) / requests)


def health(client: Client, requests: int) -> Times:
    """The times of Airflow's health endpoint, twenty requests per second."""
    taken = []
    for _ in range(requests):
        taken.append(client.get("/api/v2/monitor/health"))
        time.sleep(0.05)
    return Times.of(taken)


def health_beside(client: Client, paths: list[str], requests: int, users: int, pause_s: float) -> Times:
    """The times of the health endpoint while users open all pages."""
    over, opened = threading.Event(), [0] * users

    def use(number: int) -> None:
        mine = Client(client.address, client.token, client.wrong)
        while not over.is_set():
            mine.get(f"/order-desk{paths[opened[number] % len(paths)]}")
            opened[number] += 1
            over.wait(pause_s)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    found = health(client, requests)
    over.set()
    for thread in threads:
        thread.join()
    return found


def main() -> int:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=1_000_000)
    options.add_argument("--requests", type=int, default=200)
    options.add_argument("--databases", default="SQLite,PostgreSQL")
    chosen = options.parse_args()
    times: dict[str, dict[str, Times]] = {}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="order-relay-desk-") as folder, ledgers(Path(folder)) as kinds:
        for kind in chosen.databases.split(","):
            home = Path(folder) / f"home-{kind}"
            (home / "order_relay").mkdir(parents=True)
            url = f"sqlite:///{home}/order_relay/ledger.sqlite" if kind == "SQLite" else kinds[kind]("desk")
            archived = stocked(url, BatchStore((home / "order_relay" / "batches").as_uri()), chosen.orders)
            with api_server(home, "" if kind == "SQLite" else url) as address:
                client = Client(address, sign_in(address, home / "passwords.json"))
                paths = pages(chosen.orders, archived)
                found = times[kind] = {}
                for name, taken in each_page(client, paths, chosen.requests):
                    found[name] = taken
                    print(f"{kind}: {name}: {taken} ms", flush=True)
                found["Airflow's health endpoint, idle"] = idle = health(client, chosen.requests)
                every = [path for mine in paths.values() for path in mine]
                for name, (users, pause_s) in BUSY.items():
                    busy = health_beside(client, every, chosen.requests, users, pause_s)
                    found[f"Airflow's health endpoint beside {name}"] = busy
                    print(f"{kind}: health {idle} ms, {busy} ms beside {name}", flush=True)
                wrong += client.wrong
    table = written(times, chosen.orders)
    (ROOT / "benchmarks" / "desk.md").write_text(table)
    print(table)
    print("\n".join(sorted(set(wrong))[:20]))
    return int(bool(wrong) or failed(times))


def written(times: dict[str, dict[str, Times]], orders: int) -> str:
    """The table as Markdown."""
    lines = [
        f"Milliseconds at {orders:,} orders: median, p95, and the server's CPU per request. Load average meanwhile: "
        f"{os.getloadavg()[2]:.0f}.",
        "",
        f"| page | {' | '.join(times)} |",
        f"|---|{'---:|' * len(times)}",
        *(
            f"| {name} | {' | '.join(str(found[name]) for found in times.values())} |"
            for name in next(iter(times.values()))
        ),
    ]
    return "\n".join(lines) + "\n"


def failed(times: dict[str, dict[str, Times]]) -> bool:
    """Whether a target is missed."""
    for found in times.values():
        *mine, idle, busy, _ = (one.p95 for one in found.values())
        if max(mine) > MOST_MS or busy > MOST_TIMES * idle:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
