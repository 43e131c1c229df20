"""Where the pipeline files are looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings import locations
from order_relay.pipeline.settings.locations import config_folder
from order_relay.pipeline.settings.pipeline import pipeline_files

CHECKOUT = Path(__file__).resolve().parents[4] / "include" / "config"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ORDER_RELAY_CONFIG", raising=False)
    return tmp_path / "home"


def test_a_checkout_has_its_own_files(home: Path) -> None:
    assert config_folder() == CHECKOUT


def test_files_in_airflow_home_take_precedence(home: Path) -> None:
    mine = home / "order_relay" / "config"
    mine.mkdir(parents=True)
    assert config_folder() == CHECKOUT, "an empty folder takes no pipeline away"
    (mine / "a_to_b.yaml").write_text("")
    assert config_folder() == mine


def test_the_named_folder_comes_before_all_others(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = home / "order_relay" / "config"
    mine.mkdir(parents=True)
    (mine / "a_to_b.yaml").write_text("")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path / "named"))
    assert config_folder() == tmp_path / "named"
    with pytest.raises(
        ConfigurationError, match=r"named' does not exist; set the environment variable ORDER_RELAY_CONFIG"
    ):
        pipeline_files()


def test_without_a_checkout_the_packaged_files_are_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        locations, "__file__", "/usr/lib/python3/site-packages/order_relay/pipeline/settings/locations.py"
    )
    assert config_folder() == locations.packaged_folder()
    assert config_folder().name == "default_config"
