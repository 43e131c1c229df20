"""The commands on a real ledger and batch store, without Airflow."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from order_relay import __version__
from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchWriter
from order_relay.cli import app as app_module
from order_relay.cli.deployment import Installation
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.ledger import AttemptResult, BatchInfo, Ledger, ReadyPayload
from order_relay.orders.messages import Acknowledgement, RunContext, SendOutcome, SendResult
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import pipeline_files
from tests.support.offers import offer

PIPELINE = "supercat_to_shopatron"
CTX = RunContext(PIPELINE, "run-1")
PAYLOAD = b'{"externalOrderID":"N-1","customer":{"lastName":"Marked"}}'


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


@pytest.fixture
def url(sqlite_url: str, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", store)
    return sqlite_url


@pytest.fixture
def ledger(url: str, store: BatchStore) -> Iterator[Ledger]:
    """Order 1 is imported and acknowledged, 2 is quarantined, 3 is in doubt."""
    ledger = Ledger.open(url)
    ledger.runs.bind(PIPELINE, "supercat:https://shop.example/org", "shopatron:https://oms.example/1")
    ledger.runs.begin(CTX, "run", 0)
    writer = BatchWriter(store, PIPELINE, "b1")
    places = [writer.add(b"{}") for _ in range(3)]
    manifest = writer.close(["1", "2", "3"])
    rows = [
        {**offer(number, customer_po="PO Marked"), "part": part, "row": row}
        for number, (part, row) in zip("123", places, strict=True)
    ]
    info = BatchInfo("b1", manifest.name, 3, datetime(2026, 5, 1, tzinfo=UTC))
    ledger.intake.receive(CTX, info, pd.DataFrame(rows), "t")
    works = {work.source_id: work for work in ledger.worklist.to_validate(PIPELINE, "b1")}
    ledger.validation.quarantine(
        CTX, [(works["2"], [ValidationIssue("total_differs", "/total", "the totals do not add up")])]
    )
    name = f"{PIPELINE}/runs/run-1/payloads-00000.jsonl.gz"
    store.write_jsonl(name, [PAYLOAD, b"{}"])
    ready = [
        ReadyPayload(works[s].id, works[s].revision, f"N-{s}", name, place, f"f{s}", "t", 100, "USD")
        for place, s in enumerate("13")
    ]
    ledger.payloads.make_ready(CTX, ready)
    _send(
        ledger,
        works["1"].id,
        SendResult(SendOutcome.IMPORTED, 200, oms_id="901", body='{"orderID": 901, "said": "Marked"}'),
    )
    _send(ledger, works["3"].id, SendResult(SendOutcome.IN_DOUBT, 504, code="http_504", message="no clear answer"))
    due = ledger.acknowledgements.due(PIPELINE, 10)
    ledger.acknowledgements.mark_sent(CTX, [entry.id for entry in due])
    ledger.acknowledgements.record_answers(CTX, {entry.id: Acknowledgement(True) for entry in due})
    yield ledger
    ledger.close()


def _send(ledger: Ledger, number: int, answer: SendResult) -> None:
    claim = ledger.claims.claim(CTX, [number], "test", 30)[number]
    assert ledger.outcomes.record(CTX, [AttemptResult(number, claim.attempt, answer)]) == []


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, list(arguments))


def as_json(*arguments: str, code: int = 0) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_report_counts_and_balances(ledger: Ledger) -> None:
    facts = as_json("report", "--pipeline", PIPELINE)
    assert facts["received"] == 3
    assert {s: n for s, n in facts["states"].items() if n} == {"imported": 1, "quarantined": 1, "in_doubt": 1}
    assert facts["acknowledged"] == 1
    assert facts["balanced"] is True
    assert facts["batches_compared"] == 1


@pytest.mark.parametrize("option", [("--source", "supercat"), ("--run", "run-1"), ()])
def test_report_can_be_narrowed(ledger: Ledger, option: tuple[str, ...]) -> None:
    assert as_json("report", *option)["received"] == 3


def test_report_of_a_run_that_brought_nothing_is_empty(ledger: Ledger) -> None:
    ledger.runs.begin(RunContext(PIPELINE, "run-9"), "run", 1)
    facts = as_json("report", "--run", "run-9")
    assert (facts["received"], facts["batches_compared"]) == (0, 0)


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


def test_the_quarantine_fits_a_terminal_of_80_columns(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_relay.cli.output._PIPED_WIDTH", 80)
    text = call("quarantine").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("N-2")]
    assert len(line) <= 80
    assert line.split() == ["N-2", "total", "differs", "0", "min"]
    assert "/total" in call("quarantine", "--wide").stdout


def test_a_known_code_is_explained(ledger: Ledger) -> None:
    work = ledger.worklist.get([life["id"] for life in ledger.queries.find("2")])[0]
    ledger.validation.quarantine(
        CTX,
        [
            (
                work,
                [
                    ValidationIssue("not_in_table", "/shipping", "has no row"),
                    ValidationIssue("total_mismatch", "/total", "does not add up"),
                ],
            )
        ],
    )
    text = call("quarantine").stdout
    assert "No row in a code table (+1 more)" in text
    assert "Who: the maintainer of the pipeline's settings." in text
    assert "Example: shipping: {UPS GROUND: standard}" in text
    advice = as_json("quarantine")["advice"]
    assert advice["total_mismatch"]["title"] == "Total does not add up"


def test_the_version(ledger: Ledger) -> None:
    assert call("--version").stdout.strip() == f"order-relay {__version__}"
    assert "--install-completion" in call("--help").stdout


def test_report_finds_what_the_ledger_lost(ledger: Ledger, store: BatchStore) -> None:
    store.remove(f"{PIPELINE}/batches/b1/manifest.json")
    BatchWriter(store, PIPELINE, "b1").close(["1", "2", "3", "4"])
    facts = as_json("report", "--pipeline", PIPELINE, code=1)
    assert facts["balanced"] is False
    assert "1 listed or archived orders" in facts["breaches"][0]


def test_report_as_text(ledger: Ledger) -> None:
    out = call("report").stdout
    assert "Accounting check passed" in out
    assert "in_doubt" in out


@pytest.mark.parametrize("word", ["N-1", "1", "L1", "901", "PO Marked"])
def test_an_order_is_found_by_each_of_its_names(ledger: Ledger, word: str) -> None:
    lives = as_json("order", word)["submissions"]
    life = next(life for life in lives if life["source_id"] == "1")
    assert [event["to_state"] for event in life["events"]] == ["received", "ready", "sending", "imported"]
    assert life["attempts"][0]["oms_id"] == "901"
    assert life["ack"] == "confirmed"


def test_without_payload_no_personal_data_is_shown(ledger: Ledger) -> None:
    for output in (call("order", "N-1").stdout, call("order", "N-1", "--json").stdout):
        assert "Marked" not in output


def test_with_payload_the_very_bytes_are_shown(ledger: Ledger) -> None:
    life = as_json("order", "N-1", "--payload")["submissions"][0]
    assert life["attempts"][0]["payload"].encode() == PAYLOAD
    assert life["attempts"][0]["body"] == '{"orderID": 901, "said": "Marked"}'
    out = call("order", "N-1", "--payload").stdout
    assert PAYLOAD.decode() in out
    assert '"said": "Marked"' in out


def test_reasons_are_shown_in_an_orders_history(ledger: Ledger) -> None:
    out = call("order", "N-2").stdout
    assert "the totals do not add up" in out


def test_an_unknown_order_is_a_problem(ledger: Ledger) -> None:
    assert as_json("order", "nobody", code=1) == {"found": 0, "submissions": []}
    assert call("order", "nobody").exit_code == 1


def test_doubt_and_held(ledger: Ledger) -> None:
    assert [row["order_number"] for row in as_json("doubt")["rows"]] == ["N-3"]
    assert as_json("doubt", "--pipeline", "cloudsuite_to_shopatron")["orders"] == 0
    assert as_json("held") == {"orders": 0, "rows": [], "advice": {}}
    assert "nothing is held" in call("held").stdout


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), 1),
        (("--code", "total_differs"), 1),
        (("--code", "total_mismatch"), 0),
        (("--number", "N-2"), 1),
        (("--number", "N-1"), 0),
        (("--since", "2020-01-01"), 1),
        (("--since", "2999-01-01T00:00:00+02:00"), 0),
    ],
)
def test_quarantine_is_narrowed(ledger: Ledger, options: tuple[str, ...], found: int) -> None:
    assert as_json("quarantine", *options)["orders"] == found


def test_quarantine_as_csv(ledger: Ledger, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("quarantine", "--csv", "-").stdout)))
    assert [(row["order_number"], row["code"]) for row in rows] == [("N-2", "total_differs")]
    call("quarantine", "--csv", str(tmp_path / "q.csv"))
    assert (tmp_path / "q.csv").read_text("utf-8-sig").startswith("pipeline,order_number")


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


def test_the_doctor_checks_all_components(ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "paused_dags", lambda self: {"watch": True})
    monkeypatch.setattr(Installation, "stop_switch", StopSwitch())
    answer = as_json("doctor", "--no-vendors")
    assert answer["ok"] is True
    checks = {f["check"] for f in answer["findings"]} - {f"pipeline {name}" for name in pipeline_files()}
    assert {name for name in checks if not name.startswith("DAG ")} == {
        "pipelines",
        "ledger",
        "accounting check",
        "batch store",
        "stop switch",
        "DAGs",
        "alerts",
    }
    assert next(f["found"] for f in answer["findings"] if f["check"] == "DAG watch").startswith("paused")
    assert list(store.list("doctor")) == []


def test_the_doctor_reports_a_read_only_store(
    ledger: Ledger, store: BatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Installation, "store", BatchStore((tmp_path / "file").as_uri()))
    answer = as_json("doctor", "--no-vendors", code=1)
    assert [f["check"] for f in answer["findings"] if f["level"] == "fail"] == ["batch store"]


def test_the_doctor_reports_missing_connections(
    ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: Installation, conn_id: str) -> Any:
        raise ConfigurationError(f"connection {conn_id!r} is not defined")

    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "connection", missing)
    answer = as_json("doctor", "--pipeline", PIPELINE, code=1)
    failed = [f["check"] for f in answer["findings"] if f["level"] == "fail"]
    assert failed == ["connection supercat_default", "connection shopatron_default"]
    skipped = {f["check"]: f["found"] for f in answer["findings"] if f["level"] == "skip"}
    assert "same cause as 'connection supercat_default'" in skipped[f"pipeline {PIPELINE}"]
    assert call("doctor", "--pipeline", PIPELINE).stdout.splitlines()[-1].startswith("2 errors, ")


def test_the_doctor_skips_unused_pipelines(ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_but_supercat(self: Installation, conn_id: str) -> Any:
        if conn_id == "supercat_default":
            return Connection(conn_id, host="https://supercat.example")
        raise ConfigurationError(f"connection {conn_id!r} is not defined")

    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "connection", none_but_supercat)
    findings = as_json("doctor", code=1)["findings"]
    assert "connection supercat_default" in {f["check"] for f in findings if f["level"] == "fail"}
    found = [f["found"] for f in findings if f["check"] == "pipeline cloudsuite_to_shopatron"]
    assert any("not in use" in arguments and "cloudsuite_default" in arguments for arguments in found)
