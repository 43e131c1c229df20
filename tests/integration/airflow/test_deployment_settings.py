"""The settings of Airflow in the files for deployments exist: Airflow ignores those that it does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = (
    "docker-compose.yaml",
    "deploy/helm-values.yaml",
    "docs/deployment.md",
    "docs/operations.md",
    "docs/monitoring.md",
)


@pytest.mark.parametrize("file", FILES)
def test_every_setting_of_airflow_exists(file: str) -> None:
    from airflow.configuration import conf

    text = (ROOT / file).read_text()
    named = {(section.lower(), key.lower()) for section, key in re.findall(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)", text)}
    named |= {(section, key) for section, key in re.findall(r"`\[(\w+)\] (\w+)(?: = \w+)?`", text)}
    known = conf.configuration_description
    # the section of the Celery provider, which is not installed; scripts/cluster.sh runs with its settings
    unknown = {one for one in named if one[0] != "celery" and one[1] not in known.get(one[0], {}).get("options", {})}
    assert named
    assert unknown == set()
