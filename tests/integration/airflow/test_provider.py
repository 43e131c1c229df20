from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from order_relay.airflow.provider import connection_forms, get_provider_info

TYPES = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}


def test_each_vendor_the_ledger_and_the_desk_have_a_type() -> None:
    assert {"supercat", "shopatron", "order_relay_ledger", "order_relay_desk"} <= TYPES.keys()
    assert len(TYPES) == len(connection_forms()) + 2


@pytest.mark.parametrize("name", sorted(TYPES))
def test_extras_have_labels_and_optional_ones_may_stay_empty(name: str) -> None:
    for field, entry in TYPES[name]["conn-fields"].items():
        assert entry["label"], field
        assert entry["description"], field
        assert "required" not in entry["schema"]
    if name == "shopatron":
        fields = TYPES[name]["conn-fields"]
        assert fields["manufacturer_id"]["schema"]["type"] == "integer"
        assert fields["timeout_s"]["schema"]["type"] == ["number", "null"]
        assert None in fields["search_by"]["schema"]["enum"]


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(get_provider_info())) == get_provider_info()


def test_airflow_finds_the_forms_without_importing_a_hook() -> None:
    """Through the installed entry point, as Airflow's web interface does."""
    script = """
import json, sys
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
meta = {m.connection_type: m.model_dump(mode="json") for m in HookMetaService.hook_meta_data()}
print(json.dumps({
    "types": {name: meta.get(name) for name in ("supercat", "shopatron", "order_relay_ledger")},
    "hook": "order_relay.airflow.hooks" in sys.modules,
    "heavy": [m for m in ("aiohttp", "pandas", "order_relay.ledger") if m in sys.modules],
}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    shopatron = found["types"]["shopatron"]
    assert shopatron["hook_name"] == "Shopatron / Kibo OMS"
    assert shopatron["standard_fields"]["login"]["title"] == "API key"
    assert shopatron["extra_fields"]["manufacturer_id"]["schema"]["type"] == "integer"
    assert all(found["types"].values())
    assert found["hook"] is False
    assert found["heavy"] == []
