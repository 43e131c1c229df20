"""People change their minds: decisions, replays, a cut-over and a restored ledger, by command, against the sandbox.

After each, the audit checks: each order exactly once at the destination, none acknowledged early, accounts balanced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs import start
from order_relay_sandbox import ThreadedSandbox
from tests.faults.cli.conftest import Run
from tests.support.engine import Engine
from tests.support.faults.case import Case, lost


def audited(engine: Engine, sandbox: ThreadedSandbox, stored: set[str], run: str = "audit") -> dict[str, Any]:
    """One more run moves nothing; then the destination has exactly ``stored``, each once."""
    engine.run(f"{run}-before")
    assert engine.run(run).breaches == []
    seen = sandbox.report()
    assert {key: order["count"] for key, order in seen["orders"].items()} == dict.fromkeys(stored, 1)
    assert (seen["doubled"], seen["acknowledged_early"]) == ([], [])
    return seen


def keys(case: Case, number: int = 3) -> set[str]:
    return {case.key(order) for order in case.plain(number)}


@pytest.mark.parametrize("choice", ["replacement", "separate", "discard"])
def test_a_change_after_import_is_decided_and_sent_once(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run, choice: str
) -> None:
    engine.run("first")
    order = case.plain(3)[0]
    sandbox.offer([case.changed(order)])
    engine.run("second")
    number = case.key(order)
    assert not sandbox.report()["offers"][number]["acknowledged"]
    (review,) = command("held", number)["reviews"]
    assert (review["reason"], review["needs_confirmation"]) == ("changed_after_import", True)
    shown = ",".join(map(str, review["shown_ids"]))
    options: tuple[str, ...] = ("--reason", "asked them", "--who", "ann", "--shown", shown)
    if choice == "replacement":
        assert "cancel it in the OMS" in command("decide", number, choice, *options, code=2)
        options = (*options, "--confirm-cancelled")
    assert command("decide", number, choice, *options)["decided"] == review["shown_ids"]
    engine.run("third")
    stored = keys(case) | (set() if choice == "discard" else {f"{number}/2"})
    seen = audited(engine, sandbox, stored)
    assert seen["offers"][number]["acknowledged"]
    lives = command("order", number)["submissions"]
    assert {event["who"] for event in lives[-1]["events"]} >= {"ann"}


def test_two_decisions_on_one_view_do_not_both_count(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run
) -> None:
    engine.run("first")
    order = case.plain(3)[0]
    sandbox.offer([case.changed(order)])
    engine.run("second")
    number = case.key(order)
    command("decide", number, "separate", "--reason", "x")
    assert "nothing is held" in command("decide", number, "discard", "--reason", "y", code=2)
    engine.run("third")
    audited(engine, sandbox, keys(case) | {f"{number}/2"})


@pytest.mark.parametrize("found", [True, False])
def test_an_operator_settles_when_the_search_cannot(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run, found: bool
) -> None:
    number = case.key(case.plain(3)[0])
    rule = lost("done" if found else "none", 503, orders=[number])
    blind = {"spoil": [{"purpose": "search", "answer": 400}], **case.harsh}
    sandbox.change(case.at_destination(faults=[rule], **blind))
    engine.run("first")
    assert [row["order_number"] for row in command("doubt")["rows"]] == [number]
    at_oms = sandbox.report()["orders"].get(number, {})
    say = ("--stored", str(at_oms["order_ids"][0])) if found else ("--absent",)
    sandbox.change(case.at_destination(faults=[], **blind))
    assert command("settle", number, *say, "--reason", "called them")["state"] == ("imported" if found else "ready")
    audited(engine, sandbox, keys(case))


def test_a_baseline_sends_nothing_of_what_is_offered(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run
) -> None:
    assert command("baseline", case.pipeline, "--dry-run")["offered"] == 3
    facts = command("baseline", case.pipeline, "--reason", "cut-over", "--who", "ann")
    assert (facts["offered"], facts["discarded"]) == (3, 3)
    new = case.plain(5)[3:]
    sandbox.offer(new)
    engine.run("first")
    seen = audited(engine, sandbox, {case.key(order) for order in new})
    assert set(seen["acknowledged"]) == {case.key(order) for order in new}
    sandbox.offer([case.newer(case.plain(3)[0])])
    engine.run("second")
    assert command("held")["orders"] == 1
    audited(engine, sandbox, {case.key(order) for order in new}, "again")


def test_a_baseline_may_acknowledge(case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run) -> None:
    facts = command("baseline", case.pipeline, "--acknowledge")
    assert (facts["discarded"], facts["acknowledged_accepted"]) == (3, 3)
    seen = sandbox.report()
    assert set(seen["acknowledged"]) == keys(case)
    assert seen["orders"] == {}
    assert engine.run("after").breaches == []


def test_the_undo_list_names_what_a_run_imported(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run, tmp_path: Path
) -> None:
    engine.run("first")
    sandbox.offer(case.plain(4)[3:])
    engine.run("second")
    (row,) = command("report", "--run", "second", "--undo")["rows"]
    assert (row["order_number"], row["destination_key"]) == (case.key(case.plain(4)[3]),) * 2
    assert int(row["oms_id"]) in sandbox.report()["orders"][row["order_number"]]["order_ids"]
    assert command("report", "--run", "first", "--undo", "--csv", str(tmp_path / "undo.csv"))["imported"] == 3
    assert (tmp_path / "undo.csv").read_text("utf-8-sig").count("\n") == 4
    assert "unknown run 'frist'; did you mean first?" in command("report", "--run", "frist", "--undo", code=2)
    engine.run("third")
    assert command("report", "--run", "third", "--undo", code=1)["imported"] == 0


@pytest.mark.parametrize(
    ("name", "store_knows"),
    [
        pytest.param("ledger.backup", True, id="a file"),
        pytest.param("ledger.jsonl.gz", False, id="a portable dump, and the store's number is lost"),
    ],
)
def test_a_restored_ledger_doubles_nothing_of_the_runs_in_between(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run, tmp_path: Path, name: str, store_knows: bool
) -> None:
    """In between: an order imported, one imported and not acknowledged, and a decision that was sent."""
    one, _, three, four, five = case.plain(5)
    engine.run("first")
    sandbox.offer([case.changed(one)])
    engine.run("second")
    command("ledger", "backup", str(tmp_path / name))
    command("decide", case.key(one), "separate", "--reason", "another order")
    sandbox.offer([four])
    engine.run("third")
    sandbox.offer([five])
    ctx = RunContext(case.pipeline, "fourth")
    for chunk in engine.prepare(ctx, engine.extract(ctx)):
        engine.load(ctx, chunk)
    stored = keys(case, 5) | {f"{case.key(one)}/2"}
    assert set(sandbox.report()["orders"]) == stored
    engine.wiring.close()
    if not store_knows:
        engine.wiring.store.remove(start.sequence_name(case.pipeline))
    command("ledger", "restore", str(tmp_path / name), code=2)
    assert command("ledger", "restore", str(tmp_path / name), "--replace")["breaches"] == []
    sandbox.offer([case.changed(one), four, three])  # the source was restored, too: all of this comes again
    engine.run("fifth")
    command("decide", case.key(one), "separate", "--reason", "another order")
    engine.run("sixth")
    audited(engine, sandbox, stored)
    assert command("order", case.key(five))["submissions"][0]["attempts"] == []
