"""No statement of a run, command, watch, sweep or review finder reads the past: asked of both databases' planners."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from order_relay.airflow.installation import Installation
from order_relay.airflow.jobs import reviews
from order_relay.airflow.jobs.reviews import still_open
from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.ledger.delivery.history_imports import HistoryRange, HistorySlice
from order_relay.ledger.listing.order_filter import SORTS, OrderFilter, OrderSort
from order_relay.ledger.operators.attention import AttentionGroup
from order_relay.ledger.operators.attention_sources import KINDS, PARCEL, AttentionRules
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.ledger.reporting import accounting
from order_relay.ledger.schema.records import AttemptResult
from order_relay.ledger.schema.states import State
from order_relay.orders.corrections.correctable_fields import FieldCorrection
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.messages import RunContext, SendOutcome, SendResult
from order_relay.pipeline.alerts import rules
from order_relay.pipeline.fulfilment.write_back import WRITE_BACK_STEPS
from order_relay.pipeline.order_view.order_view import order_view
from order_relay_sandbox import serve_in_thread
from tests.support import engine as engines
from tests.support.command_line import call
from tests.support.faults.cases import named
from tests.support.past_orders import write_past
from tests.support.query_plans import SMALL_INDEXES, is_permitted, sqlite_scans

CASE = named("supercat-shopatron")
ORDERS = 20_000
FILLED = frozenset({"submission", "event", "attempt", "oms_status"})
"""Those that have rows here: PostgreSQL plans for the rows that it knows."""


@contextmanager
def collected() -> Iterator[dict[str, Any]]:
    """All statements that are executed, each with the values of its first execution."""
    found: dict[str, Any] = {}

    def keep(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if (
            statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT"))
            and "order_relay_revision" not in statement
        ):
            found.setdefault(statement, values[0] if many else values)

    sa.event.listen(Engine, "after_cursor_execute", keep)
    try:
        yield found
    finally:
        sa.event.remove(Engine, "after_cursor_execute", keep)


def _sqlite_scans(conn: Connection, statement: str, values: Any) -> list[str]:
    rows = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    return sqlite_scans([str(row[-1]) for row in rows], statement)


def _postgres_scans(conn: Connection, statement: str, values: Any) -> list[str]:
    conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
    answer = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    plans = answer if isinstance(answer, list) else json.loads(answer)
    return list(_postgres_nodes(plans[0]["Plan"]))


def _postgres_nodes(node: Mapping[str, Any]) -> Iterator[str]:
    index, condition, rows = node.get("Index Name", ""), node.get("Index Cond", ""), node["Plan Rows"]
    if node.get("Relation Name") in FILLED and node["Node Type"] != "ModifyTable":
        alone = index not in SMALL_INDEXES and re.fullmatch(r"\(+(pipeline|destination) = [^()]*\)+", condition)
        if rows > ORDERS / 4 or node["Node Type"] == "Seq Scan" or alone:
            yield f"{node['Node Type']} of {node['Relation Name']} by {index} {condition}, {rows} rows"
    if node["Node Type"] != "Limit":  # below, the first rows of an index
        for part in node.get("Plans", ()):
            yield from _postgres_nodes(part)


def _planned(url: str, statements: Mapping[str, Any]) -> dict[str, list[str]]:
    """The scans in the plans of these statements."""
    engine = sa.create_engine(url)
    scans = _sqlite_scans if engine.name == "sqlite" else _postgres_scans
    found = {}
    for statement, values in statements.items():
        with engine.connect() as conn:
            lines = scans(conn, statement, values)
            conn.rollback()
        if lines and not is_permitted(statement):
            found[statement] = lines
    engine.dispose()
    return found


def _watch(ledger: Ledger, name: str, settings: Any) -> None:
    """What ``watch``, its summary, the sweep and the review finder ask."""
    now = datetime.now(UTC)
    ledger.health.heartbeat(name)
    ledger.health.overdue(name, rules.state_limits(settings))
    ledger.write_back_tasks.pending(name)
    ledger.write_back_tasks.unfinished([name])
    for step in WRITE_BACK_STEPS:
        ledger.feedback.due(name, step, 10)
        ledger.feedback.due(name, step, 10, each_delivery=True)
    ledger.feedback.remove_finished(name, each_delivery=True)
    ledger.cancellations.follow_offers(RunContext(name, "x"), {"nobody"}, {"S77", "nobody"}, now)
    ledger.accounting.counts(name)
    ledger.accounting.counts()
    ledger.health.activity_since(name, now - timedelta(days=1))
    ledger.lookups.due(name)
    ledger.health.overdue(name, {State.IN_DOUBT: 60.0})
    ledger.alerts.unresolved()
    for review in reviews.pending_reviews(ledger):
        still_open(ledger, review)
    ledger.shipments.waiting(10)
    ledger.reconciliation.imported_between(name, now - timedelta(days=2), now)
    ledger.reconciliation.known(name, ["77"], ["N77"])
    ledger.runs.latest()
    _oms_statuses(ledger, name, now)
    _desk(ledger, name, now)


def _oms_statuses(ledger: Ledger, name: str, now: datetime) -> None:
    """What asking the destination about its orders asks of the ledger."""
    ledger.oms_questions.enrol(name, first_days=30)
    questions = ledger.oms_questions.due(name, 100)
    assert len(questions) == 12
    first, second, *_ = (one.submission_id for one in questions)
    pace, ctx = AskingPace(), RunContext(name, "", "oms")
    ledger.oms_statuses.record(ctx, {first: OmsOrder("CANCELED", OmsReading.CANCELLED)}, pace, now)
    ledger.oms_statuses.record_unanswered({second: "HTTP 404"}, pace)
    account = ledger.queries.find("N77")[0]["destination"] or "x"
    ledger.queries.last_payloads(account, 100)
    ledger.oms_questions.make_due(account, "O77")
    ledger.oms_questions.make_due(account, "", "K77")
    ledger.oms_statuses.of(first)
    ledger.portal_files.claim(ctx, "order_data.csv", "portal:/data", "task")
    ledger.portal_files.begin(ctx, "order_data.csv", "task", digest="1", replaced="", covers_to=now)
    ledger.portal_files.settle(ctx, "order_data.csv", "task")
    ledger.portal_files.advance(ctx, "order_data.csv", "task", now)
    ledger.portal_files.release(ctx, "order_data.csv", "task")
    ledger.shipments.counted_lines([first, second])
    ledger.portal_files.parcels_since(name, now - timedelta(days=1), 10)
    counts = ledger.oms_status_counts
    counts.open_counts(name)
    counts.finished_since(name, now - timedelta(days=1))
    counts.oldest_due(name)
    counts.needing_operator(name, timedelta(0))


def _desk(ledger: Ledger, name: str, now: datetime) -> None:
    """What the order desk asks about the orders that need attention, and about today and the last days."""
    ledger.trends.today([name], now)
    ledger.trends.open_orders([name])
    ledger.completed_checks.record("backup", {})
    ledger.completed_checks.latest("backup")
    ledger.run_history.latest([name], 5)
    ledger.run_history.named("first", [name])
    ledger.run_history.orders("first", [name], 10)
    ledger.trends.daily([name], now - timedelta(days=29))
    rules = AttentionRules({name: 60.0}, ("resends_exhausted",))
    for kind in KINDS:
        group = AttentionGroup(kind, "" if kind == PARCEL else name, "", False, 0, now)
        ledger.attention.page([name], rules, group, limit=10, after=(now, 1), assignee="ann")
        ledger.attention.ids_of([name], rules, group, 10)
    shown: dict[int, int] = {}
    for group in ledger.attention.groups([name], rules):
        shown |= ledger.attention.ids_of([name], rules, group, 1)
    ledger.attention.assign(shown, "ann", "ann")
    ledger.attention.snooze(shown, now + timedelta(days=1), "ann", "later")
    ledger.attention.unsnooze(shown, "ann")
    ledger.attention.resolved([name], now - timedelta(days=7), limit=10, before=(now, 1))
    _corrections(ledger, name)
    _history(ledger, name)
    ledger.activity.note(shown, "x", "ann")
    ledger.activity.of_submission(min(shown, default=1))
    ledger.activity.general("stop")
    ledger.code_tables.put(RunContext(name, "", "ann"), RowKey("country", "Freedonia"), "FR", "x")
    ledger.code_tables.remove(RunContext(name, "", "ann"), RowKey("country", "Freedonia"), "x")
    ledger.code_tables.version(name)
    for number in (77, ledger.queries.held()[0]["id"]):
        assert order_view(ledger, number, {name}) is not None
        ledger.order_histories.personal_texts(number)


def _list_orders(ledger: Ledger, name: str) -> None:
    """Pages of the list of orders, by each condition and sort."""
    found = OrderFilter(frozenset({name}))
    long_ago = datetime.now(UTC) - timedelta(days=300)
    for filtered in (
        found,
        replace(found, states=frozenset({State.IMPORTED})),
        replace(found, states=frozenset({State.HELD, State.REJECTED}), reason="http_400"),
        replace(found, reason="http_400"),
        replace(found, received_from=long_ago, changed_from=long_ago),
        replace(found, run="first", received_before=long_ago + timedelta(days=1)),
        replace(found, waiting_s=60),
        replace(found, search="n7"),
        replace(found, oms=frozenset({"open", "no_answer", "unanswered"})),
        replace(found, oms=frozenset({"cancelled"})),
    ):
        for sort in (OrderSort(key, descending) for key in SORTS for descending in (True, False)):
            page = ledger.order_list.page(filtered, sort, None, 5)
            if page.next:
                page = ledger.order_list.page(filtered, sort, page.next, 5)
                ledger.order_list.page(filtered, sort, page.previous, 5)
        next(ledger.order_list.stream(filtered, 10))
        ledger.order_list.identified(filtered)
    ledger.order_list.reasons(frozenset({name}))


def _history(ledger: Ledger, name: str) -> None:
    """What a history import asks."""
    ctx, imports = RunContext(name, "history-1", "ann"), ledger.history_imports
    number = imports.begin(ctx, HistoryRange(), [HistorySlice(0, "a.csv")], again=False)
    one = imports.claim(ctx, number)
    assert one is not None
    imports.renew(ctx, number, one.number)
    imports.finish(ctx, number, one.number, 0)
    imports.progress(number)
    imports.is_left(number, "a")
    imports.latest([name])
    imports.unfinished(number)


def _corrections(ledger: Ledger, name: str) -> None:
    """What corrections of an order ask."""
    work = next(w for w in (ledger.corrections.candidates(f"N{n}") for n in range(495, 520)) if w)[0]
    ctx = RunContext(name, "", "ann")
    change = [FieldCorrection("ship_city", "", "Reno")]
    ledger.corrections.correct(ctx, work.id, revision=work.revision, changes=change, why="x")
    (work,) = ledger.worklist.get([work.id])
    ledger.corrections.of([work.id])
    ledger.corrections.pending(work.id)
    ledger.corrections.withdraw(ctx, work.id, revision=work.revision, fields=["ship_city"], why="x")


COMMANDS = (
    "report --run first",
    "order N77",
    "order S77",
    "order O77",
    "order nobody",
    "held",
    "held N500",
    "doubt",
    "quarantine",
    "quarantine --code http_400",
    "quarantine --number N501",
    "shipments",
    "feedback",
    "cancelled",
    "statuses",
    "history",
    "retention --dry-run",
    "tables supercat_to_shopatron ship_via --history",
    "tables unknown supercat_to_shopatron",
)


def test_no_statement_reads_the_past(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_in_thread(CASE.at_destination(), [], sources=[CASE.source_side]) as sandbox:
        made = engines.Engine(tmp_path, CASE.connect(sandbox.url), ledger_url, pipeline=CASE.pipeline)
        wiring = made.wiring
        accounts = {"source": wiring.source.account, "destination": wiring.destination.account}
        write_past(ledger_url, CASE.pipeline, ORDERS, **accounts)
        (tmp_path / "batches").mkdir(exist_ok=True)
        made.wiring.store.write_json(f"{CASE.pipeline}/sequence.json", {"sequence": 1})
        sandbox.offer(CASE.plain(12))
        monkeypatch.setattr(accounting, "PORTION", ORDERS // 10)
        monkeypatch.setattr(Installation, "ledger_url", ledger_url)
        monkeypatch.setattr(Installation, "store", BatchStore((tmp_path / "batches").as_uri()))
        with collected() as statements:
            report = made.run("first")
            assert report.breaches == []
            assert report.facts["run_imported"] == 12, report.text
            made.run("second")
            _watch(made.ledger, CASE.pipeline, wiring.settings)
            _list_orders(made.ledger, CASE.pipeline)
            for command in COMMANDS:
                result = call(*command.split())
                assert result.exit_code in {0, 1}, (command, result.output)
                assert not isinstance(result.exception, Exception), (command, result.exception)
        made.wiring.close()
    assert len(statements) > 100
    found = _planned(ledger_url, statements)
    assert found == {}, "\n\n".join(f"{statement}\n{lines}" for statement, lines in found.items())


def test_old_statistics_do_not_let_sending_read_what_was_sent(postgres_url: str) -> None:
    """A long run sends more orders than PostgreSQL's statistics know of."""
    name = CASE.pipeline
    write_past(postgres_url, name, 2_000, source="s", destination="d")
    ledger = Ledger.open(postgres_url)
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("UPDATE submission SET state = 'ready'")
        conn.exec_driver_sql("VACUUM FULL ANALYZE")
        conn.exec_driver_sql("UPDATE submission SET state = 'imported' WHERE id > 40")
    ctx, ids = RunContext(name, "r1"), range(1, 41)
    with collected() as statements:
        claims = ledger.claims.claim(ctx, ids, "me", 30.0)
        imported = SendResult(SendOutcome.IMPORTED, status=200, oms_id="1")
        ledger.outcomes.record(ctx, [AttemptResult(claim.id, claim.attempt, imported) for claim in claims.values()])
    assert len(claims) == 40
    asked = {statement: values for statement, values in statements.items() if "b_ids" in values or "ids" in values}
    assert len(asked) >= 6
    with ledger.database.engine.connect() as conn:
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plans = [conn.exec_driver_sql(f"EXPLAIN (COSTS off) {one}", values).scalars() for one, values in asked.items()]
        used = {
            index for plan in plans for index in re.findall(r"(?:using|on) (\w+x_\w+|[pu][kq]_\w+)", "\n".join(plan))
        }
    ledger.close()
    assert used <= {"pk_submission", "pk_attempt", "ix_event_submission", "ix_submission_lineage"}
