"""What `make demo` and `make ui` find: packaged pipelines, and those of a repository of your own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.airflow_home import local_airflow
from tests.vendors.sample import VENDORS


def test_the_packaged_pipelines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ORDER_RELAY_CONFIG", raising=False)
    shipped = {"cloudsuite": "cloudsuite_to_shopatron", "supercat": "supercat_to_shopatron"}
    assert shipped.items() <= local_airflow.pipelines().items()
    assert local_airflow.own_dags(tmp_path / "dags") == {}
    with pytest.raises(local_airflow.CommandError, match=r"unknown SOURCE=acommerce; available: .*supercat"):
        local_airflow.pipeline_of("acommerce")


def test_pipelines_and_dags_of_a_repository_of_your_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("config", "dags"):
        (tmp_path / "own" / name).mkdir(parents=True)
    pipeline = tmp_path / "own" / "config" / "sample_to_shopatron.yaml"
    pipeline.write_text("source: {vendor: sample}\nmode: shadow\n")
    (tmp_path / "own" / "dags" / "sample_to_shopatron.py").write_text("")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(pipeline.parent))
    monkeypatch.setenv("ORDER_RELAY_VENDORS", str(VENDORS))
    assert local_airflow.pipeline_of("sample") == pipeline.stem
    selected = local_airflow.own_dags(tmp_path / "dags")
    assert {"sample_to_shopatron.py", "supercat_to_shopatron.py"} <= {f.name for f in (tmp_path / "dags").iterdir()}
    assert selected == {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}
    local_airflow.live_files(tmp_path / "live", local_airflow.pipeline_files())
    assert "mode: live" in (tmp_path / "live" / pipeline.name).read_text()
    assert (tmp_path / "live" / "supercat_to_shopatron.yaml").exists()
