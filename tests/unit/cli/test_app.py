"""What all commands share: names, usage errors, the version, and which of them may create a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_relay import __version__
from order_relay.airflow.installation import Installation
from order_relay.batches.store import BatchStore
from order_relay.cli import app as app_module
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from tests.support.command_line import as_json, call


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report", "--run", "run-l"), "unknown run 'run-l'; did you mean run-1?"),
        (("report", "--run", "nosuch"), "unknown run 'nosuch'; available: run-1"),
        (("report", "--run", "nosuch", "--undo"), "unknown run 'nosuch'"),
        (("report", "--pipeline", "supercat_to_shopatrn"), "did you mean supercat_to_shopatron"),
        (("report", "--source", "supercar"), "unknown source 'supercar'; did you mean supercat?"),
        (("quarantine", "--code", "total_mismach"), "did you mean total_mismatch"),
        (("quarantine", "--code", "nosuch"), "unknown reason code 'nosuch'"),
        (("quarantine", "--pipeline", "nosuch"), "unknown pipeline 'nosuch'"),
        (("held", "--pipeline", "nosuch"), "unknown pipeline"),
        (("doubt", "--pipeline", "nosuch"), "unknown pipeline"),
        (("discard", "--code", "nosuch", "--reason", "x"), "unknown reason code"),
        (("replay", "--all", "--pipeline", "nosuch", "--reason", "x"), "unknown pipeline"),
        (("reconcile", "--pipeline", "nosuch"), "unknown pipeline"),
        (("baseline", "nosuch"), "unknown pipeline"),
    ],
)
def test_unknown_names_are_refused_with_near_matches(ledger: Ledger, arguments: tuple[str, ...], says: str) -> None:
    result = call(*arguments)
    assert result.exit_code != 0
    assert says in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("order", "N-1"),
        ("held",),
        ("doubt",),
        ("quarantine",),
        ("statuses",),
        ("shipments",),
        ("ledger", "backup", "copy.sqlite"),
    ],
    ids=" ".join,
)
def test_no_command_makes_a_ledger_by_accident(
    arguments: tuple[str, ...], store: BatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "elsewhere" / "ledger.sqlite"
    monkeypatch.setattr(Installation, "ledger_url", f"sqlite:///{missing}")
    monkeypatch.setattr(Installation, "store", store)
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code != 0
    assert f"there is no ledger at {missing}" in str(result.exception)
    assert not missing.parent.exists()


def test_only_migrate_makes_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "elsewhere" / "ledger.sqlite"
    monkeypatch.setattr(Installation, "ledger_url", f"sqlite:///{file}")
    assert call("ledger", "migrate").exit_code == 0
    assert file.exists()


def test_the_version(ledger: Ledger) -> None:
    assert call("--version").stdout.strip() == f"order-relay {__version__}"
    assert "--install-completion" in call("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("quarantine", "--since", "yesterday"), "not a time: 'yesterday'"),
        (("report", "--pipeline", "nope"), "unknown pipeline"),
        (("quarantine", "--csv", "/nowhere/q.csv"), "cannot write"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(
    ledger: Ledger,
    arguments: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["order_relay", *arguments])
    monkeypatch.setattr(app_module, "reserve_stdout", lambda: None)  # it would take pytest's own away
    monkeypatch.setattr(Installation, "before", [])  # put back afterwards
    with pytest.raises(SystemExit) as end:
        app_module.main()
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert says in error
    assert error.count("\n") == 1


def test_a_ledger_without_tables_is_reported_and_migrated(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Installation, "ledger_url", f"sqlite:///{tmp_path}/new.sqlite")
    result = call("held")
    assert isinstance(result.exception, ConfigurationError)
    assert as_json("ledger", "migrate")["migrated"] is True
    assert as_json("held")["orders"] == 0
