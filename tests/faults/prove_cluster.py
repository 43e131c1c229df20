"""The cluster profile of the fault suite: ``make prove CLUSTER=1``. Real services are killed while orders are sent.

It runs on what ``scripts/cluster.sh`` starts: PostgreSQL, Redis, an S3 stand-in, Airflow with two Celery workers.
``--only TEXT`` takes the faults whose name contains it (may be repeated); ``--minutes N`` starts no fault after that
time; ``--pgbouncer`` puts PgBouncer between Order Relay and its ledger; ``--visible-after N`` is what the ledger
assumes of the OMS's search (seconds; Shopatron's default is 900). Ends with 1 where an order was lost, duplicated
or acknowledged early, or another guarantee failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.cluster import RunningCluster, running_cluster
from local_airflow import CommandError, fresh_home, live_files, say, vendor_connections

from order_relay_sandbox.serving import serve_in_thread
from order_relay_sandbox.supercat.generator import orders
from tests.support.airflow_processes import RealAirflow, Runs, until
from tests.support.cluster_faults import (
    CONNECTION,
    FAULTS,
    LATENCY_MS,
    PIPELINE,
    SETTINGS,
    VISIBLE_AFTER_S,
    Company,
    Trial,
)


@contextmanager
def company(home: Path, *, pgbouncer: bool, visible_after_s: int) -> Iterator[Company]:
    """A pipeline in live mode on a cluster of its own; its first run is over."""
    live = live_files(home / "config")
    file = home / "config" / f"{PIPELINE}.yaml"
    file.write_text(file.read_text(encoding="utf-8") + SETTINGS, encoding="utf-8")
    scenario = {"shopatron": {"latency_ms": LATENCY_MS, "duplicates": "accept"}}
    with serve_in_thread(scenario, 0, seed=7, sources=["supercat"]) as sandbox:
        connections = vendor_connections(sandbox.url)
        oms = json.loads(connections["AIRFLOW_CONN_SHOPATRON_DEFAULT"])
        oms["extra"] |= CONNECTION | {"visible_after_s": visible_after_s}
        connections["AIRFLOW_CONN_SHOPATRON_DEFAULT"] = json.dumps(oms)
        extra = {**live, "AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S": "5"}
        with running_cluster(
            home, sandbox.url, pgbouncer=pgbouncer, extra=extra, connections=connections, say=_note
        ) as cluster:
            airflow = RealAirflow(home, cluster.env, int(cluster.url.rpartition(":")[2]))
            airflow.log_in(cluster.password)
            runs = Runs(airflow, PIPELINE)
            plain = (made.order for made in orders(4_000, 3) if made.kind == "plain")
            made = Company(cluster, sandbox, airflow, runs, plain, visible_after_s)
            with restarting(cluster):
                runs.unpause()
                until(lambda: runs.all("scheduled"), "the scheduled run")
                made.settle()
                yield made


@contextmanager
def restarting(cluster: RunningCluster) -> Iterator[None]:
    """Start services again that end by themselves."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            for name in cluster.restart_ended():
                _note(f"{name} ended and is started again")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def main() -> int:
    """Print the table; 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description="The cluster profile of the fault suite.")
    parser.add_argument("--only", action="append", default=[], help="part of a fault's name; may be repeated")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no fault after that time")
    parser.add_argument("--pgbouncer", action="store_true", help="PgBouncer between Order Relay and its ledger")
    parser.add_argument("--visible-after", type=int, default=VISIBLE_AFTER_S, metavar="N", help="see above")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [name for name in FAULTS if not options.only or any(part in name for part in options.only)]
    end = time.monotonic() + options.minutes * 60
    home = fresh_home("build/prove")  # its logs are kept
    with company(home, pgbouncer=options.pgbouncer, visible_after_s=options.visible_after) as made:
        trials: list[Trial] = []
        problems: list[str] = []
        try:
            for name in chosen:
                if time.monotonic() > end:
                    _note(f"not tried: {name}")
                    continue
                try:
                    trials.append(made.attempt(name))
                except AssertionError as problem:
                    problems.append(f"{name}: {problem}")
                    continue
                _note(f"{name}: the run ended as {trials[-1].run_state} after {trials[-1].run_s:.0f} s")
            settled_s = made.settle()
            _note(f"settled within {settled_s:.0f} s of the last run")
        except KeyboardInterrupt:  # or SIGTERM: show what is known
            problems.append("interrupted before all orders were settled")
        return int(_report(made, trials, problems))


def _report(made: Company, trials: list[Trial], problems: list[str]) -> bool:
    """Print the table and what is wrong; returns whether anything is."""
    counted = ("lost", "doubled", "acknowledged early", "run ended after, s")
    doubtful = ("in doubt: found", "sent again", "left", "longest, s")
    say(f"| fault | {' | '.join(counted + doubtful)} |")
    say("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    problems += made.violations()
    for trial in trials:
        verdict, doubt = made.verdict(trial.fault), made.doubt(trial.fault)
        counts = (verdict.lost, verdict.doubled, verdict.early)
        left = verdict.left["in_doubt"]
        numbers = (*counts, trial.run_s, doubt.found, doubt.sent_again, left, doubt.longest_s)
        say(f"| {trial.fault} | {' | '.join(f'{number:.0f}' for number in numbers)} |")
        if any(counts) or verdict.left:
            problems.append(f"{trial.fault}: {verdict}")
    say(f"\n{made.imported()} orders at the OMS")
    for problem in problems:
        say(f"- {problem}")
    return bool(problems)


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as trouble:
        _note(str(trouble))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
