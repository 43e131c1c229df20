"""Doctor's checks of the connections with which vendors log in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from order_relay.airflow.doctor.checks import CheckResult, Severity
from order_relay.airflow.doctor.endpoints import check_endpoint, endpoint_modules
from order_relay.airflow.installation import Installation
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError


def _findings() -> Iterator[CheckResult]:
    (module,) = endpoint_modules()
    return check_endpoint(Installation(), module)


def findings(monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any] | None) -> list[tuple[Severity, str]]:
    def connection(_self: Installation, conn_id: str) -> Connection:
        if fields is None:
            raise ConfigurationError("not defined")
        return Connection(conn_id, **fields)

    monkeypatch.setattr(Installation, "connection", connection)
    return [(finding.level, finding.found) for finding in _findings()]


def test_without_a_feed_there_is_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(monkeypatch, None) == []


def test_a_sound_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    ((level, found),) = findings(monkeypatch, {"login": "feeduser", "password": "long-and-random"})
    assert (level, found) == (Severity.OK, "serves orders of all pipelines from imported on, 50 per page")


def test_unknown_pipelines_and_weak_passwords_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(monkeypatch, {"login": "u", "password": "short", "extra": {"pipelines": "nobodys_to_shopatron"}})
    assert [level for level, _ in found] == [Severity.OK, Severity.WARN, Severity.WARN]
    assert "nobodys_to_shopatron" in found[1][1]
    assert "short" not in found[2][1].replace("shorter", "")


def test_a_missing_password_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="password"):
        findings(monkeypatch, {"login": "u"})
