"""One trial: its own sandbox, ledger, batch store and engine, and the audit of the orders afterwards.

Runs in a process that ``forks`` started. Waits are short: leases last about a second, lookups have no delay.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import text

from order_relay.errors import OrderRelayError
from order_relay.ledger import migrate
from order_relay.ledger.delivery import lookups
from order_relay.ledger.write_back import feedback
from order_relay.orders.messages import RunContext
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.report.report import write_report
from order_relay_sandbox import ThreadedSandbox, running, serve_in_thread
from order_relay_sandbox.stand_in import RawOrder
from tests.support import engine as engine_module
from tests.support import speedups as quicker
from tests.support.engine import Engine
from tests.support.faults.case import UNSEEN, Case
from tests.support.faults.cases import CASES, SAMPLE_CASES, named

LEASE_S = 0.3
OPTIONS = {"lease_s": LEASE_S, "max_wait_s": 3.0, "settle_patience_s": 4.0}
RUNS = 12
UNQUIET = ("received", "ready", "sending", "in_doubt")


class _Offering(ThreadedSandbox):
    """Offers orders as the source dates them at that time."""

    def __init__(self, url: str, case: Case) -> None:
        super().__init__(url)
        self._now = case.now

    def offer(self, orders: Iterable[RawOrder], kind: str = "offered", source: str = "") -> int:
        dated = [self._now(dict(order)) if isinstance(order, Mapping) else order for order in orders]
        return super().offer(dated, kind, source)


class World:
    """The resources of one trial."""

    def __init__(self, case: Case, folder: Path, ledger_url: str = "", extra: Mapping[str, Any] | None = None) -> None:
        self.case, self.folder, self.ledger_url = case, folder, ledger_url
        self.extra = dict(extra or {})
        self.settings = dict(case.settings)
        self.url = ""
        self.runs = 0
        lookups.FIRST_DELAY = timedelta(milliseconds=10)
        lookups.LONGEST_DELAY = timedelta(milliseconds=10)
        feedback.FIRST_DELAY = feedback.LONGEST_DELAY = timedelta(milliseconds=10)

    @contextmanager
    def sandbox(self, scenario: Mapping[str, Any], orders: Iterable[Any]) -> Iterator[ThreadedSandbox]:
        """Run the vendors in a child process that ends with this one. The destination accepts every order."""
        side = self.case.destination_side
        scenario = {**scenario, side: {**self.case.harsh, **scenario.get(side, {})}}
        read_end, write_end = os.pipe()
        life, hold = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(hold)
            os.close(read_end)
            with suppress(BaseException):
                asyncio.run(_vendors(self.case, scenario, list(orders), write_end, life))
            os._exit(0)
        os.close(write_end)
        os.close(life)
        self.url = os.read(read_end, 200).decode()
        os.close(read_end)
        try:
            yield _Offering(self.url, self.case)
        finally:
            os.close(hold)
            os.waitpid(pid, 0)

    def engine(self, ledger_url: str = "", **options: Any) -> Engine:
        """A new worker."""
        connections = self.case.connect(self.url, **self.extra)
        url = ledger_url or self.ledger_url
        if not url:
            url = self.ledger_url = self.another_ledger("ledger")
        return Engine(self.folder, connections, url, self.case.pipeline, {**OPTIONS, **options}, self.settings)

    def another_ledger(self, name: str = "another") -> str:
        """An empty ledger on SQLite; its URL."""
        path = self.folder / f"{name}.sqlite"
        path.write_bytes(_warm["empty ledger"])
        return f"sqlite:///{path}"

    def in_child(self, work: Callable[[], Any]) -> int:
        """Run ``work`` in a child process. Returns its exit code, negative if a signal ended it."""
        return finish(start(work))

    def run(self, engine: Engine, name: str = "") -> str:
        """One run. Returns its error, or an empty string."""
        self.runs += 1
        try:
            engine.run(name or f"run-{self.runs}")
        except OrderRelayError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def until_quiet(self, engine: Engine, most: int = RUNS) -> list[str]:
        """Run until no order is open or nothing changes any more. Returns the runs' errors."""
        failures, before, same = [], None, 0
        for _ in range(most):
            time.sleep(self.waiting_s(engine))
            failures.append(self.run(engine))
            now = (engine.states(), tuple(self.unacknowledged(engine)))
            if not any(state in UNQUIET for state in now[0].values()) and not now[1] and not failures[-1]:
                break
            same = same + 1 if now == before else 0
            if same >= 3:
                break
            before = now
        return [failure for failure in failures if failure]

    def waiting_s(self, engine: Engine) -> float:
        """Seconds until every lease and time-out has expired, including that of unanswered acknowledgements."""
        quiet = 1.0 + float(self.extra.get("visible_after_s", 0.0))
        ends = _latest(engine, "send_before", "state IN ('sending', 'in_doubt')") + quiet
        if engine.wiring.source.windowed:
            ends = max(ends, _latest(engine, "ack_at", "ack = 'sent'") + engine.wiring.settings.acknowledge.given_up_s)
        return max(0.0, min(8.0, ends + 0.05 - time.time()))

    @staticmethod
    def unacknowledged(engine: Engine) -> list[str]:
        """Imported orders whose acknowledgement is not confirmed."""
        query = "SELECT source_id FROM submission WHERE state = 'imported' AND ack <> 'confirmed'"
        with engine.ledger.database.engine.connect() as conn:
            return sorted(row[0] for row in conn.execute(text(query)))

    def accounting_violations(self, engine: Engine) -> list[str]:
        """Violations found by the accounting check, over all archived batches."""
        ctx = RunContext(self.case.pipeline, "audit")
        return write_report(ctx, engine.ledger, engine.wiring.store, full=True).breaches

    def verdict(self, engine: Engine, sandbox: ThreadedSandbox, expected: Mapping[str, str]) -> dict[str, Any]:
        """The audit's findings; empty lists mean that nothing is wrong. ``expected``: state by source id."""
        states, seen = engine.states(), sandbox.report()
        doubt = sorted(engine.ids_in("in_doubt"))
        stored = {key: entry["count"] for key, entry in seen["orders"].items()}
        imported = engine.ids_in("imported")
        return {
            "lost": [
                f"{i}: {states.get(i, UNSEEN)}, not {state}"
                for i, state in expected.items()
                if states.get(i, UNSEEN) not in state.split(" or ") and i not in doubt
            ],
            "doubled": [*seen["doubled"], *_versions_twice(seen["offers"])],
            "totals": sandbox.pair(self.case.source_side, self.case.destination_side)["totals_differ"],
            "in_doubt": doubt,
            "early": seen["acknowledged_early"],
            "forbidden": [*seen["imported_forbidden"], *seen.get(self.case.source_side, {}).get("put_back", [])],
            "breaches": [
                *self.accounting_violations(engine),
                *_count_mismatches(stored, engine, len(imported), len(doubt)),
            ],
            "unacknowledged": sorted({*self.unacknowledged(engine)} - {*engine.ids_in("held")}),
            "stored": sum(stored.values()),
        }


def _latest(engine: Engine, column: str, where: str) -> float:
    """The latest of these times as a Unix timestamp, or 0 if there is none."""
    with engine.ledger.database.engine.connect() as conn:
        found = conn.execute(text(f"SELECT MAX({column}) FROM submission WHERE {where}")).scalar()
    if found is None:
        return 0.0
    when = found if isinstance(found, datetime) else datetime.fromisoformat(str(found))
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _versions_twice(offers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Orders of which the destination imported more than one version."""
    there = Counter(offer["uuid"] for offer in offers.values() if offer["imported"] and offer["uuid"])
    return [f"versions of {lineage}" for lineage, number in there.items() if number > 1]


def _count_mismatches(stored: Mapping[str, int], engine: Engine, imported: int, doubt: int) -> list[str]:
    """Differences between imported orders in the ledger and at the destination, apart from doubt."""
    if imported <= len(stored) <= imported + doubt:
        return []
    return [f"the ledger has {imported} imported and {doubt} in doubt, the destination {len(stored)}"]


def faults_of(verdict: Mapping[str, Any], *, doubt: bool = False, unacknowledged: bool = False) -> dict[str, Any]:
    """The entries of a verdict that are failures. ``doubt``: orders may be left in doubt."""
    names = ["lost", "doubled", "totals", "early", "forbidden", "breaches"]
    names += [] if doubt else ["in_doubt"]
    names += [] if unacknowledged or doubt else ["unacknowledged"]
    return {name: verdict[name] for name in names if verdict[name]}


def start(work: Callable[[], Any]) -> int:
    """Run ``work`` in a child process; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except SystemExit as exit_:
        code = int(str(exit_.code or 0))
    except BaseException:
        with suppress(OSError):  # it may not be able to write
            traceback.print_exc()
    os._exit(code)


def finish(pid: int) -> int:
    """Wait for a process. Returns its exit code, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def _vendors(case: Case, scenario: Mapping[str, Any], orders: list[Any], write_end: int, life: int) -> None:
    """Serve until the other end of ``life`` is closed."""
    async with running(scenario, orders, sources=[case.source_side]) as sandbox:
        closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(life, closed.set)
        os.write(write_end, sandbox.url.encode())
        await closed.wait()


@contextmanager
def world(params: Mapping[str, Any]) -> Iterator[World]:
    """The trial that ``params`` describe: ``case``, ``ledger_url`` (default: a SQLite file), ``extra``."""
    case = named(params["case"])
    with case.installed(), tempfile.TemporaryDirectory(prefix="order-relay-trial-") as place:
        yield World(case, Path(place), params.get("ledger_url", ""), params.get("extra"))


_warm: dict[str, bytes] = {}


def warm_up() -> None:
    """Make one complete run before the first fork, so that imports, schemas and migrations are loaded once."""
    VendorFormat.load = lru_cache(VendorFormat.load)  # type: ignore[method-assign]
    quicker.settle()
    with tempfile.TemporaryDirectory() as place:
        migrate(f"sqlite:///{place}/ledger.sqlite")
        _warm["empty ledger"] = Path(place, "ledger.sqlite").read_bytes()
    # every trial's ledger is a copy of a migrated one
    engine_module.migrate = lambda url: ""  # type: ignore[attr-defined]
    for case in (*CASES, *SAMPLE_CASES):
        case.plain(25)
        with (
            world({"case": case.name}) as here,
            serve_in_thread({}, [order for order, _ in case.examples()], sources=[case.source_side]) as sandbox,
        ):
            here.url = sandbox.url
            engine = here.engine()
            engine.run("warm")
            engine.wiring.close()
    gc.collect()
    gc.freeze()


def as_json(value: Any) -> Any:
    """A value as it is after the transfer from another process."""
    return json.loads(json.dumps(value, default=str))
