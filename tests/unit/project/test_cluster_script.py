"""`scripts/cluster.sh` runs what docker-compose.yaml describes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.airflow_home import ROOT

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
PORTS = {"postgres": 5001, "ledger": 5002, "redis": 5003, "api": 5004, "health": 5005, "trigger_log": 5006, "s3": 5007}


@pytest.fixture
def values() -> dict[str, str]:
    from cluster.cluster import STORE, secrets_of_env

    vendors = dict.fromkeys(("AIRFLOW_CONN_SUPERCAT_DEFAULT", "AIRFLOW_CONN_SHOPATRON_DEFAULT"), "{}")
    return secrets_of_env() | vendors | {"ORDER_RELAY_BATCHES": STORE, "AIRFLOW_PORT": "5004"}


def test_every_setting_of_the_compose_file_is_taken(values: dict[str, str]) -> None:
    from cluster import compose
    from cluster.cluster import STORE, own_settings

    found = compose.environment("airflow-worker", values, PORTS)
    assert found.keys() == SERVICES["airflow-worker"]["environment"].keys()
    assert found.keys().isdisjoint(own_settings(Path("/home"), PORTS)), "nothing of the file is overridden"
    assert found["AIRFLOW_VAR_ORDER_RELAY_BATCHES"] == STORE
    assert not any("$" in value for value in found.values())
    hosts = {match for value in found.values() for match in re.findall(r"(?://|@|\"host\": \")([\w.-]+)[:/\"]", value)}
    assert hosts <= {"127.0.0.1", "order_relay_s3", "orders", "airflow"}, "no service of the file is left as a host"
    assert f'"port": {PORTS["ledger"]}' in found["AIRFLOW_CONN_ORDER_RELAY_LEDGER"]


def test_every_airflow_service_of_the_compose_file_is_started() -> None:
    from cluster import compose

    others = {"postgres", "redis", "airflow-init", "sandbox"}
    assert set(compose.AIRFLOW) | others == set(SERVICES)
    assert compose.command("airflow-worker") == ["celery", "worker"]
    assert "order-relay ledger migrate" in compose.command("airflow-init")[-1]
    assert compose.command("redis")[0] == "redis-server"


def test_variables_of_the_compose_file() -> None:
    from cluster.compose import fill_in
    from local_airflow import CommandError

    assert fill_in("${A:-b}/${C:-}/$$x", {}) == "b//$x"
    assert fill_in("${A:-b}", {"A": "c"}) == "c"
    with pytest.raises(CommandError, match="needs PASSWORD: set it"):
        fill_in("${PASSWORD:?set it in .env}", {})


def test_options() -> None:
    from cluster.__main__ import parser

    options = parser().parse_args(["--pgbouncer", "--orders", "5"])
    assert (options.pgbouncer, options.orders, options.source, options.port) == (True, 5, "supercat", 0)


def test_celery_is_one_that_the_provider_can_use() -> None:
    pinned = (ROOT / "scripts" / "cluster" / "requirements.txt").read_text()
    version = re.search(r"^celery==(\d+)\.(\d+)", pinned, re.MULTILINE)
    assert version is not None
    assert (int(version[1]), int(version[2])) < (5, 7)
