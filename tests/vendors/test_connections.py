"""Every vendor's connection: Airflow's form, and how its settings are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.vendor import Vendor
from order_relay.vendors import all_vendors, load_vendor

FORMS = json.loads((Path(__file__).parent / "connection_forms.json").read_text())
"""A change of a form is a change of this file: users see both."""

REQUIRED = {"org": "acme", "token_url": "https://auth.example/t", "manufacturer_id": 7, "catalog_id": 3, "channel": "c"}
REQUIRED |= {"origin": "o"}
"""The extra fields that some vendor needs."""


@pytest.fixture(params=all_vendors(), ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", FORMS)
def test_the_form_is_the_recorded_one(name: str) -> None:
    assert json.dumps(load_vendor(name).form()) == json.dumps(FORMS[name])


def test_settings_cannot_be_changed_and_are_valid_by_default(vendor: Vendor) -> None:
    connection = Connection("x", "https://vendor.example", "login-s3cret", "s3cret", extra=REQUIRED)
    settings = vendor.settings.from_connection(connection)
    assert "s3cret" not in repr(settings) + str(settings)
    assert vendor.settings.from_connection(connection) == settings
    with pytest.raises(ValueError, match="frozen"):
        settings.password = "other"  # type: ignore[attr-defined]


def test_a_value_that_no_extra_field_takes_is_refused_by_name_only(vendor: Vendor) -> None:
    for name in vendor.form()["extra"].keys() - {"proxy", "verify", "cert"}:
        connection = Connection("x", "https://vendor.example", "me", "pw", extra={**REQUIRED, name: ["s3cret"]})
        with pytest.raises(ConfigurationError, match=f"^connection 'x', field '{name}': ") as caught:
            vendor.settings.from_connection(connection)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__context__ is None
