"""Which pipelines' sources are told what became of their orders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.jobs import feedback
from tests.support import airflow_home as own_airflow

NAME = "cloudsuite_to_shopatron"


@pytest.fixture(autouse=True)
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pipeline ran at least once."""

    @contextmanager
    def ledger() -> Iterator[Any]:
        yield SimpleNamespace(runs=SimpleNamespace(last_sequence=lambda _: 1))

    monkeypatch.setattr(feedback, "open_ledger", ledger)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    shutil.copy(own_airflow.live_files() / f"{NAME}.yaml", tmp_path / f"{NAME}__live.yaml")
    shutil.copy(own_airflow.ROOT / "include" / "config" / f"{NAME}.yaml", tmp_path)


def test_a_source_in_shadow_mode_receives_no_acknowledgement(tmp_path: Path) -> None:
    assert feedback.pipelines_in_use("cloudsuite_to_") == [f"{NAME}__live"]
    (tmp_path / f"{NAME}__live.yaml").unlink()
    with pytest.raises(AirflowSkipException, match="live mode"):
        feedback.pipelines_in_use("cloudsuite_to_")


def test_a_wrong_file_fails_in_its_own_task(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}__wrong.yaml").write_text("mode: [\n")
    assert feedback.pipelines_in_use("cloudsuite_to_") == [f"{NAME}__live", f"{NAME}__wrong"]
