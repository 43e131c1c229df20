"""A whole cluster: servers, and Airflow with two Celery workers, each of which can be killed and started again."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from local_airflow import ROOT, CommandError, vendor_connections
from ui import free_port, wait_until_healthy

from cluster import compose
from cluster.servers import (
    BUCKET,
    S3_KEY,
    S3_SECRET,
    ObjectStore,
    PgBouncer,
    PostgreSQL,
    Redis,
    Server,
    python_of_cluster,
)

WORKERS = ("worker-1", "worker-2")
ADMIN = "admin"
STORE = f"s3://order_relay_s3@{BUCKET}/relay"

PATIENCE_S, STOP_S = 180.0, 12.0

Say = Callable[[str], None]


def own_settings(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Settings that differ from those of ``docker-compose.yaml``: what its image and its network provide there, and a
    port for everything that would listen on a fixed one.

    A worker runs four tasks at a time instead of sixteen, for machines with two cores.
    """
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports["api"]),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports["health"]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports["trigger_log"]),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
    }


def secrets_of_env() -> dict[str, str]:
    """Values for the secrets of ``.env.example``."""
    names = ("POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "LEDGER_PASSWORD", "AIRFLOW_ADMIN_PASSWORD")
    return {
        **{name: secrets.token_hex(12) for name in names},
        "AIRFLOW_FERNET_KEY": urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW_JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW_API_SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW_ADMIN_USER": ADMIN,
        "AIRFLOW_ADMIN_EMAIL": "admin@example.com",
    }


@dataclass
class RunningCluster:
    """Made by ``running_cluster``. ``env``: of Airflow's services. ``ledger_url``: with its password."""

    home: Path
    env: dict[str, str] = field(repr=False)
    url: str
    password: str = field(repr=False)
    ledger_url: str = field(repr=False)
    postgres: PostgreSQL
    redis: Redis
    store: ObjectStore
    services: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)
    _killed: set[str] = field(default_factory=set, repr=False)
    _guard: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def start(self, name: str) -> None:
        """Start one of ``compose.AIRFLOW`` or ``WORKERS``."""
        with self._guard:
            self._killed.discard(name)
            (self.home / f"{name}.pid").unlink(missing_ok=True)
            self._start(name)

    def _start(self, name: str) -> None:
        service = "airflow-worker" if name in WORKERS else name
        command = [str(python_of_cluster()), "-m", "airflow", *compose.command(service)]
        if name in WORKERS:  # they share a machine: names of their own, and logs are read from the disk
            command += ["--celery-hostname", f"{name}@%h", "--pid", str(self.home / f"{name}.pid"), "--skip-serve-logs"]
        with (self.home / f"{name}.log").open("ab") as out:
            self.services[name] = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env, start_new_session=True
            )

    def kill(self, name: str) -> int:
        """SIGKILL to a service and everything that it started, as if its machine were gone; it is down until ``start``.

        Returns the number of processes.
        """
        with self._guard:
            self._killed.add(name)
            process = psutil.Process(self.services[name].pid)
            group = [*process.children(recursive=True), process]
            for one in group:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self.services[name].wait()
            return len(group)

    def restart_ended(self) -> list[str]:
        """Start services again that have ended by themselves, as ``restart: unless-stopped`` does; returns their names.

        Airflow's scheduler, DAG processor and triggerer end when they lose their database.
        """
        with self._guard:
            ended = [name for name, one in self.services.items() if name not in self._killed and one.poll() is not None]
            for name in ended:
                self.start(name)
            return ended

    def busy(self, name: str) -> bool:
        """Whether a worker runs a task: a child of one of its pool's processes."""
        with suppress(psutil.NoSuchProcess):
            return any(child.children() for child in psutil.Process(self.services[name].pid).children())
        return False

    def check_alive(self, *, servers_only: bool = False) -> None:
        """Raise ``CommandError`` if a service or a server has ended."""
        services = {} if servers_only else self.services
        ended = [name for name, process in services.items() if process.poll() is not None]
        ended += [server.name for server in (self.postgres, self.redis, self.store) if not server.alive()]
        if ended:
            raise CommandError(f"{', '.join(ended)} stopped unexpectedly; see the logs in {self.home}")

    def stop(self) -> None:
        """End all services together, at last with whatever they started."""
        found: list[psutil.Process] = []
        for process in self.services.values():
            with suppress(psutil.NoSuchProcess):
                found += [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            with suppress(ProcessLookupError):
                process.terminate()
        _, left = psutil.wait_procs(found, STOP_S)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        for process in self.services.values():
            process.wait()


@contextmanager
def running_cluster(
    home: Path,
    vendors: str,
    *,
    port: int = 0,
    pgbouncer: bool = False,
    extra: Mapping[str, str] = {},
    connections: Mapping[str, str] = {},
    say: Say = lambda _: None,
) -> Iterator[RunningCluster]:
    """Start everything and yield it when Airflow is healthy; everything has ended afterwards.

    ``home``: an existing folder for logs and Airflow's files. ``vendors``: address of the simulated vendors.
    ``extra``: more environment. ``connections``: instead of those that the simulated vendors declare. Raises
    ``CommandError``.
    """
    with ExitStack() as stack:
        data = Path(tempfile.mkdtemp(prefix="order-relay-cluster-"))
        data.chmod(0o755)
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        values = secrets_of_env() | dict(connections or vendor_connections(vendors)) | {"ORDER_RELAY_BATCHES": STORE}
        say("Starting PostgreSQL, Redis and the S3 stand-in ...")
        postgres = _entered(stack, PostgreSQL(data, home, values))
        redis = _entered(stack, Redis(data, home))
        store = _entered(stack, ObjectStore(data, home, python_of_cluster()))
        ledger: Server = _entered(stack, PgBouncer(data, home, postgres, values)) if pgbouncer else postgres
        ports = {
            "postgres": postgres.port,
            "ledger": ledger.port,
            "redis": redis.port,
            "s3": store.port,
            "api": port or free_port(8080, 0),
            "health": free_port(0),
            "trigger_log": free_port(0),
        }
        values["AIRFLOW_PORT"] = str(ports["api"])
        env = _environment(home, values, ports) | dict(extra)
        if pgbouncer:
            env["AIRFLOW_CONN_ORDER_RELAY_LEDGER"] = _with_extra(
                env["AIRFLOW_CONN_ORDER_RELAY_LEDGER"], pgbouncer="true"
            )
        url = f"http://127.0.0.1:{ports['api']}"
        ledger_url = (
            f"postgresql+psycopg://order_relay:{values['LEDGER_PASSWORD']}@127.0.0.1:{postgres.port}/order_relay"
        )
        password = values["AIRFLOW_ADMIN_PASSWORD"]
        cluster = RunningCluster(home, env, url, password, ledger_url, postgres, redis, store)
        say("Creating the databases' tables and the administrator ...")
        _initialize(env, values, home)
        stack.callback(cluster.stop)
        say("Starting Airflow with two Celery workers (about a minute) ...")
        for name in (*(name for name in compose.AIRFLOW if name != "airflow-worker"), *WORKERS):
            cluster.start(name)
        wait_until_healthy(ports["api"], list(cluster.services.items()), home)
        _wait_for_workers(cluster)
        yield cluster


def _entered(stack: ExitStack, server: Any) -> Any:
    stack.callback(server.stop)
    return server


def _environment(home: Path, values: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "ORDER_RELAY_"))}
    mine.pop("PYTHONDONTWRITEBYTECODE", None)
    programs = python_of_cluster().parent
    s3 = {"endpoint_url": f"http://127.0.0.1:{ports['s3']}", "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": S3_KEY, "password": S3_SECRET, "extra": s3}
    return {
        **mine,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT / "include"),
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_CONN_ORDER_RELAY_S3": json.dumps(connection),
        **{name: value for name, value in values.items() if name.startswith("AIRFLOW_CONN_")},
        **compose.environment("airflow-worker", values, ports),
        **own_settings(home, ports),
    }


def _with_extra(connection: str, **more: str) -> str:
    fields: dict[str, Any] = json.loads(connection)
    return json.dumps(fields | {"extra": {**fields.get("extra", {}), **more}})


def _initialize(env: Mapping[str, str], values: Mapping[str, str], home: Path) -> None:
    """What the service ``airflow-init`` does."""
    names = ("AIRFLOW_ADMIN_USER", "AIRFLOW_ADMIN_EMAIL", "AIRFLOW_ADMIN_PASSWORD")
    log = home / "airflow-init.log"
    with log.open("ab") as out:
        done = subprocess.run(  # noqa: S603
            compose.command("airflow-init"),
            env={**env, **{name: values[name] for name in names}},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        )
    if done.returncode:
        raise CommandError(f"the databases could not be prepared; see {log}")


def _wait_for_workers(cluster: RunningCluster) -> None:
    """Wait until both workers have connected to the broker, which their logs say."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        cluster.check_alive()
        if all(" ready." in (cluster.home / f"{name}.log").read_text(errors="replace") for name in WORKERS):
            return
        time.sleep(0.5)
    raise CommandError(f"the Celery workers did not become ready within {PATIENCE_S:.0f} s; see {cluster.home}")
