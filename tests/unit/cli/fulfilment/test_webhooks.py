"""``hook``: which vendor's webhooks are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from order_relay import vendors
from order_relay.cli import app as app_module
from order_relay.errors import ConfigurationError


def problem(*arguments: str) -> str:
    result = CliRunner().invoke(app_module.app, ["hook", *arguments])
    assert isinstance(result.exception, ConfigurationError), result.output
    return str(result.exception)


def test_with_one_vendor_its_connection_is_the_default() -> None:
    (vendor,) = vendors.vendor_names("webhooks")
    assert f"'{vendor}_default' is not defined" in problem("list")
    assert "'another' is not defined" in problem("list", "--connection", "another")


def test_with_several_vendors_one_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pushingshop").mkdir()
    for part in ("connection", "webhooks"):
        (tmp_path / "pushingshop" / f"{part}.py").write_text("open_webhooks = None\n")
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, str(tmp_path)])
    assert "give --vendor: " in (found := problem("list"))
    assert "pushingshop" in found
    assert "'pushingshop_default' is not defined" in problem("list", "--vendor", "pushingshop")


def test_a_vendor_without_webhooks_is_refused() -> None:
    assert "vendor 'supercat' has no webhooks.py; available: acommerce" in problem("list", "--vendor", "supercat")
