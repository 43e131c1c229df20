"""The image and the cluster: files that must agree with each other, and the databases as they are created."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from order_relay.ledger import Ledger, migrate
from tests.support.databases import Cluster, postgres_bin

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
HELM: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm-values.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_every_variable_of_the_cluster_is_in_the_example_and_secrets_have_no_default() -> None:
    example = (ROOT / ".env.example").read_text()
    offered = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    used = re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)(:[?-][^}]*)?\}", (ROOT / "docker-compose.yaml").read_text())
    assert {name for name, _ in used} == offered.keys()
    secrets = {name for name in offered if re.search(r"PASSWORD|SECRET|KEY|CONN", name)}
    assert len(secrets) >= 8
    required = {name for name, how in used if how == ":?set it in .env"}
    assert secrets <= required
    assert {offered[name] for name in secrets} == {""}


def test_no_service_of_airflow_runs_as_root_or_mounts_more_than_it_needs() -> None:
    ours = {name: service for name, service in SERVICES.items() if service["image"].startswith("order-relay")}
    assert ours.keys() == SERVICES.keys() - {"postgres", "redis"}
    for name, service in ours.items():
        assert "user" not in service, name
        assert service["cap_drop"] == ["ALL"], name
        folders = [mount for mount in service["volumes"] if mount.startswith(".")]
        assert all(re.fullmatch(r"\./(dags|include/config):/[a-z/-]+:ro", mount) for mount in folders), name
    assert "USER" not in DOCKERFILE, "the image's own user is not root"


def test_no_pod_of_airflow_runs_as_root_or_begins_with_a_known_login() -> None:
    assert HELM["securityContexts"]["containers"] == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert HELM["createUserJob"] == {"enabled": False}
    assert HELM["config"]["core"]["auth_manager"] == COMPOSE["x-airflow"]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"]


def test_every_setting_of_the_chart_is_one_of_the_compose_file() -> None:
    settings = {one["name"]: one["value"] for one in HELM["env"]}
    different = {"AIRFLOW_VAR_ORDER_RELAY_BATCHES"}  # a volume there, an object store here
    shared = {name: COMPOSE["x-airflow"]["environment"].get(name) for name in settings}
    assert {name for name, value in settings.items() if value != shared[name]} == different


def test_every_file_that_the_image_copies_exists_and_reaches_the_build() -> None:
    admitted = [
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    copied = [
        file
        for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
        for file in [word for word in line.split() if not word.startswith("--")][:-1]
    ]
    assert len(copied) == 6
    for file in copied:
        assert (ROOT / file).exists(), file
        assert any(fnmatch.fnmatch(file.removeprefix("./").split("/")[0], name) for name in admitted), file


def test_the_image_is_of_the_airflow_that_is_tested_everywhere() -> None:
    (tested,) = re.findall(r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert f"FROM apache/airflow:{tested}-python3.13\n" in DOCKERFILE
    assert HELM["airflowVersion"] == tested
    assert HELM["defaultAirflowTag"] == tested
    assert {service["image"] for service in SERVICES.values()} >= {f"order-relay:{tested}"}


@pytest.fixture
def databases(postgres_cluster: Cluster) -> Iterator[Cluster]:
    """The databases of ``deploy/databases.sh``."""
    programs = postgres_bin()
    assert programs
    done = subprocess.run(
        ["bash", str(ROOT / "deploy" / "databases.sh")],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": str(postgres_cluster.home),
            "POSTGRES_USER": "relay",
            "AIRFLOW_DB_PASSWORD": "it's-airflow",
            "LEDGER_PASSWORD": "ledger",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield postgres_cluster
    for name in ("airflow", "order_relay"):
        postgres_cluster.admin(f"DROP DATABASE {name} WITH (FORCE)")
        postgres_cluster.admin(f"DROP ROLE {name}")
    postgres_cluster.admin("GRANT CONNECT ON DATABASE postgres TO PUBLIC")


def test_each_role_reaches_its_own_database_only_and_that_suffices_for_the_ledger(databases: Cluster) -> None:
    with psycopg.connect(f"host={databases.home} user=relay dbname=postgres") as conn:
        roles = conn.execute(
            "SELECT rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
            "FROM pg_roles WHERE rolname IN ('airflow', 'order_relay') ORDER BY rolname"
        ).fetchall()
    assert roles == [("airflow", False), ("order_relay", False)]
    for role, other in (("airflow", "order_relay"), ("order_relay", "airflow"), ("order_relay", "postgres")):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(f"host={databases.home} user={role} dbname={other}")
    url = databases.url("order_relay").replace("relay@", "order_relay@")
    migrate(url)
    ledger = Ledger.open(url)  # which also checks that commits are durable
    try:
        assert ledger.accounting.counts()["received"] == 0
    finally:
        ledger.close()
