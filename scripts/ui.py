"""`make ui`: Airflow with its web interface, the simulated vendors, and the DAGs ready to click. Until Ctrl-C."""

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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import (
    PIPELINES,
    ROOT,
    Trouble,
    airflow,
    environment,
    fresh_home,
    get_json,
    live_files,
    running,
    sandbox,
    vendor_connections,
)

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PATIENCE_S = 240


def main() -> int:
    """Start everything, say where to look, wait."""
    options = _options()
    if options.source not in PIPELINES:
        raise Trouble(f"SOURCE={options.source} is not known; there are: {', '.join(PIPELINES)}")
    # A first Ctrl-C or a TERM ends the wait and stops everything in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    home = fresh_home(".ui")
    with interface(home, options.orders, options.seed, options.port, options.source) as ui:
        _say(_welcome(ui, home, PIPELINES[options.source]))
        return _watch(ui.started, home)


@dataclass(frozen=True)
class Interface:
    """A running Airflow with simulated vendors: where they are, and how to log in as ``admin``."""

    port: int
    password: str
    vendors: str
    started: Sequence[tuple[str, Any]]

    @property
    def url(self) -> str:
        """Where Airflow's pages are."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def interface(
    home: Path, orders: int, seed: int, port: int = 0, source: str = "supercat", *, live: bool = True
) -> Iterator[Interface]:
    """Start everything, yield it once it is healthy, and stop it. ``live=False``: with the pipeline files as they are
    shipped, in shadow mode. Raises ``Trouble``.
    """
    with ExitStack() as stack:
        address = stack.enter_context(sandbox(home, orders, seed, "--source", source))
        port = port or free_port(8080, 0)
        password = secrets.token_urlsafe(9)
        files = live_files(home / "order_relay" / "config") if live else {}
        env = environment(home, vendor_connections(address) | interface_settings(home, port, password) | files)
        _say("Making Airflow's database ...")
        if airflow(["db", "migrate"], env, home / "migrate.log"):
            raise Trouble(f"Airflow's database could not be made; see {home / 'migrate.log'}")
        _say("Starting Airflow (20 to 40 seconds) ...")
        started: list[tuple[str, Any]] = []
        for name in COMPONENTS:
            command = [sys.executable, "-m", "airflow", name]
            started.append((name, stack.enter_context(running(command, home / f"{name}.log", env))))
        stack.callback(_ask_to_stop, started)  # all at once: each takes seconds to end
        wait_until_healthy(port, started, home)
        yield Interface(port, password, address, started)


def _ask_to_stop(started: Sequence[tuple[str, Any]]) -> None:
    for _, process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="supercat", help="whose DAG to point at (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=300, help="how many simulated orders (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same orders")
    parser.add_argument("--port", type=int, default=0, help="of the web interface; 0 takes 8080 or a free one")
    return parser.parse_args()


def free_port(*ports: int) -> int:
    """The first of ``ports`` where nobody listens; 0 stands for any."""
    for wanted in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Trouble("no free port")


def interface_settings(home: Path, port: int, password: str) -> dict[str, str]:
    """Settings of the web interface: on this machine only, one login with a password of its own."""
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({"admin": password}))
    base = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__PARALLELISM": "4",
        # SQLite takes one writer at a time; the schedule stays off until the person switches it on.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    }


def wait_until_healthy(port: int, started: Sequence[tuple[str, Any]], home: Path) -> None:
    """Until API server, scheduler and DAG processor say that they live."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        _check_alive(started, home)
        try:
            health = get_json(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout_s=5)
        except (urllib.error.URLError, OSError, ValueError):
            health = {}
        parts = (health.get(name) or {} for name in ("metadatabase", "scheduler", "dag_processor"))
        if all(part.get("status") == "healthy" for part in parts):
            return
        time.sleep(0.5)
    raise Trouble(f"Airflow did not become healthy within {PATIENCE_S} s; see the logs in {home}")


def _check_alive(started: Sequence[tuple[str, Any]], home: Path) -> None:
    for name, process in started:
        if process.poll() is not None:
            raise Trouble(f"Airflow's {name} ended by itself; see {home / (name + '.log')}")


def _welcome(ui: Interface, home: Path, pipeline: str) -> str:
    return f"""
Airflow is ready.

  look at     {ui.url}/dags/{pipeline}
  login       admin
  password    {ui.password}

  Press "Trigger" to run the DAG once; the switch beside its name starts the schedule. The form's "Unpause" box is
  ticked: leave it, and the schedule starts as well. Here the pipelines are live (the shipped files are in shadow mode);
  they only reach the simulated vendors.
  The simulated vendors saw:   {ui.vendors}/_audit
  Logs, ledger and batches:    {home.relative_to(ROOT)}/
  Pipeline files, live:        {home.relative_to(ROOT)}/order_relay/config/

Ctrl-C stops everything.
"""


def _watch(started: Sequence[tuple[str, Any]], home: Path) -> int:
    """Wait for Ctrl-C; end with an error where a part died by itself."""
    try:
        while True:
            _check_alive(started, home)
            time.sleep(1)
    except KeyboardInterrupt:
        _say("\nStopping ...")
        # A second Ctrl-C must not leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.stderr.write(f"{trouble}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
