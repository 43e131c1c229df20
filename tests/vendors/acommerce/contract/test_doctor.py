"""What the doctor says of a status account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow.doctor.checks import CheckResult, Severity
from order_relay.airflow.doctor.status_accounts import status_accounts
from order_relay.airflow.installation import Installation
from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.sections import FetchSettings
from order_relay.pipeline.settings.status_account import load_status

Make = Callable[..., Any]


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[CheckResult]]:
    def of(here: Any, *, defined: bool = True) -> list[CheckResult]:
        def connection(_self: Installation, conn_id: str) -> Any:
            if not defined:
                raise ConfigurationError("is not defined")
            return here.wiring.connections(conn_id)

        monkeypatch.setattr(Installation, "connection", connection)
        monkeypatch.setattr(Installation, "ledger_url", here.wiring.ledger_url)
        monkeypatch.setattr(Installation, "store_url", here.wiring.store_url)
        return list(status_accounts(Installation()))

    return of


def test_an_account_that_works(account: Make, examine: Any) -> None:
    (found,) = examine(account())
    assert found.level is Severity.OK
    assert "by order_number" in found.found


def test_without_a_secret_webhooks_are_refused(account: Make, examine: Any) -> None:
    assert [finding.level for finding in examine(account(connect={"hook_secret": ""}))] == [Severity.OK, Severity.WARN]


def test_refused_credentials_fail(account: Make, examine: Any) -> None:
    (found,) = examine(account(api_key="another"))
    assert found.level is Severity.FAIL
    assert "user name and API key" in found.found


def test_nothing_if_there_is_none(account: Make, examine: Any) -> None:
    (finding,) = examine(account(), defined=False)
    assert (finding.level, finding.found) == (Severity.OK, "not in use: connection 'acommerce_default' is not defined")


def test_a_server_of_files(account: Make, examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def server(conn_id: str, folder: str) -> Iterator[Any]:
        if folder == "/none":
            raise ConfigurationError(f"connection {conn_id!r}: folder {folder!r} can not be listed")
        yield SimpleNamespace(files=lambda: [1, 2])

    monkeypatch.setattr("order_relay.airflow.incoming.remote_files.open_file_server", server)
    for folder, level in (("/out", Severity.OK), ("/none", Severity.FAIL)):
        settings = load_status("acommerce_status")
        fetch = FetchSettings(connection="files", folder=folder)
        changed = settings.model_copy(update={"files": settings.files.model_copy(update={"fetch": fetch})})
        with monkeypatch.context() as changing:
            changing.setattr(
                "order_relay.pipeline.settings.status_account.load_status", lambda _, changed=changed: changed
            )
            assert [finding.level for finding in examine(account())] == [Severity.OK, level]
