"""Notes, assignments, snoozes and the stop switch by command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from order_relay.airflow.desk import host as host_module
from order_relay.airflow.installation import Installation
from order_relay.errors import ConfigurationError
from tests.support.archived_orders import PIPELINE
from tests.support.command_line import as_json, call
from tests.support.stopped_orders import StoppedOrders, copied


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoppedOrders]:
    made = copied(tmp_path / "home")
    monkeypatch.setattr(Installation, "ledger_url", made.parts.ledger_url)
    monkeypatch.setattr(host_module, "AirflowHost", lambda *_, **__: made.host)
    yield made
    made.ledger.close()


def test_an_order_is_noted_assigned_and_snoozed(stopped: StoppedOrders) -> None:
    number, ledger_id = stopped.numbers["clean"], stopped.id("clean")
    assert as_json("note", number, "asked sales", "--who", "ann")["noted"] == ledger_id
    assert as_json("assign", number, "--to", "bob", "--who", "ann")["assignee"] == "bob"
    assert as_json("assign", number, "--nobody", "--who", "ann")["assignee"] == ""
    until = as_json("snooze", number, "--until", "2999-01-01", "--reason", "later", "--who", "ann")["until"]
    assert until == "2999-01-01T00:00:00+00:00"
    assert "shown again" in call("snooze", number, "--end", "--who", "ann").stdout
    (history,) = as_json("order", number)["submissions"]
    assert [(one["action"], one["who"]) for one in history["actions"]] == [
        ("note", "ann"),
        ("assign", "ann"),
        ("assign", "ann"),
        ("snooze", "ann"),
        ("unsnooze", "ann"),
    ]
    assert "asked sales" in call("order", number).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("note", "N", " "),
        ("note", "nobody", "x"),
        ("assign", "N", "--to", "bob", "--nobody"),
        ("snooze", "N", "--reason", "x"),
        ("snooze", "N", "--until", "2999-01-01"),
        ("snooze", "N", "--until", "2001-01-01", "--reason", "x"),
        ("stop", "nobody", "--reason", "x"),
        ("resume", "--reason", "x"),
    ],
)
def test_wrong_use_changes_nothing(stopped: StoppedOrders, arguments: tuple[str, ...]) -> None:
    number = stopped.numbers["clean"]
    result = call(*[number if word == "N" else word for word in arguments])
    assert isinstance(result.exception, ConfigurationError), result.output
    assert stopped.ledger.activity.of_submission(stopped.id("clean")) == []
    assert stopped.host.written == []


def test_sending_is_stopped_and_resumed(stopped: StoppedOrders) -> None:
    assert f"sending is stopped for {PIPELINE}" in call("stop", PIPELINE, "--reason", "OMS is down").stdout
    assert as_json("stop", "--reason", "OMS is down", "--who", "ann") == {
        "everything": True,
        "stopped": [],
        "who": "ann",
    }
    assert "nothing is stopped" in call("resume", "--reason", "up again").stdout
    assert [one.why for one in stopped.ledger.activity.general("stop")] == ["OMS is down", "OMS is down"]
