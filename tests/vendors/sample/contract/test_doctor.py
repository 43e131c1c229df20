"""What the doctor says of the sample vendors' connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from order_relay.airflow.installation import Installation
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay_sandbox import serve_in_thread
from tests.support.command_line import as_json
from tests.vendors.sample.conftest import connections

PIPELINE = "sample_to_shipstation"

Doctor = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def doctor(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doctor]:
    """``doctor(code, sample_default={"token_url": ""})``: its findings about the vendors, with these extra fields."""
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store_url", tmp_path.as_uri())
    monkeypatch.setattr(Installation, "paused_dags", lambda self: {})
    Ledger.open(sqlite_url).close()
    with serve_in_thread({}, 5, seed=3, sources=["sample"]) as sandbox:

        def run(code: int = 0, **extra: dict[str, Any]) -> list[dict[str, Any]]:
            known = connections(sandbox)

            def connection(_self: Installation, conn_id: str) -> Connection:
                if conn_id not in known:
                    raise ConfigurationError(f"connection {conn_id!r} is not defined")
                return replace(known[conn_id], extra={**known[conn_id].extra, **extra.get(conn_id, {})})

            monkeypatch.setattr(Installation, "connection", connection)
            found = as_json("doctor", "--pipeline", PIPELINE, code=code)["findings"]
            about = ("vendor ", "connection ", f"pipeline {PIPELINE}")
            return [finding for finding in found if finding["check"].startswith(about)]

        yield run


def test_every_line_is_ok(doctor: Doctor) -> None:
    found = doctor()
    assert {finding["level"] for finding in found} == {"ok"}, found
    assert {finding["check"] for finding in found} == {
        "vendor sample",
        "vendor shipstation",
        "connection sample_default",
        "connection shipstation_default",
        f"pipeline {PIPELINE}",
    }
    said = [finding["found"] for finding in found]
    assert any(text.startswith("credentials work; ") for text in said)
    assert "search by time window: none, the vendor has no such search" in said


@pytest.mark.parametrize(
    ("connection", "extra"),
    [
        ("sample_default", {"token_url": "shop.example/token"}),
        ("sample_default", {"timeout_s": "long"}),
        ("shipstation_default", {"requests_per_minute": "forty"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_one_wrong_setting_is_one_line(doctor: Doctor, connection: str, extra: dict[str, Any]) -> None:
    found = doctor(1, **{connection: extra})
    (wrong,) = [finding for finding in found if finding["level"] not in ("ok", "skip")]
    assert (wrong["level"], wrong["check"]) == ("fail", f"connection {connection}")
    ((name, value),) = extra.items()
    assert f"connection {connection!r}, field {name!r}: " in wrong["found"]
    assert str(value) not in wrong["found"]
    assert wrong["advice"].startswith("edit this connection")
