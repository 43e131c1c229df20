"""Airflow loads the plugin once: from the package's entry point, or from the folder ``plugins/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import importlib, importlib.util, json, sys

def replace_installation(metadata):
    every = metadata.distributions
    metadata.distributions = lambda **options: (
        found for found in every(**options) if found.name != "order-relay" or found.version == "0"
    )

for name in ("importlib.metadata", "importlib_metadata"):  # Airflow uses the backport on Python 3.11
    if importlib.util.find_spec(name):
        replace_installation(importlib.import_module(name))

HEAVY = ("fastapi", "aiohttp", "pandas", "order_relay.desk", "order_relay.wiring", "order_relay.ledger")
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
ours = [plugin for plugin in plugins if plugin.name == "order_relay"]
print(json.dumps({
    "sources": [type(plugin.source).__name__ for plugin in ours],
    "prefixes": [app["url_prefix"] for plugin in ours for app in plugin.fastapi_apps],
    "errors": errors,
    "heavy": [name for name in HEAVY if name in sys.modules],
}))
"""


@pytest.mark.parametrize(
    ("installed", "folder", "source"),
    [(True, True, "EntryPointSource"), (True, False, "EntryPointSource"), (False, True, "PluginsDirectorySource")],
)
def test_it_is_loaded_once(installed: bool, folder: bool, source: str, tmp_path: Path) -> None:
    """Metadata of a distribution of its own, with or without the entry point, replaces that of the installation."""
    metadata = tmp_path / "order_relay-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: order-relay\nVersion: 0\n")
    entry = "[airflow.plugins]\norder_relay = order_relay.airflow.api_server:OrderRelayPlugin\n"
    (metadata / "entry_points.txt").write_text(entry if installed else "")
    (tmp_path / "empty").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'include'}",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins" if folder else tmp_path / "empty"),
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    assert found["sources"] == [source]
    assert found["prefixes"] == ["/order-desk", "/acommerce", "/shiprush", "/shopatron"]
    assert found["heavy"] == []
