"""CPU seconds that a task's process uses before its work, with and without ORDER_RELAY_PRELOAD.

    python benchmarks/task_start.py

For each case a process imports what Airflow's scheduler has imported, forks as LocalExecutor does, and the fork does
what a task of an order DAG does first: parse the DAG file, load plugins, import the engine, open ledger and store. CPU
seconds change little with other load, unlike the wall times of ``run_overhead.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

from local_airflow import environment  # noqa: E402

_PARENT = """
import json, os, sys, time
from pathlib import Path
import airflow.executors.local_executor, airflow.jobs.scheduler_job_runner, airflow.sdk.execution_time.supervisor
ledger, store = sys.argv[1:3]
dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
if "preload" in sys.argv[3:]:
    from order_relay.airflow.jobs.preload import preload
    preload()
if os.fork():
    sys.exit(os.wait()[1])
parts, last = {}, time.process_time()
def part(name):
    global last
    now = time.process_time()
    parts[name], last = now - last, now
import airflow.sdk.execution_time.task_runner
from airflow.dag_processing.dagbag import BundleDagBag
part("Airflow")
file = dags / "supercat_to_shopatron.py"
bag = BundleDagBag(dag_folder=str(file), safe_mode=False, load_op_links=False, bundle_path=dags, bundle_name="bench")
assert list(bag.dags) == ["supercat_to_shopatron"], bag.import_errors
part("DAG file")
from airflow.sdk.plugins_manager import integrate_macros_plugins
integrate_macros_plugins()
part("plugins")
import order_relay.airflow.jobs.orders
part("engine")
from order_relay.connections import Connection
from order_relay.wiring.pipeline import Wiring
extra = {"org": "demo", "manufacturer_id": 1, "catalog_id": 0, "token_url": "http://127.0.0.1/token"}
connect = lambda name: Connection(name, host="http://127.0.0.1", login="a", password="b", extra=extra)
with Wiring.for_pipeline("supercat_to_shopatron", connect, ledger, store) as wiring:
    wiring.source, wiring.destination, wiring.store, wiring.transformer
part("wiring, ledger, store")
print(json.dumps(parts))
"""


def measure(*options: str) -> dict[str, float]:
    """CPU seconds by part, in a fork of a new process."""
    with tempfile.TemporaryDirectory(prefix="order-relay-start-") as folder:
        home, ledger = Path(folder), f"sqlite:///{folder}/ledger.sqlite"
        env = environment(home)
        new = f"from order_relay.ledger import migrate; migrate({ledger!r})"
        subprocess.run([sys.executable, "-c", new], env=env, check=True)
        command = [sys.executable, "-c", _PARENT, ledger, (home / "batches").as_uri(), *options]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, float] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        return found


def main() -> None:
    """Measure both cases three times; print the lowest values."""
    cases = {name: [measure(*options) for _ in range(3)] for name, options in (("without", ()), ("with", ("preload",)))}
    lowest = {name: {part: min(run[part] for run in runs) for part in runs[0]} for name, runs in cases.items()}
    lines = ["| CPU seconds of | without preload | with preload |", "|---|---:|---:|"]
    rows = [(part, *(lowest[name][part] for name in lowest)) for part in lowest["without"]]
    rows.append(("**all**", *(sum(parts.values()) for parts in lowest.values())))
    lines += [f"| {part} | {before:.2f} | {after:.2f} |" for part, before, after in rows]
    sys.stdout.write(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
