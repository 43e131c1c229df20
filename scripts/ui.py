"""`make ui`: Airflow's web interface with the DAGs and the simulated vendors, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_airflow import (
    ROOT,
    CommandError,
    airflow,
    environment,
    fresh_home,
    get_json,
    kill,
    live_files,
    own_dags,
    pipeline_files,
    pipeline_of,
    running,
    sandbox,
    say,
    vendor_connections,
)

CHECKED = ("metadatabase", "scheduler", "dag_processor")
SERVER = "api-server"
COMPONENTS = (SERVER, "scheduler", "dag-processor", "triggerer")
PATIENCE_S = 240


def main() -> int:
    """Start everything, print the addresses, and wait."""
    options = _options()
    pipeline = pipeline_of(options.source)
    # A first Ctrl-C or a TERM ends the wait and stops everything in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    home = fresh_home(".ui")
    if options.history:
        say(f"A past of {options.history} days is made meanwhile; HISTORY=0 skips it.")
    with interface(home, options.orders, options.seed, options.port, options.source, history=options.history) as ui:
        say(_welcome(ui, home, pipeline))
        return _watch(ui.started, home)


USERS = ("admin", "op", "user", "viewer")
"""The users of the interface: each has the role of its name, and all have the same password."""

SOURCES_WITH_A_PAST = ("supercat", "cloudsuite")

_CODE_TABLE = """
# Only for this demonstration: a shipping method without a row in the code table stops its order.
mapping:
  destination:
    fields:
      - target: shippingMethod.shippingType
        path: ship_via
        table: ship_via
        pick: type
        unknown: refuse
        default: {setting: shipping_type}
tables:
  ship_via:
    UPS Ground: {type: standard, class: Standard}
    FedEx Home: {type: standard, class: Standard}
    Best Way: {type: economy, class: Economy}
"""


@dataclass(frozen=True)
class Interface:
    """Addresses of a running Airflow and of the simulated vendors, and the password of all ``USERS``."""

    port: int
    password: str
    vendors: str
    started: Sequence[tuple[str, Any]]

    @property
    def url(self) -> str:
        """Address of Airflow's pages."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def interface(
    home: Path,
    orders: int,
    seed: int,
    port: int = 0,
    source: str = "supercat",
    *,
    live: bool = True,
    history: int = 0,
    components: Sequence[str] = COMPONENTS,
) -> Iterator[Interface]:
    """Start everything, yield it when it is healthy, and stop it. Raises ``CommandError``.

    ``live=False`` uses the packaged pipeline files, which are in shadow mode. ``history``: days of a past, which needs
    live ones; it is made while Airflow starts, and ``orders`` are offered afterwards. ``components``: of Airflow. A
    database of Airflow that ``home`` has already (tests copy one) is taken as it is.
    """
    home.mkdir(exist_ok=True)
    with ExitStack() as stack:
        sources = dict.fromkeys((source, *(SOURCES_WITH_A_PAST if history else ())))
        offering = [option for name in sources for option in ("--source", name)]
        address = stack.enter_context(sandbox(home, 0 if history else orders, seed, *offering))
        port = port or free_port(8080, 0)
        password = secrets.token_urlsafe(9)
        files = live_files(home / "order_relay" / "config", pipeline_files()) if live else {}
        env = environment(
            home,
            vendor_connections(address) | interface_settings(home, port, password) | files | own_dags(home / "dags"),
        )
        past = None
        if history:
            stop_at_unknown_methods(home / "order_relay" / "config" / "supercat_to_shopatron.yaml")
            command = [sys.executable, "-m", "history", "--home", str(home), "--vendors", address]
            command += ["--days", str(history), "--seed", str(seed), "--source", source, "--orders", str(orders)]
            paths = os.pathsep.join([str(ROOT / "include"), str(ROOT / "scripts")])
            past = stack.enter_context(running(command, home / "history.log", env | {"PYTHONPATH": paths}))
        if not (home / "airflow.db").exists():
            say("Creating Airflow's database ...")
            if airflow(["db", "migrate"], env, home / "migrate.log"):
                raise CommandError(f"could not create Airflow's database; see {home / 'migrate.log'}")
        say("Starting Airflow (20 to 40 seconds) ...")
        started: list[tuple[str, Any]] = []
        for name in components:
            command = [sys.executable, "-m", "airflow", name]
            process = stack.enter_context(running(command, home / f"{name}.log", env))
            started.append((name, process))
            if name == SERVER:
                stack.callback(kill, process)
        # They are stopped concurrently, the API server afterwards: without it the scheduler's tasks cannot end.
        stack.callback(_ask_to_stop, [process for name, process in started if name != SERVER])
        wait_until_healthy(port, started, home, {"metadatabase", *(name.replace("-", "_") for name in components)})
        if past is not None and past.wait(PATIENCE_S):
            raise CommandError(f"could not make the past; see {home / 'history.log'}")
        yield Interface(port, password, address, started)


def stop_at_unknown_methods(file: Path) -> None:
    """Let the demonstration's pipeline quarantine orders whose shipping method has no row in the code table."""
    file.write_text(file.read_text(encoding="utf-8") + _CODE_TABLE, encoding="utf-8")


def _ask_to_stop(processes: Sequence[Any]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="supercat", help="source whose DAG is shown (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=300, help="number of simulated orders (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same orders")
    parser.add_argument("--history", type=int, default=0, help="days of a past; 0 (default): none")
    parser.add_argument("--port", type=int, default=0, help="port of the web interface; 0 selects 8080 or a free one")
    options = parser.parse_args()
    if options.source not in SOURCES_WITH_A_PAST:
        options.history = 0
    return options


def free_port(*ports: int) -> int:
    """The first free one of ``ports``; 0 means any."""
    for wanted in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError("no free port")


def interface_settings(home: Path, port: int, password: str) -> dict[str, str]:
    """Settings of the web interface: loopback only, one user of each role with the same password."""
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps(dict.fromkeys(USERS, password)))
    base = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{name}" for name in USERS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # SQLite allows one writer at a time; DAGs stay paused until the user unpauses them.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "ORDER_RELAY_PRELOAD": "1",
    }


def wait_until_healthy(
    port: int, started: Sequence[tuple[str, Any]], home: Path, parts: Collection[str] = CHECKED
) -> None:
    """Wait until those ``parts`` that are checked are healthy."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        _check_alive(started, home)
        try:
            health = get_json(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout_s=5)
        except (urllib.error.URLError, OSError, ValueError):
            health = {}
        if all((health.get(name) or {}).get("status") == "healthy" for name in CHECKED if name in parts):
            return
        time.sleep(0.5)
    raise CommandError(f"Airflow did not become healthy within {PATIENCE_S} s; see the logs in {home}")


def _check_alive(started: Sequence[tuple[str, Any]], home: Path) -> None:
    for name, process in started:
        if process.poll() is not None:
            raise CommandError(f"Airflow's {name} stopped unexpectedly; see {home / (name + '.log')}")


def _welcome(ui: Interface, home: Path, pipeline: str) -> str:
    return f"""
Airflow is ready.

  order desk  {ui.url}/plugin/orders
  DAG         {ui.url}/dags/{pipeline}
  users       {", ".join(USERS)}
  password    {ui.password}

  The desk shows the same orders to all users; "viewer" may only look, "op" may also decide and replay.
  Press "Trigger" to run the DAG once; the switch beside its name starts the schedule. The form's "Unpause" box is
  ticked: leave it to start the schedule as well. Here the pipelines are live (the packaged files are in shadow mode);
  they only connect to the simulated vendors.
  Audit of the vendors:        {ui.vendors}/_audit
  Logs, ledger and batches:    {home.relative_to(ROOT)}/
  Pipeline files, live:        {home.relative_to(ROOT)}/order_relay/config/

Ctrl-C stops everything.
"""


def _watch(started: Sequence[tuple[str, Any]], home: Path) -> int:
    """Wait for Ctrl-C; fails if a process stopped unexpectedly."""
    try:
        while True:
            _check_alive(started, home)
            time.sleep(1)
    except KeyboardInterrupt:
        say("\nStopping ...")
        # Another Ctrl-C must not leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as trouble:
        sys.stderr.write(f"{trouble}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
