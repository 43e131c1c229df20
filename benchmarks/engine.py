"""One run of the engine, extract to acknowledge, without Airflow, in a separate process.

    python benchmarks/engine.py --url http://127.0.0.1:PORT --folder DIR --connections 16

prints one JSON object: seconds and CPU seconds of the whole run, seconds per stage, peak memory (KiB) and the memory of
the process before the first stage. Full durability: a SQLite ledger in WAL mode with ``synchronous=FULL`` and a
``file://`` batch store, both in DIR; ``--ledger URL`` takes an empty database instead. With ``--profile FILE`` the run
is profiled (cProfile) and slower. With ``--settle`` runs follow until no order is in doubt any more, at most five; they
are not measured.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - the stages import it when they need it; imports are not part of the measured time
from measuring import cpu_seconds, peak_kib

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.ledger import Ledger, migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.model import StageTime
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.run import PipelineRun, run_once
from order_relay.pipeline.settings.sections import ChunkSettings
from order_relay.wiring.pipeline import Wiring

PIPELINE = "supercat_to_shopatron"

MAX_SETTLING_RUNS = 5


class Watch:
    """Runs stages and records duration, CPU time and peak memory so far."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.peak_kib: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage."""
        started, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.stages[name] = time.perf_counter() - started
        self.cpu[name] = cpu_seconds() - cpu
        self.peak_kib[name] = peak_kib()


class Engine:
    """The pipeline as assembled by wiring, on a new ledger and batch store."""

    def __init__(self, url: str, folder: Path, connections: int, ledger_url: str = "") -> None:
        ledger_url = ledger_url or f"sqlite:///{folder}/ledger.sqlite"
        migrate(ledger_url)
        self.ledger = Ledger.open(ledger_url)
        self.store = BatchStore((folder / "batches").as_uri())
        self.ctx = RunContext(PIPELINE, "bench__1")
        self.run_number = 1
        supercat = Connection("supercat_default", host=url, login="bench", password="bench", extra={"org": "bench"})
        account = {"manufacturer_id": 1010, "catalog_id": 0}
        extra = {"token_url": f"{url}/oauthserver/oauth2/token", "connections": connections, **account}
        shopatron = Connection("shopatron_default", host=f"{url}/api/v2", login="bench", password="bench", extra=extra)
        known = {connection.conn_id: connection for connection in (supercat, shopatron)}
        self.wiring = Wiring.for_pipeline(PIPELINE, known.__getitem__, ledger_url, self.store.url)
        # One process, so one chunk: chunks distribute a run over processes. A ledger that has run before does not look
        # its orders up before their first POST.
        settings = self.wiring.settings
        load = settings.load.model_copy(update={"lookup_before_send": "never"})
        self.wiring.settings = settings.model_copy(update={"chunks": ChunkSettings(at_most=1), "load": load})
        self.wiring.check()  # builds source, transformer and store; not part of the measured time
        self.wiring.destination  # noqa: B018 - likewise

    def run(self, watch: Watch) -> None:
        """Run all stages, each with the result of the one before. A failed load ends the measurement."""
        done = run_once(PipelineRun(self.ctx, self.wiring, self.ledger), stage=watch.stage)
        if done.failed:
            raise SystemExit(f"{', '.join(done.failed)} failed")

    def settle(self) -> int:
        """Run again until no order is in doubt; returns how many are at the end."""
        while (doubtful := self._in_doubt()) and self.run_number <= MAX_SETTLING_RUNS:
            self.run_number += 1
            run_once(PipelineRun(RunContext(PIPELINE, f"bench__{self.run_number}"), self.wiring, self.ledger))
        return doubtful

    def _in_doubt(self) -> int:
        return self.ledger.accounting.counts(PIPELINE, None)["states"].get("in_doubt", 0)

    def report(self, watch: Watch) -> None:
        """Run the accounting check; raises ``SystemExit`` if it fails. Not part of the measured time."""
        stages = [StageTime(name, seconds) for name, seconds in watch.stages.items()]
        result = write_report(self.ctx, self.ledger, self.store, stages=stages, full=True)
        if result.breaches:
            raise SystemExit("\n".join(result.breaches))


def measure(engine: Engine, *, report: bool = True) -> dict[str, Any]:
    """Measure one run; ``report``: run the accounting check after it."""
    watch, idle = Watch(), peak_kib()
    started, cpu = time.perf_counter(), cpu_seconds()
    engine.run(watch)
    result = {
        "seconds": time.perf_counter() - started,
        "cpu_s": cpu_seconds() - cpu,
        "stages": watch.stages,
        "stages_cpu": watch.cpu,
        "stages_peak_kib": watch.peak_kib,
        "idle_kib": idle,
        "peak_kib": peak_kib(),
    }
    if report:
        engine.report(watch)
    return result


def main() -> None:
    """Read the command line, run, and print the measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="the stand-in's address")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--ledger", default="", help="URL of an empty ledger database; default: a SQLite file in FOLDER"
    )
    parser.add_argument("--profile", type=Path, help="write cProfile's statistics here")
    parser.add_argument("--settle", action="store_true", help="run again until no order is in doubt")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    engine = Engine(options.url, options.folder, options.connections, options.ledger)
    if options.settle:
        result = measure(engine, report=False)
        print(json.dumps({**result, "in_doubt": engine.settle()}))
        return
    if options.profile:
        profile = cProfile.Profile()
        result = profile.runcall(measure, engine)
        profile.dump_stats(options.profile)
    else:
        result = measure(engine)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
