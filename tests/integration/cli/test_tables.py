"""Code tables by command, against the sandbox: orders are refused for their ship-via, and imported with a new row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from order_relay import failpoints
from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.orders.messages import RunContext
from order_relay.pipeline.run import PipelineRun
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.command_line import as_json, call
from tests.support.engine import Engine
from tests.support.faults.cases import named

CASE = named("supercat-shopatron")
PIPELINE = CASE.pipeline
SET = ("tables", "set", PIPELINE, "ship_via", "DHL Express", "{type: express, class: Fast}", "--reason", "new carrier")
RULE = "{target: shippingMethod.shippingType, path: ship_via, table: ship_via, pick: type, unknown: refuse}"
FILE = f"""
source: {{vendor: supercat, connection: supercat_default}}
destination: {{vendor: shopatron, connection: shopatron_default}}
mode: live
transform: {{customer_ip: 192.88.99.1, order_status: READY, payment_type: NO}}
mapping: {{destination: {{fields: [{RULE}]}}}}
tables: {{ship_via: {{UPS Ground: {{type: standard, class: Standard}}}}}}
"""


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    orders = CASE.plain(3)
    for order, carrier in zip(orders, ("DHL  express", "dhl express", "Pigeon"), strict=True):
        order["ship_via"] = carrier
    with serve_in_thread({}, orders, sources=[CASE.source_side]) as vendors:
        yield vendors


@pytest.fixture
def engine(sandbox: ThreadedSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    config = tmp_path / "config"
    config.mkdir()
    (config / f"{PIPELINE}.yaml").write_text(FILE)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(config))
    made = Engine(tmp_path, CASE.connect(sandbox.url), pipeline=PIPELINE)
    monkeypatch.setattr(Installation, "ledger_url", made.ledger_url)
    monkeypatch.setattr(Installation, "store", BatchStore(made.wiring.store_url))
    monkeypatch.setattr(Installation, "store_location", (made.wiring.store_url, None))
    monkeypatch.setattr(Installation, "connection", lambda self, conn_id: made.connections[conn_id])
    made.run("first")
    yield made
    made.wiring.close()


def sent(sandbox: ThreadedSandbox) -> list[tuple[str, str]]:
    bodies = (body for key in sandbox.report()["orders"] for body in sandbox.bodies(key))
    return sorted((one["shippingMethod"]["shippingType"], one["shippingMethod"]["shippingClass"]) for one in bodies)


def test_an_order_refused_for_its_code_is_imported_with_the_rows_value(
    engine: Engine, sandbox: ThreadedSandbox
) -> None:
    assert set(engine.states().values()) == {"quarantined"}
    refused = as_json("tables", "unknown")[PIPELINE]
    assert [(one["table"], one["value"].lower(), one["orders"]) for one in refused["codes"]] == [
        ("ship_via", "dhl  express", 2),
        ("ship_via", "pigeon", 1),
    ]
    assert (refused["checked"], refused["passing"], refused["more"]) == (3, 0, False)
    before = as_json(*SET, "--dry-run")
    assert (before["passing"], before["row"], before["released"]) == (2, None, 0)
    assert engine.ledger.code_tables.rows(PIPELINE) == [], "a preview changes nothing"
    done = as_json(*SET, "--release", "--who", "ann")
    assert (done["released"], done["row"]["version"], done["row"]["who"]) == (2, 1, "ann")
    engine.run("second")
    assert sent(sandbox) == [("express", "Fast")] * 2
    assert sorted(engine.states().values()) == ["imported", "imported", "quarantined"]


def test_rows_are_listed_with_their_origin_exported_and_removed(engine: Engine) -> None:
    as_json(*SET, "--who", "ann")
    as_json("tables", "set", PIPELINE, "ship_via", "ups ground", "{type: own, class: Own}", "--reason", "covered")
    rows = as_json("tables", PIPELINE, "ship_via", "--history")
    assert [(row["key"], row["origin"], row["version"]) for row in rows["rows"]] == [
        ("DHL Express", "operator", 1),
        ("ups ground", "operator", 2),
    ]
    assert [row["version"] for row in rows["history"]] == [2, 1]
    (summary,) = [row for row in as_json("tables", PIPELINE) if row["table"] == "ship_via"]
    assert (summary["rows"], summary["made"]) == (2, 2)
    exported = yaml.safe_load(call("tables", "export", PIPELINE).stdout)
    assert exported == {
        "tables": {
            "ship_via": {
                "DHL Express": {"type": "express", "class": "Fast"},
                "ups ground": {"type": "own", "class": "Own"},
            }
        }
    }
    as_json("tables", "remove", PIPELINE, "ship_via", "UPS GROUND", "--reason", "the file is right")
    rows = as_json("tables", PIPELINE, "ship_via")["rows"]
    assert [(row["key"], row["origin"]) for row in rows] == [
        ("DHL Express", "operator"),
        ("UPS Ground", f"{PIPELINE}.yaml"),
    ]


def test_a_row_that_no_rule_can_use_is_refused(engine: Engine) -> None:
    for arguments, message in (
        (("ship_vias", "x", "{type: a, class: b}"), "no rule uses a code table 'ship_vias'; did you mean ship_via?"),
        (("ship_via", "x", "{type: a}"), "row 'x' of code table 'ship_via' has no 'class'"),
        (("ship_via", "x", "[a"), "code table 'ship_via', row 'x': did not find expected"),
        (("country", "Freedonia", "FREE"), "invalid value: bill_country: must be a country code of two letters"),
        (("payment_type", "cash", "123"), "the destination's schema does not allow this value"),
        (("country", "Freedonia", "null"), "has no value; remove the row instead"),
        (("country", "\x07", "FR"), "a key must be a text of at most 200 bytes"),
    ):
        result = call("tables", "set", PIPELINE, *arguments, "--reason", "x")
        assert message in str(result.exception), result.output
    assert engine.ledger.code_tables.version(PIPELINE) == 0


def test_a_run_uses_one_set_of_rows_in_all_its_tasks(engine: Engine, sandbox: ThreadedSandbox) -> None:
    """A row that changes between two tasks counts from the next run on; no payload is built with a mixture."""
    as_json(*SET, "--release")
    ctx = RunContext(PIPELINE, "second")
    first = engine.stages(ctx)
    first.start()
    batch = first.extract()
    put(engine.ledger, {"type": "late", "class": "Late"})
    chunks = engine.prepare(ctx, batch)
    later = engine.stages(ctx).transformer.fingerprint
    assert later == first.transformer.fingerprint != engine.wiring.transformer.fingerprint
    for chunk in chunks:
        engine.load(ctx, chunk)
    assert sent(sandbox) == [("express", "Fast")] * 2
    report = engine.run("third")
    assert report.breaches == []
    assert sent(sandbox) == [("express", "Fast")] * 2


def test_a_dry_run_uses_the_rows_of_the_moment_it_began(engine: Engine) -> None:
    put(engine.ledger, {"type": "express", "class": "Fast"})
    expected = engine.wiring.transformer.fingerprint
    ctx = RunContext(PIPELINE, "dry")
    for shadow in (False, True):
        trial = replace(engine.fresh_wiring(), dry_run=True, shadow=shadow)
        with trial.ledger_for(f"dry-{shadow}") as ledger:
            run = PipelineRun(replace(ctx, run=f"dry-{shadow}"), trial, ledger)
            run.start(note=False)
            put(engine.ledger, {"type": "late", "class": f"Late{shadow}"})
            assert run.transformer.fingerprint == expected
        expected = engine.fresh_wiring().transformer.fingerprint


def put(ledger: Ledger, value: Any) -> None:
    ledger.code_tables.put(RunContext(PIPELINE, "", "bob"), RowKey("ship_via", "DHL Express"), value, "changed")


class _Killed(BaseException):
    """The process ends here."""


def kill_at(point: str) -> Callable[[str], None]:
    def hook(passed: str) -> None:
        if passed == point:
            raise _Killed

    return hook


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ["ledger CodeTableRows.put", "ledger BulkDecisions.replay"])
def test_a_kill_leaves_a_change_that_can_be_repeated(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, when: str, point: str
) -> None:
    monkeypatch.setattr(failpoints, "hook", kill_at(f"{when} {point}"))
    with pytest.raises(_Killed):
        call(*SET, "--release")
    monkeypatch.setattr(failpoints, "hook", None)
    rows, actions = engine.ledger.code_tables.rows(PIPELINE), engine.ledger.activity.general("table")
    assert len(rows) == len(actions) == (0 if (when, point) == ("before", "ledger CodeTableRows.put") else 1)
    assert as_json(*SET, "--release")["row"]["version"] == 1
    assert len(engine.ledger.activity.general("table")) == 1
    engine.run("second")
    assert sorted(engine.states().values()) == ["imported", "imported", "quarantined"]
