"""Shared by `make demo` and `make ui`: the simulated vendors and an Airflow separate from the user's."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from order_relay_sandbox import with_role

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "include" / "config"
BIN = Path(sys.executable).parent
_ADDRESS = re.compile(r"http://[0-9.]+:\d+|\bport[ :=]+\d+|^\d+$", re.IGNORECASE | re.MULTILINE)


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class CommandError(Exception):
    """An error shown to the user without a traceback."""


def environment(home: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Environment of an Airflow that loads only our DAGs and stores everything under ``home``."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "ORDER_RELAY_CONFIG"))}
    mine.pop("PYTHONDONTWRITEBYTECODE", None)
    return mine | {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT / "include"),
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{quote(str(home / 'airflow.db'), safe=' +/')}",
        **extra,
    }


def fresh_home(name: str) -> Path:
    """An empty folder for Airflow and ledger: the simulated vendors start empty, so the ledger must, too."""
    home = ROOT / name
    if home.exists():
        shutil.rmtree(home)
    home.mkdir()
    return home


def pipeline_files() -> list[Path]:
    """The packaged pipeline files, and those of a repository of your own (``ORDER_RELAY_CONFIG``)."""
    own = os.environ.get("ORDER_RELAY_CONFIG", "")
    return [file for folder in (str(CONFIG), own) if folder for file in sorted(Path(folder).glob("*.yaml"))]


def own_dags(folder: Path) -> dict[str, str]:
    """Copy the packaged DAG files and those in ``dags/`` beside ``ORDER_RELAY_CONFIG``, if there are any; returns the
    environment that selects the copies."""
    own = os.environ.get("ORDER_RELAY_CONFIG", "")
    if not own or not (dags := Path(own).resolve().with_name("dags")).is_dir():
        return {}
    shutil.copytree(ROOT / "dags", folder)
    shutil.copytree(dags, folder, dirs_exist_ok=True)
    return {"AIRFLOW__CORE__DAGS_FOLDER": str(folder)}


def live_files(folder: Path, files: Iterable[Path] = ()) -> dict[str, str]:
    """Copy pipeline files (default: the packaged ones) with ``mode: live``; returns the environment that selects them.

    The packaged files are in shadow mode. Only runs against the simulated vendors use the copies: no setting of the
    package makes a shadow pipeline live, so no deployment can do so by accident.
    """
    folder.mkdir(parents=True)
    for file in files or CONFIG.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(re.sub(r"(?m)^mode: shadow$", "mode: live", text), encoding="utf-8")
    return {"ORDER_RELAY_CONFIG": str(folder)}


def vendor_connections(address: str) -> dict[str, str]:
    """Airflow connections to the simulated vendors that run at ``address``, with the credentials they accept."""
    found: dict[str, dict[str, Any]] = get_json(f"{address}/_connections")
    return {
        f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT": json.dumps({"conn_type": vendor, **fields})
        for vendor, fields in found.items()
    }


def pipelines() -> dict[str, str]:
    """By value of ``SOURCE=...``: a pipeline of each simulated source, to the default destination if there is one."""
    found: dict[str, str] = {}
    default = with_role("destination")[0]
    for file in sorted(pipeline_files(), key=lambda file: not file.stem.endswith(f"_to_{default}")):
        vendor = yaml.safe_load(file.read_text(encoding="utf-8")).get("source", {}).get("vendor", "")
        if vendor in with_role("source"):
            found.setdefault(vendor, file.stem)
    return found


def pipeline_of(source: str) -> str:
    """The pipeline of a source; raises ``CommandError`` naming the sources that have one."""
    if source not in pipelines():
        raise CommandError(f"unknown SOURCE={source}; available: {', '.join(pipelines())}")
    return pipelines()[source]


@contextmanager
def sandbox(home: Path, orders: int, seed: int, *more: str) -> Iterator[str]:
    """Start the simulated vendors on a free port, yield their address, and stop them."""
    log = home / "sandbox.log"
    command = [sys.executable, "-m", "order_relay_sandbox", "--port", "0", "--orders", str(orders), "--seed", str(seed)]
    with running([*command, *more], log, environment(home)) as process:
        yield _address(process, log)


def _address(process: subprocess.Popen[bytes], log: Path, patience_s: float = 90.0) -> str:
    """The address printed by the sandbox when it listens."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if found := _ADDRESS.search(log.read_text(errors="replace")):
            text = found.group()
            return text if text.startswith("http") else f"http://127.0.0.1:{re.sub(r'[^0-9]', '', text)}"
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise CommandError(f"the simulated vendors did not start; see {log}")


@contextmanager
def running(command: list[str], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a background process in its own group with its output in ``log``; ends the group on exit."""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], patience_s: float = 15.0) -> None:
    """End a process group: first SIGTERM, then SIGKILL."""
    for sign, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):  # the group has already ended
            os.killpg(process.pid, sign)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        return


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process group of an API server: it has nothing to finish, and Python spends seconds on its memory
    when it ends by itself."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def airflow(arguments: list[str], env: Mapping[str, str], log: Path) -> int:
    """Run an Airflow command with its output appended to ``log``; returns the exit code."""
    with log.open("ab") as out:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "airflow", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env),
            check=False,
        )
    return done.returncode


def get_json(url: str, headers: Mapping[str, str] = {}, timeout_s: float = 10.0) -> Any:
    """GET a JSON document from a process started here."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - loopback addresses
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
        return json.load(answer)
