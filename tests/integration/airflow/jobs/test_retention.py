"""Which pipelines retention looks at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import connections
from order_relay.airflow.jobs import retention
from order_relay.batches import BatchStore
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.trials import mark_trial
from tests.support import airflow_home as own_airflow

NAME = "supercat_to_shopatron"


def test_a_pipeline_that_only_ran_in_shadow_mode_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def ledger() -> Iterator[Any]:
        runs, statuses = SimpleNamespace(last_sequence=lambda _: 0), SimpleNamespace(accounts=list)
        yield SimpleNamespace(runs=runs, statuses=statuses)

    config, store = tmp_path / "config", BatchStore((tmp_path / "batches").as_uri())
    config.mkdir()
    for name in (NAME, f"{NAME}__unused"):
        shutil.copy(own_airflow.ROOT / "include" / "config" / f"{NAME}.yaml", config / f"{name}.yaml")
    monkeypatch.setattr(retention, "open_ledger", ledger)
    monkeypatch.setattr(connections, "store_url", lambda: store.url)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(config))
    with pytest.raises(AirflowSkipException, match="no pipeline"):
        retention.active_names()
    mark_trial(RunContext(NAME, "scheduled__1"), store, shadow=True)
    assert retention.active_names() == [NAME]
