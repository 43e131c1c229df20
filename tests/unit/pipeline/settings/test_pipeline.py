from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import VersionPolicies
from order_relay.pipeline.settings.locations import config_folder
from order_relay.pipeline.settings.pipeline import (
    PipelineSettings,
    load_file,
    load_pipeline,
    pipeline_files,
)
from order_relay.vendors.shopatron.transform import PLACEHOLDER_IP, ShopatronTransform
from order_relay.wiring.transformation import checked, remarks

BASE = """
source: {vendor: supercat, connection: supercat_default}
destination: {vendor: shopatron, connection: shopatron_default}
mode: live
transform: {customer_ip: 8.8.8.8}
"""
ACCOUNT = {"manufacturer_id": 7, "catalog_id": 0}


def written(folder: Path, text: str, name: str = "supercat_to_shopatron") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load_all(folder: Path) -> dict[str, PipelineSettings]:
    return {name: checked(load_file(path)) for name, path in pipeline_files(folder).items()}


def test_the_shipped_files_are_valid_and_say_what_to_change() -> None:
    shipped = load_all(config_folder())
    assert "supercat_to_shopatron" in shipped
    ours = shipped["supercat_to_shopatron"]
    assert ours.transform_settings(ShopatronTransform, ACCOUNT).customer_ip == PLACEHOLDER_IP
    change, live = remarks(ours)
    assert "supercat_to_shopatron.yaml: transform.customer_ip is still the placeholder" in change
    assert "to go live, set 'mode: live'" in live
    assert ours.engine_policies == VersionPolicies()


def test_defaults(tmp_path: Path) -> None:
    settings = load_file(written(tmp_path, BASE))
    assert settings.schedule == "*/15 * * * *"
    assert (settings.chunks.at_most, settings.chunks.min_size) == (16, 2_000)
    assert settings.load.max_wait_s == 120
    assert settings.load.lookup_before_send == "auto"
    assert settings.acknowledge.enabled
    assert remarks(settings) == []
    assert settings.transform_settings(ShopatronTransform, ACCOUNT).manufacturer_id == 7


def test_nothing_is_sent_before_a_file_is_live(tmp_path: Path) -> None:
    """The shipped files, and one that says nothing."""
    assert {settings.mode for settings in load_all(config_folder()).values()} == {"shadow"}
    silent = load_file(written(tmp_path, BASE.replace("mode: live\n", "")))
    assert silent.shadow
    assert "mode is shadow" in silent.remarks()[0]


def test_a_file_is_a_pipeline_and_its_name_a_suffix(tmp_path: Path) -> None:
    written(tmp_path, BASE)
    written(tmp_path, BASE, "supercat_to_shopatron__EAST")
    written(tmp_path, "nonsense", "_draft")
    assert list(pipeline_files(tmp_path)) == ["supercat_to_shopatron", "supercat_to_shopatron__EAST"]
    assert load_pipeline("supercat_to_shopatron__EAST", tmp_path).source.connection == "supercat_default"
    with pytest.raises(ConfigurationError, match=r"'west'.*supercat_to_shopatron, supercat_to_shopatron__EAST"):
        load_pipeline("west", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "chunks: {at_most: 17}", r"chunks\.at_most: should be less than or equal to 16"),
        (BASE + "policies: {resubmission: perhaps}", r"policies\.resubmission: should be 'review', 'import_as_new'"),
        (BASE + "load: {lease: 3}", r"load\.lease: is unknown; allowed here: lookup_before_send, lease_s, max_wait_s"),
        (BASE + "colour: red", r"colour: is unknown; allowed here: source, destination, schedule"),
        (BASE + "schedule: hourly", r"schedule: must be a cron expression of five fields"),
        (BASE + "name: x", "`name` is derived from the file name"),
        (BASE + "acknowledge: {enabled: yes}\nacknowledge: {}", r"line 7: duplicate key 'acknowledge'"),
        (BASE + "chunks: ]", r"supercat_to_shopatron\.yaml, line 6"),
        (BASE.replace("vendor: supercat", "vendor: other"), r"source\.vendor must be 'supercat'"),
        (BASE.replace("transform: {customer_ip: 8.8.8.8}", ""), r"transform: customer_ip: Field required"),
        (BASE.replace("8.8.8.8", "10.0.0.1"), r"customer_ip: must be a public IPv4 address"),
        (
            BASE.replace("{customer_ip: 8.8.8.8}", "{customer_ip: 8.8.8.8, manufacturer_id: 3}"),
            r"transform\.manufacturer_id: must not be set here; set it in connection 'shopatron_default'",
        ),
        (BASE.replace("connection: supercat_default", "connection: c, options: {host: x}"), r"source\.options: host"),
        ("source: {vendor: supercat}", r"source\.connection: is missing.*destination: is missing"),
        ("- a", "must contain keys and values"),
        ("", "must contain keys and values"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        checked(load_file(written(tmp_path, text)))
    assert "supercat_to_shopatron.yaml" in str(error.value)


def test_plain_text_is_kept(tmp_path: Path) -> None:
    text = BASE + "tables: {country: {Norge: NO, Suomi: FI}, day: {a: 2026-01-02, b: 012, c: 3, d: 1.5}}"
    tables = load_file(written(tmp_path, text)).tables
    assert tables["country"]["Norge"] == "NO"
    assert tables["day"] == {"a": "2026-01-02", "b": "012", "c": 3, "d": 1.5}


def test_a_missing_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ORDER_RELAY_CONFIG"):
        pipeline_files(tmp_path / "none")


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    written(tmp_path, BASE, "supercat_to_shopatron__ONLY")
    assert list(pipeline_files()) == ["supercat_to_shopatron__ONLY"]


def test_importing_the_settings_is_light() -> None:
    heavy = "pandas numpy sqlalchemy aiohttp jsonschema jsonschema_rs fsspec"
    code = (
        f"import sys, order_relay.pipeline.settings.pipeline; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
